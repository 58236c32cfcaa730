"""What a decision about tickets sees and what it says. Values only; times are ms since 1970 UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dispatch.outcome import Line, Teller
from hoistway.lifecycle import UNMENDED, UNTAKEN, TicketState
from hoistway.model import Role, Severity


class TicketTimer(StrEnum):
    ACCEPT = "accept"  # the firm has not accepted
    ACCEPT_AGAIN = "accept-again"  # and still not, after it was told
    PROMISE = "promise"  # not done at the promised time
    CLIMB = "climb"  # and still not
    VERIFY = "verify"  # done, and nobody has verified it


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An alarm that calls for a ticket."""

    alarm_id: int
    lift_id: int
    rule_id: str
    rule_version: str
    severity: Severity
    at_ms: int  # when it was raised
    exercise: bool
    active: bool = True  # it still holds
    raised: bool = True  # False: it goes on, and is only more severe than it was


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketView:
    """A ticket as the decisions see it."""

    ticket_id: int
    lift_id: int
    family: str | None
    state: TicketState
    severity: Severity
    firm_id: int | None
    promised_ms: int
    done_ms: int | None
    climbed: int
    exercise: bool
    active: bool = False  # the fault still holds
    alarm_ids: frozenset[int] = frozenset()  # of those that are asked about

    @property
    def unmended(self) -> bool:
        return self.state in UNMENDED

    @property
    def untaken(self) -> bool:
        return self.state in UNTAKEN


@dataclass(frozen=True, kw_only=True, slots=True)
class Shield:
    """A maintenance order of a lift. `settled`: it has ended, and what held then has its ticket."""

    order_id: int
    lift_id: int
    since_ms: int
    until_ms: int
    settled: bool = False


class Way(StrEnum):
    """What becomes of a fault."""

    OPEN = "open"
    JOIN = "join"  # the lift's open ticket of its family
    REOPEN = "reopen"  # it was done, and was not
    NOTE = "note"  # it was before the repair: nothing but a line
    SHIELD = "shield"  # a maintenance order holds it back
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What becomes of one fault."""

    way: Way
    ticket_id: int | None = None  # of join, reopen and note
    order_id: int | None = None  # of shield
    severer: bool = False  # the ticket's severity rises, and its promised time may come nearer


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerSet:
    kind: TicketTimer
    after_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tell:
    """Somebody must be told of a ticket."""

    topic: str
    to: Teller
    to_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketOutcome:
    """All that follows for one ticket. None: stays as it is. `ends_all`: no timer is left but those that are set here."""

    state: TicketState | None = None
    climbed: int | None = None
    overdue: bool = False
    severity: Severity | None = None
    promise_s: int | None = None  # from now
    firm_id: int | None = None
    lines: tuple[Line, ...] = ()
    tells: tuple[Tell, ...] = ()
    timers: tuple[TimerSet, ...] = ()
    ends: tuple[TicketTimer, ...] = ()
    ends_all: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who moves a ticket. `firm_id`: of a maintainer; `scope` as of `api.people.Principal`: a firm's number, 0 every firm, None nobody."""

    name: str
    role: Role
    scope: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Something that was fitted."""

    name: str
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a person says with a move."""

    reason: str | None = None
    cause: int | None = None
    work: str | None = None  # what was done
    parts: tuple[Part, ...] = ()
    came_ms: int | None = None  # start, finish: when somebody was there, if it was not now
    left_ms: int | None = None  # leave, finish

    def facts(self) -> Mapping[str, Any]:
        """As the log keeps them."""
        parts = [{"name": part.name, "count": part.count} for part in self.parts]
        found = {"cause": self.cause, "work": self.work, "parts": parts}
        return {name: value for name, value in found.items() if value}


__all__ = [
    "Fault",
    "Line",
    "Part",
    "Person",
    "Said",
    "Shield",
    "Tell",
    "Teller",
    "TicketOutcome",
    "TicketTimer",
    "TicketView",
    "TimerSet",
    "Verdict",
    "Way",
]
