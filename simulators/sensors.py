"""What the terminal in the car sees of the machine: state -> the sample of the wire contract, and when a sample is due.

Pure. Names and values are those of `hoistway.model.SIGNALS`; a sensor that is not fitted leaves its field out (unknown), except the
person sensor, whose absence is said with null.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hoistway.limits import HEARTBEAT_S
from hoistway.model import CarStatus, DoorStatus, Power, SafetyChain
from simulators.life.escalator import Escalator
from simulators.life.physics import PERSON_KG, Lift

ACTIVE_MS: Final = 1_000
"""Interval while the car or the door moves."""

Value = bool | int | float | str | None
Machine = Lift | Escalator

_CLOSED: Final = (DoorStatus.CLOSED, DoorStatus.LOCKED)
_SLOW_SIGNALS: Final = frozenset(
    {"speed", "load", "temperature", "vibration", "signal", "battery", "running_hours", "runs", "door_cycles"}
    | {"handrail_left", "handrail_right"}
)
"""A change of these alone is not worth a sample of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What is fitted to one machine."""

    person_sensor: bool = True
    speed_sensor: bool = True
    load_sensor: bool = True
    runs_before: int = 0
    hours_before: int = 0


OLD_BEFORE_YEAR: Final = 2012


def profile(*, seed: int, device: str, year: int | None) -> Profile:
    """Fitting by age: 30 % of the older lifts have no person sensor, half no load cell, a tenth of all no speed sensor."""
    rng = random.Random(f"{seed}:{device}:profile")
    old = year is not None and year < OLD_BEFORE_YEAR
    age = max(1, 2026 - year) if year else 5
    return Profile(
        person_sensor=not (old and rng.random() < 0.3),
        speed_sensor=rng.random() >= 0.1,
        load_sensor=rng.random() >= (0.5 if old else 0.1),
        runs_before=rng.randrange(40_000, 120_000) * age,
        hours_before=rng.randrange(400, 900) * age,
    )


def lift_sample(lift: Lift, fitted: Profile) -> dict[str, Value]:
    """Everything the terminal knows now."""
    sample: dict[str, Value] = {
        "service_mode": int(lift.mode),
        "car_status": int(CarStatus.RUNNING if lift.moving else CarStatus.STOPPED),
        "car_direction": int(lift.direction),
        "door_zone": lift.in_zone,
        "car_position": lift.labels[lift.floor],
        "door_status": int(lift.door),
        "door_closed": lift.door in _CLOSED,
        "passenger": bool(lift.aboard) if fitted.person_sensor else None,
        "landing_door_locked": lift.door in _CLOSED or (lift.moving and not lift.in_zone),
    }
    if fitted.speed_sensor:
        sample["speed"] = round(lift.speed_m_s, 2)
    if fitted.load_sensor:
        sample["load"] = lift.people * PERSON_KG
    sample["power"] = int(lift.power)
    broken = (
        lift.door not in _CLOSED and not lift.moving
    )  # while moving, an open contact is bridged or the car would stop
    sample["safety_chain"] = int(SafetyChain.OPEN if broken else SafetyChain.CLOSED)
    sample["light"] = lift.power is Power.MAINS
    sample["running_hours"] = fitted.hours_before + lift.running_ms // 3_600_000
    sample["runs"] = fitted.runs_before + lift.runs
    sample["door_cycles"] = fitted.runs_before * 11 // 10 + lift.door_cycles
    return sample


def escalator_sample(escalator: Escalator, fitted: Profile) -> dict[str, Value]:
    """Everything the terminal of an escalator knows now."""
    speed = round(escalator.speed_m_s, 2)
    return {
        "service_mode": int(escalator.mode),
        "speed": speed,
        "power": int(escalator.power),
        "running_hours": fitted.hours_before * 8 + escalator.running_ms // 3_600_000,
        "operation_status": int(escalator.status),
        "operation_direction": int(escalator.direction),
        "handrail_left": round(speed * 1.01, 3),
        "handrail_right": round(speed * 1.005, 3),
        "step_missing": False,
        "occupied": escalator.occupied,
    }


class Reporter:
    """Report by change, once a second while something moves, and a heartbeat otherwise."""

    def __init__(self, machine: Machine, fitted: Profile, *, start_ms: int, first_after_ms: int) -> None:
        self._machine, self._fitted = machine, fitted
        self._due_at = start_ms + first_after_ms
        self._last: tuple[Value, ...] | None = None
        self.slow_ms = 0  # the server asks for longer intervals

    def next_at(self) -> int:
        return self._due_at

    def look(self, now: int) -> Mapping[str, Value] | None:
        """The sample to send now, or None. The machine has been advanced to `now`."""
        machine = self._machine
        if isinstance(machine, Lift):
            sample = lift_sample(machine, self._fitted)
            active = machine.moving or machine.door in {DoorStatus.OPENING, DoorStatus.CLOSING}
        else:
            sample = escalator_sample(machine, self._fitted)
            active = False
        seen = tuple(value for name, value in sample.items() if name not in _SLOW_SIGNALS)
        if self._last is None and now < self._due_at:
            return None  # the terminal is still starting
        if seen == self._last and now < self._due_at:
            return None
        self._last = seen
        self._due_at = now + max(ACTIVE_MS if active else HEARTBEAT_S * 1_000, self.slow_ms)
        return sample
