"""What can be done to a tape: keep a part of it, move it in time, take names out of it. Pure: items in, items out."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from hoistway.limits import SHARDS
from simulators.tape.file import Item

NAME_DIGITS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Which messages are kept. Empty: all."""

    devices: frozenset[str] = frozenset()
    leaves: frozenset[str] = frozenset()
    from_ms: int | None = None
    to_ms: int | None = None  # not included

    def keeps(self, item: Item) -> bool:
        return (
            (not self.devices or item.device in self.devices)
            and (not self.leaves or item.leaf in self.leaves)
            and (self.from_ms is None or item.at_ms >= self.from_ms)
            and (self.to_ms is None or item.at_ms < self.to_ms)
        )


def part_of(items: Iterable[Item], part: Part) -> Iterator[Item]:
    return (item for item in items if part.keeps(item))


def shifted(items: Iterable[Item], by_ms: int) -> Iterator[Item]:
    """Everything so much later: when it was received, and every `ts` in it. What is no JSON of the contract only moves."""
    for item in items:
        yield replace(
            item, at_ms=item.at_ms + by_ms, payload=_rewritten(item.payload, lambda record: _later(record, by_ms))
        )


def _later(record: dict[str, Any], by_ms: int) -> dict[str, Any]:
    ts = record.get("ts")
    return {**record, "ts": ts + by_ms} if isinstance(ts, int) and not isinstance(ts, bool) else record


class Names:
    """Other names for devices and lifts, the same each time under one key; without the key nobody finds the way back."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def device(self, name: str) -> str:
        return f"anon-{self._digest('device', name)}"

    def lift(self, code: str) -> str:
        return f"{int(self._digest('lift', code), 16) % 1_000_000:06d}"

    def shard(self, name: str) -> int:
        return int(self._digest("shard", name), 16) % SHARDS

    def _digest(self, kind: str, name: str) -> str:
        return hmac.new(self._key, f"{kind}:{name}".encode(), hashlib.sha256).hexdigest()[:NAME_DIGITS]


KEPT_OF_EVENTS: Final = frozenset({"ts", "boot", "seq", "lift", "code", "active"})


def anonymous(items: Iterable[Item], names: Names) -> Iterator[Item]:
    """Without names: devices, lifts and shards are others, an event's own data is left out, and so is what cannot be read."""
    for item in items:
        try:
            json.loads(item.payload)
        except ValueError:
            continue

        def other(record: dict[str, Any], leaf: str = item.leaf) -> dict[str, Any]:
            if leaf == "event":
                record = {key: value for key, value in record.items() if key in KEPT_OF_EVENTS}
            return {**record, "lift": names.lift(str(record["lift"]))} if record.get("lift") is not None else record

        device = names.device(item.device)
        yield replace(item, device=device, shard=names.shard(item.device), payload=_rewritten(item.payload, other))


def _rewritten(payload: bytes, work: Any) -> bytes:
    """The payload with each of its records changed; as it was where it is none."""
    try:
        value = json.loads(payload)
    except ValueError:
        return payload
    if isinstance(value, dict):
        return json.dumps(work(value), ensure_ascii=False, separators=(",", ":")).encode()
    if isinstance(value, list):
        records = [work(record) if isinstance(record, dict) else record for record in value]
        return json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode()
    return payload


def lines_of(items: Iterable[Item]) -> Iterator[dict[str, Any]]:
    """One object a record, as `hoistway rules backtest --recorded` reads them; what is no record is left out."""
    for item in items:
        if item.leaf == "link":
            continue
        try:
            value = json.loads(item.payload)
        except ValueError:
            continue
        for record in value if isinstance(value, list) else [value]:
            if isinstance(record, dict) and isinstance(record.get("ts"), int):
                yield {"device": item.device, "received": item.at_ms, **record}
