"""Shouting to the outside: signed JSON to https addresses. Time-outs, a bounded number of tries, never in the watcher's way."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from dispatch.notify.net import signature
from hoistway.errors import BadInput

log: Final = structlog.get_logger("watch")

TIMEOUT_S: Final = 5.0
TRIES: Final = 5
PAUSE_S: Final = 1.0
"""Before the second try; doubled after each further one."""
ADDRESSES: Final = 10

Post = Callable[[str, bytes, Mapping[str, str]], None]
"""Sends one body with these headers to one address; raises `OSError`."""


def addresses(text: str) -> tuple[str, ...]:
    """The addresses of the setting. Raises `BadInput`, which never repeats an address: it may hold a token."""
    found = tuple(text.split())
    expected = f"at most {ADDRESSES} https:// addresses, separated by spaces (http:// on this machine only)"
    if len(found) > ADDRESSES:
        raise BadInput(f"{len(found)} addresses", where="HOISTWAY_WATCH_WEBHOOKS", expected=expected)
    for number, address in enumerate(found, 1):
        parts = urlsplit(address)
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and _here(parts.hostname))):
            raise BadInput(f"address {number} is not https", where="HOISTWAY_WATCH_WEBHOOKS", expected=expected)
    return found


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Elsewhere is not where the operator wanted it."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


_opener: Final = urllib.request.build_opener(_NoRedirects)


def post(address: str, body: bytes, headers: Mapping[str, str]) -> None:
    """POST `body`; raises `OSError` for everything but a 2xx answer."""
    given = {"Content-Type": "application/json", "User-Agent": "hoistway-watch", **headers}
    request = urllib.request.Request(address, data=body, headers=given, method="POST")  # noqa: S310  # checked above
    with _opener.open(request, timeout=TIMEOUT_S):
        return


class Webhooks:
    """One sender an address; the newest word replaces one that could not be delivered."""

    def __init__(self, to: Sequence[str], *, secret: str = "", post: Post = post, pause_s: float = PAUSE_S) -> None:
        """`secret`: what every word is signed with, as the platform's own webhooks are; "": unsigned. Raises `BadInput`."""
        if secret:
            signature.key_of(secret)
        self._to, self._secret, self._post, self._pause_s = tuple(to), secret, post, pause_s
        self._words: dict[str, tuple[str, bytes]] = {}
        self._news = {address: asyncio.Event() for address in self._to}
        self.delivered = self.given_up = 0
        # of its own: an address that hangs may not take the threads by which the watcher reports
        self._threads = ThreadPoolExecutor(max(1, len(self._to)), thread_name_prefix="watch-webhook")

    def shout(self, document: Mapping[str, Any]) -> None:
        """Send to every address, soon. Never waits."""
        word = (f"watch-{uuid.uuid4().hex}", json.dumps(document, ensure_ascii=False).encode())
        for address in self._to:
            self._words[address] = word
            self._news[address].set()

    async def run(self) -> None:
        """Send for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())  # also when there is nobody to send to
            for number, address in enumerate(self._to, 1):
                group.create_task(self._send_for_ever(number, address))

    async def _send_for_ever(self, number: int, address: str) -> None:
        while True:
            await self._news[address].wait()
            self._news[address].clear()
            await self._send(number, address)

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        """The id stays over all tries; each try is signed for its own time."""
        secrets = (self._secret,) if self._secret else ()
        found = signature.headers(secrets, message_id=message_id, at_s=int(time.time()), body=body)
        return found if secrets else {signature.ID: message_id}

    async def _send(self, number: int, address: str) -> None:
        for attempt in range(TRIES):
            try:
                loop = asyncio.get_running_loop()
                message_id, body = self._words[address]
                await loop.run_in_executor(self._threads, self._post, address, body, self._headers(message_id, body))
            except Exception as error:  # noqa: BLE001  # whatever an address answers, the others and the next word go on
                log.warning(
                    "a webhook does not take the word", webhook=number, attempt=attempt + 1, error=type(error).__name__
                )
                await asyncio.sleep(self._pause_s * 2**attempt)
            else:
                self.delivered += 1
                return
            if self._news[address].is_set():
                return  # there is a newer word
        self.given_up += 1
        log.error("a webhook was not reached", webhook=number, tries=TRIES)
