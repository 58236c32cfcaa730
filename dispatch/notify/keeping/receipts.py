"""Somebody has it: by a one-time link, by the word of a gateway. In the caller's transaction; `now` is an argument."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from dispatch.notify.channels import LIMITS
from hoistway.limits import SAID_CHARS
from hoistway.store import queries

SQL: Final = queries("dispatch.notify.keeping", "sql/keeping.sql")
SENDING: Final = queries("dispatch.notify", "sql/sending.sql")


def hash_of(token: str) -> bytes:
    """What is stored of a link's token: it has 128 random bits, so SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


async def look(source: Any, token: str, now: datetime) -> Mapping[str, Any] | None:
    """What a link is for; None for a token that nobody has given out. Looking spends nothing."""
    found: Mapping[str, Any] | None = await source.fetchrow(SQL["link"], hash_of(token), now)
    return found


async def spend(connection: Any, token: str, now: datetime) -> bool:
    """Use the link up; False when it is used or over."""
    return await connection.fetchval(SQL["use_link"], hash_of(token), now) is not None


async def received(connection: Any, delivery_id: int, now: datetime, *, said: str) -> bool:
    """The receiver has it: no further step goes. False when that is known already."""
    return await _end(connection, "receipt", delivery_id, now, said, "received")


async def failed(connection: Any, delivery_id: int, now: datetime, *, said: str) -> bool:
    """The gateway says afterwards that it did not come through: the next step goes at once. False when it is over already."""
    return await _end(connection, "failed_receipt", delivery_id, now, said, "dead")


async def _end(connection: Any, query: str, delivery_id: int, now: datetime, said: str, state: str) -> bool:
    row = await connection.fetchrow(SENDING[query], delivery_id, said[:SAID_CHARS], now)
    if row is None:
        return False
    await connection.execute(SENDING["note_end"], row["id"], state, said[:SAID_CHARS], now)
    if state == "received":
        await connection.execute(SENDING["delivered"], row["outbox_id"], now, said[:SAID_CHARS])
    return True


async def retry(connection: Any, outbox_id: int, now: datetime) -> int:
    """Send the dead letters of a notification again; answers how many."""
    horizons = [limits.horizon_s for limits in LIMITS.values()]
    again: int = await connection.fetchval(SQL["retry"], outbox_id, now, list(LIMITS), horizons)
    return again
