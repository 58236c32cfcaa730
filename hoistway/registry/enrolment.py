"""Which shard a lift's terminals publish under, and the topic prefix that follows from it. Pure."""

from __future__ import annotations

import hashlib

from hoistway.limits import SHARDS
from hoistway.wire import PREFIX


def shard_of(key: str) -> int:
    """The shard of a lift (or gateway) by its key: the same on every machine and in every year."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big") % SHARDS


def topic_prefix(shard: int, device: str) -> str:
    """What all topics of one device start with."""
    return f"{PREFIX}/{shard}/{device}/"
