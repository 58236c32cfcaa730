"""The stored stream of one lift as the engine's records, entry by entry. Reads the store; folds nothing.

A record stands in the entry (batch) in which it was folded, so that a fold of these entries is the fold of that time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, EVENT_INDEX, Batch, Rows, unknown_samples
from hoistway import samples as stored
from hoistway.samples.layout import in_log_order
from hoistway.store import queries

SQL: Final = queries("hoistway.rulebook", "sql/history.sql")
SLOT: Final = 0
"""The one lift's place in the engine that folds it again."""
BEFORE: Final = 0
"""The number of the entry in which stands what was known before the fold begins."""


@dataclass(frozen=True, kw_only=True)
class FoldEntry:
    """One entry of the stream, with what it held of the lift."""

    batch_no: int
    kind: str  # batch, listening, rules; "before" for what was known when the fold begins
    clock_ms: int
    rule_set: int | None
    batch: Batch


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The stream of one lift from a time up to one entry."""

    first_rule_set: int | None  # the rules at its beginning
    entries: tuple[FoldEntry, ...]

    @property
    def records(self) -> int:
        return sum(len(entry.batch.samples) + len(entry.batch.events) for entry in self.entries)

    def samples(self) -> Rows:
        """All samples in order."""
        return np.concatenate([unknown_samples(0), *(entry.batch.samples for entry in self.entries)])


def when(ms: int) -> datetime:
    """Milliseconds since 1970 UTC as a time stamp."""
    return datetime.fromtimestamp(ms / 1_000, UTC)


def ms(moment: datetime) -> int:
    """The opposite of `when`."""
    return int(moment.timestamp() * 1_000 + 0.5)


async def oldest_ms(connection: Any, lift_id: int, *, samples_only: bool) -> int:
    """From when on the lift's telemetry is still there; a time that never comes when there is none."""
    times = [await stored.oldest_ms(connection, lift_id)]
    if not samples_only and (event := await connection.fetchval(SQL["oldest_event_of_lift"], lift_id)) is not None:
        times.append(ms(event))
    return min((time for time in times if time is not None), default=2**62)


async def stretch(connection: Any, lift_id: int, *, partition: int, since_ms: int, upto: int, until_ms: int) -> Stretch:
    """What entries of the stream from `since_ms` up to number `upto` held of a lift, with samples stamped up to `until_ms`."""
    since = when(since_ms)
    first = await connection.fetchrow(SQL["first_entry"], partition, since)
    first_no = first["batch_no"] if first else 0
    samples = await _stored(connection, lift_id, partition, upto, since, when(until_ms))
    samples = in_log_order(samples[samples["folded"] == 1])
    events = [
        *sorted(
            await connection.fetch(SQL["events_before"], lift_id, partition, since), key=lambda row: row["received"]
        ),
        *await connection.fetch(SQL["events_of_lift"], lift_id, partition, upto, since),
    ]
    links = [
        *await connection.fetch(SQL["link_before"], lift_id, partition, since),
        *await connection.fetch(SQL["links_of_lift"], lift_id, partition, upto, since),
    ]
    spoken = sorted({row["batch_no"] for row in (*events, *links)} | set(samples["batch_no"].tolist()))
    spoken = [number for number in spoken if number != BEFORE]
    entries = await connection.fetch(SQL["entries_of_fold"], partition, first_no, upto, spoken)
    found = await asyncio.to_thread(_entries, entries, _Records(samples, events, links), since_ms)
    return Stretch(first_rule_set=first["rule_set"] if first else None, entries=found)


async def stretch_in_time(
    connection: Any, lift_id: int, *, partition: int, since_ms: int, upto: int, until_ms: int, rule_set: int | None
) -> Stretch:
    """The same as late data is folded: everything that had come by entry `upto`, in order of corrected time, as one entry."""
    since = when(since_ms)
    bounds = (lift_id, partition, upto, since, when(until_ms))
    samples = await _stored(connection, *bounds)
    samples = samples[samples["folded"] > 0]
    samples = samples[np.lexsort([samples[name] for name in ("seq", "boot", "device_id", "at")])]
    events = await connection.fetch(SQL["events_in_time"], *bounds)
    before = sorted(
        await connection.fetch(SQL["events_before"], lift_id, partition, since), key=lambda row: row["received"]
    )
    batch = Batch.of(samples=_samples(samples), events=_events([*before, *events]))
    entry = FoldEntry(batch_no=upto, kind="batch", clock_ms=until_ms, rule_set=rule_set, batch=batch)
    return Stretch(first_rule_set=rule_set, entries=(entry,))


def _entries(rows: Sequence[Any], records: _Records, since_ms: int) -> tuple[FoldEntry, ...]:
    found = [
        FoldEntry(
            batch_no=row["batch_no"],
            kind=row["kind"],
            clock_ms=ms(row["clock"]),
            rule_set=row["rule_set"],
            batch=records.batch(row["batch_no"]),
        )
        for row in rows
    ]
    before = records.batch(BEFORE)
    if len(before.events) or len(before.contacts):
        found.insert(0, FoldEntry(batch_no=BEFORE, kind="before", clock_ms=since_ms, rule_set=None, batch=before))
    return tuple(found)


async def _stored(
    connection: Any, lift_id: int, partition: int, upto: int, since: datetime, until: datetime
) -> stored.Rows:
    """Its samples that happened and were received from a time on, of entries up to one."""
    wanted = stored.Wanted(
        lifts=[lift_id], partition=partition, batches=(0, upto), at=(since, until), received=(since, stored.EVER[1])
    )
    async with stored.snapshot(connection) as store:
        return stored.joined([rows async for rows in store.of_lifts(wanted)], stored.COLUMNS)


class _Records:
    """Rows of the lift by the number of their batch."""

    def __init__(self, samples: stored.Rows, events: Sequence[Any], links: Sequence[Any]) -> None:
        self._samples = samples
        self._rows: list[dict[int, list[Any]]] = [{}, {}]
        for found, rows in zip(self._rows, (events, links), strict=True):
            for row in rows:
                found.setdefault(row["batch_no"], []).append(row)

    def batch(self, number: int) -> Batch:
        """What one entry held."""
        events, links = (rows.get(number, []) for rows in self._rows)
        first, last = np.searchsorted(self._samples["batch_no"], [number, number + 1])
        samples = self._samples[first:last]
        return Batch(samples=_samples(samples), events=_events(events), contacts=_links(links))


def _samples(rows: stored.Rows) -> Rows:
    found = stored.to_engine(rows)
    found["slot"] = SLOT
    return found


def _events(rows: Sequence[Any]) -> Rows:
    known = [row for row in rows if row["code"] in EVENT_INDEX]
    return np.array(
        [(SLOT, ms(row["at"]), ms(row["received"]), EVENT_INDEX[row["code"]], row["active"]) for row in known],
        EVENT_DTYPE,
    )


def _links(rows: Sequence[Any]) -> Rows:
    return np.array([(SLOT, ms(row["received"]), row["online"]) for row in rows], CONTACT_DTYPE)
