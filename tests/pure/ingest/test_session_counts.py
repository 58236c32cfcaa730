"""A session without a broker: what it has read is taken, waits, or was let go with its connection."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import MQTTMessage

from hoistway.clock import ServerClock
from hoistway.limits import EVENTS_APART_MESSAGES, OVERLOAD_UNACKNOWLEDGED
from hoistway.mqtt_url import MqttAddress
from ingest.mqtt_source import DEAF_AFTER_MS, STILL_DRAINING_MS, MqttSource
from ingest.overload import Load
from ingest.session import UNREADABLE_TOPIC, Session

T0 = 1_800_000_000_000


def session() -> Session:
    address = MqttAddress.parse("mqtt://127.0.0.1:1")
    return Session(address, client_id="x", subscriptions=(), mqtt5=False, wake=lambda: None, now_ms=lambda: T0)


def arrive(found: Session, topic: bytes = b"lift/v1/0/one/state") -> None:
    message = MQTTMessage(mid=1, topic=topic)
    message.payload = b"{}"
    found._on_message(found._client, None, message)


@settings(deadline=None)
@given(st.lists(st.sampled_from(("arrive", "arrive", "arrive", "take", "lose"))))
def test_arrived_is_taken_waiting_or_let_go(steps: list[str]) -> None:
    """Whatever the order of messages, takes and losses of the connection."""
    found, taken = session(), 0
    for step in steps:
        if step == "arrive":
            arrive(found)
        elif step == "take":
            taken += len(found.take(messages=2, bytes_=1_000))
        else:
            found._on_disconnect()
        assert found.arrived == taken + found.queued + found.let_go
    assert found.arrived == steps.count("arrive")
    assert found.callback_errors == 0


def test_a_topic_that_is_not_utf_8_is_a_message_like_any_other() -> None:
    """An error on the network thread would drop the connection, and the broker would send the same message for ever."""
    found = session()
    arrive(found, b"lift/v1/0/\xff/state")
    (message,) = found.take(messages=1, bytes_=1_000)
    assert message.topic == UNREADABLE_TOPIC
    assert found.callback_errors == 0


async def test_beside_events_only_few_samples_are_taken() -> None:
    """An alarm waits for the batch on its way and not for a flood in its own; without events the whole room is the samples'."""
    found = MqttSource(MqttAddress.parse("mqtt://127.0.0.1:1"), name="x", mqtt5=False, clock=ServerClock())
    for _ in range(EVENTS_APART_MESSAGES * 2):
        arrive(found.samples)
    arrive(found.events, b"lift/v1/0/one/event")
    with_events = found.take(samples=20_000, bytes_=10**8)
    assert [message.topic.rpartition("/")[2] for message in with_events[:2]] == ["event", "state"]
    assert len(with_events) == 1 + EVENTS_APART_MESSAGES
    assert len(found.take(samples=20_000, bytes_=10**8)) == EVENTS_APART_MESSAGES


async def test_deaf_is_who_may_have_missed_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not connected, far behind, or with as much in flight as the broker gives; a store that is a few seconds slow is none of it."""
    now = T0
    found = MqttSource(MqttAddress.parse("mqtt://127.0.0.1:1"), name="x", mqtt5=False, clock=ServerClock())
    monkeypatch.setattr(found._clock, "now_ms", lambda: now)
    assert found.deaf
    monkeypatch.setattr(Session, "settled", True)
    assert not found.deaf
    monkeypatch.setattr(found.samples, "_now_ms", lambda: T0)
    arrive(found.samples)
    now = T0 + DEAF_AFTER_MS
    assert not found.deaf
    now += 1
    assert found.deaf
    now = T0 + STILL_DRAINING_MS + 1
    assert found.deaf  # until the backlog is in
    found.samples.take(messages=1, bytes_=100)
    assert not found.deaf
    for _ in range(OVERLOAD_UNACKNOWLEDGED):
        arrive(found.samples)
    found.samples.take(messages=OVERLOAD_UNACKNOWLEDGED, bytes_=10**9)
    assert found.deaf


def test_the_load_is_what_waits_and_what_is_not_acknowledged() -> None:
    """Taken messages count until they are acknowledged; a lost connection takes them all away."""
    found = session()
    found._connected = True
    for _ in range(5):
        arrive(found)
    assert found.load() == Load(unacknowledged=5, bytes_=10, oldest_ms=T0)
    taken = found.take(messages=4, bytes_=1_000)
    assert found.load() == Load(unacknowledged=5, bytes_=2, oldest_ms=T0)
    found.acknowledge(taken[:3])
    assert found.load().unacknowledged == 2
    found._on_disconnect()
    found.acknowledge(taken[3:])
    assert found.load() == Load()
