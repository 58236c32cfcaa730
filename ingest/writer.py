"""Gets a transaction committed whatever the database does: again with the same token after an unknown outcome.

Three classes of error: data that the store refuses (the caller finds the message), a database that is away (wait and try
again, nothing is acknowledged meanwhile), and a partition taken over by another process (stop).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Final

import structlog

from hoistway.errors import HoistwayError, WorldFault
from hoistway.store import AWAY, connect_url
from ingest.transaction import SQL, Work, write

log: Final = structlog.get_logger("ingest.writer")

RETRY_S: Final = 0.2
COMMIT_TIMEOUT_S: Final = 15.0
_REFUSED_CLASSES: Final = frozenset({"21", "22", "23", "54"})
"""SQLSTATE classes that mean the data: cardinality, data, integrity, program limits."""
_AWAY_CLASSES: Final = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})
"""SQLSTATE classes that may pass: connection, transaction, rollback, resources, locks, intervention, system, internal."""


def may_pass(error: BaseException) -> bool:
    """Whether what the database answered may be another answer later: it was away, busy or on its way down or up."""
    return (getattr(error, "sqlstate", None) or "08000")[:2] in _AWAY_CLASSES


class DataRefusedError(HoistwayError):
    """The store refused the data of a batch (SQLSTATE class 21, 22, 23 or 54)."""


class Writer:
    """The one writing connection of a partition."""

    def __init__(self, url: str, *, partition: int) -> None:
        self._url, self.partition = url, partition
        self._connection: Any = None
        self.epoch = 0
        self.retries = 0
        self.on_wait: Callable[[], None] = lambda: None

    @property
    def connection(self) -> Any:
        return self._connection

    async def open(self) -> None:
        """Connect and take the partition."""
        await self._connect()
        holder = f"{socket.gethostname()}:{os.getpid()}"
        self.epoch = await self._connection.fetchval(SQL["take_lease"], self.partition, holder)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close(timeout=2)

    async def _connect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = await connect_url(
            self._url, name=f"hoistway-ingest-{self.partition}", patience_s=2.0, command_timeout_s=COMMIT_TIMEOUT_S
        )
        if await self._connection.fetchval("show synchronous_commit") == "off":
            raise WorldFault("synchronous_commit is off: nothing accepted would be safe")

    async def commit(self, work: Work) -> None:
        """Return only when `work` is committed. Raises `DataRefusedError` for its data and `Fenced` for a lost partition."""
        outcome_unknown = False
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    await self._connect()
                if outcome_unknown and await self._connection.fetchval(SQL["is_committed"], work.token) is not None:
                    return
                await write(self._connection, work, partition=self.partition, epoch=self.epoch)
            except AWAY as error:
                state = getattr(error, "sqlstate", None) or "08000"
                if state[:2] in _REFUSED_CLASSES:
                    if outcome_unknown and await self._connection.fetchval(SQL["is_committed"], work.token) is not None:
                        return  # the first try was still on its way and won
                    raise DataRefusedError(f"{type(error).__name__}: {error}") from error
                if not may_pass(error):
                    raise
                outcome_unknown = True
                self.retries += 1
                log.warning("the batch is not confirmed; trying again", batch=work.batch_no, error=str(error)[:200])
                self._drop()
                self.on_wait()
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
