"""MQTT packets out of a stream of bytes, and what a PUBLISH holds. Pure: no socket, no client, no clock.

Packet layout: MQTT 3.1.1 (OASIS), 2.2 and 3.3; MQTT 5.0, 3.3.2: properties come between packet identifier and payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PUBLISH: Final = 0x30
_LENGTH_BYTES: Final = 4
_MALFORMED: Final = "a remaining length of more than four bytes"


class MalformedFrame(Exception):
    """Bytes that are no MQTT packet: the connection is beyond repair."""


@dataclass(frozen=True, slots=True)
class Publish:
    """One PUBLISH as it came in."""

    topic: bytes
    payload: bytes
    mid: int  # 0 for QoS 0
    qos: int
    retained: bool = False


class Frames:
    """Cuts whatever comes in into packets, however it was torn."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def waiting(self) -> int:
        """Bytes of a packet that is not yet whole."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The packets that are whole now, each as its first byte and what follows its remaining length. Raises MalformedFrame."""
        if self._rest:
            data = self._rest + data
        found: list[tuple[int, bytes]] = []
        start, size = 0, len(data)
        while size - start >= 2:
            length, place = data[start + 1], start + 2
            if length & 0x80:
                length, place = _long_length(data, start + 1)
                if place < 0:
                    break
            if place + length > size:
                break
            found.append((data[start], data[place : place + length]))
            start = place + length
        self._rest = data[start:]
        return found


def _long_length(data: bytes, place: int) -> tuple[int, int]:
    """A remaining length of several bytes and where it ends; a negative place where it is not yet whole."""
    length = 0
    for index in range(_LENGTH_BYTES):
        if place + index >= len(data):
            return 0, -1
        byte = data[place + index]
        length |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return length, place + index + 1
    raise MalformedFrame(_MALFORMED)


def publish_of(first: int, body: bytes, *, mqtt5: bool) -> Publish:
    """A PUBLISH packet taken apart; MQTT 5 properties are skipped. Raises MalformedFrame."""
    qos = first >> 1 & 3
    end = 2 + int.from_bytes(body[:2], "big")
    place = end + 2 if qos else end
    if len(body) < max(2, place) or qos > 2:  # QoS 3 is reserved
        raise MalformedFrame("a PUBLISH that is too short, or of QoS 3")
    mid = int.from_bytes(body[end:place], "big")
    if mqtt5:
        length, place = _properties(body, place)
        place += length
        if place > len(body):
            raise MalformedFrame("properties longer than their packet")
    return Publish(topic=body[2:end], payload=body[place:], mid=mid, qos=qos, retained=bool(first & 1))


def _properties(body: bytes, place: int) -> tuple[int, int]:
    length, after = _long_length(body, place)
    if after < 0:
        raise MalformedFrame("properties without a length")
    return length, after


def pubacks(mids: list[int]) -> bytes:
    """PUBACKs for these packet identifiers, joined; of MQTT 3.1.1 and, with reason "success" left out, of MQTT 5."""
    return b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)
