"""What the store needs from time to time: partitions for the hours to come, and a quarantine that does not grow for ever.

What can wait, waits while the database is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import structlog

from hoistway import limits
from hoistway.store import AWAY, Database
from ingest import metrics
from ingest.transaction import SQL
from ingest.writer import may_pass

log: Final = structlog.get_logger("ingest")

NOW_TRIES: Final = 20
TRY_S: Final = 0.05
FINDABLE_S: Final = 10.0
TRIM_S: Final = 3_600.0
TRIM_ON_S: Final = 2.0
"""With more to go."""


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


async def wake_consoles(database: Database) -> None:
    """Wake the consoles; a lost hint costs them one poll interval."""
    try:
        await database.execute("select pg_notify('hoistway_change', '')")
    except Exception as error:  # noqa: BLE001  # a hint may fail in every way that a database can
        log.debug("hint not sent", error=str(error))


async def make_partitions(database: Database, now: datetime, *, at_start: bool = False) -> None:
    """The partitions of `sample` for the next hours; at a start for this one too. A reader is not waited for: another time will do."""
    for row in await database.fetch(SQL["missing_hours"], now, limits.HOURS_AHEAD, at_start):
        for _ in range(NOW_TRIES if at_start else 1):
            try:
                await _make_partition(database, row["hour"])
                break
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(TRY_S)


async def make_findable(database: Database) -> None:
    """Every `FINDABLE_S`: readers find the newest rows of the log without reading the others, whether or not anybody moves them."""
    with passed_over_while_away():
        await database.execute(SQL["summarize"])


async def trim_quarantine(database: Database) -> tuple[int, bool]:
    """Delete some of the oldest rows beyond the limits; answers how many messages they were, and whether more is to go."""
    most = limits.QUARANTINE_TRIM_ROWS
    given = (limits.QUARANTINE_ROWS, limits.QUARANTINE_DEVICE_ROWS, most)
    rows = await waiting(database, SQL["trim_quarantine"], *given)
    return (rows[0]["messages"], rows[0]["rows"] == most) if rows else (0, False)


class QuarantineTrim:
    """Trims the quarantine from time to time, beside the loop: no alarm waits for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.due_s = 0.0
        self.task: asyncio.Task[None] | None = None

    def go_on(self, now_s: float) -> None:
        """Begin when it is time and the turn before is over. `now_s`: monotonic."""
        if now_s >= self.due_s and (self.task is None or self.task.done()):
            self.due_s = now_s + TRIM_S
            self.task = asyncio.create_task(self._trim(now_s))

    async def _trim(self, now_s: float) -> None:
        try:
            messages, more = await trim_quarantine(self._database)
        except Exception:
            log.exception("the quarantine is not trimmed; trying again in an hour")
            return
        if more:
            self.due_s = now_s + TRIM_ON_S
        metrics.QUARANTINE_TRIMMED.inc(messages)


async def _make_partition(database: Database, hour: datetime) -> None:
    bounds = f"from ('{hour.isoformat()}') to ('{(hour + timedelta(hours=1)).isoformat()}')"
    try:
        async with database.acquire() as connection, connection.transaction():
            await connection.execute(SQL["alone"])
            await connection.execute(
                f"create table if not exists sample_{hour:%Y%m%d%H} partition of sample for values {bounds}"
                " with (autovacuum_enabled = false)"  # it is emptied whole
            )
    except asyncpg.CheckViolationError:
        # the clock leapt over the hour before it was prepared: its rows are in the default partition, and stay there
        log.warning("rows of that hour are in the default partition already", hour=str(hour))
