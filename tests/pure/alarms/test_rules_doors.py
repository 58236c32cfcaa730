"""Doors beyond the table of holds: reversals, levels, witnesses, shields."""

from __future__ import annotations

import pytest

from alarms.signals import BY_DEVICE, BY_RULE
from tests.pure.alarms.catalogue import OPEN, OPEN_AT_LANDING, RUN, Changes
from tests.pure.alarms.story import Story

CLOSING: Changes = {"door_closed": 0, "door_status": 1}
OPENING: Changes = {"door_closed": 0, "door_status": 3}


each_way = pytest.mark.parametrize(("rule", "true"), [("door-close-failure", CLOSING), ("door-open-failure", OPENING)])


@each_way
def test_a_door_that_moves_for_fifteen_seconds(rule: str, true: Changes) -> None:
    """Raised at the first sample after 15 s, not before; a second door movement starts from nothing; five seconds at rest end it."""
    story = Story()
    story.samples(0, 14.5, 0.5, **true)
    story.sample(14.999, **true)
    assert story.said(rule) == []
    story.sample(15, **true)
    assert story.said(rule) == [("raise", 15)]
    story.samples(16, 19, 1)
    story.samples(20, 25, 1, **true)
    assert story.said(rule) == [("raise", 15)]
    story.samples(26, 35, 1)
    assert story.said(rule)[1:] == [("clear", 31)]
    story.samples(40, 54, 1, **true)
    assert len(story.said(rule)) == 2
    story.sample(55, **true)
    assert story.said(rule)[2:] == [("raise", 55)]


@each_way
def test_a_link_that_is_lost_in_mid_movement_is_no_door_fault(rule: str, true: Changes) -> None:
    """Nothing is raised while nothing is heard; a terminal that repeats itself only every 30 s is judged then."""
    story = Story()
    story.sample(0, **true)
    story.tick(85)
    assert story.said(rule) == []
    story.sample(88)
    assert story.said(rule) == []
    story.samples(100, 130, 30, **true)
    assert story.said(rule) == [("raise", 130)]


@each_way
def test_a_moving_door_across_unknown_gap_restart_and_inspection(rule: str, true: Changes) -> None:
    """Unknown does not end the movement, a gap does, a restart changes nothing, a mechanic's or firefighter's hand waits."""
    story = Story()
    story.sample(0, **true)
    story.sample(10, door_closed=0, door_status=0)
    story.restart()
    story.sample(16, **true)
    assert story.said(rule) == [("raise", 16)]
    story = Story()
    story.sample(0, **true)
    story.sample(90.001, **true)
    assert story.said(rule) == []
    for mode in (2, 4):
        story = Story()
        story.samples(0, 30, 5, service_mode=mode, **true)
        assert story.said(rule) == []
        story.sample(35, **true)
        assert story.said(rule) == [("raise", 35)]


def test_a_slow_door_has_a_number_of_its_own() -> None:
    """A heavy goods door may take half a minute."""
    story = Story(parameters={"door_close_s": 30, "door_open_s": 30})
    story.samples(0, 28, 2, **OPENING)
    story.samples(30, 58, 2, **CLOSING)
    assert story.spoke() == set()
    story.samples(60, 62, 2, **CLOSING)
    assert story.said("door-close-failure") == [("raise", 60)]


def reversal(story: Story, at: float) -> None:
    """A closing that turns back, 8 s long."""
    story.sample(at, **CLOSING)
    story.sample(at + 2, **OPENING)
    story.sample(at + 4, **OPEN)


def test_the_tenth_reversal_within_five_minutes() -> None:
    """Nine closings that turn back are silent, the tenth is not; it ends when fewer than three are left in the window."""
    story = Story()
    story.sample(0)
    story.sample(2, **OPENING)
    for number in range(9):
        reversal(story, 10 + 8 * number)
    assert story.said("door-reversals") == []
    reversal(story, 82)
    assert story.said("door-reversals") == [("raise", 82)]
    story.samples(95, 600, 5)
    assert [told[0] for told in story.said("door-reversals")] == ["raise", "clear"]
    assert 300 <= story.said("door-reversals")[1][1] <= 382


def test_reversals_spread_over_time_are_ordinary() -> None:
    """One interrupted closing a minute for an hour is a busy lift."""
    story = Story()
    story.sample(0)
    for minute in range(60):
        story.sample(60 * minute + 2, **OPENING)
        reversal(story, 60 * minute + 10)
        story.sample(60 * minute + 20, **CLOSING)
        story.samples(60 * minute + 23, 60 * minute + 50, 9)
    assert story.said("door-reversals") == []


def test_ordinary_cycles_are_no_reversals() -> None:
    """Closings that end closed do not count, however many."""
    story = Story()
    for number in range(40):
        story.sample(16 * number)
        story.sample(16 * number + 4, **OPENING)
        story.sample(16 * number + 8, **OPEN)
        story.sample(16 * number + 12, **CLOSING)
    assert story.spoke() == set()


def test_reversals_across_a_restart_and_a_number_of_ones_own() -> None:
    """The engine's restart forgets no reversal; a lift may have a limit of its own."""
    story = Story(parameters={"door_reversals": 4})
    story.sample(0, **OPENING)
    for number in range(3):
        reversal(story, 10 + 8 * number)
        story.restart()
    story.engine.set_fleet([story.slot], [False], [1.75], {story.slot: {"door_reversals": 4}})
    assert story.said("door-reversals") == []
    story.sample(34, **CLOSING)
    assert story.said("door-reversals") == [("raise", 34)]


def test_reversals_in_a_special_mode() -> None:
    """A mechanic or a firefighter works the doors by hand."""
    story = Story()
    for number in range(20):
        story.sample(4 * number, service_mode=2, **CLOSING)
        story.sample(4 * number + 2, service_mode=2, **OPENING)
    assert story.spoke() == set()


def test_half_an_hour_of_an_open_door_is_a_ticket() -> None:
    """A notice after five minutes grows to a ticket after thirty, once, and ends with the closed door."""
    story = Story()
    story.samples(0, 1_830, 30, **OPEN_AT_LANDING)
    assert story.said("door-held-open") == [("raise", 300), ("change", 1_800)]
    assert story.levels("door-held-open") == [0, 1]
    rule = story.rules[story.rules.index("door-held-open")]
    assert [str(part) for part in rule.at_level(1)] == ["major", "ticket"]
    story.samples(1_840, 1_850, 1)
    assert story.said("door-held-open")[2:] == [("clear", 1_842)]


@pytest.mark.parametrize(
    ("rule", "code", "true"),
    [
        ("door-close-failure", "02", CLOSING),
        ("door-open-failure", "03", OPENING),
        ("door-open-while-running", "door-open-running", {**RUN, **OPEN}),
    ],
)
def test_the_controllers_word_and_ours_are_one_alarm(rule: str, code: str, true: Changes) -> None:
    """The device raises at once, our rule joins as second witness, and the alarm ends when both are over."""
    story = Story()
    story.sample(0)
    story.event(1, code)
    story.samples(2, 22, 1, **true)
    assert [told[0] for told in story.said(rule)] == ["raise", "change"]
    assert story.said(rule)[0] == ("raise", 1)
    assert story.witnesses(rule) == [BY_DEVICE, BY_DEVICE | BY_RULE]
    story.event(23, code, active=False)
    assert len(story.said(rule)) == 2
    story.samples(24, 34, 1)
    assert story.said(rule)[2:] == [("clear", 29)]


def test_a_door_that_opens_on_the_way_is_not_an_unintended_movement() -> None:
    """Movement first, door second: open while running, past how many floors it may go. Door first: unintended movement, that alone."""
    story = Story()
    story.samples(0, 5, 1, **RUN)
    story.samples(6, 9, 1, **RUN, **OPEN)
    story.sample(10, **{**RUN, **OPEN, "door_zone": 1})
    story.samples(11, 14, 1, **RUN, **OPEN)
    assert story.spoke() == {"door-open-while-running"}
    story = Story()
    story.samples(0, 5, 1, **OPEN_AT_LANDING)
    story.samples(6, 12, 1, **RUN, **OPEN)
    assert story.spoke() == {"unintended-movement"}


@pytest.mark.parametrize("speed", [1.75, float("nan")])
def test_a_fast_car_passes_zones_with_an_open_door(speed: float) -> None:
    """A floor every second and a half: the zones on the way do not hide the open door, with or without a speed."""
    story = Story()
    for floor in range(4):
        story.sample(1.5 * floor, **{**RUN, **OPEN, "speed": speed})
        story.sample(1.5 * floor + 1.2, **{**RUN, **OPEN, "speed": speed, "door_zone": 1})
    assert [told[0] for told in story.said("door-open-while-running")] == ["raise"]
    assert story.starts("door-open-while-running") == [0]


def test_a_door_that_is_forced_between_floors_moves_nothing() -> None:
    """Stopped off level, then opened by hand from inside: that is somebody trapped, not a movement."""
    story = Story()
    story.samples(0, 5, 1, **RUN, passenger=1)
    story.samples(6, 10, 1, door_zone=0, passenger=1)
    story.samples(11, 60, 1, **OPEN, door_zone=0, passenger=1)
    assert "unintended-movement" not in story.spoke()
    assert "entrapment-door-ajar" in story.spoke()


def test_a_stuck_zone_sensor_holds_tickets_about_the_zone_back() -> None:
    """While the zone never changes, an unlocked landing door is not said to be without its car."""
    story = Story()
    open_shaft = {"door_zone": 0, "landing_door_locked": 0}
    for number in range(11):
        story.samples(30 * number, 30 * number + 10, 2, **RUN)
        story.sample(30 * number + 16, **OPEN, **open_shaft)
        story.sample(30 * number + 24, door_zone=0)
    assert [told[0] for told in story.said("door-zone-stuck")] == ["raise"]
    story.samples(330, 400, 5, **open_shaft)
    assert story.said("landing-door-open") == []
    story.sample(401)
    story.samples(402, 407, 1, **open_shaft)
    assert story.said("door-zone-stuck")[1:] == [("clear", 401)]
    assert story.said("landing-door-open") == [("raise", 407)]


def test_a_lift_that_parks_with_open_doors() -> None:
    """Where it is built so, the rule is switched off for this lift by its own number."""
    story = Story(parameters={"off:door-held-open": 1})
    story.samples(0, 3_600, 60, **OPEN)
    assert story.spoke() == set()
