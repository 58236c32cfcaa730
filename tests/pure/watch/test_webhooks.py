"""Webhooks: only https, a bounded number of tries, the newest word, and nobody waits for another."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from hoistway.errors import BadInput
from hoistway.watch.webhook import TRIES, Webhooks, addresses

HERE = "https://hook.example/secret-token"


class Net:
    """Takes every body, except that the first `failing` tries of an address fail."""

    def __init__(self, failing: dict[str, int] | None = None) -> None:
        self.failing = failing or {}
        self.got: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.tries = 0

    def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.tries += 1
        self.headers.append(dict(headers))
        if self.failing.get(address, 0) > 0:
            self.failing[address] -= 1
            raise ConnectionRefusedError(address)
        self.got.append((address, json.loads(body)["state"]))


@asynccontextmanager
async def sending(hooks: Webhooks) -> AsyncIterator[None]:
    task = asyncio.create_task(hooks.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.001)


async def test_a_word_goes_to_every_address_and_again_until_it_is_taken() -> None:
    """One address fails twice: it gets the word at the third try, the other at once."""
    net = Net({HERE: 2})
    hooks = Webhooks([HERE, "https://other.example/"], post=net.post, pause_s=0)
    async with sending(hooks):
        hooks.shout({"state": "alarm"})
        await until(lambda: hooks.delivered == 2)
    assert sorted(net.got) == [(HERE, "alarm"), ("https://other.example/", "alarm")]
    assert net.tries == 4


async def test_every_try_of_a_word_is_signed_under_one_id() -> None:
    """As the platform's own webhooks: reckoned here by hand. Without a secret there is an id and no signature."""
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    net = Net({HERE: 1})
    hooks = Webhooks([HERE], secret=secret, post=net.post, pause_s=0)
    async with sending(hooks):
        hooks.shout({"state": "alarm"})
        await until(lambda: hooks.delivered == 1)
    first, second = net.headers
    assert first["webhook-id"] == second["webhook-id"]
    signed = f"{second['webhook-id']}.{second['webhook-timestamp']}.".encode() + b'{"state": "alarm"}'
    made = base64.b64encode(hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()).decode()
    assert second["webhook-signature"] == f"v1,{made}"
    plain = Webhooks([HERE], post=net.post, pause_s=0)
    async with sending(plain):
        plain.shout({"state": "well"})
        await until(lambda: plain.delivered == 1)
    assert set(net.headers[-1]) == {"webhook-id"}
    with pytest.raises(BadInput):
        Webhooks([HERE], secret="whsec_short")


async def test_tries_are_bounded_and_the_next_word_begins_anew() -> None:
    """An address that is gone is given up after five tries; the next word is tried again."""
    net = Net({HERE: TRIES})
    hooks = Webhooks([HERE], post=net.post, pause_s=0)
    async with sending(hooks):
        hooks.shout({"state": "alarm"})
        await until(lambda: hooks.given_up == 1)
        assert net.tries == TRIES
        hooks.shout({"state": "well"})
        await until(lambda: hooks.delivered == 1)
    assert net.got == [(HERE, "well")]


@pytest.mark.parametrize(
    "text", ["http://hook.example/secret-token", "ftp://x/secret-token", "secret-token", "https:///x"]
)
def test_an_address_that_is_not_https_is_refused_and_not_repeated(text: str) -> None:
    """The error names its place in the setting; the address may hold a token."""
    with pytest.raises(BadInput) as caught:
        addresses(f"https://first.example/ {text}")
    assert "address 2" in str(caught.value)
    assert "HOISTWAY_WATCH_WEBHOOKS" in str(caught.value)
    assert "secret-token" not in str(caught.value)


def test_addresses_are_separated_by_spaces() -> None:
    """None at all is fine; plain http only on this machine."""
    assert addresses("") == ()
    assert addresses(f" {HERE}  http://127.0.0.1:9/x ") == (HERE, "http://127.0.0.1:9/x")
