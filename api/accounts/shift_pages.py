"""The handover sheet for people with a browser, to sign and to print. No script."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Path, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.access import DESK, EVERYONE, PUBLISHERS, STAFF, DeskPerson, Publisher, principal_of
from api.accounts import handover, shift_routes
from api.accounts.shift_routes import seal_or_none
from api.console import pages
from api.pages import html_answer, language_of
from api.people import Principal
from api.problems import Problem
from hoistway.errors import BadInput
from hoistway.limits import NOTES_CHARS, SHIFTS_AHEAD
from hoistway.store import queries

router: Final = APIRouter(tags=["pages"], include_in_schema=False, default_response_class=HTMLResponse)

_sql: Final = queries("api", "sql/shifts.sql")
_RECENT: Final = 20
Text = Annotated[str, Form(max_length=1_000)]
_WRONG: Final = {401: "handover.wrong", 429: "login.too_many", 409: "handover.overlaps", 422: "handover.bad_time"}


@router.get("/handover", dependencies=[Depends(EVERYONE)])
async def handover_page(request: Request) -> Response:
    """The sheet as it would be signed now, who is on shift, and the handovers before; without a session the way leads to the login."""
    principal = await principal_of(request)
    if principal is None:
        return RedirectResponse("/login", status_code=303)
    if principal.role not in DESK.roles:
        return _forbidden(request)
    return await _page(request, principal)


@router.post("/handover")
async def sign_handover(
    request: Request,
    principal: DeskPerson,
    proof: Text,
    coming: Text,
    coming_proof: Text,
    notes: Annotated[str, Form(max_length=NOTES_CHARS)] = "",
) -> Response:
    """Sign; then the signed sheet, to print. Whoever comes logs in."""
    database, now = request.app.state.database, request.app.state.clock()
    given = {"proof": proof, "coming": coming, "coming_proof": coming_proof, "notes": notes.strip()}
    try:
        number = await handover.sign(database, principal, seal_or_none(request), now=now, **given)
    except BadInput:
        return await _page(request, principal, error="handover.bad_coming", notes=notes, status=422)
    except Problem as problem:
        if problem.status not in _WRONG:
            raise
        headers = dict(problem.headers)
        return await _page(
            request, principal, error=_WRONG[problem.status], notes=notes, status=problem.status, headers=headers
        )
    return _signed(request, await database.fetchrow(_sql["handover"], number), fresh=True)


@router.get("/handover/{handover_id}", dependencies=[Depends(EVERYONE)])
async def signed_page(request: Request, handover_id: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Response:
    """A signed sheet, as it was."""
    principal = await principal_of(request)
    if principal is None:
        return RedirectResponse("/login", status_code=303)
    if principal.role not in STAFF.roles:
        return _forbidden(request)
    row = await request.app.state.database.fetchrow(_sql["handover"], handover_id)
    if row is None:
        raise Problem(404, "no such handover")
    return _signed(request, row)


@router.post("/shifts")
async def plan_shift(request: Request, principal: Publisher, person_id: Text, since: Text, until: Text) -> Response:
    """Plan a shift, times in the city's zone."""
    zone = _zone(request)
    try:
        begin, end = (datetime.fromisoformat(text).replace(tzinfo=zone) for text in (since, until))
        async with request.app.state.database.acquire() as connection, connection.transaction():
            await shift_routes.add(connection, principal.name, int(person_id), begin, end)
    except ValueError:
        return await _page(request, principal, error="handover.bad_time", status=422)
    except Problem as problem:
        return await _page(request, principal, error=_WRONG[problem.status], status=problem.status)
    return RedirectResponse("/handover", status_code=303)


def _zone(request: Request) -> ZoneInfo:
    return ZoneInfo(request.app.state.settings.time_zone)


def _forbidden(request: Request) -> Response:
    language, nonce = language_of(request), pages.new_nonce()
    title = pages.translate(language, "handover.forbidden")
    text = pages.problem(language=language, nonce=nonce, status=403, title=title)
    return html_answer(request, text, nonce, status=403)


async def _page(
    request: Request,
    principal: Principal,
    *,
    error: str | None = None,
    notes: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    language, nonce = language_of(request), pages.new_nonce()
    state, now = request.app.state, request.app.state.clock()
    async with (
        state.database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        document = await handover.sheet(connection, now)
        shifts = [shift_routes.shown(row) for row in await connection.fetch(_sql["shifts"], now, None, SHIFTS_AHEAD)]
        desk = await connection.fetch(_sql["desk_people"])
        recent = [shift_routes.brief(row) for row in await connection.fetch(_sql["handovers"], None, _RECENT)]
        staffed = await connection.fetchval(_sql["staffed"], now)
    text = pages.render(
        "handover.html",
        language=language,
        nonce=nonce,
        csrf=principal.csrf,
        person=principal.name,
        plans=principal.role in PUBLISHERS.roles,
        sheet=document,
        shifts=shifts,
        desk=[row for row in desk if row["id"] != principal.person_id],
        everybody=desk,
        recent=recent,
        staffed=staffed,
        notes=notes,
        error=error,
        word="en" if language == "en" else "zh",
        local=_local(_zone(request)),
    )
    return html_answer(request, text, nonce, status=status, headers=headers)


def _signed(request: Request, row: Mapping[str, Any], *, fresh: bool = False) -> Response:
    language, nonce = language_of(request), pages.new_nonce()
    text = pages.render(
        "handover_signed.html",
        language=language,
        nonce=nonce,
        handover=shift_routes.brief(row),
        sheet=row["sheet"],
        fresh=fresh,
        word="en" if language == "en" else "zh",
        local=_local(_zone(request)),
    )
    return html_answer(request, text, nonce)


def _local(zone: ZoneInfo) -> Any:
    """For templates: an RFC 3339 time as the city's clock shows it."""
    return lambda text: "" if text is None else f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M}"
