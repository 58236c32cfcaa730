"""Security events to read: as JSON and as one plain page. Who tries the door is for those who look after it, not for the desk at large.

Knows nothing of how they come about (ingest), nor of keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import schemas
from api.access import EVERYONE, WARDENS, Warden, principal_of
from api.console import pages
from api.exchange import After, Document, Limit, cursor, moment, page
from api.pages import html_answer, language_of
from api.schemas import PROBLEMS
from hoistway.model import SecurityKind
from hoistway.store import queries

router = APIRouter(prefix="/api/v1/security-events", tags=["security"], responses=PROBLEMS)
view = APIRouter(tags=["pages"], include_in_schema=False, default_response_class=HTMLResponse)

PAGE: Final = 50
"""Rows of the page for people."""
_sql: Final = queries("api", "sql/security.sql")


async def _rows(request: Request, kind: str | None, device: str | None, after: str | None, limit: int) -> list[Any]:
    """One row more than `limit`, to know whether there is a next page."""
    database = request.app.state.database
    rows: list[Any] = await database.fetch(_sql["security_events"], kind, device, cursor(after), limit + 1)
    return rows


def _document(row: Mapping[str, Any]) -> Document:
    return {name: moment(value) if name in ("first_at", "last_at") else value for name, value in row.items()}


@router.get("", response_model=schemas.SecurityPage)
async def list_security_events(
    request: Request,
    principal: Warden,  # noqa: ARG001  the gate
    after: After = None,
    limit: Limit = 100,
    kind: SecurityKind | None = None,
    device: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """What looked like an intruder, and certificates that end; newest first. One item a kind, device and hour."""
    rows = await _rows(request, kind, device, after, limit)
    return page(request, [_document(row) for row in rows[:limit]], [row["id"] for row in rows], limit)


@view.get("/security", dependencies=[Depends(EVERYONE)])
async def security_page(
    request: Request,
    after: After = None,
    kind: Annotated[str, Query(max_length=40)] = "",
    device: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The same for a person with a browser, times in the city's zone; without a session the way leads to the login."""
    principal = await principal_of(request)
    if principal is None:
        return RedirectResponse("/login", status_code=303)
    language, nonce = language_of(request), pages.new_nonce()
    if principal.role not in WARDENS.roles:
        title = pages.translate(language, "security.forbidden")
        return html_answer(
            request, pages.problem(language=language, nonce=nonce, status=403, title=title), nonce, status=403
        )
    known = kind if kind in set(SecurityKind) else None
    rows = await _rows(request, known, device or None, after, PAGE)
    text = pages.security(
        language=language,
        nonce=nonce,
        rows=[_shown(row, ZoneInfo(request.app.state.settings.time_zone)) for row in rows[:PAGE]],
        kinds=[item.value for item in SecurityKind],
        chosen={"kind": known or "", "device": device},
        following=str(rows[PAGE - 1]["id"]) if len(rows) > PAGE else None,
    )
    return html_answer(request, text, nonce)


def _shown(row: Mapping[str, Any], zone: ZoneInfo) -> Document:
    times = {name: f"{row[name].astimezone(zone):%Y-%m-%d %H:%M:%S}" for name in ("first_at", "last_at")}
    return {**row, **times}
