"""Fixtures of the broker tests: a rig for each way to have a broker, started once a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from hoistway.embedded.broker import ExternalBroker
from tests.support.brokers import KINDS, Rig, embedded, need_kind
from tests.support.door import Door, open_door
from tests.support.folders import temporary_home
from tests.support.postgres import PostgresServer


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        yield path


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of embedded broker that is here."""
    need_kind(request.param)
    return str(request.param)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=[*KINDS, *(f"external-{kind}" for kind in KINDS)])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each embedded kind, and each as an external broker by its URL."""
    external, kind = request.param.startswith("external-"), request.param.removeprefix("external-")
    need_kind(kind)
    names = [f"lift-{number:03}" for number in range(60)]
    passwords = {name: f"password-of-{name}" for name in names}
    with temporary_home() as path:
        server = embedded(kind, path)
        await server.set_devices(passwords)
        await server.start()
        broker = ExternalBroker(server.url) if external else server
        if external:
            await broker.start()
        try:
            yield Rig(broker=broker, server=server, passwords=passwords, free=names)
        finally:
            await broker.stop()
            await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def door(postgres_server: PostgresServer) -> AsyncIterator[Door]:
    """The deployed broker with ingest behind it, started once."""
    url = await postgres_server.fresh_database("door")
    async with open_door(url) as found:
        yield found
    await postgres_server.drop_database(url)
