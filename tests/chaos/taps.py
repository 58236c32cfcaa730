"""The moments of a batch, seen on the wire between ingest and PostgreSQL: nothing in the product is changed to be observed.

A moment that was asked for is held: the message that would end it does not pass until it is let go. Knows as much of the
PostgreSQL protocol as that takes (message frames, `BEGIN`, `COMMIT`, the parameters of a `Bind`).
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import AsyncIterator
from enum import Enum

WRITER = b"application_name\0hoistway-ingest-0\0"
BATCH = b"\0\0\0\5batch"
"""A text parameter with the kind of the stream entry that carries records."""


class Moment(Enum):
    """Where in the life of a batch a fault strikes."""

    BEFORE_COMMIT = "before commit"  # the transaction is open, COMMIT is on its way
    BEFORE_ACK = "between commit and ack"  # committed, and ingest does not know yet
    AFTER_ACK = "after ack"  # a terminal has just read an ack, and more is un-acknowledged


class Wire:
    """What is known of the writing connection, shared by all connections of a link."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.backend = 0  # the process of PostgreSQL that serves the writing connection
        self.in_transaction = False
        self._asked: Moment | None = None
        self._drop = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._go: asyncio.Event | None = None

    def ask(self, moment: Moment) -> None:
        """Hold the next batch at this moment."""
        self.held.clear()
        self._asked = moment

    def let_go(self, *, drop: bool) -> None:
        """Pass on what is held, or (`drop`) let it vanish with its connection, as it does when its sender is dead."""
        self._asked, self._drop = None, drop
        if self._loop is not None and self._go is not None:
            self._loop.call_soon_threadsafe(self._go.set)

    async def at(self, moment: Moment) -> None:
        """The moment has come: wait if it was asked for. Raises `ConnectionAbortedError` when what was held must not pass."""
        if self._asked is not moment:
            return
        self._asked, self._loop, self._go = None, asyncio.get_running_loop(), asyncio.Event()
        self.held.set()
        await self._go.wait()
        if self._drop:
            raise ConnectionAbortedError

    def tap(self) -> PostgresTap:
        """The reader of a new connection."""
        return PostgresTap(self)


class PostgresTap:
    """One connection to PostgreSQL. Only the writing connection of ingest is read; every other one just passes."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._started = self._writer = self._carries = False
        self._from_client, self._from_server = Frames(), Frames()

    async def client(self, data: bytes) -> AsyncIterator[bytes]:
        if not self._started:
            self._started, self._writer = True, WRITER in data
            yield data
            return
        if not self._writer:
            yield data
            return
        for kind, frame in self._from_client.split(data):
            if kind == b"Q" and frame[5:].startswith(b"BEGIN"):
                self._carries, self._wire.in_transaction = False, True
            elif kind == b"B" and BATCH in frame:
                self._carries = True
            elif kind == b"Q" and frame[5:].startswith(b"COMMIT") and self._carries:
                await self._wire.at(Moment.BEFORE_COMMIT)
            yield frame

    async def server(self, data: bytes) -> AsyncIterator[bytes]:
        if not self._writer:
            yield data
            return
        for kind, frame in self._from_server.split(data):
            if kind == b"K":
                self._wire.backend = struct.unpack_from(">I", frame, 5)[0]
            elif kind == b"Z":
                self._wire.in_transaction = frame[5:6] != b"I"
            elif kind == b"C" and frame[5:].startswith(b"COMMIT") and self._carries:
                self._wire.in_transaction = False
                await self._wire.at(Moment.BEFORE_ACK)
            yield frame


class Frames:
    """Bytes to whole messages: one byte of kind, four of length."""

    def __init__(self) -> None:
        self._rest = b""

    def split(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The messages that are complete now; the rest waits."""
        data, found, start = self._rest + data, [], 0
        while len(data) - start >= 5:
            end = start + 1 + int(struct.unpack_from(">I", data, start + 1)[0])
            if end > len(data):
                break
            found.append((data[start : start + 1], data[start:end]))
            start = end
        self._rest = data[start:]
        return found
