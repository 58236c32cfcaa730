"""Maintenance orders: a planned visit or inspection of one lift, from and to. While it lasts, faults of the lift open no ticket.

Rescues and alarm calls are not touched: they never come near this. Each function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from dispatch.tickets.book import NoTicket
from dispatch.tickets.outcome import Person
from hoistway.errors import BadInput, Conflict, IllegalMove
from hoistway.limits import COMMENT_CHARS, MAINTENANCE_AHEAD_DAYS, MAINTENANCE_DAYS, MAINTENANCE_FIRM_HOURS
from hoistway.model import Role
from hoistway.store import queries

SQL: Final = queries("dispatch.tickets", "sql/maintenance.sql")
_CLOCKS_APART: Final = timedelta(minutes=5)
"""An order may begin so far in the past: whoever makes it has another clock. It never reaches back to hide a fault."""

Document = dict[str, Any]


class OrderKind(StrEnum):
    VISIT = "visit"  # planned by the firm
    INSPECTION = "inspection"  # by the inspection body


async def make_order(
    connection: Any,
    lift_id: int,
    kind: OrderKind,
    since: datetime,
    until: datetime,
    note: str,
    *,
    person: Person,
    now: datetime,
) -> int:
    """Plan work on a lift; answers the id. A firm plans for its own lifts and at most a day, the desk for all and longer.

    Raises `NoTicket` for a lift out of scope, `BadInput` for times that cannot be, `IllegalMove` beside another order.
    """
    lift = await connection.fetchrow(SQL["lift"], person.scope, lift_id)
    if lift is None:
        raise NoTicket(f"lift {lift_id}")
    _check_times(since, until, now, firm=person.role is Role.MAINTAINER)
    if len(note) > COMMENT_CHARS:
        raise BadInput(f"{len(note)} characters", where="note", expected=f"{COMMENT_CHARS} at most")
    other = await connection.fetchval(SQL["overlapping"], lift_id, since, until)
    if other is not None:
        raise IllegalMove(
            machine=f"maintenance, with order {other} in that time,", state="planned", move="make", allowed=()
        )
    order_id: int = await connection.fetchval(
        SQL["make"], kind, lift_id, since, until, note, person.name, person.role, now, lift["exercise"]
    )
    return order_id


def _check_times(since: datetime, until: datetime, now: datetime, *, firm: bool) -> None:
    most = timedelta(hours=MAINTENANCE_FIRM_HOURS) if firm else timedelta(days=MAINTENANCE_DAYS)
    if since < now - _CLOCKS_APART:
        raise BadInput("in the past", where="since", expected="now or later")
    if since > now + timedelta(days=MAINTENANCE_AHEAD_DAYS):
        raise BadInput("too far ahead", where="since", expected=f"{MAINTENANCE_AHEAD_DAYS} days ahead at most")
    if until <= max(since, now):
        raise BadInput("not after its beginning", where="until", expected="a time after since and after now")
    if until - since > most:
        hours = most // timedelta(hours=1)
        raise BadInput(
            f"{(until - since) // timedelta(hours=1)} hours", where="until", expected=f"{hours} hours at most"
        )


async def end_order(
    connection: Any, order_id: int, *, reason: str | None, person: Person, version: int, now: datetime
) -> None:
    """End an order before its time, or give up one that has not begun. What still holds gets its ticket in the next round."""
    row = await connection.fetchrow(SQL["lock"], person.scope, order_id)
    if row is None:
        raise NoTicket(f"maintenance order {order_id}")
    if row["version"] != version:
        raise Conflict(f"maintenance order {order_id}", current=row["version"])
    if row["ended_at"] is not None or row["until"] <= now:
        raise IllegalMove(machine="maintenance order", state="over", move="end", allowed=())
    await connection.execute(SQL["end"], order_id, now, person.name, (reason or "").strip() or None)


async def orders_of(
    source: Any,
    scope: int | None,
    *,
    now: datetime,
    current: bool | None = None,
    lift_id: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[Document]:
    """Maintenance orders in scope, newest first. `current`: running or still to come."""
    rows = await source.fetch(SQL["ids"], scope, current, lift_id, after, now, limit)
    found = await source.fetch(SQL["documents"], scope, [row["id"] for row in rows])
    return [_document(row, now) for row in found]


async def read_order(source: Any, scope: int | None, order_id: int, *, now: datetime) -> Document | None:
    """One maintenance order with what it holds back; None where there is none in scope."""
    rows = await source.fetch(SQL["documents"], scope, [order_id])
    return _document(rows[0], now) if rows else None


def _document(row: Mapping[str, Any], now: datetime) -> Document:
    end = row["until"] if row["ended_at"] is None else min(row["ended_at"], row["until"])
    state = "over" if end <= now else "running" if row["since"] <= now else "planned"
    lift = ("name", "rescue_code", "estate", "building", "address", "district")
    plain = ("id", "kind", "lift_id", "note", "person", "role", "ended_by", "end_reason", "exercise", "version")
    times = ("since", "until", "made_at", "ended_at", "settled_at")
    return {
        **{name: row[name] for name in (*plain, *times)},
        "state": state,
        "lift": {**{name: row[name] for name in lift}, "kind": row["lift_kind"]},
        "firm": None if row["firm_id"] is None else {"id": row["firm_id"], "name": row["firm_name"]},
        "shielded": row["faults"],
        "shielded_count": row["count"],
    }
