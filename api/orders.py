"""Orders, units and the desk's own hand in a rescue: send, raise the level, tick the 119 list, hand over. Every act has a person and a reason.

An order is moved by its firm's people, or by the desk on their behalf. What follows from each act is `dispatch.acts`'.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import order_acts, schemas, shapes
from api import schemas_orders as said
from api.access import CrewPerson, DeskPerson, Reader, Staff
from api.acting import Acting
from api.desk import case_document
from api.exchange import After, Document, Limit, Version, act, answer, check_version, cursor, moment, page
from api.order_acts import Deed, Release, order_document
from api.people import Principal
from api.problems import Problem, not_found, unusable
from api.schemas import PROBLEMS, Id
from dispatch import acts
from dispatch.outcome import CaseView, Line, Outcome, Sending
from dispatch.sending import need_of
from hoistway.model import Addressee, CaseKind, Step, UnitKind
from hoistway.store import queries

router = APIRouter(prefix="/api/v1", tags=["dispatch"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/orders.sql")
_SERVICE_LEVEL: Final = {Addressee.FIRE: 3}


# --- orders ---


@router.get("/orders", response_model=said.OrderPage)
async def list_orders(
    request: Request,
    principal: Reader,
    after: After = None,
    limit: Limit = 100,
    live: Annotated[bool | None, Query(description="true: still somebody's work")] = None,
    case_id: Annotated[Id | None, Query()] = None,
    unit_id: Annotated[Id | None, Query()] = None,
) -> Response:
    """Orders, newest first. A maintainer sees those of the own firm's people."""
    database = request.app.state.database
    rows = await database.fetch(_sql["order_ids"], principal.scope, live, case_id, unit_id, cursor(after), limit + 1)
    ids = [row["id"] for row in rows]
    found = await database.fetch(_sql["order_documents"], principal.scope, ids[:limit])
    items = [shapes.order(row["document"], principal.role, firm_id=principal.firm_id) for row in found]
    return page(request, items, ids, limit)


@router.get("/orders/{order_id}", response_model=said.Order)
async def read_order(request: Request, principal: Reader, order_id: Id) -> Response:
    """One order. The ETag is what moving it needs."""
    return answer(await order_document(request.app.state.database, principal, order_id))


@router.post("/orders/{order_id}/moves", response_model=said.Order)
async def move_order(
    request: Request, principal: CrewPerson, order_id: Id, version: Version, body: said.OrderMoveBody
) -> Response:
    """Accept, set out, arrive, finish, refuse, fail; the desk also stands down. `arrive` brings the case on site."""
    position = None if body.position is None else (body.position.lon, body.position.lat)
    deed = Deed(move=body.move, reason=body.reason, position=position, cause=body.cause)
    deed.checked()

    async def work(connection: Any) -> Document:
        return await order_acts.move_order(connection, principal, request.app.state.clock(), order_id, version, deed)

    return await act(request, principal, work)


@router.post("/orders/{order_id}/release-report", response_model=said.Order)
async def report_release(
    request: Request, principal: CrewPerson, order_id: Id, version: Version, body: said.ReleaseReport
) -> Response:
    """The crew's word that everybody is out, how, and how many. The desk confirms it: the case does not end by it."""
    release = Release(method=body.release_method, trapped=body.trapped, injured=body.injured, note=body.note)

    async def work(connection: Any) -> Document:
        now = request.app.state.clock()
        return await order_acts.report_release(connection, principal, now, order_id, version, release)

    return await act(request, principal, work)


# --- the desk's hand in a case ---


async def _seen(acting: Acting, connection: Any, principal: Principal, case_id: int, version: int) -> CaseView:
    """Lock a case that is at the version that was seen, and that is not over."""
    await acting.lock_case_only(case_id)
    check_version(version, await case_document(connection, principal, case_id))
    return await acting.case(case_id)


def _need_running(case: CaseView) -> None:
    if not case.running:
        raise Problem(409, f"the case is {case.state}; nobody is sent to it any more")


@router.post("/cases/{case_id}/orders", response_model=schemas.Case, status_code=201)
async def send_order(
    request: Request, principal: DeskPerson, case_id: Id, version: Version, body: said.SendOrder
) -> Response:
    """Send a unit, the contract firm, 119 or 120 by hand, with a reason."""
    if (body.addressee is Addressee.UNIT) != (body.unit_id is not None):
        raise unusable("/unit_id", "goes with addressee unit, and only with it")

    async def work(connection: Any) -> Document:
        acting = Acting(connection, principal, request.app.state.clock())
        case = await _seen(acting, connection, principal, case_id, version)
        _need_running(case)
        sending = await _sending(connection, case, body, await acting.limits())
        outcome = acts.sent_by_hand(case, sending, reason=body.reason.strip(), limits=await acting.limits())
        await acting.carry_out(case, outcome, note=body.reason)
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work, status=201)


async def _sending(connection: Any, case: CaseView, body: said.SendOrder, limits: Any) -> Sending:
    """The order that a person asks for; 409 when it cannot be given."""
    if body.addressee is Addressee.UNIT:
        unit = await connection.fetchrow(_sql["unit_to_send"], body.unit_id)
        if unit is None:
            raise unusable("/unit_id", "no such unit that can be sent")
        if unit["exercise"] is not case.exercise:
            raise Problem(409, "a unit of the exercise and a real case never meet")
        if any(order.unit_id == unit["id"] for order in case.live):
            raise Problem(409, "this unit has an order of this case already")
        level = 1 if unit["kind"] == UnitKind.TEAM and unit["firm_id"] == case.firm_id else 2
        accept_s = limits.accept_s if level == 1 else limits.accept_station_s
        return Sending(
            level=level, addressee=body.addressee, unit_id=unit["id"], firm_id=unit["firm_id"], accept_s=accept_s
        )
    if body.addressee is Addressee.FIRM:
        if case.firm_id is None:
            raise Problem(409, "the lift has no contract firm")
        if any(order.addressee is Addressee.FIRM and order.firm_id == case.firm_id for order in case.live):
            raise Problem(409, "the firm has an order of this case already")
        return Sending(level=1, addressee=body.addressee, firm_id=case.firm_id, accept_s=limits.accept_s)
    if any(order.addressee is body.addressee for order in case.unfinished):
        raise Problem(409, f"{body.addressee} is called already")
    return Sending(level=_SERVICE_LEVEL.get(body.addressee, case.level), addressee=body.addressee)


@router.post("/cases/{case_id}/level", response_model=schemas.Case)
async def raise_level(
    request: Request, principal: DeskPerson, case_id: Id, version: Version, body: said.RaiseLevel
) -> Response:
    """Go to a higher level without waiting for a limit."""

    async def work(connection: Any) -> Document:
        acting = Acting(connection, principal, request.app.state.clock())
        case = await _seen(acting, connection, principal, case_id, version)
        _need_running(case)
        if body.level <= case.level:
            raise Problem(409, f"the case is on level {case.level} already")
        if case.kind is CaseKind.FAULT:
            raise Problem(409, "a fault stays with its firm; send a unit by hand")
        outcome = acts.level_raised(
            case, body.level, reason=body.reason, limits=await acting.limits(), roster=await acting.roster()
        )
        await acting.carry_out(case, outcome, note=body.reason)
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work)


@router.post("/cases/{case_id}/facts", response_model=schemas.Case)
async def set_facts(
    request: Request, principal: DeskPerson, case_id: Id, version: Version, body: said.Facts
) -> Response:
    """What is known of the people inside. Who is injured or vulnerable goes first when units are scarce."""
    facts = {name: value for name, value in body.model_dump(mode="json").items() if value is not None}

    async def work(connection: Any) -> Document:
        acting = Acting(connection, principal, request.app.state.clock())
        await acting.lock_case_only(case_id)
        before = await case_document(connection, principal, case_id)
        check_version(version, before)
        await acting.set_facts(case_id, facts)
        line = Line(kind="facts", own=True, before={name: before[name] for name in facts}, after=facts)
        await acting.carry_out(await acting.case(case_id), Outcome(lines=(line,)))
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work)


@router.post("/cases/{case_id}/steps/{step}", response_model=schemas.Case)
async def do_step(
    request: Request, principal: DeskPerson, case_id: Id, step: Step, version: Version, body: said.StepDone
) -> Response:
    """Tick a step of the 119 list. The call to 119 becomes an order of the case."""

    async def work(connection: Any) -> Document:
        acting = Acting(connection, principal, request.app.state.clock())
        case = await _seen(acting, connection, principal, case_id, version)
        _need_running(case)
        document = await case_document(connection, principal, case_id)
        if all(listed["step"] != step for listed in document["steps"]):
            raise Problem(409, "the case is below level 3; send 119 by hand")
        await acting.carry_out(case, acts.step_done(case, step, note=body.note), note=body.note)
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work)


@router.post("/cases/{case_id}/hand-over", response_model=schemas.Case)
async def hand_over(
    request: Request, principal: DeskPerson, case_id: Id, version: Version, body: said.HandOver
) -> Response:
    """Give an open case to another firm. A change of contract alone never does."""

    async def work(connection: Any) -> Document:
        acting = Acting(connection, principal, request.app.state.clock())
        case = await _seen(acting, connection, principal, case_id, version)
        _need_running(case)
        if await connection.fetchval(_sql["firm_exists"], body.firm_id) is None:
            raise unusable("/firm_id", "no such firm")
        if body.firm_id == case.firm_id:
            raise Problem(409, "the case is this firm's already")
        limits, roster = await acting.limits(), await acting.roster()
        outcome = acts.handed_over(case, body.firm_id, reason=body.reason, limits=limits, roster=roster)
        await acting.carry_out(case, outcome, note=body.reason)
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work)


@router.get("/cases/{case_id}/candidates", response_model=said.Candidates)
async def list_candidates(request: Request, principal: Staff, case_id: Id) -> Response:
    """Stations that could be sent to a case now, the best first, with distance and load."""
    async with request.app.state.database.acquire() as connection:
        await case_document(connection, principal, case_id)
        acting = Acting(connection, principal, request.app.state.clock())
        case = await acting.case(case_id)
        ranked = (await acting.roster()).stations(need_of(case))
        names = await connection.fetch(_sql["unit_names"], [entry["unit_id"] for entry in ranked])
    known = {row["id"]: {"name": row["name"], "phone": row["phone"]} for row in names}
    return answer({"items": [{**entry, **known[entry["unit_id"]]} for entry in ranked]})


# --- units ---


def _unit(row: Any) -> Document:
    plain = ("id", "name", "kind", "phone", "lift_kinds", "crews", "load", "on_duty", "out_of_use", "lon", "lat",
             "exercise", "version", "contacts")  # fmt: skip
    firm = None if row["firm_id"] is None else {"id": row["firm_id"], "name": row["firm_name"]}
    return {**{name: row[name] for name in plain}, "firm": firm, "reported_at": moment(row["reported_at"])}


@router.get("/units", response_model=said.Units)
async def list_units(request: Request, principal: Reader) -> Response:
    """Units with their people, where they are, and what they have to do. A maintainer sees the own firm's."""
    rows = await request.app.state.database.fetch(_sql["units"], principal.scope, None, request.app.state.clock())
    return answer({"items": [_unit(row) for row in rows]})


@router.post("/units/{unit_id}/position", response_model=said.Unit)
async def report_position(request: Request, principal: CrewPerson, unit_id: Id, body: said.Position) -> Response:
    """Where a unit is now. It counts for half an hour; then its base does."""
    now = request.app.state.clock()

    async def work(connection: Any) -> Document:
        if not await connection.fetchval(_sql["set_position"], principal.scope, unit_id, body.lon, body.lat, now):
            raise not_found("unit")
        return _unit(await connection.fetchrow(_sql["units"], principal.scope, unit_id, now))

    return await act(request, principal, work)
