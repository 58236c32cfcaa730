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
from ingest.frames import Publish
from ingest.overload import Load
from ingest.quick_client import PAUSE_S, QuickClient, trouble
from ingest.source import Message

log: Final = structlog.get_logger("ingest.session")

SESSION_EXPIRY_S: Final = 7 * 86_400
KEEPALIVE_S: Final = 15
DRAINED_AFTER_S: Final = 1.0
ACKS_A_WRITE: Final = 4_096
"""Acknowledgements joined into one write at most."""
UNREADABLE_TOPIC: Final = "\N{REPLACEMENT CHARACTER}"
"""For the quarantine: a topic that is not UTF-8. An error instead would bring the same message back for ever."""


def _topic(message: paho.MQTTMessage | Publish) -> str:
    try:
        return message.topic.decode() if isinstance(message.topic, bytes) else message.topic
    except UnicodeDecodeError:
        return UNREADABLE_TOPIC


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
        lasting: bool = True,
        pause_s: float = PAUSE_S,
    ) -> None:
        """`lasting`: the broker keeps the session, and what comes for it, while we are away. `pause_s`: between small reads."""
        self._now_ms, self._lasting, self._pause_s = now_ms, lasting, pause_s
        self.client_id, self._subscriptions, self._mqtt5, self._wake = client_id, tuple(subscriptions), mqtt5, wake
        self._address = address
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._unacknowledged = 0  # of this connection, queued or taken
        self._epoch = 0
        self._connected = False
        self._subscribed_since: float | None = None
        self._stopping = False
        self.connects = 0
        self.sessions_lost = 0
        self.callback_errors = 0
        self.stale_acks = 0
        self.subscriptions_refused = 0
        self.arrived = 0  # messages read from the network
        self.let_go = 0  # of them, not taken when their connection was lost: they come again
        self.restarts = 0
        why_not = trouble()
        self.quick = why_not is None
        """Whether what the socket has is read at once; else the stock client reads packet by packet."""
        if why_not is not None:
            log.warning("reading MQTT packet by packet, which is slow", session=client_id, reason=why_not)
        self._client = self._new_client()

    # --- life ---

    def start(self) -> None:
        """Connect in the background, now and after every loss; paho's thread alone reads and writes the socket."""
        if self._mqtt5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._lasting else 0
            properties.ReceiveMaximum = BROKER_INFLIGHT
            self._client.connect_async(
                self._address.host,
                self._address.port,
                keepalive=KEEPALIVE_S,
                clean_start=not self._lasting,
                properties=properties,
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

    @property
    def well(self) -> bool:
        """Subscribed, its thread runs, and the broker was heard within two keep-alives: it answers every ping."""
        now = time.monotonic()
        heard: float = getattr(self._client, "_last_bytes_received", now)
        return self._subscribed_since is not None and self.thread_alive and now - heard < 2 * KEEPALIVE_S

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
        named: dict[str, Any] = {
            "client_id": self.client_id,
            "clean_session": None if self._mqtt5 else not self._lasting,
            "protocol": paho.MQTTv5 if self._mqtt5 else paho.MQTTv311,
            "manual_ack": True,
        }
        if self.quick:
            named |= {"take": self._on_publishes, "mqtt5": self._mqtt5, "pause_s": self._pause_s}
        client = (QuickClient if self.quick else paho.Client)(CallbackAPIVersion.VERSION2, **named)
        configure(client, self._address)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    # --- callbacks, on the network thread: they may not raise ---

    def _on_pre_connect(self, *_arguments: Any) -> None:
        """Paho connects anew also without a word about the loss. Nothing of the new connection can have come before this."""
        try:
            self._lost()
        except Exception:  # noqa: BLE001  # a callback that raises ends the thread
            self._callback_failed("on_pre_connect")

    def _on_connect(self, client: paho.Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        try:
            if getattr(reason, "is_failure", False):
                log.error("the broker refused the session", session=self.client_id, reason=str(reason))
                return
            if self.connects and self._lasting and not flags.session_present:
                self.sessions_lost += 1
                log.error("the broker forgot our session: devices will send again", session=self.client_id)
            with self._lock:
                self.connects += 1
                self._connected = True
            client.subscribe([(topic, 1) for topic in self._subscriptions])
        except Exception:  # noqa: BLE001  # a callback that raises ends the thread
            self._callback_failed("on_connect")

    def _on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        try:
            if any(reason.is_failure for reason in reasons):
                self.subscriptions_refused += 1
                log.error(
                    "the broker refused a subscription", session=self.client_id, reasons=[str(r) for r in reasons]
                )
                self.drop_connection()
                return
            with self._lock:
                self._subscribed_since = time.monotonic()
        except Exception:  # noqa: BLE001  # a callback that raises ends the thread
            self._callback_failed("on_subscribe")

    def _on_disconnect(self, *_arguments: Any) -> None:
        try:
            self._lost()
        except Exception:  # noqa: BLE001  # a callback that raises ends the thread
            self._callback_failed("on_disconnect")

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            handle = (self, self._epoch, message.mid, message.qos)
            self._queue_up(
                [Message(_topic(message), bytes(message.payload), self._now_ms(), handle, bool(message.retain))]
            )
        except Exception:  # noqa: BLE001  # a callback that raises ends the thread
            # not acknowledged: it comes again after the reconnect that this forces
            self._callback_failed("on_message")
            self.drop_connection()

    def _on_publishes(self, published: Sequence[Publish]) -> None:
        try:
            now, epoch = self._now_ms(), self._epoch
            self._queue_up(
                [
                    Message(_topic(item), item.payload, now, (self, epoch, item.mid, item.qos), item.retained)
                    for item in published
                ]
            )
        except Exception:  # noqa: BLE001  # a callback that raises ends the thread
            # as in `_on_message`: what was not queued comes again
            self._callback_failed("on_publishes")
            self.drop_connection()

    def _queue_up(self, messages: Sequence[Message]) -> None:
        """Into the queue; the network thread waits while it is full, and so does the broker."""
        with self._lock:
            was_empty = not self._queue
            for message in messages:
                while self._full() and not self._stopping:
                    if was_empty:
                        self._wake()
                    self._room.wait(timeout=1.0)
                self._queue.append(message)
                self.arrived += 1
                self._unacknowledged += 1
                self._bytes += len(message.payload)
        if was_empty:
            self._wake()

    def _callback_failed(self, where: str) -> None:
        self.callback_errors += 1
        log.error("a callback failed", session=self.client_id, where=where, exc_info=True)  # noqa: LOG014

    def _lost(self) -> None:
        with self._lock:
            self._epoch += 1
            self._connected, self._subscribed_since = False, None
            self.let_go += len(self._queue)
            self._queue.clear()  # nothing of a dead connection can be acknowledged: all of it comes again
            self._bytes = self._unacknowledged = 0
            self._room.notify_all()

    def _full(self) -> bool:
        return len(self._queue) >= QUEUE_MESSAGES or self._bytes >= QUEUE_BYTES

    # --- towards the event loop ---

    @property
    def settled(self) -> bool:
        """Subscribed for a while: what had gathered at the broker has had time to start coming in."""
        with self._lock:
            since = self._subscribed_since
            return since is not None and time.monotonic() - since >= DRAINED_AFTER_S

    @property
    def queued(self) -> int:
        return len(self._queue)

    def oldest_ms(self) -> int | None:
        with self._lock:
            return self._queue[0].received_ms if self._queue else None

    def load(self) -> Load:
        """What waits, and what the broker counts as in flight."""
        with self._lock:
            oldest_ms = self._queue[0].received_ms if self._queue else None
            return Load(unacknowledged=self._unacknowledged, bytes_=self._bytes, oldest_ms=oldest_ms)

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

    def acknowledge(self, messages: Sequence[Message]) -> int:
        """PUBACKs in this order, only of messages of the connection that is; answers how many were."""
        handles: list[tuple[Session, int, int, int]] = [message.handle for message in messages]  # type: ignore[misc]  # made here
        with self._lock:
            fresh = [(mid, qos) for _, epoch, mid, qos in handles if epoch == self._epoch and self._connected]
            self.stale_acks += len(handles) - len(fresh)
            self._unacknowledged -= len(fresh)
            mids = [mid for mid, qos in fresh if qos == 1]
            if isinstance(self._client, QuickClient):
                for first in range(0, len(mids), ACKS_A_WRITE):
                    self._client.acknowledge(mids[first : first + ACKS_A_WRITE])
            else:
                for mid in mids:
                    self._client.ack(mid, 1)
            return len(fresh)

    def publish(self, topic: str, payload: bytes) -> None:
        if self._connected:
            self._client.publish(topic, payload, qos=0)

    def publish_surely(self, topic: str, payload: bytes) -> Callable[[], bool] | None:
        """At QoS 1; answers whether the broker has it, to be asked later. Paho sends again over a reconnect. None: no connection."""
        if not self._connected:
            return None
        handed = self._client.publish(topic, payload, qos=1)
        return None if handed.rc else handed.is_published

    def drop_connection(self) -> None:
        """Close the socket; paho reconnects and the broker sends again what was not acknowledged.

        On its own thread paho says nothing about a socket that was closed under it, so the connection counts as lost from here on.
        """
        self._lost()
        socket = self._client.socket()
        if socket is not None:
            try:
                socket.close()
            except OSError as error:
                log.debug("socket was closed already", error=str(error))
