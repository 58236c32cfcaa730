"""The firm's faults to mend. Until an order of work stands behind a fault, the page lists the faults that call for one."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api import desk
from api.access import FirmPerson
from api.firm.gate import PageRoute, answer
from hoistway.limits import FIRM_PAGE_ROWS
from hoistway.store import queries

router = APIRouter(
    prefix="/firm/tickets",
    tags=["firm"],
    include_in_schema=False,
    default_response_class=HTMLResponse,
    route_class=PageRoute,
)

_sql: Final = queries("api.firm", "sql/firm.sql")


@router.get("")
async def list_tickets(request: Request, principal: FirmPerson) -> Response:
    """Faults of the firm's lifts that are open, the newest first."""
    database, now = request.app.state.database, request.app.state.clock()
    ids = [row["id"] for row in await database.fetch(_sql["faults"], principal.firm_id, FIRM_PAGE_ROWS)]
    return answer(
        request, "tickets.html", refresh=True, faults=await desk.alarm_documents(database, principal.scope, ids, now)
    )
