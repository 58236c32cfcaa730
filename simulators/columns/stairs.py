"""All escalators as columns: riders by the day curve, slow running while nobody rides, rest at night. The rules of `escalator`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hoistway.model import OperationDirection, Power
from simulators.city import Equipment
from simulators.columns.chance import Chance, keys_of
from simulators.columns.shafts import BUILDINGS
from simulators.columns.traffic import CURVE
from simulators.life.demand import DAY_MS, HOUR_MS, USES, ZONE_MS, building_type
from simulators.life.escalator import CLOSES_HOUR, EMPTY_BEFORE_SLOW_MS, OPENS_HOUR, REDUCED_M_S

Column = npt.NDArray[Any]


class Stairs:
    """Columns over the escalators; a slot is the row's place among them."""

    def __init__(
        self, rows: Sequence[Equipment], seed: int, start_ms: int, *, shift_ms: int = 0, flow: bool = True
    ) -> None:
        count = len(rows)
        self.rows, self.count, self.now, self._shift_ms, self._flow = rows, count, start_ms, shift_ms, flow
        uses = [USES[building_type(row.estate, row.name)] for row in rows]
        self.building = np.array([BUILDINGS.index(building_type(row.estate, row.name)) for row in rows], np.int8)
        self.speed = np.array([row.rated_speed_m_s for row in rows], np.float64)
        self._riders = np.array([use.riders_a_day for use in uses], np.float64)
        rise = np.array([use.floor_height_m for use in uses])
        self._ride_ms = (rise / 0.5 / np.maximum(0.1, self.speed) * 1_000).astype(np.int64)
        self._chance = Chance(keys_of([row.device for row in rows], "stairs", seed))
        self.upward = self._chance.uniform(np.arange(count)) < 0.5
        self.power = np.full(count, Power.MAINS, np.int8)
        self.last_off = np.full(count, start_ms, np.int64)
        self.running_ms = np.zeros(count, np.int64)
        self._was = np.zeros(count, np.int8)
        self.touched = np.ones(count, np.bool_)

    def advance(self, to_ms: int) -> None:
        """Riders of the seconds up to `to_ms`: at most one arrival a step counts, because only whether somebody rides is seen."""
        passed = to_ms - self.now
        self.now = to_ms
        if not self.count or passed <= 0:
            return
        local = to_ms + ZONE_MS + self._shift_ms
        rate = CURVE[self.building, local % DAY_MS // HOUR_MS] * self._riders / DAY_MS * passed * self._flow
        come = self._chance.uniform(np.arange(self.count)) < -np.expm1(-rate)
        running = self.running
        self.last_off[come & running] = (to_ms + self._ride_ms)[come & running]
        self.running_ms[running] += passed
        look = self.direction * 2 + self.occupied
        self.touched |= look != self._was
        self._was = look

    @property
    def running(self) -> Column:
        hour = (self.now + self._shift_ms + ZONE_MS) % DAY_MS // HOUR_MS
        answer: Column = (self.power == Power.MAINS) & (OPENS_HOUR <= hour < CLOSES_HOUR)
        return answer

    @property
    def occupied(self) -> Column:
        return self.running & (self.now < self.last_off)

    @property
    def full(self) -> Column:
        """At rated speed."""
        return self.running & (self.now < self.last_off + EMPTY_BEFORE_SLOW_MS)

    @property
    def direction(self) -> Column:
        up = np.where(self.full, OperationDirection.UP, OperationDirection.UP_REDUCED)
        down = np.where(self.full, OperationDirection.DOWN, OperationDirection.DOWN_REDUCED)
        return (np.where(self.running, np.where(self.upward, up, down), 0)).astype(np.int8)

    @property
    def speed_m_s(self) -> Column:
        """Signed: up is positive."""
        fast = np.where(self.full, self.speed, REDUCED_M_S)
        return np.where(self.running, fast * np.where(self.upward, 1.0, -1.0), 0.0)
