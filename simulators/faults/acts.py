"""How the catalogue's entries are played on the fleet in columns. An act is a generator: it does something, yields when it wants to go on,
and opens and closes its line of the truth. A story names an entry, an entry names an act and its options.

Pure: time is the machines', chance comes in with the scene. Acts on terminals and networks stand in `simulators.network.acts`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final

from hoistway.model import Kind, ServiceMode
from simulators.faults.catalogue import Entry
from simulators.faults.truth import Book, Line
from simulators.life.cars import Arm, Phase
from simulators.life.hands import Hands
from simulators.life.machines import Machines
from simulators.life.motion import Limits
from simulators.network.carrier import Carrier

Script = Generator[int, None, None]

POLL_MS: Final = 1_000
GIVE_UP_MS: Final = 30 * 60_000
"""A fault that does not come about within half an hour is not played."""
ARRIVAL_MS: Final = (9.5 * 60_000, 0.45)
"""Median and spread of the way to the lift; mean 10.5 min (published 8.9 to 16, Hangzhou 9.8 to 9.9)."""
RELEASE_MS: Final = (4.2 * 60_000, 0.5)
"""The same of the work on site; mean 4.8 min (published 2.5 to 7.3, Jiangsu 4.8)."""
INSPECTION: Final = Limits(speed_m_s=0.3, acceleration_m_s2=0.3, jerk_m_s3=0.6)
_MODES: Final = {mode.name.lower(): mode for mode in ServiceMode}


@dataclass(kw_only=True, slots=True)
class Scene:
    """An act's surroundings."""

    machines: Machines
    carrier: Carrier
    book: Book
    entry: Entry
    slot: int
    lasts_ms: int
    cause: int | None
    rng: random.Random
    mates: tuple[int, ...] = ()  # the machines of the same estate, for what takes them all
    rescue_after_ms: int | None = None  # a story's own; else drawn
    button_after_ms: int | None = None
    facts: dict[str, Any] | None = None

    @property
    def now(self) -> int:
        return self.machines.now

    @property
    def hands(self) -> Hands:
        return self.machines.hands

    @property
    def phase(self) -> Phase:
        return self.hands.phase(self.slot)

    def option(self, name: str, default: Any = None) -> Any:
        return self.entry.options.get(name, default)

    def begin(self, at: int | None = None, *, slot: int | None = None, **more: Any) -> Line:
        where = self.slot if slot is None else slot
        more |= self.facts or {}
        return self.book.begin(self.entry, where, self.now if at is None else at, cause=self.cause, **more)

    def tell(self, *codes: str, active: bool) -> None:
        for code in codes:
            self.machines.tell(self.slot, code, active)

    def lot(self, of: tuple[float, float]) -> int:
        """A draw from a log-normal law, ms."""
        return int(of[0] * math.exp(of[1] * self.rng.gauss(0, 1)))


Act = Callable[[Scene], Script]


def wait(scene: Scene, holds: Callable[[], bool], limit_ms: int = GIVE_UP_MS) -> Generator[int, None, bool]:
    """Until it holds; False when it does not in time."""
    until = scene.now + limit_ms
    while not holds():
        if scene.now >= until:
            return False
        yield scene.now + POLL_MS
    return True


def riding(
    scene: Scene, holds: Callable[[], bool], *, empty: bool = False, target: int | None = None
) -> Generator[int, None, bool]:
    """The same; a lift with nothing to do is called, from another floor when the car is to come empty."""
    until = scene.now + GIVE_UP_MS
    hands, slot = scene.hands, scene.slot
    while not holds():
        if scene.now >= until:
            return False
        if hands.idle(slot):
            here = int(scene.machines.cars.floor[slot])
            low, far = hands.ends(slot)
            goal = far if target is None else target
            if empty:
                hands.call(slot, far, low)
            elif here != goal:
                hands.call(slot, here, goal, scene.rng.choice((1, 1, 2, 3)))
            else:
                hands.call(slot, low if low != goal else far, goal)
        yield scene.now + POLL_MS
    return True


# --- standing where it should not ---


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
    overlay, ajar = scene.machines.overlay, [("door_closed", 0.0), ("door_status", 6.0)] if scene.option("ajar") else []
    for name, value in ajar:
        overlay.put(slot, name, "set", value)
    line = scene.begin(stopped_at, still_to=None)
    if scene.option("goes_on"):
        yield stopped_at + scene.lasts_ms
        _take(scene, ajar)
        hands.go_on(slot)
        line.end(scene.now, recovered=True)
        return
    codes = scene.option("codes", [])
    scene.tell(*codes, active=True)
    yield from _beside(scene, stopped_at)
    pressed = yield from _button(scene, stopped_at)
    if scene.rng.random() < scene.option("recovers", 0.0):
        yield max(scene.now, stopped_at + int(60_000 + scene.rng.random() * 240_000))
        _take(scene, ajar)
        yield from _level_and_open(scene)
        _over(scene, line, codes, pressed=pressed, recovered=True)
        return
    yield from _rescued(scene, line, stopped_at, ajar, codes, pressed=pressed)


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
    scene: Scene, line: Line, stopped_at: int, ajar: list[tuple[str, float]], codes: list[str], *, pressed: bool
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
    _take(scene, ajar)
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


def _take(scene: Scene, laid: list[tuple[str, float]]) -> None:
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


# --- doors and people ---


def hold_door(scene: Scene) -> Script:
    """Somebody keeps the doors open."""
    hands, slot = scene.hands, scene.slot
    came = yield from riding(scene, lambda: scene.phase is Phase.DWELL)
    if not came:
        return
    line = scene.begin()
    hands.hold(slot, scene.now + scene.lasts_ms)
    yield scene.now + scene.lasts_ms
    yield from wait(scene, lambda: scene.phase is not Phase.DWELL, 120_000)
    line.end(scene.now)


def reverse_door(scene: Scene) -> Script:
    """Every closing turns back."""
    hands, slot = scene.hands, scene.slot
    hands.reverse(slot, scene.now + GIVE_UP_MS)
    came = yield from riding(scene, lambda: scene.phase is Phase.TURNING)
    hands.reverse(slot, scene.now + scene.lasts_ms if came else 0)
    if not came:
        return
    line = scene.begin()
    yield scene.now + scene.lasts_ms
    yield from wait(scene, lambda: scene.phase in {Phase.IDLE, Phase.DECIDE, Phase.RUN}, 120_000)
    line.end(scene.now)


def stick_door(scene: Scene) -> Script:
    """The moving door stops half way."""
    hands, slot, closing = scene.hands, scene.slot, bool(scene.option("closing"))
    came = yield from riding(scene, lambda: scene.phase is (Phase.CLOSING if closing else Phase.OPENING))
    if not came or not hands.stick(slot, scene.now + scene.lasts_ms, closing=closing):
        return
    line = scene.begin()
    yield scene.now + scene.lasts_ms + POLL_MS
    line.end(scene.now)


def wait_inside(scene: Scene) -> Script:
    """Somebody stands in the parked car behind shut doors."""
    hands, slot, cars = scene.hands, scene.slot, scene.machines.cars
    came = yield from wait(scene, lambda: hands.idle(slot))
    if not came:
        return
    cars.extra[slot], cars.blocked[slot], cars.touched[slot] = 1, True, True
    line = scene.begin()
    yield scene.now + scene.lasts_ms
    cars.extra[slot], cars.blocked[slot] = 0, False
    hands.open(slot)
    line.end(scene.now)


def press(scene: Scene) -> Script:
    """The alarm button, behind shut doors or in the open car."""
    hands, slot = scene.hands, scene.slot
    if scene.option("door") == "open":
        came = yield from riding(scene, lambda: scene.phase is Phase.DWELL)
        hands.hold(slot, scene.now + scene.lasts_ms + 3_000)
    else:
        came = yield from riding(scene, lambda: scene.phase is Phase.RUN and hands.aboard(slot) > 0)
    if not came:
        return
    line = scene.begin()
    scene.tell("90", active=True)
    yield scene.now + scene.lasts_ms
    scene.tell("90", active=False)
    line.end(scene.now)


def ride(scene: Scene) -> Script:
    """Somebody rides from one end to the other."""
    hands, slot = scene.hands, scene.slot
    came = yield from wait(scene, lambda: hands.idle(slot))
    if not came:
        return
    low, far = hands.ends(slot)
    hands.call(slot, low, far)
    came = yield from wait(scene, lambda: scene.phase is Phase.RUN and hands.aboard(slot) > 0, 120_000)
    if not came:
        return
    line = scene.begin()
    yield from wait(scene, lambda: scene.phase is not Phase.RUN)
    line.end(scene.now)


def park(scene: Scene) -> Script:
    """The empty car stands at the last landing and still shows its arrow."""
    slot, cars = scene.slot, scene.machines.cars
    top = scene.option("at") == "top"
    floor = int(scene.machines.shafts.floors[slot]) - 1 if top else 0
    came = yield from riding(scene, lambda: scene.hands.idle(slot) and cars.floor[slot] == floor, target=floor)
    if not came:
        return
    cars.arrow[slot], cars.touched[slot] = 1 if top else -1, True
    line = scene.begin()
    until = scene.now + scene.lasts_ms
    yield from wait(scene, lambda: scene.now >= until or not scene.hands.idle(slot))
    if scene.hands.idle(slot):
        cars.arrow[slot], cars.touched[slot] = 0, True
    line.end(scene.now)


# --- modes and maintenance ---


def maintain(scene: Scene) -> Script:
    """A mechanic takes the car out of service, stands in it and moves it slowly."""
    hands, slot, cars = scene.hands, scene.slot, scene.machines.cars
    came = yield from wait(scene, lambda: hands.idle(slot))
    if not came:
        return
    hands.park(slot, ServiceMode.INSPECTION)
    cars.blocked[slot], cars.extra[slot] = True, int(bool(scene.option("person")))
    scene.tell("43", active=True)
    line = scene.begin()
    until, home = scene.now + scene.lasts_ms, float(cars.position_m[slot])
    codes = scene.option("codes", [])
    if scene.option("between"):
        hands.wind(slot, hands.between_m(slot), INSPECTION)
        yield from wait(scene, lambda: scene.phase is Phase.WOUND)
        ajar = [("door_closed", 0.0), ("door_status", 4.0)] if scene.option("ajar") else []
        for name, value in ajar:
            scene.machines.overlay.put(slot, name, "set", value)
        scene.tell(*codes, active=True)
        yield max(scene.now + 1_000, until)
        _take(scene, ajar)
        scene.tell(*codes, active=False)
    elif scene.option("slow"):
        top = float(scene.machines.shafts.floor_m[slot] * (scene.machines.shafts.floors[slot] - 1))
        while scene.now < until:
            hands.wind(slot, top if float(cars.position_m[slot]) < top / 2 else 0.0, INSPECTION)
            yield from wait(scene, lambda: scene.phase is Phase.WOUND)
    hands.wind(slot, home if scene.option("between") else hands.landing_m(slot), INSPECTION)
    yield from wait(scene, lambda: scene.phase is Phase.WOUND)
    hands.back(slot)
    scene.tell("43", active=False)
    scene.tell("40", active=True)
    line.end(scene.now)


def mode(scene: Scene) -> Script:
    """Another service mode for a while."""
    hands, slot, cars = scene.hands, scene.slot, scene.machines.cars
    name = scene.option("mode")
    came = yield from wait(scene, lambda: hands.idle(slot))
    if not came:
        return
    main = int(scene.machines.shafts.main[slot])
    if scene.option("to_main") and cars.floor[slot] != main:
        hands.call(slot, int(cars.floor[slot]), main)
        yield from wait(scene, lambda: hands.idle(slot), 180_000)
    hands.park(slot, _MODES[name])
    cars.blocked[slot] = True
    code = scene.option("code")
    line = scene.begin()
    if code:
        scene.tell(code, active=True)
    yield scene.now + scene.lasts_ms
    hands.unpark(slot)
    cars.blocked[slot] = False
    if code:
        scene.tell(code, active=False)
        scene.tell("40", active=True)
    line.end(scene.now)


# --- what is laid over the samples, and codes alone ---


def signals(scene: Scene) -> Script:
    """Values that are not so, or should not be; codes beside them."""
    while_ = scene.option("while", "always")
    slot, lift = scene.slot, scene.machines.kinds[scene.slot] is Kind.LIFT
    if while_ in {"running", "open"} and lift:
        want = Phase.RUN if while_ == "running" else Phase.DWELL
        came = yield from riding(scene, lambda: scene.phase is want)
        if not came:
            return
    elif not lift:
        local = slot - scene.machines.lifts
        stairs = scene.machines.stairs
        came = yield from wait(scene, lambda: bool(stairs.full[local]), 3 * GIVE_UP_MS)
        if not came:
            return
    laid = [(name, "set", value) for name, value in scene.option("set", {}).items()]
    laid += [(name, "times", value) for name, value in scene.option("times", {}).items()]
    laid += [(name, "invert", 1) for name in scene.option("invert", [])]
    if scene.option("shift_floor"):
        laid.append(("car_position", "shift", scene.option("shift_floor")))
    overlay, codes = scene.machines.overlay, scene.option("codes", [])
    for name, kind, value in laid:
        overlay.put(slot, name, kind, float(value), while_)
    scene.tell(*codes, active=True)
    line = scene.begin()
    yield from _trips(scene, scene.now + scene.lasts_ms)
    for name, kind, _ in laid:
        overlay.take(slot, name, kind, while_)
    scene.tell(*codes, active=False)
    line.end(scene.now)


def _trips(scene: Scene, until: int) -> Script:
    """So many rides are spread over the time, so that what shows in runs is seen in a quiet house as well."""
    trips = scene.option("trips", 0)
    pause = max(2 * POLL_MS, scene.lasts_ms // (trips + 1)) if trips else 0
    while trips and scene.now + pause < until:
        yield scene.now + pause
        if scene.hands.idle(scene.slot):
            low, far = scene.hands.ends(scene.slot)
            scene.hands.call(scene.slot, low, far)
    yield max(until, scene.now)


def codes(scene: Scene) -> Script:
    """A code alone."""
    scene.tell(*scene.option("codes"), active=True)
    stopped = scene.option("stopped") and scene.hands.idle(scene.slot)
    if stopped:
        scene.machines.cars.blocked[scene.slot] = True
    line = scene.begin()
    yield scene.now + scene.lasts_ms
    if stopped:
        scene.machines.cars.blocked[scene.slot] = False
    scene.tell(*scene.option("codes"), active=False)
    line.end(scene.now)


def turn(scene: Scene) -> Script:
    """A rising escalator is made to run down for some hours."""
    local, stairs = scene.slot - scene.machines.lifts, scene.machines.stairs
    stairs.upward[local] = not stairs.upward[local]
    line = scene.begin()
    yield scene.now + scene.lasts_ms
    stairs.upward[local] = not stairs.upward[local]
    line.end(scene.now)


def no_self_test(scene: Scene) -> Script:
    """The daily test call does not come."""
    machines, slot = scene.machines, scene.slot
    machines.test_at[slot] = max(int(machines.test_at[slot]), scene.now + scene.lasts_ms)
    line = scene.begin()
    yield scene.now + scene.lasts_ms
    line.end(scene.now)


ACTS: Final[dict[str, Act]] = {
    "stall": stall, "creep": creep, "hold-door": hold_door, "reverse-door": reverse_door, "stick-door": stick_door,
    "wait-inside": wait_inside, "press": press, "ride": ride, "park": park, "maintain": maintain, "mode": mode, "signals": signals,
    "codes": codes, "turn": turn, "no-self-test": no_self_test,
}  # fmt: skip
"""Acts on machines; those on terminals and networks are in `simulators.network.acts`."""
