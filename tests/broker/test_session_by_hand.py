"""The MQTT session of ingest against a broker written by hand, for what no real broker does on demand."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hoistway.clock import ServerClock
from hoistway.mqtt_url import MqttAddress
from ingest import session as module
from ingest.session import Session
from tests.support.brokers import until

CONNACK, GRANTED, REFUSED = b"\x20\x02\x00\x00", 1, 0x80


class Broker:
    """Accepts, grants or refuses the subscription, says what it is told to, and keeps what it hears by connection."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.reason = GRANTED
        self.connections: list[socket.socket] = []
        self.heard: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.heard.append(b"")
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection, len(self.heard) - 1), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            connection.recv(4_096)
            connection.sendall(CONNACK)
            subscribe = connection.recv(4_096)
            connection.sendall(b"\x90\x03" + subscribe[2:4] + bytes([self.reason]))
            while data := connection.recv(4_096):
                self.heard[number] += data
        except OSError:
            return

    def publish(self, mid: int, payload: bytes) -> None:
        """By the newest connection."""
        topic = b"lift/v1/0/x/event"
        body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid) + payload
        self.connections[-1].sendall(bytes([0x32, len(body)]) + body)

    def close(self) -> None:
        for connection in (self.server, *self.connections):
            connection.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    found = Broker()
    yield found
    found.close()


@pytest.fixture
def session(broker: Broker) -> Iterator[Session]:
    port = broker.server.getsockname()[1]
    found = Session(
        MqttAddress.parse(f"mqtt://127.0.0.1:{port}"),
        client_id="hoistway-ingest-by-hand",
        subscriptions=("lift/v1/+/+/event",),
        mqtt5=False,
        wake=lambda: None,
        now_ms=ServerClock().now_ms,
    )
    found._client.reconnect_delay_set(min_delay=1, max_delay=1)
    yield found
    found.stop()


def raising_once(real: Callable[..., Any]) -> Callable[..., Any]:
    raised: list[bool] = []

    def broken(*arguments: Any) -> Any:
        if not raised:
            raised.append(True)
            raise RuntimeError("a fault of our own in the callback")
        return real(*arguments)

    return broken


async def test_a_connection_dropped_by_its_own_thread_is_another_one(
    broker: Broker, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paho says nothing of it and the broker numbers its messages anew: an ack of before confirms none of them."""
    session.start()
    await until(lambda: session._subscribed_since is not None, "the subscription")
    broker.publish(1, b"of the first connection")
    await until(lambda: session.queued == 1, "the first message")
    taken = session.take(messages=10, bytes_=10**6)
    broker.publish(2, b"waits")
    await until(lambda: session.queued == 1, "one that waits")
    monkeypatch.setattr(module, "Message", raising_once(module.Message))
    broker.publish(3, b"meets a fault")
    await until(lambda: session.connects == 2 and session._subscribed_since is not None, "another connection")
    assert session.let_go == 1
    broker.publish(1, b"another message under the same number")
    await until(lambda: session.queued == 1, "the new message")
    assert session.acknowledge(taken) == 0
    assert session.stale_acks == 1
    (fresh,) = session.take(messages=10, bytes_=10**6)
    assert session.acknowledge([fresh]) == 1
    await until(lambda: broker.heard[-1] == b"\x40\x02\x00\x01", "one acknowledgement, and no other")


async def test_a_refused_subscription_is_noticed_and_asked_for_again(broker: Broker, session: Session) -> None:
    """A session that hears nothing does not count as listening; it tries until the broker grants it."""
    broker.reason = REFUSED
    session.start()
    await until(lambda: session.subscriptions_refused >= 1, "a refusal")
    assert not session.settled
    broker.reason = GRANTED
    await until(lambda: session._subscribed_since is not None, "the subscription")
    assert session._connected
