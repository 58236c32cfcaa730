"""Keeps the parts running: a part that ends is started again, sooner after a long life than after a short one.

Knows parts as things that start, end and stop; not what they do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

log: Final = structlog.get_logger("up")

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
LONG_LIFE_S: Final = 30.0


class Part(Protocol):
    """One child, or a small family of them."""

    async def wait(self) -> int:
        """Until it ends; the exit status."""

    async def stop(self) -> None:
        """End it."""


class Keeper:
    """Watches one part. `start` brings it (back) up and answers it."""

    def __init__(self, name: str, start: Callable[[], Awaitable[Part]]) -> None:
        self.name, self._start = name, start
        self.part: Part | None = None
        self.restarts = 0
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def up(self) -> None:
        """Start for the first time (errors reach the caller), then watch."""
        self.part = await self._start()
        self._task = asyncio.create_task(self._watch(), name=f"keeper-{self.name}")

    async def down(self) -> None:
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
        if self.part is not None:
            await self.part.stop()

    async def _watch(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping:
            began = time.monotonic()
            status = await self.part.wait() if self.part is not None else -1
            lived_s = time.monotonic() - began
            pause_s = FIRST_PAUSE_S if lived_s > LONG_LIFE_S else min(pause_s * 2, LONGEST_PAUSE_S)
            log.warning("a part ended; starting it again", part=self.name, status=status, lived_s=round(lived_s, 1))
            await asyncio.sleep(pause_s)
            await self._again()

    async def _again(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping:
            try:
                self.part = await self._start()
            except Exception as error:  # noqa: BLE001  # whatever keeps a part from starting, it is tried again
                log.error("cannot start a part; trying again", part=self.name, error=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                self.restarts += 1
                return
