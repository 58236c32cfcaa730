"""The steps of the compactor in the database. Each is one small transaction, and safe to be killed anywhere."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from hoistway import limits
from hoistway.errors import OurFault, WorldFault
from hoistway.samples.codec import decode
from hoistway.samples.layout import COLUMNS, Rows, of_copy
from hoistway.store import queries
from ingest.compactor.shapes import Block, Chunk, blocks, chunks, slot_of

log: Final = structlog.get_logger("compactor")
SQL: Final = queries("ingest.compactor", "sql/compactor.sql")
_ROWS: Final = SQL["rows"].replace("/* columns */", ", ".join(COLUMNS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """How far one partition is compacted."""

    partition: int
    batch_no: int
    hour: datetime  # in chunks up to here
    closed: datetime  # gets no more blocks
    bucket: int
    head: int  # the newest batch of the stream


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """The rows that are moved next."""

    upto: int
    clock: datetime
    samples: int
    waited_s: float

    @property
    def due(self) -> bool:
        return self.samples >= limits.MOVE_SAMPLES or self.waited_s >= limits.MOVE_EVERY_S


async def places(connection: Any) -> list[Place]:
    """All partitions that have a stream."""
    rows = await connection.fetch(SQL["partitions"])
    for row in rows:
        if row["batch_no"] is None:
            await connection.execute(SQL["begin"], row["partition"])
    if any(row["batch_no"] is None for row in rows):
        rows = await connection.fetch(SQL["partitions"])
    names = ("partition", "batch_no", "hour", "closed", "bucket", "head")
    return [Place(**{name: row[name] for name in names}) for row in rows]


async def waiting(connection: Any, place: Place) -> Waiting | None:
    """What waits in the log; None when nothing does."""
    if place.head == place.batch_no:
        return None
    row = await connection.fetchrow(
        SQL["waiting"], place.partition, place.batch_no, limits.MOVE_SAMPLES, limits.MOVE_BATCHES
    )
    if row["upto"] is None:
        return None
    return Waiting(upto=row["upto"], clock=row["clock"], samples=row["samples"], waited_s=row["waited_s"] or 0.0)


async def move(connection: Any, place: Place, found: Waiting) -> int:
    """Rows of the log into blocks; answers how many. They stay in the log until its hour is emptied, and nobody reads them there."""
    rows = await _rows(connection, place, found)
    if len(rows) != found.samples:
        async with connection.transaction():  # the index is not what says that a sample is not there
            await connection.execute("set local enable_seqscan = on; set local enable_bitmapscan = off")
            rows = await _rows(connection, place, found)
    if len(rows) != found.samples:
        log.error("rows of the log are missing", found=len(rows), committed=found.samples, upto=found.upto)
    made = await asyncio.to_thread(lambda: list(blocks(rows, partition=place.partition, closed=place.closed)))
    async with connection.transaction():
        if made:
            await connection.copy_records_to_table("sample_block", records=made, columns=Block._fields)
        _ours(await connection.fetchval(SQL["moved"], place.partition, place.batch_no, found.upto, found.clock))
    return len(rows)


async def _rows(connection: Any, place: Place, found: Waiting) -> Rows:
    sink = io.BytesIO()
    await connection.copy_from_query(_ROWS, place.partition, place.batch_no, found.upto, output=sink, format="binary")
    return of_copy(sink.getvalue())


async def close_hour(connection: Any, place: Place, *, idle: bool) -> datetime | None:
    """The hour that becomes chunks next: from here on it gets no more blocks. None when no hour is over. `idle`: nothing waits."""
    if place.closed > place.hour:
        return place.closed
    hour: datetime | None = await connection.fetchval(
        SQL["hour_to_close"], place.partition, float(limits.HOUR_GRACE_S), idle
    )
    if hour is not None:
        await _make_month(connection, hour)
        _ours(await connection.fetchval(SQL["close"], place.partition, hour))
    return hour


class Hour:
    """The closed hour of a partition on its way into chunks, some lifts at a time. Nobody reads them before the last is there."""

    def __init__(self, partition: int, hour: datetime, bucket: int, buckets: list[tuple[int, int]]) -> None:
        self.partition, self.hour = partition, hour
        self._bucket, self._buckets = bucket, buckets

    @classmethod
    async def begin(cls, connection: Any, place: Place, hour: datetime) -> Hour:
        """From where it was left."""
        bucket = place.bucket if place.closed == hour else 0
        rows = await connection.fetch(SQL["buckets"], slot_of(hour), place.partition, hour, bucket)
        return cls(place.partition, hour, bucket, [(row["bucket"], row["samples"]) for row in rows])

    async def step(self, connection: Any) -> tuple[int, bool]:
        """The next lifts; answers how many samples they had, and whether the hour is done."""
        taken, samples = 0, 0
        for _, count in self._buckets:
            if taken and samples + count > limits.MERGE_SAMPLES:
                break
            taken, samples = taken + 1, samples + count
        if taken:
            await self._merge(connection, [bucket for bucket, _ in self._buckets[:taken]])
            del self._buckets[:taken]  # not before it is committed: a step that failed is done again
        if not self._buckets:
            await self._finish(connection)
        return samples, not self._buckets

    async def _merge(self, connection: Any, taken: list[int]) -> None:
        rows = await connection.fetch(SQL["blocks"], slot_of(self.hour), self.partition, self.hour, taken)
        bodies = [row["body"] for row in rows]
        made = await asyncio.to_thread(lambda: list(chunks(decode(bodies), partition=self.partition, hour=self.hour)))
        upto = taken[-1] + 1
        async with connection.transaction():
            await connection.copy_records_to_table("sample_chunk", records=made, columns=Chunk._fields)
            _ours(await connection.fetchval(SQL["merged"], self.partition, self.hour, self._bucket, upto))
        self._bucket = upto

    async def _finish(self, connection: Any) -> None:
        async with connection.transaction():
            await connection.execute(SQL["note_hour"], self.partition, self.hour)
            _ours(await connection.fetchval(SQL["hour_done"], self.partition, self.hour))
            counts = await connection.fetchrow(SQL["counts"], slot_of(self.hour), self.partition, self.hour)
            if counts["blocks"] != counts["chunks"]:
                raise OurFault(
                    f"{counts['blocks']} samples in blocks of {self.hour} became {counts['chunks']} in chunks"
                )


async def _make_month(connection: Any, hour: datetime) -> None:
    """The partition of `sample_chunk` for the month of an hour. Raises asyncpg's error when a reader is in the way: again later."""
    first = hour.replace(day=1, hour=0)
    following = (first + timedelta(days=32)).replace(day=1)
    name = f"sample_chunk_{first:%Y%m}"
    if not await connection.fetchval(SQL["month"], name):
        await connection.execute(
            f"create table {name} partition of sample_chunk for values from ('{first:%Y-%m-%d}') to ('{following:%Y-%m-%d}')"
        )


def _ours(answer: int | None) -> None:
    if answer is None:
        raise WorldFault("another compactor is at work on the same samples")
