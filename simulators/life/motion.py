"""How a car moves from one height to another: jerk-limited runs and emergency braking, as closed formulas.

Pure arithmetic. Knows nothing of floors, doors, people or calls.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

BRAKE_M_S2: Final = 3.0
"""Deceleration of the safety brake; above every acceleration used here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the drive allows."""

    speed_m_s: float
    acceleration_m_s2: float = 1.0
    jerk_m_s3: float = 1.4


@dataclass(frozen=True, kw_only=True, slots=True)
class _Segment:
    """A stretch of constant jerk."""

    start_s: float
    position_m: float
    speed_m_s: float
    acceleration_m_s2: float
    jerk_m_s3: float

    def at(self, second: float) -> tuple[float, float, float]:
        t = second - self.start_s
        acceleration = self.acceleration_m_s2 + self.jerk_m_s3 * t
        speed = self.speed_m_s + self.acceleration_m_s2 * t + self.jerk_m_s3 * t * t / 2
        position = self.position_m + self.speed_m_s * t + self.acceleration_m_s2 * t * t / 2 + self.jerk_m_s3 * t**3 / 6
        return position, speed, acceleration


@dataclass(frozen=True, kw_only=True, slots=True)
class Travel:
    """One movement of the car, from `start_ms` to `end_ms`; before and after it the car stands still."""

    start_ms: int
    end_ms: int
    origin_m: float
    target_m: float
    peak_m_s: float  # highest speed of this run, unsigned
    braking_from_ms: int  # from here on the run slows down
    segments: tuple[_Segment, ...]
    starts_s: tuple[float, ...]

    @classmethod
    def between(cls, *, start_ms: int, origin_m: float, target_m: float, limits: Limits) -> Self:
        """A run from rest to rest within the drive's limits."""
        distance = abs(target_m - origin_m)
        assert distance > 0, "a run has a length"  # noqa: S101  (a broken invariant of ours)
        sign = 1.0 if target_m >= origin_m else -1.0
        peak = peak_speed(distance, limits)
        jerk_s, steady_s = _ramp(peak, limits)
        cruise_s = max(0.0, distance / peak - (2 * jerk_s + steady_s))
        jerk = limits.jerk_m_s3
        ramp = ((jerk_s, jerk), (steady_s, 0.0), (jerk_s, -jerk))
        slow = ((jerk_s, -jerk), (steady_s, 0.0), (jerk_s, jerk))
        segments, total_s = _integrate(origin_m, 0.0, 0.0, ((d, sign * j) for d, j in (*ramp, (cruise_s, 0.0), *slow)))
        braking_s = 2 * jerk_s + steady_s + cruise_s
        return cls(
            start_ms=start_ms,
            end_ms=start_ms + math.ceil(total_s * 1000),
            origin_m=origin_m,
            target_m=target_m,
            peak_m_s=peak,
            braking_from_ms=start_ms + math.floor(braking_s * 1000),
            segments=segments,
            starts_s=tuple(segment.start_s for segment in segments),
        )

    @classmethod
    def braking(cls, *, start_ms: int, position_m: float, speed_m_s: float) -> Self:
        """From full run to rest by the safety brake."""
        sign = 1.0 if speed_m_s >= 0 else -1.0
        segments, total_s = _integrate(position_m, speed_m_s, -sign * BRAKE_M_S2, [(abs(speed_m_s) / BRAKE_M_S2, 0.0)])
        return cls(
            start_ms=start_ms,
            end_ms=start_ms + math.ceil(total_s * 1000),
            origin_m=position_m,
            target_m=position_m + sign * stopping_distance(speed_m_s),
            peak_m_s=abs(speed_m_s),
            braking_from_ms=start_ms,
            segments=segments,
            starts_s=tuple(segment.start_s for segment in segments),
        )

    def at(self, ms: int) -> tuple[float, float]:
        """Position and signed speed."""
        if ms <= self.start_ms:
            return self.origin_m, self.segments[0].speed_m_s if self.segments and ms == self.start_ms else 0.0
        if ms >= self.end_ms:
            return self.target_m, 0.0
        second = (ms - self.start_ms) / 1000
        segment = self.segments[bisect_right(self.starts_s, second) - 1]
        position, speed, _ = segment.at(second)
        return position, speed

    def passes(self, position_m: float) -> int:
        """First whole millisecond at which the car has reached `position_m`, which lies on its way."""
        sign = 1.0 if self.target_m >= self.origin_m else -1.0
        return self._first(lambda ms: (self.at(ms)[0] - position_m) * sign >= 0)

    def brake_to_rest_at(self, position_m: float) -> int:
        """When the safety brake must act for the car to rest at `position_m`."""
        sign = 1.0 if self.target_m >= self.origin_m else -1.0

        def beyond(ms: int) -> bool:
            position, speed = self.at(ms)
            return (position - position_m) * sign + stopping_distance(speed) >= 0

        return self._first(beyond)

    def _first(self, holds: Callable[[int], bool]) -> int:
        low, high = self.start_ms, self.end_ms
        while low < high:
            middle = (low + high) // 2
            if holds(middle):
                high = middle
            else:
                low = middle + 1
        return low


def stopping_distance(speed_m_s: float) -> float:
    """Way of the safety brake from this speed."""
    return speed_m_s * speed_m_s / (2 * BRAKE_M_S2)


def peak_speed(distance_m: float, limits: Limits) -> float:
    """Highest speed a run over this distance reaches: the rated one, or less on a short run."""
    speed, acceleration, jerk = limits.speed_m_s, limits.acceleration_m_s2, limits.jerk_m_s3
    jerk_s, steady_s = _ramp(speed, limits)
    if distance_m >= speed * (2 * jerk_s + steady_s):
        return speed
    reached = (
        acceleration
        / 2
        * (-acceleration / jerk + math.sqrt((acceleration / jerk) ** 2 + 4 * distance_m / acceleration))
    )
    if reached >= acceleration * acceleration / jerk:
        return min(reached, speed)
    return min(math.cbrt(distance_m * distance_m * jerk / 4), speed)


def _ramp(peak_m_s: float, limits: Limits) -> tuple[float, float]:
    """Seconds of each jerk stretch and of the steady acceleration between, to reach `peak_m_s` from rest."""
    jerk_s = limits.acceleration_m_s2 / limits.jerk_m_s3
    if peak_m_s >= limits.acceleration_m_s2 * jerk_s:
        return jerk_s, peak_m_s / limits.acceleration_m_s2 - jerk_s
    return math.sqrt(peak_m_s / limits.jerk_m_s3), 0.0


def _integrate(
    position: float, speed: float, acceleration: float, phases: Iterable[tuple[float, float]]
) -> tuple[tuple[_Segment, ...], float]:
    segments: list[_Segment] = []
    second = 0.0
    for duration, jerk in phases:
        if duration <= 0:
            continue
        segment = _Segment(
            start_s=second, position_m=position, speed_m_s=speed, acceleration_m_s2=acceleration, jerk_m_s3=jerk
        )
        segments.append(segment)
        second += duration
        position, speed, acceleration = segment.at(second)
    return tuple(segments), second
