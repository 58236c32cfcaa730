"""A small job from file to file: lines of JSON in, alarms out, one core, two entrapment rules and silence.

    python bench/small_job.py [--quick]

The fast way reads blocks, decodes each with one typed call into columns and hands them to the engine. The baseline is one loop:
a typed decode a line, the state of a lift in a list, the same three rules by hand and nothing else. Both write every raise and
clear; the files must be the same, and the raises must be exactly the events that were put in. The same job runs again on the
stream with 30 % of its samples up to 5 s late and 2 % sent twice. CPU time of the process, reading and writing included, median
of three runs.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from alarms.engine import Engine
from alarms.language.reader import default_rules
from alarms.rule_sets import of_texts
from alarms.rules import RuleSet
from alarms.signals import CLEAR, RAISE, Batch, unknown_samples
from bench.common import report
from bench.known_stream import LATE_MS, START, Alarm, Stream, stream, write
from bench.reorder import DropLate, Reorder

RULES: Final = ("entrapment-between-floors", "entrapment-at-landing", "offline")
BLOCK_BYTES: Final = 6 * 1024 * 1024
GAP_MS: Final = 90_000
UNKNOWN_FLAG: Final[Any] = -1
"""What a flag is when it is left out: a number, so that a column of flags is one call."""


class Line(msgspec.Struct, gc=False):
    """The fields that the job needs; what a line leaves out is unknown, and so is null."""

    ts: int
    seq: int
    lift: str
    service_mode: int = -1
    car_status: int = -1
    door_zone: bool | None = UNKNOWN_FLAG
    door_closed: bool | None = UNKNOWN_FLAG
    door_status: int = -1
    passenger: bool | None = UNKNOWN_FLAG
    speed: float = math.nan


_NUMBERS: Final = {"service_mode": np.int8, "car_status": np.int8, "door_status": np.int8, "speed": np.float32}
_FLAGS: Final = ("door_zone", "door_closed", "passenger")
_decode_line: Final = msgspec.json.Decoder(Line).decode
_decode_lines: Final = msgspec.json.Decoder(list[Line]).decode


def rules_of_the_job() -> RuleSet:
    """The shipped rules, without the shields that belong to rules which do not run here."""
    texts = {rule.id: rule.text for rule in default_rules()}
    kept = ((name, texts[name].splitlines()) for name in RULES)
    return of_texts(
        (name, "\n".join(line for line in lines if not line.startswith("shielded_by")) + "\n") for name, lines in kept
    )


class Order(Protocol):
    def take(self, rows: Any, seq: Any) -> Any: ...
    def rest(self) -> Any: ...


# --- the fast way ---


def blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time."""
    with path.open("rb") as file:
        rest = b""
        while block := file.read(BLOCK_BYTES):
            cut = block.rfind(b"\n")
            yield rest + block[:cut]
            rest = block[cut + 1 :]
        if rest:
            yield rest


def columns(block: bytes, slots: dict[str, int]) -> tuple[Any, Any]:
    """The lines of a block as sample rows, and their numbers."""
    lines = _decode_lines(b"[" + block.replace(b"\n", b",") + b"]")
    rows = np.repeat(unknown_samples(1), len(lines))
    rows["slot"] = np.fromiter(map(slots.__getitem__, map(attrgetter("lift"), lines)), np.int32, len(lines))
    rows["at"] = rows["received"] = _column(lines, "ts", np.int64)
    for name, kind in _NUMBERS.items():
        rows[name] = _column(lines, name, kind)
    for name in _FLAGS:
        rows[name] = _flags(lines, name)
    return rows, _column(lines, "seq", np.int64)


def _column(lines: list[Line], name: str, kind: type[np.generic]) -> Any:
    return np.fromiter(map(attrgetter(name), lines), kind, len(lines))


def _flags(lines: list[Line], name: str) -> Any:
    try:
        return _column(lines, name, np.int8)
    except TypeError:  # null
        return np.array([-1 if value is None else value for value in map(attrgetter(name), lines)], np.int8)


def fast(path: Path, target: Path, ids: list[str], order: Order | None = None) -> None:
    """The job with the engine; `order` stands between the decoder and the engine."""
    rules = rules_of_the_job()
    engine = Engine(rules, capacity=len(ids))
    engine.listening(START)
    engine.set_fleet(range(len(ids)), [False] * len(ids), [math.nan] * len(ids), {})
    slots = {name: place for place, name in enumerate(ids)}
    names = [rule.id for rule in rules]
    with target.open("w") as file:

        def fold(rows: Any) -> None:
            if rows is None or not len(rows):
                return
            if isinstance(order, DropLate):
                rows["received"] = np.maximum.accumulate(rows["received"])
            now = int(rows["received"][-1])
            for found in (engine.step(Batch.of(samples=rows), now), engine.tick(now)):
                file.writelines(_told(ids[item.slot], names[item.rule], item.kind, item.at) for item in found)

        for block in blocks(path):
            rows, seq = columns(block, slots)
            fold(rows if order is None else order.take(rows, seq))
        if order is not None:
            fold(order.rest())


def _told(lift: str, rule: str, kind: int, at: int) -> str:
    return f'{{"lift":"{lift}","rule":"{rule}","what":"{"raise" if kind == RAISE else "clear"}","at":{at}}}\n'


# --- the baseline ---


def loop(path: Path, target: Path, ids: list[str]) -> None:
    """The job in one loop over the lines."""
    # last, between: start, clear start, active; landing: start, clear start, active
    lifts: dict[str, list[Any]] = {name: [START, 0, 0, False, 0, 0, False] for name in ids}
    out: list[str] = []
    with path.open("rb") as file:
        for raw in file:
            line = _decode_line(raw)
            at, state = line.ts, lifts[line.lift]
            last = state[0]
            at = max(at, last)
            if at - last >= 180_000:
                out += (
                    _told(line.lift, RULES[2], RAISE, last + 180_000),
                    _told(line.lift, RULES[2], CLEAR, at),
                )
            state[0] = at
            if state[1] or state[2] or state[4] or state[5]:
                _deadlines(state, line.lift, last, at, out)
            moving, closed = _moving(line), line.door_closed
            if line.door_status > 0:
                shut = line.door_status in {2, 5}
                closed = shut if closed in {None, UNKNOWN_FLAG, shut} else None
            stuck = line.passenger is True and moving is False and closed is True
            free = closed is False and line.door_zone is True
            if stuck or free or state[1] or state[4] or state[3] or state[6]:
                _judge(state, 1, at, stuck=stuck and line.door_zone is False, free=free)
                _judge(state, 4, at, stuck=stuck and line.door_zone is not False, free=free)
    newest = max(state[0] for state in lifts.values())
    for name, state in lifts.items():
        _deadlines(state, name, state[0], newest, out)
        if newest - state[0] >= 180_000:
            out.append(_told(name, RULES[2], RAISE, state[0] + 180_000))
    target.write_text("".join(out))


def _moving(line: Line) -> bool | None:
    speed = line.speed
    if speed != speed:  # noqa: PLR0124 - not a number
        return None if line.car_status < 0 else line.car_status == 1
    fast = abs(speed) > 0.05
    return fast if line.car_status in {-1, fast} else None


def _deadlines(state: list[Any], lift: str, last: int, at: int, out: list[str]) -> None:
    """Holds that are complete by `at`, then what a gap ends."""
    for first, rule, length in ((1, RULES[0], 20_000), (4, RULES[1], 60_000)):
        start, clear = state[first], state[first + 1]
        if start and at >= start + length <= last + GAP_MS:
            out.append(_told(lift, rule, RAISE, start + length))
            state[first], state[first + 2] = 0, True
        elif clear and at >= clear + 2_000 <= last + GAP_MS:
            out.append(_told(lift, rule, CLEAR, clear + 2_000))
            state[first + 1], state[first + 2] = 0, False
        if at - last > GAP_MS:
            state[first] = state[first + 1] = 0


def _judge(state: list[Any], first: int, at: int, *, stuck: Any, free: Any) -> None:
    if state[first + 2]:
        state[first + 1] = (state[first + 1] or at) if free else 0
    else:
        state[first] = (state[first] or at) if stuck else 0


# --- comparison ---


def told(path: Path) -> list[str]:
    return sorted(path.read_text().splitlines())


def raised(path: Path) -> set[Alarm]:
    found = map(json.loads, path.read_text().splitlines())
    return {(item["lift"], item["rule"], item["at"]) for item in found if item["what"] == "raise"}


def judged(path: Path, source: Stream) -> str:
    found = raised(path)
    return f"{len(found & source.alarms):,} of {len(source.alarms):,} events found, {len(found - source.alarms)} false, {len(source.alarms - found)} missing"


def cpu(work: Callable[[], None], runs: int) -> float:
    took = []
    for _ in range(runs):
        begin = time.process_time()
        work()
        took.append(time.process_time() - begin)
    return statistics.median(took)


def job(lifts: int, rounds: int, period_ms: int, folder: Path, runs: int) -> list[tuple[str, str]]:
    source = stream(lifts, rounds, period_ms)
    plain, late = folder / "in.jsonl", folder / "late.jsonl"
    lines, late_lines = write(source, plain), write(source, late, late=0.3, twice=0.02)
    mine, theirs, ordered, dropped = (folder / f"{name}.jsonl" for name in ("fast", "loop", "ordered", "dropped"))
    seconds = cpu(lambda: fast(plain, mine, source.ids), runs)
    baseline = cpu(lambda: loop(plain, theirs, source.ids), runs)
    same = told(mine) == told(theirs)
    stages: list[Reorder] = []

    def in_order() -> None:
        stages.append(Reorder(lifts, LATE_MS))
        fast(late, ordered, source.ids, stages[-1])

    with_late = cpu(in_order, runs)
    drop = DropLate(lifts)
    fast(late, dropped, source.ids, drop)
    head = f"{lifts:,} lifts, a sample each {period_ms // 1_000} s"
    rate, late_rate = lines / seconds, late_lines / with_late
    return [
        (f"{head}: stream", f"{lines:,} lines, {plain.stat().st_size / 1e6:.0f} MB; {len(source.alarms)} events, {source.near} that end just in time"),
        (f"{head}: in order", f"{rate:,.0f} samples/s, {baseline / seconds:.1f} x the loop; {judged(mine, source)}"),
        (f"{head}: loop", f"{lines / baseline:,.0f} samples/s; {judged(theirs, source)}; raises and clears {'the same' if same else 'NOT the same'}"),
        (
            f"{head}: 30 % late, 2 % twice, put in order first",
            (
                f"{late_rate:,.0f} samples/s, {late_rate / rate:.0%} of in order; {judged(ordered, source)}; "
                f"{stages[-1].copies:,} copies and {stages[-1].too_late} too late dropped"
            ),
        ),
        (f"{head}: the same, late samples dropped", f"{judged(dropped, source)}; {drop.dropped:,} samples dropped"),
    ]  # fmt: skip


def main(*, quick: bool) -> None:
    jobs = ((200, 400, 1_000), (2_000, 100, 3_000)) if quick else ((1_000, 1_000, 1_000), (20_000, 100, 3_000))
    rows = []
    for lifts, rounds, period_ms in jobs:
        with tempfile.TemporaryDirectory(prefix="hoistway-bench-") as folder:
            rows += job(lifts, rounds, period_ms, Path(folder), 1 if quick else 3)
    method = __doc__.partition("\n\n")[2].partition("\n\n")[2].strip()
    report("small_job", "A small job, file to file", method, rows, keep=not quick)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; writes no result")
    main(quick=parser.parse_args().quick)
