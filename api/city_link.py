"""The city link over HTTP: how each platform stands, what was refused and is sent again, what the daily lists differ in. JSON and a page.

What is told and how stands in `dispatch.citylink`; here it is only read, and a person asks for another try.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Depends, Form, Query, Request
from pydantic import Field
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import schemas_city as schemas
from api.access import EVERYONE, PUBLISHERS, WARDENS, Publisher, Warden, principal_of
from api.console import pages
from api.exchange import After, Document, Limit, act, answer, cursor, moment, page
from api.pages import html_answer, language_of
from api.problems import not_found
from api.schemas import PROBLEMS, Id
from dispatch.citylink import queue, reading
from dispatch.citylink.words import is_late, missing, title_of

router = APIRouter(prefix="/api/v1/city-link", tags=["city link"], responses=PROBLEMS)
view = APIRouter(tags=["pages"], include_in_schema=False, default_response_class=HTMLResponse)

PAGE: Final = 50
"""Rows of each table of the page for people."""
_DAY: Final = timedelta(days=1)
_TO_MEND: Final = ["refused", "incomplete"]
FormName = Annotated[str | None, Query(max_length=40, description="of one form")]


def _written(row: Mapping[str, Any]) -> Document:
    """A row with its times as the contract writes them."""
    return {name: moment(value) if isinstance(value, datetime) else value for name, value in row.items()}


async def _links(request: Request) -> list[Document]:
    state = request.app.state
    async with (
        state.database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        counts = {row["form"]: row for row in await reading.open_counts(connection)}
        rows = await reading.standing(connection, state.clock() - _DAY)
    return [_link(row, counts[row["form"]]) for row in rows]


def _link(row: Mapping[str, Any], counts: Mapping[str, Any]) -> Document:
    names = ("form", "since", "accepted", "left_out", "last_accepted_at", "failures", "trouble", "rests_until")
    open_names = ("waiting", "held", "oldest_at", "refused", "incomplete")
    return {
        **{name: row[name] for name in names},
        **{name: counts[name] for name in open_names},
        "title": {language: title_of(row["form"], language) for language in ("zh", "en")},
        "on": row["ended_at"] is None,
        "late": row["ended_at"] is None and is_late(counts["oldest_at"], counts["looked_at"]),
    }


@router.get("", response_model=schemas.CityLinks)
async def read_links(request: Request, principal: Warden) -> Response:  # noqa: ARG001  the gate
    """How each platform stands. None is set: no items."""
    return answer({"items": [_written(row) for row in await _links(request)]})


@router.get("/records", response_model=schemas.CityRecords)
async def list_records(
    request: Request,
    principal: Warden,  # noqa: ARG001  the gate
    after: After = None,
    limit: Limit = 100,
    form: FormName = None,
    state: Annotated[schemas.State | None, Query(description="of one state")] = None,
) -> Response:
    """What the platforms are told, newest first: one item a step of a case or alarm."""
    rows = await _records(request, form, [state] if state else None, after, limit)
    return page(request, [_record(row) for row in rows[:limit]], [row["id"] for row in rows], limit)


async def _records(
    request: Request, form: str | None, states: Sequence[str] | None, after: str | None, limit: int
) -> Sequence[Any]:
    """One row more than `limit`, to know whether there is a next page."""
    database = request.app.state.database
    return await reading.records(database, form=form, states=states, before=cursor(after), limit=limit + 1)


def _record(row: Mapping[str, Any]) -> Document:
    body = None if row["body"] is None else msgspec.json.decode(row["body"].encode())
    return {**_written(row), "body": body}


@router.post("/records/{record_id}/again", response_model=schemas.SentAgain)
async def send_record_again(request: Request, principal: Publisher, record_id: Id) -> Response:
    """Send a refused or incomplete record again, made anew of what is known now. What was held for it follows."""

    async def work(connection: Any) -> Document:
        now = request.app.state.clock()
        ids = await queue.send_record_again(connection, record_id, person=principal.name, now=now)
        if ids is None:
            raise not_found("record")
        return {"ids": ids}

    return await act(request, principal, work)


@router.get("/reconciliations", response_model=schemas.CityReconciliations)
async def list_reconciliations(
    request: Request,
    principal: Warden,  # noqa: ARG001  the gate
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Our lists compared with theirs, newest first."""
    rows = await reading.reconciliations(request.app.state.database, before=cursor(after), limit=limit + 1)
    items = [{**_written(row), "day": row["day"].isoformat()} for row in rows[:limit]]
    return page(request, items, [row["id"] for row in rows], limit)


@router.get("/reconciliations/{number}/differences", response_model=schemas.CityDifferences)
async def list_differences(
    request: Request,
    principal: Warden,  # noqa: ARG001  the gate
    number: Id,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """The differences of one comparison, by lift and time, with their reasons."""
    database = request.app.state.database
    if not await reading.is_reconciliation(database, number):
        raise not_found("reconciliation")
    rows = await reading.differences(database, number, after=cursor(after) or 0, limit=limit + 1)
    return page(request, [_written(row) for row in rows[:limit]], [row["place"] for row in rows], limit)


# --- for people ---


@view.get("/city-link", dependencies=[Depends(EVERYONE)])
async def city_link_page(
    request: Request,
    after: After = None,
    reconciliation: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    again: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
) -> Response:
    """The same as a page, times in the city's zone; without a session the way leads to the login."""
    principal = await principal_of(request)
    if principal is None:
        return RedirectResponse("/login", status_code=303)
    language, nonce = language_of(request), pages.new_nonce()
    if principal.role not in WARDENS.roles:
        title = pages.translate(language, "city.forbidden")
        text = pages.problem(language=language, nonce=nonce, status=403, title=title)
        return html_answer(request, text, nonce, status=403)
    database, zone = request.app.state.database, ZoneInfo(request.app.state.settings.time_zone)
    records = await _records(request, None, _TO_MEND, after, PAGE)
    made = await reading.reconciliations(database, limit=PAGE)
    chosen = reconciliation or (made[0]["id"] if made else 0)
    differences = await reading.differences(database, chosen, limit=PAGE + 1)
    links = await _links(request)
    text = pages.city_link(
        language=language,
        nonce=nonce,
        links=_shown(links, zone),
        titles={link["form"]: link["title"][pages.short(language)] for link in links},
        records=_shown([_in_words(row, language) for row in records[:PAGE]], zone),
        following=str(records[PAGE - 1]["id"]) if len(records) > PAGE else None,
        reconciliations=_shown(made, zone),
        chosen=chosen,
        differences=_shown(differences[:PAGE], zone),
        more=len(differences) > PAGE,
        may_send=principal.role in PUBLISHERS.roles and principal.csrf is not None,
        csrf=principal.csrf or "",
        again=again,
    )
    return html_answer(request, text, nonce)


def _in_words(row: Mapping[str, Any], language: str) -> Document:
    """A record with what to do about it."""
    incomplete = row["state"] == "incomplete"
    return {
        **row,
        "reason": missing(row["form"], row["reason"], pages.short(language)) if incomplete else row["reason"],
    }


def _shown(rows: Iterable[Mapping[str, Any]], zone: ZoneInfo) -> list[Document]:
    return [
        {
            name: f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in rows
    ]


@view.post("/city-link/again")
async def send_again_by_page(
    request: Request,
    principal: Publisher,
    form: Annotated[str, Form(max_length=40)],
    record: Annotated[Annotated[int, Field(ge=1, le=2**31 - 1)] | Literal["all"], Form()],
) -> Response:
    """The button of the page: one record, or all of a form."""
    number = None if record == "all" else record
    now = request.app.state.clock()
    async with request.app.state.database.acquire() as connection:
        found = await queue.send_again(connection, form, number, person=principal.name, now=now)
    return RedirectResponse(f"/city-link?{urlencode({'again': len(found)})}", status_code=303)
