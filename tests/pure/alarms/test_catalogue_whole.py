"""The catalogue as a whole: every rule is complete, tested and named in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alarms.language.reader import default_rules
from alarms.rules import Rule
from hoistway.model import EVENT_CODE, Kind, Opens, Severity
from tests.pure.alarms import (
    test_rules_doors,
    test_rules_entrapment,
    test_rules_escalators,
    test_rules_machine,
    test_rules_sensors,
    test_rules_terminal,
)
from tests.pure.alarms.catalogue import FAULTS

RULES = tuple(default_rules())
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)

WITHOUT_TABLE = {
    "alarm-button": test_rules_entrapment.test_the_alarm_button_is_loud_at_once,
    "alarm-button-stuck": test_rules_entrapment.test_the_button_is_no_entrapment_and_a_stuck_one_is_told_apart,
    "clock-frozen": test_rules_sensors.test_a_clock_that_stands_still,
    "door-close-failure": test_rules_doors.test_a_door_that_moves_for_fifteen_seconds,
    "door-contact-stuck": test_rules_sensors.test_ten_runs_without_a_change,
    "door-open-failure": test_rules_doors.test_a_door_that_moves_for_fifteen_seconds,
    "door-reversals": test_rules_doors.test_the_tenth_reversal_within_five_minutes,
    "door-zone-stuck": test_rules_sensors.test_ten_runs_without_a_change,
    "entrapment-reported": test_rules_entrapment.test_the_button_and_the_devices_own_entrapment_have_no_limit_in_time,
    "entrapment-suspected": test_rules_entrapment.test_silence_during_an_entrapment_hold_is_suspected,
    "escalator-emergency-stop": test_rules_escalators.test_what_only_the_controller_knows,
    "escalator-restart-prevented": test_rules_escalators.test_what_only_the_controller_knows,
    "offline": test_rules_terminal.test_offline_after_three_minutes_of_silence,
    "offline-long": test_rules_terminal.test_four_hours_of_silence_are_the_firms_work,
    "person-sensor-stuck": test_rules_sensors.test_a_person_for_four_hours_and_twenty_trips,
    "platform-probe": test_rules_machine.test_what_only_the_controller_knows,
    "position-lost": test_rules_machine.test_what_only_the_controller_knows,
    "power-lost": test_rules_machine.test_power_lost_by_signal_or_by_event,
    "records-late": test_rules_sensors.test_records_that_are_a_minute_late_for_five_minutes,
    "restart-prevented": test_rules_machine.test_what_only_the_controller_knows,
    "safety-chain-open": test_rules_machine.test_the_safety_chain_opens_in_a_run,
    "self-test-missed": test_rules_terminal.test_seventy_two_hours_without_a_test_call,
    "signals-often-implausible": test_rules_sensors.test_a_speed_that_stays_zero_in_every_run,
    "vibration": test_rules_machine.test_vibration_climbs_and_stays_for_a_quarter_of_an_hour,
}
"""Rules whose condition has no hold, or one that the table's stories do not fit: the test that raises and clears each."""


def test_every_rule_has_a_row_or_a_test_of_its_own() -> None:
    """A rule that is added is tested: in the table when it has a hold, else under its name."""
    rows = [fault.rule for fault in FAULTS]
    assert len(rows) == len(set(rows))
    assert not set(rows) & set(WITHOUT_TABLE)
    assert {rule.id for rule in RULES} == set(rows) | set(WITHOUT_TABLE)
    assert all(callable(test) for test in WITHOUT_TABLE.values())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.rule)
def test_the_table_says_what_the_rule_says(fault) -> None:
    """Limit, clearing hold and kind of the row are the rule's."""
    (rule,) = (rule for rule in RULES if rule.id == fault.rule)
    assert (rule.for_ms, rule.clear_for_ms) == (fault.limit * 1_000, fault.clear_for * 1_000)
    assert rule.kind in {fault.kind, None}


@each_rule
def test_every_rule_is_complete(rule: Rule) -> None:
    """Both languages, short advice, a source."""
    assert set(rule.title) == set(rule.advice) == {"zh", "en"}
    assert rule.source
    assert max(len(text) for text in rule.title.values()) <= 60
    assert max(len(text) for text in rule.advice.values()) <= 140
    assert re.search("[一-鿿]", rule.title["zh"] + rule.advice["zh"])
    assert rule.title["en"].isascii()


@each_rule
def test_rescues_are_critical_and_nothing_else_is_dispatched(rule: Rule) -> None:
    """Entrapments open a rescue, the button a call, all of them critical; the rest is a ticket or a notice."""
    loud = rule.id.startswith("entrapment") or rule.id == "alarm-button"
    assert loud is (rule.opens in {Opens.RESCUE, Opens.ALARM_CALL})
    assert not loud or rule.severity is Severity.CRITICAL
    assert loud or rule.confirm_s is None


@each_rule
def test_a_shield_hides_nobody(rule: Rule) -> None:
    """Between floors nothing is ever demoted by a sensor; the person sensor shields only what happens at a landing."""
    if rule.id in {"entrapment-between-floors", "entrapment-suspected", "entrapment-reported", "alarm-button"}:
        assert rule.shielded_by == ()
    elif rule.opens is Opens.RESCUE and "person-sensor-stuck" in rule.shielded_by:
        assert rule.id == "entrapment-at-landing"


def test_titles_are_told_apart() -> None:
    """No two rules have the same title in either language."""
    for language in ("zh", "en"):
        titles = [rule.title[language] for rule in RULES]
        assert len(titles) == len(set(titles))


def test_every_fault_code_and_alarm_code_raises_something() -> None:
    """Whatever a controller reports as a fault or an alarm is somebody's condition or witness."""
    heard = {code for rule in RULES for code in rule.witness}
    heard |= {
        code
        for rule in RULES
        for code in re.findall(r'reported\("([^"]+)"\)', f"{rule.when} {rule.clear} {rule.until}")
    }
    silent = {"42", "43"}
    """Out of service and inspection: the mode in the sample counts, and only when it lasts."""
    assert {code for code in EVENT_CODE if code not in heard} == silent


def test_there_is_something_for_both_kinds() -> None:
    """At least forty rules look at lifts, at least ten at escalators, and each file stays small enough to read."""
    assert sum(rule.kind in {Kind.LIFT, None} for rule in RULES) >= 40
    assert sum(rule.kind in {Kind.ESCALATOR, None} for rule in RULES) >= 10
    for file in Path(default_rules.__code__.co_filename).parents[1].glob("rules/*.toml"):
        assert len(file.read_text("utf-8").splitlines()) <= 300
