"""A database that goes away while nothing waits for it: the work that can wait is passed over, and the process lives on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from dispatch import service
from hoistway.store import Database
from ingest.upkeep import waiting
from tests.support.brokers import until
from tests.support.desk import Desk
from tests.support.feed import FREED, sample


class Leaving(Database):
    """A pool whose connections break when `error` says so."""

    error: Exception | None = None
    left: int | None = None  # so many reads still go well

    raised = 0

    def _fail(self) -> None:
        if self.error is not None:
            self.raised += 1
            raise type(self.error)(*self.error.args)

    def acquire(self) -> Any:
        self._fail()
        return super().acquire()

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        self._fail()
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise ConnectionRefusedError(111, "Connect call failed")
        return await super().fetch(query, *values)

    async def execute(self, query: str, *values: object) -> str:
        self._fail()
        return await super().execute(query, *values)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def database(database_url: str) -> AsyncIterator[Leaving]:
    pool = Leaving(database_url, name="test", most=4)
    await pool.open()
    yield pool
    await pool.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(database_url: str, database: Leaving) -> AsyncIterator[Desk]:
    database.error = None
    found = await Desk.open(database_url, database)
    yield found
    database.error = None
    await found.close()


async def all_upkeep(desk: Desk) -> None:
    """The five-second and the two-second round, now."""
    desk.ingest._next_refresh_s = 0.0
    await desk.housekeeping()


ERRORS = pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        ConnectionRefusedError(111, "Connect call failed"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)


@ERRORS
async def test_upkeep_outlives_a_database_that_is_away(desk: Desk, database: Leaving, error: Exception) -> None:
    """The round that finds nobody there ends nothing: the next ones accept records, and the register is read when it is back."""
    device = f"away-{type(error).__name__}"
    await desk.lift(device)
    await all_upkeep(desk)
    database.error = error
    await all_upkeep(desk)
    await desk.say(device, "state", sample(1, desk.now, **FREED))
    assert len(desk.source.acknowledged) == 1
    database.error = None
    lift_id = await desk.lift(f"{device}-new")
    await all_upkeep(desk)
    await desk.say(f"{device}-new", "state", sample(1, desk.now, **FREED))
    assert len(await desk.rows("select 1 from sample where lift_id = $1", lift_id)) == 1


@ERRORS
async def test_a_checkpoint_and_a_strange_name_outlive_a_database_that_is_away(
    desk: Desk, database: Leaving, error: Exception
) -> None:
    """No checkpoint was written, so the next one is; the register is read for a name that nobody knows, another time."""
    device = f"away-checkpoint-{type(error).__name__}"
    await desk.lift(device)
    await all_upkeep(desk)
    await desk.say(device, "state", sample(1, desk.now, **FREED))
    query = "select batch_no from checkpoint where partition = 0"
    before = await desk.database.fetchval(query)
    database.error = error
    await desk.checkpoint()
    await desk.say(f"{device}-unheard-of", "state", sample(1, desk.now, **FREED), after_s=2)
    database.error = None
    await desk.checkpoint()
    assert await desk.database.fetchval(query) > (before or 0)


async def test_a_job_waits_while_the_database_is_away(desk: Desk, database: Leaving) -> None:
    """A backfill that is due and a replay that was asked for stay so, whichever of their reads fails."""
    lift_id = await desk.lift("away-jobs")
    await desk.say("away-jobs", "state", b"garbage")
    await desk.database.execute("update quarantine set replay_requested_at = now()")
    await desk.database.execute(
        "insert into backfill (lift_id, first_at, last_at, first_batch, noted_at) select $1, t, t, 1, t from (select timestamptz '2026-01-01') x (t)",
        lift_id,
    )
    for left in range(6):
        database.left = left
        await all_upkeep(desk)
    database.left = None
    await all_upkeep(desk)
    assert await desk.rows("select 1 from backfill where lift_id = $1", lift_id) == []
    assert (
        await desk.rows("select 1 from quarantine where replayed_at is null and replay_requested_at is not null") == []
    )


@pytest.mark.parametrize("left", range(1, 4))
async def test_half_a_register_is_none(desk: Desk, database: Leaving, left: int) -> None:
    """A database that goes away in the middle of reading the register: everybody who was known is known still."""
    device = f"away-half-{left}"
    lift_id = await desk.lift(device)
    await all_upkeep(desk)
    await desk.lift(f"{device}-new")
    database.left = left
    await all_upkeep(desk)
    database.left = None
    await desk.say(device, "state", sample(1, desk.now, **FREED))
    assert len(await desk.rows("select 1 from sample where lift_id = $1", lift_id)) == 1


@ERRORS
async def test_timers_outlive_a_database_that_is_away(
    database: Leaving, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that fires timers meets the error again and again, and still ends well when it is asked to."""
    monkeypatch.setattr(service, "POLL_S", 0.01)
    database.error, database.raised, stop = None, 0, asyncio.Event()
    serving = asyncio.create_task(service.run(database, stop))
    await asyncio.sleep(0)
    database.error = error
    await until(lambda: database.raised >= 3 or serving.done(), "the timers' loop looks again")
    database.error = None
    assert not serving.done()
    stop.set()
    await serving


async def test_a_mistake_of_ours_is_not_passed_over(database: Leaving) -> None:
    """A statement that can never succeed ends the process as before: it is no outage."""
    database.error = None
    with pytest.raises(asyncpg.UndefinedTableError):
        await waiting(database, "select 1 from no_such_table")
