"""What follows for a complaint when it opens, when a person moves it, and when a limit of it passes. Pure: no I/O, no clock.

The table of moves is `hoistway.lifecycle`. No timer ever moves a complaint: it tells the supervisor, again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dispatch.intake.limits import IntakeLimits
from hoistway.lifecycle import UNANSWERED, ComplaintState


class ComplaintTimer(StrEnum):
    RECEIVE = "receive"  # nobody has received it
    ANSWER = "answer"  # nobody has answered it


@dataclass(frozen=True, kw_only=True, slots=True)
class Overdue:
    """What follows from a limit that passed: a line of this name in the log, the supervisor told of it, and when again."""

    line: str
    again_s: int


WAITS_IN: Final[Mapping[ComplaintTimer, frozenset[ComplaintState]]] = {
    ComplaintTimer.RECEIVE: frozenset({ComplaintState.NEW}),
    ComplaintTimer.ANSWER: UNANSWERED,
}
"""The states in which a timer has something to wait for."""


def opened(limits: IntakeLimits) -> dict[ComplaintTimer, int]:
    """The timers that commit with a complaint, in seconds from now."""
    return {ComplaintTimer.RECEIVE: limits.receive_s, ComplaintTimer.ANSWER: limits.answer_s}


def ended(target: ComplaintState) -> tuple[ComplaintTimer, ...]:
    """The timers that end when a complaint comes to `target`."""
    return tuple(timer for timer, states in WAITS_IN.items() if target not in states)


def overdue(timer: ComplaintTimer, state: ComplaintState, limits: IntakeLimits) -> Overdue | None:
    """What follows when `timer` is due; None when the step was done in time."""
    if state not in WAITS_IN[timer]:
        return None
    line = "not-received" if timer is ComplaintTimer.RECEIVE else "not-answered"
    return Overdue(line=line, again_s=limits.again_s)
