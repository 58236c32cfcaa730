"""One persistent MQTT session: paho in its own thread, a bounded queue out, acknowledgements in.

The pitfalls this file exists for: an exception in a paho callback ends the network thread while `is_connected()` stays
true (so callbacks cannot raise, and the thread is watched); an acknowledgement sent after a reconnect can confirm another
message of the same number (so each message carries its connection's epoch); outside its own thread's loop paho writes to the
socket in the caller's thread, errors and callbacks included (so `loop_start`, never `loop_forever` in a thread of ours);
acknowledgements go in order of arrival; the broker forgetting the session is noticed and said.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hoistway.limits import BROKER_INFLIGHT, QUEUE_BYTES, QUEUE_MESSAGES
from hoistway.mqtt_url import MqttAddress, configure
from ingest.source import Message

log: Final = structlog.get_logger("ingest.session")

SESSION_EXPIRY_S: Final = 7 * 86_400
KEEPALIVE_S: Final = 15
DRAINED_AFTER_S: Final = 1.0


class Session:
    """A session named `client_id` with its own subscriptions. Thread-safe towards the event loop."""

    def __init__(
        self,
        address: MqttAddress,
        *,
        client_id: str,
        subscriptions: Sequence[str],
        mqtt5: bool,
        wake: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._now_ms = now_ms
        self.client_id, self._subscriptions, self._mqtt5, self._wake = client_id, tuple(subscriptions), mqtt5, wake
        self._address = address
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._epoch = 0
        self._connected = False
        self._connected_since = 0.0
        self._stopping = False
        self.connects = 0
        self.sessions_lost = 0
        self.callback_errors = 0
        self.stale_acks = 0
        self.restarts = 0
        self._client = self._new_client()

    # --- life ---

    def start(self) -> None:
        """Connect in the background, now and after every loss; paho's thread alone reads and writes the socket."""
        if self._mqtt5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = BROKER_INFLIGHT
            self._client.connect_async(
                self._address.host, self._address.port, keepalive=KEEPALIVE_S, clean_start=False, properties=properties
            )
        else:
            self._client.connect_async(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            self._room.notify_all()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def thread_alive(self) -> bool:
        """Whether the network thread runs; paho's own `is_connected` stays true when it has died."""
        thread = self._client._thread  # noqa: SLF001  # there is no public way; the broker tests hold it to this version
        return thread is not None and thread.is_alive()

    def revive(self) -> bool:
        """Start a new network thread when the old one died; answers whether it had to."""
        if self._stopping or self.thread_alive:
            return False
        self.restarts += 1
        log.error("the network thread died; starting a new one", session=self.client_id)
        self._lost()
        self._client = self._new_client()
        self.start()
        return True

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=None if self._mqtt5 else False,
            protocol=paho.MQTTv5 if self._mqtt5 else paho.MQTTv311,
            manual_ack=True,
        )
        configure(client, self._address)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    # --- callbacks, on the network thread: they may not raise ---

    def _on_connect(self, client: paho.Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        try:
            if getattr(reason, "is_failure", False):
                log.error("the broker refused the session", session=self.client_id, reason=str(reason))
                return
            if self.connects and not flags.session_present:
                self.sessions_lost += 1
                log.error("the broker forgot our session: devices will send again", session=self.client_id)
            with self._lock:
                self.connects += 1
                self._connected = True
                self._connected_since = time.monotonic()
            client.subscribe([(topic, 1) for topic in self._subscriptions])
        except Exception:  # noqa: BLE001  # a callback that raises ends the thread
            self._callback_failed("on_connect")

    def _on_disconnect(self, *_arguments: Any) -> None:
        try:
            self._lost()
        except Exception:  # noqa: BLE001
            self._callback_failed("on_disconnect")

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            handle = (self, self._epoch, message.mid, message.qos)
            taken = Message(message.topic, bytes(message.payload), self._now_ms(), handle, bool(message.retain))
            with self._lock:
                while self._full() and not self._stopping:
                    self._room.wait(timeout=1.0)
                was_empty = not self._queue
                self._queue.append(taken)
                self._bytes += len(taken.payload)
            if was_empty:
                self._wake()
        except Exception:  # noqa: BLE001
            # not acknowledged: it comes again after the reconnect that this forces
            self._callback_failed("on_message")
            self.drop_connection()

    def _callback_failed(self, where: str) -> None:
        self.callback_errors += 1
        log.error("a callback failed", session=self.client_id, where=where, exc_info=True)  # noqa: LOG014

    def _lost(self) -> None:
        with self._lock:
            self._epoch += 1
            self._connected = False
            self._queue.clear()  # nothing of a dead connection can be acknowledged: all of it comes again
            self._bytes = 0
            self._room.notify_all()

    def _full(self) -> bool:
        return len(self._queue) >= QUEUE_MESSAGES or self._bytes >= QUEUE_BYTES

    # --- towards the event loop ---

    @property
    def settled(self) -> bool:
        """Connected for a while: what had gathered at the broker has had time to start coming in."""
        with self._lock:
            return self._connected and time.monotonic() - self._connected_since >= DRAINED_AFTER_S

    @property
    def queued(self) -> int:
        return len(self._queue)

    def oldest_ms(self) -> int | None:
        with self._lock:
            return self._queue[0].received_ms if self._queue else None

    def take(self, *, messages: int, bytes_: int) -> list[Message]:
        taken: list[Message] = []
        with self._lock:
            while self._queue and len(taken) < messages and bytes_ > 0:
                message = self._queue.popleft()
                bytes_ -= len(message.payload)
                self._bytes -= len(message.payload)
                taken.append(message)
            if taken:
                self._room.notify_all()
        return taken

    def acknowledge(self, message: Message) -> bool:
        """PUBACK, only on the connection the message came by."""
        handle: tuple[Session, int, int, int] = message.handle  # type: ignore[assignment]  # made in _on_message
        _, epoch, mid, qos = handle
        with self._lock:
            if epoch != self._epoch or not self._connected:
                self.stale_acks += 1
                return False
            self._client.ack(mid, qos)
            return True

    def publish(self, topic: str, payload: bytes) -> None:
        if self._connected:
            self._client.publish(topic, payload, qos=0)

    def drop_connection(self) -> None:
        """Close the socket; paho reconnects and the broker sends again what was not acknowledged."""
        socket = self._client.socket()
        if socket is not None:
            try:
                socket.close()
            except OSError as error:
                log.debug("socket was closed already", error=str(error))
