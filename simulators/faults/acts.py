"""How the catalogue's entries are played on the fleet in columns: a story names an entry, an entry names an act and its options.

Pure: time is the machines', chance comes in with the scene. Cars that stand where they should not are in `standing`, terminals and networks in
`simulators.network.acts`.
"""

from __future__ import annotations

from typing import Final

from hoistway.model import Kind, ServiceMode
from simulators.columns.cars import Phase
from simulators.faults.scene import GIVE_UP_MS, POLL_MS, Act, Scene, Script, riding, wait
from simulators.faults.standing import creep, stall, take
from simulators.life.motion import Limits

INSPECTION: Final = Limits(speed_m_s=0.3, acceleration_m_s2=0.3, jerk_m_s3=0.6)
_MODES: Final = {mode.name.lower(): mode for mode in ServiceMode}


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
        take(scene, ajar)
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
