"""What goes wrong with terminals, links, clocks and the supply: acts of the fault catalogue, as generators like `simulators.faults.acts`."""

from __future__ import annotations

from typing import Final

from simulators.columns.cars import Phase
from simulators.faults.scene import Act, Scene, Script, riding, wait


def _running(scene: Scene) -> Script:
    if scene.option("running"):
        yield from riding(scene, lambda: scene.phase is Phase.RUN and scene.hands.aboard(scene.slot) > 0)


def link(scene: Scene) -> Script:
    """The link is lost, the ring fills, everything comes on return."""
    yield from _running(scene)
    line = scene.begin()
    scene.carrier.cut(scene.slot, scene.now)
    yield scene.now + scene.lasts_ms
    scene.carrier.join(scene.slot, scene.now)
    line.end(scene.now)


def flap(scene: Scene) -> Script:
    """The link comes and goes."""
    line = scene.begin()
    until = scene.now + scene.lasts_ms
    while scene.now < until:
        scene.carrier.cut(scene.slot, scene.now)
        yield scene.now + int(scene.option("down_s", 5) * 1_000)
        scene.carrier.join(scene.slot, scene.now)
        yield scene.now + int(scene.option("up_s", 10) * 1_000)
    line.end(scene.now)


def outage(scene: Scene) -> Script:
    """A gateway, or the network of a whole estate, is gone; all of it comes back with its backlog. `at_once`: in the same instant."""
    facts = {"area": scene.slot}
    lines = [scene.begin(slot=slot, **facts) for slot in scene.mates]
    for slot in scene.mates:
        scene.carrier.cut(slot, scene.now)
    yield scene.now + scene.lasts_ms
    rest = list(scene.mates)
    scene.rng.shuffle(rest)
    spread = 1 if scene.option("at_once") else 20
    share = max(1, len(rest) // spread)
    while rest:
        for slot in rest[:share]:
            scene.carrier.join(slot, scene.now)
        del rest[:share]
        if rest:
            yield scene.now + 1_000
    for line in lines:
        line.end(scene.now)


def reboot(scene: Scene) -> Script:
    """The terminal starts anew, with the next boot number; one that `forgets` counts from the same one again."""
    yield from _running(scene)
    slot, line = scene.slot, scene.begin()
    for _ in range(scene.option("times", 1)):
        back = scene.now + scene.lasts_ms
        scene.carrier.restart(slot, scene.now, back, forgets=bool(scene.option("forgets")))
        yield back
        scene.carrier.join(slot, scene.now)
        scene.machines.ask(slot)
        if scene.option("times", 1) > 1:
            yield scene.now + 5_000
    line.end(scene.now)


def number_reset(scene: Scene) -> Script:
    """A firmware that forgets its numbers and goes on under the same boot."""
    line = scene.begin()
    scene.carrier.seq[scene.slot] = 0
    scene.carrier.event_seq[scene.slot] = 0
    yield scene.now + scene.lasts_ms
    line.end(scene.now)


def flood(scene: Scene) -> Script:
    """A firmware that says everything many times."""
    line = scene.begin()
    scene.carrier.flood[scene.slot] = int(scene.option("copies", 50))
    yield scene.now + scene.lasts_ms
    scene.carrier.flood[scene.slot] = 1
    line.end(scene.now)


def clock(scene: Scene) -> Script:
    """The terminal's clock is wrong, or stands still, or runs off by so many ppm."""
    carrier, slot = scene.carrier, scene.slot
    before = int(carrier.offset_ms[slot])
    line = scene.begin()
    until = scene.now + scene.lasts_ms
    if scene.option("frozen"):
        carrier.frozen_ms[slot] = scene.now + before
        yield until
        carrier.frozen_ms[slot] = -1
    elif scene.option("drift_ppm"):
        since = scene.now
        while scene.now < until:
            carrier.offset_ms[slot] = before + int((scene.now - since) * scene.option("drift_ppm") / 1e6)
            yield scene.now + 10_000
        carrier.offset_ms[slot] = before
    else:
        carrier.offset_ms[slot] = before + int(scene.option("offset_s") * 1_000)
        yield until
        carrier.offset_ms[slot] = before
    line.end(scene.now)


def lag(scene: Scene) -> Script:
    """Everything arrives so much later."""
    line = scene.begin()
    scene.carrier.lag_ms[scene.slot] = int(scene.option("delay_s") * 1_000)
    yield scene.now + scene.lasts_ms
    scene.carrier.lag_ms[scene.slot] = 0
    line.end(scene.now)


def power(scene: Scene) -> Script:
    """The mains of a whole estate, or of one machine (`alone`); terminals run on their batteries, unless they die (`terminals_die`)."""
    machines, hands, lifts = scene.machines, scene.hands, scene.machines.lifts
    alone = bool(scene.option("alone"))
    slots = (scene.slot,) if alone else scene.mates
    if alone and scene.slot < lifts:
        came = yield from wait(scene, lambda: hands.idle(scene.slot))
        if not came:
            return
    cut_at = scene.now
    lines = []
    for slot in slots:
        if slot < lifts:
            hands.cut_power(slot)
            machines.tell(slot, "41", active=True)
        else:
            machines.stairs.power[slot - lifts] = 2
            machines.stairs.touched[slot - lifts] = True
    yield cut_at + 5_000
    for slot in slots:
        facts: dict[str, object] = {} if alone else {"area": scene.slot}
        if slot < lifts:
            facts |= {"between_floors": not hands.in_zone(slot), "doors_closed": hands.phase(slot) is Phase.STALLED}
            facts |= _caught(scene, slot)
        else:
            facts |= {"expects": ["escalator-power-lost"]}
        lines.append(scene.begin(cut_at, slot=slot, **facts))
        if scene.option("terminals_die"):
            scene.carrier.cut(slot, scene.now)
    yield max(scene.now, cut_at + scene.lasts_ms)
    for slot, line in zip(slots, lines, strict=True):
        scene.carrier.join(slot, scene.now)
        if slot < lifts:
            hands.restore_power(slot)
            machines.tell(slot, "41", active=False)
        else:
            machines.stairs.power[slot - lifts] = 1
            machines.stairs.touched[slot - lifts] = True
        line.end(scene.now)
    yield scene.now + 15_000
    yield from _start_again(scene, [slot for slot in slots if slot < lifts])


def _caught(scene: Scene, slot: int) -> dict[str, object]:
    """Of a car without supply: who is caught in it, and which rules must say so."""
    hands = scene.hands
    if not hands.aboard(slot) or hands.phase(slot) is not Phase.STALLED or scene.option("terminals_die"):
        return {}
    sensor = bool(scene.machines.shafts.person_sensor[slot])
    if hands.in_zone(slot):
        rules = ["entrapment-at-landing"] if sensor and scene.lasts_ms >= 90_000 else []
    else:
        rules = ["entrapment-between-floors"] if sensor else ["entrapment-possible"] if scene.lasts_ms >= 75_000 else []
    return {"expects": ["power-lost", *rules]}


def _start_again(scene: Scene, slots: list[int]) -> Script:
    """Cars level, open and let people out; doors that stood open close."""
    hands = scene.hands
    standing = [slot for slot in slots if hands.phase(slot) is Phase.STALLED]
    for slot in slots:
        if hands.phase(slot) is Phase.PRIED:
            hands.back(slot)
    for slot in standing:
        hands.wind(slot, hands.landing_m(slot))
    for _ in range(60):
        for slot in [slot for slot in standing if hands.phase(slot) is Phase.WOUND]:
            hands.open(slot)
            standing.remove(slot)
        if not standing:
            return
        yield scene.now + 1_000


NETWORK_ACTS: Final[dict[str, Act]] = {
    "link": link, "flap": flap, "outage": outage, "reboot": reboot, "number-reset": number_reset, "flood": flood, "clock": clock,
    "lag": lag, "power": power,
}  # fmt: skip
