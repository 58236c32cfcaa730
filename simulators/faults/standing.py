"""Acts in which a car stands where it should not, with people or without, and how it ends: a mechanic, itself, the supply."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from hoistway.model import Power, ServiceMode
from simulators.columns.cars import Arm, Phase
from simulators.faults.scene import GIVE_UP_MS, Scene, Script, riding, wait
from simulators.faults.truth import Line

ARRIVAL_MS: Final = (9.5 * 60_000, 0.45)
"""Median and spread of the way to the lift; mean 10.5 min (published 8.9 to 16, Hangzhou 9.8 to 9.9)."""
RELEASE_MS: Final = (4.2 * 60_000, 0.5)
"""The same of the work on site; mean 4.8 min (published 2.5 to 7.3, Jiangsu 4.8)."""
POWER_CUT: Final = 201
"""The cause that shows in the supply as well."""


def stall(scene: Scene) -> Script:
    """The car stops between floors, past the last landing, or arrives and stays shut; a mechanic, itself or the supply ends it."""
    hands, slot, at = scene.hands, scene.slot, scene.option("at", "between")
    person = bool(scene.option("person", scene.option("goes_on", False)))
    arm = {"landing": Arm.SHUT, "top": Arm.ABOVE, "bottom": Arm.BELOW}.get(
        at, Arm.STOP_WITH if person else Arm.STOP_EMPTY
    )
    hands.arm(slot, arm)
    top = int(scene.machines.shafts.floors[slot]) - 1
    target = {"top": top, "bottom": 0}.get(at)
    came = yield from riding(scene, lambda: hands.stands(slot), empty=arm is Arm.STOP_EMPTY, target=target)
    hands.arm(slot, Arm.NOTHING)
    if not came:
        return
    stopped_at = int(scene.machines.cars.run_from[slot])
    laid = [("door_closed", 0.0), ("door_status", 6.0)] if scene.option("ajar") else []
    codes = list(scene.option("codes", []))
    if scene.cause == POWER_CUT:
        laid += [("power", float(Power.OUT)), ("light", 0.0)]
        codes.append("41")
    for name, value in laid:
        scene.machines.overlay.put(slot, name, "set", value)
    line = scene.begin(stopped_at, still_to=None)
    if scene.option("goes_on"):
        yield stopped_at + scene.lasts_ms
        take(scene, laid)
        hands.go_on(slot)
        line.end(scene.now, recovered=True)
        return
    scene.tell(*codes, active=True)
    yield from _beside(scene, stopped_at)
    pressed = yield from _button(scene, stopped_at)
    if scene.rng.random() < scene.option("recovers", 0.0):
        yield max(scene.now, stopped_at + int(60_000 + scene.rng.random() * 240_000))
        take(scene, laid)
        yield from _level_and_open(scene)
        _over(scene, line, codes, pressed=pressed, recovered=True)
        return
    yield from _rescued(scene, line, stopped_at, laid, codes, pressed=pressed)


def _beside(scene: Scene, stopped_at: int) -> Script:
    """What else happens to a car that stands: an opened landing door, silence."""
    silent, landing = scene.option("silent_after_s"), scene.option("landing_open_s")
    if silent is not None:
        yield stopped_at + int(silent * 1_000)
        scene.carrier.cut(scene.slot, scene.now)
    if landing is not None:
        yield stopped_at + 5_000
        scene.machines.overlay.put(scene.slot, "landing_door_locked", "set", 0.0)
        yield scene.now + int(landing * 1_000)
        scene.machines.overlay.take(scene.slot, "landing_door_locked", "set")


def _button(scene: Scene, stopped_at: int) -> Generator[int, None, bool]:
    after = scene.button_after_ms
    if after is None and scene.hands.aboard(scene.slot) and scene.rng.random() < scene.option("button", 0.0):
        after = int(15_000 + scene.rng.expovariate(1 / 30_000))
    if after is None or after > 10 * 60_000:
        return False
    yield max(scene.now, stopped_at + after)
    scene.tell("90", active=True)
    return True


def _rescued(
    scene: Scene, line: Line, stopped_at: int, laid: list[tuple[str, float]], codes: list[str], *, pressed: bool
) -> Script:
    """A mechanic arrives, winds the car to a landing, opens by hand, lets everybody out and hands the lift back."""
    hands, slot, cars = scene.hands, scene.slot, scene.machines.cars
    arrival, work = scene.lot(ARRIVAL_MS), scene.lot(RELEASE_MS)
    if scene.rescue_after_ms is not None:
        arrival, work = scene.rescue_after_ms, 40_000
    yield max(scene.now, stopped_at + arrival)
    arrived = scene.now
    yield arrived + max(5_000, work - 30_000)
    scene.carrier.join(slot, scene.now)
    still_to = scene.now
    take(scene, laid)
    hands.park(slot, ServiceMode.INSPECTION)
    scene.tell("43", active=True)
    hands.wind(slot, hands.landing_m(slot))
    yield from wait(scene, lambda: scene.phase is Phase.WOUND)
    hands.pry(slot)
    yield from wait(scene, lambda: scene.phase is Phase.PRIED)
    _over(scene, line, codes, pressed=pressed, still_to=still_to, arrived=arrived)
    yield scene.now + 45_000
    cars.beyond[slot] = False
    hands.back(slot)
    scene.tell("43", active=False)
    scene.tell("40", active=True)


def _over(scene: Scene, line: Line, codes: list[str], *, pressed: bool, **more: Any) -> None:
    scene.tell(*codes, *(["90"] if pressed else []), active=False)
    line.end(scene.now, **more)


def _level_and_open(scene: Scene) -> Script:
    hands, slot = scene.hands, scene.slot
    hands.wind(slot, hands.landing_m(slot))
    yield from wait(scene, lambda: scene.phase is Phase.WOUND)
    hands.open(slot)


def take(scene: Scene, laid: list[tuple[str, float]]) -> None:
    """Values that were set over the samples are so no more."""
    for name, _ in laid:
        scene.machines.overlay.take(scene.slot, name, "set")


def creep(scene: Scene) -> Script:
    """The car leaves the landing with open doors and is caught after a metre."""
    hands, slot = scene.hands, scene.slot
    hands.hold(slot, scene.now + GIVE_UP_MS)
    came = yield from riding(scene, lambda: scene.phase is Phase.DWELL)
    hands.hold(slot, 0)
    if not came or not hands.creep(slot):
        return
    started = scene.now
    line = scene.begin(still_to=None)
    scene.tell("05", active=True)
    yield from wait(scene, lambda: hands.stands(slot))
    ajar = [("door_closed", 0.0), ("door_status", 4.0)]
    for name, value in ajar:
        scene.machines.overlay.put(slot, name, "set", value)
    yield from _rescued(scene, line, started, ajar, ["05"], pressed=False)
