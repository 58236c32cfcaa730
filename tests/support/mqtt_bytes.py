"""MQTT 3.1.1 packets by hand (OASIS, 1.5.3 and 2.2), for senders that must cost next to nothing."""

from __future__ import annotations

import struct


def text(value: str) -> bytes:
    """A string with its length before it."""
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def frame(kind: int, body: bytes) -> bytes:
    """A packet: first byte, remaining length, body."""
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (128 if length else 0))
        if not length:
            return bytes([kind]) + bytes(digits) + body
