"""The compactor by hand, step by step, and stored samples to move. Knows what the compactor does and asks the store in SQL what there is."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from alarms.signals import unknown_samples
from hoistway import limits
from hoistway.model import SIGNALS, SignalType
from hoistway.samples import COLUMNS, Log, Rows, Wanted, joined, of_copy, snapshot
from hoistway.samples.layout import in_log_order
from ingest.compactor import sweeping
from ingest.compactor.moving import SQL, Hour, Place, close_hour, move, places, waiting
from ingest.compactor.sweeping import sweep_blocks, sweep_log
from ingest.pack import KEYS_DTYPE, pack_samples

T0 = int(datetime(2026, 11, 20, 7, 40, tzinfo=UTC).timestamp() * 1_000)


@contextmanager
def at_once() -> Iterator[None]:
    """Hours close and are emptied without waiting for what may still come."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "HOUR_GRACE_S", -7_200)
        patch.setattr(sweeping, "GRACE", timedelta(hours=-2))
        yield


async def fill(
    connection: Any, *, batches: int, lifts: int = 5, each: int = 6, partition: int = 0, seed: int = 1
) -> None:
    """So many batches more, half a minute apart, of samples full of odd values; some late, some by another boot, some twice in a batch."""
    rng = np.random.default_rng(seed)
    last = await connection.fetchval(
        "select coalesce(max(batch_no), 0) from ingest_batch where partition = $1", partition
    )
    for number in range(last + 1, last + 1 + batches):
        now = T0 + number * 30_000
        rows, keys = unknown_samples(each), np.zeros(each, KEYS_DTYPE)
        rows["slot"] = np.sort(rng.integers(1, lifts + 1, each)) + 60 + partition * 1_000
        rows["received"] = now - rng.integers(0, 900, each)
        rows["at"] = rows["received"] - np.where(rng.random(each) < 0.1, 3 * 3_600_000, rng.integers(0, 500, each))
        for signal in SIGNALS:
            known = rng.random(each) < 0.7
            values = rng.normal(0, 100, each) if signal.type is SignalType.NUMBER else rng.integers(-1, 100, each)
            rows[signal.name][known] = values[known]
        keys["ts"], keys["seq"], keys["folded"] = (
            rows["at"] - 170,
            number * each + np.arange(each),
            rng.integers(0, 4, each),
        )
        keys["device_id"], keys["boot"] = rows["slot"] + 7, 1 + (number > last + batches // 2)
        await batch(connection, rows, keys, number=number, partition=partition, clock=now)


async def batch(connection: Any, rows: Rows, keys: Rows, *, number: int, partition: int, clock: int) -> None:
    """One batch as ingest commits it."""
    async with connection.transaction():
        await connection.execute(
            "insert into ingest_batch (partition, batch_no, token, kind, clock, epoch, samples) values ($1, $2, $3, 'batch', $4, 1, $5)",
            partition, number, uuid.uuid4(), datetime.fromtimestamp(clock / 1_000, UTC), len(rows),
        )  # fmt: skip
        body = io.BytesIO(pack_samples(rows, keys, partition=partition, batch_no=number))
        await connection.copy_to_table("sample", source=body, columns=list(COLUMNS), format="binary")


async def checkpoint(connection: Any) -> None:
    """Recovery begins at the newest batch."""
    await connection.execute(
        "insert into checkpoint (partition, batch_no, clock, rules, engine, devices)"
        " select partition, max(batch_no), max(clock), '', '', '' from ingest_batch group by partition"
        " on conflict (partition) do update set batch_no = excluded.batch_no"
    )


async def clear(connection: Any) -> None:
    """No samples in any form."""
    await connection.execute(
        "truncate sample, sample_block, sample_chunk, sample_hour, compaction, ingest_batch, checkpoint, event, gap, contact"
    )


async def raw(connection: Any) -> Rows:
    """All rows of table sample, by partition and in the order of the log."""
    sink = io.BytesIO()
    query = f"select {', '.join(COLUMNS)} from sample order by partition, batch_no, ordinal"
    await connection.copy_from_query(query, output=sink, format="binary")
    return of_copy(sink.getvalue())


async def everything(connection: Any, step: int = 17) -> Rows:
    """The same, as readers see it: all partitions through the log, in steps of some batches."""
    parts = []
    for row in await connection.fetch(
        "select partition, max(batch_no) as last from ingest_batch group by 1 order by 1"
    ):
        log = Log(connection, row["partition"], after=0)
        parts += [
            (await log.upto(min(upto, row["last"])))[list(COLUMNS)] for upto in range(step, row["last"] + step, step)
        ]
    return joined(parts, COLUMNS)


async def of_lifts(connection: Any, **wanted: Any) -> Rows:
    """Some lifts' samples in the order of the log."""
    async with snapshot(connection) as store:
        return in_log_order(joined([rows async for rows in store.of_lifts(Wanted(**wanted))], COLUMNS))


async def quiet(connection: Any) -> None:
    """Set a connection up as the compactor does."""
    await connection.execute(SQL["quiet"])


async def one_place(connection: Any, partition: int = 0) -> Place:
    return next(place for place in await places(connection) if place.partition == partition)


async def compact(connection: Any, *, stop: str = "") -> None:
    """Everything that can be moved is: rows, closed hours, emptied tables. `stop`: moved, closed, half, merged."""
    partitions = [place.partition for place in await places(connection)]
    for number in partitions:
        while (found := await waiting(connection, place := await one_place(connection, number))) is not None:
            await move(connection, place, found)
    if stop == "moved":
        return
    for number in partitions:
        while (hour := await close_hour(connection, await one_place(connection, number), idle=True)) is not None:
            if stop == "closed":
                return
            merging = await Hour.begin(connection, await one_place(connection, number), hour)
            while not (await merging.step(connection))[1]:
                if stop == "half":
                    return
    if stop != "merged":
        await sweep_log(connection)
        await sweep_blocks(connection)
