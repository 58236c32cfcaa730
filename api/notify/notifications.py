"""What became of each notification, who cannot be reached, and drills. A firm sees what it and its units were told."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import DeskPerson, Publisher, Reader, Staff
from api.exchange import After, Document, Limit, act, answer, cursor, moment, page
from api.notify import schemas as said
from api.people import Principal
from api.problems import not_found
from api.schemas import PROBLEMS, Id
from dispatch.notify.keeping import drill, reading, receipts

router = APIRouter(prefix="/api/v1", tags=["notifications"], responses=PROBLEMS)


def _plain(row: Any) -> Document:
    """A row as its document: times as the contract writes them."""
    return {name: moment(value) if name.endswith("_at") else value for name, value in row.items()}


async def _notifications(source: Any, principal: Principal, ids: list[int]) -> list[Document]:
    return [_plain(row) for row in await reading.notifications(source, principal.scope, ids)]


@router.get("/notifications", response_model=said.NotificationPage)
async def list_notifications(
    request: Request,
    principal: Reader,
    after: After = None,
    limit: Limit = 100,
    state: Annotated[said.State | None, Query(description="dead also finds what one of several ways failed of")] = None,
    case_id: Annotated[Id | None, Query()] = None,
) -> Response:
    """Notifications with the ways of each, newest first."""
    database = request.app.state.database
    ids = await reading.notification_ids(
        database, principal.scope, state=state, case_id=case_id, before=cursor(after), limit=limit + 1
    )
    return page(request, await _notifications(database, principal, ids[:limit]), ids, limit)


@router.get("/notifications/{notification_id}", response_model=said.Notification)
async def read_notification(request: Request, principal: Reader, notification_id: Id) -> Response:
    """One notification with every way and what each receiver said."""
    found = await _notifications(request.app.state.database, principal, [notification_id])
    if not found:
        raise not_found("notification")
    return answer(found[0])


@router.post("/notifications/{notification_id}/retry", response_model=said.Retried)
async def retry_notification(request: Request, principal: DeskPerson, notification_id: Id) -> Response:
    """Send its dead letters again, under their old keys."""

    async def work(connection: Any) -> Document:
        if not await _notifications(connection, principal, [notification_id]):
            raise not_found("notification")
        return {"again": await receipts.retry(connection, notification_id, request.app.state.clock())}

    return await act(request, principal, work)


@router.post("/notifications/receipts", response_model=said.Noted)
async def note_receipt(request: Request, principal: DeskPerson, body: said.Receipt) -> Response:
    """A gateway's later word about one message, by the key that it was given. `failed` lets the next step go at once."""

    async def work(connection: Any) -> Document:
        delivery_id = await reading.delivery_of_key(connection, body.key)
        if delivery_id is None:
            raise not_found("message of this key")
        note = receipts.received if body.state == "received" else receipts.failed
        words = body.said or f"gateway: {body.state}"
        return {"noted": await note(connection, delivery_id, request.app.state.clock(), said=words)}

    return await act(request, principal, work)


@router.get("/contacts", response_model=said.Reaches)
async def list_contacts(
    request: Request,
    principal: Staff,  # noqa: ARG001  the gate
    unreachable: Annotated[bool, Query(description="only whom the last try, or the last drill, did not reach")] = False,
) -> Response:
    """Everybody that was ever told, by channel: when the last message came through, and when one did not."""
    rows = await reading.reach(request.app.state.database, unreachable=unreachable)
    return answer({"items": [_plain(row) for row in rows]})


@router.get("/drills", response_model=said.Drills)
async def list_drills(request: Request, principal: Staff) -> Response:  # noqa: ARG001  the gate
    """Contact drills, newest first."""
    rows = await reading.drills(request.app.state.database)
    return answer({"items": [_plain(row) for row in rows]})


async def _drill(source: Any, drill_id: int) -> Document:
    rows = await reading.drills(source, only=drill_id)
    if not rows:
        raise not_found("drill")
    contacts = await reading.drill_contacts(source, drill_id)
    return {**_plain(rows[0]), "contacts": [_plain(row) for row in contacts]}


@router.get("/drills/{drill_id}", response_model=said.DrillReport)
async def read_drill(request: Request, principal: Staff, drill_id: Id) -> Response:  # noqa: ARG001  the gate
    """One drill with everybody who was asked; who has not confirmed first."""
    return answer(await _drill(request.app.state.database, drill_id))


@router.post("/drills", response_model=said.DrillReport, status_code=201)
async def start_drill(request: Request, principal: Publisher, body: said.StartDrill) -> Response:
    """Ask every contact to confirm. The message says that it is an exercise, and goes to real contacts."""

    async def work(connection: Any) -> Document:
        now = request.app.state.clock()
        made, _ = await drill.start(connection, now, by=principal.name, minutes=body.minutes, note=body.note)
        return await _drill(connection, made)

    return await act(request, principal, work, status=201)
