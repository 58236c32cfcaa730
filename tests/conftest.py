"""Fixtures every test folder may ask for: one PostgreSQL a session, a fresh migrated database a test file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from tests.support.folders import temporary_home
from tests.support.postgres import PostgresServer

ORDER = ("chaos", "pure", "stories", "postgres", "fuzz", "house", "broker", "browser")
"""The folders in the order in which they run, two files at a time: the longest begins first, with what needs one core alone beside it,
and what a person would watch comes last, when nothing else is under way."""

settings.register_profile("untimed", parent=settings(), deadline=None)  # machines are shared: no example is late
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder; within one everything stays as it is."""
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return ORDER.index(folder) if folder in ORDER else len(ORDER)

    items.sort(key=turn)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """The session's own PostgreSQL, in a temporary folder."""
    with temporary_home() as home:
        server = PostgresServer(home)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database_url(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A fresh database with every migration applied, one for each test file."""
    url = await postgres_server.fresh_database(request.module.__name__.rpartition(".")[2][:40])
    yield url
    await postgres_server.drop_database(url)
