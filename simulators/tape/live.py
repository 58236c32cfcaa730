"""The shell that records live traffic: a broker's messages onto a tape. paho in a thread of its own, a bounded queue, one writer.

What comes faster than it can be written is left out and counted. Retained messages are the past: they are left out too.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hoistway import wire
from hoistway.errors import ServiceUnavailable
from hoistway.mqtt_url import MqttAddress, configure
from simulators.tape.file import Item, TapeWriter

QUEUE_MESSAGES: Final = 50_000
FLUSH_S: Final = 5.0
"""What was recorded is on disk after so long at the latest."""
CONNECT_S: Final = 10.0


class Recorder:
    """Records until `stop` is set. Counts: recorded, what no tape has room for, and what was no topic of the contract."""

    def __init__(self, address: MqttAddress, *, client_id: str = "hoistway-record") -> None:
        self._address = address
        self._queue: queue.Queue[Item] = queue.Queue(QUEUE_MESSAGES)
        self._up = threading.Event()
        self.refused = ""
        self.recorded = self.overrun = self.foreign = self.too_large = 0
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv311)
        configure(self.client, address)
        self.client.on_connect, self.client.on_message = self._on_connect, self._on_message

    def run(self, path: Path, stop: threading.Event) -> None:
        """Record to `path`. Raises ServiceUnavailable when the broker cannot be reached or refuses."""
        try:
            self.client.connect(self._address.host, self._address.port, 30)
        except OSError as error:
            raise ServiceUnavailable(f"no broker at {self._address.host}:{self._address.port}: {error}") from None
        self.client.loop_start()
        try:
            if not self._up.wait(CONNECT_S) or self.refused:
                raise ServiceUnavailable(f"the broker does not let us in: {self.refused or 'no answer'}")
            with TapeWriter(path) as tape:
                self._write(tape, stop)
        finally:
            self.client.disconnect()
            self.client.loop_stop()
            self.client.on_connect = self.client.on_message = (
                None  # nobody else holds it now: its sockets close with it
            )

    def _write(self, tape: TapeWriter, stop: threading.Event) -> None:
        flush_at = time.monotonic() + FLUSH_S
        while not (stop.is_set() and self._queue.empty()):
            with contextlib.suppress(queue.Empty):
                tape.add(self._queue.get(timeout=0.2))
            self.recorded, self.too_large = tape.items, tape.too_large
            if time.monotonic() >= flush_at:
                tape.flush()
                flush_at = time.monotonic() + FLUSH_S

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.refused = str(reason)
        else:
            client.subscribe([(f"{wire.PREFIX}/+/+/{leaf}", 0) for leaf in ("state", "event", "link")])
        self._up.set()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        topic = wire.parse_topic(message.topic)
        if topic is None:
            self.foreign += 1
            return
        if message.retain:
            return
        item = Item(time.time_ns() // 1_000_000, topic.shard, topic.device, topic.leaf, bytes(message.payload))
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.overrun += 1
