"""The firm's tickets on its own pages: what is still to be mended, the overdue first. A ticket itself is a page of `api.tickets`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from api.access import FirmPerson
from api.exchange import cursor
from api.firm.gate import PageRoute, answer
from dispatch.tickets.book import tickets_of
from hoistway.limits import FIRM_PAGE_ROWS

router = APIRouter(
    prefix="/firm/tickets",
    tags=["firm"],
    include_in_schema=False,
    default_response_class=HTMLResponse,
    route_class=PageRoute,
)


@router.get("")
async def list_tickets(
    request: Request, principal: FirmPerson, after: Annotated[str | None, Query(max_length=20)] = None
) -> Response:
    """Open tickets of the firm, newest first; on each page the overdue before the others."""
    state = request.app.state
    found = await tickets_of(
        state.database,
        principal.scope,
        now=state.clock(),
        is_open=True,
        firm_id=principal.firm_id,
        after=cursor(after),
        limit=FIRM_PAGE_ROWS + 1,
    )
    shown = found[:FIRM_PAGE_ROWS]
    return answer(
        request,
        "firm_tickets.html",
        refresh=after is None,
        tickets=sorted(shown, key=lambda ticket: not ticket["overdue"]),
        older=shown[-1]["id"] if len(found) > FIRM_PAGE_ROWS else None,
    )
