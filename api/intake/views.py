"""Complaints as pages that need no script: the list, one of them with its log, and its moves as forms. Times in the city's zone.

A form carries the version that the person saw; when somebody else was first, the page comes back as it is now and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.access import DESK, EVERYONE, LISTENERS, DeskPerson, Listener, principal_of
from api.console import pages
from api.exchange import Document, cursor
from api.intake import calls, complaints
from api.intake import schemas as said
from api.pages import html_answer, language_of
from api.people import Principal
from api.problems import Problem
from api.schemas import Id
from hoistway.errors import IllegalMove
from hoistway.lifecycle import ComplaintState
from hoistway.limits import COMMENT_CHARS

router = APIRouter(tags=["pages"], include_in_schema=False, default_response_class=HTMLResponse)

PAGE: Final = 50
"""Complaints on one page for people."""
_TIMES: Final = ("opened_at", "received_at", "assigned_at", "answered_at", "closed_at", "late_at", "due_at", "at")
_SHOWN: Final = ("waiting", "late", "answered", "all")
_TROUBLES: Final = {409: "complaints.illegal", 412: "complaints.changed", 422: "complaints.incomplete"}
_CHOSEN: Final[Mapping[str, dict[str, Any]]] = {
    "waiting": {"waiting": True},
    "late": {"waiting": True, "late": True},
    "answered": {"state": ComplaintState.ANSWERED.value},
    "all": {},
}


async def _person(request: Request) -> Principal | Response:
    """Who sits at the desk, or the answer to anybody else."""
    principal = await principal_of(request)
    if principal is None or principal.csrf is None:
        return RedirectResponse("/login", status_code=303)
    if principal.role in DESK.roles:
        return principal
    language, nonce = language_of(request), pages.new_nonce()
    title = pages.translate(language, "complaints.forbidden")
    text = pages.problem(language=language, nonce=nonce, status=403, title=title)
    return html_answer(request, text, nonce, status=403)


def _in_zone(request: Request, document: Document) -> Document:
    """The document with its times as the city's clocks show them."""
    zone = ZoneInfo(request.app.state.settings.time_zone)
    shown = dict(document)
    for name in _TIMES:
        if shown.get(name) is not None:
            shown[name] = f"{datetime.fromisoformat(shown[name]).astimezone(zone):%Y-%m-%d %H:%M}"
    for name in ("timers", "log"):
        if name in shown:
            shown[name] = [_in_zone(request, item) for item in shown[name]]
    return shown


@router.get("/complaints", dependencies=[Depends(EVERYONE)])
async def complaints_page(
    request: Request,
    after: Annotated[str | None, Query(max_length=20)] = None,
    show: Annotated[str, Query(max_length=20)] = "waiting",
) -> Response:
    """Complaints, those without an answer first of all choices; without a session the way leads to the login."""
    principal = await _person(request)
    if isinstance(principal, Response):
        return principal
    chosen = show if show in _SHOWN else "waiting"
    database = request.app.state.database
    found, ids = await complaints.complaint_page(
        database, principal.role, limit=PAGE, after=cursor(after), **_CHOSEN[chosen]
    )
    nonce = pages.new_nonce()
    text = pages.complaints(
        language=language_of(request),
        nonce=nonce,
        rows=[_in_zone(request, row) for row in found],
        shown=_SHOWN,
        chosen=chosen,
        following=str(ids[PAGE - 1]) if len(ids) > PAGE else None,
    )
    return html_answer(request, text, nonce)


@router.get("/complaints/{complaint_id}", dependencies=[Depends(EVERYONE)])
async def complaint_page(request: Request, complaint_id: Id) -> Response:
    """One complaint with its calls, its log and the moves that are allowed now."""
    principal = await _person(request)
    if isinstance(principal, Response):
        return principal
    return await _page(request, principal, complaint_id)


async def _page(
    request: Request,
    principal: Principal,
    complaint_id: int,
    *,
    trouble: str | None = None,
    caller: Document | None = None,
    status: int = 200,
) -> Response:
    database, nonce = request.app.state.database, pages.new_nonce()
    document = await complaints.complaint_detail(database, principal.role, complaint_id)
    told = await calls.calls_of(database, complaint_id=complaint_id)
    text = pages.complaint(
        language=language_of(request),
        nonce=nonce,
        row=_in_zone(request, document),
        calls=[_in_zone(request, call) for call in told],
        firms=await complaints.firms(database),
        csrf=principal.csrf or "",
        may_listen=principal.role in LISTENERS.roles,
        caller=caller,
        trouble=trouble,
    )
    return html_answer(request, text, nonce, status=status)


@router.post("/complaints/{complaint_id}/moves")
async def move_by_form(
    request: Request,
    principal: DeskPerson,
    complaint_id: Id,
    move: Annotated[str, Form(max_length=40)],
    version: Annotated[int, Form(ge=1)],
    words: Annotated[str, Form(max_length=COMMENT_CHARS)] = "",
    firm_id: Annotated[str, Form(max_length=5, pattern=r"^[0-9]*$")] = "",
) -> Response:
    """A move from the page. What is refused is said on the page, which shows the complaint as it is now."""
    try:
        body = said.ComplaintMoveBody(move=move, words=words.strip() or None, firm_id=int(firm_id) if firm_id else None)
        work = complaints.moving(request, principal, complaint_id, version, body)
        async with request.app.state.database.acquire() as connection, connection.transaction():
            await work(connection)
    except (Problem, IllegalMove, ValidationError) as error:
        status = error.status if isinstance(error, Problem) else 409 if isinstance(error, IllegalMove) else 422
        if status not in _TROUBLES:
            raise
        return await _page(request, principal, complaint_id, trouble=_TROUBLES[status], status=status)
    return RedirectResponse(f"/complaints/{complaint_id}", status_code=303)


@router.post("/complaints/{complaint_id}/caller")
async def show_caller(
    request: Request, principal: Listener, complaint_id: Id, call_id: Annotated[int, Form(ge=1, le=2**31 - 1)]
) -> Response:
    """The page with one caller's name and number on it. The look is written down."""
    caller = await calls.look_at_caller(request, principal, call_id)
    return await _page(request, principal, complaint_id, caller=caller)
