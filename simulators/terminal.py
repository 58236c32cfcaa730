"""One terminal on a real broker: the thin shell around `simulators.device`, as a pattern for firmware. One thread, one loop.

It moves bytes, reads the clock and keeps the non-volatile memory (a file); what is sent, kept and sent again is decided in the core.
Each connection is a new client without a past, so that what was under way when a line broke is the core's business and not paho's.
The simulated city has a shell of its own for thousands of devices (`simulators.fleet`).
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from hoistway.mqtt_url import MqttAddress, configure
from simulators.device import Device

KEEPALIVE_S: Final = 30
WINDOW: Final = 20
"""QoS 1 messages under way; the rest waits in the device, which is bounded."""
TURN_S: Final = 0.1
CONNACK_WITHIN_S: Final = 10.0
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MOST_S: Final = 30.0

Sense = Callable[[Device, int], None]
"""Called each turn with our own clock, ms: reads the sensors, calls `device.sample` and `device.report`."""


def own_clock_ms() -> int:
    """The terminal's own clock, right or wrong."""
    return time.time_ns() // 1_000_000


class Terminal:
    """Runs until `stop` is set: `Terminal(...).run(stop)`, in a thread of its own or as the whole program."""

    def __init__(
        self, name: str, address: MqttAddress, *, prefix: str, memory: Path, sense: Sense,
        now_ms: Callable[[], int] = own_clock_ms,
    ) -> None:  # fmt: skip
        self._address, self._prefix, self._memory, self._sense = address, prefix.rstrip("/"), memory, sense
        self._now = now_ms
        self.device = Device.restarted(name, _read(memory))
        self._saved = b""
        self._pending = 0
        self._remember()  # the boot number, before the first record

    def run(self, stop: threading.Event) -> None:
        """Connect, talk, and connect again with growing random pauses; says goodbye at the end."""
        backoff_s = BACKOFF_FIRST_S
        while not stop.is_set():
            if self._talk(stop):
                backoff_s = BACKOFF_FIRST_S
            self.device.down()
            pause = time.monotonic() + backoff_s * (0.5 + random.random())
            while time.monotonic() < pause and not stop.wait(TURN_S):
                self._look()
            backoff_s = min(backoff_s * 2, BACKOFF_MOST_S)

    def _talk(self, stop: threading.Event) -> bool:
        """One connection until it breaks; answers whether the broker took it."""
        client = self._client()
        try:
            client.connect(self._address.host, self._address.port, KEEPALIVE_S)
        except (OSError, ValueError):
            return False
        deadline, taken = time.monotonic() + CONNACK_WITHIN_S, False
        while client.loop(TURN_S) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._look()
            taken |= self.device.connected
            if stop.is_set():
                self._leave(client)
                break
            if not self.device.connected and time.monotonic() > deadline:
                break
            for message in self.device.outgoing(self._now(), WINDOW - self._pending):
                self._publish(client, message.leaf, message.payload, retain=message.retain)
        return taken

    def _look(self) -> None:
        """The sensors, connected or not; what came is remembered before it is sent."""
        self._sense(self.device, self._now())
        self._remember()

    def _leave(self, client: mqtt.Client) -> None:
        if self.device.connected:
            farewell = self.device.farewell(self._now())
            self._publish(client, farewell.leaf, farewell.payload, retain=True)
        client.disconnect()
        client.loop(TURN_S)

    def _publish(self, client: mqtt.Client, leaf: str, payload: bytes, *, retain: bool) -> None:
        client.publish(f"{self._prefix}/{leaf}", payload, qos=1, retain=retain)
        self._pending += 1

    def _client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self.device.name, protocol=mqtt.MQTTv311, clean_session=True
        )
        configure(client, self._address)
        client.max_inflight_messages_set(WINDOW)
        will = self.device.connecting(self._now())
        client.will_set(f"{self._prefix}/{will.leaf}", will.payload, qos=1, retain=True)
        client.on_connect, client.on_message = self._on_connect, self._on_message
        client.on_publish = self._on_publish
        self._pending = 0
        return client

    # --- paho's callbacks, all within `client.loop` ---

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe([(f"{self._prefix}/ack", 0), (f"{self._prefix}/cmd", 1)])
            self.device.up(self._now())

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.device.receive(message.topic.rpartition("/")[2], bytes(message.payload), self._now())

    def _on_publish(self, _client: mqtt.Client, _data: Any, _mid: int, _reason: Any, _properties: Any) -> None:
        self._pending = max(0, self._pending - 1)

    # --- non-volatile memory ---

    def _remember(self) -> None:
        """Write what has to outlive a power cut, when it changed: whole and flushed to the disk, or not at all."""
        fresh = json.dumps(self.device.snapshot()).encode()
        if fresh == self._saved:
            return
        beside = self._memory.with_suffix(".new")
        beside.write_bytes(fresh)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(self._memory)
        self._saved = fresh


def _read(memory: Path) -> Mapping[str, Any] | None:
    """None for a terminal's first start. A file that cannot be read stops it: starting at boot 1 again would be worse."""
    return json.loads(memory.read_bytes()) if memory.exists() else None
