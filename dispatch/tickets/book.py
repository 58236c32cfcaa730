"""The book of tickets: a person's acts, carried out inside the caller's transaction, and what pages and the api read.

    await tickets_of(source, scope, now=now, is_open=True)              -> list of documents, newest first
    await read_ticket(source, scope, ticket_id, now=now)                    -> document, or None where there is none in scope
    await move_ticket(connection, ticket_id, "finish", person=person, version=version, now=now, said=Said(cause=305))
    await add_photo(connection, ticket_id, content, person=person, now=now)   -> id of the photo

`person` is a `Person(name=, role=, scope=)`, `scope` as of `api.people.Principal`. What is outside the scope raises `NoTicket`, an old
version `Conflict`, a move that the table does not hold `IllegalMove`, words that cannot be used `BadInput`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dispatch.outcome import Line
from dispatch.tickets.images import clean_picture
from dispatch.tickets.moves import Moved, handed_over, moved
from dispatch.tickets.opening import BOOK as SQL
from dispatch.tickets.opening import ms, read_ticket_limits, view_of, write_changes, write_notes
from dispatch.tickets.outcome import Person, Said, TicketOutcome, TicketView
from dispatch.tickets.policy import opened
from hoistway.errors import BadInput, Conflict, IllegalMove, TheirFault
from hoistway.lifecycle import TicketState
from hoistway.limits import PHOTOS_A_TICKET
from hoistway.model import Role, Severity

Document = dict[str, Any]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NoTicket(TheirFault):
    """No such ticket, or none that this person may see."""


# --- reading ---


async def tickets_of(
    source: Any,
    scope: int | None,
    *,
    now: datetime,
    is_open: bool | None = None,
    state: TicketState | None = None,
    overdue: bool | None = None,
    lift_id: int | None = None,
    firm_id: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[Document]:
    """Tickets in scope, newest first, at most `limit`, before id `after`. `overdue`: its promised time has passed undone.

    `source`: a connection or the database.
    """
    rows = await source.fetch(SQL["ids"], scope, is_open, state, overdue, lift_id, firm_id, after, now, limit)
    return [
        _seen(row["document"], now) for row in await source.fetch(SQL["documents"], scope, [row["id"] for row in rows])
    ]


async def read_ticket(source: Any, scope: int | None, ticket_id: int, *, now: datetime) -> Document | None:
    """One ticket; None where there is none in scope."""
    rows = await source.fetch(SQL["documents"], scope, [ticket_id])
    return _seen(rows[0]["document"], now) if rows else None


def _seen(document: Document, now: datetime) -> Document:
    late = document["open"] and datetime.fromisoformat(document["promised_at"]) < now
    return {**document, "overdue": late}


async def read_log(source: Any, ticket_id: int) -> Sequence[Any]:
    """The log of a ticket that the reader has seen: kind, at, recorded_at, person, role, reason, before, after."""
    rows: Sequence[Any] = await source.fetch(SQL["log"], ticket_id)
    return rows


async def read_timers(source: Any, ticket_id: int) -> Sequence[Any]:
    """Timers that run or have fired: kind, due_at, fired_at."""
    rows: Sequence[Any] = await source.fetch(SQL["running_timers"], ticket_id)
    return rows


async def _lock(connection: Any, person: Person, ticket_id: int, version: int | None) -> TicketView:
    """A ticket in scope, locked, at the version that was seen (None: whatever it is)."""
    if await connection.fetchval(SQL["lock"], person.scope, ticket_id) is None:
        raise NoTicket(f"ticket {ticket_id}")
    (row,) = await connection.fetch(SQL["views"], [ticket_id])
    if version is not None and row["version"] != version:
        raise Conflict(f"ticket {ticket_id}", current=row["version"])
    return view_of(row)


# --- acts ---


async def move_ticket(
    connection: Any, ticket_id: int, move: str, *, person: Person, version: int, now: datetime, said: Said | None = None
) -> None:
    """Make one move of `hoistway.lifecycle.TICKET_MOVES` in the caller's transaction, with its visit, log, timers and notices."""
    ticket = await _lock(connection, person, ticket_id, version)
    words = said or Said()
    there = await connection.fetchval(SQL["there_since"], ticket_id)
    found = moved(
        ticket,
        move,
        person,
        words,
        limits=await read_ticket_limits(connection),
        now_ms=ms(now),
        there_since_ms=None if there is None else ms(there),
    )
    if found.outcome.state is TicketState.REOPENED:
        await _check_alone(connection, ticket)
    await _write_visit(connection, ticket_id, found, person, there=there is not None)
    parts = [{"name": part.name, "count": part.count} for part in words.parts] or None
    await connection.execute(SQL["say"], ticket_id, words.cause, (words.work or "").strip() or None, parts)
    await write_changes(connection, [(ticket_id, found.outcome)], now, person=person)


async def _check_alone(connection: Any, ticket: TicketView) -> None:
    twin = await connection.fetchval(SQL["unmended_twin"], ticket.ticket_id)
    if twin is not None:
        raise IllegalMove(
            machine=f"ticket, while {twin} is open for the fault,", state=ticket.state, move="reopen", allowed=()
        )


async def _write_visit(connection: Any, ticket_id: int, found: Moved, person: Person, *, there: bool) -> None:
    came = None if found.came_ms is None else _when(found.came_ms)
    if found.left_ms is None:
        if came is not None:
            await connection.execute(SQL["come"], ticket_id, came, person.name)
    elif there:
        await connection.fetchval(SQL["leave"], ticket_id, _when(found.left_ms))
    elif came is not None:
        await connection.execute(SQL["was_there"], ticket_id, came, _when(found.left_ms), person.name)


def _when(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)


async def hand_over_ticket(
    connection: Any, ticket_id: int, firm_id: int, *, reason: str, person: Person, version: int, now: datetime
) -> None:
    """Give an unmended ticket to another firm. A change of contract alone never does."""
    ticket = await _lock(connection, person, ticket_id, version)
    if await connection.fetchval(SQL["firm_exists"], firm_id) is None:
        raise BadInput(f"{firm_id}", where="firm_id", expected="a firm of the register")
    if firm_id == ticket.firm_id:
        raise BadInput(f"{firm_id}", where="firm_id", expected="another firm; it is this one's already")
    outcome = handed_over(ticket, firm_id, reason=reason, limits=await read_ticket_limits(connection))
    await connection.fetchval(SQL["leave"], ticket_id, now)
    await write_changes(connection, [(ticket_id, outcome)], now, person=person)


async def comment_ticket(connection: Any, ticket_id: int, text: str, *, person: Person, now: datetime) -> None:
    """Add a sentence to the log."""
    await _lock(connection, person, ticket_id, None)
    line = Line(kind="commented", own=True, reason=text)
    await connection.execute(SQL["touch"], ticket_id)
    await write_notes(connection, [(ticket_id, TicketOutcome(lines=(line,)))], now, person=person)


async def tell_fault(
    connection: Any, lift_id: int, told: str, severity: Severity, *, person: Person, now: datetime
) -> int:
    """A ticket for a fault that a person tells of, with nothing to join; answers its id."""
    lift = await connection.fetchrow(SQL["lift_of"], lift_id)
    if lift is None or person.role is Role.MAINTAINER:
        raise BadInput(f"{lift_id}", where="lift_id", expected="a lift of the register")
    follows = opened(lift["firm_id"], severity, limits := await read_ticket_limits(connection))
    promise_s = float(limits.promise_s(severity))
    ticket_id: int = await connection.fetchval(
        SQL["tell_fault"], lift_id, lift["firm_id"], told, severity, now, promise_s, lift["exercise"]
    )
    line = Line(kind="opened", own=True, reason=told, after={"severity": severity.value, "firm_id": lift["firm_id"]})
    outcome = TicketOutcome(lines=(line,), tells=follows.tells, timers=follows.timers)
    await write_notes(connection, [(ticket_id, outcome)], now, person=person)
    return ticket_id


# --- photos ---


async def add_photo(connection: Any, ticket_id: int, content: bytes, *, person: Person, now: datetime) -> int:
    """Keep a photo without its metadata; answers its id. The same photo again is the one that is there.

    Raises `BadInput` for what is no picture, too large or one too many. A ticket that was cancelled takes none.
    """
    picture = clean_picture(content)
    ticket = await _lock(connection, person, ticket_id, None)
    digest = hashlib.sha256(picture.content).digest()
    same: int | None = await connection.fetchval(SQL["same_photo"], ticket_id, digest)
    if same is not None:
        return same
    if ticket.state is TicketState.CANCELLED:
        raise IllegalMove(machine="ticket", state=ticket.state, move="photo", allowed=())
    if await connection.fetchval(SQL["photo_count"], ticket_id) >= PHOTOS_A_TICKET:
        raise BadInput("one too many", where="photo", expected=f"{PHOTOS_A_TICKET} photos of a ticket at most")
    photo_id: int = await connection.fetchval(
        SQL["add_photo"], ticket_id, picture.media_type, picture.width, picture.height, len(picture.content), digest,
        picture.content, person.name, person.role.value, now,
    )  # fmt: skip
    await connection.execute(SQL["touch"], ticket_id)
    line = Line(kind="photo", own=True, after={"photo_id": photo_id, "sha256": digest.hex()})
    await write_notes(connection, [(ticket_id, TicketOutcome(lines=(line,)))], now, person=person)
    return photo_id


async def read_photo(source: Any, scope: int | None, ticket_id: int, photo_id: int) -> tuple[str, bytes, str] | None:
    """Media type, content and SHA-256 (hex) of one photo; None where there is none in scope."""
    row = await source.fetchrow(SQL["photo"], scope, ticket_id, photo_id)
    return None if row is None else (row["media_type"], row["content"], row["sha256"].hex())
