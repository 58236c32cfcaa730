"""The shipped rules with a hold, from one table: when each raises, when it does not, and how it ends."""

from __future__ import annotations

import pytest

from hoistway.limits import MAX_GAP_MS
from tests.pure.alarms.catalogue import FAULTS, Fault, Inspection, each_fault

GAP = MAX_GAP_MS / 1_000


def with_unknown() -> pytest.MarkDecorator:
    """The rules whose signals may be unknown."""
    found = [fault for fault in FAULTS if fault.unknown is not None]
    return pytest.mark.parametrize("fault", found, ids=lambda fault: fault.rule)


@each_fault
def test_raises_exactly_at_the_limit(fault: Fault) -> None:
    """Samples from the first on raise at the limit, not one sample before."""
    story = fault.story()
    fault.hold(story, 0, fault.limit - 0.5)
    assert story.said(fault.rule) == []
    story.sample(fault.limit, **fault.true)
    assert story.said(fault.rule) == [("raise", fault.limit)]
    assert story.starts(fault.rule) == [0]


@each_fault
@pytest.mark.parametrize("late", [0, 7.3])
def test_a_tick_raises_exactly_at_the_limit(fault: Fault, late: float) -> None:
    """The last sample and then time: the hold completes at the limit however late the tick is."""
    story = fault.story()
    fault.hold(story, 0, max(0, fault.limit - 60))
    story.tick(fault.limit - 0.001)
    assert story.said(fault.rule) == []
    story.tick(fault.limit + late)
    assert story.said(fault.rule) == [("raise", fault.limit)]


@each_fault
def test_a_short_excursion_raises_nothing(fault: Fault) -> None:
    """A condition that ends just before the limit leaves no trace, and the next one starts from nothing."""
    story = fault.story()
    fault.hold(story, 0, fault.limit - 0.01)
    story.sample(fault.limit - 0.005, **fault.clear)
    fault.hold(story, fault.limit, 2 * fault.limit - 0.01)
    story.tick(2 * fault.limit - 0.001)
    assert story.said(fault.rule) == []


@with_unknown()
def test_unknown_keeps_the_hold_but_does_not_complete_it(fault: Fault) -> None:
    """While a signal is unknown nothing is raised; when it is true again past the limit, it is raised at that sample."""
    story = fault.story()
    last = max(0, fault.limit - 10)
    fault.hold(story, 0, last)
    story.sample((last + fault.limit) / 2, **fault.unknown or {})
    story.tick(fault.limit + 10)
    assert story.said(fault.rule) == []
    story.sample(fault.limit + 11, **fault.true)
    assert story.said(fault.rule) == [("raise", fault.limit + 11)]
    assert story.starts(fault.rule) == [0]


@with_unknown()
@pytest.mark.parametrize("silence", [GAP, GAP + 0.002])
def test_a_gap_is_unknown_never_true(fault: Fault, silence: float) -> None:
    """More than three heartbeats after the last time it was true the hold is over, at exactly three it is not."""
    story = fault.story()
    last = max(0, fault.limit - 10)
    fault.hold(story, 0, last)
    story.sample((last + fault.limit) / 2, **fault.unknown or {})
    again = last + silence
    if silence == GAP:
        story.sample(again, **fault.true)
        assert story.said(fault.rule) == [("raise", again)]
    else:
        fault.hold(story, again, again + fault.limit)
        assert story.said(fault.rule) == [("raise", round(again + fault.limit, 3))]


@each_fault
def test_nothing_is_known_of_a_gap_without_samples(fault: Fault) -> None:
    """A hold longer than a gap does not survive it: it completes neither by time nor by the next sample."""
    if fault.limit <= GAP + 1:
        return
    story = fault.story()
    last = fault.limit - GAP - 1
    fault.hold(story, 0, last)
    story.tick(last + GAP + 0.5)
    fault.hold(story, last + GAP + 0.5, 2 * fault.limit - 1)
    assert story.said(fault.rule) == []


@each_fault
def test_an_alarm_during_inspection(fault: Fault) -> None:
    """An entrapment is raised as a notice and promoted when inspection ends; a ticket waits, begins anew, or does not mind."""
    if fault.inspection is Inspection.OWN:
        return
    story = fault.story()
    end = fault.limit + 12
    fault.hold(story, 0, fault.limit + 10, service_mode=2)
    during = {Inspection.NOTICE: [("raise", fault.limit, "demoted")], Inspection.NONE: [("raise", fault.limit)]}
    assert story.said(fault.rule) == during.get(fault.inspection, [])
    story.samples(end, end + fault.limit - 0.01, 30, **fault.true)
    after = {Inspection.NOTICE: [("promote", end)], Inspection.WAITS: [("raise", end)]}
    assert story.said(fault.rule)[len(during.get(fault.inspection, [])) :] == after.get(fault.inspection, [])
    if fault.inspection is Inspection.ENDS:
        story.tick(end + fault.limit)
        assert story.said(fault.rule) == [("raise", end + fault.limit)]


@each_fault
def test_an_unknown_mode_is_no_inspection(fault: Fault) -> None:
    """In doubt the system is loud: with the mode unknown the alarm is raised in full."""
    if fault.inspection is Inspection.OWN:
        return
    story = fault.story()
    fault.hold(story, 0, fault.limit, service_mode=7)
    assert story.said(fault.rule) == [("raise", fault.limit)]


@each_fault
def test_clears_after_its_own_hold_and_repeats(fault: Fault) -> None:
    """A clear must last; then the same fault raises again after the full limit."""
    story = fault.story()
    fault.hold(story, 0, fault.limit + 5)
    begin = fault.limit + 10
    if fault.clear_for:
        story.samples(begin, begin + fault.clear_for - 0.01, fault.clear_for / 8, **fault.clear)
        fault.hold(story, begin + fault.clear_for - 0.001, begin + fault.clear_for + 5)
        assert [told[0] for told in story.said(fault.rule)] == ["raise"]
        begin += fault.clear_for + 10
    story.samples(begin, begin + fault.clear_for, max(0.5, fault.clear_for / 8), **fault.clear)
    story.tick(begin + fault.clear_for)
    assert story.said(fault.rule)[1:] == [("clear", begin + fault.clear_for)]
    again = begin + fault.clear_for + 10
    fault.hold(story, again, again + fault.limit)
    assert story.said(fault.rule)[2:] == [("raise", again + fault.limit)]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.keeps is not None], ids=lambda fault: fault.rule)
def test_between_the_two_limits_nothing_changes(fault: Fault) -> None:
    """What is no longer over the limit and not yet good again neither raises nor clears."""
    story = fault.story()
    fault.hold(story, 0, fault.limit)
    story.samples(fault.limit + 10, fault.limit + fault.clear_for + 130, 30, **fault.keeps or {})
    assert story.said(fault.rule) == [("raise", fault.limit)]
    story = fault.story()
    story.samples(0, fault.limit + 130, 30, **fault.keeps or {})
    assert story.said(fault.rule) == []


@each_fault
def test_a_restart_in_the_middle_of_a_hold(fault: Fault) -> None:
    """A hold that runs when the engine restarts completes as if nothing had happened."""
    story = fault.story()
    fault.hold(story, 0, fault.limit / 2)
    story.restart()
    story.samples(
        fault.limit / 2 + min(30, fault.limit / 4), fault.limit - 0.001, min(30, fault.limit / 4), **fault.true
    )
    story.restart()
    story.tick(fault.limit)
    story.restart()
    story.tick(fault.limit + 1)
    assert story.said(fault.rule) == [("raise", fault.limit)]
    assert story.starts(fault.rule) == [0]
