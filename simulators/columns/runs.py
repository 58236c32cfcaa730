"""The runs of `motion` for many cars at once: the same closed formulas on columns. Times in s from the start of the run, ways in m."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]


class Profile(NamedTuple):
    """What is known of a run when it starts; every field a column. A run is its own mirror image about its middle."""

    peak_m_s: Column
    jerk_s: Column  # length of each stretch of jerk
    steady_s: Column  # steady acceleration between two of them
    cruise_s: Column
    total_s: Column


def profiles(distance_m: Column, speed: Column, acceleration: Column, jerk: Column) -> Profile:
    """Jerk-limited runs from rest to rest over these distances, all above 0."""
    full_jerk = acceleration / jerk
    reaches = speed >= acceleration * full_jerk
    rated_jerk = np.where(reaches, full_jerk, np.sqrt(speed / jerk))
    rated_steady = np.where(reaches, speed / acceleration - full_jerk, 0.0)
    ratio = acceleration / jerk
    longer = acceleration / 2 * (-ratio + np.sqrt(ratio * ratio + 4 * distance_m / acceleration))
    short = np.cbrt(distance_m * distance_m * jerk / 4)
    below = np.minimum(np.where(longer >= acceleration * full_jerk, longer, short), speed)
    peak = np.where(distance_m >= speed * (2 * rated_jerk + rated_steady), speed, below)
    steady_run = peak >= acceleration * full_jerk
    jerk_s = np.where(steady_run, full_jerk, np.sqrt(peak / jerk))
    steady_s = np.where(steady_run, peak / acceleration - full_jerk, 0.0)
    ramp_s = 2 * jerk_s + steady_s
    cruise_s = np.maximum(0.0, distance_m / peak - ramp_s)
    return Profile(peak, jerk_s, steady_s, cruise_s, 2 * ramp_s + cruise_s)


def state_at(run: Profile, jerk: Column, second: Column) -> tuple[Column, Column]:
    """Way and speed after `second` of each run."""
    ramp_s = 2 * run.jerk_s + run.steady_s
    distance = run.peak_m_s * (ramp_s + run.cruise_s)
    second = np.clip(second, 0.0, run.total_s)
    later = second > run.total_s / 2
    tau = np.where(later, run.total_s - second, second)
    knee = 0.5 * jerk * run.jerk_s * run.jerk_s  # speed at the end of the first stretch
    x = tau - run.jerk_s
    r = np.maximum(ramp_s - tau, 0.0)
    first, steady, ramp = tau < run.jerk_s, x < run.steady_s, tau < ramp_s
    speed = np.where(
        first,
        0.5 * jerk * tau * tau,
        np.where(steady, knee + jerk * run.jerk_s * x, run.peak_m_s - 0.5 * jerk * r * r),
    )
    way = np.where(
        first,
        jerk * tau**3 / 6,
        np.where(
            steady,
            jerk * run.jerk_s**3 / 6 + knee * x + 0.5 * jerk * run.jerk_s * x * x,
            run.peak_m_s * (ramp_s / 2 - r) + jerk * r**3 / 6,
        ),
    )
    way = np.where(ramp, way, run.peak_m_s * (tau - ramp_s / 2))
    return np.where(later, distance - way, way), speed
