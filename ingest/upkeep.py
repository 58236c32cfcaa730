"""What the store needs from time to time: partitions for the days to come, and a quarantine that does not grow for ever."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import asyncpg
import structlog

from hoistway import limits
from hoistway.store import Database
from ingest.transaction import SQL

log: Final = structlog.get_logger("ingest")

DAYS_AHEAD: Final = 3


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
    query = SQL["trim_quarantine"]
    gone = (await database.fetch(query, limits.QUARANTINE_ROWS, limits.QUARANTINE_DEVICE_ROWS, most))[0]
    return gone["messages"], gone["rows"] == most


async def _make_partition(database: Database, name: str, day: date) -> None:
    bounds = f"from ('{day}') to ('{day + timedelta(days=1)}')"
    try:
        await database.execute(f"create table if not exists {name} partition of sample for values {bounds}")
    except asyncpg.CheckViolationError:
        # the clock leapt over the day before it was prepared: its rows are in the default partition, and stay there
        log.warning("rows of that day are in the default partition already", day=str(day))
