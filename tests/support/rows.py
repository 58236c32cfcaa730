"""Rows for tests, one small function a table, every value with a plain default. Knows SQL, not the api and not the ingest."""

from __future__ import annotations

import itertools
import math
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from hoistway.model import SIGNALS, SignalType

_numbers = itertools.count(1)
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


async def firm(db: Any, name: str | None = None) -> int:
    return await insert(db, "firm", {"name": name or f"firm {next(_numbers)}", "phone": "0571-1"})


async def lift(db: Any, *, firm_id: int | None = None, kind: str = "lift", **columns: Any) -> int:
    number = next(_numbers)
    values: dict[str, Any] = {
        "kind": kind,
        "rescue_code": f"{number:06d}",
        "register_code": f"{number:020d}",
        "name": f"lift {number}",
        "estate": "River Park",
        "building": "3",
        "address": "1 River Road",
        "district": "上城区",
        "lon": 120.1,
        "lat": 30.2,
        "floors": ["B1", "1", "2"],
        "rated_speed_m_s": 1.75,
        "rated_load_kg": 1000.0,
        "firm_id": firm_id,
        "exercise": False,
        **columns,
    }
    return await insert(db, "lift", values)


async def device(db: Any, lift_id: int | None, *, name: str | None = None, shard: int = 7) -> int:
    return await insert(db, "device", {"device": name or f"dev-{next(_numbers)}", "shard": shard, "lift_id": lift_id})


async def rule(
    db: Any, rule_id: str, *, version: str = "0123456789ab", live: bool = True, text: str = "when = 'x'"
) -> None:
    await db.execute(
        "insert into rule_version (rule_id, version, text, title_zh, title_en, severity, opens, live)"
        " values ($1, $2, $3, $4, $5, 'critical', 'rescue', $6) on conflict do nothing",
        rule_id, version, text, f"{rule_id} 中文", f"{rule_id} title", live,
    )  # fmt: skip


async def alarm(db: Any, lift_id: int, *, rule_id: str = "entrapment-between-floors", **columns: Any) -> int:
    values: dict[str, Any] = {
        "lift_id": lift_id,
        "rule_id": rule_id,
        "rule_version": "0123456789ab",
        "severity": "critical",
        "opens": "rescue",
        "condition": "active",
        "hold_start": NOW - timedelta(seconds=20),
        "raised_at": NOW,
        "detected_at": NOW,
        "evidence": {"speed": 0},
        "exercise": False,
        **columns,
    }
    return await insert(db, "alarm", values)


async def case(db: Any, lift_id: int, *, alarm_id: int | None = None, kind: str = "entrapment", **columns: Any) -> int:
    values: dict[str, Any] = {
        "kind": kind,
        "channel": "S04",
        "lift_id": lift_id,
        "alarm_id": alarm_id,
        "opened_at": NOW,
        "exercise": False,
        **columns,
    }
    return await insert(db, "rescue_case", values)


async def timer(db: Any, case_id: int, kind: str) -> int:
    return await insert(db, "timer", {"kind": kind, "case_id": case_id, "due_at": NOW + timedelta(minutes=3)})


async def quarantined(db: Any, *, payload: bytes = b"{not json", **columns: Any) -> int:
    values: dict[str, Any] = {
        "received": NOW,
        "topic": "lift/v1/7/dev/state",
        "device": "dev",
        "reason": "not-json",
        "detail": "at byte 1",
        "payload": payload,
        "payload_bytes": len(payload),
        "sha256_8": f"{next(_numbers):016x}",
        "last_received": NOW,
        **columns,
    }
    return await insert(db, "quarantine", values)


async def batch(db: Any, *, partition: int = 0, age_s: float = 0.0) -> int:
    """A committed batch, the newest of its partition; answers its number."""
    batch_no = next(_numbers)
    await db.execute(
        "insert into ingest_batch (partition, batch_no, token, kind, clock, epoch, committed_at)"
        " values ($1, $2, $3, 'batch', now(), 1, clock_timestamp() - make_interval(secs => $4))",
        partition, batch_no, uuid.uuid4(), age_s,
    )  # fmt: skip
    return batch_no


async def sample(db: Any, lift_id: int, at: datetime, *, batch_no: int, partition: int = 0, **signals: Any) -> None:
    """One sample; signals that are not named are unknown."""
    columns = {row["attname"] for row in await db.fetch(
        "select attname from pg_attribute where attrelid = 'sample'::regclass and attnum > 0 and not attisdropped"
    )}  # fmt: skip
    values: dict[str, Any] = {
        "received": at, "at": at, "batch_no": batch_no, "ts": int(at.timestamp() * 1000), "seq": next(_numbers),
        "boot": 1, "incarnation": 0, "device_id": 1, "lift_id": lift_id, "ordinal": 0, "partition": partition,
        **{signal.name: math.nan if signal.type is SignalType.NUMBER else -1 for signal in SIGNALS},
        **signals,
    }  # fmt: skip
    if "folded" in columns:
        values.setdefault("folded", 1)
    await insert(db, "sample", values, returning="lift_id")


async def move_samples_to_days(db: Any) -> None:
    """A partition that holds today and tomorrow, as the ingest makes them by the day; earlier test rows are dropped."""
    await db.execute("truncate sample")
    await db.execute("create table sample_days partition of sample for values from ('2020-01-01') to ('2090-01-01')")


async def insert(db: Any, table: str, values: dict[str, Any], returning: str = "id") -> int:
    marks = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    query = f"insert into {table} ({', '.join(values)}) values ({marks}) returning {returning}"
    made: int = await db.fetchval(query, *values.values())
    return made
