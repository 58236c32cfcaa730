"""One process a duty: a row with an epoch that expires by the database's clock.

Whoever takes the duty raises the epoch, and every transaction checks it first. So a process that was stopped and woke up after
another took over can no longer write. A process that was killed is replaced when its time is over.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Final

from hoistway.errors import Fenced
from hoistway.store import Database, queries

SQL: Final = queries("dispatch", "sql/duty.sql")
DISPATCH: Final = "dispatch"
TERM_S: Final = 3.0
"""How long a duty lasts without a word. A killed process is replaced within this time and a round."""


class Duty:
    """One process's hold of a duty."""

    def __init__(self, database: Database, name: str = DISPATCH, *, term_s: float = TERM_S) -> None:
        self._database, self.name, self._term_s = database, name, term_s
        self.epoch = 0
        self._holder = f"{socket.gethostname()}:{os.getpid()}"

    async def take(self) -> bool:
        """Try to take it; False while another process holds it."""
        epoch = await self._database.fetchval(SQL["take"], self.name, self._holder, self._term_s)
        self.epoch = epoch or 0
        return epoch is not None

    async def renew(self) -> None:
        """Say that this process is alive. Raises `Fenced` when another one took over."""
        if await self._database.fetchval(SQL["renew"], self.name, self.epoch, self._term_s) is None:
            raise Fenced(f"the duty {self.name!r} went to another process")

    async def hold(self, connection: Any) -> None:
        """First statement of a transaction. Raises `Fenced` when another process took over."""
        if await connection.fetchval(SQL["hold"], self.name, self.epoch) is None:
            raise Fenced(f"the duty {self.name!r} went to another process")

    async def give_up(self) -> None:
        """A clean end: the next process need not wait."""
        await self._database.execute(SQL["give_up"], self.name, self.epoch)
