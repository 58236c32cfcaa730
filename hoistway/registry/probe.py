"""The platform's own lift and terminal, by which `hoistway watch` sees that alarms get through.

Registered by the platform itself, never by an import; in no list, figure, count, map or scope (`in_scope`).
"""

from __future__ import annotations

from typing import Any, Final

from hoistway.errors import CannotStart
from hoistway.registry.enrolment import shard_of, topic_prefix
from hoistway.store import queries
from hoistway.wire import PROBE_DEVICE

SQL: Final = queries("hoistway.registry", "sql/probe.sql")
PROBE_SHARD: Final = shard_of(PROBE_DEVICE)
PROBE_PREFIX: Final = topic_prefix(PROBE_SHARD, PROBE_DEVICE)


async def ensure_probe(connection: Any) -> None:
    """Register the probe, once. Raises `CannotStart` when a lift of the city has a terminal of its name."""
    async with connection.transaction():
        await connection.execute(SQL["probe_lift"])
        await connection.execute(SQL["probe_device"], PROBE_DEVICE, PROBE_SHARD)
        if not await connection.fetchval(SQL["is_probe"], PROBE_DEVICE):
            raise CannotStart(
                f"the terminal {PROBE_DEVICE!r} is of a lift of the city; this name is the platform's own"
            )
