"""What is too old is let go: chunks a month at a time, the log's other tables in portions. Counted by what it was.

Evidence of what is still open is kept however old it is, and nothing goes that a recovery would read.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from hoistway.limits import RETENTION_ROWS
from hoistway.store import queries
from ingest.compactor.moving import SQL as MOVING
from ingest.compactor.sweeping import BUSY, of_table

SQL: Final = queries("ingest.compactor", "sql/retention.sql")
log: Final = structlog.get_logger("compactor")

Gone = dict[str, int]
"""What was let go, by kind."""


class Retention:
    """How long what is kept, in days. `samples` at most as long as `log`, because they are read by its batches."""

    def __init__(self, *, samples_days: int, log_days: int) -> None:
        self._samples = timedelta(days=samples_days)
        self._log = timedelta(days=max(samples_days, log_days))

    async def step(self, connection: Any, now: datetime) -> Gone:
        """One portion of everything that is too old; empty when there is nothing left to do."""
        kept = await connection.fetch(SQL["kept_lifts"])
        lifts, since = [row["lift_id"] for row in kept], [row["since"] for row in kept]
        gone = await self._chunks(connection, now - self._samples, lifts, since)
        old = now - self._log
        for row in await connection.fetch(SQL["log_end"], old):
            place = (row["partition"], row["batch_no"])
            for kind, query, values in (
                ("events", "drop_events", (lifts, since)),
                ("contacts", "drop_contacts", ()),
                ("gaps", "drop_gaps", ()),
                ("batches", "drop_batches", (since,)),
            ):
                gone[kind] = gone.get(kind, 0) + await connection.fetchval(SQL[query], *place, *values, RETENTION_ROWS)
        gone["shadows"] = await connection.fetchval(SQL["drop_shadows"], old, RETENTION_ROWS)
        return {kind: count for kind, count in gone.items() if count}

    async def _chunks(self, connection: Any, old: datetime, lifts: list[int], since: list[datetime]) -> Gone:
        samples = await connection.fetchval(SQL["drop_kept_chunks"], lifts, since, RETENTION_ROWS)
        for leaf in await connection.fetch(MOVING["leaves"], "sample_chunk"):
            if leaf["ends"] is not None and leaf["ends"] <= old:
                try:
                    samples += await _drop_month(connection, leaf["name"], lifts, since)
                except BUSY:
                    log.debug("somebody reads; again later", table=leaf["name"])
                    continue
                await connection.execute(SQL["drop_hours"], leaf["ends"])
        return {"samples": samples}


async def _drop_month(connection: Any, name: str, lifts: list[int], since: list[datetime]) -> int:
    before: int = await connection.fetchval(of_table("month_samples", name))
    async with connection.transaction():
        await connection.execute("lock table only sample_chunk in access exclusive mode nowait")
        await connection.execute(f"alter table sample_chunk detach partition {name}")
        await connection.execute(SQL["keep_chunks"].replace("/* table */", name), lifts, since)
        kept: int = await connection.fetchval(of_table("month_kept", name))
        await connection.execute(f"drop table {name}")
    return before - kept
