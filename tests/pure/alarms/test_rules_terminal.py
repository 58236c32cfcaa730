"""Modes, silence, test calls, battery, radio: beyond the table of holds."""

from __future__ import annotations

import pytest

from hoistway.model import Kind
from tests.pure.alarms.catalogue import MODES
from tests.pure.alarms.story import START, Story

MODE_EVENTS = {
    "fire-return": "44",
    "firefighter-operation": "45",
    "emergency-power-operation": "46",
    "earthquake-mode": "47",
}
each_event = pytest.mark.parametrize(("rule", "code"), MODE_EVENTS.items())


@each_event
def test_the_event_counts_where_the_mode_is_not_sent(rule: str, code: str) -> None:
    """A terminal without modes is heard by its events, until it says "back to automatic operation"."""
    story = Story()
    story.samples(0, 10, 5, service_mode=-1)
    story.event(12, code)
    story.samples(15, 40, 5, service_mode=-1)
    assert story.said(rule) == [("raise", 15)]
    story.event(41, "40")
    story.samples(45, 60, 5, service_mode=-1)
    assert story.said(rule)[1:] == [("clear", 44)]


@each_event
def test_the_event_that_is_taken_back_ends_it(rule: str, code: str) -> None:
    """Without modes and without event 40 the end of the event is the end; a terminal with modes is not asked for its events."""
    story = Story()
    story.sample(0, service_mode=-1)
    story.event(5, code)
    story.samples(10, 30, 5, service_mode=-1)
    story.event(31, code, active=False)
    story.samples(35, 60, 5, service_mode=-1)
    assert story.said(rule) == [("raise", 8), ("clear", 34)]
    (fault,) = (fault for fault in MODES if fault.rule == rule)
    story = Story()
    story.samples(0, 30, 5, **fault.true)
    story.samples(35, 60, 5, service_mode=7)
    assert story.said(rule) == [("raise", 3)]


@pytest.mark.parametrize("code", MODE_EVENTS.values())
def test_the_mode_in_the_sample_is_believed_before_the_event(code: str) -> None:
    """An event that nobody took back does not speak against a sample that says normal."""
    story = Story()
    story.sample(0)
    story.event(1, code)
    story.samples(2, 30, 2)
    assert story.spoke() == set()


def test_modes_are_one_notice_each() -> None:
    """Every mode in turn, three seconds and more: each is raised and cleared once, and nothing else is said."""
    story = Story()
    for fault in MODES[:4]:
        mode = fault.true["service_mode"]
        start = 100 * mode - 300
        story.samples(start, start + 50, 10, service_mode=mode)
        story.samples(start + 60, start + 90, 10)
        assert [told[0] for told in story.said(fault.rule)] == ["raise", "clear"]
    assert story.spoke() == set(MODE_EVENTS)


@pytest.mark.parametrize("kind", [Kind.LIFT, Kind.ESCALATOR])
def test_inspection_that_nobody_switched_off(kind: Kind) -> None:
    """Minor after a working shift, major after a day; a break of a minute ends it."""
    story = Story(kind=kind)
    story.samples(0, 86_400, 60, service_mode=2)
    assert story.said("inspection-left-on") == [("raise", 8 * 3_600), ("change", 86_400)]
    story.samples(86_430, 86_500, 10)
    assert story.said("inspection-left-on")[2:] == [("clear", 86_490)]


@pytest.mark.parametrize("hours", [7.5, 23.9])
def test_a_shift_and_a_night_are_not_long(hours: float) -> None:
    """Nine of ten inspections are over by then; a closed day is shorter than the limit."""
    story = Story()
    story.samples(0, hours * 3_600, 60, service_mode=2 if hours < 8 else 0)
    story.sample(hours * 3_600 + 60)
    assert story.spoke() == set()


def test_offline_after_three_minutes_of_silence() -> None:
    """Exactly 180 s after the last contact, not before, once; over at the next contact of any kind."""
    story = Story()
    story.sample(0)
    story.tick(179.999)
    assert story.said("offline") == []
    story.tick(180)
    story.tick(999)
    assert story.said("offline") == [("raise", 180)]
    story.event(1_000, "40")
    assert story.said("offline") == [("raise", 180), ("clear", 1_000)]
    story.tick(1_180)
    assert story.said("offline")[2:] == [("raise", 1_180)]


def test_four_hours_of_silence_are_the_firms_work() -> None:
    """Offline is told at once and sends nobody; after four hours it is a ticket, over at the next contact."""
    story = Story()
    story.sample(0)
    story.tick(4 * 3_600 - 0.001)
    assert story.said("offline-long") == []
    story.tick(4 * 3_600)
    story.sample(5 * 3_600)
    assert story.said("offline-long") == [("raise", 4 * 3_600), ("clear", 5 * 3_600)]
    rules = {rule.id: rule for rule in story.rules}
    assert (rules["offline"].opens, rules["offline-long"].opens) == ("notice", "ticket")


def test_a_contact_that_comes_late_finds_the_silence() -> None:
    """Without any tick the next contact itself finds that the lift had been offline."""
    story = Story()
    story.sample(0)
    story.sample(200)
    assert story.said("offline") == [("raise", 180), ("clear", 200)]


def test_a_lost_link_is_offline_sooner() -> None:
    """30 s after the link was lost; the loss itself is no sign of life; a link that comes back stops the clock."""
    story = Story()
    story.sample(0)
    story.link(10, online=False)
    story.link(20, online=False)
    story.tick(39.999)
    assert story.said("offline") == []
    story.tick(40)
    story.link(50, online=False)
    assert story.said("offline") == [("raise", 40)]
    story.link(60, online=True)
    story.tick(239)
    assert story.said("offline") == [("raise", 40), ("clear", 60)]


def test_a_deaf_server_blames_no_lift() -> None:
    """Silence counts from the moment since which the server listens."""
    story = Story()
    story.sample(0)
    story.engine.listening(START + 500_000)
    story.tick(679.999)
    assert story.said("offline") == []
    story.tick(680)
    assert story.said("offline") == [("raise", 680)]


def test_an_escalator_falls_silent_too() -> None:
    """The rule is the same for both kinds of unit."""
    story = Story(kind=Kind.ESCALATOR)
    story.sample(0)
    story.tick(180)
    assert story.spoke() == {"offline"}


TEST_CALL_S = 72 * 3_600


def test_seventy_two_hours_without_a_test_call() -> None:
    """Counted from the last call, or from the first word of a lift that never called; the next call ends it."""
    story = Story()
    story.samples(0, TEST_CALL_S - 60, 600)
    assert "self-test-missed" not in story.spoke()
    story.sample(TEST_CALL_S)
    assert story.said("self-test-missed") == [("raise", TEST_CALL_S)]
    story.event(TEST_CALL_S + 100, "self-test")
    assert story.said("self-test-missed")[1:] == [("clear", TEST_CALL_S + 100)]
    story.samples(TEST_CALL_S + 200, 2 * TEST_CALL_S + 99, 600)
    story.restart()
    story.sample(2 * TEST_CALL_S + 99)
    assert len(story.said("self-test-missed")) == 2
    story.sample(2 * TEST_CALL_S + 100)
    assert story.said("self-test-missed")[2:] == [("raise", 2 * TEST_CALL_S + 100)]


def test_test_calls_every_three_days() -> None:
    """A lift that calls in time, whether or not it takes the event back, is never missed."""
    story = Story()
    for call in range(4):
        story.sample(call * (TEST_CALL_S - 1))
        story.event(call * (TEST_CALL_S - 1) + 0.5, "self-test", active=True)
    assert "self-test-missed" not in story.spoke()


def test_a_battery_runs_down() -> None:
    """Minor below 20 %, major below 10 %, unchanged in between; over above 30 % for a minute."""
    story = Story()
    for minute in range(31):
        story.sample(60 * minute, battery=30 - minute)
    assert story.said("terminal-battery-low") == [("raise", 720), ("change", 1_320)]
    story.samples(1_860, 2_000, 20, battery=25)
    story.samples(2_010, 2_090, 20, battery=80)
    assert story.said("terminal-battery-low")[2:] == [("clear", 2_070)]


def test_the_radio_s_number_is_the_lift_s_own() -> None:
    """A basement with a limit of its own is not told every day."""
    story = Story(parameters={"signal_dbm": -120})
    story.samples(0, 3_600, 60, signal=-115)
    assert story.spoke() == set()
