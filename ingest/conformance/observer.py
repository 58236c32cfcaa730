"""The checker's ear: one more MQTT client at the broker, which hears what a device says and what it is told. Judges nothing.

Why the broker and not the store: the store holds what was accepted, so unknown fields, repeated records, the QoS, the retained flag
and the will never get there. The platform's own account may read every device's topics, up and down, with each of our brokers.
The observer has a client id of its own and a clean session: it takes nothing from ingest, and never connects in the device's name.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hoistway import wire
from hoistway.errors import ServiceUnavailable
from hoistway.mqtt_url import MqttAddress, configure
from ingest.conformance.heard import Heard

HEARD_MESSAGES: Final = 200_000
"""Messages kept of one watch; further ones are counted and not judged."""
HEARD_BYTES: Final = 128 * 1024 * 1024
"""And bytes of their payloads."""
PATIENCE_S: Final = 10.0


class Observer:
    """Listens while it is open. An observer that lost its line has holes of its own and says so instead of judging."""

    def __init__(self, address: MqttAddress, device: str, *, now_ms: Callable[[], int]) -> None:
        self._address, self._now_ms = address, now_ms
        # nats-server takes no more than three subscriptions of QoS 1 at our number of messages in flight
        self._topics = [
            (f"{wire.PREFIX}/+/{device}/{leaf}", 1 if leaf in wire.UP else 0) for leaf in wire.UP + wire.DOWN
        ]
        self._granted, self._refusal = threading.Event(), ""
        self._heard: list[Heard] = []
        self._bytes = 0
        self.dropped = 0
        self._connects = self._losses = 0
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"hoistway-check-{secrets.token_hex(4)}", protocol=paho.MQTTv311
        )
        configure(self._client, address)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=30)
        except (OSError, ValueError) as error:
            raise ServiceUnavailable(f"no broker at {self._address}: {error}") from error
        self._client.loop_start()
        if not self._granted.wait(PATIENCE_S) or self._refusal:
            self._close()
            raise ServiceUnavailable(
                f"the broker at {self._address} does not let us listen: {self._refusal or 'no answer'}"
            )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._close()

    def heard(self) -> list[Heard]:
        """Everything so far, in order of arrival. Raises `ServiceUnavailable` when the line broke meanwhile."""
        if self._losses or self._connects != 1:
            raise ServiceUnavailable(
                "the check's own connection to the broker broke; nothing is judged: start it again"
            )
        return list(self._heard)

    def _close(self) -> None:
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_stop()

    # --- paho's callbacks: nothing here may raise, or its thread dies and still looks connected ---

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            self._granted.set()
            return
        self._connects += 1
        client.subscribe(self._topics)

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        self._losses += 1

    def _on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refused = [topic for (topic, _), reason in zip(self._topics, reasons, strict=False) if reason.is_failure]
        self._refusal = f"subscription to {', '.join(refused)} refused" if refused else ""
        self._granted.set()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if len(self._heard) >= HEARD_MESSAGES or self._bytes + len(message.payload) > HEARD_BYTES:
            self.dropped += 1
            return
        self._bytes += len(message.payload)
        self._heard.append(
            Heard(
                topic=message.topic,
                payload=bytes(message.payload),
                at_ms=self._now_ms(),
                retained=message.retain,
                qos=message.qos,
            )
        )
