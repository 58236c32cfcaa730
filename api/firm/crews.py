"""The firm's people: its units with who is on call and where, and the firm's duty number."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api.access import FirmPerson
from api.exchange import transact
from api.firm.gate import PageRoute, answer, fields, may_make_keys, position, to
from api.people import Principal
from api.problems import Problem, not_found
from api.schemas import Id
from hoistway.store import queries

router = APIRouter(
    prefix="/firm",
    tags=["firm"],
    include_in_schema=False,
    default_response_class=HTMLResponse,
    route_class=PageRoute,
)

PHONE_CHARS: Final = 40
_sql: Final = queries("api.firm", "sql/firm.sql")
_orders: Final = queries("api", "sql/orders.sql")


@router.get("/people")
async def list_units(request: Request, principal: FirmPerson) -> Response:
    """Units with their people, who is on call and until when, where each was last, and the number that orders go to."""
    return await _page(request, principal)


async def _page(
    request: Request, principal: Principal, *, error: str = "", wrong: int = 0, status: int = 200
) -> Response:
    database, now = request.app.state.database, request.app.state.clock()
    shifts: dict[int, list[Any]] = defaultdict(list)
    for row in await database.fetch(_sql["shifts"], principal.firm_id, now):
        shifts[row["unit_id"]].append(row)
    return answer(
        request,
        "people.html",
        status=status,
        here="/firm/people",
        units=await database.fetch(_orders["units"], principal.scope, None, now),
        shifts=shifts,
        firm=await database.fetchrow(_sql["firm"], principal.firm_id),
        error=error,
        wrong=wrong,
    )


@router.post("/units/{unit_id}/position")
async def report_position(request: Request, principal: FirmPerson, unit_id: Id) -> Response:
    """Where a unit is now. It counts for half an hour; then its base does."""
    given = await fields(request)
    try:
        at = position(given)
    except Problem:
        at = None
    if at is None:
        if await request.app.state.database.fetchrow(
            _orders["units"], principal.scope, unit_id, request.app.state.clock()
        ):
            return await _page(request, principal, error="form.position_wrong", wrong=unit_id, status=422)
        raise not_found("unit")

    async def work(connection: Any) -> bool:
        now = request.app.state.clock()
        return bool(await connection.fetchval(_orders["set_position"], principal.scope, unit_id, *at, now))

    if not await transact(request, work):
        raise not_found("unit")
    return to("/firm/people")


@router.post("/duty-phone")
async def set_duty_phone(request: Request, principal: FirmPerson) -> Response:
    """The number that rings when the firm has no team on call; by who looks after the firm's keys."""
    if not may_make_keys(principal):
        raise Problem(403, "only for the firm's own administrator")
    given = await fields(request)
    phone = given.get("phone", "")
    if len(phone) > PHONE_CHARS or not any(sign.isdigit() for sign in phone):
        return await _page(request, principal, error="form.phone_wrong", status=422)
    done = await request.app.state.database.fetchval(
        _sql["set_duty_phone"], principal.firm_id, phone, given.get("before", "")
    )
    if done is None:
        return await _page(request, principal, error="people.phone_changed", status=412)
    return to("/firm/people")
