"""The MQTT session of ingest against real brokers: each pitfall of paho and brokers met by design.

Each test has a broker of its own kind, a session of its own name, and looks at what the broker delivers again.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hoistway.clock import ServerClock
from hoistway.embedded.own_broker import OwnBroker
from hoistway.mqtt_url import MqttAddress
from ingest import session as module
from ingest.mqtt_source import MqttSource
from ingest.session import Session
from ingest.source import Message
from tests.support.brokers import Client, embedded, until

DEVICE = "lift-1"
TOPIC = f"lift/v1/0/{DEVICE}/event"


class Bench:
    """One broker, one device, and sessions of ingest."""

    def __init__(self, broker: OwnBroker) -> None:
        self.broker = broker
        self.sessions: list[Session] = []
        self.woken = 0

    def session(self, name: str = "hoistway-ingest-test") -> Session:
        def wake() -> None:
            self.woken += 1

        session = Session(
            MqttAddress.parse(self.broker.url),
            client_id=name,
            subscriptions=("lift/v1/+/+/event",),
            mqtt5=self.broker.mqtt5,
            wake=wake,
            now_ms=ServerClock().now_ms,
        )
        self.sessions.append(session)
        session.start()
        return session

    async def connected(self, session: Session, times: int = 1) -> Session:
        await until(lambda: session.connects >= times and session._connected, f"connection {times}")
        await asyncio.sleep(0.2)  # the subscription follows the connection; what is published earlier would be missed
        return session

    async def device(self) -> Client:
        port = MqttAddress.parse(self.broker.url).port
        client = Client(
            MqttAddress(host="127.0.0.1", port=port, user=DEVICE, password="device-secret"), client_id=DEVICE
        )
        await client.connect()
        return client


@pytest_asyncio.fixture(loop_scope="session")
async def bench(kind: str, home: Path) -> AsyncIterator[Bench]:
    broker = embedded(kind, home)
    await broker.set_devices({DEVICE: "device-secret"})
    await broker.start()
    found = Bench(broker)
    try:
        yield found
    finally:
        for session in found.sessions:
            await asyncio.to_thread(session.stop)
        await broker.stop()


async def taken(session: Session, count: int) -> list[Message]:
    """The next `count` messages in order of arrival."""
    found: list[Message] = []

    def enough() -> bool:
        found.extend(session.take(messages=100, bytes_=10**9))
        return len(found) >= count

    await until(enough, f"{count} messages taken")
    return found


def numbers(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


async def test_what_is_not_acknowledged_comes_again_after_a_reconnect(bench: Bench) -> None:
    """A dropped connection loses nothing: un-acked messages are delivered again, acknowledged ones are not."""
    session = await bench.connected(bench.session())
    device = await bench.device()
    await device.publish(TOPIC, b"1", b"2", b"3")
    first = await taken(session, 3)
    assert session.acknowledge([first[0]])
    await asyncio.sleep(0.3)
    session.drop_connection()
    again = await taken(await bench.connected(session, 2), 2)
    assert sorted(numbers(again)) == [b"2", b"3"]
    await device.close()


async def test_a_late_acknowledgement_of_a_dead_connection_is_withheld(bench: Bench) -> None:
    """An ack for a message of an earlier connection never confirms another message of the same number."""
    session = await bench.connected(bench.session())
    device = await bench.device()
    await device.publish(TOPIC, b"old")
    (old,) = await taken(session, 1)
    session.drop_connection()
    await bench.connected(session, 2)
    assert not session.acknowledge([old])
    assert session.stale_acks == 1
    (again,) = await taken(session, 1)
    assert again.payload == b"old"
    assert session.acknowledge([again])
    await device.close()


async def test_an_exception_in_a_callback_neither_kills_the_thread_nor_loses_the_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failing message is not acknowledged, the connection is renewed, and it comes again."""
    session = await bench.connected(bench.session())
    real, failures = module.Message, 0

    def broken_once(*arguments: Any) -> Message:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise RuntimeError("a fault of our own in the callback")
        return real(*arguments)

    monkeypatch.setattr(module, "Message", broken_once)
    device = await bench.device()
    await device.publish(TOPIC, b"survivor")
    (found,) = await taken(session, 1)
    assert found.payload == b"survivor"
    assert session.callback_errors == 1
    assert session.connects == 2
    await device.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_dead_network_thread_is_noticed_and_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the thread ends while the client still claims to be connected, the watch starts a new one that hears."""
    session = await bench.connected(bench.session())
    device = await bench.device()

    def fatal(*_arguments: Any) -> None:
        raise SystemExit  # ends a thread without a word

    monkeypatch.setattr(session._client, "_take", fatal)
    await device.publish(TOPIC, b"unheard")
    await until(lambda: not session.thread_alive, "the thread's end")
    assert session._client.is_connected()
    assert session.revive()
    assert session.restarts == 1
    (found,) = await taken(session, 1)
    assert found.payload == b"unheard"
    await device.close()


async def test_the_stock_client_does_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a paho that nobody has looked at messages come one by one; nothing is lost and the session says that it is slow."""
    monkeypatch.setattr(module, "trouble", lambda: "a version of tomorrow")
    session = await bench.connected(bench.session())
    assert not session.quick
    device = await bench.device()
    await device.publish(TOPIC, *[str(number).encode() for number in range(300)])
    found = await taken(session, 300)
    assert [message.payload for message in found] == [str(number).encode() for number in range(300)]
    assert session.acknowledge(found) == 300
    await device.close()


async def test_a_flood_comes_in_order_and_whole(bench: Bench) -> None:
    """Payloads of all sizes, cut anywhere by the network, arrive as they were published."""
    session = await bench.connected(bench.session())
    assert session.quick
    device = await bench.device()
    payloads = [bytes([65 + number % 26]) * (number * 37 % 4_000) + b"." for number in range(500)]
    await device.publish(TOPIC, *payloads)
    found = await taken(session, 500)
    assert [message.payload for message in found] == payloads
    assert session.acknowledge(found) == 500
    await device.close()


async def test_an_acknowledgement_to_a_dead_broker_hangs_nobody(bench: Bench) -> None:
    """A broker killed between the commit and the PUBACK: acknowledging returns, and the session goes on afterwards."""
    session = await bench.connected(bench.session())
    device = await bench.device()
    await device.publish(TOPIC, *[str(number).encode() for number in range(50)])
    found = await taken(session, 50)
    assert bench.broker.pid is not None
    os.kill(bench.broker.pid, signal.SIGKILL)
    for message in found:
        await asyncio.wait_for(asyncio.to_thread(session.acknowledge, [message]), 5)
    await bench.broker.wait()
    await bench.broker.start()
    await bench.connected(session, 2)
    await device.close()


async def test_acknowledgements_go_in_order_of_arrival(bench: Bench) -> None:
    """Messages are taken in the order published, and acknowledged one by one they leave nothing behind."""
    session = await bench.connected(bench.session())
    device = await bench.device()
    payloads = [str(number).encode() for number in range(300)]
    await device.publish(TOPIC, *payloads)
    found = await taken(session, 300)
    assert numbers(found) == payloads
    assert session.acknowledge(found) == len(found)
    await asyncio.sleep(0.5)
    session.drop_connection()
    await bench.connected(session, 2)
    await asyncio.sleep(0.5)
    assert session.take(messages=10, bytes_=10**6) == []
    await device.close()


async def test_what_was_sent_while_ingest_was_away_waits_for_it(bench: Bench) -> None:
    """The session is persistent: a process that comes back gets what was published in between."""
    first = await bench.connected(bench.session())
    await asyncio.to_thread(first.stop)
    device = await bench.device()
    await device.publish(TOPIC, b"a", b"b")
    second = bench.session()
    assert numbers(await taken(second, 2)) == [b"a", b"b"]
    assert second.sessions_lost == 0
    await device.close()


async def test_a_broker_that_forgot_the_session_is_noticed(kind: str, home: Path) -> None:
    """After a restart with an empty store the session says that it was lost, and hears again."""
    broker = embedded(kind, home)
    await broker.set_devices({DEVICE: "device-secret"})
    await broker.start()
    bench = Bench(broker)
    port = MqttAddress.parse(broker.url).port
    session = await bench.connected(bench.session())
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    await broker.wait()
    await broker.stop()
    fresh = embedded(kind, home.with_name("fresh"), port=port)
    fresh_password = home.with_name("fresh") / "secrets"
    fresh_password.parent.mkdir(mode=0o711)
    fresh_password.mkdir(mode=0o700)
    for secret in (home / "secrets").iterdir():
        (fresh_password / secret.name).write_text(secret.read_text())
        (fresh_password / secret.name).chmod(0o600)
    await fresh.set_devices({DEVICE: "device-secret"})
    await fresh.start()
    try:
        await bench.connected(session, 2)
        assert session.sessions_lost == 1
        bench.broker = fresh
        device = await bench.device()
        await device.publish(TOPIC, b"hello again")
        assert numbers(await taken(session, 1)) == [b"hello again"]
        await device.close()
    finally:
        await asyncio.to_thread(session.stop)
        await fresh.stop()


async def test_a_flood_of_samples_never_stands_before_an_alarm(bench: Bench) -> None:
    """Events and samples come by sessions of their own, and events are taken first."""
    source = MqttSource(
        MqttAddress.parse(bench.broker.url), name="hoistway-ingest-flood", mqtt5=bench.broker.mqtt5, clock=ServerClock()
    )
    source.start()
    bench.sessions += source.sessions
    for session in source.sessions:
        await bench.connected(session)
    device = await bench.device()
    await device.publish(f"lift/v1/0/{DEVICE}/state", *[b"s"] * 200)
    await device.publish(TOPIC, b"alarm")
    await until(lambda: source.events.queued == 1 and source.samples.queued == 200, "everything queued")
    assert [message.payload for message in source.take(samples=3, bytes_=10**6)] == [b"alarm", b"s", b"s"]
    assert source.oldest_ms() is not None
    await device.close()


async def test_a_full_queue_stops_the_reading_and_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the broker keeps what is not read; as the queue empties, the rest follows in order."""
    monkeypatch.setattr(module, "QUEUE_MESSAGES", 10)
    session = await bench.connected(bench.session())
    device = await bench.device()
    payloads = [str(number).encode() for number in range(60)]
    await device.publish(TOPIC, *payloads)
    await until(lambda: session.queued == 10, "a full queue")
    await asyncio.sleep(0.3)
    assert session.queued == 10
    found: list[Message] = []

    def drained() -> bool:
        batch = session.take(messages=4, bytes_=10**6)
        found.extend(batch)
        for message in batch:
            session.acknowledge([message])
        return len(found) >= 60

    await until(drained, "all messages")
    assert numbers(found) == payloads
    await device.close()


async def test_a_command_is_known_to_be_with_the_broker(bench: Bench) -> None:
    """Published at QoS 1: a moment later the broker has confirmed it. Without a connection nothing is taken on."""
    session = await bench.connected(bench.session())
    had = session.publish_surely(f"lift/v1/0/{DEVICE}/cmd", b'{"id":"c-1","cmd":"soothe"}')
    assert had is not None
    await until(had, "the broker has it")
    session.drop_connection()
    assert session.publish_surely(f"lift/v1/0/{DEVICE}/cmd", b"{}") is None
    await bench.connected(session, 2)
