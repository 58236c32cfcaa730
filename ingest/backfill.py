"""Old records of a lift, from the store: folded with and without what came late, and what differs. A day late is still not too late.

Reads one lift's stretch of the stream; decides nothing about rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alarms.corrections import Corrections, compare, episodes
from alarms.engine import Engine
from alarms.signals import Transition
from alarms.window import Records
from hoistway.limits import BACKFILL_MARGIN_MS, BACKFILL_MOST_MS
from hoistway.samples import COLUMNS, Wanted, joined, snapshot
from ingest.assembled import TOO_OLD, records_of
from ingest.changes import when
from ingest.correction_rows import SQL
from ingest.folding import Folding
from ingest.pack import unpack_samples
from ingest.recovery import event_row

PRESENT_MS: Final = 60_000
"""A stretch that ends this close to now is the present: what it leaves a lift in is what the lift is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """What to look at of one lift. Times are ms."""

    lift_id: int
    first: int
    last: int
    first_batch: int  # late records of earlier batches have been looked at
    noted: Any  # when it was noted, as the store says it


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What the late records of one lift change."""

    corrections: Corrections
    present: Engine | None  # slot 0 is the lift as it is now, where that is another than had been thought


def stretch_of(row: Any) -> Stretch:
    """A row of the table `backfill`."""
    first, last = (int(row[name].timestamp() * 1_000) for name in ("first_at", "last_at"))
    return Stretch(
        lift_id=row["lift_id"],
        first=max(first, last - BACKFILL_MOST_MS),
        last=last,
        first_batch=row["first_batch"],
        noted=row["noted_at"],
    )


async def look(connection: Any, engine: Folding, stretch: Stretch, *, now: int) -> Found:
    """Fold the stretch both ways. An alarm that it leaves active is followed up to now."""
    end = min(now, stretch.last + BACKFILL_MARGIN_MS)
    found = await _look(connection, engine, stretch, end=end, now=now)
    still = any(item.after is not None and item.after.cleared_at is None for item in found.corrections)
    if still and end < now:
        return await _look(connection, engine, stretch, end=now, now=now)
    return found


async def _look(connection: Any, engine: Folding, stretch: Stretch, *, end: int, now: int) -> Found:
    records, numbers = await _records(connection, stretch, end)
    before, _ = _fold(engine, stretch.lift_id, _without(records, numbers, stretch.first_batch), end)
    after, told = _fold(engine, stretch.lift_id, records, end)
    corrections, _ = compare(episodes(before), episodes(after))
    return Found(corrections=corrections, present=told if corrections and now - end < PRESENT_MS else None)


Numbers = tuple[Any, Any, Any, Any]
"""Batch number and what became of it, of each sample and of each event."""


async def _records(connection: Any, stretch: Stretch, end: int) -> tuple[Records, Numbers]:
    bounds = (stretch.lift_id, when(stretch.first - BACKFILL_MARGIN_MS), when(end))
    async with snapshot(connection) as store:
        stored = joined([rows async for rows in store.of_lifts(Wanted(lifts=bounds[:1], at=bounds[1:]))], COLUMNS)
    samples, keys, numbers = unpack_samples(stored[stored["folded"] > 0])
    rows = await connection.fetch(SQL["events_of_lift"], *bounds)
    events = [event_row(row) for row in rows]
    records = records_of(samples, keys, [row for row in events if row is not None])
    kept = [row for row, event in zip(rows, events, strict=True) if event is not None]
    event_numbers = np.array([row["batch_no"] for row in kept], np.int64)
    event_folded = np.array([0 if row["at_once"] else row["folded"] for row in kept], np.int64)  # known all the same
    return records, (numbers, keys["folded"], event_numbers, event_folded)


def _without(records: Records, numbers: Numbers, first_batch: int) -> Records:
    """What had been known before."""
    sample_no, sample_folded, event_no, event_folded = numbers
    return records.some(
        ~((sample_folded == TOO_OLD) & (sample_no >= first_batch)),
        ~((event_folded == TOO_OLD) & (event_no >= first_batch)),
    )


def _fold(engine: Folding, lift_id: int, records: Records, end: int) -> tuple[list[Transition], Engine]:
    """The lift's alarms in this stretch, from nothing."""
    again = Engine(engine.rules, capacity=1, zone=engine.zone, past=True)
    lift = np.array([lift_id])
    again.state.know(engine.live.state, lift, np.array([0]))
    batch = records.in_time()
    for rows in (batch.samples, batch.events):
        rows["slot"] = 0
    said = [*again.step(batch, end), *again.tick(end)]
    return [item._replace(slot=lift_id) for item in said], again
