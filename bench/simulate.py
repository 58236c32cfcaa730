"""How fast the simulator is in memory, and how near its city is to the published figures.

    python bench/simulate.py [--quick]

1. 100,000 lifts, every terminal one sample a second of simulated time, on one core, with the faults and look-alikes of the catalogue.
2. 1,000 lifts whose terminals speak by their own habits: the pace of a rehearsal without engine and store.
3. A city as large as Hangzhou in 2022, planned for twelve months: rates, causes, hours, places and spread beside what was published; and the
   rescues of a played day of many entrapments.

CPU time of the process, so that a neighbour on the machine counts little.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.common import report
from simulators.city import make_city
from simulators.columns.machines import Machines
from simulators.columns.shafts import BUILDINGS
from simulators.faults.catalogue import entries
from simulators.faults.plan import MONTH_DAYS, Planned, Planner
from simulators.life.demand import DAY_MS, HOUR_MS, ZONE_MS
from simulators.scenario import load
from simulators.stage import Stage
from simulators.world import DEFAULT_START_MS

HANGZHOU_2022 = 181_587
TRAPPED = ("trapped-between-floors", "trapped-at-landing", "trapped-door-ajar")
Line = tuple[str, str]


def pace(lifts: int, seconds: int, *, every_ms: int | None) -> tuple[float, float]:
    """CPU seconds a simulated second, and a sample."""
    story = replace(load("standard-city-day"), time_of_day_ms=8 * HOUR_MS)
    rows = make_city(lifts=lifts, escalators=lifts // 17, seed=1)
    stage = Stage(story, rows, start_ms=DEFAULT_START_MS, every_ms=every_ms)
    for _ in range(20):
        stage.step()
    samples, began = 0, time.process_time()
    for _ in range(seconds):
        samples += len(stage.step().rows)
    took = time.process_time() - began
    return took / seconds, took / samples


def speed(*, quick: bool) -> list[Line]:
    lifts, seconds = (10_000, 20) if quick else (100_000, 60)
    step, sample = pace(lifts, seconds, every_ms=1_000)
    lines = [
        (
            f"{lifts:,} lifts, one sample a second each, morning peak, one core",
            f"{1 / step:.1f} x real time, {step * 1e3:.0f} ms a second, {sample * 1e6:.2f} us a sample",
        )
    ]
    for busy, name in ((1_000, "1,000 lifts by their own habits, morning peak"), (10_000, "10,000 of them")):
        step, sample = pace(busy, 60 if quick else 600, every_ms=None)
        lines.append((name, f"{1 / step:,.0f} x real time, {sample * 1e6:.1f} us a sample"))
    return lines


def planned(lifts: int, days: int) -> tuple[Machines, list[Planned]]:
    """The true entrapments of so many days."""
    machines = Machines(make_city(lifts=lifts, escalators=0, seed=1), seed=1, start_ms=DEFAULT_START_MS)
    planner = Planner(machines, 1)
    wanted = [entries()[name] for name in TRAPPED]
    first = DEFAULT_START_MS // DAY_MS
    return machines, [one for day in range(first, first + days) for one in planner.day(day, wanted)]


def share(part: float, low: float, high: float) -> str:
    """A figure in %, and how far it lies outside what was published."""
    percent = part * 100
    away = (
        f"{percent - high:+.1f} points"
        if percent > high
        else f"{percent - low:+.1f} points"
        if percent < low
        else "inside"
    )
    return f"{percent:.1f} %, {away}"


def calibration(*, quick: bool) -> list[Line]:
    lifts, days = (20_000, 90) if quick else (HANGZHOU_2022, 360)
    machines, found = planned(lifts, days)
    total = len(found)
    rate = total / lifts * 10_000 / days * MONTH_DAYS
    classes = Counter((one.cause or 700) // 100 for one in found)
    codes = Counter(one.cause for one in found)
    hours = Counter((one.at_ms + ZONE_MS) % DAY_MS // HOUR_MS // 2 for one in found)
    places = Counter(BUILDINGS[machines.shafts.building[one.slot]].value for one in found)
    counts = np.bincount([one.slot for one in found], minlength=lifts)
    mean, variance = counts.mean(), counts.var()
    lines = [
        (
            "entrapments for 10,000 lifts and month (47 to 60)",
            f"{rate:.1f}, {'inside' if 47 <= rate <= 60 else 'outside'}",
        ),
        ("caused by people (22 to 53 %)", share(classes[1] / total, 22, 53)),
        ("external causes (13 to 36 %)", share(classes[2] / total, 13, 36)),
        ("doors (12 to 25 %)", share(classes[3] / total, 12, 25)),
        ("control (7 to 14 %)", share(classes[5] / total, 7, 14)),
        ("rubbish in the door (10 to 25 %)", share(codes[101] / total, 10, 25)),
        ("power cuts (18.6 to 22.6 %)", share(codes[201] / total, 18.6, 22.6)),
        ("08-10 h (12.3 to 15.9 %)", share(hours[4] / total, 12.3, 15.9)),
        ("18-20 h (14.7 to 17.8 %)", share(hours[9] / total, 14.7, 17.8)),
        (
            "06-12 and 18-22 h together (74.5 %, Qingdao)",
            share(sum(hours[n] for n in (3, 4, 5, 9, 10)) / total, 74.5, 74.5),
        ),
        ("in homes (58 to 71 %)", share(places["homes"] / total, 58, 71)),
        (
            "spread: k of a negative binomial (0.54, New York)",
            f"{mean * mean / (variance - mean):.2f} from mean {mean:.3f} and variance {variance:.3f} in {days} days"
            if variance > mean
            else "none: no over-dispersion",
        ),
        ("worst lift in that time (7 a year Wuhu, 14 Nanjing)", f"{counts.max()}"),
    ]
    return lines + rescues(quick=quick)


def rescues(*, quick: bool) -> list[Line]:
    """Of entrapments that were played: how long the way took and the work, how many were inside, who came out by himself."""
    told: dict[int, dict[str, Any]] = {}
    stage = Stage(
        load("many-entrapments"), start_ms=DEFAULT_START_MS, tell=lambda line: told.update({line["id"]: line})
    )
    while stage.now < DEFAULT_START_MS + (2 if quick else 6) * HOUR_MS:
        stage.step()
    over = [line for line in told.values() if line.get("arrived")]
    own = sum(bool(line.get("recovered")) for line in told.values())

    def mean(values: Iterable[float]) -> float:
        return float(np.mean(list(values)))

    return [
        (
            "played entrapments",
            f"{len(told)}, {len(over)} of them ended by a rescue, {own} by themselves (2.6 % in Jiangsu)",
        ),
        (
            "mean way to the lift (8.9 to 16 min)",
            f"{mean((line['arrived'] - line['from']) / 60_000 for line in over):.1f} min",
        ),
        (
            "mean work on site (2.5 to 7.3 min)",
            f"{mean((line['to'] - line['arrived']) / 60_000 for line in over):.1f} min",
        ),
        ("people inside (1.3 to 2.5)", f"{mean(line['people'] for line in told.values()):.2f}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures are not kept")
    quick = parser.parse_args().quick
    lines = speed(quick=quick)
    lines += calibration(quick=quick)
    report(
        "simulate",
        "Speed and calibration of the simulated city",
        "In memory, one process, CPU time. In brackets the published figure or range (docs/simulators.md names the sources); beside ours, how far"
        " it lies outside.",
        lines,
        keep=not quick,
    )


if __name__ == "__main__":
    main()
