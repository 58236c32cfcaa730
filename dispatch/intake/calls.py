"""What a call becomes, and what follows for its case. Pure: no I/O, no clock; cases and limits in, a decision or an outcome out.

A call about a lift joins only a running case of its kind, or raises one to an entrapment. Nothing a call says ends a case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatch.limits import Limits
from dispatch.outcome import CaseView, Line, Notice, OrderView, Outcome, Teller, TimerKind, TimerPlan
from dispatch.sending import FIRM_LEVEL, STATION_LEVEL, send
from dispatch.units import Roster
from hoistway.lifecycle import OrderState
from hoistway.model import Became, CallKind, CaseKind

OPENS: Final[Mapping[CallKind, CaseKind]] = {
    CallKind.ENTRAPMENT: CaseKind.ENTRAPMENT,
    CallKind.FAULT: CaseKind.FAULT,
}
"""The kind of case that a call opens or joins; other calls have none."""
RAISED: Final = (CaseKind.ALARM_CALL, CaseKind.FAULT)
"""Cases that a call about somebody trapped raises to an entrapment, the first of them that runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a call becomes. `revives`: a case of the past is a running one from now on."""

    became: Became
    case_id: int | None = None
    complaint_id: int | None = None
    revives: bool = False


def decide(kind: CallKind, cases: Iterable[CaseView], complaint_id: int | None = None) -> Decision:
    """What a call of `kind` becomes. `cases`: those of its lift; `complaint_id`: the unanswered complaint about the lift."""
    if kind is CallKind.COMPLAINT:
        became = Became.NEW_COMPLAINT if complaint_id is None else Became.JOINED_COMPLAINT
        return Decision(became=became, complaint_id=complaint_id)
    if kind not in OPENS:
        return Decision(became=Became.NOTED)
    running: dict[CaseKind, CaseView] = {}
    for case in cases:
        if case.running:
            running.setdefault(case.kind, case)
    own = running.get(OPENS[kind])
    if own is not None:
        return Decision(became=Became.JOINED_CASE, case_id=own.case_id, revives=own.past)
    if kind is CallKind.ENTRAPMENT:
        for lower in RAISED:
            if lower in running:
                return Decision(became=Became.RAISED_CASE, case_id=running[lower].case_id)
    return Decision(became=Became.NEW_CASE)


# --- what follows for the case; `said` names the call in its log, `at_desk`: a person at the desk has taken it ---


def opened(kind: CaseKind, said: Mapping[str, Any], *, limits: Limits, at_desk: bool) -> Outcome:
    """A call opened a case: somebody is sent by the next round of dispatch."""
    line = Line(kind="opened", own=True, after={"kind": kind.value, **said})
    return Outcome(lines=(line,), timers=_asked(limits, at_desk=at_desk))


def joined(case: CaseView, said: Mapping[str, Any], *, limits: Limits, at_desk: bool, revives: bool = False) -> Outcome:
    """One more call about the case. One of the past runs like any other from now on; nobody waits for a voice check any more."""
    found = Outcome(lines=(Line(kind="call-joined", own=True, after=dict(said)),))
    if revives and case.waiting:
        return found + Outcome(lines=(Line(kind="holds-now"),), timers=_asked(limits, at_desk=at_desk))
    if case.kind is CaseKind.ENTRAPMENT and case.waiting and not case.dispatched:
        return found + Outcome(timers=(TimerPlan(kind=TimerKind.SEND, after_s=0),))
    return found


def raised(case: CaseView, said: Mapping[str, Any], *, limits: Limits, at_desk: bool) -> Outcome:
    """Somebody is trapped where a fault, or an alarm button, was being seen to: the case is that entrapment.

    Who was sent already hears of it, and their clocks begin; where nobody was, somebody is sent.
    """
    before, after = {"kind": case.kind.value}, {"kind": CaseKind.ENTRAPMENT.value, **said}
    line = Line(kind="raised-to-entrapment", own=True, before=before, after=after)
    found = Outcome(kind=CaseKind.ENTRAPMENT, lines=(line,))
    if not case.waiting:
        release = TimerPlan(kind=TimerKind.RELEASE, after_s=limits.release_s)
        return found + Outcome(timers=(release,), notices=_told(case.live))
    if not case.live:
        return found + Outcome(timers=_asked(limits, at_desk=at_desk))
    arrive_s = limits.arrive_urban_s if case.urban else limits.arrive_elsewhere_s
    asked = [order for order in case.live if order.state is OrderState.SENT]
    return found + Outcome(
        timers=(
            TimerPlan(kind=TimerKind.ARRIVE, after_s=arrive_s),
            *(TimerPlan(kind=TimerKind.ACCEPT, after_s=_accept_s(o, limits), order_id=o.order_id) for o in asked),
            *([] if at_desk else [TimerPlan(kind=TimerKind.ACKNOWLEDGE, after_s=limits.acknowledge_s)]),
        ),
        notices=(*_told(case.live), Notice(topic="trapped", to=Teller.PROPERTY)),
    )


def _asked(limits: Limits, *, at_desk: bool) -> tuple[TimerPlan, ...]:
    send_now = TimerPlan(kind=TimerKind.SEND, after_s=0)
    if at_desk:
        return (send_now,)
    return (send_now, TimerPlan(kind=TimerKind.ACKNOWLEDGE, after_s=limits.acknowledge_s))


def _accept_s(order: OrderView, limits: Limits) -> int:
    return limits.accept_station_s if order.level == STATION_LEVEL else limits.accept_s


def _told(orders: Iterable[OrderView]) -> tuple[Notice, ...]:
    """Whoever is on it hears that it is an entrapment now. Services are called by telephone."""
    found = []
    for order in orders:
        if order.unit_id is not None:
            found.append(Notice(topic="raised", to=Teller.UNIT, to_id=order.unit_id, order_id=order.order_id))
        elif order.firm_id is not None:
            found.append(Notice(topic="raised", to=Teller.FIRM, to_id=order.firm_id, order_id=order.order_id))
    return tuple(found)


def linked(case: CaseView, lift_id: int, *, limits: Limits, roster: Roster) -> Outcome:
    """The lift of a case by address is known. `case` has the lift's firm and place: the firm is sent as far as nobody is there."""
    line = Line(
        kind="lift-linked", own=True, before={"lift_id": None}, after={"lift_id": lift_id, "firm_id": case.firm_id}
    )
    found = Outcome(lines=(line,))
    if not case.waiting or case.past or case.firm_id is None:
        return found
    if any(order.level == FIRM_LEVEL and order.firm_id == case.firm_id for order in case.orders):
        return found
    return found + send(case, limits, roster, level=FIRM_LEVEL)
