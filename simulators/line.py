"""One connection of a device to a broker, by paho: will, subscription, window, farewell, and the pause before the next one.

What the shells of the device half share: a terminal's thread (`terminal`), thousands of sockets on one loop (`fleet`), and the
gateway's uplink. Who drives the client, and in which thread its callbacks run, is theirs. A line is used once: its client has no past,
so that what was under way when it broke is the device's business and not paho's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from hoistway.mqtt_url import MqttAddress, configure
from simulators.device import Device

KEEPALIVE_S: Final = 30
CONNACK_WITHIN_S: Final = 10.0
"""A broker that has not answered CONNECT by then is tried again."""
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MOST_S: Final = 30.0
WINDOW: Final = 20
"""QoS 1 messages under way; the rest waits in the device, which is bounded."""

Hand = Callable[..., None]
"""Takes a callback and its arguments to the thread that the device belongs to."""


class Backoff:
    """Pauses between connections: twice as long each time, and never the same for two devices."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._next_s = BACKOFF_FIRST_S

    def pause_s(self) -> float:
        """How long to wait now."""
        pause_s = self._next_s * (0.5 + self._rng.random())
        self._next_s = min(self._next_s * 2, BACKOFF_MOST_S)
        return pause_s

    def stood(self) -> None:
        """A connection stood: the next pause is short again."""
        self._next_s = BACKOFF_FIRST_S


class Line:
    """One client. `told` is called after every news: it stands (then `device.connected`), something was received, a message is through, it
    has ended. `sent` gets the bytes of each message that went out."""

    def __init__(
        self,
        device: Device,
        address: MqttAddress,
        prefix: str,
        *,
        now: Callable[[], int],
        told: Callable[[], None],
        window: int = WINDOW,
        sent: Callable[[int], None] | None = None,
        hand: Hand | None = None,
    ) -> None:
        self._device, self._address, self._prefix = device, address, prefix.rstrip("/")
        self._now, self._told, self._window = now, told, window
        self._sent, self._hand = sent, hand or _at_once
        self._pending = 0
        self.ended = False
        self.refused = ""  # what the broker had against us
        will = device.connecting(now())
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=device.name,
            protocol=mqtt.MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,  # by itself it would come back with the will of the connection that broke
        )
        configure(self.client, address)
        self.client.max_inflight_messages_set(window)
        self.client.will_set(f"{self._prefix}/{will.leaf}", will.payload, qos=1, retain=True)
        self.client.on_connect, self.client.on_disconnect = self._on_connect, self._on_disconnect
        self.client.on_message, self.client.on_publish = self._on_message, self._on_publish

    def connect(self) -> None:
        """Look the name up, open the socket, send CONNECT; blocks. Raises OSError or ValueError."""
        self.client.connect(self._address.host, self._address.port, KEEPALIVE_S)

    def pump(self) -> None:
        """Publish what the device wants to send, as far as the window allows."""
        for message in self._device.outgoing(self._now(), self._window - self._pending):
            self._publish(message.leaf, message.payload, retain=message.retain)

    def farewell(self) -> mqtt.MQTTMessageInfo | None:
        """Say goodbye, if there still is somebody to say it to."""
        if not self._device.connected:
            return None
        message = self._device.farewell(self._now())
        return self._publish(message.leaf, message.payload, retain=True)

    def _publish(self, leaf: str, payload: bytes, *, retain: bool) -> mqtt.MQTTMessageInfo:
        info = self.client.publish(f"{self._prefix}/{leaf}", payload, qos=1, retain=retain)
        self._pending += 1
        if self._sent is not None and info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._sent(len(payload))
        return info

    # --- paho's callbacks, in the thread that drives the client ---

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._hand(self._end, str(reason))
            return
        client.subscribe([(f"{self._prefix}/ack", 0), (f"{self._prefix}/cmd", 1)])
        self._hand(self._up)

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        self._hand(self._end, "")

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._hand(self._receive, message.topic.rpartition("/")[2], bytes(message.payload))

    def _on_publish(self, _client: mqtt.Client, _data: Any, _mid: int, _reason: Any, _properties: Any) -> None:
        self._hand(self._through)

    # --- the same, where the device lives ---

    def _up(self) -> None:
        self._device.up(self._now())
        self._told()

    def _end(self, refused: str) -> None:
        self.ended, self.refused = True, refused or self.refused
        self._device.down()
        self._told()

    def _receive(self, leaf: str, payload: bytes) -> None:
        self._device.receive(leaf, payload, self._now())
        self._told()

    def _through(self) -> None:
        self._pending = max(0, self._pending - 1)
        self._told()


def _at_once(call: Callable[..., None], *arguments: Any) -> None:
    call(*arguments)
