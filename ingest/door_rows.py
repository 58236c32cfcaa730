"""Security events to rows and to notices at the desk; repeated events against what was accepted under their numbers.

Runs inside the batch's transaction, after the batch's own records are written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from hoistway.store import queries
from ingest.alarm_rows import notice_an_hour
from ingest.assembled import Assembled, Repeat, SecurityEvent
from ingest.changes import columns, when
from ingest.decode import clean_text, storable_data
from ingest.repeats import used_again

SQL: Final = queries("ingest", "sql/door.sql")
SECURITY: Final = "door-security"
NOTICED: Final = frozenset({"foreign-lift", "foreign-topic", "revoked-key", "sequence-reused", "clone"})
"""What the desk hears of. The rest has innocent causes as well, and is kept and counted."""
DETAIL_CHARS: Final = 300


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
    """Repeated events that say something else than what was accepted under their number: an accepted record stays as it is."""
    return [
        used_again(batch.repeated_events[index]) for index in await _other_events(connection, batch.repeated_events)
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


def _key(item: Repeat) -> tuple[int, int, int, int]:
    return (item.device.id, item.record.boot, item.incarnation, item.record.seq)
