"""The api as a child process on a port of its own, that a test may stop, kill and start again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx

from hoistway.embedded.ports import LOOPBACK, free_port
from tests.support.postgres import as_part

_ROOT = Path(__file__).parents[2]
_PROGRAM = "from api.serve import run; from hoistway.settings import Settings; run(Settings())"
START_S = 30.0


class ApiProcess:
    """One api over one database; it keeps its port through restarts."""

    def __init__(self, database_url: str, **settings: str) -> None:
        self.port = free_port()
        self.base_url = f"http://{LOOPBACK}:{self.port}"
        self._environment = {
            **os.environ,
            "HOISTWAY_DATABASE_URL": as_part(database_url, "api"),
            "HOISTWAY_HTTP_PORT": str(self.port),
            "HOISTWAY_PUBLIC_URL": self.base_url,
            **settings,
        }
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start and wait until it answers."""
        self._child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROGRAM, cwd=_ROOT, env=self._environment, stdout=asyncio.subprocess.DEVNULL
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_S
        async with httpx.AsyncClient() as client:
            while True:
                try:
                    if (await client.get(f"{self.base_url}/health/live")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                assert self._child.returncode is None, "the api ended while it started"
                assert loop.time() < deadline, "the api did not answer in time"
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9: no farewell to anybody."""
        self._signal(signal.SIGKILL)
        assert self._child is not None
        await self._child.wait()
        self._child = None

    async def stop(self) -> None:
        """SIGTERM, as an orderly stop."""
        if self._child is None:
            return
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        await asyncio.wait_for(self._child.wait(), 15)
        self._child = None

    def freeze(self) -> None:
        """The process stands still with its connections open: what a dead network looks like."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        self._child.send_signal(number)
