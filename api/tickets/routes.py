"""Tickets: read by many in their scope, moved by the firm's people and by the desk, verified by the desk. `dispatch.tickets` decides."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.access import CrewPerson, DeskPerson, Reader
from api.exchange import After, Document, Limit, Version, act, answer, cursor, page
from api.schemas import PROBLEMS, Comment, Id
from api.shapes import happening
from api.tickets import schemas
from api.tickets.acting import ms_of, person_of, photo_answer, refusing, ticket_document
from api.tickets.shapes import ticket_shape
from dispatch.tickets import book
from dispatch.tickets.causes import cause_classes
from dispatch.tickets.images import MEDIA_TYPES
from dispatch.tickets.outcome import Part, Said
from hoistway.errors import TheirFault
from hoistway.lifecycle import TicketState

router = APIRouter(prefix="/api/v1/tickets", tags=["tickets"], responses=PROBLEMS)

_PHOTO_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES},
    }
}


@router.get("", response_model=schemas.TicketPage)
async def list_tickets(
    request: Request,
    principal: Reader,
    after: After = None,
    limit: Limit = 100,
    lift_id: Annotated[Id | None, Query()] = None,
    firm_id: Annotated[Id | None, Query()] = None,
    state: Annotated[TicketState | None, Query()] = None,
    is_open: Annotated[bool | None, Query(alias="open", description="true: still a firm's work")] = None,
    overdue: Annotated[bool | None, Query(description="true: the promised time has passed undone")] = None,
) -> Response:
    """Tickets, newest first. A maintainer sees those of the own firm."""
    found = await book.tickets_of(
        request.app.state.database, principal.scope, now=request.app.state.clock(), is_open=is_open, state=state,
        overdue=overdue, lift_id=lift_id, firm_id=firm_id, after=cursor(after), limit=limit + 1,
    )  # fmt: skip
    items = [ticket_shape(document, principal.role) for document in found[:limit]]
    return page(request, items, [document["id"] for document in found], limit)


@router.get("/causes", response_model=schemas.Causes)
async def list_causes(principal: Reader) -> Response:  # noqa: ARG001  the gate
    """The closing codes, by class, in Chinese and English."""
    groups = [
        {
            "code": group.code,
            "zh": group.zh,
            "en": group.en,
            "causes": [{"code": cause.code, "zh": cause.zh, "en": cause.en} for cause in group.causes],
        }
        for group in cause_classes()
    ]
    return answer({"items": groups})


@router.post("", response_model=schemas.Ticket, status_code=201)
async def tell_fault(request: Request, principal: DeskPerson, body: schemas.TellFault) -> Response:
    """A ticket for a fault that a person tells of. Faults of the lift's own do not join it."""
    now = request.app.state.clock()

    async def work(connection: Any) -> Document:
        ticket_id = await book.tell_fault(
            connection, body.lift_id, body.told, body.severity, person=person_of(principal), now=now
        )
        return await ticket_document(connection, principal, ticket_id, now)

    return await act(request, principal, work, status=201)


@router.get("/{ticket_id}", response_model=schemas.TicketDetail)
async def read_ticket(request: Request, principal: Reader, ticket_id: Id) -> Response:
    """One ticket with its timers, its log and the moves that this person may make now."""
    database, now = request.app.state.database, request.app.state.clock()
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        document = await ticket_document(connection, principal, ticket_id, now)
        document["timers"] = [dict(row) for row in await book.read_timers(connection, ticket_id)]
        document["log"] = [happening(row) for row in await book.read_log(connection, ticket_id)]
    return answer(document)


@router.post("/{ticket_id}/moves", response_model=schemas.Ticket)
async def move_ticket(
    request: Request, principal: CrewPerson, ticket_id: Id, version: Version, body: schemas.TicketMoveBody
) -> Response:
    """Accept, start, leave, finish by the firm, or by the desk on its behalf; verify, reopen, cancel by the desk."""
    now = request.app.state.clock()
    said = Said(
        reason=body.reason,
        cause=body.cause,
        work=body.work,
        parts=tuple(Part(name=part.name.strip(), count=part.count) for part in body.parts),
        came_ms=ms_of(body.came_at),
        left_ms=ms_of(body.left_at),
    )

    async def work(connection: Any) -> Document:
        async with refusing("ticket", lambda: ticket_document(connection, principal, ticket_id, now)):
            await book.move_ticket(
                connection, ticket_id, body.move, person=person_of(principal), version=version, now=now, said=said
            )
        return await ticket_document(connection, principal, ticket_id, now)

    return await act(request, principal, work)


@router.post("/{ticket_id}/hand-over", response_model=schemas.Ticket)
async def hand_over(
    request: Request, principal: DeskPerson, ticket_id: Id, version: Version, body: schemas.TicketHandOver
) -> Response:
    """Give an unmended ticket to another firm. A change of contract alone never does."""
    now = request.app.state.clock()

    async def work(connection: Any) -> Document:
        async with refusing("ticket", lambda: ticket_document(connection, principal, ticket_id, now)):
            await book.hand_over_ticket(
                connection, ticket_id, body.firm_id, reason=body.reason, person=person_of(principal), version=version, now=now
            )  # fmt: skip
        return await ticket_document(connection, principal, ticket_id, now)

    return await act(request, principal, work)


@router.post("/{ticket_id}/comments", response_model=schemas.Ticket, status_code=201)
async def comment_ticket(request: Request, principal: CrewPerson, ticket_id: Id, body: Comment) -> Response:
    """Add a sentence to the ticket's log."""
    now = request.app.state.clock()

    async def work(connection: Any) -> Document:
        async with refusing("ticket", lambda: ticket_document(connection, principal, ticket_id, now)):
            await book.comment_ticket(connection, ticket_id, body.text, person=person_of(principal), now=now)
        return await ticket_document(connection, principal, ticket_id, now)

    return await act(request, principal, work, status=201)


# --- photos ---


@router.post("/{ticket_id}/photos", response_model=schemas.Photo, status_code=201, openapi_extra=_PHOTO_BODY)
async def add_photo(request: Request, principal: CrewPerson, ticket_id: Id) -> Response:
    """Send a photo as the body. Its type is known by its content; its metadata (place, time, camera) is not kept."""
    now, content = request.app.state.clock(), await request.body()

    async def work(connection: Any) -> Document:
        async with refusing("ticket", lambda: ticket_document(connection, principal, ticket_id, now)):
            return {"id": await book.add_photo(connection, ticket_id, content, person=person_of(principal), now=now)}

    try:
        return await act(request, principal, work, status=201)
    except TheirFault:
        request.app.state.metrics.photos_refused.inc()
        raise


@router.get(
    "/{ticket_id}/photos/{photo_id}",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES}, "description": "the photo"}},
)
async def read_photo(
    request: Request, principal: Reader, ticket_id: Id, photo_id: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> Response:
    """One photo, without metadata."""
    return await photo_answer(request, principal, ticket_id, photo_id)
