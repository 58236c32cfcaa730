"""The MQTT contract, version 1: topics, records, control messages. docs/mqtt.md and asyncapi.yaml say the same in prose.

Pure: bytes and values, no client, no clock. Payloads are UTF-8 JSON. Every sample is complete: a missing field is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from hoistway.limits import SHARDS

PREFIX: Final = "lift/v1"
DEVICE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_SHARD: Final = re.compile(r"0|[1-9][0-9]?")

PROBE_DEVICE: Final = "hoistway-probe"
"""The platform's own terminal, by which `hoistway watch` raises the alarm of the dead-man's switch."""

RESERVED_DEVICES: Final = frozenset({"ingest", "health", PROBE_DEVICE})
"""Broker accounts of the platform: no device may be called so."""

UP: Final = ("state", "event", "link")
DOWN: Final = ("ack", "cmd")

REASONS: Final[dict[str, str]] = {
    "not-json": "the payload is not UTF-8 JSON",
    "not-a-record": "the payload is neither an object nor an array of objects",
    "too-large": "the payload is over 256 KiB",
    "too-many-records": "the array holds over 1,000 records",
    "empty": "the payload or the array is empty",
    "unknown-device": "no such device is enrolled",
    "revoked-device": "the device's key was revoked",
    "foreign-lift": "the record names a lift that is not this device's",
    "lift-missing": "a gateway's record does not name its lift",
    "wrong-shard": "the topic's shard is not the device's",
    "bad-ts": "`ts` is missing or impossible (integer milliseconds since 1970 UTC, before 2100)",
    "bad-boot": "`boot` is missing or impossible (integer 0..2147483647)",
    "bad-seq": "`seq` is missing or impossible (integer 1..2^53-1)",
    "bad-code": "`code` is missing or not a known event code",
    "bad-active": "`active` is missing or not a boolean",
    "bad-link": "a link message without `online`, `boot` or `conn`",
    "refused-by-store": "the database refused the record",
}
"""Why a message goes to the quarantine. Keys are stored; a key is never given a second meaning."""


@dataclass(frozen=True, slots=True)
class Topic:
    shard: int
    device: str
    leaf: str

    def __str__(self) -> str:
        return f"{PREFIX}/{self.shard}/{self.device}/{self.leaf}"


def parse_topic(topic: str) -> Topic | None:
    """`lift/v1/{shard}/{device}/{leaf}`, or None when it is not of that shape."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[0] != "lift" or parts[1] != "v1" or parts[4] not in UP + DOWN:
        return None
    if not _SHARD.fullmatch(parts[2]) or int(parts[2]) >= SHARDS or not DEVICE.fullmatch(parts[3]):
        return None
    return Topic(int(parts[2]), parts[3], parts[4])


def topic(shard: int, device: str, leaf: str) -> str:
    """The topic of one device's leaf."""
    return f"{PREFIX}/{shard}/{device}/{leaf}"


Ranges = list[tuple[int, int]]
"""Closed ranges [first, last] of sequence numbers."""


class Missing(msgspec.Struct, omit_defaults=True):
    """Holes, or records given up, by stream."""

    state: Ranges = []
    event: Ranges = []


class Link(msgspec.Struct, omit_defaults=True):
    """`link`: retained, and the device's will with `online` false. A smaller `conn` of the same boot is ignored."""

    online: bool
    boot: int
    conn: int
    ts: int | None = None
    gone: Missing | None = None


class Refused(msgspec.Struct):
    """One message that the server could not read: the first 8 bytes of its SHA-256 in hex, and why."""

    sha256_8: str
    reason: str


class Ack(msgspec.Struct, omit_defaults=True):
    """`ack`: every record of `boot` up to `event` and `state` is accepted without a hole; 0 means none yet."""

    boot: int
    event: int
    state: int
    ts: int
    missing: Missing | None = None
    refused: list[Refused] = []
    slow_s: int | None = None


class Command(msgspec.Struct, omit_defaults=True):
    """`cmd`: monitoring only. No command moves or stops a lift (GB/T 42616-2023)."""

    id: str
    cmd: str  # soothe, selftest, resend
    state: Ranges = []
    event: Ranges = []


COMMANDS: Final = ("soothe", "selftest", "resend")

encode: Final = msgspec.json.Encoder().encode
decode_link: Final = msgspec.json.Decoder(Link).decode
decode_ack: Final = msgspec.json.Decoder(Ack).decode
decode_command: Final = msgspec.json.Decoder(Command).decode
