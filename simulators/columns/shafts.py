"""What does not change about the lifts: shafts, drives, buildings, groups and what is fitted, read from the register into columns.

Also where a car would be: heights of landings, which of them are served, the nearest one to a position.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulators.city import Equipment
from simulators.columns.chance import keys_of, uniform
from simulators.life.demand import USES, Building, building_type
from simulators.life.physics import PERSON_KG, UNLOCKING_ZONE_M
from simulators.life.vendors import VENDORS, vendor_of
from simulators.sensors import OLD_BEFORE_YEAR

Column = npt.NDArray[Any]

BUILDINGS: Final = tuple(Building)
GROUP_MOST: Final = 4
"""Cars that answer the same buttons."""
ABOARD_MOST: Final = 16
"""Persons of whom the target is known; a larger car takes no more."""
EXPRESS_FROM_FLOORS: Final = 24
"""Office towers of so many floors have some cars that pass the lower half without a stop."""


class Shafts:
    """The lifts of a register as columns; a slot is the row's place among the lifts."""

    def __init__(self, rows: Sequence[Equipment], seed: int) -> None:
        self.rows = rows
        count = len(rows)
        self.count = count
        keys = keys_of([row.device for row in rows], "fitting", seed)

        def chance(at: int) -> Column:
            return uniform(keys, np.uint64(at))

        self.building = np.array([BUILDINGS.index(building_type(row.estate, row.name)) for row in rows], np.int8)
        self.floors = np.array([max(2, len(row.floors)) for row in rows], np.int16)
        self.main = np.array([row.floors.index("1") if "1" in row.floors else 0 for row in rows], np.int16)
        height = np.array([USES[building].floor_height_m for building in BUILDINGS])
        self.floor_m = height[self.building]
        self.speed = np.array([row.rated_speed_m_s for row in rows], np.float64)
        self.acceleration = np.where(self.speed < 1.2, 0.7, 1.0)
        self.jerk = np.full(count, 1.4)
        loads = np.array([row.rated_load_kg or 1_000 for row in rows])
        self.capacity = np.clip(loads // PERSON_KG, 2, ABOARD_MOST).astype(np.int16)
        self.year = np.array(
            [int(row.installed_on[:4] or 0) if row.installed_on[:4].isdigit() else 2020 for row in rows]
        )
        old = self.year < OLD_BEFORE_YEAR
        self.person_sensor = ~(old & (chance(1) < 0.3))
        self.speed_sensor = chance(2) >= 0.1
        self.load_sensor = chance(3) >= np.where(old, 0.5, 0.1)
        self.vendor = np.array([vendor_of(row.maker, row.device) for row in rows], np.int8)
        self.brake_sensor, self.vibration_sensor, self.temperature_sensor = (
            np.array([getattr(vendor, name) for vendor in VENDORS])[self.vendor]
            for name in ("brake", "vibration", "temperature")
        )
        age = np.maximum(1, 2026 - self.year)
        self.runs_before = ((40_000 + chance(4) * 80_000) * age).astype(np.int64)
        self.hours_before = ((400 + chance(5) * 500) * age).astype(np.int64)
        self.nature = chance(6)  # a machine's own place between the best and the worst, for what differs a little
        express = (self.building == BUILDINGS.index(Building.OFFICES)) & (self.floors >= EXPRESS_FROM_FLOORS)
        express &= (chance(7) < 0.4) & (self.main + 2 < self.floors // 2)
        self.express_from = np.where(express, self.main, -1).astype(np.int16)  # last floor served below the zone
        self.express_to = np.where(express, self.floors // 2, -1).astype(np.int16)  # first one served above it
        self.group, self.members = _groups(rows, self.express_to)

    @property
    def served(self) -> Column:
        """Landings that a car stops at."""
        return self.floors - np.where(self.express_to >= 0, self.express_to - self.express_from - 1, 0)

    def nth(self, slots: Column, number: Column) -> Column:
        """The floor that is the n-th served one from the bottom."""
        above, start = self.express_to[slots], self.express_from[slots]
        return np.where((above >= 0) & (number > start), number + above - start - 1, number)

    def level_m(self, slots: Column, floor: Column) -> Column:
        """Height of a landing."""
        return self.floor_m[slots] * floor

    def nearest(self, slots: Column, position_m: Column) -> Column:
        """The landing next to a position, served or not: what the display shows."""
        answer: Column = np.clip(np.rint(position_m / self.floor_m[slots]), 0, self.floors[slots] - 1).astype(np.int16)
        return answer

    def in_zone(self, slots: Column, position_m: Column, nearest: Column) -> Column:
        """Whether the car stands in the unlocking zone of a landing that has doors for it."""
        close = np.abs(position_m - nearest * self.floor_m[slots]) <= UNLOCKING_ZONE_M
        answer: Column = close & ~((nearest > self.express_from[slots]) & (nearest < self.express_to[slots]))
        return answer


def _groups(rows: Sequence[Equipment], express_to: Column) -> tuple[Column, Column]:
    """Lifts of one building with the same floors and stops answer together: group of each slot, slots of each group (-1 for none)."""
    found: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for slot, row in enumerate(rows):
        key = (row.estate, row.building or row.device, row.floors, int(express_to[slot]))
        found[key].append(slot)
    group = np.empty(len(rows), np.int64)
    members: list[list[int]] = []
    for slots in found.values():
        for first in range(0, len(slots), GROUP_MOST):
            part = slots[first : first + GROUP_MOST]
            group[part] = len(members)
            members.append(part + [-1] * (GROUP_MOST - len(part)))
    return group, np.array(members, np.int64).reshape(-1, GROUP_MOST)
