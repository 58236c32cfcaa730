"""The negative matrix: what an outsider, a device that speaks for another, and a stolen key try at the door.

Each case is one attempt against the deployed broker configuration, with ingest behind it. Afterwards an honest witness has come
through, so that the attempt has been dealt with, and the victim's part of the store is as it was.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio

from hoistway.limits import MESSAGE_BYTES
from tests.support.door import INTRUDERS, VICTIM, Door, now_ms, publish_packet, said, topic
from tests.support.feed import TRAPPED, event, sample

BUTTON = "90"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def pressed(door: Door) -> None:
    """The victim's alarm button is pressed: an alarm to be hidden, a lift to be spoken for."""
    async with door.connected(VICTIM) as victim:
        await victim.publish(topic(VICTIM, "event"), said(event(1, now_ms(), BUTTON)))
    await door.witness()
    assert {row[0] for row in await door.told(VICTIM)} == {"event", "alarm", "case"}


# --- strangers ---


async def no_name(door: Door, _: str) -> None:
    assert await door.refused(None) == ["Not authorized"]


async def unknown_name(door: Door, _: str) -> None:
    assert await door.refused("nobody", "password") == ["Not authorized"]


async def wrong_password(door: Door, _: str) -> None:
    assert await door.refused(VICTIM, "0" * 32) == ["Not authorized"]


async def another_device_s_password(door: Door, intruder: str) -> None:
    assert await door.refused(VICTIM, door.passwords[intruder]) == ["Not authorized"]


async def names_with_wildcards(door: Door, intruder: str) -> None:
    for name in ("#", "+", "$SYS"):
        assert await door.refused(name, door.passwords[intruder]) == ["Not authorized"]


async def no_encryption(door: Door, intruder: str) -> None:
    def attempt() -> bytes:
        with socket.create_connection(("localhost", door.city.device_port), timeout=5) as plain:
            plain.sendall(door.connect_packet(intruder))
            try:
                return plain.recv(100)
            except ConnectionError:
                return b""

    answer = await asyncio.to_thread(attempt)
    assert b"\x20\x02\x00\x00" not in answer  # no CONNACK


async def old_encryption(door: Door, _: str) -> None:
    spoken = {version: await asyncio.to_thread(door.offers, version) for version in ("tls1", "tls1_1", "tls1_2")}
    assert spoken == {"tls1": False, "tls1_1": False, "tls1_2": True}


async def a_stranger_in_place_of_the_broker(door: Door, _: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(door.raw, trusted=False)


async def a_huge_packet_before_connecting(door: Door, _: str) -> None:
    await asyncio.to_thread(door.send_raw, b"\x10\xff\xff\xff\x7f" + b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"x" * 600_000)


async def a_publish_before_connecting(door: Door, _: str) -> None:
    packet = publish_packet(topic(VICTIM, "event"), said(event(9, now_ms(), "41")), qos=1, number=1)
    assert await asyncio.to_thread(door.send_raw, packet) == b""


# --- a device that speaks for another, or listens to it ---


async def an_alarm_for_another(door: Door, intruder: str) -> None:
    async with door.connected(intruder) as client:
        await client.publish(topic(VICTIM, "event"), said(event(2, now_ms(), "08")))
        await client.publish(topic(VICTIM, "state"), said(sample(2, now_ms(), **TRAPPED)))


async def an_all_clear_for_another(door: Door, intruder: str) -> None:
    async with door.connected(intruder) as client:
        await client.publish(topic(VICTIM, "event"), said(event(2, now_ms(), BUTTON, active=False)))


async def a_retained_all_clear_for_another(door: Door, intruder: str) -> None:
    async with door.connected(intruder) as client:
        await client.publish(topic(VICTIM, "event"), said(event(2, now_ms(), BUTTON, active=False)), retain=True)
        await client.publish(topic(VICTIM, "link"), said({"online": False, "boot": 1, "conn": 99}), retain=True)


async def a_will_for_another(door: Door, intruder: str) -> None:
    will = (topic(VICTIM, "event"), said(event(2, now_ms(), "08")), False)
    async with door.connected(intruder, will=will):
        pass


async def another_s_client_id(door: Door, intruder: str) -> None:
    async with door.connected(VICTIM) as victim:
        for name in (VICTIM, "#", "+", "hoistway-ingest-0-event"):
            async with door.connected(intruder, client_id=name) as client:
                await client.publish(topic(VICTIM, "event"), said(event(2, now_ms(), "08")))
        assert victim.connected
        assert victim.connects == 1


async def a_downward_topic(door: Door, intruder: str) -> None:
    async with door.connected(VICTIM) as victim, door.connected(intruder) as client:
        await victim.subscribe(topic(VICTIM, "ack"), topic(VICTIM, "cmd"))
        for leaf in ("ack", "cmd"):
            await client.publish(topic(VICTIM, leaf), b'{"boot": 1, "event": 999, "state": 999, "ts": 1}')
            await client.publish(topic(intruder, leaf), b"{}")
        await door.witness()
        assert victim.got == []


async def listening_to_others(door: Door, intruder: str) -> None:
    async with door.connected(intruder) as client:
        await client.subscribe(
            "#", "lift/#", "lift/v1/+/+/state", f"lift/v1/+/{VICTIM}/ack", "$share/g/lift/v1/+/+/event"
        )
        async with door.connected(VICTIM) as victim:
            await victim.publish(topic(VICTIM, "link"), b"not a link", retain=True)
        await door.witness()
        assert client.got == []


async def the_broker_s_own_topics(door: Door, intruder: str) -> None:
    async with door.connected(intruder) as client:
        await client.subscribe("$SYS/#", "$SYS/broker/log/N", "$SYS/broker/uptime")
        await door.witness()
        await client.publish("$SYS/broker/log/N", b"Client victim already connected, closing old connection.")
        assert client.got == []


# --- a device with its own key, beyond its rights ---


async def another_shard(door: Door, intruder: str) -> None:
    async with door.connected(intruder) as client:
        await client.publish(topic(intruder, "event", shard=4), said(event(1, now_ms(), "08")))


async def another_lift_in_the_payload(door: Door, intruder: str) -> None:
    (code,) = (await door.rows("select rescue_code from lift where name = $1", VICTIM))[0]
    async with door.connected(intruder) as client:
        await client.publish(topic(intruder, "event"), said({**event(1, now_ms(), "08"), "lift": code}))
        await client.publish(topic(intruder, "state"), said({**sample(1, now_ms(), **TRAPPED), "lift": code}))


async def quality_of_service_two(door: Door, intruder: str) -> None:
    packets = [
        publish_packet(topic(intruder, "event"), said(event(number, now_ms(), "08")), qos=2, number=7)
        for number in (1, 2, 3)
    ]
    answers = await asyncio.to_thread(door.send_raw, door.connect_packet(intruder), *packets, patience_s=0.3)
    assert answers[:4] == b"\x20\x02\x00\x00"  # let in; whether thrown out at once depends on mosquitto's version


async def a_packet_beyond_the_limit(door: Door, intruder: str) -> None:
    packet = publish_packet(topic(intruder, "event"), b" " * (2 * MESSAGE_BYTES + 1_024), qos=1, number=7)
    answers = await asyncio.to_thread(door.send_raw, door.connect_packet(intruder), packet)
    assert answers == b"\x20\x02\x00\x00"  # let in, and out again without a PUBACK


async def a_message_beyond_the_limit(door: Door, intruder: str) -> None:
    async with door.connected(intruder) as client:
        await client.publish(topic(intruder, "event"), b" " * (MESSAGE_BYTES + 1))


async def a_time_in_the_future(door: Door, intruder: str) -> None:
    year_2101 = 4_133_980_800_000
    async with door.connected(intruder) as client:
        await client.publish(topic(intruder, "event"), said(event(1, year_2101, "08")))


Attempt = Callable[[Door, str], Awaitable[None]]
CASES: tuple[tuple[Attempt, set[str], set[str]], ...] = (
    (no_name, set(), set()),
    (unknown_name, set(), set()),
    (wrong_password, set(), set()),
    (another_device_s_password, set(), set()),
    (names_with_wildcards, set(), set()),
    (no_encryption, set(), set()),
    (old_encryption, set(), set()),
    (a_stranger_in_place_of_the_broker, set(), set()),
    (a_huge_packet_before_connecting, set(), set()),
    (a_publish_before_connecting, set(), set()),
    (an_alarm_for_another, set(), set()),
    (an_all_clear_for_another, set(), set()),
    (a_retained_all_clear_for_another, set(), set()),
    (a_will_for_another, set(), set()),
    (another_s_client_id, set(), set()),
    (a_downward_topic, set(), set()),
    (listening_to_others, set(), set()),
    (the_broker_s_own_topics, set(), set()),
    (another_shard, {"wrong-shard"}, {"foreign-topic"}),
    (another_lift_in_the_payload, {"foreign-lift"}, {"foreign-lift"}),
    (quality_of_service_two, set(), set()),
    (a_packet_beyond_the_limit, set(), set()),
    (a_message_beyond_the_limit, {"too-large"}, set()),
    (a_time_in_the_future, {"bad-ts"}, set()),
)


@pytest.mark.parametrize(
    ("number", "attempt", "refused", "events"),
    [(number, *case) for number, case in enumerate(CASES)],
    ids=[case[0].__name__ for case in CASES],
)
async def test_the_attempt_reaches_nobody(
    door: Door, number: int, attempt: Attempt, refused: set[str], events: set[str]
) -> None:
    """Nothing of the victim changes, nothing of the intruder is accepted, what ingest refused is kept, an intruder noted."""
    intruder = INTRUDERS[number]
    before = await door.told(VICTIM)
    await attempt(door, intruder)
    await door.witness()
    assert await door.told(VICTIM) == before
    assert [row for row in await door.told(intruder) if row[0] in {"event", "sample", "link", "case"}] == []
    assert await door.quarantined(intruder) == refused
    assert await door.security(intruder) == events


# --- what a key may be used for, and what shows that it is in other hands ---


async def test_a_replayed_record_changes_nothing(door: Door) -> None:
    """The same bytes again, from the same key, are counted as a repeat and are no event."""
    payloads = said(event(1, now_ms(), BUTTON)), said(sample(1, now_ms(), **TRAPPED))
    async with door.connected("replayed") as client:
        for _ in range(2):
            await client.publish(topic("replayed", "event"), payloads[0])
            await client.publish(topic("replayed", "state"), payloads[1])
            await door.witness()
    told = await door.told("replayed")
    assert [row[0] for row in told if row[0] in {"event", "sample"}] == ["event", "sample"]
    assert await door.security("replayed") == set()


async def test_a_used_number_with_other_content_is_noted(door: Door) -> None:
    """An accepted record cannot be rewritten under its number; the attempt is an event, and the desk hears of it."""
    at = now_ms()
    async with door.connected("rewriter") as client:
        await client.publish(topic("rewriter", "event"), said(event(1, at, BUTTON)))
        await door.witness()
        before = await door.told("rewriter")
        await client.publish(topic("rewriter", "event"), said(event(1, at, BUTTON, active=False)))
        await door.witness()
    after = await door.told("rewriter")
    assert [row for row in after if row[2] != "door-securitycleared"] == before
    assert "door-securitycleared" in {row[2] for row in after}
    assert await door.security("rewriter") == {"sequence-reused"}


async def test_a_used_number_of_a_sample_with_other_content_is_noted(door: Door) -> None:
    """So it is with samples: the first word stays."""
    at = now_ms()
    async with door.connected("forger") as client:
        for values in ({**TRAPPED, "passenger": False}, TRAPPED):
            await client.publish(topic("forger", "state"), said(sample(1, at, **values)))
            await door.witness()
    found = await door.rows(
        "select passenger from sample s join device d on d.id = s.device_id where d.device = 'forger'"
    )
    assert found == [(0,)]

    async def noted() -> bool:
        return await door.security("forger") == {"sequence-reused"}

    await door.until(noted, "that the number came again with other content")


async def test_an_old_boot_cannot_end_an_alarm(door: Door) -> None:
    """An all-clear under an earlier boot number leaves the alarm as it is."""
    at = now_ms()
    async with door.connected("rebooted") as client:
        await client.publish(topic("rebooted", "link"), said({"online": True, "boot": 5, "conn": 1}))
        await client.publish(topic("rebooted", "event"), said(event(1, at, BUTTON, boot=5)))
        await client.publish(topic("rebooted", "event"), said(event(1, at - 1, BUTTON, boot=4, active=False)))
        await door.witness()
    told = await door.told("rebooted")
    assert "alarm-buttonactive" in {row[2] for row in told}
    assert [row[2] for row in told if row[0] == "case"] == ["open"]


async def test_a_device_cannot_end_its_case(door: Door) -> None:
    """Whoever has the key may say that the alarm is over; the case stays open until a person ends it."""
    at = now_ms()
    async with door.connected("hider") as client:
        await client.publish(
            topic("hider", "event"), said(event(1, at, BUTTON)), said(event(2, at, BUTTON, active=False))
        )
        await client.publish(topic("hider", "link"), b"", retain=True)
        await door.witness()
    assert [row[2] for row in await door.told("hider") if row[0] == "case"] == ["open"]


async def test_two_devices_with_one_key_are_noted_by_the_broker(door: Door) -> None:
    """Two connections that keep throwing each other out are a clone, and the desk hears of it."""
    async with door.connected("cloned") as first, door.connected("cloned"):
        await door.until(lambda: first.connects >= 5, "reconnects")

    async def noted() -> bool:
        return await door.security("cloned") >= {"takeover", "clone"}

    await door.until(noted, "a clone")
    assert "door-securitycleared" in {row[2] for row in await door.told("cloned")}


async def test_boots_that_take_turns_are_a_clone(door: Door) -> None:
    """One boot number that comes back is a lost memory; two that keep changing places are two devices with one key."""
    async with door.connected("twin") as client:
        for boot in (7, 3, 7, 3, 7):
            await client.publish(topic("twin", "link"), said({"online": True, "boot": boot, "conn": 1}))
        await door.witness()
    assert await door.security("twin") == {"clone"}
