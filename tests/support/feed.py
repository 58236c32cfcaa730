"""A source of messages that a test writes by hand, and short ways to say what a device sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from ingest.overload import Load
from ingest.source import Message

TRAPPED: dict[str, Any] = {
    "service_mode": 1,
    "car_status": 0,
    "speed": 0.0,
    "door_zone": False,
    "door_status": 2,
    "door_closed": True,
    "passenger": True,
    "car_position": "3",
}
FREED: dict[str, Any] = {**TRAPPED, "door_zone": True, "door_status": 4, "door_closed": False, "passenger": False}


class HandSource:
    """What stands in for the broker: a list, with what was acknowledged and published beside it."""

    def __init__(self) -> None:
        self.waiting: list[Message] = []
        self.acknowledged: list[Message] = []
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.deaf = self.urgent = False
        self.waits = Load()

    def put(self, *messages: Message) -> None:
        self.waiting += messages

    def take(self, *, samples: int, bytes_: int) -> list[Message]:
        taken, self.waiting = self.waiting[:samples], self.waiting[samples:]
        return taken

    def oldest_ms(self) -> int | None:
        return self.waiting[0].received_ms if self.waiting else None

    def load(self) -> Load:
        return self.waits

    def acknowledge(self, messages: Sequence[Message]) -> int:
        self.acknowledged += messages
        return len(messages)

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, json.loads(payload)))

    async def gather(self, time_s: float) -> None:
        await asyncio.sleep(time_s)

    async def wait(self, timeout_s: float) -> None:
        return


def message(leaf: str, payload: object, *, device: str, shard: int = 0, received: int) -> Message:
    """A message as it comes from the network; `payload` may be bytes or anything JSON."""
    bytes_ = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(f"lift/v1/{shard}/{device}/{leaf}", bytes_, received)


def sample(seq: int, ts: int, *, boot: int = 1, **values: Any) -> dict[str, Any]:
    """A sample record."""
    return {"ts": ts, "boot": boot, "seq": seq, **values}


def event(seq: int, ts: int, code: str, *, boot: int = 1, active: bool = True) -> dict[str, Any]:
    """An event record."""
    return {"ts": ts, "boot": boot, "seq": seq, "code": code, "active": active}
