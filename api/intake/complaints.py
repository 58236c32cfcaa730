"""Complaints: read, and moved by the desk from receiving to closing. What follows from a move is `dispatch.intake`'s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import shapes
from api.access import DeskPerson, IntakeReader
from api.exchange import After, Document, Limit, Version, Work, act, answer, check_version, cursor, moment, page
from api.intake import schemas as said
from api.people import Principal
from api.problems import not_found, unusable
from api.schemas import PROBLEMS, Id
from dispatch.book import Actor
from dispatch.intake import book
from hoistway.lifecycle import (
    COMPLAINT_MOVE,
    ComplaintMove,
    ComplaintState,
    allowed_complaint_moves,
    next_complaint_state,
)
from hoistway.model import Role
from hoistway.store import queries

router = APIRouter(prefix="/api/v1/complaints", tags=["intake"], responses=PROBLEMS)

_sql: Final = queries("api.intake", "sql/complaints.sql")
_TIMES: Final = ("opened_at", "received_at", "assigned_at", "answered_at", "closed_at", "late_at")


def _complaint(row: Mapping[str, Any], role: Role) -> Document:
    plain = ("id", "channel", "lift_id", "text", "state", "answer", "exercise", "version", "calls")
    timers = zip(*(row[f"timer_{name}"] or () for name in ("kinds", "due", "fired")), strict=True)
    moves = allowed_complaint_moves(ComplaintState(row["state"]), role)
    return {
        **{name: row[name] for name in plain},
        **{name: moment(row[name]) for name in _TIMES},
        "lift": None if row["lift_id"] is None else shapes.lift_in_brief(row),
        "address": row["said_address"],
        "district": row["said_district"],
        "firm": None if row["firm_id"] is None else {"id": row["firm_id"], "name": row["firm_name"]},
        "timers": [{"kind": kind, "due_at": moment(due), "fired_at": moment(fired)} for kind, due, fired in timers],
        "allowed_moves": [
            {"name": move.name, "target": move.target, "words": move.words, "firm": move.firm} for move in moves
        ],
    }


async def complaint_page(
    source: Any,
    role: Role,
    *,
    limit: int,
    after: int | None = None,
    state: str | None = None,
    waiting: bool | None = None,
    late: bool | None = None,
    lift_id: int | None = None,
) -> tuple[list[Document], list[int]]:
    """Complaints, the newest first, and their ids, one more than `limit` when there are more."""
    ids = [
        row["id"] for row in await source.fetch(_sql["complaint_ids"], state, waiting, late, lift_id, after, limit + 1)
    ]
    rows = await source.fetch(_sql["complaint_documents"], ids[:limit])
    return [_complaint(row, role) for row in rows], ids


async def complaint_document(source: Any, role: Role, complaint_id: int) -> Document:
    """One complaint; 404 when there is none."""
    rows = await source.fetch(_sql["complaint_documents"], [complaint_id])
    if not rows:
        raise not_found("complaint")
    return _complaint(rows[0], role)


async def complaint_detail(source: Any, role: Role, complaint_id: int) -> Document:
    """One complaint with its log."""
    async with source.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        document = await complaint_document(connection, role, complaint_id)
        rows = await connection.fetch(_sql["complaint_log"], complaint_id)
    return {**document, "log": [shapes.happening(row) for row in rows]}


async def firms(source: Any) -> list[Mapping[str, Any]]:
    """Every firm that a complaint may be assigned to."""
    rows: list[Mapping[str, Any]] = await source.fetch(_sql["firms"])
    return rows


@router.get("", response_model=said.ComplaintPage)
async def list_complaints(
    request: Request,
    principal: IntakeReader,
    after: After = None,
    limit: Limit = 100,
    state: Annotated[ComplaintState | None, Query()] = None,
    waiting: Annotated[bool | None, Query(description="true: still without an answer")] = None,
    late: Annotated[bool | None, Query(description="true: a limit of it has passed")] = None,
    lift_id: Annotated[Id | None, Query()] = None,
) -> Response:
    """Complaints, newest first."""
    items, ids = await complaint_page(
        request.app.state.database,
        principal.role,
        limit=limit,
        after=cursor(after),
        state=state,
        waiting=waiting,
        late=late,
        lift_id=lift_id,
    )
    return page(request, items, ids, limit)


@router.get("/{complaint_id}", response_model=said.ComplaintDetail)
async def read_complaint(request: Request, principal: IntakeReader, complaint_id: Id) -> Response:
    """One complaint with its log. The ETag is what moving it needs."""
    return answer(await complaint_detail(request.app.state.database, principal.role, complaint_id))


@router.post("/{complaint_id}/moves", response_model=said.Complaint)
async def move_complaint(
    request: Request, principal: DeskPerson, complaint_id: Id, version: Version, body: said.ComplaintMoveBody
) -> Response:
    """Receive, assign, answer, close. `assign` needs a firm and what it is to do, `answer` what was answered."""
    return await act(request, principal, moving(request, principal, complaint_id, version, body))


def moving(
    request: Request, principal: Principal, complaint_id: int, version: int, body: said.ComplaintMoveBody
) -> Work:
    """The work of one move, by the api or by the page. Raises `Problem` for a body whose parts do not go together."""
    wanted = _checked(body)

    async def work(connection: Any) -> Document:
        await connection.fetchval(_sql["lock_complaint"], complaint_id)
        before = await complaint_document(connection, principal.role, complaint_id)
        check_version(version, before)
        target = next_complaint_state(ComplaintState(before["state"]), wanted.name, principal.role)
        if body.firm_id is not None and await connection.fetchval(_sql["firm_exists"], body.firm_id) is None:
            raise unusable("/firm_id", "no such firm")
        await book.move_complaint(
            connection,
            before,
            wanted.name,
            target,
            Actor(name=principal.name, role=principal.role),
            request.app.state.clock(),
            words=body.words.strip() if body.words else None,
            firm_id=body.firm_id,
        )
        return await complaint_document(connection, principal.role, complaint_id)

    return work


def _checked(body: said.ComplaintMoveBody) -> ComplaintMove:
    wanted = COMPLAINT_MOVE.get(body.move)
    if wanted is None:
        raise unusable("/move", f"no such move; there are: {', '.join(COMPLAINT_MOVE)}")
    if wanted.words and body.words is None:
        raise unusable("/words", "say what is to be done, or what was answered")
    if wanted.firm is not (body.firm_id is not None):
        raise unusable("/firm_id", "goes with assign, and only with it")
    return wanted
