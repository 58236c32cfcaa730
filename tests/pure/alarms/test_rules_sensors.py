"""Signals and clocks that cannot be believed: sensors that never change, samples that contradict themselves, records that come late."""

from __future__ import annotations

import pytest

from hoistway.model import Kind
from tests.pure.alarms.catalogue import OPEN, OPEN_AT_LANDING, RUN, Changes
from tests.pure.alarms.story import Story


def trips(story: Story, first: float, count: int, **always: int) -> float:
    """So many trips of 60 s, with doors that open at the end; `always` overrides what every sample says. Answers the end."""
    for number in range(count):
        at = first + 60 * number
        story.samples(at, at + 15, 5, **{**RUN, "passenger": 1, **always})
        story.samples(at + 20, at + 30, 5, **{**OPEN_AT_LANDING, **always})
        story.samples(at + 35, at + 55, 5, **always)
    return first + 60 * count


def test_a_person_for_four_hours_and_twenty_trips() -> None:
    """Exactly at four hours in a lift that serves, not before; over when the sensor sees nobody for ten seconds."""
    story = Story()
    trips(story, 0, 239, passenger=1)
    assert "person-sensor-stuck" not in story.spoke()
    trips(story, 239 * 60, 2, passenger=1)
    assert story.said("person-sensor-stuck") == [("raise", 4 * 3_600)]
    story.samples(14_500, 14_520, 5)
    assert story.said("person-sensor-stuck")[1:] == [("clear", 14_510)]


def test_a_person_for_four_hours_in_a_lift_that_stands() -> None:
    """Somebody trapped for four hours is no stuck sensor: the lift made no trips."""
    story = Story()
    end = trips(story, 0, 15)
    story.samples(end, end + 5 * 3_600, 60, passenger=1, door_zone=0)
    assert "person-sensor-stuck" not in story.spoke()
    assert story.said("entrapment-between-floors") == [("raise", end + 20)]


@pytest.mark.parametrize(("seen", "raised"), [(1, True), (0, False), (-1, False)])
def test_a_person_sensor_in_ordinary_service(seen: int, raised: bool) -> None:
    """Only a sensor that always sees somebody is stuck; an empty night or no sensor is not."""
    story = Story()
    trips(story, 0, 245, passenger=seen)
    assert ("person-sensor-stuck" in story.spoke()) is raised


@pytest.mark.parametrize(
    ("rule", "stuck"),
    [
        ("door-zone-stuck", {"door_zone": 0}),
        ("door-zone-stuck", {"door_zone": 1}),
        ("door-contact-stuck", {"door_closed": 1, "door_status": 2}),
    ],
)
def test_ten_runs_without_a_change(rule: str, stuck: dict[str, int]) -> None:
    """The tenth run within an hour says it, the ninth does not; the first change ends it."""
    story = Story()
    story.sample(0, **stuck)
    trips(story, 60, 9, **stuck)
    assert rule not in story.spoke()
    trips(story, 600, 3, **stuck)
    assert story.said(rule) == [("raise", 600)]
    story.sample(785, **OPEN, door_zone=1 - stuck.get("door_zone", 0))
    assert story.said(rule)[1:] == [("clear", 785)]


@pytest.mark.parametrize("rule", ["door-zone-stuck", "door-contact-stuck"])
@pytest.mark.parametrize(
    "always", [{}, {"door_zone": -1, "door_closed": -1, "door_status": 0}, {"service_mode": 2, "door_zone": 1}]
)
def test_sensors_that_work_are_missing_or_in_inspection(rule: str, always: dict[str, int]) -> None:
    """Changes, an unknown signal, and a mechanic's test runs say nothing about the sensor."""
    story = Story()
    trips(story, 0, 60, **always)
    assert rule not in story.spoke()


def test_few_runs_prove_nothing() -> None:
    """Nine runs an hour for half a day do not add up."""
    story = Story()
    for hour in range(12):
        for number in range(6):
            trips(story, 3_600 * hour + 600 * number, 1, door_zone=1)
            story.samples(3_600 * hour + 600 * number + 60, 3_600 * hour + 600 * number + 590, 60)
    assert "door-zone-stuck" not in story.spoke()


@pytest.mark.parametrize(
    "changes",
    [
        {"door_closed": 0, "door_status": 2},
        {"door_closed": 1, "door_status": 4},
        {"car_status": 1, "speed": 0.0},
        {"field_faults": 2},
    ],
)
def test_five_minutes_of_contradiction(changes: Changes) -> None:
    """Each kind of contradiction, held for five minutes, is said once; agreement for a minute ends it."""
    story = Story()
    story.samples(0, 300, 30, **changes)
    assert story.said("signals-implausible") == [("raise", 300)]
    story.samples(330, 400, 10)
    assert story.said("signals-implausible")[1:] == [("clear", 390)]


def test_an_escalators_fields_that_cannot_be_used() -> None:
    """The rule is the same for both kinds of unit."""
    story = Story(kind=Kind.ESCALATOR)
    story.samples(0, 300, 30, field_faults=1)
    assert story.spoke() == {"signals-implausible"}


def test_a_speed_that_stays_zero_in_every_run() -> None:
    """Five runs of contradicting witnesses within an hour; a sample's worth at each start is none."""
    story = Story()
    for number in range(10):
        story.sample(60 * number, car_status=1, speed=0.0, door_zone=0)
        story.samples(60 * number + 1, 60 * number + 20, 1, **RUN)
        story.samples(60 * number + 21, 60 * number + 50, 10, **OPEN)
    assert story.spoke() == set()
    for number in range(10, 15):
        assert "signals-often-implausible" not in story.spoke()
        story.samples(60 * number, 60 * number + 20, 1, car_status=1, speed=0.0, door_zone=0)
        story.samples(60 * number + 21, 60 * number + 50, 10, **OPEN)
    assert story.said("signals-often-implausible") == [("raise", 845)]
    story.samples(900, 5_000, 60)
    assert [told[0] for told in story.said("signals-often-implausible")] == ["raise", "clear"]


@pytest.mark.parametrize(
    ("error", "raised"), [(301, True), (-301, True), (300, False), (1.7e9, True), (float("nan"), False)]
)
def test_a_clock_that_is_wrong_either_way(error: float, raised: bool) -> None:
    """More than five minutes off, ahead or behind, for five minutes; unknown before it was estimated."""
    story = Story()
    story.samples(0, 300, 30, clock_error=error)
    assert ("clock-wrong" in story.spoke()) is raised


@pytest.mark.parametrize("kind", [Kind.LIFT, Kind.ESCALATOR])
@pytest.mark.parametrize("spacing", [1, 10, 30])
def test_a_clock_that_stands_still(kind: Kind, spacing: int) -> None:
    """A clock that falls back as fast as time passes is found within four minutes; when it goes on, the alarm ends."""
    story = Story(kind=kind)
    story.samples(0, 300, 30)
    for second in range(300, 900, spacing):
        story.sample(second, clock_error=second - 300)
    ((word, at),) = story.said("clock-frozen")
    assert word == "raise"
    assert 420 <= at <= 540
    story.samples(900, 1_200, 30, clock_error=600)
    assert [told[0] for told in story.said("clock-frozen")] == ["raise", "clear"]


@pytest.mark.parametrize("error", [30, 100, 3_600, 1.7e9, -3_600])
def test_a_clock_that_was_set_is_not_frozen(error: float) -> None:
    """Whenever in the minute it happens, one step of any size is no frozen clock."""
    for start in range(300, 360, 7):
        story = Story()
        story.samples(0, start, 10)
        story.samples(start, start + 600, 10, clock_error=error)
        assert "clock-frozen" not in story.spoke()


@pytest.mark.parametrize("pace", [0.01, 0.1, 0.4])
def test_a_clock_that_loses_time_is_not_frozen(pace: float) -> None:
    """It is wrong once it has lost five minutes; that it stands still would be another fault."""
    story = Story()
    for second in range(0, 3_600, 10):
        story.sample(second, clock_error=second // 120 * 120 * pace)
    assert "clock-frozen" not in story.spoke()
    assert ("clock-wrong" in story.spoke()) is (pace > 0.05)


def test_records_that_are_a_minute_late_for_five_minutes() -> None:
    """Late and not catching up for five minutes of the terminal's time; over when they are on time for a minute."""
    story = Story()
    story.samples(0, 90, 30)
    for second in range(120, 601, 30):
        story.sample(second, lag=70)
    assert story.said("records-late") == [("raise", 480)]
    for second in range(690, 811, 30):
        story.sample(second, lag=19)
    assert story.said("records-late")[1:] == [("clear", 750)]


@pytest.mark.parametrize("lag", [60, 19])
def test_records_that_are_a_little_late(lag: int) -> None:
    """A minute is the limit."""
    story = Story()
    for second in range(0, 900, 30):
        story.sample(second, lag=lag)
    assert story.spoke() == set()


def test_a_long_backlog_catches_up() -> None:
    """Six hours of link loss come back within a minute: their own times are right, and nothing is called late."""
    story = Story()
    story.samples(0, 300, 30)
    for number, second in enumerate(range(330, 21_900, 30)):
        story.sample(second, lag=21_900 - second + number * 0.05)
    story.samples(21_960, 22_500, 30)
    assert story.spoke() == {"offline", "offline-long"}
