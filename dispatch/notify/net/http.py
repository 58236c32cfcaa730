"""One HTTP request to an address that somebody else wrote: resolved once, judged, connected to what was judged; no redirect, little read.

asyncio's own streams are enough: one request a connection, limits of time and size around all of it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dispatch.notify.net.guard import Network, Target, forbidden, target_of
from hoistway.errors import BadInput

ANSWER_BYTES: Final = 64 * 1024
"""Of an answer so much is read; the rest is not waited for."""
HEAD_LINES: Final = 100
ADDRESSES: Final = 4
"""Of one name, tried one after the other within the one time limit."""
AGENT: Final = "hoistway"
_HTTP_VERSIONS: Final = ("HTTP/1.0", "HTTP/1.1")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses, as text; raises `OSError`."""


class Forbidden(BadInput):
    """The name leads to an address that must not be reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the other side said."""

    status: int
    body: bytes  # at most `ANSWER_BYTES`
    retry_after_s: int | None = None


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Http:
    """Sends requests. `allowed`: private networks that may be reached; `plain`: the operator's own addresses, not judged at all."""

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        plain: bool = False,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed, self._plain, self._resolve = tuple(allowed), plain, resolve
        self._tls = tls or ssl.create_default_context()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float, method: str = "POST"
    ) -> Answer:
        """The answer, whatever its status. Raises `BadInput` for an address that may not be reached, `OSError` (also `TimeoutError`) else."""
        target = target_of(url, allowed=self._allowed, plain=self._plain)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(target, await self._judged(target), body, headers, method)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            if isinstance(error, BadInput):
                raise
            raise OSError("an answer that is not HTTP") from error

    async def _judged(self, target: Target) -> Sequence[str]:
        """Its addresses, after all that the name leads to were judged: a name with a good and a bad one is not believed."""
        found = await self._resolve(target.host, target.port)
        if not found:
            raise OSError("the name leads nowhere")
        for text in found:
            if not self._plain and forbidden(ipaddress.ip_address(text), allowed=self._allowed):
                raise Forbidden(f"the host leads to {text}", where="url", expected="a public address")
        return found

    async def _connect(
        self, target: Target, addresses: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the first that takes it: a machine may have no way to the IPv6 ones."""
        secure = target.scheme == "https"
        failed: OSError = OSError("no address")
        for address in addresses[:ADDRESSES]:
            try:
                return await asyncio.open_connection(
                    address,
                    target.port,
                    ssl=self._tls if secure else None,
                    server_hostname=target.host if secure else None,
                    limit=ANSWER_BYTES,
                )
            except OSError as error:
                failed = error
        raise failed

    async def _exchange(
        self, target: Target, addresses: Sequence[str], body: bytes, headers: Mapping[str, str], method: str
    ) -> Answer:
        reader, writer = await self._connect(target, addresses)
        try:
            writer.write(_request(target, body, headers, method))
            await writer.drain()
            return await _read(reader)
        finally:
            writer.transport.abort()


def _request(target: Target, body: bytes, headers: Mapping[str, str], method: str) -> bytes:
    lines = {
        "Host": target.host_header,
        "User-Agent": AGENT,
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Accept": "*/*",
        **headers,
    }
    for name, value in lines.items():
        if not (name + value).isprintable() or not value.isascii():
            raise BadInput(f"header {name}", where="headers", expected="printable ASCII")
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


async def _read(reader: asyncio.StreamReader) -> Answer:
    version, status, *_ = (await reader.readuntil(b"\r\n")).decode("latin-1").split(None, 2)
    if version not in _HTTP_VERSIONS or not (status.isascii() and status.isdigit() and len(status) == 3):
        raise OSError("an answer that is not HTTP")
    fields = await _fields(reader)
    retry = fields.get("retry-after", "")
    return Answer(
        status=int(status),
        body=await _body(reader, fields) if status != "204" else b"",
        retry_after_s=int(retry) if retry.isascii() and retry.isdigit() and len(retry) < 6 else None,
    )


async def _fields(reader: asyncio.StreamReader) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(HEAD_LINES):
        line = (await reader.readuntil(b"\r\n")).decode("latin-1").strip()
        if not line:
            return found
        name, _, value = line.partition(":")
        found[name.strip().lower()] = value.strip()
    raise OSError("an answer with too many headers")


async def _body(reader: asyncio.StreamReader, fields: Mapping[str, str]) -> bytes:
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader)
    length = fields.get("content-length", "")
    wanted = min(int(length), ANSWER_BYTES) if length.isascii() and length.isdigit() else ANSWER_BYTES
    found = b""
    while len(found) < wanted and (part := await reader.read(wanted - len(found))):
        found += part
    return found


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while len(found) < ANSWER_BYTES:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        if size == 0:
            break
        wanted = min(size, ANSWER_BYTES - len(found))
        found += await reader.readexactly(wanted)
        if wanted < size:
            break
        await reader.readexactly(2)
    return found
