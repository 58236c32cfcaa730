"""The shipped rules, told as stories of one lift: when each raises, when it does not, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from alarms.language.reader import default_rules
from hoistway.model import Opens
from tests.pure.alarms.story import Story

OPEN_AT_LANDING = {"door_zone": 1, "door_closed": 0, "door_status": 4, "passenger": 1}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A rule with a hold, what makes it true, false and unknown, and what clears it."""

    rule: str
    limit: float
    true: dict[str, Any]
    unknown: dict[str, Any]
    clear: dict[str, Any]
    clear_for: float
    loud: bool


FAULTS = (
    Fault(rule="entrapment-between-floors", limit=20, true={"passenger": 1, "door_zone": 0}, unknown={"passenger": -1, "door_zone": 0},
          clear=OPEN_AT_LANDING, clear_for=2, loud=True),
    Fault(rule="entrapment-at-landing", limit=60, true={"passenger": 1}, unknown={"passenger": -1},
          clear=OPEN_AT_LANDING, clear_for=2, loud=True),
    Fault(rule="entrapment-door-ajar", limit=45,
          true={"passenger": 1, "door_zone": 0, "door_closed": 0, "door_status": 6},
          unknown={"passenger": -1, "door_zone": 0, "door_closed": 0, "door_status": 6},
          clear=OPEN_AT_LANDING, clear_for=2, loud=True),
    Fault(rule="entrapment-possible", limit=45, true={"passenger": -1, "door_zone": 0}, unknown={"passenger": -1, "door_zone": -1},
          clear=OPEN_AT_LANDING, clear_for=2, loud=True),
    Fault(rule="stopped-outside-zone", limit=45, true={"door_zone": 0}, unknown={"door_zone": 0, "speed": 1.0},
          clear={}, clear_for=2, loud=False),
    Fault(rule="door-open-while-running", limit=2,
          true={"car_status": 1, "speed": 1.0, "door_zone": 0, "door_closed": 0, "door_status": 4},
          unknown={"car_status": 1, "speed": 1.0, "door_zone": 0, "door_closed": 1, "door_status": 4},
          clear={}, clear_for=5, loud=False),
)  # fmt: skip
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.rule)


@each_fault
def test_raises_exactly_at_the_limit(fault: Fault) -> None:
    """Samples from the first on raise at the limit, not one sample before."""
    story = Story()
    story.samples(0, fault.limit - 0.5, 0.5, **fault.true)
    assert story.said(fault.rule) == []
    story.sample(fault.limit, **fault.true)
    assert story.said(fault.rule) == [("raise", fault.limit)]
    assert story.starts(fault.rule) == [0]


@each_fault
def test_a_tick_raises_exactly_at_the_limit(fault: Fault) -> None:
    """One sample and then time: the hold completes at the limit however late the tick is."""
    for late in (0, 7.3):
        story = Story()
        story.sample(0, **fault.true)
        story.tick(fault.limit - 0.001)
        assert story.said(fault.rule) == []
        story.tick(fault.limit + late)
        assert story.said(fault.rule) == [("raise", fault.limit)]


@each_fault
def test_a_short_excursion_raises_nothing(fault: Fault) -> None:
    """A condition that ends just before the limit leaves no trace, and the next one starts from nothing."""
    story = Story()
    story.samples(0, fault.limit - 0.5, 0.5, **fault.true)
    story.sample(fault.limit - 0.001)
    story.sample(fault.limit, **fault.true)
    story.tick(2 * fault.limit - 0.001)
    assert story.said(fault.rule) == []


@each_fault
def test_unknown_keeps_the_hold_but_does_not_complete_it(fault: Fault) -> None:
    """While a signal is unknown nothing is raised; when it is true again past the limit, it is raised at that sample."""
    story = Story()
    story.sample(0, **fault.true)
    story.sample(1, **fault.unknown)
    story.tick(fault.limit + 10)
    assert story.said(fault.rule) == []
    story.sample(fault.limit + 11, **fault.true)
    assert story.said(fault.rule) == [("raise", fault.limit + 11)]
    assert story.starts(fault.rule) == [0]


@each_fault
def test_a_gap_is_unknown_never_true(fault: Fault) -> None:
    """More than three heartbeats after the last time it was true the hold is over, at exactly three it is not."""
    for silence, expected in ((90, 91.0), (90.001, 91.001 + fault.limit)):
        story = Story()
        story.sample(0, **fault.true)
        story.sample(1, **fault.true | fault.unknown)
        story.sample(1.0005, **fault.true | fault.unknown)
        story.sample(2, **fault.unknown)
        story.sample(silence if silence == 90 else 90.001, **fault.true)
        story.tick(300)
        raised = [told[1] for told in story.said(fault.rule) if told[0] == "raise"]
        assert raised == [90.0 if silence == 90 else 90.001 + fault.limit], expected


@each_fault
def test_an_alarm_during_inspection(fault: Fault) -> None:
    """In inspection an entrapment is raised as a notice and promoted when the mode ends; a ticket waits for the end."""
    story = Story()
    story.sample(0, service_mode=2, **fault.true)
    story.tick(fault.limit + 5)
    story.sample(fault.limit + 10, service_mode=2, **fault.true)
    assert story.said(fault.rule) == ([("raise", fault.limit, "demoted")] if fault.loud else [])
    story.sample(fault.limit + 12, service_mode=1, **fault.true)
    assert story.said(fault.rule)[-1] == ("promote" if fault.loud else "raise", fault.limit + 12)


@each_fault
def test_an_unknown_mode_is_no_inspection(fault: Fault) -> None:
    """In doubt the system is loud: with the mode unknown the alarm is raised in full."""
    story = Story()
    story.sample(0, **{**fault.true, "service_mode": 7})
    story.tick(fault.limit)
    assert story.said(fault.rule) == [("raise", fault.limit)]


@each_fault
def test_clears_after_its_own_hold_and_repeats(fault: Fault) -> None:
    """A clear must last; then the same fault raises again after the full limit."""
    story = Story()
    story.sample(0, **fault.true)
    story.tick(fault.limit)
    story.sample(80, **fault.clear)
    story.sample(80 + fault.clear_for - 0.001, **fault.true)
    assert story.said(fault.rule) == [("raise", fault.limit)]
    story.sample(90, **fault.clear)
    story.tick(90 + fault.clear_for)
    assert story.said(fault.rule)[1:] == [("clear", 90 + fault.clear_for)]
    story.sample(100, **fault.true)
    story.tick(100 + fault.limit)
    assert story.said(fault.rule)[2:] == [("raise", 100 + fault.limit)]


@each_fault
def test_a_restart_in_the_middle_of_a_hold(fault: Fault) -> None:
    """A hold that runs when the engine restarts completes as if nothing had happened."""
    story = Story()
    story.sample(0, **fault.true)
    story.restart()
    story.sample(fault.limit / 2, **fault.true)
    story.restart()
    story.tick(fault.limit)
    story.restart()
    story.tick(fault.limit + 1)
    assert story.said(fault.rule) == [("raise", fault.limit)]


@pytest.mark.parametrize("passenger", [1, 0, -1])
def test_an_express_run_is_no_stop(passenger: int) -> None:
    """Two minutes between floors at full speed raise nothing, whoever is inside."""
    story = Story()
    story.samples(0, 120, 5, car_status=1, speed=6.0, door_zone=0, passenger=passenger)
    story.sample(125, passenger=passenger)
    assert all(story.said(rule.id) == [] for rule in story.rules)


def test_a_contradicting_speed_leaves_movement_unknown() -> None:
    """Stopped by status but fast by speed is neither stopped nor running."""
    story = Story()
    story.samples(0, 80, 10, car_status=0, speed=2.0, door_zone=0, passenger=1)
    assert all(story.said(rule.id) == [] for rule in story.rules)


def test_a_doors_contradiction_does_not_free_anybody() -> None:
    """A door that says open and closed at once is unknown: it does not clear an entrapment."""
    story = Story()
    story.sample(0, passenger=1, door_zone=0)
    story.tick(20)
    story.samples(30, 80, 10, passenger=1, door_closed=0, door_status=2)
    assert story.said("entrapment-between-floors") == [("raise", 20)]


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


def test_power_lost_by_signal_or_by_event() -> None:
    """Either witness raises at once; both must be over for the clear."""
    story = Story()
    story.sample(0, power=2)
    story.event(1, "41")
    story.sample(10)
    story.sample(20)
    assert story.said("power-lost") == [("raise", 0)]
    story.event(21, "41", active=False)
    story.tick(26)
    assert story.said("power-lost") == [("raise", 0), ("clear", 26)]


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
    story.engine.listening(1_700_000_000_000 + 500_000)
    story.tick(679.999)
    assert story.said("offline") == []
    story.tick(680)
    assert story.said("offline") == [("raise", 680)]


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


def test_every_rule_is_complete() -> None:
    """Both languages, advice, a source, and the severity and case that an entrapment needs."""
    for rule in default_rules():
        assert set(rule.title) == set(rule.advice) == {"zh", "en"}
        assert rule.source
        if rule.id.startswith("entrapment"):
            assert (rule.severity, rule.opens) == ("critical", Opens.RESCUE)
