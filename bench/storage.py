"""Samples at rest: how fast they come in and are compacted, how many bytes they take, how long the history of one lift takes.

    python bench/storage.py [--lifts 500] [--hours 24] [--open-samples 6000000] [--quick]

Telemetry of bench/city.py with noise on speed, vibration and temperature, a sample each ten seconds, is written into a PostgreSQL of the
benchmark's own as ingest writes it (packed binary COPY, synchronous commit, 2,000 samples a batch), and compacted after each hour as
the compactor does it, by the same code. "On disk" is every relation of samples with indexes, TOAST and free space; batch rows apart.
History is what `GET /api/v1/lifts/{id}/history` reads, all signals of 24 h, on one connection, for lifts drawn by chance; without HTTP
and JSON. Open hours are written and moved at the pace that is named: 33,000 and 200,000 lifts, for as long as is said; on top lie as
many rows as wait at most before they are moved. The hot path is written once with the old btree (lift, time) and once without, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from api.lifts import history_of
from bench.city import RushHour
from bench.common import report
from hoistway import limits
from hoistway.embedded.postgres import EmbeddedPostgres
from hoistway.model import SIGNALS
from hoistway.samples import COLUMNS
from hoistway.store import connect_url, migrate
from ingest.changes import when
from ingest.compactor import sweeping
from ingest.compactor.moving import Hour, close_hour, move, places, waiting
from ingest.compactor.sweeping import sweep_blocks, sweep_log
from ingest.pack import KEYS_DTYPE, pack_samples
from ingest.transaction import SQL as WRITE
from tests.support.compaction import checkpoint, clear, quiet
from tests.support.folders import temporary_home

EVERY_MS: Final = 10_000
BATCH: Final = 2_000
START: Final = 1_790_002_800_000  # a full hour
NAMES: Final = [signal.name for signal in SIGNALS]
SIZE: Final = """select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c
    where c.relkind in ('r', 'm') and c.relname ~ ('^(' || $1 || ')')"""

Row = tuple[str, str]


class Stream:
    """A city's samples as batches, in time."""

    def __init__(self, connection: Any, lifts: int) -> None:
        self.connection, self.lifts = connection, lifts
        self.city, self.now = RushHour(lifts), START
        self._rng = np.random.default_rng(7)
        self._phase = np.sort(self._rng.integers(0, EVERY_MS, lifts))
        self._number = self._turn = 0
        self.rows = 0
        self.busy_s = 0.0

    async def run(self, seconds: int) -> None:
        """So many seconds of samples."""
        for _ in range(seconds * 1_000 // EVERY_MS):
            rows, keys = self._round()
            for start in range(0, len(rows), BATCH):
                await self._write(rows[start : start + BATCH], keys[start : start + BATCH])

    def _round(self) -> tuple[Any, Any]:
        rng, count = self._rng, self.lifts
        rows, keys = self.city.of(np.arange(count), self.now, 0), np.zeros(count, KEYS_DTYPE)
        rows["slot"] += 1
        at = self.now + self._phase + rng.integers(0, 20, count)
        rows["received"] = at + rng.integers(5, 60, count)
        rows["at"] = at
        rows["temperature"] += np.round(rng.normal(0, 0.1, count), 1)
        rows["vibration"] = np.round(np.abs(rows["vibration"] + rng.normal(0, 0.005, count)), 3)
        rows["speed"] = np.where(rows["speed"] == 0, 0, np.round(rows["speed"] + rng.normal(0, 0.02, count), 2))
        keys["ts"], keys["folded"], keys["boot"], keys["device_id"] = at - 137, 1, 3, rows["slot"] + 50
        self._turn += 1
        keys["seq"] = self._turn
        order = np.argsort(rows["received"], kind="stable")
        self.now += EVERY_MS
        return rows[order], keys[order]

    async def _write(self, rows: Any, keys: Any) -> None:
        self._number += 1
        self.rows += len(rows)
        clock = when(int(rows["received"].max()) + 20)
        began = time.perf_counter()
        body = io.BytesIO(pack_samples(rows, keys, partition=0, batch_no=self._number))
        async with self.connection.transaction():
            await self.connection.execute("select set_config('synchronous_commit', 'on', true)")
            await self.connection.execute(
                "insert into ingest_batch (partition, batch_no, token, kind, clock, epoch, samples) values (0, $1, $2, 'batch', $3, 1, $4)",
                self._number, uuid.uuid4(), clock, len(rows),
            )  # fmt: skip
            await self.connection.copy_to_table("sample", source=body, columns=list(COLUMNS), format="binary")
        self.busy_s += time.perf_counter() - began


class Work:
    """What the compactor did, and how long it took."""

    def __init__(self) -> None:
        self.moved = self.merged = 0
        self.moved_s = self.merged_s = 0.0

    async def move_all(self, connection: Any) -> None:
        began = time.perf_counter()
        while (found := await waiting(connection, place := (await places(connection))[0])) is not None:
            self.moved += await move(connection, place, found)
        await connection.execute(WRITE["summarize"])  # as ingest does every ten seconds
        self.moved_s += time.perf_counter() - began

    async def merge_all(self, connection: Any) -> None:
        began = time.perf_counter()
        while (hour := await close_hour(connection, (await places(connection))[0], idle=True)) is not None:
            merging, done = await Hour.begin(connection, (await places(connection))[0], hour), False
            while not done:
                samples, done = await merging.step(connection)
                self.merged += samples
        self.merged_s += time.perf_counter() - began


async def partitions(connection: Any, hours: int) -> None:
    """The hourly partitions, as ingest makes them."""
    for hour in range(hours):
        first = when(START) + timedelta(hours=hour)
        await connection.execute(
            f"create table if not exists sample_{first:%Y%m%d%H} partition of sample for values from ('{first.isoformat()}')"
            f" to ('{(first + timedelta(hours=1)).isoformat()}') with (autovacuum_enabled = false)"
        )


async def histories(connection: Any, lifts: int, end_ms: int, tries: int) -> str:
    """p50 / p95 in ms, of lifts drawn by chance."""
    rng, took, points = np.random.default_rng(11), [], 0
    for lift in rng.integers(1, lifts + 1, tries + 10).tolist():
        began = time.perf_counter()
        rows = await history_of(connection, lift, when(end_ms - 86_400_000), when(end_ms), NAMES)
        took.append((time.perf_counter() - began) * 1_000)
        points += len(rows)
    p50, p95 = np.percentile(took[10:], [50, 95])
    return f"p50 {p50:.1f}, p95 {p95:.1f} ms ({points // len(took):,} samples)"


async def hot_path(connection: Any, rows_each: int) -> list[Row]:
    """Rows a second with and without the old btree, in turns."""
    speed: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(6):
        await clear(connection)
        btree = turn % 2 == 0
        if btree:
            await connection.execute("create index bench_btree on sample (lift_id, at)")
        stream = Stream(connection, 20_000)
        await stream.run(rows_each // 20_000 * EVERY_MS // 1_000)
        speed[btree].append(stream.rows / stream.busy_s)
        if btree:
            await connection.execute("drop index bench_btree")
    with_btree, without = float(np.median(speed[True])), float(np.median(speed[False]))
    return [
        ("hot path without the btree, packing and batch row included", f"{without:,.0f} rows/s"),
        ("the same with the btree (lift, time)", f"{with_btree:,.0f} rows/s"),
        ("ratio", f"{without / with_btree:.2f}"),
    ]


async def a_day(connection: Any, lifts: int, hours: int, tries: int) -> list[Row]:
    """Written and compacted hour by hour."""
    await clear(connection)
    stream, work = Stream(connection, lifts), Work()
    peak = 0
    for _ in range(hours):
        await stream.run(3_600)
        await checkpoint(connection)
        await work.move_all(connection)
        await work.merge_all(connection)
        peak = max(peak, await connection.fetchval(SIZE, "sample"))
        await sweep_log(connection)
        await sweep_blocks(connection)
    size, batches = [await connection.fetchval(SIZE, name) for name in ("sample", "ingest_batch")]
    chunks = await connection.fetchval("select count(*) from sample_chunk")
    bodies = await connection.fetchval("select sum(length(body)) from sample_chunk")
    assert await connection.fetchval("select sum(samples) from sample_hour") == stream.rows
    return [
        ("samples", f"{stream.rows:,} of {lifts:,} lifts, {hours} h, in {chunks:,} chunks"),
        ("written", f"{stream.rows / stream.busy_s:,.0f} rows/s"),
        ("moved into blocks", f"{work.moved_s / work.moved * 1e6:.2f} us a sample"),
        ("merged into chunks", f"{work.merged_s / work.merged * 1e6:.2f} us a sample"),
        ("on disk, compacted", f"{size / stream.rows:.2f} bytes a sample; the bodies alone {bodies / stream.rows:.2f}"),
        ("on disk, most during an hour", f"{peak / 1e6:,.0f} MB"),
        ("batch rows beside it", f"{batches / stream.rows:.2f} bytes a sample at {BATCH:,} samples a batch"),
        ("history of 24 h, all in chunks", await histories(connection, lifts, stream.now, tries)),
    ]


async def open_hour(connection: Any, rate: int, seconds: int, tries: int) -> list[Row]:
    """An hour that is being written."""
    await clear(connection)
    lifts = rate * EVERY_MS // 1_000
    stream, work = Stream(connection, lifts), Work()
    for _ in range(0, seconds, 30):
        await stream.run(30)
        await work.move_all(connection)
    none_wait = await histories(connection, lifts, stream.now, tries)
    rest = min(limits.MOVE_EVERY_S, limits.MOVE_SAMPLES // rate + 1)
    before = stream.rows
    await stream.run(-(-rest * 1_000 // EVERY_MS) * EVERY_MS // 1_000)
    wait = await histories(connection, lifts, stream.now, tries)
    blocks = await connection.fetchval("select count(*) from sample_block")
    size = await connection.fetchval(SIZE, "sample_block")
    what = f"{rate:,} rows/s, {seconds / 60:g} min of the hour in {blocks:,} blocks"
    return [
        (f"history, {what}", f"{none_wait}; {size / work.moved:.0f} bytes a sample in blocks"),
        (f"history, the same and {stream.rows - before:,} rows waiting", wait),
    ]


async def measure(options: argparse.Namespace) -> list[Row]:
    quick = options.quick
    lifts, hours, tries = (100, 2, 10) if quick else (options.lifts, options.hours, 150)
    sweeping.GRACE = timedelta(hours=-2)  # type: ignore[misc]  # the benchmark's hours are over when they are written
    limits.HOUR_GRACE_S = -1
    with temporary_home() as home:
        server = EmbeddedPostgres(home)
        await server.start()
        try:
            connection = await connect_url(server.url, name="bench", command_timeout_s=3_600)
            await migrate(connection)
            await partitions(connection, hours + 2)
            await quiet(connection)
            found = await hot_path(connection, 40_000 if quick else 300_000)
            found += await a_day(connection, lifts, hours, tries)
            await partitions(connection, hours + 2)
            samples = 60_000 if quick else options.open_samples
            for rate in (330, 2_000) if quick else (3_300, 20_000):
                seconds = max(60, min(3_600, samples // rate // 30 * 30))
                found += await open_hour(connection, rate, seconds, tries)
            await connection.close()
        finally:
            await server.stop()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, default=500)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--open-samples", type=int, default=6_000_000, help="samples of each open hour")
    parser.add_argument("--quick", action="store_true", help="a few lifts and minutes; writes no result")
    options = parser.parse_args(arguments)
    lines = asyncio.run(measure(options))
    method = (__doc__ or "").partition("\n\n")[2].partition("\n\n")[2].strip()
    report("storage", "Samples at rest", method, lines, keep=not options.quick)


if __name__ == "__main__":
    main()
