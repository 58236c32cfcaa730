"""What looks like a fault and is none: the whole catalogue stays silent."""

from __future__ import annotations

import pytest

from tests.pure.alarms.catalogue import OPEN, OPEN_AT_LANDING, RUN
from tests.pure.alarms.story import TOP, Story


@pytest.mark.parametrize("passenger", [1, 0, -1])
@pytest.mark.parametrize("floor", [5, TOP, -1])
def test_an_express_run_is_no_stop(passenger: int, floor: int) -> None:
    """Two minutes between floors at full speed raise nothing, whoever is inside and whatever the display shows."""
    story = Story(rated=6.0)
    story.samples(
        0, 120, 5, car_status=1, speed=6.0, car_direction=1, door_zone=0, passenger=passenger, car_position=floor
    )
    story.sample(125, passenger=passenger, car_position=floor)
    assert story.spoke() == set()


@pytest.mark.parametrize("speed", [float("nan"), 6.0])
def test_an_express_run_of_a_lift_with_one_witness_of_movement(speed: float) -> None:
    """Status alone or speed alone is enough to see that it moves."""
    story = Story(rated=6.0)
    status = 1 if speed != speed else -1  # noqa: PLR0124  (not a number)
    story.samples(
        0, 120, 5, car_status=status, speed=speed, car_direction=1, door_zone=0, passenger=1, car_position=TOP
    )
    assert story.spoke() == set()


def test_a_contradicting_speed_leaves_movement_unknown() -> None:
    """Stopped by status but fast by speed is neither stopped nor running."""
    story = Story(rated=2.0)
    story.samples(0, 80, 10, car_status=0, speed=2.0, door_zone=0, passenger=1)
    assert story.spoke() == set()


def test_a_doors_contradiction_does_not_free_anybody() -> None:
    """A door that says open and closed at once is unknown: it does not clear an entrapment."""
    story = Story()
    story.sample(0, passenger=1, door_zone=0)
    story.tick(20)
    story.samples(30, 80, 10, passenger=1, door_closed=0, door_status=2)
    assert story.said("entrapment-between-floors") == [("raise", 20)]


def test_somebody_holds_the_door_for_a_trolley() -> None:
    """Four minutes of an open door at a landing."""
    story = Story()
    story.samples(0, 240, 10, **OPEN_AT_LANDING)
    story.sample(245, passenger=1)
    assert story.spoke() == set()


def test_movers_hold_the_door_and_ride_in_between() -> None:
    """An hour of loading, each time four minutes of open door and then a ride."""
    story = Story()
    for trip in range(12):
        start = 300 * trip
        story.samples(start, start + 240, 10, **OPEN_AT_LANDING)
        story.samples(start + 245, start + 290, 1, **RUN, passenger=1)
    assert story.spoke() == set()


def test_a_mechanic_in_the_car_in_inspection() -> None:
    """Half an hour on the car between floors, doors open and closed, makes notices of entrapments and nothing else."""
    story = Story()
    for minute in range(30):
        story.samples(
            60 * minute,
            60 * minute + 50,
            10,
            service_mode=2,
            passenger=1,
            door_zone=0,
            brake=1,
            **(OPEN if minute % 5 else {}),
        )
    told = [told for rule in story.rules for told in story.said(rule.id) if told[0] == "raise"]
    assert all(item[-1] == "demoted" for item in told)
    assert {name for name in story.spoke() if not name.startswith("entrapment")} == set()


def test_somebody_waits_in_a_parked_car() -> None:
    """Less than a minute behind closed doors at a landing, again and again with an open door in between."""
    story = Story()
    for time in range(10):
        story.samples(70 * time, 70 * time + 56, 2, passenger=1)
        story.samples(70 * time + 58, 70 * time + 68, 2, **OPEN_AT_LANDING)
    assert story.spoke() == set()


def test_a_parked_lift_without_person_sensor() -> None:
    """A day of standing closed at a landing, person unknown, is a day of silence."""
    story = Story()
    story.samples(0, 86_400, 60, passenger=-1)
    assert story.spoke() == set()


def test_levelling_with_doors_that_open_in_the_zone() -> None:
    """The last centimetres with an opening door, and a re-levelling at the landing, are no run with an open door."""
    story = Story()
    story.samples(0, 10, 1, **RUN, passenger=1)
    story.samples(
        11,
        14,
        0.5,
        car_status=1,
        speed=0.1,
        door_closed=0,
        door_status=3,
        safety_chain=1,
        landing_door_locked=0,
        passenger=1,
    )
    story.samples(15, 25, 1, **OPEN_AT_LANDING, safety_chain=1, landing_door_locked=0)
    story.samples(26, 28, 0.5, **{**OPEN_AT_LANDING, "car_status": 1, "speed": -0.08, "safety_chain": 1})
    story.samples(29, 60, 1, **OPEN_AT_LANDING, safety_chain=1)
    assert story.spoke() == set()


def test_a_lift_that_sends_next_to_nothing() -> None:
    """A terminal that knows only the mode and the movement raises nothing in an hour of runs."""
    story = Story()
    bare = {"door_zone": -1, "door_closed": -1, "door_status": 0, "passenger": -1, "power": -1, "speed": float("nan")}
    for trip in range(60):
        story.samples(60 * trip, 60 * trip + 20, 10, **{**bare, "car_status": 1})
        story.samples(60 * trip + 30, 60 * trip + 50, 10, **bare)
    assert story.spoke() == set()


def test_a_backlog_is_no_wrong_clock() -> None:
    """Samples of an hour's link loss arrive together, with their own times: nothing is late, frozen or trapped."""
    story = Story()
    story.samples(0, 600, 30)
    for number, second in enumerate(range(630, 4_200, 30)):
        changes = (RUN, OPEN, {})[number % 3]
        story.sample(second, lag=4_200 - second + number * 0.001, **changes)
    story.samples(4_230, 5_000, 30)
    assert story.spoke() == {"offline"}


def test_the_night_of_an_office() -> None:
    """Out of service from the evening to the morning, dark and empty, with open doors."""
    story = Story()
    story.samples(0, 12 * 3_600, 60, service_mode=0, light=0, **OPEN)
    story.sample(12 * 3_600 + 60)
    assert story.spoke() == set()


@pytest.mark.parametrize("mode", [3, 4, 5, 6])
def test_open_doors_in_a_special_mode_are_meant(mode: int) -> None:
    """A car that stands open in fire return, firefighter, emergency power or earthquake mode is no held door."""
    story = Story()
    story.samples(0, 1_200, 30, service_mode=mode, **OPEN)
    story.sample(1_205)
    assert len(story.spoke()) == 1
    assert not story.spoke() & {"door-held-open", "door-close-failure", "entrapment-door-ajar"}
