"""What the store needs from time to time: partitions for the days to come, and a quarantine that does not grow for ever.

What can wait, waits while the database is away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Final

import asyncpg
import structlog

from hoistway import limits
from hoistway.store import AWAY, Database
from ingest.transaction import SQL
from ingest.writer import may_pass

log: Final = structlog.get_logger("ingest")

DAYS_AHEAD: Final = 3


@contextmanager
def passed_over_while_away() -> Iterator[None]:
    """Work that comes round again anyway: a database that is away stops it, not the process."""
    try:
        yield
    except AWAY as error:
        if not may_pass(error):
            raise
        log.warning("the database is away; looking again later", error=str(error)[:200])


async def waiting(database: Database, query: str, *values: object) -> list[Any]:
    """Rows of work that can wait; none while the database is away."""
    found: list[Any] = []
    with passed_over_while_away():
        found += await database.fetch(query, *values)
    return found


async def make_partitions(database: Database, today: date) -> None:
    """The partitions of `sample` for today and the next days."""
    for ahead in range(DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        name = f"sample_{day:%Y%m%d}"
        if not await database.fetchval(SQL["day_partition"], name):
            await _make_partition(database, name, day)


async def trim_quarantine(database: Database) -> tuple[int, bool]:
    """Delete some of the oldest rows beyond the limits; answers how many messages they were, and whether more is to go."""
    most = limits.QUARANTINE_TRIM_ROWS
    given = (limits.QUARANTINE_ROWS, limits.QUARANTINE_DEVICE_ROWS, most)
    rows = await waiting(database, SQL["trim_quarantine"], *given)
    return (rows[0]["messages"], rows[0]["rows"] == most) if rows else (0, False)


async def _make_partition(database: Database, name: str, day: date) -> None:
    bounds = f"from ('{day}') to ('{day + timedelta(days=1)}')"
    try:
        await database.execute(f"create table if not exists {name} partition of sample for values {bounds}")
    except asyncpg.CheckViolationError:
        # the clock leapt over the day before it was prepared: its rows are in the default partition, and stay there
        log.warning("rows of that day are in the default partition already", day=str(day))
