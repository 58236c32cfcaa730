"""Rescue orders of the firm's people: the list, one order, its moves and words. An act on an old page says what happened meanwhile.

What an act does is `api.order_acts`; here it is read from a form and told as a page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from api import order_acts
from api.access import FirmPerson
from api.exchange import Document, cursor, transact
from api.firm import order_view
from api.firm.gate import PageRoute, answer, fields, position, to, whole
from api.order_acts import Deed, Release
from api.people import Principal
from api.problems import Problem, not_found, unusable
from api.schemas import Id
from dispatch.tickets.causes import cause_classes, causes
from hoistway.lifecycle import ORDER_MOVE
from hoistway.limits import FIRM_LIVE_ORDERS, FIRM_PAGE_ROWS
from hoistway.model import ReleaseMethod
from hoistway.store import queries

router = APIRouter(
    prefix="/firm",
    tags=["firm"],
    include_in_schema=False,
    default_response_class=HTMLResponse,
    route_class=PageRoute,
)

_sql: Final = queries("api.firm", "sql/firm.sql")
_SEEN_MOST: Final = 2**31 - 1
_COUNT_MOST: Final = 1_000
_RELEASE: Final = "release"
_Row = Mapping[str, Any]


@router.get("")
async def list_orders(
    request: Request, principal: FirmPerson, after: Annotated[str | None, Query(max_length=20)] = None
) -> Response:
    """Orders that are still somebody's work, those that nobody has accepted first; below them what has ended."""
    database, now = request.app.state.database, request.app.state.clock()
    live = await database.fetch(_sql["live_orders"], principal.firm_id, FIRM_LIVE_ORDERS + 1)
    ended = await database.fetch(_sql["ended_orders"], principal.firm_id, cursor(after), FIRM_PAGE_ROWS + 1)
    firm = await database.fetchrow(_sql["firm"], principal.firm_id)
    return answer(
        request,
        "orders.html",
        refresh=after is None,
        live=[{**row, "clocks": order_view.clocks(row, now)} for row in live[:FIRM_LIVE_ORDERS]],
        more=FIRM_LIVE_ORDERS if len(live) > FIRM_LIVE_ORDERS else None,
        ended=ended[:FIRM_PAGE_ROWS],
        older=ended[FIRM_PAGE_ROWS - 1]["id"] if len(ended) > FIRM_PAGE_ROWS else None,
        first_page=after is None,
        firm=firm,
    )


@router.get("/orders/{order_id}")
async def show_order(request: Request, principal: FirmPerson, order_id: Id) -> Response:
    """One order: clocks, the next step, where, how one gets in, who is inside, whom to ring, what happened."""
    state = request.app.state
    row = await _order(state.database, principal, order_id)
    car = None
    if row["live"]:
        await state.live.fetch(row["lift_id"])
        document = state.live.state(row["lift_id"], row["lift_kind"], state.clock())
        car = {"age_s": document["age_s"], "says": order_view.car(document, row["lift_kind"])}
    lines = await state.database.fetch(_sql["happenings"], principal.firm_id, order_id, 0, order_view.SHARED)
    return answer(
        request,
        "order.html",
        refresh=row["live"],
        order=row,
        clocks=order_view.clocks(row, state.clock()),
        moves=order_view.moves(row),
        forms=order_view.FORMS,
        car=car,
        lines=lines,
        cause=causes().get(row["cause"]),
    )


@router.get("/orders/{order_id}/{form}")
async def show_form(request: Request, principal: FirmPerson, order_id: Id, form: str) -> Response:
    """The page of a step that needs words. It stands still while somebody types."""
    row = await _order(request.app.state.database, principal, order_id)
    if form not in {*order_view.FORMS, _RELEASE}:
        raise not_found("page")
    if form not in order_view.moves(row):
        return to(f"/firm/orders/{order_id}")
    given = {"trapped": "" if row["trapped"] is None else str(row["trapped"])}
    return _form(request, row, form, given, {})


def _form(request: Request, row: _Row, form: str, given: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    return answer(
        request,
        "order_form.html",
        status=422 if errors else 200,
        here=f"/firm/orders/{row['id']}/{form}",
        order=row,
        form=form,
        given=given,
        errors=errors,
        methods=list(ReleaseMethod),
        cause_classes=cause_classes(),
    )


@router.post("/orders/{order_id}/moves")
async def move_order(request: Request, principal: FirmPerson, order_id: Id) -> Response:
    """Accept, on the way, arrived (with a position), done (with a cause), refuse, fail (with a reason)."""
    given = await fields(request)
    name = given.get("move", "")
    if name not in ORDER_MOVE:
        raise unusable("/move", "no such move")
    errors = _wrong_words(name, given)
    at = None
    try:
        at = position(given) if name == "arrive" else None
    except Problem:
        errors["position"] = "form.position_wrong"
    if errors:
        return _form(request, await _order(request.app.state.database, principal, order_id), name, given, errors)
    cause = int(given["cause"]) if name == "finish" else None
    deed = Deed(move=name, reason=given.get("reason") or None, position=at, cause=cause)

    async def act(connection: Any, version: int) -> Document:
        now = request.app.state.clock()
        return await order_acts.move_order(connection, principal, now, order_id, version, deed)

    kind = f"order-{ORDER_MOVE[name].target.replace('_', '-')}"
    return await _acted(request, principal, order_id, given, name, kind, act)


def _wrong_words(name: str, given: Mapping[str, str]) -> dict[str, str]:
    """What the words of a move lack, by field."""
    errors = {}
    if ORDER_MOVE[name].reason and not given.get("reason"):
        errors["reason"] = "form.reason_missing"
    if name == "finish" and whole(given.get("cause", ""), 100, 799) not in causes():
        errors["cause"] = "form.cause_missing"
    return errors


@router.post("/orders/{order_id}/release")
async def report_release(request: Request, principal: FirmPerson, order_id: Id) -> Response:
    """Everybody is out: how, how many, how many are hurt. The desk hears of it and confirms it."""
    given = await fields(request)
    trapped, injured = (whole(given.get(name, ""), 0, _COUNT_MOST) for name in ("trapped", "injured"))
    method = given.get("method", "")
    errors = {
        **({} if method in set(ReleaseMethod) else {"method": "form.method_missing"}),
        **({} if trapped is not None else {"trapped": "form.count_wrong"}),
        **({} if injured is not None else {"injured": "form.count_wrong"}),
    }
    if trapped is not None and injured is not None and injured > trapped:
        errors["injured"] = "form.more_injured"
    if errors or trapped is None or injured is None:
        row = await _order(request.app.state.database, principal, order_id)
        return _form(request, row, _RELEASE, given, errors)
    release = Release(method=ReleaseMethod(method), trapped=trapped, injured=injured, note=given.get("reason") or None)

    async def act(connection: Any, version: int) -> Document:
        now = request.app.state.clock()
        return await order_acts.report_release(connection, principal, now, order_id, version, release)

    return await _acted(request, principal, order_id, given, _RELEASE, "release-reported", act)


async def _acted(
    request: Request,
    principal: Principal,
    order_id: int,
    given: Mapping[str, str],
    name: str,
    kind: str,
    act: Callable[[Any, int], Awaitable[Document]],
) -> Response:
    """Carry out an act on the version that its page had; when that is old, say what happened meanwhile.

    A button that was pressed twice by the same person has done what it was to do: no error.
    """
    version = whole(given.get("version", ""), 0, _SEEN_MOST)
    if version is None:
        raise unusable("/version", "the version that the page had")
    try:
        await transact(request, lambda connection: act(connection, version))
    except Problem as problem:
        if problem.status != 412:
            raise
        return await _meanwhile(request, principal, order_id, given, name, kind)
    return to(f"/firm/orders/{order_id}")


async def _meanwhile(
    request: Request, principal: Principal, order_id: int, given: Mapping[str, str], name: str, kind: str
) -> Response:
    database = request.app.state.database
    row = await _order(database, principal, order_id)
    seen = whole(given.get("seen", ""), 0, _SEEN_MOST) or 0
    lines = await database.fetch(_sql["happenings"], principal.firm_id, order_id, seen, order_view.SHARED)
    if order_view.already_done(lines, kind, principal.name):
        return to(f"/firm/orders/{order_id}")
    return answer(
        request,
        "meanwhile.html",
        status=412,
        here=f"/firm/orders/{order_id}",
        order=row,
        name=name,
        lines=lines,
        written=given.get("reason", ""),
    )


async def _order(database: Any, principal: Principal, order_id: int) -> _Row:
    """One order of the firm; 404 for every other, whether it exists or not."""
    row: _Row | None = await database.fetchrow(_sql["order"], principal.firm_id, order_id)
    if row is None:
        raise not_found("order")
    return row
