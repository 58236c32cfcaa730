"""Runs the api in this process until SIGTERM or Ctrl-C. Open streams are ended first, so that stopping is quick."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Final

import uvicorn

from api.app import create_app
from hoistway.settings import Settings

_STUCK_READER_MS: Final = 30_000


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, close: Callable[[], None]) -> None:
        super().__init__(config)
        self._close = close

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """The listening socket. A peer that takes nothing for 30 s is cut off by the kernel (Linux)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=1024)
    if sys.platform == "linux":
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK_READER_MS)
    return listening


def server(settings: Settings) -> uvicorn.Server:
    """The server, not yet started: `await it.serve(sockets=[listen(...)])`; `should_exit` stops it."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        lifespan="on",
        ws="none",
    )
    return _Server(config, app.state.hub.close)


async def serve(settings: Settings) -> None:
    """Serve until told to stop; raises `OSError` when the port is in use."""
    with listen(settings.http_host, settings.http_port) as listening:
        await server(settings).serve(sockets=[listening])


def run(settings: Settings) -> None:
    """`serve` on its own event loop: uvloop where there is one."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
