"""A session without a broker: what it has read is taken, waits, or was let go with its connection."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import MQTTMessage

from hoistway.mqtt_url import MqttAddress
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
