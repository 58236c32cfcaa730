"""Entrapment, the alarm button, and the device's own word for it: beyond the table of holds."""

from __future__ import annotations

import pytest

from tests.pure.alarms.catalogue import AJAR, ENTRAPMENTS, OPEN_AT_LANDING, Fault
from tests.pure.alarms.story import Story

each_entrapment = pytest.mark.parametrize("fault", ENTRAPMENTS, ids=lambda fault: fault.rule)


def test_somebody_without_sensor_is_possibly_trapped() -> None:
    """With the person sensor unknown only the careful rule speaks, and it asks for a voice check."""
    story = Story()
    story.samples(0, 60, 10, passenger=-1, door_zone=0)
    assert story.said("entrapment-possible") == [("raise", 45)]
    assert story.said("entrapment-between-floors") == []
    assert story.rules[story.rules.index("entrapment-possible")].confirm_s == 60


def test_the_alarm_button_is_loud_at_once() -> None:
    """Code 90 raises at its own time, whether or not anything else is known, in every mode, and clears when the device says so."""
    for changes in (
        {},
        {"service_mode": 2},
        {"door_zone": 0},
        {"passenger": -1, "door_zone": -1, "door_closed": -1, "door_status": 0},
    ):
        story = Story()
        story.sample(0, **changes)
        story.event(3, "90")
        assert story.said("alarm-button") == [("raise", 3)]
        story.event(9, "90", active=False)
        assert story.said("alarm-button") == [("raise", 3), ("clear", 9)]


def test_the_alarm_button_is_filtered_at_open_doors() -> None:
    """A car that surely stands at a landing with open doors is no call; when the doors close on a pressed button, it is."""
    story = Story()
    story.sample(0, **OPEN_AT_LANDING)
    story.event(3, "90")
    assert story.said("alarm-button") == []
    story.sample(5, passenger=1)
    assert story.said("alarm-button") == [("raise", 5)]


def test_the_alarm_button_before_any_sample_and_after_a_gap() -> None:
    """Old values are unknown, and unknown does not filter the button."""
    story = Story()
    story.event(1, "90")
    assert story.said("alarm-button") == [("raise", 1)]
    story = Story()
    story.sample(0, **OPEN_AT_LANDING)
    story.event(90.001, "90")
    assert story.said("alarm-button") == [("raise", 90.001)]


def test_the_button_and_the_devices_own_entrapment_have_no_limit_in_time() -> None:
    """An event stays reported until the device takes it back; repeating it raises nothing new."""
    story = Story()
    story.event(1, "entrapment")
    story.event(2, "entrapment")
    story.sample(400)
    assert story.said("entrapment-reported") == [("raise", 1)]
    story.event(401, "entrapment", active=False)
    story.event(402, "entrapment")
    assert story.said("entrapment-reported")[1:] == [("clear", 401), ("raise", 402)]


def test_a_devices_entrapment_in_inspection_is_a_notice() -> None:
    """Never nothing: demoted in inspection, promoted when it ends."""
    story = Story()
    story.sample(0, service_mode=2)
    story.event(1, "entrapment")
    story.sample(5)
    assert story.said("entrapment-reported") == [("raise", 1, "demoted"), ("promote", 5)]


def test_silence_during_an_entrapment_hold_is_suspected() -> None:
    """A hold that can not complete because the sensor went unknown is not forgotten when the lift falls silent."""
    story = Story()
    story.sample(0, passenger=1, door_zone=0)
    story.sample(5, passenger=-1, door_zone=-1)
    story.tick(184)
    assert story.said("entrapment-suspected") == []
    story.tick(185)
    assert story.said("entrapment-suspected") == [("raise", 185)]
    story.sample(300)
    assert story.said("entrapment-suspected")[1:] == [("clear", 300)]


def test_a_lost_link_during_a_landing_hold_is_suspected_before_the_limit() -> None:
    """30 s after the link was lost the hold of 60 s still runs: suspected first, then trapped, each once."""
    story = Story()
    story.sample(0, passenger=1)
    story.link(5, online=False)
    story.tick(100)
    assert story.said("entrapment-suspected") == [("raise", 35)]
    assert story.said("entrapment-at-landing") == [("raise", 60)]


def test_a_quiet_lift_that_falls_silent_is_only_offline() -> None:
    """Without a hold nobody is suspected to be trapped."""
    story = Story()
    story.sample(0)
    story.tick(400)
    assert story.said("entrapment-suspected") == []


@each_entrapment
def test_an_entrapment_ends_only_with_an_open_door_at_a_landing(fault: Fault) -> None:
    """Neither a moving car, nor a door open between floors, nor a sensor that sees nobody any more frees anybody."""
    story = fault.story()
    fault.hold(story, 0, fault.limit)
    story.samples(fault.limit + 1, fault.limit + 11, 1, car_status=1, speed=1.0, door_zone=0)
    story.samples(fault.limit + 12, fault.limit + 22, 1, **AJAR)
    story.samples(fault.limit + 23, fault.limit + 43, 1, passenger=0)
    assert story.said(fault.rule) == [("raise", fault.limit)]
    story.samples(fault.limit + 50, fault.limit + 52, 1, **OPEN_AT_LANDING)
    assert story.said(fault.rule) == [("raise", fault.limit), ("clear", fault.limit + 52)]


@each_entrapment
def test_an_entrapment_outlives_a_gap_and_the_terminals_restart(fault: Fault) -> None:
    """A silence of an hour and a boot with nothing known close no case."""
    story = fault.story()
    fault.hold(story, 0, fault.limit)
    story.sample(
        3_600,
        service_mode=7,
        car_status=-1,
        speed=float("nan"),
        door_zone=-1,
        door_closed=-1,
        door_status=0,
        passenger=-1,
    )
    fault.hold(story, 3_601, 3_700)
    assert story.said(fault.rule) == [("raise", fault.limit)]


def test_a_terminal_that_starts_in_mid_floor_counts_from_its_first_word() -> None:
    """A first sample between floors with somebody inside is no entrapment yet; the full limit later it is."""
    story = Story()
    story.sample(1_000, passenger=1, door_zone=0)
    story.tick(1_019.999)
    assert story.spoke() == {"offline"}
    story.tick(1_020)
    assert story.said("entrapment-between-floors") == [("raise", 1_020)]


def test_a_restart_of_the_terminal_between_floors_keeps_the_hold() -> None:
    """A boot of some seconds, with a first sample that knows nothing, neither ends the hold nor completes it."""
    story = Story()
    story.sample(0, passenger=1, door_zone=0)
    story.sample(
        12, service_mode=7, car_status=-1, speed=float("nan"), door_zone=-1, door_closed=-1, door_status=0, passenger=-1
    )
    story.sample(25, passenger=1, door_zone=0)
    assert story.said("entrapment-between-floors") == [("raise", 25)]
    assert story.starts("entrapment-between-floors") == [0]


def test_a_lift_without_zone_sensor_is_judged_as_at_a_landing() -> None:
    """An unknown door zone does not hide a person behind a closed door."""
    story = Story()
    story.samples(0, 60, 10, passenger=1, door_zone=-1)
    assert story.said("entrapment-at-landing") == [("raise", 60)]
    assert story.said("entrapment-between-floors") == []


@pytest.mark.parametrize("rule", ["entrapment-between-floors", "entrapment-at-landing"])
def test_a_stuck_person_sensor_hides_nobody(rule: str) -> None:
    """It makes a notice of what happens at a landing; between floors the alarm stays a full one."""
    story = Story()
    for number in range(150):
        story.samples(100 * number, 100 * number + 50, 10, passenger=1, car_status=1, speed=1.0, door_zone=0)
        story.samples(100 * number + 60, 100 * number + 90, 10, **OPEN_AT_LANDING)
    assert [told[0] for told in story.said("person-sensor-stuck")] == ["raise"]
    off_level = rule == "entrapment-between-floors"
    story.samples(15_000, 15_060, 5, passenger=1, door_zone=0 if off_level else 1)
    expected = ("raise", 15_020) if off_level else ("raise", 15_060, "demoted")
    assert story.said(rule) == [expected]


def test_a_stuck_zone_sensor_makes_a_notice_of_a_parked_lift_without_person_sensor() -> None:
    """Such a lift looks off level at every stop: nothing is dispatched, and the desk still sees it."""
    story = Story()
    for number in range(11):
        story.samples(20 * number, 20 * number + 5, 1, passenger=-1, door_zone=0, car_status=1, speed=1.0)
        story.sample(20 * number + 6, passenger=-1, door_zone=0, door_closed=0, door_status=4)
        story.sample(20 * number + 10, passenger=-1, door_zone=0)
    assert [told[0] for told in story.said("door-zone-stuck")] == ["raise"]
    story.samples(230, 300, 10, passenger=-1, door_zone=0)
    assert story.said("entrapment-possible") == [("raise", 251, "demoted")]
    assert story.said("stopped-outside-zone") == []


def test_a_device_that_takes_its_word_back_ends_only_its_own_alarm() -> None:
    """What our own rule sees stays active when the terminal's flag disappears."""
    story = Story()
    story.samples(0, 20, 5, passenger=1, door_zone=0)
    story.event(21, "entrapment")
    story.event(30, "entrapment", active=False)
    assert story.said("entrapment-reported") == [("raise", 21), ("clear", 30)]
    assert story.said("entrapment-between-floors") == [("raise", 20)]


def test_the_button_is_no_entrapment_and_a_stuck_one_is_told_apart() -> None:
    """Half an hour of a pressed button adds a ticket for the button and changes nothing about the call."""
    story = Story()
    story.sample(0)
    story.event(3, "90")
    story.tick(3 + 1_800 - 0.001)
    assert story.said("alarm-button-stuck") == []
    story.tick(3 + 1_800)
    assert story.said("alarm-button-stuck") == [("raise", 1_803)]
    assert story.said("alarm-button") == [("raise", 3)]
    assert not [name for name in story.spoke() if name.startswith("entrapment")]
    story.event(1_900, "90", active=False)
    assert story.said("alarm-button-stuck") == [("raise", 1_803), ("clear", 1_900)]


def test_a_hold_of_ones_own_for_one_lift() -> None:
    """A lift's own number changes the limit of a rule for this lift."""
    story = Story(parameters={"for:entrapment-at-landing": 30})
    story.samples(0, 30, 5, passenger=1)
    assert story.said("entrapment-at-landing") == [("raise", 30)]


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("entrapment-door-ajar", {"passenger": 1, "door_closed": 0, "door_status": 2}),  # contradicts itself
        ("entrapment-door-ajar", {"passenger": 1, "door_closed": -1, "door_status": 0}),
        ("entrapment-possible", {"passenger": -1, "door_closed": 0, "door_status": 6}),
        ("entrapment-possible", {"passenger": -1, "door_closed": -1, "door_status": 0}),
    ],
)
def test_a_door_of_which_nothing_is_known_hides_nobody(rule: str, changes: dict[str, int]) -> None:
    """Between floors somebody, or perhaps somebody, is told whatever the door says or does not say."""
    story = Story()
    story.samples(0, 50, 5, door_zone=0, **changes)
    assert story.said(rule) == [("raise", 45)]
