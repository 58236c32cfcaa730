"""Connections and pools. Every session is UTC, commits synchronously and gives up on statements that take too long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import msgspec

from hoistway.errors import ServiceUnavailable
from hoistway.store.scope import ScopedConnection

_SERVER_SETTINGS: Final[Mapping[str, str]] = {
    "timezone": "UTC",
    "synchronous_commit": "on",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
}

AWAY: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke in the middle of an answer or of COPY
    OSError,
    TimeoutError,
    ServiceUnavailable,
)
"""What a database that is away may raise; the first of them also stands for all that a server refuses."""

_json_encoder: Final = msgspec.json.Encoder()
_json_decoder: Final = msgspec.json.Decoder()


async def _prepare(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: _json_encoder.encode(value).decode(),
            decoder=_json_decoder.decode,
        )


async def connect_url(url: str, *, name: str, patience_s: float = 0.0, command_timeout_s: float = 10.0) -> Any:
    """One connection named `name` in pg_stat_activity. Tries again for `patience_s`, then raises `ServiceUnavailable`."""
    until = time.monotonic() + patience_s
    while True:
        try:
            connection = await asyncpg.connect(
                url,
                command_timeout=command_timeout_s,
                timeout=5,
                server_settings={**_SERVER_SETTINGS, "application_name": name},
            )
            await _prepare(connection)
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            if time.monotonic() >= until:
                raise ServiceUnavailable(
                    f"the database does not answer: {str(error) or type(error).__name__}"
                ) from error
            await asyncio.sleep(0.1)
        else:
            return connection


class Database:
    """A pool of connections to one PostgreSQL."""

    def __init__(
        self, url: str, *, name: str, most: int = 8, command_timeout_s: float = 10.0, scoped: bool = False
    ) -> None:
        """`scoped`: every transaction says whose rows it may see (`hoistway.store.scope`)."""
        self._class: Any = ScopedConnection if scoped else asyncpg.Connection
        self._url, self._name, self._most = url, name, most
        self._command_timeout_s = command_timeout_s
        self._pool: Any = None

    async def open(self, *, patience_s: float = 30.0) -> None:
        """Open the pool; waits up to `patience_s` for the server, then raises `ServiceUnavailable`."""
        first = await connect_url(self._url, name=self._name, patience_s=patience_s)
        await first.close()
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=self._most,
            command_timeout=self._command_timeout_s,
            init=_prepare,
            connection_class=self._class,
            server_settings={**_SERVER_SETTINGS, "application_name": self._name},
        )

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    def acquire(self) -> Any:
        """`async with database.acquire() as connection:`"""
        return self._pool.acquire(timeout=10)

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._pool.fetch(query, *values)
        return rows

    async def fetchrow(self, query: str, *values: object) -> asyncpg.Record | None:
        row: asyncpg.Record | None = await self._pool.fetchrow(query, *values)
        return row

    async def fetchval(self, query: str, *values: object) -> Any:
        return await self._pool.fetchval(query, *values)

    async def execute(self, query: str, *values: object) -> str:
        status: str = await self._pool.execute(query, *values)
        return status
