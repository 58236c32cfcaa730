"""Who comes when, and which car of a group is sent: `demand` for many lifts at once.

Parties arrive at each lift as a Poisson stream that follows its building's day curve; a party calls the whole group, and the car that would
be there first gets the call (collective group control).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulators.columns.chance import Chance, keys_of
from simulators.columns.shafts import BUILDINGS, Shafts
from simulators.life.demand import DAY_MS, HOUR_MS, USES, ZONE_MS, Building

Column = npt.NDArray[Any]

FAR: Final = 2**62
PARTY: Final = np.cumsum([0.62, 0.25, 0.09, 0.04])
"""Shares of parties of one, two, three and four."""
CURVE: Final = np.array([USES[building].hours for building in BUILDINGS])
_WEEKEND: Final = np.array([USES[building].weekend for building in BUILDINGS])
_MOST: Final = CURVE.max(axis=1) * np.maximum(1.0, _WEEKEND)
_BETWEEN: Final = np.array(
    [
        {Building.OFFICES: 0.15, Building.HOSPITAL: 0.35, Building.MALL: 0.4}.get(building, 0.04)
        for building in BUILDINGS
    ]
)
_HOMES, _OFFICES = BUILDINGS.index(Building.HOMES), BUILDINGS.index(Building.OFFICES)


class Traffic:
    """The next arrival at each lift."""

    def __init__(
        self, shafts: Shafts, seed: int, start_ms: int, *, shift_ms: int = 0, busy: float = 1.0, flow: bool = True
    ) -> None:
        self._shafts, self._shift_ms = shafts, shift_ms
        self._chance = Chance(keys_of([row.device for row in shafts.rows], "traffic", seed))
        trips = np.array([USES[building].trips_a_day for building in BUILDINGS])[shafts.building] * busy
        self._mean_ms = DAY_MS / (trips * _MOST[shafts.building])
        self.next_ms = np.full(shafts.count, FAR, np.int64)
        if flow:
            self.next_ms[:] = self._following(np.arange(shafts.count), np.full(shafts.count, start_ms))

    def due(self, to_ms: int) -> Column:
        """Lifts whose next party comes by then."""
        return np.flatnonzero(self.next_ms <= to_ms)

    def parties(self, slots: Column) -> tuple[Column, Column, Column, Column]:
        """Instant, origin, target and size of the parties of these lifts that are due; the next ones are drawn."""
        at = self.next_ms[slots].copy()
        self.next_ms[slots] = self._following(slots, at)
        origin, target = self._journeys(slots, at)
        size = np.searchsorted(PARTY, self._chance.uniform(slots), side="right") + 1
        return at, origin, target, np.minimum(size, len(PARTY))

    def _following(self, slots: Column, after: Column) -> Column:
        at = after.astype(np.float64)
        found = np.zeros(len(slots), np.int64)
        open_ = np.arange(len(slots))
        while len(open_):
            mine = slots[open_]
            at[open_] += self._chance.exponential(mine) * self._mean_ms[mine]
            building = self._shafts.building[mine]
            taken = self._chance.uniform(mine) * _MOST[building] < self.intensity(building, at[open_].astype(np.int64))
            done = open_[taken]
            found[done] = np.maximum(after[done] + 1, at[done].astype(np.int64))
            open_ = open_[~taken]
        return found

    def intensity(self, building: Column, ms: Column) -> Column:
        """How busy this instant is against a working day's mean, as `demand.intensity`."""
        local = ms + ZONE_MS + self._shift_ms
        hour, rest = np.divmod(local % DAY_MS, HOUR_MS)
        here, there = CURVE[building, hour], CURVE[building, (hour + 1) % 24]
        weekend = (local // DAY_MS + 3) % 7 >= 5
        answer: Column = (here + (there - here) * rest / HOUR_MS) * np.where(weekend, _WEEKEND[building], 1.0)
        return answer

    def _journeys(self, slots: Column, at: Column) -> tuple[Column, Column]:
        """From which floor to which other one, as `demand.journey`."""
        shafts, chance = self._shafts, self._chance
        building, main, served = shafts.building[slots], shafts.main[slots], shafts.served[slots]
        number = chance.below(slots, served - 1)
        upper = shafts.nth(slots, number + (number >= main))
        hour = (at + ZONE_MS + self._shift_ms) % DAY_MS / HOUR_MS
        share = np.full(len(slots), 0.5)
        share = np.where(building == _HOMES, np.where(hour < 11, 0.2, np.where(hour >= 16, 0.7, 0.5)), share)
        share = np.where(building == _OFFICES, np.where(hour < 10.5, 0.9, np.where(hour >= 16.5, 0.1, 0.5)), share)
        between = (served > 2) & (chance.uniform(slots) < _BETWEEN[building])
        arriving = chance.uniform(slots) < share
        other = chance.below(slots, served - 1)
        other = shafts.nth(slots, other + (other >= number + (number >= main)))
        origin = np.where(between, upper, np.where(arriving, main, upper))
        target = np.where(between, other, np.where(arriving, upper, main))
        return origin.astype(np.int16), target.astype(np.int16)


def send(shafts: Shafts, slots: Column, origin: Column, floor: Column, busy: Column, can: Column) -> Column:
    """The car of each caller's group that answers: the nearest one, an idle one before a busy one; -1 when none can."""
    members = shafts.members[shafts.group[slots]]
    there = np.maximum(members, 0)
    cost = np.abs(floor[there].astype(np.float64) - origin[:, None]) + 6.0 * busy[there]
    cost[(members < 0) | ~can[there]] = np.inf
    best = cost.argmin(axis=1)
    rows = np.arange(len(slots))
    return np.where(np.isfinite(cost[rows, best]), members[rows, best], -1)
