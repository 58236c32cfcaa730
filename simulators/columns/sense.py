"""What the terminals see of cars and escalators: columns of state -> sample rows, with each maker's fitting, noise, drift and dropouts.

Pure. What a broken sensor says is laid over the rows afterwards (`overlay`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hoistway.model import DoorStatus, Power
from simulators.city import Equipment
from simulators.columns.cars import DOORS, MOVING, Cars, Phase
from simulators.columns.chance import keys_of, normal, uniform
from simulators.columns.stairs import Stairs
from simulators.life.demand import DAY_MS, ZONE_MS
from simulators.life.physics import PERSON_KG
from simulators.life.vendors import VENDORS
from simulators.records import SAID_UNKNOWN, Rows, blank

Column = npt.NDArray[Any]

CALIBRATED_MS: Final = 15 * DAY_MS
"""The half-monthly maintenance puts a load cell's zero right."""


class LiftSensors:
    """Terminals of the lifts."""

    def __init__(self, cars: Cars, seed: int) -> None:
        self._cars, shafts = cars, cars.shafts
        rows: Sequence[Equipment] = shafts.rows
        self._keys = keys_of([row.device for row in rows], "sensors", seed)

        def of(name: str) -> Column:
            return np.array([getattr(vendor, name) for vendor in VENDORS])[shafts.vendor]

        self._hold_ms = of("person_hold_s") * 1_000
        self._speed_noise, self._load_noise = of("speed_noise_m_s"), of("load_noise_kg")
        self._drift_kg_ms = of("load_drift_kg_day") / DAY_MS
        self._dropout = of("dropout")
        self.labels: list[str] = []
        found: dict[str, int] = {}
        self._label = np.zeros((len(rows), max([2, *(len(row.floors) for row in rows)])), np.int16)
        for slot, row in enumerate(rows):
            for floor, text in enumerate(row.floors if len(row.floors) > 1 else ("1", "2")):
                if text not in found:
                    found[text] = len(found)
                    self.labels.append(text)
                self._label[slot, floor] = found[text]

    def see(self, slots: Column, now: int) -> Rows:
        """Sample rows of these lifts at `now`."""
        cars, shafts = self._cars, self._cars.shafts
        count = len(slots)
        rows = blank(count)
        rows["slot"], rows["ts"] = slots, now
        phase, mode, power = cars.phase[slots], cars.mode[slots], cars.power[slots]
        door = DOORS[phase]
        moving = MOVING[phase]
        position, speed = cars.where(slots, now)
        floor = shafts.nearest(slots, position)
        zone = shafts.in_zone(slots, position, floor)
        closed = (door == DoorStatus.CLOSED) | (door == DoorStatus.LOCKED)
        people = cars.aboard[slots] + cars.extra[slots]
        seen = (people > 0) | (now - cars.left_ms[slots] < self._hold_ms[slots])
        arrow = np.where(moving & (speed != 0), np.sign(speed), cars.arrow[slots])
        rows["service_mode"], rows["car_status"] = mode, moving
        rows["car_direction"] = np.where(arrow > 0, 1, np.where(arrow < 0, 2, 0))
        rows["door_zone"], rows["car_position"] = zone, self._label[slots, floor]
        rows["door_status"], rows["door_closed"] = door, closed
        rows["passenger"] = np.where(shafts.person_sensor[slots], seen, SAID_UNKNOWN)
        rows["landing_door_locked"] = closed | (moving & ~zone)
        rows["power"], rows["light"] = power, power == Power.MAINS
        rows["safety_chain"] = ~closed & ~moving
        rows["running_hours"] = shafts.hours_before[slots] + cars.running_ms[slots] // 3_600_000
        rows["runs"] = shafts.runs_before[slots] + cars.runs[slots]
        rows["door_cycles"] = shafts.runs_before[slots] * 11 // 10 + cars.door_cycles[slots]
        self._measure(rows, slots, now, moving=moving, speed=speed, people=people)
        return rows

    def _measure(self, rows: Rows, slots: Column, now: int, *, moving: Column, speed: Column, people: Column) -> None:
        shafts, keys = self._cars.shafts, self._keys[slots]
        bell = normal(keys, np.uint64(2 * now))
        dice = uniform(keys, np.uint64(2 * now + 1))
        heard = dice >= self._dropout[slots]
        # at most an eighth of the speed: a slow car must not look too fast
        noisy = np.where(moving, speed + bell * np.minimum(self._speed_noise[slots], np.abs(speed) / 30), 0.0)
        rows["speed"] = np.where(shafts.speed_sensor[slots] & heard, noisy, np.nan)
        drift = self._drift_kg_ms[slots] * (now % CALIBRATED_MS)
        load = np.maximum(0.0, people * PERSON_KG + drift + bell * self._load_noise[slots])
        rows["load"] = np.where(shafts.load_sensor[slots] & heard, load, np.nan)
        nature = shafts.nature[slots]
        rows["brake"] = np.where(shafts.brake_sensor[slots], moving, -1)
        shaking = np.where(moving, 0.05 + 0.07 * nature + 0.02 * np.abs(bell), 0.01)
        rows["vibration"] = np.where(shafts.vibration_sensor[slots], shaking, np.nan)
        warm = 22 + 6 * nature + 4 * np.sin((now + ZONE_MS) % DAY_MS / DAY_MS * 2 * np.pi - 2.2)
        rows["temperature"] = np.where(shafts.temperature_sensor[slots], warm, np.nan)
        rows["signal"] = np.rint(-95 + 30 * nature + bell)
        rows["battery"] = np.rint(88 + 12 * nature)


class StairSensors:
    """Terminals of the escalators. `first` is the slot of the first one in the whole fleet."""

    def __init__(self, stairs: Stairs, first: int, seed: int) -> None:
        self._stairs, self._first = stairs, first
        self._keys = keys_of([row.device for row in stairs.rows], "sensors", seed)

    def see(self, slots: Column, now: int) -> Rows:
        """Sample rows of these escalators, by their place among the escalators."""
        stairs = self._stairs
        rows = blank(len(slots))
        rows["slot"], rows["ts"] = slots + self._first, now
        speed = stairs.speed_m_s[slots] * (1 + 0.004 * normal(self._keys[slots], np.uint64(now)))
        rows["service_mode"], rows["power"] = 1, stairs.power[slots]
        rows["operation_status"], rows["operation_direction"] = stairs.running[slots], stairs.direction[slots]
        rows["speed"], rows["handrail_left"], rows["handrail_right"] = speed, speed * 1.01, speed * 1.005
        rows["step_missing"], rows["occupied"] = 0, stairs.occupied[slots]
        rows["safety_chain"] = 0
        rows["running_hours"] = stairs.running_ms[slots] // 3_600_000
        rows["signal"], rows["battery"] = -75, 95
        return rows


def passing(cars: Cars, while_: str, slots: Column) -> Column:
    """Where a condition of an overlay holds: `always`, `running`, `stopped`, `open`, `parked` (lifts)."""
    phase = cars.phase[slots]
    holds: Column = np.ones(len(slots), np.bool_)
    if while_ == "running":
        holds = MOVING[phase]
    elif while_ == "stopped":
        holds = ~MOVING[phase]
    elif while_ == "open":
        holds = phase == Phase.DWELL
    elif while_ == "parked":
        holds = (phase == Phase.IDLE) & (cars.aboard[slots] + cars.extra[slots] == 0)
    return holds
