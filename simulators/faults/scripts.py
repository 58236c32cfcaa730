"""What goes wrong, as scripts on lifts and links, and the truth about it that the engine never sees.

A script is a generator: it acts on its units, yields the virtual ms at which it wants to go on, and tells the truth log when the
fault has begun and when it is over. Pure: no clock, no file; randomness comes in with the scene.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hoistway.errors import OurFault
from hoistway.model import DoorStatus
from simulators.city import Equipment
from simulators.device import Device
from simulators.life.physics import Lift, Person
from simulators.sensors import Machine, Profile, Reporter

POLL_MS: Final = 100
"""How often a script looks whether what it waits for has come about."""
HANDING_BACK_MS: Final = 45_000
"""From the last person out to the lift running again."""

Script = Generator[int, None, None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault of a story. Times in ms; `at_ms` counts from the start of the story."""

    kind: str
    at_ms: int = 0
    every_ms: int | None = None  # mean time between repeats, for a story that goes on by itself
    lift: int | None = None  # which lift of the story, from 0; None = a seeded choice
    device: str | None = None
    person_sensor: bool | None = None  # a seeded choice only among lifts with (or without) one
    alarm_button_after_ms: int | None = None  # somebody inside presses it this long after the stop
    rescue_after_ms: int | None = None  # a mechanic is there this long after the stop; None = nobody comes
    lasts_ms: int | None = None
    count: int = 1  # so many at once, on different lifts (in columns only)


@dataclass(kw_only=True, slots=True)
class Unit:
    """One machine with its terminal, as a script sees it."""

    row: Equipment
    machine: Machine
    fitted: Profile
    reporter: Reporter
    device: Device
    link_up: bool = True
    busy: bool = False  # some script has it


@dataclass(kw_only=True, slots=True)
class Scene:
    """A script's surroundings. `now` is set before the script goes on."""

    now: int
    fault: Fault
    units: Sequence[Unit]
    tell: Callable[[dict[str, Any]], None]
    next_id: Callable[[], int]

    @property
    def lift(self) -> Lift:
        machine = self.units[0].machine
        if not isinstance(machine, Lift):
            raise OurFault(f"{self.fault.kind} needs a lift")
        return machine

    def begin(self, unit: Unit, at: int, **facts: Any) -> Truth:
        """The fault is there: written with `to` null now, and again when it is over."""
        machine = unit.machine
        truth = Truth(
            scene=self,
            line={
                "id": self.next_id(),
                "fault": self.fault.kind,
                "device": unit.row.device,
                "rescue_code": unit.row.rescue_code,
                "from": at,
                "to": None,
                "person_inside": isinstance(machine, Lift) and bool(machine.aboard),
                "people": machine.people if isinstance(machine, Lift) else 0,
                "person_sensor": unit.fitted.person_sensor,
                "floor": machine.labels[machine.floor] if isinstance(machine, Lift) else None,
                **facts,
            },
        )
        self.tell(dict(truth.line))
        return truth


@dataclass(kw_only=True, slots=True)
class Truth:
    """One line of the truth file."""

    scene: Scene
    line: dict[str, Any]

    def end(self, at: int, **facts: Any) -> None:
        self.line.update(facts, to=at)
        self.scene.tell(dict(self.line))


def trapped(scene: Scene) -> Script:
    """Somebody is caught in the car: between floors, or at a landing behind doors that stay shut."""
    lift = scene.lift
    if scene.fault.kind == "entrapment-between-floors":
        lift.arm_breakdown(with_person=True)
    else:
        lift.arm_stuck_doors()
    yield from _riding_until(scene, lambda: lift.stalled_at is not None)
    stopped_at = lift.stalled_at or scene.now
    truth = scene.begin(scene.units[0], stopped_at, still_to=None)
    pressed = scene.fault.alarm_button_after_ms
    if pressed is not None:
        yield stopped_at + pressed
        lift.events.append(("90", True))
    yield from _rescue(scene, truth, stopped_at, pressed is not None)


def stopped_outside_zone(scene: Scene) -> Script:
    """The empty car stops between two landings."""
    lift = scene.lift
    lift.arm_breakdown(with_person=False)
    yield from _riding_until(scene, lambda: lift.stalled_at is not None, empty=True)
    stopped_at = lift.stalled_at or scene.now
    truth = scene.begin(scene.units[0], stopped_at, still_to=None)
    yield from _rescue(scene, truth, stopped_at, pressed=False)


def door_held_open(scene: Scene) -> Script:
    """Somebody keeps the door open: a trolley, a removal."""
    lift = scene.lift
    yield from _riding_until(scene, lambda: lift.door is DoorStatus.OPEN)
    truth = scene.begin(scene.units[0], scene.now)
    lift.hold_doors(scene.now + _lasts(scene))
    yield scene.now + _lasts(scene)
    yield from _wait(scene, lambda: lift.door is not DoorStatus.OPEN)
    truth.end(scene.now)


def reversing_door(scene: Scene) -> Script:
    """The door closes part of the way and opens again, over and over."""
    lift = scene.lift
    until = scene.now + _lasts(scene)
    lift.flap_doors(until)
    yield from _riding_until(scene, lambda: lift.door is DoorStatus.CLOSING or scene.now > until)
    truth = scene.begin(scene.units[0], scene.now)
    yield max(until, scene.now)
    yield from _wait(scene, lambda: lift.door is DoorStatus.CLOSED)
    truth.end(scene.now)


def door_open_running(scene: Scene) -> Script:
    """The car door swings open on the way and the lift runs on."""
    lift = scene.lift
    lift.arm_open_door_run()
    yield from _riding_until(scene, lambda: lift.moving and lift.door is DoorStatus.HELD)
    truth = scene.begin(scene.units[0], scene.now)
    yield from _wait(scene, lambda: not lift.moving)
    truth.end(scene.now)


def link_loss(scene: Scene) -> Script:
    """The terminal loses its connection, fills its ring and comes back."""
    unit = scene.units[0]
    truth = scene.begin(unit, scene.now)
    unit.link_up = False
    yield scene.now + _lasts(scene)
    unit.link_up = True
    truth.end(scene.now)


def power_cut(scene: Scene) -> Script:
    """The mains of a whole estate fail; terminals run on their batteries."""
    cut_at = scene.now
    for unit in scene.units:
        unit.machine.cut_power()
    yield cut_at + 5_000  # by now every car stands
    truths = [
        scene.begin(
            unit,
            cut_at,
            between_floors=isinstance(unit.machine, Lift) and not unit.machine.in_zone,
            doors_closed=isinstance(unit.machine, Lift) and unit.machine.door is DoorStatus.CLOSED,
        )
        for unit in scene.units
    ]
    yield cut_at + max(5_000, _lasts(scene))
    for unit, truth in zip(scene.units, truths, strict=True):
        unit.machine.restore_power()
        truth.end(scene.now)
    yield scene.now + 2 * HANDING_BACK_MS


SCRIPTS: Final[dict[str, Callable[[Scene], Script]]] = {
    "entrapment-between-floors": trapped,
    "entrapment-at-landing": trapped,
    "stopped-outside-zone": stopped_outside_zone,
    "door-held-open": door_held_open,
    "door-reversing": reversing_door,
    "door-open-running": door_open_running,
    "link-loss": link_loss,
    "power-cut": power_cut,
}
"""Every kind of fault a story may name."""


def _lasts(scene: Scene) -> int:
    return scene.fault.lasts_ms or 60_000


def _wait(scene: Scene, condition: Callable[[], bool]) -> Script:
    while not condition():
        yield scene.now + POLL_MS


def _riding_until(scene: Scene, condition: Callable[[], bool], *, empty: bool = False) -> Script:
    """Wait until `condition`; when the lift has nothing to do, somebody calls it (from another floor: the car comes empty)."""
    lift = scene.lift
    top = len(lift.levels_m) - 1
    while not condition():
        if lift.idle:
            far = top if lift.floor <= top // 2 else 0
            lift.call(Person(origin=far, target=top - far) if empty else Person(origin=lift.floor, target=far))
        yield scene.now + POLL_MS


def _rescue(scene: Scene, truth: Truth, stopped_at: int, pressed: bool) -> Script:
    """A mechanic arrives, winds the car to a landing, opens by hand, lets everybody out, hands the lift back."""
    if scene.fault.rescue_after_ms is None:
        return
    lift = scene.lift
    yield max(scene.now, stopped_at + scene.fault.rescue_after_ms)
    still_to = scene.now
    lift.wind_to_landing()
    yield from _wait(scene, lambda: not lift.moving)
    yield scene.now + 3_000
    lift.open_by_hand()
    yield from _wait(scene, lambda: lift.door is DoorStatus.OPEN and not lift.aboard)
    if pressed:
        lift.events.append(("90", False))
    truth.end(scene.now, still_to=still_to)
    yield scene.now + HANDING_BACK_MS
    lift.back_to_service()
