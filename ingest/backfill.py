"""Old records of a lift, from the store: folded with and without what came late, and what differs. A day late is still not too late.

Reads one lift's stretch of the stream; decides nothing about rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.corrections import Corrections, compare, episodes
from alarms.engine import Engine
from alarms.records import Records
from alarms.signals import Rows, Transition
from hoistway.limits import BACKFILL_LIFTS, BACKFILL_MARGIN_MS, BACKFILL_MOST_MS, BACKFILL_QUIET_S
from hoistway.samples import COLUMNS, Wanted, joined, snapshot
from hoistway.store import Database
from ingest.assembled import LATE, TOO_OLD, records_of
from ingest.backfill_rows import Looked
from ingest.changes import when
from ingest.correction_rows import SQL, corrected
from ingest.folding import Folding
from ingest.late import unpack_keys
from ingest.pack import unpack_samples
from ingest.recovery import event_row
from ingest.upkeep import passed_over_while_away, waiting

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
    goes_on: bool  # what is older than `first` waits for the next turn
    looked: Sequence[
        tuple[int, int]
    ] = ()  # earlier turns: from when on they looked, at what had come before which batch


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What the late records of one lift change."""

    corrections: Corrections
    present: Engine | None  # slot 0 is the lift as it is now, where that is another than had been thought


def stretch_of(row: Any) -> Stretch:
    """A row of the table `backfill`."""
    oldest, last = (int(row[name].timestamp() * 1_000) for name in ("first_at", "last_at"))
    first = max(oldest, last - BACKFILL_MOST_MS)
    return Stretch(
        lift_id=row["lift_id"],
        first=first,
        last=last,
        first_batch=row["first_batch"],
        noted=row["noted_at"],
        goes_on=oldest < first,
        looked=[
            (int(since.timestamp() * 1_000), number)
            for since, number in zip(row["looked_from"], row["looked_batch"], strict=True)
        ],
    )


def looked_at(stretch: Stretch) -> Looked:
    """What becomes of the row of a stretch."""
    read_from = stretch.first - BACKFILL_MARGIN_MS
    return Looked(
        lift_id=stretch.lift_id,
        noted=stretch.noted,
        older=stretch.first if stretch.goes_on else None,
        read_from=read_from,
        before=[turn for turn in stretch.looked if turn[0] < read_from],
    )


async def due(database: Database, now: int) -> list[Any]:
    """Rows of the table `backfill` whose lifts nothing old has come from for a while."""
    return await waiting(database, SQL["due_backfills"], when(now - BACKFILL_QUIET_S * 1_000), BACKFILL_LIFTS)


async def look_at(database: Database, engine: Folding, row: Any, *, partition: int, now: int) -> dict[str, Any] | None:
    """Look at a row of the table `backfill`: what the entry of the stream has to say. What the lift is now, the engine takes over.

    None while the database is away: nothing was looked at, and the engine is as it was.
    """
    stretch = stretch_of(row)
    looked: list[Found] = []
    with passed_over_while_away():
        async with database.acquire() as connection:
            looked.append(await look(connection, engine, stretch, partition=partition, now=now))
    if not looked:
        return None
    (found,) = looked
    state = engine.window.take_lift(found.present, stretch.lift_id) if found.present is not None else None
    corrections = corrected(found.corrections, engine.rules)
    return {"corrections": corrections, "state": state, "looked_at": [looked_at(stretch)]}


async def look(connection: Any, engine: Folding, stretch: Stretch, *, partition: int, now: int) -> Found:
    """Fold the stretch both ways. An alarm that it leaves active is followed up to now."""
    end = min(now, stretch.last + BACKFILL_MARGIN_MS)
    states = await connection.fetch(SQL["unfolded"], partition, stretch.first_batch)
    unfolded = [(*unpack_keys(row["state"]), row["batch_no"]) for row in states]
    found = await _look(connection, engine, stretch, unfolded, end=end, now=now)
    still = any(item.after is not None and item.after.cleared_at is None for item in found.corrections)
    if still and end < now:
        return await _look(connection, engine, stretch, unfolded, end=now, now=now)
    return found


async def _look(connection: Any, engine: Folding, stretch: Stretch, unfolded: Unfolded, *, end: int, now: int) -> Found:
    records, numbers = await _records(connection, stretch, end)
    before, _ = _fold(engine, stretch.lift_id, _without(records, numbers, stretch, unfolded), end)
    after, told = _fold(engine, stretch.lift_id, records, end)
    corrections, _ = compare(episodes(before), episodes(after))
    return Found(corrections=corrections, present=told if corrections and now - end < PRESENT_MS else None)


Unfolded = Sequence[tuple[Rows, Rows, int]]
"""Keys of samples and events that came late and that no window has folded, and the number of the entry that says so."""
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


def _without(records: Records, numbers: Numbers, stretch: Stretch, unfolded: Unfolded) -> Records:
    """What had been known before."""
    sample_no, sample_folded, event_no, event_folded = numbers
    samples = (sample_folded == TOO_OLD) & _not_looked_at(records.samples["at"], sample_no, stretch)
    events = (event_folded == TOO_OLD) & _not_looked_at(records.events["at"], event_no, stretch)
    for sample_keys, event_keys, batch_no in unfolded:
        late = (sample_folded == LATE) & np.isin(records.sample_keys, sample_keys)
        samples |= late & _not_looked_at(records.samples["at"], np.full_like(sample_no, batch_no), stretch)
        late = (event_folded == LATE) & np.isin(records.event_keys, event_keys)
        events |= late & _not_looked_at(records.events["at"], np.full_like(event_no, batch_no), stretch)
    return records.some(~samples, ~events)


def _not_looked_at(at: NDArray[np.int64], number: NDArray[np.int64], stretch: Stretch) -> NDArray[np.bool_]:
    fresh = number >= stretch.first_batch
    for since, batch_no in stretch.looked:
        fresh &= ~((at >= since) & (number < batch_no))
    return fresh


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
