"""How fast the alarm engine is: samples a second by batch size and the tick over the fleet, against plain Python objects.

    python bench/engine.py            # prints a table and writes bench/results/engine.md

One process, one core, 200,000 lifts, all shipped rules. The samples are a rush hour: most lifts run or stand empty, one in ten
changes its mind between two samples, one in a thousand holds somebody. The baseline is the per-lift object loop that a careful
programmer would write by hand for the same rules, with unknown values, holds, gaps and silence; it knows no events.
Times are CPU time of the process (one thread), so that a neighbour on the machine does not count.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from alarms.engine import Engine
from alarms.language.reader import default_rules
from alarms.signals import Batch, unknown_samples

LIFTS = 200_000
START = 1_700_000_000_000
SAMPLES = 300_000
RESULT = Path(__file__).parent / "results" / "engine.md"


def rush_hour(count: int, seed: int, at: int, step_us: float = 50.0) -> Any:
    """Samples of random lifts in order of arrival."""
    rng = np.random.default_rng(seed)
    rows = unknown_samples(count)
    rows["slot"] = rng.integers(0, LIFTS, count)
    rows["received"] = at + (np.arange(count) * step_us / 1_000).astype(np.int64)
    rows["at"] = rows["received"] - rng.integers(0, 50, count)
    moving = rng.random(count) < 0.3
    stuck = rng.random(count) < 0.001
    moving &= ~stuck
    rows["service_mode"] = np.where(rng.random(count) < 0.01, 2, 1)
    rows["car_status"] = moving
    rows["speed"] = np.where(moving, rng.choice([-1.75, 1.75], count), 0)
    rows["door_zone"] = ~stuck & (~moving | (rng.random(count) < 0.1))
    rows["door_closed"] = moving | stuck | (rng.random(count) < 0.6)
    rows["door_status"] = np.where(rows["door_closed"] == 1, 2, 4)
    riding = rng.random(count) < np.where(moving, 0.8, np.where(rows["door_closed"] == 1, 0.05, 0.4))
    rows["passenger"] = np.where(rng.random(count) < 0.2, -1, stuck | riding)
    rows["power"] = 1
    rows["car_position"] = rng.integers(0, 30, count)
    return rows


LIMIT = {"between": 20_000, "landing": 60_000, "possible": 45_000, "outside": 45_000, "door": 2_000, "power": 0}
CLEAR_FOR = {"between": 2_000, "landing": 2_000, "possible": 2_000, "outside": 2_000, "door": 5_000, "power": 5_000}
GAP = 90_000


@dataclass(slots=True)
class Thing:
    """What the baseline remembers of one lift."""

    contact: int
    last_at: int
    last: dict[str, Any]
    holds: dict[str, tuple[int, int]]  # start, last true
    clears: dict[str, int]
    active: set[str]


def both(*parts: bool | None) -> bool | None:
    """Three-valued and."""
    return False if False in parts else None if None in parts else True


class Baseline:
    """The shipped rules for samples in plain Python, a lift an object; events and `demoted` are left out."""

    def __init__(self) -> None:
        self.lifts = {slot: Thing(START, START, {}, {}, {}, set()) for slot in range(LIFTS)}
        self.found: list[tuple[int, str, int]] = []

    def conditions(self, row: dict[str, Any]) -> tuple[tuple[str, bool | None, bool | None], ...]:
        """Rule, `when` and `clear`."""
        status, speed = row["car_status"], row["speed"]
        by_speed = None if speed != speed else abs(speed) > 0.05  # noqa: PLR0124 - not a number
        moving = by_speed if status < 0 else status == 1 if by_speed in {None, status == 1} else None
        zone = None if row["door_zone"] < 0 else row["door_zone"] == 1
        closed = None if row["door_closed"] < 0 else row["door_closed"] == 1
        if row["door_status"] > 0:
            says = row["door_status"] in {2, 5}
            closed = says if closed in {None, says} else None
        person = None if row["passenger"] < 0 else row["passenger"] == 1
        stopped, away = None if moving is None else not moving, None if zone is None else not zone
        open_ = None if closed is None else not closed
        out = None if row["power"] < 0 else row["power"] == 2
        free, off = both(zone, open_), both(stopped, away)
        running_open = both(moving, away, open_)
        return (
            ("between", both(person, off, closed), free),
            ("landing", both(person, stopped, zone, closed), free),
            ("possible", both(person is None, off, closed), free),
            ("outside", off, None if off is None else not off),
            ("door", running_open, None if running_open is None else not running_open),
            ("power", out, out is not True),
        )

    def step(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            slot, at = row["slot"], row["at"]
            lift = self.lifts[slot]
            at = max(at, lift.last_at)
            lift.contact = row["received"]
            lift.active.discard("offline")
            if at - lift.last_at > GAP:
                lift.holds.clear()
                lift.clears.clear()
            lift.last, lift.last_at = row, at
            inspection = row["service_mode"] == 2
            for name, when, clear in self.conditions(row):
                if name in lift.active:
                    if not clear:
                        lift.clears.pop(name, None)
                    elif at - lift.clears.setdefault(name, at) >= CLEAR_FOR[name]:
                        lift.active.discard(name)
                        del lift.clears[name]
                elif when:
                    start = lift.holds.get(name, (at, at))[0]
                    lift.holds[name] = (start, at)
                    if at - start >= LIMIT[name] and not inspection:
                        self._raise(slot, lift, name, at)
                elif name in lift.holds and (when is False or at - lift.holds[name][1] > GAP):
                    del lift.holds[name]

    def _raise(self, slot: int, lift: Thing, name: str, at: int) -> None:
        lift.active.add(name)
        lift.holds.pop(name, None)
        self.found.append((slot, name, at))

    def tick(self, now: int) -> None:
        for slot, lift in self.lifts.items():
            if now - lift.contact >= 180_000 and "offline" not in lift.active:
                self._raise(slot, lift, "offline", now)
            for name, (start, true_at) in list(lift.holds.items()):
                if true_at == lift.last_at and start + LIMIT[name] <= min(now, lift.last_at + GAP):
                    self._raise(slot, lift, name, start + LIMIT[name])


def warm_engine() -> tuple[Engine, int]:
    """An engine with a fleet of which every lift was heard once."""
    engine = Engine(default_rules(), capacity=LIFTS)
    engine.listening(START)
    engine.set_fleet(range(LIFTS), np.zeros(LIFTS, bool).tolist(), np.full(LIFTS, 1.75).tolist(), {})
    rows = rush_hour(LIFTS, 1, START)
    rows["slot"] = np.random.default_rng(2).permutation(LIFTS)
    for part in np.array_split(rows, 10):
        engine.step(Batch.of(samples=part), int(part["received"][-1]))
    return engine, int(rows["received"][-1])


def timed(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def steps(engine: Engine, size: int, at: int) -> tuple[float, float]:
    """Seconds a sample, and the median of a batch in seconds."""
    rows = rush_hour(SAMPLES, size, at)
    batches = [Batch.of(samples=rows[i : i + size]) for i in range(0, len(rows), size)]
    took = [timed(lambda batch=batch: engine.step(batch, at)) for batch in batches]  # type: ignore[misc]
    return sum(took) / SAMPLES, float(np.median(took))


def state_bytes(engine: Engine) -> float:
    state = engine.state  # noqa: SLF001 - the bench weighs what the engine keeps
    return sum(column.nbytes for column in vars(state).values() if isinstance(column, np.ndarray)) / state.size


def main() -> None:
    engine, now = warm_engine()
    baseline = Baseline()
    rows = rush_hour(100_000, 9, now)
    names = ("slot", "at", "received", "car_status", "speed", "door_zone", "door_closed", "door_status", "passenger", "power",
             "service_mode")  # fmt: skip
    plain = [dict(zip(names, row, strict=True)) for row in rows[list(names)].tolist()]
    per_plain = timed(lambda: baseline.step(plain)) / len(plain)
    lines = ["| what | fast | plain Python | ratio |", "|---|---|---|---|"]
    for size in (250, 1_000, 10_000):
        per, batch = steps(engine, size, now)
        now += 16_000
        lines.append(
            f"| step, batches of {size:,} | {per * 1e6:.2f} us a sample, {1 / per:,.0f} a second, {batch * 1e3:.2f} ms a batch "
            f"| {per_plain * 1e6:.2f} us | {per_plain / per:.1f} x |"
        )
    ticks = [timed(lambda second=second: engine.tick(now + second * 1_000)) for second in range(60)]  # type: ignore[misc]
    plain_tick = timed(lambda: baseline.tick(now))
    tick = float(np.median(ticks))
    lines.append(f"| tick over {LIFTS:,} lifts, median of 60 | {tick * 1e3:.2f} ms, worst {max(ticks) * 1e3:.2f} ms | "
                 f"{plain_tick * 1e3:.1f} ms | {plain_tick / tick:.0f} x |")  # fmt: skip
    burst = rush_hour(2_000, 5, now + 70_000, 1_000_000)
    burst["slot"] = 77
    took = timed(lambda: engine.step(Batch.of(samples=burst), now))
    lines.append(f"| burst of 2,000 samples of one lift, each different | {took * 1e3:.1f} ms | | |")
    everybody = timed(lambda: engine.tick(now + 10_000_000))
    lines.append(f"| tick in which {LIFTS:,} lifts go offline | {everybody * 1e3:.0f} ms | | |")
    blob = engine.snapshot()
    lines.append(f"| snapshot | {timed(engine.snapshot) * 1e3:.0f} ms, {len(blob) / 1e6:.1f} MB | | |")
    lines.append(f"| restore | {timed(lambda: engine.restore(blob)) * 1e3:.0f} ms | | |")
    lines.append(f"| state | {state_bytes(engine):.0f} bytes a lift | | |")
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, one core"
    text = "\n".join(
        [f"# Engine, {len(engine.rules)} shipped rules, {LIFTS:,} lifts", "", f"{when}; {machine}", "", *lines, ""]
    )
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
