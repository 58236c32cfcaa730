"""Receivers of messages for tests: an HTTP server and a mail server on this machine that remember what came and answer as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """Answers with `answer(request)`: a status, or status and body; 0 hangs up, -1 says nothing until the end."""

    url: str = ""
    answer: Callable[[Request], int | tuple[int, bytes]] = lambda _: 204
    got: list[Request] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            request = Request(path=head[0].split()[1], headers=headers, body=body)
            self.got.append(request)
            answer = self.answer(request)
            status, said = answer if isinstance(answer, tuple) else (answer, b"")
            if status == -1:
                await self.stop.wait()
            elif status:
                extra = "Location: http://127.0.0.1:1/\r\n" if 300 <= status < 400 else ""
                writer.write(f"HTTP/1.1 {status} x\r\n{extra}Content-Length: {len(said)}\r\n\r\n".encode() + said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def keys(self, path: str | None = None) -> list[str]:
        """The ids of webhooks, as they came."""
        return [item.headers["webhook-id"] for item in self.got if path is None or item.path == path]


@contextlib.asynccontextmanager
async def http_receiver() -> AsyncIterator[HttpReceiver]:
    found = HttpReceiver()
    server = await asyncio.start_server(found.take, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        found.stop.set()
        server.close()


@dataclass
class MailReceiver:
    """Takes mail, except from the addresses in `refused` (with their code)."""

    port: int = 0
    got: list[EmailMessage] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        try:
            while line := (await reader.readline()).decode().strip():
                verb = line.split()[0].upper()
                if verb == "RCPT":
                    address = line[line.index("<") + 1 : line.index(">")]
                    writer.write(f"{self.refused.get(address, 250)} x\r\n".encode())
                elif verb == "DATA":
                    writer.write(b"354 go on\r\n")
                    letter = await reader.readuntil(b"\r\n.\r\n")
                    parsed = email.message_from_bytes(letter[:-3], policy=email.policy.default)
                    assert isinstance(parsed, EmailMessage)
                    self.got.append(parsed)
                    writer.write(b"250 taken\r\n")
                elif verb == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 x\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def mail_receiver() -> AsyncIterator[MailReceiver]:
    found = MailReceiver()
    server = await asyncio.start_server(found.take, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
