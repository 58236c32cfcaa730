"""Life cycles as tables of legal moves: the rescue case, the dispatch order, the ticket, the complaint, what a person may do to an alarm.

A move names where it may start, where it ends and who may make it. Anything else raises `IllegalMove`. Diagrams in the
documents are generated from these tables (`diagram`, `order_diagram`, `ticket_diagram`,
`complaint_diagram`, `alarm_diagram`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from hoistway.errors import IllegalMove
from hoistway.model import OperatorState, Role


class _Move(Protocol):
    """What the moves of every life cycle have."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> frozenset[Any]: ...

    @property
    def target(self) -> StrEnum: ...


_AnyMove = TypeVar("_AnyMove", bound=_Move)


def _named(machine: str, state: StrEnum, name: str, moves: Sequence[_AnyMove]) -> _AnyMove:
    """The move of that name among those that are open; raises `IllegalMove`."""
    for move in moves:
        if move.name == name:
            return move
    raise IllegalMove(machine=machine, state=state, move=name, allowed=tuple(move.name for move in moves))


def _diagram(moves: Sequence[_AnyMove], begin: str, ends: Sequence[str], mark: Callable[[_AnyMove], str]) -> str:
    """A Mermaid state diagram; sources in the order of their states."""
    lines = ["stateDiagram-v2", f"    [*] --> {begin}"]
    for move in moves:
        sources = sorted(move.source, key=list(type(move.target)).index)
        lines += [f"    {source} --> {move.target}: {move.name}{mark(move)}" for source in sources]
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join(lines) + "\n"


class CaseState(StrEnum):
    OPEN = "open"
    DISPATCHED = "dispatched"
    ON_SITE = "on_site"
    RELEASED = "released"
    CLOSED = "closed"
    CANCELLED = "cancelled"


TERMINAL: Final = frozenset({CaseState.CLOSED, CaseState.CANCELLED})
DESK: Final = frozenset({Role.DISPATCHER, Role.SUPERVISOR, Role.ADMIN})
CREW: Final = DESK | {Role.MAINTAINER}
"""The firm for its own orders, and the desk on its behalf."""
RUNNING: Final = frozenset({CaseState.OPEN, CaseState.DISPATCHED, CaseState.ON_SITE})
WAITING: Final = frozenset({CaseState.OPEN, CaseState.DISPATCHED})
"""Nobody is with them yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    name: str
    source: frozenset[CaseState]
    target: CaseState
    roles: frozenset[Role]
    confirmation: bool = False  # a named person must say that nobody is trapped, and how that is known


def _move(name: str, source: set[CaseState], target: CaseState, *, confirmation: bool = False) -> Move:
    return Move(name=name, source=frozenset(source), target=target, roles=DESK, confirmation=confirmation)


_S = CaseState
CASE_MOVES: Final[tuple[Move, ...]] = (
    _move("dispatch", {_S.OPEN}, _S.DISPATCHED),
    _move("arrive", {_S.OPEN, _S.DISPATCHED}, _S.ON_SITE),
    _move("release", {_S.OPEN, _S.DISPATCHED, _S.ON_SITE}, _S.RELEASED, confirmation=True),
    _move("cancel", {_S.OPEN, _S.DISPATCHED, _S.ON_SITE}, _S.CANCELLED, confirmation=True),
    _move("close", {_S.RELEASED}, _S.CLOSED),
)
CASE_MOVE: Final[dict[str, Move]] = {move.name: move for move in CASE_MOVES}


def allowed_moves(state: CaseState, role: Role) -> tuple[Move, ...]:
    """The moves that `role` may make from `state`, in the order of the table."""
    return tuple(move for move in CASE_MOVES if state in move.source and role in move.roles)


def next_state(state: CaseState, name: str, role: Role) -> CaseState:
    """The state after move `name`; raises `IllegalMove` when the table does not hold it for this state and role."""
    return _named("rescue case", state, name, allowed_moves(state, role)).target


def diagram() -> str:
    """The rescue case as a Mermaid state diagram."""
    return _diagram(
        CASE_MOVES,
        "open",
        [state for state in CaseState if state in TERMINAL],
        lambda move: " (confirmed by a person)" if move.confirmation else "",
    )


class OrderState(StrEnum):
    SENT = "sent"
    ACCEPTED = "accepted"
    ON_THE_WAY = "on_the_way"
    ARRIVED = "arrived"
    DONE = "done"
    STOOD_DOWN = "stood_down"
    REFUSED = "refused"
    FAILED = "failed"


LIVE: Final = frozenset({OrderState.SENT, OrderState.ACCEPTED, OrderState.ON_THE_WAY, OrderState.ARRIVED})
COMING: Final = LIVE - {OrderState.SENT}
"""Somebody has said that they come, or is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderMove:
    """One move of a dispatch order."""

    name: str
    source: frozenset[OrderState]
    target: OrderState
    roles: frozenset[Role]
    reason: bool = False  # must be said


def _order_move(
    name: str,
    source: set[OrderState],
    target: OrderState,
    roles: frozenset[Role] = CREW,
    *,
    reason: bool = False,
) -> OrderMove:
    return OrderMove(name=name, source=frozenset(source), target=target, roles=roles, reason=reason)


_U = OrderState
ORDER_MOVES: Final[tuple[OrderMove, ...]] = (
    _order_move("accept", {_U.SENT}, _U.ACCEPTED),
    _order_move("set_out", {_U.SENT, _U.ACCEPTED}, _U.ON_THE_WAY),
    _order_move("arrive", {_U.SENT, _U.ACCEPTED, _U.ON_THE_WAY}, _U.ARRIVED),
    _order_move("finish", {_U.ARRIVED}, _U.DONE),
    _order_move("refuse", {_U.SENT, _U.ACCEPTED}, _U.REFUSED, reason=True),
    _order_move("fail", {_U.ACCEPTED, _U.ON_THE_WAY, _U.ARRIVED}, _U.FAILED, reason=True),
    _order_move("stand_down", set(LIVE), _U.STOOD_DOWN, DESK, reason=True),
)
ORDER_MOVE: Final[dict[str, OrderMove]] = {move.name: move for move in ORDER_MOVES}


def allowed_order_moves(state: OrderState, role: Role) -> tuple[OrderMove, ...]:
    """The moves that `role` may make with an order in `state`, in the order of the table."""
    return tuple(move for move in ORDER_MOVES if state in move.source and role in move.roles)


def next_order_state(state: OrderState, name: str, role: Role) -> OrderState:
    """The state after move `name`; raises `IllegalMove` when the table does not hold it for this state and role."""
    return _named("dispatch order", state, name, allowed_order_moves(state, role)).target


def order_diagram() -> str:
    """The dispatch order as a Mermaid state diagram."""
    over = [state for state in OrderState if state not in LIVE]
    return _diagram(ORDER_MOVES, _U.SENT, over, lambda move: " (with a reason)" if move.reason else "")


class ComplaintState(StrEnum):
    NEW = "new"
    RECEIVED = "received"
    ASSIGNED = "assigned"
    ANSWERED = "answered"
    CLOSED = "closed"


UNANSWERED: Final = frozenset({ComplaintState.NEW, ComplaintState.RECEIVED, ComplaintState.ASSIGNED})
"""The caller still waits for a word."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComplaintMove:
    """One move of a complaint. `words`: what is to be done, or what was answered, must be said; `firm`: who is to do it."""

    name: str
    source: frozenset[ComplaintState]
    target: ComplaintState
    roles: frozenset[Role] = DESK
    words: bool = False
    firm: bool = False


_C = ComplaintState
COMPLAINT_MOVES: Final[tuple[ComplaintMove, ...]] = (
    ComplaintMove(name="receive", source=frozenset({_C.NEW}), target=_C.RECEIVED),
    ComplaintMove(
        name="assign", source=frozenset({_C.RECEIVED, _C.ASSIGNED}), target=_C.ASSIGNED, words=True, firm=True
    ),
    ComplaintMove(name="answer", source=frozenset({_C.RECEIVED, _C.ASSIGNED}), target=_C.ANSWERED, words=True),
    ComplaintMove(name="close", source=frozenset({_C.ANSWERED}), target=_C.CLOSED),
)
COMPLAINT_MOVE: Final[dict[str, ComplaintMove]] = {move.name: move for move in COMPLAINT_MOVES}


def allowed_complaint_moves(state: ComplaintState, role: Role) -> tuple[ComplaintMove, ...]:
    """The moves that `role` may make with a complaint in `state`, in the order of the table."""
    return tuple(move for move in COMPLAINT_MOVES if state in move.source and role in move.roles)


def next_complaint_state(state: ComplaintState, name: str, role: Role) -> ComplaintState:
    """The state after move `name`; raises `IllegalMove` when the table does not hold it for this state and role."""
    return _named("complaint", state, name, allowed_complaint_moves(state, role)).target


def complaint_diagram() -> str:
    """The complaint as a Mermaid state diagram."""
    return _diagram(COMPLAINT_MOVES, _C.NEW, [_C.CLOSED], lambda move: " (in words)" if move.words else "")


class Mover(StrEnum):
    """Who moves the operator state of an alarm."""

    PERSON = "person"
    TIME = "time"  # a limit that a person has set is over
    EQUIPMENT = "equipment"  # the lift says more, or says it again


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmMove:
    """One move of the operator state. `cleared`: only while the condition is cleared."""

    name: str
    source: frozenset[OperatorState]
    target: OperatorState
    mover: Mover
    cleared: bool = False


def _alarm_move(
    name: str, source: set[OperatorState], target: OperatorState, mover: Mover, *, cleared: bool = False
) -> AlarmMove:
    return AlarmMove(name=name, source=frozenset(source), target=target, mover=mover, cleared=cleared)


_O = OperatorState
ALARM_MOVES: Final[tuple[AlarmMove, ...]] = (
    _alarm_move("acknowledge", {_O.UNACKNOWLEDGED}, _O.ACKNOWLEDGED, Mover.PERSON),
    _alarm_move("shelve", {_O.UNACKNOWLEDGED, _O.ACKNOWLEDGED}, _O.SHELVED, Mover.PERSON),
    _alarm_move("unshelve", {_O.SHELVED}, _O.UNACKNOWLEDGED, Mover.PERSON),
    _alarm_move("time is over", {_O.SHELVED}, _O.UNACKNOWLEDGED, Mover.TIME),
    _alarm_move("more severe", {_O.ACKNOWLEDGED, _O.SHELVED}, _O.UNACKNOWLEDGED, Mover.EQUIPMENT),
    _alarm_move("raised again while chattering", {_O.ACKNOWLEDGED}, _O.UNACKNOWLEDGED, Mover.EQUIPMENT, cleared=True),
)


def next_operator_state(state: OperatorState, name: str) -> OperatorState:
    """The operator state after a person's move `name`; raises `IllegalMove` when the table does not hold it."""
    moves = [move for move in ALARM_MOVES if move.mover is Mover.PERSON and state in move.source]
    return _named("alarm", state, name, moves).target


def alarm_diagram() -> str:
    """The operator state of an alarm as a Mermaid state diagram. It ends acknowledged and cleared, in either order."""
    begin, end = f"{_O.UNACKNOWLEDGED}: raised", f"{_O.ACKNOWLEDGED} --> [*]: cleared"
    return _diagram(ALARM_MOVES, begin, [], lambda move: f" ({move.mover})") + f"    {end}\n"


class TicketState(StrEnum):
    NEW = "new"
    ACCEPTED = "accepted"
    WORKING = "working"
    DONE = "done"
    VERIFIED = "verified"
    REOPENED = "reopened"
    CANCELLED = "cancelled"


UNMENDED: Final = frozenset({TicketState.NEW, TicketState.ACCEPTED, TicketState.WORKING, TicketState.REOPENED})
"""Still the firm's work: a repeat of the fault joins it."""
UNTAKEN: Final = frozenset({TicketState.NEW, TicketState.REOPENED})
"""Nobody of the firm has said that they take it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketMove:
    """One move of a ticket. Without roles it is the equipment's: the fault came again."""

    name: str
    source: frozenset[TicketState]
    target: TicketState
    roles: frozenset[Role]
    reason: bool = False  # must be said
    cause: bool = False  # the cause code must be said


def _ticket_move(
    name: str,
    source: set[TicketState],
    target: TicketState,
    roles: frozenset[Role] = CREW,
    *,
    reason: bool = False,
    cause: bool = False,
) -> TicketMove:
    return TicketMove(name=name, source=frozenset(source), target=target, roles=roles, reason=reason, cause=cause)


_T = TicketState
RECUR: Final = "recur"
TICKET_MOVES: Final[tuple[TicketMove, ...]] = (
    _ticket_move("accept", {_T.NEW, _T.REOPENED}, _T.ACCEPTED),
    _ticket_move("start", {_T.NEW, _T.REOPENED, _T.ACCEPTED}, _T.WORKING),
    _ticket_move("leave", {_T.WORKING}, _T.ACCEPTED, reason=True),
    _ticket_move("finish", {_T.ACCEPTED, _T.WORKING}, _T.DONE, cause=True),
    _ticket_move("verify", {_T.DONE}, _T.VERIFIED, DESK),
    _ticket_move("reopen", {_T.DONE, _T.VERIFIED}, _T.REOPENED, DESK, reason=True),
    _ticket_move("cancel", set(UNMENDED), _T.CANCELLED, DESK, reason=True),
    _ticket_move(RECUR, {_T.DONE, _T.VERIFIED}, _T.REOPENED, frozenset()),
)
TICKET_MOVE: Final[dict[str, TicketMove]] = {move.name: move for move in TICKET_MOVES}


def allowed_ticket_moves(state: TicketState, role: Role) -> tuple[TicketMove, ...]:
    """The moves that `role` may make with a ticket in `state`, in the order of the table."""
    return tuple(move for move in TICKET_MOVES if state in move.source and role in move.roles)


def next_ticket_state(state: TicketState, name: str, role: Role) -> TicketState:
    """The state after move `name`; raises `IllegalMove` when the table does not hold it for this state and role."""
    return _named("ticket", state, name, allowed_ticket_moves(state, role)).target


def ticket_diagram() -> str:
    """The ticket as a Mermaid state diagram."""

    def mark(move: TicketMove) -> str:
        marks = {"with a reason": move.reason, "with a cause": move.cause, "the fault came again": not move.roles}
        return "".join(f" ({words})" for words, holds in marks.items() if holds)

    return _diagram(TICKET_MOVES, _T.NEW, [_T.VERIFIED, _T.CANCELLED], mark)
