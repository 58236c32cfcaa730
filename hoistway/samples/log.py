"""All samples of a partition in the order of the log, a stretch at a time, with bounded memory: for whoever folds the stream again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from hoistway.samples.layout import COLUMNS, Rows
from hoistway.samples.reader import SQL, Snapshot, joined, snapshot

SLICE: Final = 1_000_000
"""Samples read at once, about; an hour with more is read in several goes, each of which looks into all of its chunks."""
SLICE_BATCHES: Final = 100_000


class Log:
    """A place in the log. What was handed out is not kept; what is kept is at most one slice more than was asked for."""

    def __init__(
        self,
        connection: Any,
        partition: int,
        *,
        after: int,
        columns: tuple[str, ...] = COLUMNS,
        lifts: Sequence[int] | None = None,
    ) -> None:
        """Begins behind batch `after`. The connection is not in a transaction."""
        self._connection, self._partition = connection, partition
        self._columns = tuple(dict.fromkeys((*columns, "batch_no", "ordinal", "lift_id")))
        self._lifts = None if lifts is None else list(lifts)
        self._loaded = after  # every sample up to this batch is handed out or in `_rows`
        self._rows = joined([], self._columns)
        self._place = 0  # in `_rows`: what lies before it is handed out

    async def upto(self, last: int) -> Rows:
        """The samples that follow, up to batch `last`."""
        while self._loaded < last:
            async with snapshot(self._connection) as store:
                first, end = await self._next(store, last)
                rows = await store.of_batches(self._partition, (first, end), self._columns, self._lifts)
            self._rows, self._place = joined([self._rows[self._place :], rows], self._columns), 0
            self._loaded = end
        first, self._place = self._place, int(np.searchsorted(self._rows["batch_no"], last, side="right"))
        return self._rows[first : self._place]

    async def _next(self, store: Snapshot, last: int) -> tuple[int, int]:
        """The next slice. An hour in chunks is read whole, or in equal parts; what is not in chunks only as far as it is asked for."""
        first = self._loaded + 1
        if self._partition in store.marks:
            hour = await self._connection.fetchrow(SQL["hour_of_batch"], self._partition, first, self._lifts)
            if hour is not None:
                goes = -(-int(hour["samples"]) // SLICE) or 1
                width = (hour["last_batch"] - hour["first_batch"]) // goes + 1
                return first, min(hour["last_batch"], max(first, hour["first_batch"]) + width - 1)
        end = await self._connection.fetchval(SQL["batch_within"], self._partition, first, last, SLICE, SLICE_BATCHES)
        return first, last if end is None else max(first, end)
