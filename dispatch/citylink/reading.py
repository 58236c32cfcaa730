"""What people are shown of the city link: how each link stands, its records, its reconciliations. Rows as the database has them.

`source` is a connection or the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dispatch.citylink.queue import SQL

Rows = Sequence[Any]


async def open_counts(source: Any) -> Rows:
    """Of each link what is not settled well."""
    found: Rows = await source.fetch(SQL["open_counts"])
    return found


async def standing(source: Any, since: datetime) -> Rows:
    """Each link, with what went well since then."""
    found: Rows = await source.fetch(SQL["standing"], since)
    return found


async def records(
    source: Any, *, form: str | None = None, states: Sequence[str] | None = None, before: int | None = None, limit: int
) -> Rows:
    """Records of a form and of states, newest first, below a number."""
    found: Rows = await source.fetch(SQL["records"], form, states, before, limit)
    return found


async def reconciliations(source: Any, *, before: int | None = None, limit: int) -> Rows:
    """Lists that were compared, newest first."""
    found: Rows = await source.fetch(SQL["reconciliations"], before, limit)
    return found


async def is_reconciliation(source: Any, number: int) -> bool:
    """Whether there is one of that number."""
    return bool(await source.fetchval(SQL["is_reconciliation"], number))


async def differences(source: Any, number: int, *, after: int = 0, limit: int) -> Rows:
    """What a reconciliation found, by lift and time, behind a place."""
    found: Rows = await source.fetch(SQL["differences"], number, after, limit)
    return found
