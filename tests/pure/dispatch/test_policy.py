"""What follows from an alarm and from a limit that passed."""

from __future__ import annotations

import itertools

import pytest

from dispatch.policy import (
    ARRIVE_ELSEWHERE_S,
    ARRIVE_URBAN_S,
    TOP_LEVEL,
    CaseView,
    TimerKind,
    case_for,
    when_due,
)
from hoistway.lifecycle import TERMINAL, CaseState
from hoistway.model import CaseKind, Opens


def view(**changes: object) -> CaseView:
    values: dict[str, object] = {
        "kind": CaseKind.ENTRAPMENT,
        "state": CaseState.OPEN,
        "level": 1,
        "acknowledged": False,
        "arrived": False,
        "urban": True,
    }
    return CaseView(**{**values, **changes})  # type: ignore[arg-type]


def test_an_entrapment_opens_a_case_with_its_three_limits() -> None:
    """Desk, acceptance and arrival are guarded from the first moment; outside the urban area arrival has an hour."""
    urban, elsewhere = case_for(Opens.RESCUE, urban=True), case_for(Opens.RESCUE, urban=False)
    assert urban is not None
    assert elsewhere is not None
    assert [timer.kind for timer in urban.timers] == [TimerKind.ACKNOWLEDGE, TimerKind.ACCEPT, TimerKind.ARRIVE]
    assert urban.timers[-1].after_s == ARRIVE_URBAN_S
    assert elsewhere.timers[-1].after_s == ARRIVE_ELSEWHERE_S


@pytest.mark.parametrize("opens", [Opens.TICKET, Opens.NOTICE])
def test_a_fault_or_notice_opens_no_rescue(opens: Opens) -> None:
    """Only what may hold a person becomes a case."""
    assert case_for(opens, urban=True) is None


def test_an_unanswered_alarm_call_is_treated_as_an_entrapment() -> None:
    """Nobody answered by voice: the case becomes an entrapment with an entrapment's limits."""
    consequence = when_due(TimerKind.VOICE, view(kind=CaseKind.ALARM_CALL))
    assert consequence is not None
    assert consequence.kind is CaseKind.ENTRAPMENT
    assert TimerKind.ARRIVE in {timer.kind for timer in consequence.timers}


def test_a_unit_that_accepted_and_never_arrives_climbs_too() -> None:
    """The arrival limit does not ask whether somebody had accepted."""
    consequence = when_due(TimerKind.ARRIVE, view(state=CaseState.DISPATCHED))
    assert consequence is not None
    assert consequence.level == 2


def test_a_step_done_in_time_has_no_consequence() -> None:
    """An acknowledged, accepted or reached case is left alone by the timer that guarded that step."""
    assert when_due(TimerKind.ACKNOWLEDGE, view(acknowledged=True)) is None
    assert when_due(TimerKind.ACCEPT, view(state=CaseState.DISPATCHED)) is None
    assert when_due(TimerKind.ARRIVE, view(state=CaseState.ON_SITE, arrived=True)) is None


def test_no_timer_ever_ends_a_case_or_lowers_its_level() -> None:
    """Over every timer and every state: the level never falls, never passes the top, and ended cases stay as they are."""
    for kind, case_kind, state, level in itertools.product(TimerKind, CaseKind, CaseState, range(1, TOP_LEVEL + 1)):
        consequence = when_due(kind, view(kind=case_kind, state=state, level=level))
        if state in TERMINAL or state is CaseState.RELEASED:
            assert consequence is None
        elif consequence is not None:
            assert level <= consequence.level <= TOP_LEVEL
