"""How fast the alarm engine is, the whole shipped catalogue active, against a careful plain Python engine with the same catalogue.

    python bench/engine.py [--quick]

One process, one core. The samples are a rush hour (bench/city.py). The baseline (bench/plain_engine.py) folds the same samples of
the same fleet a record at a time, and before anything is measured both fold a small stream with events, lost links, silence and
odd values to the same transitions. Times are CPU time of the process, medians, so that a neighbour on the machine counts little.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from alarms.language.reader import default_rules
from alarms.signals import Batch, Rows
from bench.agreement import START, agreed, engine_of, plain, plain_engine_of
from bench.city import RushHour
from bench.common import report

ROUND_MS = 10_000
"""Every lift speaks about this often."""
Line = tuple[str, str]


def timed(work: Callable[[], object]) -> float:
    """CPU seconds."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def median(values: list[float]) -> float:
    return float(np.median(values))


class Measured:
    """An engine whose fleet has lived through some rounds of the rush hour, and the fleet's next samples."""

    def __init__(self, lifts: int, rounds: int) -> None:
        self.city = RushHour(lifts)
        self.engine = engine_of(default_rules(), self.city)
        self.now = START
        for _ in range(rounds):
            for part in _parts(self.next_round(), 20_000):
                self.step(part)

    def next_round(self) -> Rows:
        rows = self.city.round(self.now, ROUND_MS * 1_000 / self.city.lifts)
        self.now += ROUND_MS
        return rows

    def step(self, rows: Rows) -> float:
        batch, now = Batch.of(samples=rows), int(rows["received"][-1])
        return timed(lambda: self.engine.step(batch, now))

    def steps(self, size: int, count: int) -> list[float]:
        """CPU seconds of each of so many batches of one size, of lifts in an order of chance."""
        took: list[float] = []
        while len(took) < count:
            took += [self.step(part) for part in _parts(self.next_round(), size)[: count - len(took)]]
        return took


def _parts(rows: Rows, size: int) -> list[Rows]:
    return [rows[first : first + size] for first in range(0, len(rows) - size + 1, size)] or [rows]


def plain_steps(lifts: int, rounds: int) -> tuple[float, float]:
    """CPU seconds a sample of the plain engine, once the fleet is as warm as the engine's; and of its tick."""
    city = RushHour(lifts)
    engine, took = plain_engine_of(default_rules(), city), 0.0
    for turn in range(rounds + 1):
        rows = city.round(START + turn * ROUND_MS, ROUND_MS * 1_000 / lifts)
        took = 0.0
        for part in _parts(rows, min(20_000, lifts)):
            records = plain(part)
            gc.freeze()  # or each new record would have the collector look through the whole fleet
            took += timed(lambda records=records: engine.samples(records))  # type: ignore[misc]
    now = START + (rounds + 1) * ROUND_MS
    ticks = [timed(lambda second=second: engine.tick(now + second * 10)) for second in range(9)]  # type: ignore[misc]
    return took / lifts, median(ticks)


def throughput(lifts: int, rounds: int, batches: int) -> list[Line]:
    """A sample's cost by size of batch, and how much of the baseline's that is."""
    per_plain, tick_plain = plain_steps(lifts, rounds)
    gc.collect()
    measured = Measured(lifts, rounds)
    lines = [
        ("plain Python engine, same catalogue", f"{per_plain * 1e6:.2f} us a sample, tick {tick_plain * 1e3:.1f} ms")
    ]
    for size, count in ((10_000, batches), (1_000, 4 * batches), (250, 8 * batches)):
        batch = median(measured.steps(min(size, lifts), count))
        lines.append(
            (
                f"batches of {size:,}",
                f"{batch / size * 1e6:.2f} us a sample, {batch * 1e3:.2f} ms a batch, {per_plain * size / batch:.1f} x the plain engine",
            )
        )
    ticks = sorted(
        timed(lambda second=second: measured.engine.tick(measured.now + second * 100)) for second in range(60)
    )
    lines.append((f"tick over {lifts:,} lifts", f"{ticks[30] * 1e3:.2f} ms, worst of 60 {ticks[-1] * 1e3:.2f} ms"))
    lines.append(("burst of 2,000 samples of one lift, each different", f"{burst(measured) * 1e3:.1f} ms"))
    lines.append(("state", f"{measured.engine.state.bytes_a_slot():.0f} bytes a lift"))
    return lines + restart(measured) + everybody_offline(measured)


def burst(measured: Measured) -> float:
    """CPU seconds for 2,000 samples of one lift, a second apart, none like the one before; median of five lifts."""
    took = []
    for lift in (100, 200, 300, 400, 500):
        rows = measured.city.of(np.full(2_000, lift), measured.now, 1_000_000)
        turn = np.arange(2_000)
        rows["passenger"], rows["door_zone"], rows["door_closed"] = turn % 2, turn // 2 % 2, turn // 4 % 2
        rows["door_status"], rows["speed"] = -1, turn % 5
        rows["car_status"] = rows["speed"] > 0
        took.append(measured.step(rows))
    return median(took)


def restart(measured: Measured) -> list[Line]:
    """A checkpoint, and a new engine that takes it and folds the 30 s since."""
    engine, city = measured.engine, measured.city
    blob = engine.snapshot()
    writing = median([timed(engine.snapshot) for _ in range(3)])
    held = int(engine.state.busy.sum())
    since = [part for _ in range(3) for part in _parts(measured.next_round(), 20_000)]
    again = engine_of(default_rules(), city)
    restoring = timed(lambda: again.restore(blob))
    replay = sum(
        timed(lambda rows=rows: again.step(Batch.of(samples=rows), int(rows["received"][-1]))) for rows in since
    )  # type: ignore[misc]
    for rows in since:
        engine.step(Batch.of(samples=rows), int(rows["received"][-1]))
    same = list(again.tick(measured.now)) == list(engine.tick(measured.now))
    return [
        ("snapshot", f"{len(blob) / 1e6:.1f} MB in {writing * 1e3:.0f} ms"),
        ("restore", f"{restoring * 1e3:.0f} ms"),
        (
            f"restart with {held:,} lifts in a hold or alarm: restore and replay of 30 s ({sum(map(len, since)):,} samples)",
            f"{restoring + replay:.2f} s; next tick {'the same' if same else 'NOT the same'} as without a restart",
        ),
    ]


def everybody_offline(measured: Measured) -> list[Line]:
    """A tick after three minutes in which nobody spoke."""
    begin = time.process_time()
    found = measured.engine.tick(measured.now + 400_000)
    took = time.process_time() - begin
    return [
        (
            f"tick in which all {measured.city.lifts:,} lifts go offline",
            f"{took * 1e3:.0f} ms, {len(found):,} transitions",
        )
    ]


def great_fleet(lifts: int) -> list[Line]:
    """The tick over a very large fleet of which one lift in ten has a hold running."""
    measured = Measured(lifts, 1)
    ticks = sorted(
        timed(lambda second=second: measured.engine.tick(measured.now + second * 100)) for second in range(30)
    )
    return [(f"tick over {lifts:,} lifts", f"{ticks[15] * 1e3:.2f} ms, worst of 30 {ticks[-1] * 1e3:.2f} ms")]


def main(*, quick: bool) -> None:
    rules = default_rules()
    transitions, alarms, seen = agreed(rules)
    lifts, rounds, batches = (20_000, 2, 4) if quick else (200_000, 6, 60)
    lines = [
        ("active rules", f"{sum(rule.enabled for rule in rules)}"),
        (
            "both engines agreed",
            f"on {transitions:,} transitions, of them {alarms:,} alarms of {seen} rules (lift, rule, time, start, level, witnesses)",
        ),
        *throughput(lifts, rounds, batches),
        *great_fleet(100_000 if quick else 1_000_000),
    ]
    method = __doc__.partition("\n\n")[2].partition("\n\n")[2].strip()
    report("engine", f"Engine, whole catalogue, {lifts:,} lifts", method, lines, keep=not quick)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; writes no result")
    main(quick=parser.parse_args().quick)
