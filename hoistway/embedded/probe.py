"""Whether a broker answers: one short MQTT session that connects and publishes, and nothing else; in a device's name it ends that
device's session. The only file here with paho."""

from __future__ import annotations

import secrets
import time
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hoistway import wire
from hoistway.errors import ServiceUnavailable
from hoistway.mqtt_url import MqttAddress, configure

TOPIC: Final = wire.topic(0, "hoistway-probe", "cmd")
"""Nobody subscribes to it; ingest's user may write it."""


class Unwelcome(ServiceUnavailable):
    """The broker answers, but refuses this user, password or publication."""


def probe(
    address: MqttAddress, *, mqtt5: bool, limit_s: float = 5.0, topic: str | None = TOPIC, name: str | None = None
) -> None:
    """Connect and have one QoS 1 message confirmed (`topic` None: connect only); blocking. `name`: the client id, else a random one.

    Raises `Unwelcome` when the broker refuses us, `ServiceUnavailable` when it does not answer within `limit_s`.
    """
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=name or f"hoistway-probe-{secrets.token_hex(6)}",
        protocol=paho.MQTTv5 if mqtt5 else paho.MQTTv311,
    )
    configure(client, address)
    refusals: list[str] = []
    confirmed: list[int] = []

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refusals.append(str(reason))
        elif topic is None:
            confirmed.append(0)
        else:
            client.publish(topic, b"", qos=1)

    def published(_client: Any, _data: Any, number: int, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refusals.append(str(reason))
        confirmed.append(number)

    client.on_connect = connected
    client.on_publish = published
    until = time.monotonic() + limit_s
    try:
        client.connect(address.host, address.port, keepalive=10)
        while not confirmed and not refusals and time.monotonic() < until:
            if client.loop(timeout=0.05) is not paho.MQTT_ERR_SUCCESS and not refusals:
                raise ServiceUnavailable(f"the broker at {address} closed the connection")
    except OSError as error:
        raise ServiceUnavailable(f"the broker at {address} does not answer: {error}") from error
    finally:
        client.disconnect()
        client.loop(timeout=0.01)
        if (socket := client.socket()) is not None:
            socket.close()
    if refusals:
        raise Unwelcome(f"the broker at {address} refuses us: {refusals[0]}")
    if not confirmed:
        raise ServiceUnavailable(f"the broker at {address} does not answer within {limit_s:.0f} s")


def speaks_mqtt5(address: MqttAddress, *, limit_s: float = 5.0) -> bool:
    """Whether a broker that answers MQTT 3.1.1 also takes MQTT 5; blocking."""
    try:
        probe(address, mqtt5=True, limit_s=limit_s, topic=None)
    except ServiceUnavailable:
        return False
    return True


def end_session(address: MqttAddress, device: str) -> None:
    """End a device's session at the broker by taking it over for a moment; blocking. Raises as `probe`.

    `address` is our own, on a listener where the client id is free: whoever is connected under that id is put out. He may
    come back if his key still opens the door.
    """
    probe(address, mqtt5=False, topic=None, name=device)
