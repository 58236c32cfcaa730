"""The checker's ear at each kind of broker: it hears both directions with QoS and retained flag, and disturbs nobody."""

from __future__ import annotations

import json

import pytest

from hoistway import wire
from hoistway.errors import ServiceUnavailable
from hoistway.mqtt_url import MqttAddress
from ingest.conformance.heard import Facts, Watch
from ingest.conformance.judge import judge
from ingest.conformance.observer import Observer
from simulators.device import Device
from tests.support.brokers import Client, Rig, until
from tests.support.firmware import FACTS, FULL, LIFT, T0


async def test_the_observer_hears_what_a_device_says_and_is_told(rig: Rig) -> None:
    """Records, the retained link, the will and the ack arrive, and a right device of ours is found right."""
    name = rig.device()
    device = Device(name, boot=1)
    will = device.connecting(T0)
    own = Client(rig.address(name), client_id=name, will=(wire.topic(5, name, "link"), will.payload, True), mqtt5=False)
    await own.connect()
    platform = await rig.client("ingest", client_id="ingest-stand-in")
    await platform.subscribe(f"{wire.PREFIX}/+/+/state")
    device.up(T0)
    for message in device.outgoing(T0):
        await own.publish(wire.topic(5, name, message.leaf), message.payload, retain=message.retain)
    clock = iter(range(T0, T0 + 1_000_000, 1_000))
    with Observer(rig.address("ingest"), name, now_ms=lambda: next(clock)) as observer:
        await until(lambda: len(observer.heard()) == 1, "the retained link")
        device.sample(FULL, T0 + 1_000)
        device.report("90", True, T0 + 2_000)
        device.report("90", False, T0 + 2_000)
        for message in device.outgoing(T0 + 2_000):
            await own.publish(wire.topic(5, name, message.leaf), message.payload, retain=message.retain)
        await platform.publish(wire.topic(5, name, "ack"), wire.encode(wire.Ack(boot=1, event=2, state=1, ts=T0)))
        await until(lambda: len(observer.heard()) == 4, "records and ack")
        await own.drop()
        await until(lambda: len(observer.heard()) == 5, "the will")
        heard = observer.heard()
    assert [message.retained for message in heard] == [True, False, False, False, False]
    assert {message.topic.rpartition("/")[2] for message in heard} == {"link", "state", "event", "ack"}
    assert json.loads(heard[-1].payload)["online"] is False
    facts = Facts(device=name, shard=5, gateway=False, enrolled_ms=FACTS.enrolled_ms, lifts=(LIFT,))
    result = judge(heard, facts, Watch(from_ms=T0, to_ms=T0 + 10_000))
    assert result.findings == ()
    assert "no-will" not in result.unjudged
    assert len(platform.got) == 1  # what ingest reads is not taken away
    await platform.close()


async def test_a_message_of_qos_0_is_seen_as_such(rig: Rig) -> None:
    """The observer subscribes with QoS 1 and is told the QoS with which a device published."""
    name = rig.device()
    own = await rig.client(name)
    with Observer(rig.address("ingest"), name, now_ms=lambda: T0) as observer:
        own._client.publish(wire.topic(5, name, "state"), b"{}", qos=0)
        await until(lambda: len(observer.heard()) == 1, "the message")
        assert observer.heard()[0].qos == 0
    await own.close()


async def test_an_account_that_may_not_connect_is_said_in_words(rig: Rig) -> None:
    """A wrong password ends the check with a reason, not with an empty report."""
    wrong = MqttAddress(host="127.0.0.1", port=rig.server.port, user="ingest", password="wrong")
    with pytest.raises(ServiceUnavailable, match="does not let us listen"), Observer(wrong, "d", now_ms=lambda: T0):
        pytest.fail("the broker let a stranger in")
