"""What every broker must do for this system, whichever kind it is: one battery, run against each that is here.

Rights are tested by delivery: MQTT 3.1.1 confirms a forbidden publication like any other, and drops it.
"""

from __future__ import annotations

import os
import signal
import uuid

from hoistway.embedded.probe import speaks_mqtt5
from tests.support.brokers import Client, Rig, until

UP = ("state", "event", "link")


def session() -> str:
    """A client id that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


async def test_a_session_that_is_away_gets_everything_in_order(rig: Rig) -> None:
    """3,000 messages published while ingest is away all arrive afterwards, in order: no default limit of 1,000 bites."""
    device, name = rig.device(), session()
    ingest = await rig.client("ingest", client_id=name, clean=False)
    assert await ingest.subscribe(f"lift/v1/+/{device}/state") == [True]
    await ingest.close()
    sender = await rig.client(device)
    await sender.publish(f"lift/v1/3/{device}/state", *numbers(1, 3000))
    back = Client(rig.address("ingest"), client_id=name, clean=False)
    await back.connect()
    assert back.session_present
    await back.arrive(3000)
    assert back.payloads == numbers(1, 3000)
    await back.close()
    await sender.close()


async def test_what_was_not_acknowledged_comes_again_after_a_reconnect(rig: Rig) -> None:
    """Un-acknowledged messages come again to the same session; acknowledged ones do not."""
    device, name = rig.device(), session()
    ingest = await rig.client("ingest", client_id=name, clean=False, manual_ack=True)
    await ingest.subscribe(f"lift/v1/+/{device}/event")
    sender = await rig.client(device)
    await sender.publish(f"lift/v1/3/{device}/event", *numbers(1, 10))
    first = await ingest.arrive(10)
    ingest.ack(*first[:5])
    await until(lambda: ingest.connected, "the acknowledgements ended the connection")
    await sender.publish(f"lift/v1/3/{device}/event", b"after the acknowledgements")
    await ingest.arrive(11)
    await ingest.drop()

    back = Client(rig.address("ingest"), client_id=name, clean=False, manual_ack=True)
    await back.connect()
    expected = {*numbers(6, 10), b"after the acknowledgements"}
    await until(lambda: expected <= set(back.payloads), "un-acknowledged messages did not come again")
    assert set(back.payloads) == expected
    back.ack(*back.got)
    await sender.publish(f"lift/v1/3/{device}/event", b"last")
    await until(lambda: b"last" in back.payloads, "nothing arrives any more")
    back.ack(back.got[-1])
    await back.close()
    await sender.close()


async def test_thousands_may_be_in_flight_before_the_first_acknowledgement(rig: Rig) -> None:
    """3,000 messages arrive without one acknowledgement: a batch may wait for its commit."""
    device = rig.device()
    ingest = await rig.client("ingest", client_id=session(), clean=False, manual_ack=True)
    await ingest.subscribe(f"lift/v1/+/{device}/state")
    sender = await rig.client(device)
    await sender.publish(f"lift/v1/9/{device}/state", *numbers(1, 3000))
    await until(lambda: len(set(ingest.payloads)) == 3000, "the window is too small")
    ingest.ack(*ingest.got)
    await ingest.close()
    await sender.close()


async def test_a_will_is_sent_when_the_connection_is_cut_and_not_after_a_goodbye(rig: Rig) -> None:
    """The device's will on its own `link` arrives after a cut, and stays away after a DISCONNECT."""
    device = rig.device()
    topic = f"lift/v1/5/{device}/link"
    ingest = await rig.client("ingest", client_id=session())
    await ingest.subscribe(topic)
    polite = await rig.client(device, will=(topic, b"polite is gone", True))
    await polite.close()
    cut = await rig.client(device, will=(topic, b"cut is gone", True))
    await cut.drop()
    await ingest.arrive(1)
    assert ingest.payloads == [b"cut is gone"]
    await ingest.close()


async def test_the_last_retained_message_waits_for_a_new_subscriber(rig: Rig) -> None:
    """A later subscriber gets the last retained `link`, marked as retained; an empty one takes it away."""
    device = rig.device()
    topic = f"lift/v1/5/{device}/link"
    sender = await rig.client(device)
    await sender.publish(topic, b"first", b"second", retain=True)
    late = await rig.client("ingest", client_id=session())
    await late.subscribe(topic)
    await late.arrive(1)
    assert [(item.payload, bool(item.retain)) for item in late.got] == [(b"second", True)]
    await late.close()
    await sender.publish(topic, b"", retain=True)
    later = await rig.client("ingest", client_id=session())
    await later.subscribe(topic)
    await sender.publish(topic, b"live")
    await later.arrive(1)
    assert [(item.payload, bool(item.retain)) for item in later.got] == [(b"live", False)]
    await later.close()
    await sender.close()


async def test_a_large_payload_arrives_byte_for_byte(rig: Rig) -> None:
    """200 KiB of every byte value, and the contract's largest message of 256 KiB."""
    device = rig.device()
    ingest = await rig.client("ingest", client_id=session())
    await ingest.subscribe(f"lift/v1/+/{device}/state")
    sender = await rig.client(device)
    sent = [bytes(range(256)) * 800, os.urandom(256 * 1024)]
    await sender.publish(f"lift/v1/63/{device}/state", *sent)
    await ingest.arrive(2)
    assert ingest.payloads == sent
    assert sender.connects == 1
    await ingest.close()
    await sender.close()


async def test_one_device_stays_in_order(rig: Rig) -> None:
    """2,000 messages of one device over two leaves arrive in the order in which each leaf was published."""
    device = rig.device()
    ingest = await rig.client("ingest", client_id=session())
    await ingest.subscribe("lift/v1/+/+/state", "lift/v1/+/+/event")
    sender = await rig.client(device)
    for number in range(1, 11):
        await sender.publish(f"lift/v1/1/{device}/state", *numbers(number * 100, number * 100 + 99))
        await sender.publish(f"lift/v1/1/{device}/event", *numbers(number * 100, number * 100 + 99))
    await until(lambda: sum(device in item.topic for item in ingest.got) >= 2000, "not everything arrived")
    for leaf in ("state", "event"):
        got = [item.payload for item in ingest.got if item.topic == f"lift/v1/1/{device}/{leaf}"]
        assert got == numbers(100, 1099)
    await ingest.close()
    await sender.close()


async def test_kill_9_and_a_start_bring_it_back(rig: Rig) -> None:
    """After kill -9 the same URL, users and sessions work again; nats keeps every message that it had confirmed."""
    device, name = rig.device(), session()
    ingest = await rig.client("ingest", client_id=name, clean=False)
    await ingest.subscribe(f"lift/v1/+/{device}/state")
    await ingest.close()
    sender = await rig.client(device)
    await sender.publish(f"lift/v1/2/{device}/state", *numbers(1, 300))
    url = rig.server.url
    assert rig.server.pid is not None
    os.kill(rig.server.pid, signal.SIGKILL)
    assert await rig.server.wait() == -signal.SIGKILL
    assert not rig.server.alive
    assert await rig.server.start() == url
    await until(lambda: sender.connects == 2, "the device did not come back by itself")
    back = Client(rig.address("ingest"), client_id=name, clean=False)
    await back.connect()
    await back.subscribe(f"lift/v1/+/{device}/state")
    await sender.publish(f"lift/v1/2/{device}/state", b"after")
    await until(lambda: b"after" in back.payloads, "nothing arrives after the restart")
    if rig.server.kind == "nats":
        await until(lambda: set(numbers(1, 300)) <= set(back.payloads), "confirmed messages are lost")
    await back.close()
    await sender.close()


async def test_a_stop_in_good_order_loses_nothing(rig: Rig) -> None:
    """Messages queued for a session that is away, and retained ones, are there after a stop and a start."""
    device, name = rig.device(), session()
    ingest = await rig.client("ingest", client_id=name, clean=False)
    await ingest.subscribe(f"lift/v1/+/{device}/event", f"lift/v1/+/{device}/link")
    await ingest.close()
    sender = await rig.client(device)
    await sender.publish(f"lift/v1/2/{device}/event", *numbers(1, 300))
    await sender.publish(f"lift/v1/2/{device}/link", b"kept", retain=True)
    await sender.close()
    await rig.server.stop()
    await rig.server.start()
    back = Client(rig.address("ingest"), client_id=name, clean=False)
    await back.connect()
    assert back.session_present
    await until(lambda: set(numbers(1, 300)) <= set(back.payloads), "queued messages are lost")
    late = await rig.client("ingest", client_id=session())
    await late.subscribe(f"lift/v1/+/{device}/link")
    await late.arrive(1)
    assert late.payloads == [b"kept"]
    await late.close()
    await back.close()


async def test_nobody_gets_in_without_a_password_that_fits(rig: Rig) -> None:
    """No name, an unknown name, no password and a wrong one are refused, ingest's included."""
    device = rig.device()
    known = rig.address(device)
    for user, password in (
        (None, None),
        ("stranger", "password"),
        (device, "wrong"),
        ("ingest", "wrong"),
        (device, ""),
    ):
        client = Client(rig.address(user, password if password is not None else None), client_id=session())
        await client.try_connect()
        await until(lambda client=client: bool(client.refused), f"{user} with {password!r} is not refused")  # type: ignore[misc]
        assert client.connects == 0
        await client.close()
    client = Client(known, client_id=session())
    await client.connect()
    await client.close()


async def test_a_device_writes_only_under_its_own_name(rig: Rig) -> None:
    """What a device publishes for another, as an answer of the server, or elsewhere, reaches nobody."""
    device, other = rig.device(), rig.device()
    listener = await rig.client("ingest", client_id=session())
    await listener.subscribe("lift/v1/+/+/state", "lift/v1/+/+/event", "lift/v1/+/+/link")
    victim = await rig.client(other)
    await victim.subscribe(f"lift/v1/0/{other}/ack", f"lift/v1/0/{other}/cmd")
    forbidden = [
        *(f"lift/v1/0/{other}/{leaf}" for leaf in (*UP, "ack", "cmd")),
        f"lift/v1/0/{device}/ack",
        f"lift/v1/0/{device}/state/more",
        f"lift/v1/{device}/{other}/state",
        f"$MQTT/sub/{other}",
        "$SYS/broker/uptime",
        "lift/v1/state",
    ]
    for topic in forbidden:
        sender = await rig.client(device)
        sender.publish_unconfirmed(topic, b"forged")
        sender.publish_unconfirmed(f"lift/v1/0/{device}/state", b"own")
        # a broker may drop the message or the sender; either way the next connection is served
        await until(lambda sender=sender: b"own" in listener.payloads or sender.connects > 1, topic)  # type: ignore[misc]
        await sender.close()
    honest = await rig.client(device)
    await honest.publish(f"lift/v1/0/{device}/state", b"last")
    await until(lambda: b"last" in listener.payloads, "the device's own state does not arrive")
    ingest = await rig.client("ingest", client_id=session())
    await ingest.publish(f"lift/v1/0/{other}/ack", b"true")
    await victim.arrive(1)
    assert victim.payloads == [b"true"]
    assert b"forged" not in listener.payloads
    for client in (honest, victim, listener, ingest):
        await client.close()


async def test_a_will_on_another_device_is_not_sent(rig: Rig) -> None:
    """A device cannot speak for another by its will either."""
    device, other = rig.device(), rig.device()
    listener = await rig.client("ingest", client_id=session())
    await listener.subscribe("lift/v1/+/+/link", "lift/v1/+/+/state")
    liar = Client(rig.address(device), client_id=device, will=(f"lift/v1/0/{other}/link", b"forged", True))
    await liar.try_connect()
    await until(lambda: liar.connects > 0 or bool(liar.refused), "no answer to CONNECT")
    await liar.drop()
    honest = await rig.client(other)
    await honest.publish(f"lift/v1/0/{other}/state", b"marker")
    await until(lambda: b"marker" in listener.payloads, "nothing arrives")
    assert b"forged" not in listener.payloads
    await honest.close()
    await listener.close()


async def test_a_device_reads_only_its_own_answers(rig: Rig) -> None:
    """Whatever a device subscribes to, it gets its own `ack` and `cmd` and nothing of anybody else."""
    device, other = rig.device(), rig.device()
    victim = await rig.client(other)
    await victim.publish(f"lift/v1/0/{other}/link", b"secret", retain=True)
    spies = []
    wishes = [
        "#", "+/+/+/+/+", "lift/#", "lift/v1/#", "lift/v1/+/+/ack", f"lift/v1/0/{other}/ack", f"lift/v1/0/{other}/#",
        "lift/v1/+/+/state", f"lift/v1/0/{other}/state", "lift/v1/+/+/link", f"lift/v1/0/{other}/link", "$MQTT/#", "$MQTT/sub/#", "$MQTT/sub/+", "$JS/#", "$SYS/#",
        f"lift/v1/+/{device}/+",
    ]  # fmt: skip
    for wish in wishes:
        spy = await rig.client(device, client_id=session())
        await spy.subscribe(wish)
        spies.append(spy)
    own = await rig.client(device)
    assert await own.subscribe(f"lift/v1/0/{device}/ack", f"lift/v1/+/{device}/cmd") == [True, True]
    ingest = await rig.client("ingest", client_id=session())
    await ingest.subscribe("lift/v1/+/+/state")
    await victim.subscribe(f"lift/v1/0/{other}/ack")
    await victim.publish(f"lift/v1/0/{other}/state", b"secret")
    await ingest.publish(f"lift/v1/0/{other}/ack", b"secret")
    await ingest.publish(f"lift/v1/0/{device}/ack", b"mine")
    await ingest.publish(f"lift/v1/7/{device}/cmd", b"mine too")
    await until(lambda: set(own.payloads) >= {b"mine", b"mine too"}, "the device's own answers do not arrive")
    await victim.arrive(1)
    await until(lambda: b"secret" in ingest.payloads, "the state does not arrive at ingest")
    for wish, spy in zip(wishes, spies, strict=True):
        assert not [item for item in spy.got if b"secret" in item.payload or device not in item.topic], wish
        await spy.close()
    for client in (own, ingest, victim):
        await client.close()


async def test_what_it_says_about_mqtt_5_is_true(rig: Rig) -> None:
    """`mqtt5` tells whether an MQTT 5 session is accepted."""
    assert rig.broker.mqtt5 is speaks_mqtt5(rig.address("ingest"))
    assert rig.broker.alive
