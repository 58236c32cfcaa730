"""What becomes of a fault, and what follows when a limit of a ticket passes. Pure: no I/O, no clock; times are arguments, in ms.

No timer ever ends a ticket, and no device: what clears is shown, and a person says that it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from dispatch.outcome import Line, Teller
from dispatch.tickets.families import family_of
from dispatch.tickets.limits import TicketLimits
from dispatch.tickets.outcome import (
    Fault,
    Shield,
    Tell,
    TicketOutcome,
    TicketTimer,
    TicketView,
    TimerSet,
    Verdict,
    Way,
)
from hoistway.lifecycle import TicketState
from hoistway.model import Severity

_SEVERITIES: Final = tuple(Severity)
_BEFORE_DONE: Final = (TicketTimer.ACCEPT, TicketTimer.ACCEPT_AGAIN, TicketTimer.PROMISE, TicketTimer.CLIMB)


def more_severe(one: Severity, other: Severity) -> bool:
    return _SEVERITIES.index(one) < _SEVERITIES.index(other)


# --- a fault ---


def verdict(fault: Fault, tickets: Iterable[TicketView], shields: Iterable[Shield], limits: TicketLimits) -> Verdict:
    """What becomes of a fault that opens a ticket.

    `tickets`: of its lift and family, those that are still somebody's work and those that were done lately; `shields`: the
    maintenance orders of its lift. A rescue or an alarm call never comes here.
    """
    shield = next((order for order in shields if _held_back(fault, order)), None)
    if shield is not None:
        return Verdict(way=Way.SHIELD, order_id=shield.order_id)
    known = [
        ticket for ticket in tickets if ticket.lift_id == fault.lift_id and ticket.family == family_of(fault.rule_id)
    ]
    unmended = next((ticket for ticket in known if ticket.unmended), None)
    if unmended is not None:
        severer = more_severe(fault.severity, unmended.severity)
        way = Way.JOIN if fault.raised or severer or fault.alarm_id not in unmended.alarm_ids else Way.NOTHING
        return Verdict(way=way, ticket_id=unmended.ticket_id, severer=severer)
    if not fault.raised and any(fault.alarm_id in ticket.alarm_ids for ticket in known):
        return Verdict(way=Way.NOTHING)
    return _after_repair(fault, known, limits)


def _held_back(fault: Fault, order: Shield) -> bool:
    """While the order lasts; what it was raised for then and is over has no ticket afterwards either."""
    return order.since_ms <= fault.at_ms < order.until_ms and not (order.settled and fault.active)


def _after_repair(fault: Fault, known: Sequence[TicketView], limits: TicketLimits) -> Verdict:
    mended = [ticket for ticket in known if ticket.state in {TicketState.DONE, TicketState.VERIFIED}]
    if not mended:
        return Verdict(way=Way.OPEN)
    last = max(mended, key=lambda ticket: ticket.done_ms or 0)
    since_ms = fault.at_ms - (last.done_ms or 0)
    if since_ms <= 0 and not fault.active:
        return Verdict(way=Way.NOTE, ticket_id=last.ticket_id)
    if since_ms <= limits.reopen_within_s * 1_000:
        severer = more_severe(fault.severity, last.severity)
        return Verdict(way=Way.REOPEN, ticket_id=last.ticket_id, severer=severer)
    return Verdict(way=Way.OPEN)


# --- what follows ---


def _begun(firm_id: int | None, severity: Severity, limits: TicketLimits, topic: str) -> TicketOutcome:
    """The firm is told, and its clocks run. A lift without a firm is the supervisor's worry."""
    tell = Tell(topic="ticket-no-firm", to=Teller.SUPERVISOR) if firm_id is None else firm_tell(topic, firm_id)
    promise_s = limits.promise_s(severity)
    return TicketOutcome(
        promise_s=promise_s,
        climbed=0,
        tells=(tell,),
        ends_all=True,
        timers=(
            TimerSet(kind=TicketTimer.ACCEPT, after_s=limits.accept_s(severity)),
            TimerSet(kind=TicketTimer.PROMISE, after_s=promise_s),
        ),
    )


def firm_tell(topic: str, firm_id: int) -> Tell:
    return Tell(topic=topic, to=Teller.FIRM, to_id=firm_id)


def opened(firm_id: int | None, severity: Severity, limits: TicketLimits) -> TicketOutcome:
    """A new ticket."""
    return _begun(firm_id, severity, limits, "ticket")


def reopened(ticket: TicketView, severity: Severity, limits: TicketLimits) -> TicketOutcome:
    """It was done, and was not: by the fault itself or by a person."""
    found = _begun(ticket.firm_id, severity, limits, "ticket-reopened")
    return replace(found, state=TicketState.REOPENED, severity=severity)


def severer(ticket: TicketView, severity: Severity, limits: TicketLimits, now_ms: int) -> TicketOutcome:
    """A ticket that a more severe fault joined. Its promised time comes nearer, and never goes further away."""
    line = Line(kind="more-severe", before={"severity": ticket.severity.value}, after={"severity": severity.value})
    tells = () if ticket.firm_id is None else (firm_tell("ticket-more-severe", ticket.firm_id),)
    found = TicketOutcome(severity=severity, lines=(line,), tells=tells)
    promise_s = limits.promise_s(severity)
    if now_ms + promise_s * 1_000 >= ticket.promised_ms:
        return found
    return replace(found, promise_s=promise_s, timers=(TimerSet(kind=TicketTimer.PROMISE, after_s=promise_s),))


def done(limits: TicketLimits) -> TicketOutcome:
    """The firm says that it is mended: somebody else has to look."""
    return TicketOutcome(ends=_BEFORE_DONE, timers=(TimerSet(kind=TicketTimer.VERIFY, after_s=limits.verify_s),))


# --- a limit that passed ---


def when_due(timer: TicketTimer, ticket: TicketView, limits: TicketLimits) -> TicketOutcome | None:
    """What follows when `timer` is due; None when the step was done in time. First the firm is told, then the supervisor."""
    return _WHEN_DUE[timer](ticket, limits)


def _accept(ticket: TicketView, limits: TicketLimits) -> TicketOutcome | None:
    if not ticket.untaken:
        return None
    again = TimerSet(kind=TicketTimer.ACCEPT_AGAIN, after_s=limits.accept_s(ticket.severity))
    return _told(ticket, "ticket-not-accepted", "not-accepted", timers=(again,))


def _accept_again(ticket: TicketView, _limits: TicketLimits) -> TicketOutcome | None:
    if not ticket.untaken:
        return None
    tell = Tell(topic="ticket-not-accepted", to=Teller.SUPERVISOR)
    return TicketOutcome(climbed=2, lines=(Line(kind="not-accepted", after={"climbed": 2}),), tells=(tell,))


def _promise(ticket: TicketView, limits: TicketLimits) -> TicketOutcome | None:
    if not ticket.unmended:
        return None
    climb = TimerSet(kind=TicketTimer.CLIMB, after_s=limits.climb_s)
    return _told(ticket, "ticket-overdue", "overdue", timers=(climb,), overdue=True)


def _told(
    ticket: TicketView, topic: str, kind: str, *, timers: tuple[TimerSet, ...], overdue: bool = False
) -> TicketOutcome:
    """The first step of a climb: the firm, or the supervisor at once where there is none."""
    firm = ticket.firm_id is not None
    climbed = max(ticket.climbed, 1 if firm else 2)
    tell = firm_tell(topic, ticket.firm_id) if ticket.firm_id is not None else Tell(topic=topic, to=Teller.SUPERVISOR)
    line = Line(kind=kind, after={"climbed": climbed})
    return TicketOutcome(climbed=climbed, overdue=overdue, lines=(line,), tells=(tell,), timers=timers)


def _climb(ticket: TicketView, limits: TicketLimits) -> TicketOutcome | None:
    if not ticket.unmended:
        return None
    return TicketOutcome(
        climbed=2,
        lines=(Line(kind="climbed", before={"climbed": ticket.climbed}, after={"climbed": 2}),),
        tells=(Tell(topic="ticket-overdue", to=Teller.SUPERVISOR),),
        timers=(TimerSet(kind=TicketTimer.CLIMB, after_s=limits.climb_again_s),),
    )


def _verify(ticket: TicketView, _limits: TicketLimits) -> TicketOutcome | None:
    if ticket.state is not TicketState.DONE:
        return None
    tell = Tell(topic="ticket-not-verified", to=Teller.SUPERVISOR)
    return TicketOutcome(lines=(Line(kind="not-verified"),), tells=(tell,))


_WHEN_DUE: Final[Mapping[TicketTimer, Callable[[TicketView, TicketLimits], TicketOutcome | None]]] = {
    TicketTimer.ACCEPT: _accept,
    TicketTimer.ACCEPT_AGAIN: _accept_again,
    TicketTimer.PROMISE: _promise,
    TicketTimer.CLIMB: _climb,
    TicketTimer.VERIFY: _verify,
}
