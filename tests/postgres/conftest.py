"""What tests of ingest against PostgreSQL ask for: the file's database as a pool, and an ingest driven by hand on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from hoistway.store import Database
from tests.support import rows
from tests.support.desk import Desk
from tests.support.night import Night
from tests.support.web import Api, api


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of the file's own database."""
    pool = Database(database_url, name="test", most=4)
    await pool.open()
    yield pool
    await pool.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(database_url: str, database: Database) -> AsyncIterator[Desk]:
    """A fresh ingest on what the tests before it left in the database."""
    found = await Desk.open(database_url, database)
    yield found
    await found.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dispatch_api(database_url: str) -> AsyncIterator[Api]:
    """The api on a store that knows the rule of entrapments."""
    async with api(database_url) as running:
        await rows.rule(running.db, "entrapment-between-floors")
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def night(dispatch_api: Api) -> Night:
    """A night shift of its own, with teams and stations."""
    return await Night.begin(dispatch_api)
