"""MQTT packets cut out of a stream of bytes, against paho's own decoder and against garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.frames import Frames, MalformedFrame, Publish, pubacks, publish_of
from ingest.quick_client import trouble


def remaining(length: int) -> bytes:
    """A remaining length as MQTT writes it."""
    found = bytearray()
    while True:
        length, low = divmod(length, 128)
        found.append(low | (0x80 if length else 0))
        if not length:
            return bytes(found)


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + remaining(len(body)) + body


def published(item: Publish, properties: bytes | None = None) -> bytes:
    """The packet of a PUBLISH; `properties` only in MQTT 5."""
    head = len(item.topic).to_bytes(2, "big") + item.topic
    mid = item.mid.to_bytes(2, "big") if item.qos else b""
    return packet(0x30 | item.qos << 1, head + mid + (properties or b"") + item.payload)


publishes = st.builds(
    Publish,
    topic=st.binary(min_size=1, max_size=40),
    payload=st.binary(max_size=400),
    mid=st.just(0),
    qos=st.just(0),
) | st.builds(
    Publish,
    topic=st.binary(min_size=1, max_size=40),
    payload=st.binary(max_size=400),
    mid=st.integers(1, 65_535),
    qos=st.integers(1, 2),
)


@given(st.lists(publishes, max_size=8), st.lists(st.integers(1, 60), max_size=60))
def test_packets_come_out_whole_however_they_are_torn(items: list[Publish], cuts: list[int]) -> None:
    """Any cut of the stream gives the same packets, in order, and leaves nothing behind."""
    stream, frames, found = b"".join(published(item) for item in items), Frames(), []
    for cut in cuts:
        found += frames.feed(stream[:cut])
        stream = stream[cut:]
    found += frames.feed(stream)
    assert [publish_of(first, body, mqtt5=False) for first, body in found] == items
    assert frames.waiting == 0


@pytest.mark.parametrize("size", [0, 127, 128, 16_383, 16_384, 2_097_152])
def test_every_length_of_the_length(size: int) -> None:
    """A remaining length of one to four bytes is understood, also when only part of it has come."""
    whole, frames = packet(0x30, bytes(size)), Frames()
    assert frames.feed(whole[:2]) == ([(0x30, b"")] if size == 0 else [])
    assert frames.feed(whole[2:]) == ([(0x30, bytes(size))] if size else [])


def test_a_length_of_five_bytes_is_no_mqtt() -> None:
    """The connection is given up, not read on."""
    with pytest.raises(MalformedFrame):
        Frames().feed(b"\x30\xff\xff\xff\xff\x01")


@given(publishes, st.dictionaries(st.text("abc", max_size=5), st.text("xyz", max_size=90), max_size=4))
def test_mqtt_5_properties_are_skipped(item: Publish, pairs: dict[str, str]) -> None:
    """Whatever a publisher adds, topic, number and payload are those of the packet."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = list(pairs.items())
    properties.MessageExpiryInterval = 7
    ((first, body),) = Frames().feed(published(item, properties.pack()))
    assert publish_of(first, body, mqtt5=True) == item


@given(st.integers(0x30, 0x3F), st.binary(max_size=30), st.booleans())
def test_garbage_is_refused_or_fits_its_packet(first: int, body: bytes, mqtt5: bool) -> None:
    """No other exception than the declared one, and nothing is made up."""
    try:
        found = publish_of(first, body, mqtt5=mqtt5)
    except MalformedFrame:
        return
    assert found.topic in body
    assert body.endswith(found.payload)


def test_acknowledgements_are_joined() -> None:
    """Four bytes each, as MQTT 3.1.1 and 5 read them."""
    assert pubacks([1, 0x1234]) == b"\x40\x02\x00\x01\x40\x02\x12\x34"


def test_the_quick_reader_goes_with_the_installed_paho() -> None:
    """The version that the project is pinned to has every private name, and the reader behaves."""
    assert trouble() is None


@pytest.mark.parametrize("lost", ["_packet_handle", "_packet_queue", "_sock_recv"])
def test_a_paho_without_the_private_names_is_noticed(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first connection, with the name in the reason."""
    monkeypatch.delattr(paho.Client, lost)
    assert lost in str(trouble())


def test_another_version_of_paho_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names may be the same and mean something else."""
    monkeypatch.setattr("ingest.quick_client.installed", "2.3.0")
    assert "2.3.0" in str(trouble())
