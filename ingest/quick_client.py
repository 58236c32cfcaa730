"""paho's client with a reader that takes what the socket has at once, instead of four reads a packet; and acknowledgements joined.

Connecting, TLS, keep-alive, sessions and subscriptions stay paho's. It leans on names that paho does not promise (`_packet_read`,
`_packet_handle`, `_packet_queue`, `_in_packet`, `_sock_recv`), so `trouble` looks, before the first connection, whether the installed
version has them and behaves; where not, ingest uses the stock client and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from paho.mqtt import __version__ as installed
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket

from ingest.frames import PUBLISH, Frames, MalformedFrame, Publish, pubacks, publish_of

READ_BYTES: Final = 256 * 1024
BUSY_BYTES: Final = 64 * 1024
"""After a read this large the next one follows at once."""
PAUSE_S: Final = 0.005
"""Between small reads: one wake-up for many messages instead of one each."""
KNOWN: Final = ("2.1.", "2.2.")
"""Versions of paho for which the private names were looked at."""
_PUBACK: Final = 0x40
_PRIVATE: Final = ("_packet_read", "_packet_handle", "_packet_queue", "_sock_recv")

Taker = Callable[[Sequence[Publish]], None]


class QuickClient(paho.Client):
    """`take` gets the PUBLISHes of one read, on the network thread; it may not raise."""

    def __init__(self, *arguments: Any, take: Taker, mqtt5: bool, pause_s: float = PAUSE_S, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._take, self._is_mqtt5, self._pause_s = take, mqtt5, pause_s
        self._frames = Frames()

    def reconnect(self) -> MQTTErrorCode:
        """A new connection begins with a new packet."""
        self._frames = Frames()
        return super().reconnect()

    def acknowledge(self, mids: list[int]) -> None:
        """PUBACKs of QoS 1 messages, in this order, in one write."""
        self._packet_queue(_PUBACK, pubacks(mids), 0, 0)

    def _packet_read(self) -> MQTTErrorCode:
        try:
            data = self._sock_recv(READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        if not data:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        try:
            result = self._packets(self._frames.feed(data))
        except MalformedFrame:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        if len(data) < BUSY_BYTES and not result:
            time.sleep(self._pause_s)
        return result

    def _packets(self, packets: Sequence[tuple[int, bytes]]) -> MQTTErrorCode:
        """Hand over what was published; everything else is paho's business."""
        published: list[Publish] = []
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        for first, body in packets:
            if first & 0xF0 == PUBLISH:
                published.append(publish_of(first, body, mqtt5=self._is_mqtt5))
                continue
            if published:
                self._take(published)
                published = []
            result = self._other(first, body)
            if result > 0:
                return result
        if published:
            self._take(published)
        return result

    def _other(self, first: int, body: bytes) -> MQTTErrorCode:
        self._in_packet = _in_packet(first, body)
        try:
            return self._packet_handle()
        except MalformedPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        finally:
            self._in_packet = _in_packet(0, b"")


def _in_packet(first: int, body: bytes) -> Any:
    """A packet as paho's handlers find it."""
    return {
        "command": first, "have_remaining": int(bool(first)), "remaining_count": [], "remaining_mult": 1,
        "remaining_length": len(body), "packet": bytearray(body), "to_process": 0, "pos": 0,
    }  # fmt: skip


def trouble() -> str | None:
    """Why the quick client cannot be used with the paho that is installed; None when it can. Tries it without a network."""
    if not installed.startswith(KNOWN):
        return f"paho-mqtt {installed} is not one of {', '.join(f'{known}x' for known in KNOWN)}"
    missing = [name for name in _PRIVATE if not hasattr(paho.Client, name)]
    if missing:
        return f"paho-mqtt {installed} has no {', '.join(missing)}"
    try:
        return _Trial().run()
    except Exception as error:  # noqa: BLE001  # whatever goes wrong here would go wrong on the network thread
        return f"paho-mqtt {installed}: {type(error).__name__}: {error}"


class _Trial(QuickClient):
    """A torn PUBLISH, a PINGRESP in between and a joined acknowledgement, as the network would bring them."""

    def __init__(self) -> None:
        self._taken: list[Publish] = []
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id="trial", take=self._taken.extend, mqtt5=False, manual_ack=True
        )
        self._pieces = [b"\x32\x07\x00\x01t\x00", b"\x09ok\xd0\x00\x32\x07", b"\x00\x01t\x00\x0ano", b""]

    def _sock_recv(self, bufsize: int) -> bytes:
        return self._pieces.pop(0)[:bufsize]

    def run(self) -> str | None:
        results = [self._packet_read() for _ in range(4)]
        if results != [MQTTErrorCode.MQTT_ERR_SUCCESS] * 3 + [MQTTErrorCode.MQTT_ERR_CONN_LOST]:
            return f"the reader answered {results}"
        if [(item.topic, item.payload, item.mid) for item in self._taken] != [(b"t", b"ok", 9), (b"t", b"no", 10)]:
            return f"the reader took {self._taken}"
        self.acknowledge([9, 10])
        queued = bytes(self._out_packet[-1]["packet"])
        return None if queued == b"\x40\x02\x00\x09\x40\x02\x00\x0a" else f"the acknowledgements were {queued!r}"
