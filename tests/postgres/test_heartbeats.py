"""Heartbeats in the store: written beside the work, read as ages by the database's clock; a stage behind a lock grows old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from dispatch.service import do_duty
from hoistway.heartbeat import Heartbeats, read_beats
from hoistway.stages import Cadence, late
from hoistway.store import Database, connect_url
from tests.support.desk import Desk
from tests.support.feed import event
from tests.support.web import until

WAITING = "select count(*) from pg_locks where not granted and relation = $1::regclass"


@asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[None]:
    """A table that somebody else holds."""
    holder = await connect_url(url, name="holder", command_timeout_s=60)
    try:
        async with holder.transaction():
            await holder.execute(f"lock table {table} in access exclusive mode")
            yield
    finally:
        await holder.close()


def waits_for(database: Database, table: str) -> Any:
    async def somebody() -> bool:
        return bool(await database.fetchval(WAITING, table))

    return until(somebody, f"somebody waits for {table}")


async def test_written_rows_are_read_as_ages(database: Database) -> None:
    """A second writing replaces the first; age and lag are what the process said, by the database's clock."""
    beats = Heartbeats("dispatch")
    async with database.acquire() as connection:
        await beats.write(connection)
        beats.beat("timers", 42.0)
        beats._beaten["round"] -= 90
        await beats.write(connection)
        rows = {row.stage: row for row in await read_beats(connection) if row.part == "dispatch"}
    assert set(rows) == {"timers", "round", "city-link", "outbox"}
    assert rows["timers"].lag_s == 42
    assert rows["timers"].age_s < 60
    assert 89 < rows["round"].age_s < 150
    assert all(row.written_s < 60 for row in rows.values())
    assert [item.stage for item in late(rows.values(), 60) if "/" in item.stage] == ["dispatch/round"]


async def test_the_writer_goes_on_after_a_lost_connection(database_url: str, database: Database) -> None:
    """Its connection is ended by the server: it writes again on another one."""
    beats = Heartbeats("backtests")
    task = asyncio.create_task(beats.run(database_url, Cadence(every_s=0.5)))
    written = "select written_at from heartbeat where part = 'backtests'"

    async def is_written() -> bool:
        return await database.fetchval(written) is not None

    try:
        await until(is_written, "a first row")
        first = await database.fetchval(written)
        assert await database.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1",
            "hoistway backtests heart",
        )

        async def is_newer() -> bool:
            return bool(await database.fetchval(written) > first)

        await until(is_newer, "a newer row")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_commit_behind_a_lock_is_the_stage_that_ages(database_url: str, database: Database) -> None:
    """Somebody holds a table that every batch writes: the commit is under way and grows old, the engine's tick is not late for it."""
    desk = await Desk.open(database_url, database)
    await desk.lift("locked-1")
    beats = desk.ingest._beats
    async with locked(database_url, "event"):
        saying = asyncio.create_task(desk.say("locked-1", "event", event(1, desk.now, "90")))
        await waits_for(database, "event")
        assert beats.age_s("commit") > 0
        beats._begun["commit"] -= 90  # as if it had lasted
        async with database.acquire() as connection:
            await beats.write(connection)
            rows = [row for row in await read_beats(connection) if row.part == "ingest"]
        assert next(item.stage for item in late(rows, 60)) == "ingest/commit"
    await saying
    assert beats.age_s("commit") == 0
    await desk.close()


async def test_timers_behind_a_lock_do_not_beat(database_url: str, database: Database) -> None:
    """The loop goes round, its queries fail: that is no sign of life."""
    beats, stop = Heartbeats("dispatch"), asyncio.Event()
    beats._beaten["timers"] -= 1_000
    async with locked(database_url, "timer"):
        firing = asyncio.create_task(do_duty(database, stop, clock=lambda: datetime.now(UTC), beats=beats))
        await waits_for(database, "timer")
        assert beats.age_s("timers") >= 1_000

    async def beaten() -> bool:
        return beats.age_s("timers") < 1_000

    await until(beaten, "a beat after the lock")
    stop.set()
    await firing
