"""What follows from what a person does to a case or an order. Pure; the tables of moves are `hoistway.lifecycle`."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dispatch.limits import Limits
from dispatch.outcome import CaseView, Line, OrderView, Outcome, Sending, TimerEnd, TimerKind, TimerPlan
from dispatch.sending import STATION_LEVEL, TOP_LEVEL, climb, first_dispatch, level_3, send
from dispatch.units import Roster
from hoistway.lifecycle import CaseState, OrderState
from hoistway.model import Addressee, CaseKind, Step

LOST: Final = frozenset({OrderState.REFUSED, OrderState.FAILED})
SENDS: Final = frozenset({*LOST, OrderState.STOOD_DOWN})
"""Moves of an order after which somebody else may have to be sent."""
_STEPS_BEFORE_ARRIVAL: Final = (
    TimerKind.SEND, TimerKind.ACCEPT, TimerKind.SET_OUT, TimerKind.ARRIVE, TimerKind.ARRIVE_AGAIN, TimerKind.CALL_119,
)  # fmt: skip


def acknowledged(case: CaseView, limits: Limits) -> Outcome:
    """Somebody at the desk has it. Where a city lets the desk confirm first, this is the confirmation."""
    confirms = limits.confirm_first_s and case.kind is CaseKind.ENTRAPMENT and case.waiting and not case.dispatched
    timers = (TimerPlan(kind=TimerKind.SEND, after_s=0),) if confirms and not case.past else ()
    return Outcome(timers=timers)


def case_moved(case: CaseView, target: CaseState, *, limits: Limits, roster: Roster) -> Outcome:
    """What follows when a person moves the case to `target`."""
    if target is CaseState.DISPATCHED:
        sent = Outcome() if case.live else send(case, limits, roster, level=case.level)
        return replace(sent, state=target)
    if target is CaseState.ON_SITE:
        return on_site(case, limits)
    left = {OrderState.ARRIVED} if target is CaseState.RELEASED else set()
    moves = tuple((order.order_id, OrderState.STOOD_DOWN) for order in case.unfinished if order.state not in left)
    if target is CaseState.CLOSED:
        moves = tuple((order.order_id, OrderState.DONE) for order in case.unfinished)
    return Outcome(state=target, waits=False, ends=(TimerEnd(),), order_moves=moves)


def on_site(case: CaseView, limits: Limits) -> Outcome:
    """Somebody is with them: what drives people there ends, and the clock of the release begins. A fault has none."""
    release = TimerPlan(kind=TimerKind.RELEASE, after_s=limits.release_s)
    return Outcome(
        state=CaseState.ON_SITE,
        waits=False,
        ends=tuple(TimerEnd(kind=kind) for kind in _STEPS_BEFORE_ARRIVAL),
        timers=() if case.kind is CaseKind.FAULT else (release,),
    )


def order_moved(case: CaseView, order: OrderView, target: OrderState, *, limits: Limits, roster: Roster) -> Outcome:
    """What follows when `order` of `case` moves to `target`. The move itself is part of the outcome."""
    found = Outcome(
        order_moves=((order.order_id, target),),
        ends=(TimerEnd(kind=TimerKind.ACCEPT, order_id=order.order_id),),
    )
    if order.addressee is Addressee.AMBULANCE:
        return found
    after = case.with_order(order.order_id, target)
    if target is OrderState.ACCEPTED:
        watch = (TimerPlan(kind=TimerKind.SET_OUT, after_s=limits.set_out_s, order_id=order.order_id),)
        return found + Outcome(accepted=True, timers=watch if limits.set_out_s else ())
    found += Outcome(ends=(TimerEnd(kind=TimerKind.SET_OUT, order_id=order.order_id),))
    if target is OrderState.ON_THE_WAY:
        return found + Outcome(accepted=True)
    if target is OrderState.ARRIVED:
        return found + Outcome(accepted=True) + (on_site(case, limits) if case.running else Outcome())
    if target in LOST and case.running:
        return found + _somebody_else(after, order, limits, roster)
    if target is OrderState.STOOD_DOWN and case.waiting and not after.live:
        again = TimerPlan(kind=TimerKind.SEND, after_s=limits.send_again_s)
        return found + Outcome(lines=(Line(kind="nobody-sent"),), timers=(again,))
    return found


def _somebody_else(case: CaseView, order: OrderView, limits: Limits, roster: Roster) -> Outcome:
    """An order came to nothing. `case` is as it is without it."""
    if case.coming or case.higher(order):
        return Outcome()
    again = Outcome()
    if case.state is CaseState.ON_SITE:  # who was there has given up: somebody must come, and by when
        again = Outcome(timers=(TimerPlan(kind=TimerKind.ARRIVE_AGAIN, after_s=limits.arrive_again_s),))
    if order.level == STATION_LEVEL:
        return again + send(case, limits, roster, level=STATION_LEVEL)
    return again + climb(case, limits, roster, event="order-lost", order_id=order.order_id)


def sent_by_hand(case: CaseView, sending: Sending, *, reason: str, limits: Limits) -> Outcome:
    """The desk sends somebody of its own choice."""
    chosen = replace(sending, reasons={**sending.reasons, "by_hand": reason})
    if sending.addressee is Addressee.AMBULANCE:
        return Outcome(sendings=(chosen,), done_steps=(Step.OFFER_120,) if case.level == TOP_LEVEL else ())
    found = first_dispatch(case, limits) + Outcome(
        state=CaseState.DISPATCHED if case.state is CaseState.OPEN else None,
        sendings=(chosen,),
        ends=(TimerEnd(kind=TimerKind.SEND),),
        waits=False if sending.level == STATION_LEVEL else None,
        level=sending.level if sending.level > case.level else None,
    )
    if sending.addressee is Addressee.FIRE:
        listed = level_3(replace(case, called_119=True), limits) if case.level < TOP_LEVEL else Outcome()
        found += listed + Outcome(done_steps=(Step.CALL_119,), ends=(TimerEnd(kind=TimerKind.CALL_119),))
    return found


def level_raised(case: CaseView, level: int, *, reason: str, limits: Limits, roster: Roster) -> Outcome:
    """The desk does not wait for a limit."""
    sent = send(case, limits, roster, level=level)
    after = {"level": sent.level or level}
    return (
        Outcome(lines=(Line(kind="level-raised", own=True, reason=reason, before={"level": case.level}, after=after),))
        + sent
    )


def step_done(case: CaseView, step: Step, *, note: str | None) -> Outcome:
    """A line of the check list is ticked. The call to 119 is also an order: the brigade is on its way."""
    found = Outcome(
        lines=(Line(kind="step-done", own=True, reason=note, after={"step": step.value}),), done_steps=(step,)
    )
    if step is not Step.CALL_119:
        return found
    found += Outcome(ends=(TimerEnd(kind=TimerKind.CALL_119),))
    if any(order.addressee is Addressee.FIRE for order in case.live):
        return found
    state = CaseState.DISPATCHED if case.state is CaseState.OPEN else None
    return found + Outcome(sendings=(Sending(level=TOP_LEVEL, addressee=Addressee.FIRE),), state=state)


def handed_over(case: CaseView, firm_id: int, *, reason: str, limits: Limits, roster: Roster) -> Outcome:
    """Another firm takes the case: the old one's orders are stood down, the new one's team is sent while nobody is there."""
    before, after = {"firm_id": case.firm_id}, {"firm_id": firm_id}
    found = Outcome(
        firm_id=firm_id, lines=(Line(kind="handed-over", own=True, reason=reason, before=before, after=after),)
    )
    old = [order for order in case.live if order.level < STATION_LEVEL and order.firm_id == case.firm_id]
    for order in old:
        found += Outcome(
            order_moves=((order.order_id, OrderState.STOOD_DOWN),),
            ends=(
                TimerEnd(kind=TimerKind.ACCEPT, order_id=order.order_id),
                TimerEnd(kind=TimerKind.SET_OUT, order_id=order.order_id),
            ),
        )
    if not case.waiting or case.kind is CaseKind.ALARM_CALL or case.past:
        return found
    gone = {order.order_id for order in old}
    left = tuple(replace(o, state=OrderState.STOOD_DOWN) if o.order_id in gone else o for o in case.orders)
    sent = send(replace(case, firm_id=firm_id, orders=left), limits, roster, level=1)
    return found + sent
