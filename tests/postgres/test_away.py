"""A database that goes away while nothing waits for it: the work that can wait is passed over, and the process lives on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from hoistway.store import Database
from ingest.upkeep import waiting
from tests.support.desk import Desk
from tests.support.feed import FREED, sample


class Leaving(Database):
    """A pool whose connections break when `error` says so."""

    error: Exception | None = None

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        if self.error is not None:
            raise self.error
        return await super().fetch(query, *values)


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


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        ConnectionRefusedError(111, "Connect call failed"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_upkeep_outlives_a_database_that_is_away(desk: Desk, database: Leaving, error: Exception) -> None:
    """The round that finds nobody there ends nothing: the next ones accept records, and the register is read when it is back."""
    device = f"away-{type(error).__name__}"
    await desk.lift(device)
    await all_upkeep(desk)
    database.error = error
    await all_upkeep(desk)
    await desk.say(device, "state", sample(1, desk.now, **FREED))
    assert len(desk.source.acknowledged) == 1
    lift_id = await desk.lift(f"{device}-new")
    database.error = None
    await all_upkeep(desk)
    await desk.say(f"{device}-new", "state", sample(1, desk.now, **FREED))
    assert len(await desk.rows("select 1 from sample where lift_id = $1", lift_id)) == 1


async def test_a_mistake_of_ours_is_not_passed_over(database: Leaving) -> None:
    """A statement that can never succeed ends the process as before: it is no outage."""
    database.error = None
    with pytest.raises(asyncpg.UndefinedTableError):
        await waiting(database, "select 1 from no_such_table")
