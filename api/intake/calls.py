"""Calls: taken once, read by many, and their callers by few. What a call becomes is decided and written by `dispatch.intake`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import schemas, shapes
from api.access import DeskPerson, IntakeReader, Listener, Warden
from api.desk import case_document
from api.exchange import After, Document, Limit, Version, act, answer, check_version, cursor, moment, page
from api.intake import schemas as said
from api.people import Principal
from api.problems import Problem, not_found, unusable
from api.schemas import PROBLEMS, Id
from dispatch.book import Actor
from dispatch.intake import book
from dispatch.intake.calls import OPENS
from hoistway.errors import Conflict
from hoistway.lifecycle import RUNNING, CaseState
from hoistway.limits import PAGE_ROWS
from hoistway.model import CallKind, Channel
from hoistway.store import queries

router = APIRouter(prefix="/api/v1", tags=["intake"], responses=PROBLEMS)

_sql: Final = queries("api.intake", "sql/calls.sql")
_IN_WORDS: Final = frozenset({CallKind.COMPLAINT, CallKind.QUESTION, CallKind.FALSE_CALL})


def _call(row: Mapping[str, Any]) -> Document:
    plain = ("id", "kind", "channel", "lift_id", "text", "became", "case_id", "complaint_id", "person", "exercise", "caller")  # fmt: skip
    return {
        **{name: row[name] for name in plain},
        "at": moment(row["at"]),
        "lift": None if row["lift_id"] is None else shapes.lift_in_brief(row),
        "address": row["said_address"],
        "district": row["said_district"],
    }


async def call_documents(source: Any, ids: list[int]) -> list[Document]:
    """The calls of `ids`, the newest first."""
    return [_call(row) for row in await source.fetch(_sql["call_documents"], ids)]


async def calls_of(source: Any, *, complaint_id: int) -> list[Document]:
    """The newest calls of a complaint."""
    rows = await source.fetch(_sql["call_ids"], None, None, None, complaint_id, None, PAGE_ROWS)
    return await call_documents(source, [row["id"] for row in rows])


async def _document(source: Any, call_id: int) -> Document:
    found = await call_documents(source, [call_id])
    if not found:
        raise not_found("call")
    return found[0]


# --- taking a call ---


@router.post("/calls", response_model=said.Call, status_code=201)
async def take_call(request: Request, principal: DeskPerson, body: said.CallBody) -> Response:
    """A call becomes a case, joins one, raises one to an entrapment, becomes or joins a complaint, or is noted: `became` says which."""
    _check(body)

    async def work(connection: Any) -> Document:
        call = await _call_of(connection, body)
        who = Actor(name=principal.name, role=principal.role, at_desk=call.at_desk)
        try:
            taken = await book.take_call(connection, call, who, request.app.state.clock())
        except Conflict as error:
            raise Problem(409, error.what) from error
        return await _document(connection, taken.call_id)

    return await act(request, principal, work, status=201)


def _check(body: said.CallBody) -> None:
    """What the parts of a call say about each other."""
    if body.channel is Channel.IOT:
        raise unusable("/channel", "S04 is for terminals: a call comes by S01, S02, S03 or S05")
    if body.kind in _IN_WORDS and not body.text.strip():
        raise unusable("/text", f"a call about {body.kind} needs words")
    if body.case_id is not None and body.kind not in OPENS:
        raise unusable("/case_id", f"goes with {', '.join(OPENS)}, and with nothing else")
    if body.case_id is not None and body.lift_id is not None:
        raise unusable("/case_id", "goes without lift_id: the case says which lift it is")
    placed = body.lift_id is not None or body.case_id is not None or body.address.strip()
    if not placed and body.kind not in {CallKind.QUESTION, CallKind.FALSE_CALL}:
        raise unusable("/address", "say which lift it is, or where")
    if (body.lon is None) != (body.lat is None):
        raise unusable("/lon", "goes with lat")
    if body.exercise and (body.lift_id is not None or body.case_id is not None):
        raise unusable("/exercise", "goes with an address only: a lift or a case says itself whether it is an exercise")


async def _call_of(connection: Any, body: said.CallBody) -> book.Call:
    """The call with what the lift or the case that it names says about it."""
    lift_id, exercise = body.lift_id, body.exercise
    if lift_id is not None:
        lift = await connection.fetchrow(_sql["lift_to_call_about"], lift_id)
        if lift is None:
            raise unusable("/lift_id", "no such lift")
        exercise = lift["exercise"]
    if body.case_id is not None:
        case = await connection.fetchrow(_sql["case_to_call_about"], body.case_id)
        if case is None:
            raise unusable("/case_id", "no such running case")
        lift_id, exercise = case["lift_id"], case["exercise"]
    caller = body.caller or said.CallerBody()
    return book.Call(
        kind=body.kind,
        channel=body.channel,
        lift_id=lift_id,
        case_id=body.case_id,
        address=body.address.strip(),
        district=body.district.strip(),
        lon=body.lon,
        lat=body.lat,
        text=body.text.strip(),
        exercise=exercise,
        trapped=body.trapped,
        injured=body.injured,
        vulnerable=tuple(item.value for item in body.vulnerable),
        caller_name=caller.name.strip(),
        caller_phone=caller.phone.strip(),
    )


# --- reading ---


@router.get("/calls", response_model=said.CallPage)
async def list_calls(
    request: Request,
    principal: IntakeReader,  # noqa: ARG001  the gate
    after: After = None,
    limit: Limit = 100,
    kind: Annotated[CallKind | None, Query()] = None,
    lift_id: Annotated[Id | None, Query()] = None,
    case_id: Annotated[Id | None, Query()] = None,
    complaint_id: Annotated[Id | None, Query()] = None,
) -> Response:
    """Calls, newest first, without their callers."""
    database = request.app.state.database
    chosen = (kind, lift_id, case_id, complaint_id)
    ids = [row["id"] for row in await database.fetch(_sql["call_ids"], *chosen, cursor(after), limit + 1)]
    return page(request, await call_documents(database, ids[:limit]), ids, limit)


@router.get("/calls/{call_id}", response_model=said.Call)
async def read_call(request: Request, principal: IntakeReader, call_id: Id) -> Response:  # noqa: ARG001  the gate
    """One call, without its caller."""
    return answer(await _document(request.app.state.database, call_id))


@router.get("/calls/{call_id}/caller", response_model=said.Caller)
async def read_caller(request: Request, principal: Listener, call_id: Id) -> Response:
    """Who called. The look is written down before the answer is given."""
    return answer(await look_at_caller(request, principal, call_id))


async def look_at_caller(request: Request, principal: Principal, call_id: int) -> Document:
    """Name and number of a caller, in one transaction with the record of this look. Nothing is recorded where nothing is kept."""
    async with request.app.state.database.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(_sql["caller"], call_id)
        if row is None:
            raise not_found("caller")
        if row["erased_at"] is None:
            now = request.app.state.clock()
            await connection.execute(_sql["look_at_caller"], call_id, principal.name, principal.role, now)
    return {**row, "erased_at": moment(row["erased_at"])}


@router.get("/calls/{call_id}/looks", response_model=said.Looks)
async def list_looks(request: Request, principal: Warden, call_id: Id) -> Response:  # noqa: ARG001  the gate
    """Who has looked at a caller's name and number, and when."""
    rows = await request.app.state.database.fetch(_sql["looks"], call_id, PAGE_ROWS)
    return answer({"items": [{**row, "at": moment(row["at"])} for row in rows]})


# --- a case by address ---


@router.post("/cases/{case_id}/lift", response_model=schemas.Case)
async def link_lift(
    request: Request, principal: DeskPerson, case_id: Id, version: Version, body: said.LinkLift
) -> Response:
    """Say which lift a case by address is about. The lift's firm is sent, as far as nobody is there yet."""

    async def work(connection: Any) -> Document:
        await book.lock_cases(connection, [case_id])
        before = await case_document(connection, principal, case_id)
        check_version(version, before)
        await _check_link(connection, before, body.lift_id)
        who = Actor(name=principal.name, role=principal.role)
        try:
            async with connection.transaction():
                await book.link_lift(connection, case_id, body.lift_id, who, request.app.state.clock())
        except Exception as error:
            if getattr(error, "sqlstate", None) != "23505":
                raise
            raise Problem(409, "a case of this kind was opened on that lift just now") from error
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work)


async def _check_link(connection: Any, case: Document, lift_id: int) -> None:
    if case["lift_id"] is not None:
        raise Problem(409, f"the case is about lift {case['lift_id']} already")
    lift = await connection.fetchrow(_sql["lift_to_link"], lift_id)
    if lift is None:
        raise unusable("/lift_id", "no such lift")
    if lift["exercise"] is not case["exercise"]:
        raise Problem(409, "a lift of the exercise and a real case never meet")
    if CaseState(case["state"]) in RUNNING:
        other = await connection.fetchval(_sql["running_of_kind"], lift_id, case["kind"])
        if other is not None:
            raise Problem(409, f"case {other} of this kind runs on that lift already; end one of the two")
