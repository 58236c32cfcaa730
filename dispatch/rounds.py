"""The shell of the desk's rounds: read the city, ask the pure cores `desk` and `areas`, write what they answer.

Each step is one transaction and may be done by any number of processes; `now` is an argument.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from dispatch.areas import (
    LIMITS,
    Area,
    AreaAlarm,
    AreaKind,
    AreaLimit,
    NewIncident,
    OpenIncident,
    Standing,
    areas_of,
    decide,
)
from dispatch.desk import FLOOD_WINDOW_S, FloodStep, flood_step
from dispatch.intake.upkeep import intake_round
from hoistway.limits import CHATTERING_S
from hoistway.store import Database, queries

log: Final = structlog.get_logger("dispatch")

DESK: Final = queries("dispatch", "sql/desk.sql")
AREAS: Final = queries("dispatch", "sql/areas.sql")
ROUND_S: Final = 1.0
_FLOOD_LOCK, _AREA_LOCK = 1, 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def make_rounds(
    database: Database, stop: asyncio.Event, *, clock: Callable[[], datetime], made: Callable[[], None]
) -> None:
    """A round a second until stopped, `made` after each; one that fails is said in the log and made again."""
    while not stop.is_set():
        try:
            await desk_round(database, clock())
            made()
        except Exception as error:  # noqa: BLE001  the next round must come whatever became of this one
            log.warning("the desk's round failed", error=str(error)[:200] or type(error).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), ROUND_S)


async def desk_round(database: Database, now: datetime) -> None:
    """Everything that time and the city as a whole do to the desk, once."""
    await bring_back(database, now)
    await watch_flood(database, now)
    await watch_areas(database, now)
    await database.fetchval(DESK["answer_probe"], now)
    await intake_round(database, now)


async def bring_back(database: Database, now: datetime) -> None:
    """End what was for a time only: shelving, chattering, out of service."""
    back = await database.fetchval(DESK["unshelve_due"], now)
    await database.fetchval(DESK["calm_chattering"], now, CHATTERING_S)
    in_service = await database.fetchval(DESK["in_service_due"], now)
    if back or in_service:
        log.info("the time is over", unshelved=back, in_service=in_service)


async def watch_flood(database: Database, now: datetime) -> None:
    """Begin, carry on or end the alarm flood, real and exercise apart."""
    async with database.acquire() as connection, connection.transaction():
        if not await connection.fetchval(DESK["lock_round"], _FLOOD_LOCK):
            return
        positions = await connection.fetchval(DESK["positions"])
        for row in await connection.fetch(DESK["alarms_lately"], now, FLOOD_WINDOW_S):
            step = flood_step(row["alarms"], positions=positions, flooded=row["flood_id"] is not None)
            if step is FloodStep.BEGIN:
                await connection.execute(DESK["begin_flood"], row["exercise"], positions, now, row["alarms"])
                log.warning("alarm flood", alarms=row["alarms"], positions=positions, exercise=row["exercise"])
            elif step is FloodStep.GO_ON:
                await connection.execute(DESK["flood_peak"], row["flood_id"], row["alarms"])
            elif step is FloodStep.END:
                await connection.execute(DESK["end_flood"], row["flood_id"], now)


async def watch_areas(database: Database, now: datetime) -> None:
    """Open, extend and end area incidents."""
    async with database.acquire() as connection, connection.transaction():
        if not await connection.fetchval(DESK["lock_round"], _AREA_LOCK):
            return
        alarms = [_alarm(row) for row in await connection.fetch(AREAS["area_alarms"])]
        incidents = [_incident(row) for row in await connection.fetch(AREAS["open_incidents"])]
        if not alarms and not incidents:
            return
        plan = decide(alarms, incidents, _limits(await connection.fetch(AREAS["area_limits"])))
        for standing in plan.standing:
            await _carry_on(connection, standing, now)
        for new in plan.opens:
            await _open(connection, new, now)


async def _open(connection: Any, new: NewIncident, now: datetime) -> None:
    lifts = len({alarm.lift_id for alarm in new.alarms})
    area, opened_at = new.area, min(now, _when(new.opened_ms))
    incident_id = await connection.fetchval(
        AREAS["open_incident"], area.kind, area.name, new.cause, opened_at, now, lifts, area.exercise
    )
    if incident_id is not None:
        await _join(connection, incident_id, new.alarms, now)
        log.warning("area incident", kind=area.kind.value, name=area.name, lifts=lifts, cause=new.cause.value)


async def _carry_on(connection: Any, standing: Standing, now: datetime) -> None:
    if standing.joining:
        await _join(connection, standing.incident_id, standing.joining, now)
    await connection.execute(
        AREAS["update_incident"],
        standing.incident_id,
        standing.cause,
        standing.active_lifts,
        bool(standing.joining),
        now,
        standing.ends,
    )


async def _join(connection: Any, incident_id: int, alarms: Iterable[AreaAlarm], now: datetime) -> None:
    rows = [(alarm.alarm_id, alarm.lift_id, alarm.rule_id) for alarm in alarms]
    arrays = [[row[index] for row in rows] for index in range(3)]
    await connection.execute(AREAS["join_incident"], incident_id, *arrays, now)


def _alarm(row: Mapping[str, Any]) -> AreaAlarm:
    places = {name: row[name] for name in ("estate", "building", "feeder", "district", "exercise")}
    return AreaAlarm(
        alarm_id=row["id"],
        lift_id=row["lift_id"],
        rule_id=row["rule_id"],
        at_ms=_ms(row["at"]),
        areas=areas_of(**places),
    )


def _incident(row: Mapping[str, Any]) -> OpenIncident:
    return OpenIncident(
        incident_id=row["id"],
        area=Area(kind=AreaKind(row["kind"]), name=row["name"], exercise=row["exercise"]),
        opened_ms=_ms(row["opened_at"]),
        alarm_ids=frozenset(row["alarm_ids"]),
    )


def _limits(rows: Iterable[Mapping[str, Any]]) -> dict[AreaKind, AreaLimit]:
    """The city's limits over hoistway's own. A setting that cannot be used is said in the log and does not count."""
    limits = dict(LIMITS)
    for row in rows:
        try:
            lifts, within_s = int(row["value"]["lifts"]), int(row["value"]["within_s"])
        except (KeyError, TypeError, ValueError):
            log.warning("a setting cannot be used", name=row["name"])
            continue
        limits[AreaKind(row["name"].removeprefix("area_"))] = AreaLimit(
            lifts=max(2, lifts), within_ms=max(1, within_s) * 1_000
        )
    return limits


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _when(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
