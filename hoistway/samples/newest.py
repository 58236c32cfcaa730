"""The newest sample of each lift, by corrected time: from the log, and of lifts that it does not tell enough of from blocks and chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hoistway.limits import BLOCK_LIFTS
from hoistway.samples.layout import Rows
from hoistway.samples.reader import Snapshot, joined

LIVE_US: Final = 60_000_000
"""A sample that was received within this time of when it happened is no late one: nothing newer is stored before it."""
_PLACE: Final = ("lift_id", "at", "received", "batch_no", "ordinal")


def with_place(columns: Sequence[str]) -> tuple[str, ...]:
    """These columns and those that are compared."""
    return tuple(dict.fromkeys((*_PLACE, *columns)))


def newest_of(rows: Rows) -> Rows:
    """One row a lift."""
    rows = rows[np.lexsort([rows[name] for name in ("ordinal", "batch_no", "at", "lift_id")])]
    last = np.append(rows["lift_id"][1:] != rows["lift_id"][:-1], True) if len(rows) else np.zeros(0, bool)
    found: Rows = rows[last]
    return found


def live(rows: Rows) -> set[int]:
    """Lifts of which there can be nothing newer in blocks and chunks."""
    fresh = rows["received"] - rows["at"] < LIVE_US
    return set(rows["lift_id"][fresh].tolist())


async def newest(store: Snapshot, lifts: Sequence[int], columns: tuple[str, ...]) -> Rows:
    """The newest sample of each of these lifts, with columns `with_place(columns)`; a lift that never spoke is missing."""
    names = with_place(columns)
    wanted = set(lifts)
    found = await store.newest_in_log(names, sorted(wanted))
    wanted -= live(found)
    if not wanted or not store.marks:
        return found
    buckets = sorted({lift // BLOCK_LIFTS for lift in wanted})
    async for rows in store.open_hour(buckets, names):
        mine = rows[np.isin(rows["lift_id"], np.array(sorted(wanted)))]
        found = newest_of(joined([found, newest_of(mine)], names))
    wanted -= live(found)
    async for rows in store.newest_chunks(sorted(wanted), names):
        found = newest_of(joined([found, newest_of(rows)], names))
    return found
