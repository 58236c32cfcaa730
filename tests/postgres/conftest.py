"""What tests of ingest against PostgreSQL ask for: the file's database as a pool, and an ingest driven by hand on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from hoistway.store import Database
from tests.support.desk import Desk


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
