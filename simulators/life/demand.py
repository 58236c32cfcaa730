"""Who wants to ride, and when: day curves and floor choices by type of building.

Pure; time is an argument and randomness comes in. Knows nothing of cars, doors or sensors.
Shares of the hours follow the published picture of lift traffic (morning up-peak in offices, two peaks in homes, silence at night).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
ZONE_MS: Final = 8 * HOUR_MS
"""Asia/Shanghai; no daylight saving since 1991."""


class Building(StrEnum):
    HOMES = "homes"
    OFFICES = "offices"
    HOSPITAL = "hospital"
    MALL = "mall"
    METRO = "metro"


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """How a building of this type is used."""

    trips_a_day: int  # calls on one lift
    riders_a_day: int  # persons on one escalator
    weekend: float  # share of a working day's trips
    floor_height_m: float
    hours: tuple[float, ...]  # 24 weights, their mean is 1


def _hours(*weights: float) -> tuple[float, ...]:
    mean = sum(weights) / len(weights)
    return tuple(weight / mean for weight in weights)


USES: Final[dict[Building, Use]] = {
    Building.HOMES: Use(
        trips_a_day=260,
        riders_a_day=2_000,
        weekend=1.1,
        floor_height_m=2.9,
        hours=_hours(4, 2, 1, 1, 1, 4, 20, 60, 52, 30, 26, 34, 36, 26, 24, 26, 36, 60, 64, 48, 38, 30, 20, 10),
    ),
    Building.OFFICES: Use(
        trips_a_day=700,
        riders_a_day=4_000,
        weekend=0.15,
        floor_height_m=3.9,
        hours=_hours(1, 1, 1, 1, 1, 1, 4, 30, 90, 60, 36, 60, 80, 56, 36, 34, 40, 76, 60, 26, 12, 8, 4, 2),
    ),
    Building.HOSPITAL: Use(
        trips_a_day=800,
        riders_a_day=6_000,
        weekend=0.7,
        floor_height_m=4.0,
        hours=_hours(6, 4, 4, 4, 4, 8, 26, 56, 72, 74, 66, 50, 40, 46, 60, 58, 48, 44, 34, 24, 18, 14, 10, 8),
    ),
    Building.MALL: Use(
        trips_a_day=500,
        riders_a_day=9_000,
        weekend=1.6,
        floor_height_m=5.0,
        hours=_hours(1, 1, 1, 1, 1, 1, 2, 4, 10, 22, 40, 62, 66, 54, 48, 46, 50, 64, 76, 74, 60, 30, 6, 2),
    ),
    Building.METRO: Use(
        trips_a_day=600,
        riders_a_day=14_000,
        weekend=0.8,
        floor_height_m=6.0,
        hours=_hours(1, 1, 1, 1, 1, 6, 34, 84, 80, 46, 32, 32, 34, 32, 32, 34, 50, 84, 78, 46, 32, 26, 16, 6),
    ),
}

_WORDS: Final = (
    ("医院", Building.HOSPITAL),
    ("hospital", Building.HOSPITAL),
    ("地铁", Building.METRO),
    ("metro", Building.METRO),
    ("station", Building.METRO),
    ("商场", Building.MALL),
    ("广场", Building.MALL),
    ("mall", Building.MALL),
    ("大厦", Building.OFFICES),
    ("中心", Building.OFFICES),
    ("office", Building.OFFICES),
    ("tower", Building.OFFICES),
)


def building_type(*names: str) -> Building:
    """The type that a building's or estate's name tells; homes when it tells nothing."""
    text = " ".join(names).lower()
    return next((building for word, building in _WORDS if word in text), Building.HOMES)


def intensity(use: Use, ms: int) -> float:
    """How busy this minute is against the average of a working day (mean 1), straight lines between the hours."""
    local = ms + ZONE_MS
    hour, rest = divmod(local % DAY_MS, HOUR_MS)
    here, there = use.hours[hour], use.hours[(hour + 1) % 24]
    weight = here + (there - here) * rest / HOUR_MS
    weekday = (local // DAY_MS + 3) % 7  # 1 January 1970 was a Thursday
    return weight * (use.weekend if weekday >= 5 else 1.0)


def arrivals(use: Use, a_day: float, rng: random.Random, shift_ms: int = 0) -> Callable[[int], int]:
    """A function from one arrival's time to the next one's: a Poisson stream that follows the day curve, by thinning.

    `shift_ms` is added to the time before the curve is read, so that a story can play at another time of day.
    """
    most = max(use.hours) * max(1.0, use.weekend)
    mean_ms = DAY_MS / (a_day * most)

    def following(ms: int) -> int:
        at = float(ms)
        while True:
            at += rng.expovariate(1.0) * mean_ms
            if rng.random() * most < intensity(use, int(at) + shift_ms):
                return max(ms + 1, int(at))

    return following


def journey(building: Building, ms: int, floors: int, main: int, rng: random.Random) -> tuple[int, int]:
    """From which floor to which other one somebody rides now; `main` is the entrance's floor."""
    upper = rng.randrange(floors - 1)
    upper += upper >= main
    hour = (ms + ZONE_MS) % DAY_MS / HOUR_MS
    if building is Building.HOMES:
        arriving = 0.2 if hour < 11 else 0.7 if hour >= 16 else 0.5
    elif building is Building.OFFICES:
        arriving = 0.9 if hour < 10.5 else 0.1 if hour >= 16.5 else 0.5
    else:
        arriving = 0.5
    between = {Building.OFFICES: 0.15, Building.HOSPITAL: 0.35, Building.MALL: 0.4}.get(building, 0.04)
    if floors > 2 and rng.random() < between:
        other = rng.randrange(floors - 1)
        return upper, other + (other >= upper)
    return (main, upper) if rng.random() < arriving else (upper, main)
