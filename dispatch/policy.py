"""What opens a case, and what follows when a limit passes. Pure: no I/O, no clock; times are arguments, in ms since 1970 UTC.

No timer ever ends a case or lowers its level. What a person's act brings about is in `acts`, whom a level sends in `sending`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dispatch.limits import Limits
from dispatch.outcome import CaseView, Line, Notice, Outcome, Teller, TimerKind, TimerPlan
from dispatch.sending import FIRM_LEVEL, STATION_LEVEL, TOP_LEVEL, climb, send, together
from dispatch.units import Roster
from hoistway.lifecycle import CaseState, OrderState
from hoistway.model import CaseKind, Opens

ACKNOWLEDGE_S: Final = Limits().acknowledge_s
VOICE_S: Final = Limits().voice_s

SENDING: Final = frozenset({TimerKind.SEND, TimerKind.ACCEPT, TimerKind.ARRIVE, TimerKind.ARRIVE_AGAIN})
"""Timers after which somebody may be sent: only they need to know who is on duty."""

Timers = tuple[TimerPlan, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePlan:
    """A case that an alarm opens, with the timers that commit with it."""

    kind: CaseKind
    timers: Timers


def _entrapment(confirm_s: int = 0) -> Timers:
    return (
        TimerPlan(kind=TimerKind.SEND, after_s=confirm_s),
        TimerPlan(kind=TimerKind.ACKNOWLEDGE, after_s=ACKNOWLEDGE_S),
    )


def case_for(opens: str, *, confirm_s: int = 0) -> CasePlan | None:
    """The case that an alarm opens, or None for a ticket or notice.

    Somebody is sent by the next round of dispatch, or after the voice check that the rule gives to the desk (`confirm_s`).
    """
    if opens == Opens.RESCUE:
        return CasePlan(kind=CaseKind.ENTRAPMENT, timers=_entrapment(confirm_s))
    if opens == Opens.ALARM_CALL:
        return CasePlan(kind=CaseKind.ALARM_CALL, timers=(TimerPlan(kind=TimerKind.VOICE, after_s=VOICE_S),))
    return None


def past_case() -> CasePlan:
    """The case of an entrapment that was over when late data showed it: somebody asks by voice, nobody is sent."""
    return CasePlan(kind=CaseKind.ENTRAPMENT, timers=(TimerPlan(kind=TimerKind.ACKNOWLEDGE, after_s=ACKNOWLEDGE_S),))


def when_due(
    timer: TimerKind, case: CaseView, *, limits: Limits, roster: Roster, now_ms: int, order_id: int | None = None
) -> Outcome | None:
    """What follows when `timer` is due on `case`; None when the step was done in time."""
    if not case.running:
        return None
    return _WHEN_DUE[timer](_Due(case=case, limits=limits, roster=roster, now_ms=now_ms, order_id=order_id))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Due:
    case: CaseView
    limits: Limits
    roster: Roster
    now_ms: int
    order_id: int | None


def _send(due: _Due) -> Outcome | None:
    case = due.case
    if not case.waiting or case.past or case.live:
        return None
    left_ms = case.opened_ms + due.limits.confirm_first_s * 1_000 - due.now_ms
    if left_ms > 0 and not case.acknowledged and not case.dispatched:
        return Outcome(timers=(TimerPlan(kind=TimerKind.SEND, after_s=-(-left_ms // 1_000)),))
    return send(case, due.limits, due.roster, level=case.level)


def _acknowledge(due: _Due) -> Outcome | None:
    if due.case.acknowledged or not due.case.waiting:
        return None
    return Outcome(
        lines=(Line(kind="nobody-at-the-desk"),),
        notices=(Notice(topic="nobody-at-the-desk", to=Teller.SUPERVISOR),),
    )


def _voice(due: _Due) -> Outcome | None:
    case = due.case
    if case.kind is not CaseKind.ALARM_CALL or case.acknowledged or not case.waiting:
        return None
    line = Line(kind="voice-unanswered", before={"kind": case.kind.value}, after={"kind": CaseKind.ENTRAPMENT.value})
    if case.other_entrapment:  # that one has its own timers
        return Outcome(lines=(Line(kind="voice-unanswered", before=line.before, after=line.before),))
    return Outcome(kind=CaseKind.ENTRAPMENT, lines=(line,), timers=_entrapment())


def _accept(due: _Due) -> Outcome | None:
    case, order = due.case, due.case.order(due.order_id)
    if order is None or order.state is not OrderState.SENT or not case.unattended:
        return None
    late = Outcome(late_orders=(order.order_id,))
    if case.coming or case.higher(order):  # somebody comes, or is asked and has a clock of their own
        return late + Outcome(lines=(Line(kind="not-accepted", after={"order_id": order.order_id}),))
    return late + climb(case, due.limits, due.roster, event="not-accepted", order_id=order.order_id)


def _set_out(due: _Due) -> Outcome | None:
    order = due.case.order(due.order_id)
    if order is None or order.state is not OrderState.ACCEPTED or not due.case.unattended:
        return None
    return Outcome(
        lines=(Line(kind="not-set-out", after={"order_id": order.order_id}),),
        notices=(Notice(topic="not-set-out", to=Teller.SUPERVISOR, order_id=order.order_id),),
    )


def _arrive(due: _Due) -> Outcome | None:
    if not due.case.unattended:
        return None
    again = TimerPlan(kind=TimerKind.ARRIVE_AGAIN, after_s=due.limits.arrive_again_s)
    return climb(due.case, due.limits, due.roster, event="not-arrived") + Outcome(timers=(again,))


def _call_119(due: _Due) -> Outcome | None:
    if not due.case.unattended or due.case.called_119:
        return None
    return Outcome(
        lines=(Line(kind="119-not-called"),),
        timers=(TimerPlan(kind=TimerKind.CALL_119, after_s=due.limits.call_119_s),),
        notices=(Notice(topic="119-not-called", to=Teller.SUPERVISOR),),
    )


def _release(due: _Due) -> Outcome | None:
    if due.case.state is not CaseState.ON_SITE:
        return None
    return Outcome(
        lines=(Line(kind="not-released"),),
        timers=(TimerPlan(kind=TimerKind.RELEASE, after_s=due.limits.release_s),),
        notices=(Notice(topic="not-released", to=Teller.SUPERVISOR),),
    )


_WHEN_DUE: Final[Mapping[TimerKind, Callable[[_Due], Outcome | None]]] = {
    TimerKind.SEND: _send,
    TimerKind.ACKNOWLEDGE: _acknowledge,
    TimerKind.VOICE: _voice,
    TimerKind.ACCEPT: _accept,
    TimerKind.SET_OUT: _set_out,
    TimerKind.ARRIVE: _arrive,
    TimerKind.ARRIVE_AGAIN: _arrive,
    TimerKind.CALL_119: _call_119,
    TimerKind.RELEASE: _release,
}


# --- many at once ---


def urgency(case: CaseView) -> tuple[bool, bool, int, int]:
    """The order in which scarce units are given out: the injured, then the vulnerable, then who has been trapped longest."""
    return (not case.hurt, not case.vulnerable, case.opened_ms, case.case_id)


def relieved(case: CaseView, *, limits: Limits, roster: Roster) -> Outcome | None:
    """A case that waits for a station gets one that is free; None while there is none for it.

    An entrapment inside an area incident does not wait for level 1 to fail: level 2 goes with it.
    """
    if not case.unattended or case.past or case.kind is not CaseKind.ENTRAPMENT:
        return None
    if case.in_area and case.waiting and case.dispatched and case.level == FIRM_LEVEL:
        return together(case, limits, roster)
    if not case.waits or not roster.has_free_station():
        return None
    found = send(case, limits, roster, level=STATION_LEVEL)
    return found if found.waits is False else None


__all__ = [
    "SENDING",
    "TOP_LEVEL",
    "CasePlan",
    "TimerKind",
    "case_for",
    "past_case",
    "relieved",
    "urgency",
    "when_due",
]
