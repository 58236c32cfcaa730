"""Life cycles as tables of legal moves: the rescue case and what a person may do to an alarm.

A move names where it may start, where it ends and who may make it. Anything else raises `IllegalMove`. Diagrams in the
documents are generated from these tables (`diagram`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hoistway.errors import IllegalMove
from hoistway.model import Role


class CaseState(StrEnum):
    OPEN = "open"
    DISPATCHED = "dispatched"
    ON_SITE = "on_site"
    RELEASED = "released"
    CLOSED = "closed"
    CANCELLED = "cancelled"


TERMINAL: Final = frozenset({CaseState.CLOSED, CaseState.CANCELLED})
DESK: Final = frozenset({Role.DISPATCHER, Role.SUPERVISOR, Role.ADMIN})


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
    for move in allowed_moves(state, role):
        if move.name == name:
            return move.target
    allowed = tuple(move.name for move in allowed_moves(state, role))
    raise IllegalMove(machine="rescue case", state=state, move=name, allowed=allowed)


def diagram() -> str:
    """The rescue case as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> open"]
    for move in CASE_MOVES:
        for source in sorted(move.source, key=list(CaseState).index):
            mark = " (confirmed by a person)" if move.confirmation else ""
            lines.append(f"    {source} --> {move.target}: {move.name}{mark}")
    lines += [f"    {state} --> [*]" for state in CaseState if state in TERMINAL]
    return "\n".join(lines) + "\n"
