"""One person's act on a ticket: who they are in the book's words, and what the book refuses as answers of HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from api.exchange import Document
from api.people import Principal
from api.problems import Problem, not_found
from api.tickets.shapes import ticket_shape
from dispatch.tickets.book import NoTicket, read_photo, read_ticket
from dispatch.tickets.outcome import Person
from hoistway.errors import Conflict

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def person_of(principal: Principal) -> Person:
    """Who acts, as the log of a ticket names them."""
    return Person(name=principal.name, role=principal.role, scope=principal.scope)


async def ticket_document(source: Any, principal: Principal, ticket_id: int, now: datetime) -> Document:
    """The ticket as `principal` sees it; 404 where there is none in scope."""
    found = await read_ticket(source, principal.scope, ticket_id, now=now)
    if found is None:
        raise not_found("ticket")
    return ticket_shape(found, principal.role)


@contextlib.asynccontextmanager
async def refusing(what: str, current: Callable[[], Awaitable[Document]] | None = None) -> AsyncIterator[None]:
    """Inside, what is out of scope is 404 and an old version 412 with the object as it is now, where there is one."""
    try:
        yield
    except NoTicket:
        raise not_found(what) from None
    except Conflict as error:
        document = await current() if current is not None else None
        headers = {"ETag": f'"{error.current}"'}
        raise Problem(412, f"version {error.current} is current", current=document, headers=headers) from None


async def photo_answer(request: Request, principal: Principal, ticket_id: int, photo_id: int) -> Response:
    """One photo as it is kept; 404 where there is none in scope. A browser shows it as what it is and nothing else."""
    found = await read_photo(request.app.state.database, principal.scope, ticket_id, photo_id)
    if found is None:
        raise not_found("photo")
    media_type, content, digest = found
    name = f"ticket-{ticket_id}-{photo_id}.{media_type.removeprefix('image/')}"
    headers = {"ETag": f'"{digest}"', "Content-Disposition": f'inline; filename="{name}"'}
    return Response(content, headers=headers, media_type=media_type)


def ms_of(at: datetime | None) -> int | None:
    """Milliseconds since 1970 UTC."""
    return None if at is None else (at - _EPOCH) // timedelta(milliseconds=1)
