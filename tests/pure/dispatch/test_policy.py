"""What follows from an alarm, from a limit that passed, and from what a person does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from dispatch import acts
from dispatch.limits import LONGEST_S, NAMES, PRESETS, Limits, limits_of
from dispatch.outcome import CaseView, Outcome, Sending, TimerKind
from dispatch.policy import case_for, past_case, relieved, urgency, when_due
from dispatch.sending import TOP_LEVEL
from dispatch.units import Roster
from hoistway.lifecycle import TERMINAL, CaseState, OrderState
from hoistway.model import Addressee, CaseKind, Opens, Step
from tests.pure.dispatch.views import case, order, roster, team, unit

LIMITS = Limits()


def due(timer: TimerKind, seen: CaseView, crews: Roster | None = None, **more: Any) -> Outcome | None:
    values = {"limits": LIMITS, "roster": crews or roster(), "now_ms": 60_000, "order_id": None, **more}
    return when_due(timer, seen, **values)


def said(outcome: Outcome | None) -> list[str]:
    assert outcome is not None
    return [line.kind for line in outcome.lines]


def test_an_entrapment_is_sent_out_at_once_and_the_desk_has_a_minute() -> None:
    """Two timers commit with the case; a voice check moves only the sending. A case of the past sends nobody."""
    plan, asked = case_for(Opens.RESCUE), case_for(Opens.RESCUE, confirm_s=60)
    assert plan is not None
    assert asked is not None
    assert [(timer.kind, timer.after_s) for timer in plan.timers] == [(TimerKind.SEND, 0), (TimerKind.ACKNOWLEDGE, 60)]
    assert [timer.after_s for timer in asked.timers] == [60, 60]
    assert [timer.kind for timer in past_case().timers] == [TimerKind.ACKNOWLEDGE]


@pytest.mark.parametrize("opens", [Opens.TICKET, Opens.NOTICE])
def test_a_fault_or_notice_opens_no_rescue(opens: Opens) -> None:
    """Only what may hold a person becomes a case."""
    assert case_for(opens) is None


def test_an_unanswered_alarm_call_is_treated_as_an_entrapment() -> None:
    """Nobody answered by voice: the case becomes an entrapment that is sent out; not when the lift has one already."""
    call = case(kind=CaseKind.ALARM_CALL)
    outcome = due(TimerKind.VOICE, call)
    assert outcome is not None
    assert (outcome.kind, {timer.kind for timer in outcome.timers}) == (
        CaseKind.ENTRAPMENT, {TimerKind.SEND, TimerKind.ACKNOWLEDGE},
    )  # fmt: skip
    other = due(TimerKind.VOICE, case(kind=CaseKind.ALARM_CALL, other_entrapment=True))
    assert other is not None
    assert (other.kind, other.timers) == (None, ())


def test_a_step_done_in_time_has_no_consequence() -> None:
    """An acknowledged, accepted or reached case is left alone by the timer that guarded that step."""
    on_site = case(order(1, state="arrived"), state=CaseState.ON_SITE, arrived=True)
    assert due(TimerKind.ACKNOWLEDGE, case(acknowledged=True)) is None
    assert due(TimerKind.ACCEPT, case(order(1, state="accepted"), state=CaseState.DISPATCHED), order_id=1) is None
    assert due(TimerKind.ACCEPT, case(state=CaseState.DISPATCHED), order_id=9) is None
    assert due(TimerKind.ARRIVE, on_site) is None
    assert due(TimerKind.CALL_119, case(level=3, called_119=True)) is None
    assert due(TimerKind.SEND, case(order(1))) is None
    assert due(TimerKind.SEND, case(past=True)) is None


def test_no_timer_ever_ends_a_case_or_lowers_its_level() -> None:
    """Over every timer, state, level and way an order stands: the level never falls or passes the top, no state is an end."""
    for kind, case_kind, state, level, order_state, crews in itertools.product(
        TimerKind, CaseKind, CaseState, range(1, TOP_LEVEL + 1), OrderState, ((), (unit(5), team(6)))
    ):
        seen = case(order(1, level=min(level, 2), state=order_state), kind=case_kind, state=state, level=level)
        outcome = due(kind, seen, roster(*crews), order_id=1)
        if state in TERMINAL or state is CaseState.RELEASED:
            assert outcome is None
        elif outcome is not None:
            assert outcome.state in {None, CaseState.DISPATCHED}
            assert outcome.level is None or level < outcome.level <= TOP_LEVEL
            assert outcome.order_moves == ()


def test_the_same_limit_twice_is_one_climb() -> None:
    """An order whose limit passed while somebody of a higher level is asked only says so."""
    seen = case(order(1), order(2, level=2, unit_id=4), state=CaseState.DISPATCHED, level=2)
    outcome = due(TimerKind.ACCEPT, seen, roster(unit(5)), order_id=1)
    assert said(outcome) == ["not-accepted"]
    assert outcome is not None
    assert (outcome.level, outcome.sendings, outcome.late_orders) == (None, (), (1,))
    assert due(TimerKind.ACCEPT, seen, roster(unit(5)), order_id=2).level == 3  # type: ignore[union-attr]


def test_nobody_climbs_while_somebody_comes() -> None:
    """A station that does not accept matters to nobody once the firm is on its way; the arrival clock still does."""
    seen = case(
        order(1, state="on_the_way"), order(2, level=2, unit_id=4), state=CaseState.DISPATCHED, level=2, dispatched=True
    )
    outcome = due(TimerKind.ACCEPT, seen, order_id=2)
    assert outcome is not None
    assert outcome.level is None
    assert due(TimerKind.ARRIVE, seen).level == 3  # type: ignore[union-attr]


def test_the_arrival_clock_is_set_once() -> None:
    """The first dispatch sets it, no later one does."""
    first = due(TimerKind.SEND, case(), roster(team(1)))
    later = due(TimerKind.SEND, case(dispatched=True, state=CaseState.DISPATCHED), roster(team(1)))
    assert first is not None
    assert later is not None
    assert [timer.kind for timer in first.timers] == [TimerKind.ARRIVE]
    assert later.timers == ()


def test_nobody_left_is_said_at_every_level() -> None:
    """Without anybody on duty: two lines, the supervisor three times, the 119 list, and the case waits for a station."""
    outcome = due(TimerKind.SEND, case(firm_id=None))
    assert said(outcome) == ["no-unit", "no-unit"]
    assert outcome is not None
    assert (outcome.level, outcome.waits, outcome.state, outcome.steps) == (3, True, None, tuple(Step))
    assert len([notice for notice in outcome.notices if notice.to == "supervisor"]) == 3


def test_an_ambulance_takes_nobody_s_place() -> None:
    """120 is called, comes and arrives: the firm is sent all the same, limits pass all the same, nobody counts as on site."""
    called = order(9, state="accepted", addressee=Addressee.AMBULANCE)
    sent = due(TimerKind.SEND, case(called), roster(team(1)))
    assert sent is not None
    assert len(sent.sendings) == 1
    late = due(TimerKind.ACCEPT, case(called, order(1), state=CaseState.DISPATCHED), roster(unit(5)), order_id=1)
    assert late is not None
    assert late.level == 2
    arrived = acts.order_moved(case(called), called, OrderState.ARRIVED, limits=LIMITS, roster=roster())
    assert (arrived.state, arrived.accepted) == (None, False)
    by_hand = acts.sent_by_hand(
        case(), Sending(level=1, addressee=Addressee.AMBULANCE), reason="a child, hurt", limits=LIMITS
    )
    assert (by_hand.state, by_hand.ends, by_hand.timers) == (None, (), ())
    released = acts.case_moved(case(called), CaseState.RELEASED, limits=LIMITS, roster=roster())
    assert released.order_moves == ((9, OrderState.STOOD_DOWN),)


def test_only_a_person_ends_an_order_that_is_on_its_way() -> None:
    """A release stands down who is still coming and leaves who is there; a close ends what is left."""
    seen = case(order(1, state="arrived"), order(2, state="on_the_way"), state=CaseState.ON_SITE)
    released = acts.case_moved(seen, CaseState.RELEASED, limits=LIMITS, roster=roster())
    assert released.order_moves == ((2, OrderState.STOOD_DOWN),)
    closed = acts.case_moved(case(order(1, state="arrived")), CaseState.CLOSED, limits=LIMITS, roster=roster())
    assert closed.order_moves == ((1, OrderState.DONE),)
    cancelled = acts.case_moved(seen, CaseState.CANCELLED, limits=LIMITS, roster=roster())
    assert len(cancelled.order_moves) == 2


def test_scarce_units_go_to_the_hurt_then_the_vulnerable_then_the_longest_trapped() -> None:
    """The order of one queue."""
    old, young = case(case_id=1, opened_ms=0), case(case_id=2, opened_ms=9)
    child, hurt = case(case_id=3, opened_ms=20, vulnerable=True), case(case_id=4, opened_ms=30, hurt=True)
    assert [seen.case_id for seen in sorted((young, old, hurt, child), key=urgency)] == [4, 3, 1, 2]


def test_a_waiting_case_is_left_alone_until_a_station_is_free() -> None:
    """No line in the log a second while nothing can be done."""
    waits = case(waits=True, level=3, state=CaseState.DISPATCHED, dispatched=True)
    assert relieved(waits, limits=LIMITS, roster=roster(unit(1, load=1))) is None
    found = relieved(waits, limits=LIMITS, roster=roster(unit(1)))
    assert found is not None
    assert (found.waits, found.level, [sending.unit_id for sending in found.sendings]) == (False, None, [1])


# --- limits ---


def test_a_city_s_setting_is_a_preset_and_what_differs() -> None:
    """The presets hold the sources' figures; a change of one leaves the others."""
    assert limits_of({"preset": "hangzhou-2024", "accept_s": 90})[0].accept_s == 90
    draft = PRESETS["hangzhou-2024"]
    assert (draft.accept_s, draft.set_out_s, draft.arrive_urban_s, draft.arrive_elsewhere_s) == (60, 300, 900, 1_800)
    for name in ("national", "hangzhou-2011"):
        assert (PRESETS[name].arrive_urban_s, PRESETS[name].arrive_elsewhere_s) == (1_800, 3_600)
    assert limits_of(None) == (PRESETS["national"], ())


@pytest.mark.parametrize(
    "setting",
    [
        {"preset": "mars"}, {"accept_s": "180"}, {"accept_s": 0}, {"accept_s": True}, {"arrive_s": 9}, {"confirm_first_s": 61},
        {"accept_s": LONGEST_S + 1}, {"accept_s": 1.5},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_does_not_count_and_is_named(setting: dict[str, Any]) -> None:
    """A wrong word never stops a rescue and never passes unsaid."""
    limits, troubles = limits_of(setting)
    assert limits == PRESETS["national"]
    assert len(troubles) == 1
    assert next(iter(setting)) in troubles[0]
    assert "expected" in troubles[0] or "there are" in troubles[0]
    assert set(NAMES) >= {"accept_s", "arrive_urban_s"}
