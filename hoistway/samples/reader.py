"""The one way to read stored samples, whatever form they are in, while the compactor moves them.

A sample is seen once: everything is read in one snapshot, and what the compactor has noted in that snapshot says which form counts.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from hoistway.limits import BLOCK_LIFTS, SHARDS
from hoistway.samples import layout
from hoistway.samples.codec import decode
from hoistway.samples.layout import COLUMNS, Rows, in_log_order, of_copy, row_type, us
from hoistway.store import queries

SQL: Final = queries("hoistway.samples", "sql/samples.sql")
GROUP: Final = 500
"""Chunks that are decoded at once."""
EVER: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
ALL_BATCHES: Final = (0, 2**62)
ALL_SEQS: Final = (-(2**62), 2**62)
BEFORE: Final = timedelta(hours=2)
AFTER: Final = timedelta(hours=1)
"""The hour of a sample's chunk begins from `BEFORE` before to `AFTER` after it happened; else the chunk says that it is astray."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """How far the compactor is in one partition."""

    batch_no: int = 0
    hour: datetime = EVER[0]
    closed: datetime = EVER[0]
    swept: int = 0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which samples of some lifts. Both ends of a pair belong to it."""

    lifts: Sequence[int]
    partition: int | None = None
    batches: tuple[int, int] = ALL_BATCHES
    at: tuple[datetime, datetime] = EVER
    received: tuple[datetime, datetime] = EVER
    seqs: tuple[int, int] = ALL_SEQS

    def hours(self) -> tuple[datetime, datetime]:
        """Hours in which chunks of these samples lie."""
        if self.at != EVER:
            return (max(EVER[0], self.at[0] - BEFORE), self.at[1] + AFTER)
        return (max(EVER[0], self.received[0] - AFTER), self.received[1])

    def keeps(self, rows: Rows) -> Any:
        """Which rows they are."""
        good = np.isin(rows["lift_id"], np.asarray(self.lifts, np.int64))
        if self.partition is not None:
            good &= rows["partition"] == self.partition
        for name, (first, last), ever in (
            ("batch_no", self.batches, ALL_BATCHES),
            ("seq", self.seqs, ALL_SEQS),
            ("at", (us(self.at[0]), us(self.at[1])), (us(EVER[0]), us(EVER[1]))),
            ("received", (us(self.received[0]), us(self.received[1])), (us(EVER[0]), us(EVER[1]))),
        ):
            if (first, last) != ever:
                good &= (rows[name] >= first) & (rows[name] <= last)
        return good


@asynccontextmanager
async def snapshot(connection: Any) -> AsyncIterator[Snapshot]:
    """One moment of the store, for as long as it is read. Not inside another transaction."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(SQL["hold"])
        rows = await connection.fetch(SQL["marks"])
        marks = {
            row["partition"]: Mark(batch_no=row["batch_no"], hour=row["hour"], closed=row["closed"], swept=row["swept"])
            for row in rows
            if row["batch_no"] is not None
        }
        yield Snapshot(connection, marks, [row["partition"] for row in rows])


class Snapshot:
    """Stored samples as they are at one moment. `marks` by partition, where the compactor has been; `streams` are all partitions."""

    def __init__(self, connection: Any, marks: Mapping[int, Mark], streams: Sequence[int]) -> None:
        self.connection, self.marks, self._streams = connection, marks, streams
        self._bounds = [marks[number].batch_no if number in marks else 0 for number in range(SHARDS)]

    async def of_lifts(self, wanted: Wanted, columns: tuple[str, ...] = COLUMNS) -> AsyncIterator[Rows]:
        """Their samples, a lot at a time, without any order."""
        lifts = list(wanted.lifts)
        needed = tuple(dict.fromkeys((*columns, "lift_id", "partition", "batch_no", "seq", "at", "received")))

        def kept(rows: Rows) -> Rows:
            found: Rows = rows[wanted.keeps(rows)][list(columns)].astype(row_type(columns))
            return found

        if self.marks:
            buckets = sorted({lift // BLOCK_LIFTS for lift in lifts})
            chunks = (
                SQL["chunks_of_lifts"],
                lifts,
                *wanted.hours(),
                *wanted.batches,
                wanted.partition,
                *wanted.at,
                *wanted.seqs,
            )
            blocks = (SQL["blocks_of_buckets"], *wanted.batches, wanted.partition, buckets, *wanted.at)
            for query in (chunks, blocks):
                async for rows in self._decoded(needed, *query):
                    yield kept(rows)
        yield kept(
            await self.rows(
                needed,
                lifts=lifts,
                partition=wanted.partition,
                batches=wanted.batches,
                at=wanted.at,
                received=wanted.received,
            )
        )

    async def of_batches(
        self, partition: int, batches: tuple[int, int], columns: tuple[str, ...], lifts: Sequence[int] | None = None
    ) -> Rows:
        """All samples of a range of batches, in the order of the log; only of some lifts where they are given.

        The log itself answers where it still has them all, which is quicker for all lifts.
        """
        needed = tuple(dict.fromkeys((*columns, "batch_no", "ordinal", "lift_id")))
        wanted = None if lifts is None else np.asarray(lifts, np.int64)

        def kept(rows: Rows) -> Rows:
            good = (rows["batch_no"] >= batches[0]) & (rows["batch_no"] <= batches[1])
            return rows[good if wanted is None else good & np.isin(rows["lift_id"], wanted)]

        if lifts is None and batches[0] > self.marks.get(partition, Mark()).swept:
            return in_log_order(await self.rows(needed, partition=partition, batches=batches, whole=True))
        parts: list[Rows] = []
        if partition in self.marks:
            for query in await self._in_batches(partition, batches, lifts):
                parts += [kept(rows) async for rows in self._decoded(needed, *query)]
        if batches[1] > self._bounds[partition]:
            parts.append(await self.rows(needed, lifts=lifts, partition=partition, batches=batches))
        return in_log_order(joined(parts, needed))

    async def _in_batches(
        self, partition: int, batches: tuple[int, int], lifts: Sequence[int] | None
    ) -> list[tuple[Any, ...]]:
        """Queries for the blocks and chunks of a range of batches."""
        found: list[tuple[Any, ...]] = []
        hours = await self.connection.fetchrow(SQL["hours_of_batches"], partition, *batches)
        if hours["first"] is not None:
            span = (hours["first"], hours["last"])
            if lifts is None:
                found.append((SQL["chunks_of_batches"], *span, partition, *batches))
            else:
                found.append((SQL["chunks_of_lifts"], list(lifts), *span, *batches, partition, *EVER, *ALL_SEQS))
        if lifts is None:
            found.append((SQL["blocks_of_batches"], partition, 0, *batches))
        else:
            buckets = sorted({lift // BLOCK_LIFTS for lift in lifts})
            found.append((SQL["blocks_of_buckets"], *batches, partition, buckets, *EVER))
        return found

    async def rows(
        self,
        columns: tuple[str, ...],
        *,
        lifts: Sequence[int] | None = None,
        partition: int | None = None,
        batches: tuple[int, int] = ALL_BATCHES,
        at: tuple[datetime, datetime] = EVER,
        received: tuple[datetime, datetime] = EVER,
        whole: bool = False,
    ) -> Rows:
        """Of the log, what is in no block yet. `whole`: in blocks or not."""
        wanted = None if lifts is None else list(lifts)
        bounds = [0] * SHARDS if whole else self._bounds
        return await self._copied(columns, "rows", bounds, partition, *batches, partition, wanted, *at, *received)

    async def newest_in_log(self, columns: tuple[str, ...], lifts: Sequence[int] | None = None) -> Rows:
        """Of the log, the newest sample by lift that is in no block yet."""
        wanted = None if lifts is None else list(lifts)
        return await self._copied(columns, "newest_rows", self._bounds, None, wanted)

    async def _copied(
        self, columns: tuple[str, ...], query: str, bounds: list[int], partition: int | None, *values: Any
    ) -> Rows:
        sink = io.BytesIO()
        text = SQL[query].replace("/* columns */", ", ".join(columns))
        least = min((bounds[number] for number in self._streams), default=0) if partition is None else bounds[partition]
        await self.connection.copy_from_query(text, least, bounds, *values, output=sink, format="binary")
        return of_copy(sink.getvalue(), columns)

    async def open_hour(self, buckets: Sequence[int], columns: tuple[str, ...]) -> AsyncIterator[Rows]:
        """What is in blocks of some buckets of lifts, a lot at a time."""
        async for rows in self._decoded(columns, SQL["blocks_of_buckets"], *ALL_BATCHES, None, list(buckets), *EVER):
            yield rows

    async def newest_chunks(self, lifts: Sequence[int], columns: tuple[str, ...]) -> AsyncIterator[Rows]:
        """The newest chunk of each lift, a lot at a time."""
        async for rows in self._decoded(columns, SQL["newest_chunks"], list(lifts)):
            yield rows

    async def _decoded(self, columns: tuple[str, ...], query: str, *values: Any) -> AsyncIterator[Rows]:
        bodies: list[bytes] = []
        async for row in self.connection.cursor(query, *values, prefetch=GROUP):
            bodies.append(row["body"])
            if len(bodies) == GROUP:
                yield await asyncio.to_thread(decode, bodies, columns)
                bodies = []
        if bodies:
            yield await asyncio.to_thread(decode, bodies, columns)


def joined(parts: Sequence[Rows], columns: tuple[str, ...]) -> Rows:
    """Several lots as one."""
    return np.concatenate([np.empty(0, row_type(columns)), *parts])


async def oldest_ms(connection: Any, lift_id: int) -> int | None:
    """Corrected time of the oldest sample of a lift that is still there, in ms since 1970 UTC; None when there is none."""
    async with snapshot(connection) as store:
        first = await connection.fetchval(SQL["oldest_chunk"], lift_id)
        columns = ("at", "lift_id")
        blocks = [rows async for rows in store.open_hour([lift_id // BLOCK_LIFTS], columns)]
        fresh = joined([*blocks, await store.rows(columns, lifts=[lift_id])], columns)
    found = [] if first is None else [us(first)]
    found += fresh["at"][fresh["lift_id"] == lift_id].tolist()
    return int(layout.to_ms(np.array([min(found)]))[0]) if found else None
