"""The desk's own figures beside the published targets: ANSI/ISA-18.2 and IEC 62682, for one operator position.

The targets are the standard's table of performance metrics, meant for at least 30 days of data.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from api import schemas_desk as said
from api import shapes
from api.access import Staff
from api.exchange import Document, answer, moment
from api.problems import Problem
from api.schemas import PROBLEMS
from hoistway.limits import FIGURES_DAYS, STALE_HOURS
from hoistway.store import queries

router = APIRouter(prefix="/api/v1/desk", tags=["figures"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/figures.sql")
_DAYS: Final = 30
_TEN_MINUTES_S: Final = 600
_BUSY_ABOVE: Final = 10
_PER_HOUR: Final = {"acceptable": 6.0, "manageable": 12.0}
_PER_TEN: Final = {"acceptable": 1.0, "manageable": 2.0}
_FLOOD_SHARE: Final = 0.01
_TOP_TEN_SHARE: Final = 0.05
_STALE_AT_MOST: Final = 4  # fewer than five
_PRIORITIES: Final = {"critical": 0.05, "major": 0.15, "minor": 0.80}


@router.get("/figures", response_model=said.Figures)
async def read_figures(
    request: Request,
    principal: Staff,  # noqa: ARG001  the gate
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description=f"default: {_DAYS} days before `to`")
    ] = None,
    to: Annotated[AwareDatetime | None, Query(description="default: now")] = None,
    exercise: Annotated[bool, Query(description="true: exercises only; false: real alarms only")] = False,
) -> Response:
    """Alarms an hour and in ten minutes, floods, the most frequent, what chatters, is stale or silenced, priorities."""
    now = request.app.state.clock()
    last: datetime = to or now
    try:
        first: datetime = since or last - timedelta(days=_DAYS)
        fits = timedelta(0) < last - first <= timedelta(days=FIGURES_DAYS)
    except OverflowError:
        fits = False
    if not fits or not 1970 <= first.year <= last.year < 2100:
        detail = f"must lie before `to`, at most {FIGURES_DAYS} days"
        raise Problem(422, "the request cannot be used", errors=[{"parameter": "from", "detail": detail}])
    database = request.app.state.database
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        document = await _figures(connection, first, last, exercise, now)
    return answer({"from": moment(first), "to": moment(last), "exercise": exercise, **document})


async def _figures(connection: Any, first: datetime, last: datetime, exercise: bool, now: datetime) -> Document:
    positions = await connection.fetchval(_sql["positions"])
    totals = await connection.fetchrow(_sql["totals"], first, last, exercise, _BUSY_ABOVE * positions)
    floods = await connection.fetchrow(_sql["floods"], first, last, exercise, now)
    top = await connection.fetch(_sql["top_ten"], first, last, exercise)
    present = await connection.fetchrow(_sql["present"], exercise, now, now - timedelta(hours=STALE_HOURS))
    seconds = (last - first).total_seconds()
    alarms = sum(totals[name] for name in _PRIORITIES)
    return {
        "positions": positions,
        "alarms": alarms,
        "alarms_out_of_service": totals["out_of_service"],
        "per_hour": _rate(alarms, totals["most_an_hour"], seconds / 3_600, positions) | _PER_HOUR,
        "per_ten_minutes": _rate(alarms, totals["most_in_ten"], seconds / _TEN_MINUTES_S, positions) | _PER_TEN,
        "busy_periods": {"share": _share(totals["busy"], max(1.0, seconds / _TEN_MINUTES_S)), "target": _FLOOD_SHARE},
        "flood": {
            "floods": floods["floods"],
            "seconds": round(floods["seconds"], 3),
            "share": _share(floods["seconds"], seconds),
            "target": _FLOOD_SHARE,
        },
        "top_ten": {
            "items": [_frequent(row) for row in top],
            "share": _share(sum(row["raises"] for row in top), top[0]["of_all"]) if top else 0.0,
            "target": _TOP_TEN_SHARE,
        },
        "chattering": {"now": present["chattering"], "target": 0},
        "stale": {"now": present["stale"], "target": _STALE_AT_MOST},
        "shelved": {"now": present["shelved"], "target": None},
        "out_of_service": {"now": present["out_of_service"], "target": None},
        "priorities": {
            name: {"alarms": totals[name], "share": _share(totals[name], alarms), "target": target}
            for name, target in _PRIORITIES.items()
        },
    }


def _rate(alarms: int, most: int, periods: float, positions: int) -> Document:
    """Mean and most alarms of one period and one position."""
    return {"mean": round(alarms / periods / positions, 4), "max": round(most / positions, 4)}


def _share(part: float, whole: float) -> float:
    return round(min(1.0, float(part) / float(whole)), 6) if whole else 0.0


def _frequent(row: Mapping[str, Any]) -> Document:
    return {
        "rule_id": row["rule_id"],
        "title": {"zh": row["title_zh"] or row["rule_id"], "en": row["title_en"] or row["rule_id"]},
        "lift_id": row["lift_id"],
        "lift": shapes.lift_in_brief(row),
        "raises": int(row["raises"]),
    }
