"""One lift as a person or a firmware engineer wants to see it: its fields, its topics, a sample it could publish.

The example sample is pure; the two queries are the module's only I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from hoistway.model import SIGNALS, Kind
from hoistway.store import queries

_SQL: Final = queries("hoistway.registry", "sql/registry.sql")

_EXAMPLE: Final[dict[str, Any]] = {
    "service_mode": 1,
    "car_status": 0,
    "car_direction": 0,
    "door_zone": True,
    "door_status": 2,
    "door_closed": True,
    "passenger": False,
    "speed": 0.0,
    "operation_status": 1,
    "operation_direction": 1,
    "handrail_left": 0.5,
    "handrail_right": 0.5,
    "step_missing": False,
    "occupied": False,
}


def example_sample(
    kind: Kind, *, ts: int, floors: Sequence[str] = (), rated_speed_m_s: float | None = None, lift: str | None = None
) -> dict[str, Any]:
    """A complete first sample of boot 1: a lift standing with closed doors, an escalator running. `lift` for gateways."""
    sample: dict[str, Any] = {"ts": ts, "boot": 1, "seq": 1}
    if lift is not None:
        sample["lift"] = lift
    for signal in SIGNALS:
        if signal.kind not in (None, kind):
            continue
        if signal.name == "car_position":
            sample["car_position"] = floors[0] if floors else "1"
        elif signal.name == "speed" and kind == Kind.ESCALATOR:
            sample["speed"] = round(rated_speed_m_s or 0.5, 3)
        elif signal.name in _EXAMPLE:
            sample[signal.name] = _EXAMPLE[signal.name]
    return sample


async def list_lifts(connection: asyncpg.Connection, *, after: int, limit: int) -> list[asyncpg.Record]:
    """One page of the register in order of number."""
    rows: list[asyncpg.Record] = await connection.fetch(_SQL["list_lifts"], after, limit)
    return rows


async def find_lifts(connection: asyncpg.Connection, wanted: str) -> list[tuple[asyncpg.Record, list[asyncpg.Record]]]:
    """The lifts that a device, gateway, rescue code or register code means, each with its devices."""
    lifts = await connection.fetch(_SQL["show_lift"], wanted)
    return [(lift, await connection.fetch(_SQL["show_devices"], lift["id"])) for lift in lifts]
