"""The first pieces of an answer that never ends, asked of the application itself, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any


async def first_frames(
    app: Any, where: str, headers: Mapping[str, str], *, frames: int, at_most_s: float = 5.0
) -> tuple[int, str]:
    """Status and text of `where` after so many pieces, or after `at_most_s` without more; then the reader goes."""
    path, _, query = where.partition("?")
    enough = asyncio.Event()
    status, pieces, asked = 0, [""], False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            pieces[0] = str(message["headers"])
        elif message.get("body"):
            pieces.append(message["body"].decode())
            if len(pieces) > frames:  # the first are the headers
                enough.set()

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "root_path": "", "scheme": "http", "server": ("test", 80), "client": ("192.0.2.1", 50_000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    task = asyncio.create_task(app(scope, receive, send))
    done, _ = await asyncio.wait({task}, timeout=at_most_s)
    if not done:
        enough.set()
    await task
    return status, "\n".join(pieces)
