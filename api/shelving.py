"""What a person silences: an alarm for a time (shelve), a rule of a lift until it is mended (out of service). ISA-18.2.

Never what may stand for a trapped person: that is refused here in words, and by the database.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import desk, schemas, shapes
from api import schemas_desk as said
from api.access import DeskPerson, Reader
from api.exchange import After, Document, Limit, Version, act, check_version, cursor, page
from api.people import Principal
from api.problems import Problem, not_found, unusable
from api.schemas import PROBLEMS, Id
from hoistway import lifecycle
from hoistway.limits import SHELVE_HOURS
from hoistway.model import Opens, OperatorState
from hoistway.store import queries

alarms = APIRouter(prefix="/api/v1/alarms", tags=["alarms"], responses=PROBLEMS)
removals = APIRouter(prefix="/api/v1", tags=["out of service"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/shelving.sql")
_desk: Final = queries("api", "sql/desk.sql")
_lifts: Final = queries("api", "sql/lifts.sql")
_FOR_PEOPLE: Final = frozenset({Opens.RESCUE, Opens.ALARM_CALL})


# --- shelving ---


@alarms.post("/{alarm_id}/shelve", response_model=schemas.Alarm)
async def shelve_alarm(
    request: Request, principal: DeskPerson, alarm_id: Id, version: Version, body: said.Shelve
) -> Response:
    """Silence an alarm until a time, with a reason. It comes back by itself, and at once when it grows more severe."""
    now = request.app.state.clock()
    if not now < body.until <= now + timedelta(hours=SHELVE_HOURS):
        raise unusable("/until", f"must lie in the future, at most {SHELVE_HOURS} h ahead")

    async def work(connection: Any) -> Document:
        before = await _locked(connection, principal, alarm_id, version)
        if before["opens"] in _FOR_PEOPLE or before["case_id"] is not None:
            raise Problem(409, "an alarm that may stand for a trapped person cannot be shelved")
        if not before["open"]:
            raise Problem(409, "the alarm is cleared and acknowledged; there is nothing to shelve")
        lifecycle.next_operator_state(OperatorState(before["operator_state"]), "shelve")
        await connection.execute(_sql["shelve"], alarm_id, body.until, principal.name, body.reason.strip())
        detail = {"text": body.reason.strip(), "until": body.until, "before": _state(before)}
        return await _noted(connection, principal, alarm_id, "shelved", now, detail)

    return await act(request, principal, work)


@alarms.post("/{alarm_id}/unshelve", response_model=schemas.Alarm)
async def unshelve_alarm(
    request: Request, principal: DeskPerson, alarm_id: Id, version: Version, body: said.Unshelve | None = None
) -> Response:
    """Bring a shelved alarm back before its time; it is unacknowledged."""
    reason = body.reason if body else None

    async def work(connection: Any) -> Document:
        before = await _locked(connection, principal, alarm_id, version)
        lifecycle.next_operator_state(OperatorState(before["operator_state"]), "unshelve")
        await connection.execute(_sql["unshelve"], alarm_id)
        detail = {**({"text": reason.strip()} if reason else {}), "before": _state(before)}
        return await _noted(connection, principal, alarm_id, "unshelved", request.app.state.clock(), detail)

    return await act(request, principal, work)


async def _locked(connection: Any, principal: Principal, alarm_id: int, version: int) -> Document:
    await connection.fetch(_desk["lock_alarms"], [alarm_id])
    document = await _alarm(connection, principal, alarm_id)
    check_version(version, document)
    return document


async def _alarm(connection: Any, principal: Principal, alarm_id: int) -> Document:
    found = await desk.alarm_documents(connection, principal.scope, [alarm_id])
    if not found:
        raise not_found("alarm")
    return found[0]


def _state(document: Document) -> Document:
    return {name: document[name] for name in ("operator_state", "shelved_until", "shelved_by")}


async def _noted(
    connection: Any, principal: Principal, alarm_id: int, kind: str, now: datetime, detail: Document
) -> Document:
    await connection.execute(_desk["note_alarm"], alarm_id, kind, now, principal.name, principal.role, detail)
    return await _alarm(connection, principal, alarm_id)


# --- out of service ---


@removals.get("/out-of-service", response_model=said.OutOfServicePage)
async def list_out_of_service(
    request: Request,
    principal: Reader,
    after: After = None,
    limit: Limit = 100,
    lift_id: Annotated[Id | None, Query()] = None,
    rule_id: Annotated[str | None, Query(max_length=100)] = None,
    ended: Annotated[bool | None, Query(description="false: still out of service")] = None,
) -> Response:
    """Rules of lifts that a person took out of service, newest first."""
    database = request.app.state.database
    rows = await database.fetch(_sql["removal_ids"], principal.scope, lift_id, rule_id, ended, cursor(after), limit + 1)
    ids = [row["id"] for row in rows]
    documents = await database.fetch(_sql["removal_documents"], principal.scope, ids[:limit])
    return page(request, [shapes.removal(row) for row in documents], ids, limit)


@removals.post("/lifts/{lift_id}/out-of-service", response_model=said.OutOfService, status_code=201)
async def take_out_of_service(request: Request, principal: DeskPerson, lift_id: Id, body: said.Remove) -> Response:
    """Take a rule of a lift out of service, for a sensor under repair, say. Its alarms are recorded and shown apart."""
    now = request.app.state.clock()
    if body.until is not None and body.until <= now:
        raise unusable("/until", "must lie in the future")

    async def work(connection: Any) -> Document:
        if await connection.fetchval(_lifts["lift_kind"], principal.scope, lift_id) is None:
            raise not_found("lift")
        rule = await connection.fetchrow(_sql["rule_known"], body.rule_id)
        if not rule["known"]:
            raise unusable("/rule_id", "no such rule")
        if rule["person"]:
            raise Problem(409, "a rule that may stand for a trapped person cannot be taken out of service")
        removal_id = await connection.fetchval(
            _sql["remove_from_service"], lift_id, body.rule_id, body.reason.strip(), now, body.until, principal.name
        )
        if removal_id is None:
            raise Problem(409, "this rule of this lift is out of service already")
        detail = {"text": body.reason.strip(), "until": body.until}
        await _note_open_alarms(connection, principal, lift_id, body.rule_id, "out-of-service", now, detail)
        return await _removal(connection, principal, removal_id)

    return await act(request, principal, work, status=201)


@removals.post("/out-of-service/{removal_id}/end", response_model=said.OutOfService)
async def put_in_service(
    request: Request, principal: DeskPerson, removal_id: Id, body: said.EndRemoval | None = None
) -> Response:
    """Put a rule of a lift back in service; its open alarms count again."""
    reason = body.reason.strip() if body and body.reason else None

    async def work(connection: Any) -> Document:
        now = request.app.state.clock()
        await _removal(connection, principal, removal_id)
        row = await connection.fetchrow(_sql["lock_removal"], removal_id)
        if row["ended_at"] is not None:
            raise Problem(409, "it is in service again already")
        await connection.execute(_sql["end_removal"], removal_id, now, principal.name, reason)
        detail = {"text": reason} if reason else {}
        await _note_open_alarms(connection, principal, row["lift_id"], row["rule_id"], "in-service", now, detail)
        return await _removal(connection, principal, removal_id)

    return await act(request, principal, work)


async def _removal(connection: Any, principal: Principal, removal_id: int) -> Document:
    row = await connection.fetchrow(_sql["removal_documents"], principal.scope, [removal_id])
    if row is None:
        raise not_found("removal from service")
    return shapes.removal(row)


async def _note_open_alarms(
    connection: Any, principal: Principal, lift_id: int, rule_id: str, kind: str, now: datetime, detail: Document
) -> None:
    for row in await connection.fetch(_sql["touch_alarms_of_rule"], lift_id, rule_id):
        await connection.execute(_desk["note_alarm"], row["id"], kind, now, principal.name, principal.role, detail)
