"""What the store knows of the events of a message that it refused: their boot may be forgotten, and they may be held already.

An event whose key is in the store is a duplicate, unless its stamp says that the device counts anew. So the boot is learned from the
store as in a replay, and the message is read once more: what it holds besides goes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hoistway.errors import RefusedMessage
from hoistway.limits import RELEARNED_EVENTS
from hoistway.store import Database, queries
from ingest.assemble import Assembler
from ingest.assembled import UNPLACED
from ingest.decode import decode_events
from ingest.memory import Memory
from ingest.source import Message

SQL: Final = queries("ingest", "sql/replays.sql")


async def relearn(database: Database, assembler: Assembler, message: Message) -> bool:
    """Whether the store held events of this message's boots that memory did not know of: then it is worth another look."""
    topic = assembler.topic(message.topic)
    device = assembler.directory.devices.get(topic.device) if topic else None
    if topic is None or device is None or topic.leaf != "event":
        return False
    try:
        boots = sorted({record.boot for record in decode_events(message.payload).records})
    except RefusedMessage:
        return False
    rows = await database.fetch(SQL["events_of_boots"], device.id, boots, RELEARNED_EVENTS)
    return _take_in(assembler.memory, device.id, rows)


def _take_in(memory: Memory, device_id: int, rows: Sequence[Any]) -> bool:
    learned = False
    for row in rows:
        known = memory.look(device_id, row["boot"])
        if row["incarnation"] < known.incarnation:
            continue
        if row["incarnation"] > known.incarnation or not known.event.has(row["seq"]):
            learned = True
            boot = memory.replayed(
                device_id=device_id,
                boot=row["boot"],
                incarnation=row["incarnation"],
                leaf="event",
                seq=row["seq"],
                ts=row["ts"],
                received=row["received_ms"],
                live=row["folded"] != UNPLACED,
            )
            boot.codes[row["code"]] = max(row["seq"], boot.codes.get(row["code"], 0))
    return learned
