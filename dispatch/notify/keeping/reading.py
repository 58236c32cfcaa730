"""What people ask of notifications: the outbox, endpoints, reach, drills. `firm`: whose (0: everybody's). `source` is a connection or the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from hoistway.store import queries

SQL: Final = queries("dispatch.notify.keeping", "sql/keeping.sql")
EVERY_FIRM: Final = 0

Rows = Sequence[Any]


async def notification_ids(
    source: Any, firm: int | None, *, state: str | None, case_id: int | None, before: int | None, limit: int
) -> list[int]:
    """One page, newest first; state `dead` also finds what one of several ways failed of."""
    return [row["id"] for row in await source.fetch(SQL["notification_ids"], firm, state, case_id, before, limit)]


async def notifications(source: Any, firm: int | None, ids: Sequence[int]) -> Rows:
    """With the ways of each."""
    found: Rows = await source.fetch(SQL["notifications"], firm, list(ids))
    return found


async def with_dead_letters(source: Any, *, channel: str | None, limit: int) -> list[int]:
    """Notifications with dead letters, the oldest first."""
    return [row["id"] for row in await source.fetch(SQL["dead_ids"], channel, limit)]


async def delivery_of_key(source: Any, key: str) -> int | None:
    """The message that carried `key`."""
    found: int | None = await source.fetchval(SQL["delivery_by_key"], key)
    return found


async def endpoints(source: Any, firm: int | None, now: datetime, *, only: int | None = None) -> Rows:
    """Webhook endpoints, without what signs."""
    found: Rows = await source.fetch(SQL["endpoints"], firm, only, now)
    return found


async def endpoint_named(source: Any, name: str) -> int | None:
    found: int | None = await source.fetchval(SQL["endpoint_named"], name)
    return found


async def reach(source: Any, *, unreachable: bool) -> Rows:
    """Everybody that was ever told, by channel; or whom the last try, or the last drill, did not reach."""
    found: Rows = await source.fetch(SQL["reach"], unreachable)
    return found


async def drills(source: Any, *, only: int | None = None) -> Rows:
    """The newest first."""
    found: Rows = await source.fetch(SQL["drills"], only)
    return found


async def drill_contacts(source: Any, drill_id: int) -> Rows:
    """Who was asked; who has not confirmed first."""
    found: Rows = await source.fetch(SQL["drill_contacts"], drill_id)
    return found
