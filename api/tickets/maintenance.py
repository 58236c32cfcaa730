"""Maintenance orders over HTTP: planned by the desk for every lift and by a firm for its own, and ended before their time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import CrewPerson, Reader
from api.exchange import After, Document, Limit, Version, act, answer, cursor, page
from api.people import Principal
from api.problems import not_found
from api.schemas import PROBLEMS, Id
from api.tickets import schemas
from api.tickets.acting import person_of, refusing
from dispatch.tickets.maintenance import end_order, make_order, orders_of, read_order

router = APIRouter(prefix="/api/v1/maintenance-orders", tags=["tickets"], responses=PROBLEMS)


async def order_document(source: Any, principal: Principal, order_id: int, now: datetime) -> Document:
    """The order as `principal` sees it; 404 where there is none in scope."""
    found = await read_order(source, principal.scope, order_id, now=now)
    if found is None:
        raise not_found("maintenance order")
    return found


@router.get("", response_model=schemas.MaintenancePage)
async def list_maintenance(
    request: Request,
    principal: Reader,
    after: After = None,
    limit: Limit = 100,
    lift_id: Annotated[Id | None, Query()] = None,
    current: Annotated[bool | None, Query(description="true: running or still to come")] = None,
) -> Response:
    """Maintenance orders, newest first, with what they hold back. A maintainer sees those of the own firm."""
    found = await orders_of(
        request.app.state.database, principal.scope, now=request.app.state.clock(), current=current, lift_id=lift_id,
        after=cursor(after), limit=limit + 1,
    )  # fmt: skip
    return page(request, found[:limit], [document["id"] for document in found], limit)


@router.post("", response_model=schemas.Maintenance, status_code=201)
async def make_maintenance(request: Request, principal: CrewPerson, body: schemas.MakeMaintenance) -> Response:
    """Plan a visit or an inspection. Faults of the lift open no ticket while it lasts; rescues and alarm calls are not touched."""
    now = request.app.state.clock()

    async def work(connection: Any) -> Document:
        async with refusing("lift"):
            order_id = await make_order(
                connection, body.lift_id, body.kind, body.since or now, body.until, body.note.strip(),
                person=person_of(principal), now=now,
            )  # fmt: skip
        return await order_document(connection, principal, order_id, now)

    return await act(request, principal, work, status=201)


@router.get("/{maintenance_id}", response_model=schemas.Maintenance)
async def read_maintenance(request: Request, principal: Reader, maintenance_id: Id) -> Response:
    """One maintenance order with what it holds back. The ETag is what ending it needs."""
    state = request.app.state
    return answer(await order_document(state.database, principal, maintenance_id, state.clock()))


@router.post("/{maintenance_id}/end", response_model=schemas.Maintenance)
async def end_maintenance(
    request: Request, principal: CrewPerson, maintenance_id: Id, version: Version, body: schemas.EndMaintenance
) -> Response:
    """End it before its time, or give up one that has not begun. What still holds gets its ticket within a second."""
    now = request.app.state.clock()

    async def work(connection: Any) -> Document:
        async with refusing("maintenance order", lambda: order_document(connection, principal, maintenance_id, now)):
            await end_order(
                connection, maintenance_id, reason=body.reason, person=person_of(principal), version=version, now=now
            )
        return await order_document(connection, principal, maintenance_id, now)

    return await act(request, principal, work)
