"""How fast a city is rehearsed: 1,000 lifts of the standard city with desk, timers and crews, on one virtual clock.

    python bench/rehearse.py [--lifts 1000] [--hours 2] [--quick]

The stretch is played from 08:00 and from 01:00, the busiest and the quietest time; thirty days are extrapolated from both with 17 busy hours a
day, and said to be. The database is an embedded PostgreSQL of the benchmark's own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from alarms.language.reader import default_rules
from bench.common import report
from hoistway.embedded.postgres import EmbeddedPostgres
from hoistway.trial.play import Trial
from hoistway.trial.rehearse import rehearse
from simulators.city import make_city
from simulators.scenario import load
from tests.support.folders import temporary_home

BUSY_HOURS: Final = 17
GOAL_TIMES: Final = 1_000
GOAL_MIN: Final = 45


async def stretch(lifts: int, hours: float, begin_h: int) -> dict[str, Any]:
    """The report of one stretch."""
    story = replace(load("standard-city-day"), time_of_day_ms=begin_h * 3_600_000)
    rows = make_city(lifts=lifts, escalators=round(lifts * 0.06), seed=story.seed)
    trial = Trial(
        scenario=story, rules=default_rules(), seed=story.seed, rows=rows, lasts_ms=round(hours * 3_600_000), two_processes=True
    )  # fmt: skip
    with temporary_home() as home:
        server = EmbeddedPostgres(home)
        try:
            _, found = await rehearse(trial, await server.start(), home.parent)
        finally:
            await server.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lifts", type=int, default=1_000)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--quick", action="store_true", help="a smoke run: 100 lifts, six minutes")
    asked = parser.parse_args()
    lifts, hours = (100, 0.1) if asked.quick else (asked.lifts, asked.hours)
    busy, quiet = (asyncio.run(stretch(lifts, hours, begin)) for begin in (8, 1))
    times = {"08:00": busy["speed"]["times_real"], "01:00": quiet["speed"]["times_real"]}
    day_s = BUSY_HOURS * 3_600 / times["08:00"] + (24 - BUSY_HOURS) * 3_600 / times["01:00"]
    month_min = 30 * day_s / 60
    rows = [
        *((f"from {at}", f"{found['speed']['times_real']:g} times real time, {found['samples']} samples, {found['speed']['wall_s']:g} s")
          for at, found in (("08:00", busy), ("01:00", quiet))),
        ("cases, timers fired, overdue", f"{busy['cases']['all']}, {busy['timers']['fired']}, {busy['timers']['overdue_at_the_end']}"),
        ("30 days, extrapolated", f"{month_min:.0f} min, {30 * 24 * 60 / month_min:.0f} times real time"),
        ("goal", f"{GOAL_TIMES} times real time, 30 days in {GOAL_MIN} min"),
    ]  # fmt: skip
    method = (
        f"{lifts} lifts, {hours:g} h of virtual time each, the shipped catalogue, faults and look-alikes at their rates. The story in one process, rules and desk"
        f" in another; {busy['way']}. A day is taken for {BUSY_HOURS} h as busy as 08:00 and the rest as quiet as 01:00."
    )
    report("rehearse", "Rehearsal of a city", method, rows, keep=not asked.quick)


if __name__ == "__main__":
    main()
