"""Messages that the store itself refused, as rows of the quarantine. No I/O."""

from __future__ import annotations

from hoistway.wire import Topic
from ingest.assembled import Refusal
from ingest.directory import Device
from ingest.source import Message

DETAIL_CHARS = 500


def refused_by_store(message: Message, topic: Topic | None, device: Device | None, detail: str) -> Refusal:
    """The refusal of a message whose records the store could not take."""
    return Refusal(
        topic=message.topic,
        device=topic.device if topic else None,
        device_id=device.id if device else None,
        lift_id=device.lift_id if device else None,
        shard=device.shard if device else None,
        reason="refused-by-store",
        detail=detail[:DETAIL_CHARS],
        payload=message.payload,
        received=message.received_ms,
        leaf=topic.leaf if topic else None,
    )
