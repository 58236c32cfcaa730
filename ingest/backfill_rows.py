"""Rows of the table `backfill`: lifts whose old records wait for the job that reads the store. Runs inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.changes import columns, when
from ingest.correction_rows import SQL


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """A stretch that was looked at, as its row must say it. Times are ms."""

    lift_id: int
    noted: Any
    older: int | None  # what lies before waits for the next turn; None: nothing
    read_from: int
    before: Sequence[tuple[int, int]]  # earlier turns that read further back


async def note_backfill(connection: Any, spans: Sequence[tuple[int, int, int]], *, batch_no: int, at: datetime) -> None:
    """Lifts with records older than what can be folded again from memory: (lift, from, to) in ms."""
    rows = [(lift, when(first), when(last)) for lift, first, last in spans]
    await connection.execute(SQL["note_backfill"], *columns(rows, 3), at, batch_no)


async def note_looked_at(connection: Any, stretches: Sequence[Looked], *, batch_no: int, at: datetime) -> None:
    """What the job has looked at: done, or the older part is left."""
    for item in stretches:
        if item.older is None:
            await connection.execute(SQL["backfill_done"], item.lift_id, item.noted)
        else:
            turns = [*item.before, (item.read_from, batch_no)]
            rest = (when(item.older), [when(since) for since, _ in turns], [number for _, number in turns], at)
            await connection.execute(SQL["backfill_goes_on"], item.lift_id, item.noted, *rest)
