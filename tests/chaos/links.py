"""A TCP link of ours between ingest and a server: it can be cut, stalled and delayed, and read as it passes.

Knows bytes and connections; what the bytes mean is the tap's business (`taps`). Runs in a thread of its own; every method
may be called from any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

CHUNK = 65_536


class Tap(Protocol):
    """Reads one connection. Each side answers the pieces to pass on, and may take its time over any of them."""

    def client(self, data: bytes) -> AsyncIterator[bytes]:
        """What the client sent."""

    def server(self, data: bytes) -> AsyncIterator[bytes]:
        """What the server sent."""


class Plain:
    """The tap that reads nothing."""

    async def client(self, data: bytes) -> AsyncIterator[bytes]:
        yield data

    async def server(self, data: bytes) -> AsyncIterator[bytes]:
        yield data


class Link:
    """Listens on a port of its own and passes on to wherever the server is at that moment."""

    def __init__(self, upstream: Callable[[], int], tap: Callable[[], Tap] = Plain) -> None:
        self._upstream, self._tap = upstream, tap
        self.port = 0
        self.passed = 0  # bytes, both ways
        self._whole = True
        self._delay_s = 0.0
        self._writers: set[asyncio.StreamWriter] = set()

    # --- from any thread ---

    def cut(self) -> None:
        """Every connection breaks, and no new one comes about."""
        self._whole = False
        self._soon(self._break)

    def heal(self) -> None:
        """Whole, flowing and without delay."""
        self._whole, self._delay_s = True, 0.0
        self._soon(self._flowing.set)

    def stall(self) -> None:
        """Connections stand and nothing passes: the half-open link of a silent network."""
        self._soon(self._flowing.clear)

    def delay(self, seconds: float) -> None:
        """Every piece takes this much longer."""
        self._delay_s = seconds

    # --- the thread ---

    @contextmanager
    def running(self) -> Iterator[Link]:
        """Serve until the block ends."""
        ready, self._end = threading.Event(), asyncio.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        thread.start()
        assert ready.wait(10), "the link does not listen"
        try:
            yield self
        finally:
            self._soon(self._end.set)
            thread.join(10)

    def _soon(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._flowing = asyncio.get_running_loop(), asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()
        self._break()
        await asyncio.sleep(0.05)

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._upstream())
        except (OSError, ValueError, KeyError):
            writer.transport.abort()
            return
        ends = {writer, upstream[1]}
        self._writers |= ends
        tap = self._tap()
        pumps = [self._pump(reader, upstream[1], tap.client), self._pump(upstream[0], writer, tap.server)]
        try:
            await self._first(pumps)
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _first(self, pumps: list[Coroutine[Any, Any, None]]) -> None:
        """Until one direction has ended; the other ends with it."""
        tasks = [asyncio.create_task(pump) for pump in pumps]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        read: Callable[[bytes], AsyncIterator[bytes]],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                async for piece in read(data):
                    await self._flowing.wait()
                    if self._delay_s:
                        await asyncio.sleep(self._delay_s)
                    writer.write(piece)
                    await writer.drain()
                    self.passed += len(piece)
