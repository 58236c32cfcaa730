"""Whom a level sends, and what follows when nobody is left. Pure: a case, limits and a roster in, an outcome out.

Level 1 is the contract firm: its on-call team, or the firm's own number when it has no team on duty. Level 2 is the nearest
capable station with a free crew. Level 3 is the 119 step with its check list. A level without anybody is said loudly, and the
next one follows at once; the case then also waits for the next station that is free.
"""

from __future__ import annotations

from typing import Final

from dispatch.limits import Limits
from dispatch.outcome import CaseView, Line, Notice, Outcome, Sending, Teller, TimerEnd, TimerKind, TimerPlan
from dispatch.units import Need, Roster
from hoistway.lifecycle import CaseState
from hoistway.model import Addressee, CaseKind, Step

FIRM_LEVEL: Final = 1
STATION_LEVEL: Final = 2
TOP_LEVEL: Final = 3


def send(case: CaseView, limits: Limits, roster: Roster, *, level: int) -> Outcome:
    """Give out the order of `level`, or of the next one at which somebody is left. A fault stays with its firm."""
    if case.kind is CaseKind.FAULT:
        return _to_the_firm(case, limits, roster)
    found = Outcome(ends=(TimerEnd(kind=TimerKind.SEND),))
    sendings: tuple[Sending, ...] = ()
    reached = level
    while reached < TOP_LEVEL and not (sendings := _sendings(case, limits, roster, reached)):
        found += nobody_left(reached)
        reached += 1
    if reached == TOP_LEVEL:
        found += level_3(case, limits)
    stations = any(order.level == STATION_LEVEL for order in sendings)
    lacking = level <= STATION_LEVEL <= reached and not stations
    return (
        found
        + first_dispatch(case, limits)
        + Outcome(
            state=CaseState.DISPATCHED if sendings and case.state is CaseState.OPEN else None,
            level=reached if reached > case.level else None,
            waits=True if lacking else (False if stations else None),
            sendings=sendings,
        )
    )


def _to_the_firm(case: CaseView, limits: Limits, roster: Roster) -> Outcome:
    """Nobody is trapped: the contract firm is sent, no arrival clock runs, and no station and no 119 follow."""
    found = Outcome(ends=(TimerEnd(kind=TimerKind.SEND),))
    sendings = _sendings(case, limits, roster, FIRM_LEVEL)
    if not sendings:
        return found + nobody_left(FIRM_LEVEL)
    return found + Outcome(state=CaseState.DISPATCHED if case.state is CaseState.OPEN else None, sendings=sendings)


def _sendings(case: CaseView, limits: Limits, roster: Roster, level: int) -> tuple[Sending, ...]:
    need = need_of(case)
    if level == STATION_LEVEL:
        choice, accept_s = roster.station(need), limits.accept_station_s
    elif case.firm_id is None:
        return ()
    else:
        choice, accept_s = roster.team(case.firm_id, need), limits.accept_s
    if choice is not None:
        roster.take(choice.unit_id)
        return (
            Sending(
                level=level,
                addressee=Addressee.UNIT,
                unit_id=choice.unit_id,
                firm_id=choice.firm_id,
                reasons=choice.reasons,
                accept_s=accept_s,
            ),
        )
    if level == FIRM_LEVEL and not any(order.firm_id == case.firm_id for order in case.orders):
        return (Sending(level=level, addressee=Addressee.FIRM, firm_id=case.firm_id, accept_s=accept_s),)
    return ()


def together(case: CaseView, limits: Limits, roster: Roster) -> Outcome:
    """Level 2 beside level 1, in an area incident. Without a free station the case waits for one; level 1 is still coming."""
    line = Line(kind="area-incident", before={"level": case.level}, after={"level": STATION_LEVEL})
    sendings = _sendings(case, limits, roster, STATION_LEVEL)
    found = Outcome(lines=(line,), level=STATION_LEVEL, sendings=sendings, waits=not sendings)
    return found if sendings else found + nobody_left(STATION_LEVEL)


def need_of(case: CaseView) -> Need:
    """What a case asks of a unit. Who had an order of it is not asked again."""
    had = frozenset(order.unit_id for order in case.orders if order.unit_id is not None)
    return Need(lift_kind=case.lift_kind, lon=case.lon, lat=case.lat, exercise=case.exercise, without=had)


def nobody_left(level: int) -> Outcome:
    """No unit is left at a level: said in the log, and to the supervisor."""
    return Outcome(
        lines=(Line(kind="no-unit", after={"level": level}),),
        notices=(Notice(topic=f"no-unit-{level}", to=Teller.SUPERVISOR),),
    )


def first_dispatch(case: CaseView, limits: Limits) -> Outcome:
    """What the first dispatch of a case starts: the arrival clock, the word to the property, the calming announcement in the car."""
    if case.dispatched or case.kind is CaseKind.FAULT:
        return Outcome()
    arrive_s = limits.arrive_urban_s if case.urban else limits.arrive_elsewhere_s
    return Outcome(
        timers=(TimerPlan(kind=TimerKind.ARRIVE, after_s=arrive_s),),
        notices=(Notice(topic="trapped", to=Teller.PROPERTY), Notice(topic="soothe", to=Teller.LIFT)),
    )


def level_3(case: CaseView, limits: Limits) -> Outcome:
    """The 119 step: its check list, its clock, and the supervisor."""
    timers = () if case.called_119 else (TimerPlan(kind=TimerKind.CALL_119, after_s=limits.call_119_s),)
    return Outcome(steps=tuple(Step), timers=timers, notices=(Notice(topic="level-3", to=Teller.SUPERVISOR),))


def climb(
    case: CaseView,
    limits: Limits,
    roster: Roster,
    *,
    event: str,
    order_id: int | None = None,
    reason: str | None = None,
) -> Outcome:
    """The next level, with the event that calls for it. On the top level, and of a fault, the supervisor hears of it."""
    about = {} if order_id is None else {"order_id": order_id}
    before = {"level": case.level}
    if case.level >= TOP_LEVEL or case.kind is CaseKind.FAULT:
        line = Line(kind=event, reason=reason, before=before, after={"level": case.level, **about})
        return Outcome(lines=(line,), notices=(Notice(topic=event, to=Teller.SUPERVISOR),))
    sent = send(case, limits, roster, level=case.level + 1)
    line = Line(kind=event, reason=reason, before=before, after={"level": sent.level or case.level, **about})
    return Outcome(lines=(line,)) + sent
