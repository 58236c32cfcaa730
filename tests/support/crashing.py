"""A database whose user is killed at a chosen statement: what was not committed is gone, what was is there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from hoistway.errors import ServiceUnavailable
from hoistway.store import Database


class Killed(ServiceUnavailable):
    """The process ended here."""


class Crashing:
    """Stands in for a `Database`. `after`: so many statements and commits of transactions until the kill; None: never."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.after: int | None = None
        self.kills = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)  # who asks may log in: only acts are counted

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[_Connection]:
        async with self._database.acquire() as connection:
            yield _Connection(self, connection)

    def tick(self) -> None:
        if self.after is None:
            return
        if self.after == 0:
            self.after = None
            self.kills += 1
            raise Killed("killed")
        self.after -= 1


class _Connection:
    def __init__(self, owner: Crashing, connection: Any) -> None:
        self._owner, self._connection = owner, connection

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in {"execute", "fetch", "fetchrow", "fetchval"}:
            return found

        async def counted(*values: object) -> Any:
            self._owner.tick()
            return await found(*values)

        return counted

    @contextlib.asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[None]:
        async with self._connection.transaction(**options):
            yield
            self._owner.tick()  # before the commit
        self._owner.tick()  # committed, and nobody knows
