"""What a call becomes, what follows for its case, and how a complaint goes on; without a database."""

from __future__ import annotations

import itertools

import pytest

from dispatch.intake import calls, complaints
from dispatch.intake.complaints import ComplaintTimer, overdue
from dispatch.intake.limits import NAMES, IntakeLimits, intake_limits_of
from dispatch.limits import Limits
from dispatch.outcome import CaseView, Outcome, Teller, TimerKind
from dispatch.policy import when_due
from hoistway.errors import IllegalMove
from hoistway.lifecycle import (
    COMPLAINT_MOVES,
    RUNNING,
    UNANSWERED,
    CaseState,
    ComplaintState,
    OrderState,
    allowed_complaint_moves,
    next_complaint_state,
)
from hoistway.model import Addressee, Became, CallKind, CaseKind, Role
from tests.pure.dispatch.views import case, order, roster, team, unit

LIMITS = Limits()
SAID = {"call_id": 5, "channel": "S01"}


def timers(outcome: Outcome) -> dict[str, int]:
    return {plan.kind.value: plan.after_s for plan in outcome.timers}


@pytest.mark.parametrize(
    ("kind", "running", "became"),
    [
        (CallKind.ENTRAPMENT, [], Became.NEW_CASE),
        (CallKind.ENTRAPMENT, [CaseKind.ENTRAPMENT], Became.JOINED_CASE),
        (CallKind.ENTRAPMENT, [CaseKind.FAULT], Became.RAISED_CASE),
        (CallKind.ENTRAPMENT, [CaseKind.ALARM_CALL], Became.RAISED_CASE),
        (CallKind.ENTRAPMENT, [CaseKind.FAULT, CaseKind.ENTRAPMENT], Became.JOINED_CASE),
        (CallKind.FAULT, [], Became.NEW_CASE),
        (CallKind.FAULT, [CaseKind.ENTRAPMENT, CaseKind.ALARM_CALL], Became.NEW_CASE),
        (CallKind.FAULT, [CaseKind.FAULT], Became.JOINED_CASE),
        (CallKind.COMPLAINT, [CaseKind.ENTRAPMENT], Became.NEW_COMPLAINT),
        (CallKind.QUESTION, [CaseKind.ENTRAPMENT], Became.NOTED),
        (CallKind.FALSE_CALL, [CaseKind.FAULT], Became.NOTED),
    ],
)
def test_a_call_joins_a_case_of_its_kind_or_raises_one(kind: CallKind, running: list[CaseKind], became: Became) -> None:
    """A call joins only its own kind; somebody trapped raises what is less; the rest opens, or is noted."""
    cases = [case(kind=it, case_id=number) for number, it in enumerate(running, 1)]
    decision = calls.decide(kind, cases)
    assert decision.became is became
    if became in {Became.JOINED_CASE, Became.RAISED_CASE}:
        joined = next(item for item in cases if item.case_id == decision.case_id)
        assert (joined.kind is calls.OPENS[kind]) is (became is Became.JOINED_CASE)


@pytest.mark.parametrize("state", [state for state in CaseState if state not in RUNNING])
def test_nothing_joins_a_case_that_has_ended(state: CaseState) -> None:
    """Whoever is trapped after a release is a case of their own."""
    assert calls.decide(CallKind.ENTRAPMENT, [case(state=state)]).became is Became.NEW_CASE


def test_an_alarm_call_is_raised_before_a_fault() -> None:
    """Of two cases that could be raised, the alarm button's is the one."""
    found = calls.decide(CallKind.ENTRAPMENT, [case(kind=CaseKind.FAULT), case(kind=CaseKind.ALARM_CALL, case_id=2)])
    assert found.case_id == 2


def test_complaints_about_one_lift_are_one_until_it_is_answered() -> None:
    """The number of the unanswered one is what a further complaint joins."""
    found = calls.decide(CallKind.COMPLAINT, (), 9)
    assert (found.became, found.complaint_id, found.case_id) == (Became.JOINED_COMPLAINT, 9, None)


@pytest.mark.parametrize("kind", [CaseKind.ENTRAPMENT, CaseKind.FAULT])
def test_a_case_that_a_call_opens_is_sent_out_at_once(kind: CaseKind) -> None:
    """The desk that took the call has it; what nobody at the desk has heard has the desk's clock too."""
    taken = calls.opened(kind, SAID, limits=LIMITS, at_desk=True)
    assert timers(taken) == {"send": 0}
    assert (taken.lines[0].kind, taken.lines[0].own, taken.lines[0].after["call_id"]) == ("opened", True, 5)
    assert timers(calls.opened(kind, SAID, limits=LIMITS, at_desk=False)) == {"send": 0, "acknowledge": 60}


def test_a_joining_call_ends_the_wait_for_a_voice_check() -> None:
    """Nobody was sent yet, because the rule asks by voice: a person has said it now. Where somebody was sent nothing changes."""
    asked = calls.joined(case(), SAID, limits=LIMITS, at_desk=True)
    assert timers(asked) == {"send": 0}
    for there in (case(dispatched=True), case(state=CaseState.ON_SITE), case(kind=CaseKind.FAULT)):
        assert timers(calls.joined(there, SAID, limits=LIMITS, at_desk=True)) == {}


def test_a_case_of_the_past_runs_like_any_other_once_somebody_calls() -> None:
    """It is decided to revive it, and all timers run."""
    assert calls.decide(CallKind.ENTRAPMENT, [case(past=True)]).revives
    again = calls.joined(case(), SAID, limits=LIMITS, at_desk=False, revives=True)
    assert timers(again) == {"send": 0, "acknowledge": 60}
    assert [line.kind for line in again.lines] == ["call-joined", "holds-now"]


def test_a_raised_case_drives_those_who_are_on_it() -> None:
    """Where nobody was sent somebody is; where somebody was, they are told and their clocks begin; on site the release clock does."""
    idle = calls.raised(case(kind=CaseKind.ALARM_CALL), SAID, limits=LIMITS, at_desk=True)
    assert (idle.kind, timers(idle), idle.notices) == (CaseKind.ENTRAPMENT, {"send": 0}, ())
    orders = (order(1), order(2, level=2, unit_id=4), order(3, state="accepted", unit_id=5))
    busy = case(*orders, kind=CaseKind.FAULT, state=CaseState.DISPATCHED, dispatched=True, urban=False)
    sent = calls.raised(busy, SAID, limits=LIMITS, at_desk=True)
    assert timers(sent)["arrive"] == LIMITS.arrive_elsewhere_s
    assert [plan.order_id for plan in sent.timers if plan.kind is TimerKind.ACCEPT] == [1, 2]
    told = [(notice.topic, notice.to, notice.to_id) for notice in sent.notices]
    assert told == [
        ("raised", Teller.FIRM, 7), ("raised", Teller.UNIT, 4), ("raised", Teller.UNIT, 5), ("trapped", Teller.PROPERTY, None),
    ]  # fmt: skip
    there = calls.raised(case(order(1, state="arrived"), kind=CaseKind.FAULT, state=CaseState.ON_SITE), SAID, limits=LIMITS, at_desk=True)  # fmt: skip
    assert timers(there) == {"release": LIMITS.release_s}


def test_no_call_ends_or_lowers_a_case() -> None:
    """Whatever the case looks like, an outcome of a call has no state, no level and cancels no timer."""
    orders = (
        (),
        (order(1),),
        (order(1, state="arrived"),),
        (order(1, addressee=Addressee.AMBULANCE, state="accepted"),),
    )
    for kind, state, had, at_desk in itertools.product(CaseKind, RUNNING, orders, (True, False)):
        seen = case(*had, kind=kind, state=state)
        for outcome in (
            calls.joined(seen, SAID, limits=LIMITS, at_desk=at_desk),
            calls.raised(seen, SAID, limits=LIMITS, at_desk=at_desk),
        ):
            assert (outcome.state, outcome.level, outcome.ends, outcome.order_moves) == (None, None, (), ())


def test_a_fault_is_its_firm_s_alone() -> None:
    """The team is sent and no arrival clock runs; nobody left, nobody accepts: the supervisor is told and no station goes."""
    fault = case(kind=CaseKind.FAULT)
    near = roster(team(1), unit(2))
    sent = when_due(TimerKind.SEND, fault, limits=LIMITS, roster=near, now_ms=0)
    assert sent is not None
    assert ([item.unit_id for item in sent.sendings], sent.timers, sent.state) == ([1], (), CaseState.DISPATCHED)
    nobody = when_due(TimerKind.SEND, case(kind=CaseKind.FAULT, firm_id=None), limits=LIMITS, roster=near, now_ms=0)
    assert nobody is not None
    assert (nobody.sendings, nobody.level, [notice.topic for notice in nobody.notices]) == ((), None, ["no-unit-1"])
    asked = case(order(1, unit_id=1), kind=CaseKind.FAULT, state=CaseState.DISPATCHED)
    late = when_due(TimerKind.ACCEPT, asked, limits=LIMITS, roster=near, now_ms=0, order_id=1)
    assert late is not None
    assert (late.sendings, late.level, [notice.to for notice in late.notices]) == ((), None, [Teller.SUPERVISOR])


def linked(seen: CaseView) -> Outcome:
    return calls.linked(seen, 3, limits=LIMITS, roster=roster(team(1)))


def test_linking_a_lift_sends_its_firm_once() -> None:
    """The firm goes beside whoever was sent; not when somebody is there, when it had its order, or when the lift has no firm."""
    beside = linked(case(order(1, level=2, unit_id=9), state=CaseState.DISPATCHED, level=2, dispatched=True))
    assert [(item.level, item.unit_id) for item in beside.sendings] == [(1, 1)]
    assert beside.level is None
    for nobody_goes in (
        case(state=CaseState.ON_SITE), case(order(1)), case(firm_id=None), case(past=True), case(state=CaseState.RELEASED),
    ):  # fmt: skip
        assert linked(nobody_goes).sendings == ()


# --- complaints ---


def test_every_state_of_a_complaint_leads_to_its_end() -> None:
    """From new to closed by the desk's moves; nobody else moves it, and nothing leads back to a state before."""
    places = list(ComplaintState)
    for state in ComplaintState:
        moves = allowed_complaint_moves(state, Role.DISPATCHER)
        assert bool(moves) is (state is not ComplaintState.CLOSED)
        assert all(places.index(move.target) >= places.index(state) for move in moves)
        assert allowed_complaint_moves(state, Role.MAINTAINER) == ()
    assert next_complaint_state(ComplaintState.RECEIVED, "answer", Role.SUPERVISOR) is ComplaintState.ANSWERED
    with pytest.raises(IllegalMove, match="allowed: receive"):
        next_complaint_state(ComplaintState.NEW, "close", Role.ADMIN)
    assert {move.name for move in COMPLAINT_MOVES if move.words} == {"assign", "answer"}


def test_a_limit_of_a_complaint_counts_only_while_its_step_is_open() -> None:
    """Receiving ends one clock, answering both; what is late is said again and again."""
    limits = IntakeLimits()
    assert complaints.opened(limits) == {ComplaintTimer.RECEIVE: 86_400, ComplaintTimer.ANSWER: 432_000}
    for state in ComplaintState:
        receive, answer = (overdue(timer, state, limits) for timer in ComplaintTimer)
        assert (receive is not None) is (state is ComplaintState.NEW)
        assert (answer is not None) is (state in UNANSWERED)
    assert complaints.ended(ComplaintState.RECEIVED) == (ComplaintTimer.RECEIVE,)
    assert set(complaints.ended(ComplaintState.ANSWERED)) == set(ComplaintTimer)


def test_what_cannot_be_used_of_the_limits_does_not_count() -> None:
    """Each trouble is named; the rest of the setting holds."""
    limits, troubles = intake_limits_of({"answer_s": 60, "caller_days": 0, "receive_s": True, "again": 3})
    assert limits == IntakeLimits(answer_s=60)
    assert len(troubles) == 3
    assert intake_limits_of(None) == (IntakeLimits(), ())
    assert all(name in NAMES for name in ("receive_s", "answer_s", "again_s", "caller_days"))


def test_the_states_of_an_order_that_is_asked() -> None:
    """Only an order that nobody has accepted gets a clock when its case is raised."""
    for state in OrderState:
        raised = calls.raised(
            case(order(1, state=state.value), order(2, state="accepted"), kind=CaseKind.FAULT), SAID, limits=LIMITS, at_desk=True
        )  # fmt: skip
        assert (TimerKind.ACCEPT.value in timers(raised)) is (state is OrderState.SENT)
