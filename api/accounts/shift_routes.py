"""Shifts and handovers over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access import DeskPerson, Publisher, Staff
from api.accounts import handover, schemas
from api.accounts.factor import Seal
from api.exchange import After, Document, Limit, act, answer, cursor, moment, page
from api.problems import Problem, not_found, unusable
from api.schemas import PROBLEMS, Id
from hoistway.limits import SHIFTS_AHEAD
from hoistway.store import queries

router: Final = APIRouter(prefix="/api/v1", tags=["shifts"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/shifts.sql")
_LONGEST: Final = timedelta(hours=24)


def shown(row: Mapping[str, Any]) -> Document:
    plain = ("id", "person_id", "name", "role", "logged_in", "now")
    return {
        **{name: row[name] for name in plain},
        **{name: moment(row[name]) for name in ("since", "until", "left_at")},
    }


def brief(row: Mapping[str, Any]) -> Document:
    return {**dict(row), "at": moment(row["at"])}


def seal_or_none(request: Request) -> Seal | None:
    key = request.app.state.settings.seal_key
    return None if key is None else Seal.of(key.get_secret_value())


@router.get("/shifts", response_model=schemas.Shifts)
async def list_shifts(request: Request, principal: Staff) -> Response:  # noqa: ARG001  the gate
    """Who is at the desk from when to when, from yesterday on; and whether somebody is there now."""
    now, database = request.app.state.clock(), request.app.state.database
    rows = await database.fetch(_sql["shifts"], now, None, SHIFTS_AHEAD)
    return answer({"staffed": await database.fetchval(_sql["staffed"], now), "items": [shown(row) for row in rows]})


@router.post("/shifts", response_model=schemas.Shift, status_code=201)
async def plan_shift(request: Request, principal: Publisher, body: schemas.NewShift) -> Response:
    """Plan a shift. Sessions of its person then end half an hour after it."""
    now = request.app.state.clock()

    async def work(connection: Any) -> Document:
        number = await add(connection, principal.name, body.person_id, body.since, body.until)
        return shown(await connection.fetchrow(_sql["shifts"], now, number, 1))

    return await act(request, principal, work, status=201)


async def add(connection: Any, by: str, person_id: int, since: Any, until: Any) -> int:
    """Plan a shift; raises `Problem` for one that cannot be."""
    if not timedelta(0) < until - since <= _LONGEST:
        raise unusable("/until", "must lie after since, at most 24 h")
    if person_id not in {row["id"] for row in await connection.fetch(_sql["desk_people"])}:
        raise unusable("/person_id", "nobody who may act at the desk")
    if await connection.fetchval(_sql["shift_overlaps"], person_id, since, until) is not None:
        raise Problem(409, "this person has a shift at that time")
    number: int = await connection.fetchval(_sql["add_shift"], person_id, since, until, by)
    return number


@router.post("/shifts/{shift_id}/cancel", response_model=schemas.Shifts)
async def cancel_shift(request: Request, principal: Publisher, shift_id: Id) -> Response:
    """Take back a shift that has not begun; the answer is what is left."""
    now = request.app.state.clock()

    async def work(connection: Any) -> Document:
        if await connection.fetchrow(_sql["shifts"], now, shift_id, 1) is None:
            raise not_found("shift")
        if await connection.fetchval(_sql["cancel_shift"], shift_id, now) is None:
            raise Problem(409, "the shift has begun; hand it over")
        rows = await connection.fetch(_sql["shifts"], now, None, SHIFTS_AHEAD)
        return {"staffed": await connection.fetchval(_sql["staffed"], now), "items": [shown(row) for row in rows]}

    return await act(request, principal, work)


@router.get("/handovers", response_model=schemas.Handovers)
async def list_handovers(request: Request, principal: Staff, after: After = None, limit: Limit = 100) -> Response:  # noqa: ARG001  the gate
    """Handovers, newest first."""
    rows = await request.app.state.database.fetch(_sql["handovers"], cursor(after), limit + 1)
    return page(request, [brief(row) for row in rows[:limit]], [row["id"] for row in rows], limit)


@router.get("/handovers/{handover_id}", response_model=schemas.Handover)
async def read_handover(request: Request, principal: Staff, handover_id: Id) -> Response:  # noqa: ARG001  the gate
    """One handover with its sheet, as it was signed."""
    row = await request.app.state.database.fetchrow(_sql["handover"], handover_id)
    if row is None:
        raise not_found("handover")
    return answer(brief(row))


@router.post("/handovers", response_model=schemas.Handover, status_code=201)
async def hand_over(request: Request, principal: DeskPerson, body: schemas.Signature) -> Response:
    """Sign the sheet of now, both at once. Ends the shift and the sessions of who leaves. Not remembered for an `Idempotency-Key`."""
    database = request.app.state.database
    now = request.app.state.clock()
    number = await handover.sign(database, principal, seal_or_none(request), now=now, **body.model_dump())
    return answer(brief(await database.fetchrow(_sql["handover"], number)), status=201)
