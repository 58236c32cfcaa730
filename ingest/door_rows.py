"""Security events to rows and to notices at the desk; repeated records against what was accepted under their numbers.

Runs inside the batch's transaction, after the batch's own records are written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from hoistway.limits import LATE_WINDOW_MS
from hoistway.model import SIGNALS
from hoistway.store import queries
from ingest.alarm_rows import notice_an_hour
from ingest.assembled import Assembled, Repeat, SecurityEvent
from ingest.changes import columns, when
from ingest.decode import clean_text, storable_data

SQL: Final = queries("ingest", "sql/door.sql")
SECURITY: Final = "door-security"
NOTICED: Final = frozenset({"foreign-lift", "foreign-topic", "revoked-key", "sequence-reused", "clone"})
"""What the desk hears of. The rest has innocent causes as well, and is kept and counted."""
DETAIL_CHARS: Final = 300
COMPARED_MS: Final = 2 * 86_400_000
"""A repeated sample is compared with what was accepted within this time."""
_NAMES: Final = tuple(signal.name for signal in SIGNALS)


async def write_security(connection: Any, events: Sequence[SecurityEvent], *, at: datetime) -> None:
    """One row a kind, device and hour; one notice a lift and hour."""
    rows = [
        (event.kind, event.device, when(event.at), event.lift_id, clean_text(event.detail[:DETAIL_CHARS]))
        for event in events
    ]
    await connection.execute(SQL["security_events"], *columns(rows, 5))
    noticed = {event.lift_id: event for event in events if event.kind in NOTICED and event.lift_id is not None}
    if noticed:
        evidence = [
            json.dumps({"kind": event.kind, "device": event.device, "detail": event.detail[:DETAIL_CHARS]})
            for event in noticed.values()
        ]
        await notice_an_hour(connection, list(noticed), SECURITY, evidence, at=at)


async def find_reused(connection: Any, batch: Assembled) -> list[SecurityEvent]:
    """Repeated records that say something else than what was accepted under their number: an accepted record stays as it is."""
    found = [batch.repeated_events[index] for index in await _other_events(connection, batch.repeated_events)]
    found += [batch.repeated_samples[index] for index in await _other_samples(connection, batch)]
    return [
        SecurityEvent(
            kind="sequence-reused",
            device=item.device.device,
            lift_id=item.lift_id,
            detail=f"boot {item.record.boot}, number {item.record.seq} came again with other content",
            at=item.received,
        )
        for item in found
    ]


async def _other_events(connection: Any, repeats: Sequence[Repeat]) -> list[int]:
    if not repeats:
        return []
    rows = [
        (
            *_key(item),
            item.lift_id if item.record.lift else None,
            item.record.ts,
            item.record.code,
            item.record.active,
            storable_data(item.record.data),
        )
        for item in repeats
    ]
    return [row["n"] for row in await connection.fetch(SQL["other_events"], *columns(rows, 9))]


async def _other_samples(connection: Any, batch: Assembled) -> list[int]:
    if not batch.repeated_samples:
        return []
    rows = [
        (*_key(item), item.lift_id, when(item.at - LATE_WINDOW_MS), when(item.at + LATE_WINDOW_MS))
        for item in batch.repeated_samples
    ]
    newest = when(max(item.received for item in batch.repeated_samples) - COMPARED_MS)
    accepted = await connection.fetch(SQL["accepted_samples"], *columns(rows, 7), newest)
    return [row["n"] for row in accepted if not _same(batch, row)]


def _same(batch: Assembled, row: Any) -> bool:
    if row["ts"] != batch.repeated_samples[row["n"]].record.ts:
        return False
    said = batch.repeated_columns[row["n"]]
    return all(np.array_equal(said[name], said[name].dtype.type(row[name]), equal_nan=True) for name in _NAMES)


def _key(item: Repeat) -> tuple[int, int, int, int]:
    return (item.device.id, item.record.boot, item.incarnation, item.record.seq)
