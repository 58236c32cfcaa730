"""Messages that cannot be used, as rows of the quarantine. No I/O."""

from __future__ import annotations

from typing import Final

from hoistway.errors import RefusedMessage
from hoistway.wire import Topic
from ingest.assembled import Refusal
from ingest.directory import Device
from ingest.source import Message

DETAIL_CHARS: Final = 500


def refusal_of(message: Message, topic: Topic | None, device: Device | None, refused: RefusedMessage) -> Refusal:
    """The refusal of a message. `device` None: nobody that is enrolled."""
    return Refusal(
        topic=message.topic,
        device=topic.device if topic else None,
        device_id=device.id if device else None,
        lift_id=device.first_lift if device else None,
        shard=device.shard if device else None,
        reason=refused.reason,
        detail=refused.detail[:DETAIL_CHARS],
        payload=message.payload,
        received=message.received_ms,
        leaf=topic.leaf if topic else None,
    )
