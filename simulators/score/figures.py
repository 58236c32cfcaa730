"""Shares, rates and delays with their 95 % confidence intervals. Pure arithmetic; which formula is used is said at each.

All take independent events for granted. Faults of one lift or one power cut are not: the intervals are then too narrow.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

Z: Final = 1.959964
"""Two-sided 95 % of the normal distribution."""
MONTH_DAYS: Final = 30.4375


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with Wilson's interval; no value and the whole range where there is nothing to count."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        if not self.of:
            return 0.0, 1.0
        share, spread = self.hits / self.of, Z * Z / self.of
        middle = (share + spread / 2) / (1 + spread)
        half = Z * math.sqrt(share * (1 - share) / self.of + spread / (4 * self.of)) / (1 + spread)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many events over an exposure (in 10,000 lifts and months), with the exact interval of a Poisson count."""

    events: int
    exposure: float

    @property
    def value(self) -> float | None:
        return self.events / self.exposure if self.exposure else None

    @property
    def interval(self) -> tuple[float, float] | None:
        if not self.exposure:
            return None
        low = 0.0 if self.events == 0 else _solve(lambda mean: 1 - poisson(self.events - 1, mean), 0.025, self.events)
        high = _solve(lambda mean: 1 - poisson(self.events, mean), 0.975, self.events + 1)
        return low / self.exposure, high / self.exposure


def exposure_of(lifts: int, days: float) -> float:
    """In units of 10,000 lifts and a month."""
    return lifts / 10_000 * days / MONTH_DAYS


def poisson(count: int, mean: float) -> float:
    """The chance of at most `count` events where `mean` are expected."""
    if mean <= 0:
        return 1.0
    return min(1.0, math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)))


def _binomial_at(hits: int, of: int, share: float) -> float:
    """The chance of exactly `hits` in `of`; `share` lies between 0 and 1."""
    ways = math.lgamma(of + 1) - math.lgamma(hits + 1) - math.lgamma(of - hits + 1)
    return math.exp(ways + hits * math.log(share) + (of - hits) * math.log1p(-share))


def _solve(rising: Callable[[float], float], target: float, guess: float) -> float:
    """Where a rising function reaches the target, by halving."""
    low, high = 0.0, max(1.0, 4.0 * guess + 20)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of delays with the interval of its order statistics; a bound that the sample is too small for is None."""

    value: int
    low: int | None
    high: int | None


def quantile(delays: Sequence[int], share: float) -> Quantile | None:
    """The quantile by nearest rank; None of nothing."""
    if not delays:
        return None
    ordered, count = sorted(delays), len(delays)
    below = list(accumulate(_binomial_at(hits, count, share) for hits in range(count)))  # P(at most so many below it)
    low, high = bisect_right(below, 0.025), bisect_left(below, 0.975)
    return Quantile(
        value=ordered[max(0, math.ceil(share * count) - 1)],
        low=ordered[low - 1] if low else None,
        high=ordered[high] if high < count else None,
    )


def delays_of(delays: Sequence[int]) -> dict[str, object] | None:
    """Half, 95 % and all of the delays, in ms."""
    if not delays:
        return None
    found: dict[str, object] = {"count": len(delays)}
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        item = quantile(delays, share)
        found[name] = None if item is None else {"ms": item.value, "low": item.low, "high": item.high}
    return {**found, "max": {"ms": max(delays)}}
