"""An MQTT address is one URL: read exactly, written back exactly, and never shown with its password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hoistway.errors import BadInput
from hoistway.mqtt_url import MqttAddress, configure

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://h", MqttAddress(host="h", port=1883)),
        ("mqtts://h", MqttAddress(host="h", port=8883, tls=True)),
        ("mqtt://u:p@10.0.0.1:99/", MqttAddress(host="10.0.0.1", port=99, user="u", password="p")),
        ("mqtt://u@h", MqttAddress(host="h", port=1883, user="u")),
        ("mqtt://u:p%40%3a%2f@[::1]:1", MqttAddress(host="::1", port=1, user="u", password="p@:/")),
        (
            "mqtts://h:1?ca=/etc/a%20b.pem&cert=c.pem&key=k.pem",
            MqttAddress(host="h", port=1, tls=True, ca="/etc/a b.pem", cert="c.pem", key="k.pem"),
        ),
    ],
)
def test_every_form_is_read(url: str, expected: MqttAddress) -> None:
    """Schemes, default ports, quoted passwords, IPv6 and certificate files."""
    assert MqttAddress.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:1883", "http://u:hidden@h", "mqtt://", "mqtt://u:hidden@", "mqtt://u:hidden@h:port", "mqtt://u:hidden@h:70000",
        "mqtt://:hidden@h", "mqtt://u:hidden@h/topic", "mqtt://u:hidden@h?ca=x", "mqtts://u:hidden@h?certificate=x", "mqtts://h?key=x",
        "mqtt://u:hidden@h#part", "mqtt://u:hidden@[::1",
    ],
)  # fmt: skip
def test_what_cannot_be_an_address_is_refused_without_its_password(url: str) -> None:
    """Each refusal says what is wrong and which form is expected, and does not repeat the password."""
    with pytest.raises(BadInput, match=r"expected mqtt://") as caught:
        MqttAddress.parse(url)
    assert "hidden" not in str(caught.value)


@given(
    user=TEXT,
    password=TEXT,
    port=st.integers(1, 65535),
    host=st.sampled_from(["127.0.0.1", "::1", "broker.example"]),
    ca=st.none() | TEXT,
)
def test_an_address_survives_being_written_and_read(
    user: str, password: str, port: int, host: str, ca: str | None
) -> None:
    """Any user, password and file name come back from the URL as they were."""
    address = MqttAddress(host=host, port=port, user=user, password=password, tls=ca is not None, ca=ca)
    assert MqttAddress.parse(address.url) == address


def test_the_password_is_not_shown() -> None:
    """Neither `str` nor `repr` holds it."""
    address = MqttAddress.parse("mqtt://ingest:hidden@h")
    assert "hidden" not in str(address)
    assert "hidden" not in repr(address)


def test_a_certificate_that_is_not_there_is_named() -> None:
    """A missing CA file is a word about the file, not a traceback from TLS."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    with pytest.raises(BadInput, match="certificate file"):
        configure(client, MqttAddress.parse("mqtts://h?ca=/nowhere/ca.pem"))
