"""When and on which machine things go wrong: a day at a time, from the catalogue's rates. The same for the same seed and day, so that a long
campaign can be taken up at any day.

True entrapments are over-dispersed as in the New York table (negative binomial, k = 0.54): a lift has a frailty of its own for ever,
on top of its age and its building. Look-alikes fall on everybody alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulators.columns.chance import keys_of
from simulators.columns.machines import Machines
from simulators.columns.shafts import BUILDINGS
from simulators.faults.catalogue import HOURS, Entry
from simulators.life.demand import DAY_MS, HOUR_MS, ZONE_MS, Building

Column = npt.NDArray[Any]

MONTH_DAYS: Final = 30
DISPERSION: Final = 0.54
"""k of the New York fleet: mean 0.271 and variance 0.407 a lift and month."""
PLACES: Final = {
    Building.HOMES: 0.67, Building.OFFICES: 0.12, Building.MALL: 0.11, Building.METRO: 0.04, Building.HOSPITAL: 0.06,
}  # fmt: skip
"""Shares of the entrapments by place; homes 60 to 71 % in Nanjing, Qingdao, Hohhot, Zhengzhou."""
AGES: Final = ((5, 0.7), (11, 1.25), (16, 1.6), (200, 0.8))
"""Age in years below which the factor holds: Wuhu, lifts of 5 to 10 years 54 % of the rescues on 40 % of the lifts; Nanjing 2015, 11 to 15 years
1.45 % a month, older and renewed 0.68 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One thing that will happen. `luck` seeds what it does in detail."""

    at_ms: int
    slot: int
    entry: Entry
    cause: int | None
    lasts_ms: int
    luck: int


class Planner:
    """Draws whole days."""

    def __init__(self, machines: Machines, seed: int) -> None:
        self._machines, self._seed = machines, seed
        shafts = machines.shafts
        lifts = machines.lifts
        factor = np.ones(lifts)
        for at, building in enumerate(BUILDINGS):
            mine = shafts.building == at
            if mine.any():
                factor[mine] *= PLACES[building] / mine.mean()
        age = 2026 - shafts.year
        factor *= np.array([value for _, value in AGES])[
            np.searchsorted([least for least, _ in AGES], age, side="right")
        ]
        factor /= factor.mean() if lifts else 1.0
        spread = (1 + 1 / DISPERSION) / (1 + factor.var()) - 1 if lifts else 1.0
        shape = 1 / max(spread, 0.05)
        frail = self._rng("frailty", 0).gamma(shape, 1 / shape, lifts)
        self._frail, self._prone = frail, frail * factor
        self._fits: dict[tuple[str, str], Column] = {}

    def day(
        self, day: int, entries: Iterable[Entry], *, cause_times: float = 1.0, alike_times: float = 1.0
    ) -> list[Planned]:
        """Everything of one day, counted from 1970 in local time, in order of time."""
        found: list[Planned] = []
        for entry in entries:
            found += self._of(entry, day, alike_times if entry.false_one else cause_times)
        return sorted(found, key=lambda one: (one.at_ms, one.slot, one.entry.name))

    def _of(self, entry: Entry, day: int, times: float) -> list[Planned]:
        slots = self.slots(entry)
        mean = entry.rate * times * len(slots) / 10_000 / MONTH_DAYS
        if not mean:
            return []
        rng = self._rng(entry.name, day)
        count = int(rng.poisson(mean))
        if not count:
            return []
        weights = self._weights(entry, slots)
        chosen = slots[
            np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(count), side="right").clip(0, len(slots) - 1)
        ]
        hours = np.array(HOURS[entry.hours])
        part = np.searchsorted(np.cumsum(hours) / hours.sum(), rng.random(count), side="right").clip(0, 11)
        at = (
            day * DAY_MS
            - ZONE_MS
            - self._machines.shift_ms
            + ((part + rng.random(count)) * 2 * HOUR_MS).astype(np.int64)
        )
        lasts = self._lasts(entry, rng, count)
        codes = [code for code, _ in entry.causes]
        share = np.cumsum([weight for _, weight in entry.causes]) if codes else np.ones(1)
        which = np.searchsorted(share / share[-1], rng.random(count), side="right").clip(0, max(0, len(codes) - 1))
        luck = rng.integers(0, 2**62, count)
        return [
            Planned(
                at_ms=int(at[n]), slot=int(chosen[n]), entry=entry, cause=codes[which[n]] if codes else None,
                lasts_ms=int(lasts[n]), luck=int(luck[n]),
            )
            for n in range(count)
        ]  # fmt: skip

    def _lasts(self, entry: Entry, rng: np.random.Generator, count: int) -> Column:
        low, high = entry.lasts_ms
        if entry.middle_ms is None:
            return low * (high / max(1, low)) ** rng.random(count)
        spread = np.log(high / entry.middle_ms) / 1.5  # nine in ten below the upper end
        answer: Column = np.clip(entry.middle_ms * np.exp(rng.standard_normal(count) * spread), low, high)
        return answer

    def _weights(self, entry: Entry, slots: Column) -> Column:
        if entry.false_one or entry.per != "lift":
            return np.ones(len(slots))
        return (self._prone if entry.hours == "entrapment" else self._frail)[slots]

    def slots(self, entry: Entry) -> Column:
        """The machines that it can happen to."""
        key = (entry.per, entry.needs)
        if key not in self._fits:
            machines, shafts = self._machines, self._machines.shafts
            lifts = np.arange(machines.lifts)
            stairs = np.arange(machines.lifts, machines.count)
            wanted = {
                "": lifts >= 0,
                "person-sensor": shafts.person_sensor,
                "no-person-sensor": ~shafts.person_sensor,
                "speed-sensor": shafts.speed_sensor,
                "brake-sensor": shafts.brake_sensor,
                "vibration-sensor": shafts.vibration_sensor,
                "temperature-sensor": shafts.temperature_sensor,
                "upward": lifts < 0,
            }[entry.needs]
            up = machines.stairs.upward if entry.needs == "upward" else np.ones(len(stairs), np.bool_)
            self._fits[key] = {
                "lift": lifts[wanted], "escalator": stairs[up], "any": np.concatenate([lifts, stairs]),
            }[entry.per]  # fmt: skip
        return self._fits[key]

    def _rng(self, name: str, day: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(int(keys_of([f"{day}:{name}"], "plan", self._seed)[0])))
