"""Time limits of a rescue and what follows when one passes. Pure: no I/O, no clock; `now` and due times are arguments.

Limits: three-minute response and thirty-minute arrival are the published indicators of 96333 centres (sixty minutes outside
the urban area, Hangzhou order 263 of 2011, article 27); the desk's sixty seconds are this product's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hoistway.lifecycle import CaseState
from hoistway.model import CaseKind, Opens

ACKNOWLEDGE_S: Final = 60
VOICE_S: Final = 60
ACCEPT_S: Final = 180
ARRIVE_URBAN_S: Final = 1_800
ARRIVE_ELSEWHERE_S: Final = 3_600
TOP_LEVEL: Final = 3


class TimerKind(StrEnum):
    ACKNOWLEDGE = "acknowledge"  # nobody at the desk has taken the case
    VOICE = "voice"  # an alarm call that nobody has answered by voice
    ACCEPT = "accept"  # no unit has accepted level 1
    ACCEPT_2 = "accept-2"  # no unit has accepted level 2
    ARRIVE = "arrive"  # nobody is on site


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerPlan:
    kind: TimerKind
    after_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePlan:
    """A case that an alarm opens, with the timers that commit with it."""

    kind: CaseKind
    timers: tuple[TimerPlan, ...]


def case_for(opens: str, *, urban: bool) -> CasePlan | None:
    """The case that an alarm opens, or None for a ticket or notice."""
    arrive = TimerPlan(kind=TimerKind.ARRIVE, after_s=ARRIVE_URBAN_S if urban else ARRIVE_ELSEWHERE_S)
    acknowledge = TimerPlan(kind=TimerKind.ACKNOWLEDGE, after_s=ACKNOWLEDGE_S)
    if opens == Opens.RESCUE:
        accept = TimerPlan(kind=TimerKind.ACCEPT, after_s=ACCEPT_S)
        return CasePlan(kind=CaseKind.ENTRAPMENT, timers=(acknowledge, accept, arrive))
    if opens == Opens.ALARM_CALL:
        return CasePlan(kind=CaseKind.ALARM_CALL, timers=(TimerPlan(kind=TimerKind.VOICE, after_s=VOICE_S),))
    return None


def past_case() -> CasePlan:
    """The case of an entrapment that was over when late data showed it: somebody asks by voice, nobody is sent."""
    return CasePlan(kind=CaseKind.ENTRAPMENT, timers=(TimerPlan(kind=TimerKind.ACKNOWLEDGE, after_s=ACKNOWLEDGE_S),))


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseView:
    """What a timer needs to know of its case."""

    kind: CaseKind
    state: CaseState
    level: int
    acknowledged: bool
    arrived: bool
    urban: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Consequence:
    """What a due timer does: a line in the log, perhaps a higher level or another kind, perhaps more timers."""

    event: str
    level: int
    kind: CaseKind
    timers: tuple[TimerPlan, ...] = ()


def when_due(timer: TimerKind, case: CaseView) -> Consequence | None:
    """What follows when `timer` is due on `case`; None when the step was done in time. Never ends a case."""
    waiting = case.state in {CaseState.OPEN, CaseState.DISPATCHED}
    if timer is TimerKind.ACKNOWLEDGE and not case.acknowledged and waiting:
        return Consequence(event="nobody-at-the-desk", level=case.level, kind=case.kind)
    if timer is TimerKind.VOICE and case.kind is CaseKind.ALARM_CALL and not case.acknowledged and waiting:
        plan = case_for(Opens.RESCUE, urban=case.urban)
        timers = plan.timers if plan else ()
        return Consequence(event="voice-unanswered", level=case.level, kind=CaseKind.ENTRAPMENT, timers=timers)
    if timer in {TimerKind.ACCEPT, TimerKind.ACCEPT_2} and case.state is CaseState.OPEN:
        more = (TimerPlan(kind=TimerKind.ACCEPT_2, after_s=ACCEPT_S),) if timer is TimerKind.ACCEPT else ()
        return Consequence(event="not-accepted", level=_climb(case.level), kind=case.kind, timers=more)
    if timer is TimerKind.ARRIVE and waiting and not case.arrived:
        return Consequence(event="not-arrived", level=_climb(case.level), kind=case.kind)
    return None


def _climb(level: int) -> int:
    return min(level + 1, TOP_LEVEL)
