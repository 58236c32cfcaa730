"""The desk: alarms and rescue cases, read by many, acknowledged, commented and moved by people with a name.

One act is one transaction: the row and its version, its history, and what belongs to it. Acknowledging an alarm that
opened a case also acknowledges the case; acknowledging or moving a case also acknowledges every alarm it stands for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import schemas, shapes
from api.access import DeskPerson, Reader
from api.acting import Acting
from api.exchange import After, Document, Limit, Version, act, answer, check_version, cursor, page
from api.people import Principal
from api.problems import not_found, unusable
from api.schemas import PROBLEMS, Id
from hoistway import lifecycle
from hoistway.lifecycle import CASE_MOVE, CaseState
from hoistway.model import CaseKind, OperatorState
from hoistway.store import queries

alarms = APIRouter(prefix="/api/v1/alarms", tags=["alarms"], responses=PROBLEMS)
cases = APIRouter(prefix="/api/v1/cases", tags=["cases"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/desk.sql")


async def alarm_documents(
    source: Any, scope: int | None, ids: list[int], now: datetime | None = None
) -> list[Document]:
    """The alarms of `ids` in `scope`, newest first, as of `now` (or the database's clock). `source`: connection or database."""
    return [shapes.alarm(row) for row in await source.fetch(_sql["alarm_documents"], scope, ids, now)]


async def case_documents(source: Any, principal: Principal, ids: list[int]) -> list[Document]:
    """The cases of `ids` that `principal` may see, newest first, with the moves open to it."""
    rows = await source.fetch(_sql["case_documents"], principal.scope, ids)
    return [shapes.case(row, principal.role, firm_id=principal.firm_id) for row in rows]


async def open_of_lift(source: Any, principal: Principal, lift_id: int) -> tuple[list[Document], list[Document]]:
    """Open alarms and open cases of one lift."""
    alarm_ids = [row["id"] for row in await source.fetch(_sql["open_alarms_of_lift"], lift_id)]
    case_ids = [row["id"] for row in await source.fetch(_sql["open_cases_of_lift"], lift_id)]
    return await alarm_documents(source, principal.scope, alarm_ids), await case_documents(source, principal, case_ids)


async def _alarm(source: Any, principal: Principal, alarm_id: int, now: datetime | None = None) -> Document:
    found = await alarm_documents(source, principal.scope, [alarm_id], now)
    if not found:
        raise not_found("alarm")
    return found[0]


async def case_document(source: Any, principal: Principal, case_id: int) -> Document:
    found = await case_documents(source, principal, [case_id])
    if not found:
        raise not_found("case")
    return found[0]


# --- alarms ---


@alarms.get("", response_model=schemas.AlarmPage)
async def list_alarms(
    request: Request,
    principal: Reader,
    after: After = None,
    limit: Limit = 100,
    lift_id: Annotated[Id | None, Query()] = None,
    rule_id: Annotated[str | None, Query(max_length=100)] = None,
    is_open: Annotated[bool | None, Query(alias="open", description="true: still on somebody's desk")] = None,
    operator_state: Annotated[OperatorState | None, Query()] = None,
) -> Response:
    """Alarms, newest first."""
    database, now = request.app.state.database, request.app.state.clock()
    rows = await database.fetch(
        _sql["alarm_ids"], principal.scope, is_open, lift_id, rule_id, cursor(after), limit + 1, operator_state
    )
    ids = [row["id"] for row in rows]
    return page(request, await alarm_documents(database, principal.scope, ids[:limit], now), ids, limit)


@alarms.get("/{alarm_id}", response_model=schemas.AlarmDetail)
async def read_alarm(request: Request, principal: Reader, alarm_id: Id) -> Response:
    """One alarm with its evidence and history. The ETag is what acknowledging it needs."""
    database = request.app.state.database
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        document = await _alarm(connection, principal, alarm_id, request.app.state.clock())
        history = await connection.fetch(_sql["alarm_history"], alarm_id)
        document["evidence"] = await connection.fetchval(_sql["alarm_evidence"], alarm_id)
    document["history"] = [shapes.happening(row) for row in history]
    return answer(document)


@alarms.post("/{alarm_id}/acknowledge", response_model=schemas.Alarm)
async def acknowledge_alarm(request: Request, principal: DeskPerson, alarm_id: Id, version: Version) -> Response:
    """Say that a person has seen it. Its rescue case is acknowledged by the same act."""

    async def work(connection: Any) -> Document:
        await connection.fetch(_sql["lock_alarms"], [alarm_id])
        document = await _alarm(connection, principal, alarm_id)
        check_version(version, document)
        if document["operator_state"] != OperatorState.ACKNOWLEDGED:
            lifecycle.next_operator_state(OperatorState(document["operator_state"]), "acknowledge")
        acting = Acting(connection, principal, request.app.state.clock())
        await acting.acknowledge_alarm(alarm_id)
        if document["case_id"] is not None:
            await acting.lock_case_only(document["case_id"])
            await acting.acknowledge_case(document["case_id"])
        return await _alarm(connection, principal, alarm_id)

    return await act(request, principal, work)


@alarms.post("/{alarm_id}/comments", response_model=schemas.Alarm, status_code=201)
async def comment_alarm(request: Request, principal: DeskPerson, alarm_id: Id, body: schemas.Comment) -> Response:
    """Add a sentence to the alarm's history."""

    async def work(connection: Any) -> Document:
        await connection.fetch(_sql["lock_alarms"], [alarm_id])
        await _alarm(connection, principal, alarm_id)
        acting = Acting(connection, principal, request.app.state.clock())
        await connection.execute(_sql["touch_alarm"], alarm_id)
        await acting.note_alarm(alarm_id, "commented", {"text": body.text})
        return await _alarm(connection, principal, alarm_id)

    return await act(request, principal, work, status=201)


# --- cases ---


@cases.get("", response_model=schemas.CasePage)
async def list_cases(
    request: Request,
    principal: Reader,
    after: After = None,
    limit: Limit = 100,
    lift_id: Annotated[Id | None, Query()] = None,
    kind: Annotated[CaseKind | None, Query()] = None,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
) -> Response:
    """Rescue cases, newest first."""
    database = request.app.state.database
    rows = await database.fetch(_sql["case_ids"], principal.scope, is_open, lift_id, kind, cursor(after), limit + 1)
    ids = [row["id"] for row in rows]
    return page(request, await case_documents(database, principal, ids[:limit]), ids, limit)


@cases.get("/{case_id}", response_model=schemas.CaseDetail)
async def read_case(request: Request, principal: Reader, case_id: Id) -> Response:
    """One case with its log and the moves that this person may make now."""
    database = request.app.state.database
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        document = await case_document(connection, principal, case_id)
        log = await connection.fetch(_sql["case_log"], case_id)
    document["log"] = [shapes.happening(row) for row in log]
    return answer(document)


@cases.post("/{case_id}/acknowledge", response_model=schemas.Case)
async def acknowledge_case(request: Request, principal: DeskPerson, case_id: Id, version: Version) -> Response:
    """Take the case into one's hands. The alarms it stands for are acknowledged by the same act."""

    async def work(connection: Any) -> Document:
        acting = Acting(connection, principal, request.app.state.clock())
        alarm_ids = await acting.lock_case(case_id)
        check_version(version, await case_document(connection, principal, case_id))
        await acting.acknowledge_case(case_id)
        for alarm_id in alarm_ids:
            await acting.acknowledge_alarm(alarm_id)
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work)


@cases.post("/{case_id}/moves", response_model=schemas.Case)
async def move_case(
    request: Request, principal: DeskPerson, case_id: Id, version: Version, body: schemas.CaseMove
) -> Response:
    """Move a case on. `release` and `cancel` need the words that say nobody is trapped, and how that is known."""
    move = CASE_MOVE.get(body.move)
    if move is None:
        raise unusable("/move", f"no such move; there are: {', '.join(CASE_MOVE)}")
    confirmation = (body.confirmation or "").strip() or None
    if move.confirmation and confirmation is None:
        raise unusable("/confirmation", "say that nobody is trapped, and how that is known")

    async def work(connection: Any) -> Document:
        acting = Acting(connection, principal, request.app.state.clock())
        alarm_ids = await acting.lock_case(case_id)
        before = await case_document(connection, principal, case_id)
        check_version(version, before)
        target = lifecycle.next_state(CaseState(before["state"]), move.name, principal.role)
        words = confirmation if move.confirmation else None
        facts = body.model_dump(include={"trapped", "injured", "dead", "release_method"}, exclude_none=True)
        await acting.move_case(before, move.name, target, confirmation=words, facts=facts, reason=body.reason)
        for alarm_id in alarm_ids:
            await acting.acknowledge_alarm(alarm_id)
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work)


@cases.post("/{case_id}/comments", response_model=schemas.Case, status_code=201)
async def comment_case(request: Request, principal: DeskPerson, case_id: Id, body: schemas.Comment) -> Response:
    """Add a sentence to the case's log."""

    async def work(connection: Any) -> Document:
        acting = Acting(connection, principal, request.app.state.clock())
        await connection.fetchval(_sql["lock_case"], case_id)
        await case_document(connection, principal, case_id)
        await acting.comment_case(case_id, body.text)
        return await case_document(connection, principal, case_id)

    return await act(request, principal, work, status=201)
