"""The contact drill: every contact is asked to confirm, and who does not is shown as unreachable. In the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.store import queries

SQL: Final = queries("dispatch.notify.keeping", "sql/keeping.sql")
MINUTES: Final = (5, 1_440)


async def start(connection: Any, now: datetime, *, by: str, minutes: int, note: str = "") -> tuple[int, int]:
    """Ask everybody; answers the drill and how many are asked. Raises `BadInput` for a time that cannot be used."""
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise BadInput(str(minutes), where="minutes", expected=f"{MINUTES[0]} to {MINUTES[1]}")
    drill_id: int = await connection.fetchval(SQL["start_drill"], now, minutes, by, note)
    asked = await connection.fetch(SQL["ask_contacts"], drill_id, now)
    return drill_id, len(asked)
