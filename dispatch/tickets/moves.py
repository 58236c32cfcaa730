"""What follows from what a person does to a ticket. Pure; the table of moves is `hoistway.lifecycle.TICKET_MOVES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dispatch.outcome import Line
from dispatch.tickets.causes import causes
from dispatch.tickets.limits import TicketLimits
from dispatch.tickets.outcome import Person, Said, TicketOutcome, TicketTimer, TicketView
from dispatch.tickets.policy import done, firm_tell, opened, reopened
from hoistway.errors import BadInput, IllegalMove
from hoistway.lifecycle import TICKET_MOVE, TicketState, next_ticket_state
from hoistway.limits import COMMENT_CHARS, PART_CHARS, PARTS_A_TICKET
from hoistway.model import Role

_TAKEN: Final = (TicketTimer.ACCEPT, TicketTimer.ACCEPT_AGAIN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """A move with what follows; `came_ms`, `left_ms`: the visit that begins or ends with it."""

    outcome: TicketOutcome
    came_ms: int | None = None
    left_ms: int | None = None


def moved(
    ticket: TicketView,
    name: str,
    person: Person,
    said: Said,
    *,
    limits: TicketLimits,
    now_ms: int,
    there_since_ms: int | None = None,
) -> Moved:
    """What follows when `person` moves `ticket`. `there_since_ms`: since when somebody is there, by an open visit.

    Raises `BadInput` for words that are missing or cannot be used, `IllegalMove` for what the table does not hold.
    """
    move = TICKET_MOVE.get(name)
    if move is None or not move.roles:
        names = tuple(item.name for item in TICKET_MOVE.values() if item.roles)
        raise BadInput(f"{name!r}", where="move", expected=f"one of {', '.join(names)}")
    target = next_ticket_state(ticket.state, name, person.role)
    _check_words(ticket, name, said)
    visit = _VISIT.get(name, _no_visit)(said, now_ms, there_since_ms)
    outcome = _follows(ticket, target, person, limits)
    after: dict[str, Any] = {"state": target.value, **said.facts()}
    if person.role is not Role.MAINTAINER and Role.MAINTAINER in move.roles:
        after["on_behalf_of"] = {"firm_id": ticket.firm_id}
    line = Line(kind=name, own=True, reason=said.reason, before={"state": ticket.state.value}, after=after)
    return replace(visit, outcome=replace(outcome, state=target, lines=(line, *outcome.lines)))


def _check_words(ticket: TicketView, name: str, said: Said) -> None:
    move = TICKET_MOVE[name]
    reason = (said.reason or "").strip()
    if move.reason and not reason:
        raise BadInput("missing", where="reason", expected="words that say why")
    if name == "verify" and ticket.active and not reason:
        raise BadInput("missing", where="reason", expected="why it is mended though the fault still holds")
    if move.cause and said.cause is None:
        raise BadInput("missing", where="cause", expected="a code of the causes")
    if said.cause is not None and said.cause not in causes():
        raise BadInput(f"{said.cause}", where="cause", expected="a code of the causes")
    for where, words in (("reason", said.reason), ("work", said.work)):
        if words is not None and len(words) > COMMENT_CHARS:
            raise BadInput(f"{len(words)} characters", where=where, expected=f"{COMMENT_CHARS} at most")
    if len(said.parts) > PARTS_A_TICKET:
        raise BadInput(f"{len(said.parts)} parts", where="parts", expected=f"{PARTS_A_TICKET} at most")
    for index, part in enumerate(said.parts):
        if not part.name.strip() or len(part.name) > PART_CHARS or not 1 <= part.count <= 1_000:
            expected = f"a name of 1 to {PART_CHARS} characters and a count from 1 to 1000"
            raise BadInput(f"{part.name[:40]!r}, {part.count}", where=f"parts.{index}", expected=expected)


def _no_visit(_said: Said, _now_ms: int, _there_since_ms: int | None) -> Moved:
    return Moved(outcome=TicketOutcome())


def _comes(said: Said, now_ms: int, _there_since_ms: int | None) -> Moved:
    came_ms = now_ms if said.came_ms is None else said.came_ms
    _check_past("came_at", came_ms, now_ms)
    return Moved(outcome=TicketOutcome(), came_ms=came_ms)


def _leaves(said: Said, now_ms: int, there_since_ms: int | None) -> Moved:
    """Of an open visit its end; without one, both ends must be said, or there was no visit."""
    left_ms = now_ms if said.left_ms is None else said.left_ms
    _check_past("left_at", left_ms, now_ms)
    since_ms = there_since_ms if there_since_ms is not None else said.came_ms
    if since_ms is None:
        return Moved(outcome=TicketOutcome())
    if left_ms < since_ms:
        raise BadInput("before the visit began", where="left_at", expected="a time after it")
    return Moved(outcome=TicketOutcome(), came_ms=since_ms, left_ms=left_ms)


def _check_past(where: str, at_ms: int, now_ms: int) -> None:
    if at_ms > now_ms:
        raise BadInput("in the future", where=where, expected="a time that has passed")


_VISIT: Final[Mapping[str, Callable[[Said, int, int | None], Moved]]] = {
    "start": _comes,
    "leave": _leaves,
    "finish": _leaves,
    "cancel": _leaves,
}


def _follows(ticket: TicketView, target: TicketState, person: Person, limits: TicketLimits) -> TicketOutcome:
    if target is TicketState.DONE:
        return done(limits)
    if target is TicketState.REOPENED:
        return reopened(ticket, ticket.severity, limits)
    if target in {TicketState.VERIFIED, TicketState.CANCELLED}:
        told = target is TicketState.CANCELLED and ticket.firm_id is not None and person.role is not Role.MAINTAINER
        tells = (firm_tell("ticket-cancelled", ticket.firm_id),) if told and ticket.firm_id is not None else ()
        return TicketOutcome(ends_all=True, tells=tells)
    return TicketOutcome(ends=_TAKEN)


def handed_over(ticket: TicketView, firm_id: int, *, reason: str, limits: TicketLimits) -> TicketOutcome:
    """Another firm mends it: it is new to them, and their clocks run from now. Raises `IllegalMove` when it is mended."""
    if not ticket.unmended:
        raise IllegalMove(machine="ticket", state=ticket.state, move="hand-over", allowed=())
    before, after = {"firm_id": ticket.firm_id, "state": ticket.state.value}, {"firm_id": firm_id}
    line = Line(kind="handed-over", own=True, reason=reason, before=before, after=after)
    left = () if ticket.firm_id is None else (firm_tell("ticket-taken-away", ticket.firm_id),)
    found = opened(firm_id, ticket.severity, limits)
    return replace(found, state=TicketState.NEW, firm_id=firm_id, lines=(line,), tells=(*left, *found.tells))
