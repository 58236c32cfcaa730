"""The register's facts about one device, for the checker. One query; judges nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.store import connect_url, queries
from ingest.conformance.heard import Facts, LiftFacts

SQL: Final = queries("ingest", "sql/conformance.sql")


async def facts_of(database_url: str, device: str) -> Facts:
    """What is known of an enrolled device. Raises `BadInput` for one that is not."""
    connection = await connect_url(database_url, name="hoistway devices check", command_timeout_s=30)
    try:
        rows = await connection.fetch(SQL["device_facts"], device)
    finally:
        await connection.close()
    if not rows:
        raise BadInput(
            f"device {device!r} is not enrolled or has no lift", where="--device", expected="a device of the register"
        )
    return Facts(
        device=rows[0]["device"],
        shard=rows[0]["shard"],
        gateway=rows[0]["gateway"],
        enrolled_ms=_ms(rows[0]["enrolled_at"]),
        lifts=tuple(map(_lift, rows)),
    )


def _lift(row: Any) -> LiftFacts:
    return LiftFacts(
        rescue_code=row["rescue_code"],
        escalator=row["kind"] == "escalator",
        rated_speed_m_s=row["rated_speed_m_s"],
        rated_load_kg=row["rated_load_kg"],
        self_test_ms=None if row["self_test_at"] is None else _ms(row["self_test_at"]),
    )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1_000)
