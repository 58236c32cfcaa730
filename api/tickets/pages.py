"""Tickets and maintenance orders for people with a browser, without a script, on a telephone too: lists, one ticket, its moves, its photos.

Every act is a form with the version that was seen; what the book refuses is said on the page that it came from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.access import CREW, DESK, EVERYONE, READERS, Gate
from api.console import pages
from api.exchange import After, cursor
from api.pages import html_answer, language_of
from api.people import Principal
from api.problems import Problem
from api.schemas import Id
from api.tickets.acting import person_of, photo_answer, ticket_document
from api.tickets.forms import moment_of, refusal_of, said_of
from dispatch.tickets import book
from dispatch.tickets.causes import cause_classes
from dispatch.tickets.maintenance import OrderKind, end_order, make_order, orders_of
from hoistway.errors import BadInput, TheirFault
from hoistway.lifecycle import TicketState
from hoistway.model import Severity
from hoistway.store import queries

router = APIRouter(tags=["pages"], include_in_schema=False, default_response_class=HTMLResponse)

PAGE: Final = 50
_sql: Final = queries("api.tickets", "sql/pages.sql")
_FILTERS: Final[Mapping[str, dict[str, Any]]] = {
    "open": {"is_open": True},
    "overdue": {"overdue": True},
    "done": {"state": TicketState.DONE},
    "all": {},
}
Work = Callable[[Any, Principal, datetime], Awaitable[str]]
"""What a form does on its connection, inside its transaction; answers where to go then."""


# --- who asks, and what is said ---


async def _enter(request: Request, gate: Gate) -> Principal | Response:
    """Who asks; or the answer for whoever may not: the login for a stranger, a page that says so for a wrong role."""
    try:
        principal = await gate(request)
    except Problem as problem:
        return RedirectResponse("/login", 303) if problem.status == 401 else _refused(request, problem.status)
    return principal if principal is not None else RedirectResponse("/login", 303)


def _refused(request: Request, status: int) -> Response:
    language, nonce = language_of(request), pages.new_nonce()
    key = {403: "ticket_error.forbidden", 404: "ticket_error.missing"}.get(status, "ticket_error.other")
    title = pages.translate(language, key)
    return html_answer(
        request, pages.problem(language=language, nonce=nonce, status=status, title=title), nonce, status=status
    )


def _show(request: Request, template: str, principal: Principal, *, status: int = 200, **values: Any) -> Response:
    language, nonce = language_of(request), pages.new_nonce()
    zone = ZoneInfo(request.app.state.settings.time_zone)

    def when(at: str | datetime | None) -> str:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        return "" if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"

    word = "en" if language == "en" else "zh"
    text = pages.page(
        template, language=language, nonce=nonce, word=word, when=when, csrf=principal.csrf or "", role=principal.role,
        acts=principal.role in CREW.roles, desk=principal.role in DESK.roles, **values,
    )  # fmt: skip
    return html_answer(request, text, nonce, status=status)


async def _carry_out(request: Request, principal: Principal, work: Work) -> Response:
    """One form in one transaction. Raises what the book refuses."""
    state = request.app.state
    try:
        async with state.database.acquire() as connection, connection.transaction():
            return RedirectResponse(await work(connection, principal, state.clock()), 303)
    finally:
        state.hub.hint()


# --- tickets ---


@router.get("/tickets", dependencies=[Depends(EVERYONE)])
async def tickets_page(
    request: Request,
    after: After = None,
    show: Annotated[str, Query(max_length=20)] = "open",
    lift_id: Annotated[Id | None, Query()] = None,
) -> Response:
    """Tickets in scope, newest first, as cards that fit a telephone."""
    principal = await _enter(request, READERS)
    if isinstance(principal, Response):
        return principal
    chosen = show if show in _FILTERS else "open"
    state = request.app.state
    found = await book.tickets_of(
        state.database, principal.scope, now=state.clock(), lift_id=lift_id, after=cursor(after), limit=PAGE + 1,
        **_FILTERS[chosen],
    )  # fmt: skip
    following = str(found[PAGE - 1]["id"]) if len(found) > PAGE else None
    return _show(
        request, "tickets.html", principal, tickets=found[:PAGE], filters=list(_FILTERS), chosen=chosen,
        following=following, lift_id=lift_id, severities=[item.value for item in Severity],
    )  # fmt: skip


@router.get("/tickets/{ticket_id}", dependencies=[Depends(EVERYONE)])
async def ticket_page(request: Request, ticket_id: Id) -> Response:
    """One ticket with what this person may do about it."""
    principal = await _enter(request, READERS)
    if isinstance(principal, Response):
        return principal
    return await _ticket(request, principal, ticket_id)


async def _ticket(
    request: Request,
    principal: Principal,
    ticket_id: int,
    *,
    error: Mapping[str, str] | None = None,
    status: int = 200,
    typed: Mapping[str, str] | None = None,
) -> Response:
    state = request.app.state
    async with state.database.acquire() as connection:
        try:
            document = await ticket_document(connection, principal, ticket_id, state.clock())
        except Problem as problem:
            return _refused(request, problem.status)
        log = await book.read_log(connection, ticket_id)
    return _show(
        request, "ticket.html", principal, status=status, ticket=document, log=log, groups=cause_classes(), error=error,
        typed=typed or {},
    )  # fmt: skip


async def _act(request: Request, gate: Gate, ticket_id: int, work: Work) -> Response:
    """A form of the ticket's page. What is refused is said there, with what was typed."""
    principal = await _enter(request, gate)
    if isinstance(principal, Response):
        return principal
    try:
        return await _carry_out(request, principal, work)
    except (TheirFault, Problem) as error:
        status, said = refusal_of(error)
        form = await request.form()
        typed = {name: value for name, value in form.items() if isinstance(value, str)}
        return await _ticket(request, principal, ticket_id, error=said, status=status, typed=typed)
    finally:
        await request.close()  # a photo lies in a file that is nobody's any more


@router.post("/tickets/{ticket_id}/moves", dependencies=[Depends(EVERYONE)])
async def move(request: Request, ticket_id: Id) -> Response:
    """One move of the ticket, from the form of its page."""

    async def work(connection: Any, principal: Principal, now: datetime) -> str:
        form = await request.form()
        version = str(form.get("version", ""))
        await book.move_ticket(
            connection, ticket_id, str(form.get("move", "")), person=person_of(principal),
            version=int(version) if version.isdecimal() else 0, now=now, said=said_of(form),
        )  # fmt: skip
        return f"/tickets/{ticket_id}"

    return await _act(request, CREW, ticket_id, work)


@router.post("/tickets/{ticket_id}/photos", dependencies=[Depends(EVERYONE)])
async def add_photo(request: Request, ticket_id: Id) -> Response:
    """A photo, from the form of the ticket's page."""

    async def work(connection: Any, principal: Principal, now: datetime) -> str:
        sent = (await request.form()).get("photo")
        content = await sent.read() if isinstance(sent, UploadFile) else b""
        try:
            await book.add_photo(connection, ticket_id, content, person=person_of(principal), now=now)
        except TheirFault:
            request.app.state.metrics.photos_refused.inc()
            raise
        return f"/tickets/{ticket_id}"

    return await _act(request, CREW, ticket_id, work)


@router.get("/tickets/{ticket_id}/photos/{photo_id}", dependencies=[Depends(EVERYONE)])
async def photo(request: Request, ticket_id: Id, photo_id: Id) -> Response:
    """A photo for the ticket's page."""
    principal = await _enter(request, READERS)
    if isinstance(principal, Response):
        return principal
    try:
        return await photo_answer(request, principal, ticket_id, photo_id)
    except Problem as problem:
        return _refused(request, problem.status)


# --- maintenance orders ---


@router.get("/maintenance", dependencies=[Depends(EVERYONE)])
async def maintenance_page(request: Request, after: After = None) -> Response:
    """Maintenance orders in scope, newest first, with what they hold back."""
    principal = await _enter(request, READERS)
    if isinstance(principal, Response):
        return principal
    return await _maintenance(request, principal, after=after)


async def _maintenance(
    request: Request,
    principal: Principal,
    *,
    after: str | None = None,
    error: Mapping[str, str] | None = None,
    status: int = 200,
    typed: Mapping[str, str] | None = None,
) -> Response:
    state = request.app.state
    found = await orders_of(state.database, principal.scope, now=state.clock(), after=cursor(after), limit=PAGE + 1)
    following = str(found[PAGE - 1]["id"]) if len(found) > PAGE else None
    return _show(
        request, "maintenance.html", principal, status=status, orders=found[:PAGE], following=following, error=error,
        kinds=[kind.value for kind in OrderKind], typed=typed or {},
    )  # fmt: skip


async def _plan(request: Request, work: Work) -> Response:
    principal = await _enter(request, CREW)
    if isinstance(principal, Response):
        return principal
    try:
        return await _carry_out(request, principal, work)
    except (TheirFault, Problem) as error:
        status, said = refusal_of(error)
        typed = {name: str(value) for name, value in (await request.form()).items()}
        return await _maintenance(request, principal, error=said, status=status, typed=typed)


@router.post("/maintenance", dependencies=[Depends(EVERYONE)])
async def plan(request: Request) -> Response:
    """Plan a visit or an inspection, from the form of the page. Times are the city's."""

    async def work(connection: Any, principal: Principal, now: datetime) -> str:
        form, zone = await request.form(), ZoneInfo(request.app.state.settings.time_zone)
        lift_id = await connection.fetchval(
            _sql["lift_by_code"], principal.scope, str(form.get("rescue_code", "")).strip()
        )
        if lift_id is None:
            raise BadInput("no such lift", where="rescue_code", expected="six digits of a lift of yours")
        kind = str(form.get("kind", ""))
        await make_order(
            connection, lift_id, OrderKind.INSPECTION if kind == OrderKind.INSPECTION else OrderKind.VISIT,
            moment_of(form, "since", zone) or now, moment_of(form, "until", zone) or now,
            str(form.get("note", "")).strip(), person=person_of(principal), now=now,
        )  # fmt: skip
        return "/maintenance"

    return await _plan(request, work)


@router.post("/maintenance/{maintenance_id}/end", dependencies=[Depends(EVERYONE)])
async def end(request: Request, maintenance_id: Id) -> Response:
    """End one before its time."""

    async def work(connection: Any, principal: Principal, now: datetime) -> str:
        form = await request.form()
        version = str(form.get("version", ""))
        await end_order(
            connection, maintenance_id, reason=str(form.get("reason", "")), person=person_of(principal),
            version=int(version) if version.isdecimal() else 0, now=now,
        )  # fmt: skip
        return "/maintenance"

    return await _plan(request, work)
