"""Brokers and MQTT clients for tests: every kind of broker that is here, and a paho client that remembers what it got."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hoistway.embedded.broker import EmbeddedMosquitto, EmbeddedNats, ExternalBroker
from hoistway.embedded.mosquitto import find_mosquitto
from hoistway.embedded.nats import find_nats
from hoistway.embedded.own_broker import OwnBroker
from hoistway.mqtt_url import MqttAddress, configure

LIMIT_S = 30.0
KINDS = ("mosquitto", "nats")


async def until(condition: Callable[[], bool], what: str, *, limit_s: float = LIMIT_S) -> None:
    """Poll `condition`; fail with `what` when it does not come true."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() >= deadline:
            pytest.fail(f"after {limit_s:.0f} s: {what}")
        await asyncio.sleep(0.01)


def need_kind(kind: str) -> None:
    """Skip when this kind of broker is not on this machine; where everything is installed (`CI=true`), fail."""
    found = find_mosquitto() if kind == "mosquitto" else find_nats()
    if found is None:
        message = f"no {kind} on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def embedded(kind: str, home: Path, *, port: int = 0) -> OwnBroker:
    """A broker of this kind, not started."""
    return EmbeddedMosquitto(home, port=port) if kind == "mosquitto" else EmbeddedNats(home, port=port)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A started broker, what serves it, and devices that may connect to it."""

    broker: OwnBroker | ExternalBroker  # what the program sees
    server: OwnBroker  # the process behind; the same object unless the broker is external
    passwords: dict[str, str]
    free: list[str]

    def device(self) -> str:
        """A device that no other test uses."""
        return self.free.pop()

    def address(self, user: str | None, password: str | None = None) -> MqttAddress:
        if user == "ingest" and password is None:
            return MqttAddress.parse(self.broker.url)
        known = password if password is not None or user is None else self.passwords[user]
        return MqttAddress(host="127.0.0.1", port=self.server.port, user=user, password=known)

    async def client(self, user: str, *, client_id: str | None = None, **options: Any) -> Client:
        """A connected client; a device's client id is its name."""
        client = Client(self.address(user), client_id=client_id or user, **options)
        await client.connect()
        return client


@dataclass(frozen=True, kw_only=True)
class Got:
    topic: str
    payload: bytes
    retain: bool
    dup: bool
    mid: int
    qos: int


class Client:
    """A paho client with its network thread; keeps everything that arrives."""

    def __init__(
        self,
        address: MqttAddress,
        *,
        client_id: str,
        clean: bool = True,
        manual_ack: bool = False,
        mqtt5: bool = False,
        will: tuple[str, bytes, bool] | None = None,
    ) -> None:
        self._address = address
        self.got: list[Got] = []
        self.refused: list[str] = []
        self.connects = 0
        self.session_present = False
        self.granted: dict[int, list[bool]] = {}
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if mqtt5 else clean,
            protocol=paho.MQTTv5 if mqtt5 else paho.MQTTv311,
            manual_ack=manual_ack,
        )
        configure(self._client, address)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(1000)
        self._client.reconnect_delay_set(min_delay=0.1, max_delay=0.5)
        if will is not None:
            self._client.will_set(will[0], will[1], qos=1, retain=will[2])
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.refused.append(str(reason))
            return
        self.session_present = bool(flags.session_present)
        self.connects += 1

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self.got.append(
            Got(
                topic=message.topic, payload=bytes(message.payload), retain=message.retain, dup=message.dup,
                mid=message.mid, qos=message.qos,
            )
        )  # fmt: skip

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, codes: Any, _properties: Any) -> None:
        self.granted[mid] = [not code.is_failure for code in codes]

    async def connect(self) -> None:
        """Connect; fails when the broker refuses."""
        before = self.connects
        await self.try_connect()
        await until(lambda: self.connects > before or bool(self.refused), "no answer to CONNECT")
        assert not self.refused, self.refused

    async def try_connect(self) -> None:
        """Begin to connect; the answer lands in `connects` or `refused`."""
        await asyncio.to_thread(self._client.connect, self._address.host, self._address.port, 20)
        self._client.loop_start()

    @property
    def payloads(self) -> list[bytes]:
        return [item.payload for item in self.got]

    @property
    def connected(self) -> bool:
        return self._client.is_connected()

    async def subscribe(self, *topics: str) -> list[bool]:
        """Subscribe with QoS 1; answers which subscriptions the broker says it granted."""
        _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        assert mid is not None
        await until(lambda: mid in self.granted, f"no answer to SUBSCRIBE {topics}")
        return self.granted[mid]

    async def publish(self, topic: str, *payloads: bytes, retain: bool = False) -> None:
        """Publish with QoS 1 and wait until the broker has confirmed every message."""
        sent = [self._client.publish(topic, payload, qos=1, retain=retain) for payload in payloads]
        await until(lambda: all(item.is_published() for item in sent), f"publications to {topic} are not confirmed")

    def publish_unconfirmed(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for nothing: a broker may end the connection over it."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def ack(self, *items: Got) -> None:
        for item in items:
            self._client.ack(item.mid, item.qos)

    async def arrive(self, count: int, *, limit_s: float = LIMIT_S) -> list[Got]:
        """Wait until `count` messages have arrived."""
        await until(lambda: len(self.got) >= count, f"{count} messages expected", limit_s=limit_s)
        return self.got[:count]

    async def close(self) -> None:
        """Say goodbye (the broker sends no will)."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def drop(self) -> None:
        """Cut the connection without a word, as a lost network does, and stay away."""
        await asyncio.to_thread(self._client.loop_stop)
        if (socket := self._client.socket()) is not None:
            socket.close()
