"""The shell that carries timers out: claim one due row, decide in `policy`, write, commit; then the next.

Beside it, in a task of its own so that no timer waits for it, goes the desk's round (`rounds`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from dispatch.policy import CaseView, Consequence, TimerKind, when_due
from dispatch.rounds import make_rounds
from hoistway.errors import WorldFault
from hoistway.heartbeat import Heartbeats
from hoistway.lifecycle import CaseState
from hoistway.metrics import serve_registry
from hoistway.model import CaseKind
from hoistway.store import AWAY, Database, queries

log: Final = structlog.get_logger("dispatch")

SQL: Final = queries("dispatch", "sql/timers.sql")
POLL_S: Final = 0.25

REGISTRY: Final = CollectorRegistry()
LOOP: Final = Gauge("hoistway_dispatch_loop_timestamp_seconds", "when the loop last went round", registry=REGISTRY)
ROUND: Final = Gauge(
    "hoistway_dispatch_round_timestamp_seconds", "when the desk's round was last made", registry=REGISTRY
)
FIRED: Final = Counter("hoistway_dispatch_timers_fired", "timers fired, by kind", ["kind"], registry=REGISTRY)
LATE: Final = Gauge("hoistway_dispatch_timer_lateness_seconds", "lateness of the last timer fired", registry=REGISTRY)


def serve_metrics(host: str, port: int) -> None:
    """Serve /metrics in a thread; port 0 = not at all."""
    serve_registry(REGISTRY, host, port)


def utc_now() -> datetime:
    return datetime.now(UTC)


async def run(
    database: Database,
    stop: asyncio.Event,
    *,
    clock: Callable[[], datetime] = utc_now,
    beats: Heartbeats | None = None,
) -> None:
    """Fire due timers and make the desk's rounds until stopped. A database that is away is waited for; no timer is lost."""
    beats = beats or Heartbeats("dispatch")

    def made() -> None:
        ROUND.set(time.time())
        beats.beat("round")

    rounds = asyncio.create_task(make_rounds(database, stop, clock=clock, made=made))
    try:
        await fire_timers(database, stop, clock=clock, beats=beats)
    finally:
        rounds.cancel()
        await asyncio.gather(rounds, return_exceptions=True)


async def fire_timers(
    database: Database, stop: asyncio.Event, *, clock: Callable[[], datetime], beats: Heartbeats | None = None
) -> None:
    """Fire due timers until stopped."""
    beats = beats or Heartbeats("dispatch")
    for row in await database.fetch(SQL["overdue"], clock()):
        log.warning("a step is overdue", timer=row["kind"], case=row["case_id"], due_at=row["due_at"].isoformat())
    while not stop.is_set():
        try:
            while await fire_next(database, clock()):
                LOOP.set(time.time())
                beats.beat("timers")
            beats.beat("timers")
        except (*AWAY, WorldFault) as error:
            log.warning("the database is away; timers wait", error=str(error)[:200])
        LOOP.set(time.time())
        try:
            await asyncio.wait_for(stop.wait(), POLL_S)
        except TimeoutError:
            continue


async def fire_next(database: Database, now: datetime) -> bool:
    """Fire the timer that is due first, with its consequence, in one transaction; False when none is due."""
    async with database.acquire() as connection, connection.transaction():
        timer = await connection.fetchrow(SQL["claim_due"], now)
        if timer is None:
            return False
        case = await connection.fetchrow(SQL["case_of_timer"], timer["case_id"])
        kind = TimerKind(timer["kind"])
        if case["open"] and (consequence := when_due(kind, _view(case))):
            await _carry_out(connection, timer["case_id"], case, consequence, now)
        await connection.execute(SQL["fired"], timer["id"], now)
    FIRED.labels(kind.value).inc()
    LATE.set((now - timer["due_at"]).total_seconds())
    return True


def _view(case: Any) -> CaseView:
    return CaseView(
        kind=CaseKind(case["kind"]),
        state=CaseState(case["state"]),
        level=case["level"],
        acknowledged=case["acknowledged_at"] is not None,
        arrived=case["arrived_at"] is not None,
        urban=case["urban"],
    )


async def _carry_out(connection: Any, case_id: int, case: Any, consequence: Consequence, now: datetime) -> None:
    before = {"level": case["level"], "kind": case["kind"]}
    if consequence.level != case["level"]:
        await connection.execute(SQL["set_level"], case_id, consequence.level)
    elif consequence.kind != case["kind"]:
        if (
            await connection.fetchval(SQL["becomes_entrapment"], case_id) is None
        ):  # the lift's entrapment has its own timers
            await connection.execute(SQL["touch"], case_id)
            consequence = replace(consequence, kind=CaseKind(case["kind"]), timers=())
    else:
        await connection.execute(SQL["touch"], case_id)
    after = {"level": consequence.level, "kind": consequence.kind.value}
    await connection.execute(SQL["log"], case_id, consequence.event, now, None, before, after)
    for plan in consequence.timers:
        await connection.execute(SQL["add_timer"], plan.kind, case_id, now + timedelta(seconds=plan.after_s))
