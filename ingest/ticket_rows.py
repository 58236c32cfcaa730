"""Tickets that alarms open, join or reopen. Runs inside the batch's transaction; what becomes of a fault is `dispatch.tickets`'."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from dispatch.tickets.opening import take_contradicted, take_faults
from dispatch.tickets.outcome import Fault
from hoistway.model import Opens, Severity
from ingest.changes import Change

Key = tuple[int, str]


async def open_tickets(
    connection: Any,
    rows: Sequence[Any],
    by_key: Mapping[Key, Change],
    at: datetime,
    *,
    raised: bool = True,
    over: Collection[int] = (),
) -> None:
    """Tickets of the alarms in `rows` that open one. `raised` False: they go on, more severe; `over`: alarms that hold no more."""
    faults = [
        _fault(row, by_key[row["lift_id"], row["rule_id"]], raised=raised, active=row["id"] not in over)
        for row in rows
        if row["opens"] == Opens.TICKET
    ]
    if faults:
        await take_faults(connection, faults, at)


def _fault(row: Any, change: Change, *, raised: bool, active: bool) -> Fault:
    return Fault(
        alarm_id=row["id"],
        lift_id=row["lift_id"],
        rule_id=row["rule_id"],
        rule_version=change.rule_version,
        severity=Severity(change.severity),
        at_ms=change.at_ms,
        exercise=row["exercise"],
        active=active,
        raised=raised,
    )


async def note_contradicted(connection: Any, rows: Sequence[Any], at: datetime) -> None:
    """Late data says that these alarms had not been: said on their tickets, which go on."""
    alarms = [row["id"] for row in rows if row["opens"] == Opens.TICKET]
    if alarms:
        await take_contradicted(connection, alarms, at)


__all__ = ["note_contradicted", "open_tickets"]
