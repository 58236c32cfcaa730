"""An hour of a simulated city under the whole catalogue: what is broken is said, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulators.faults.scripts import SCRIPTS, Fault
from simulators.scenario import Scenario, load
from tests.pure.alarms.simulated import Hour, played

MINUTE = 60_000
LIFTS = 50
QUIET = replace(load("quiet-hour"), lifts=LIFTS, escalators=6)


@pytest.fixture(scope="module")
def quiet() -> Hour:
    return played(QUIET)


def test_a_quiet_hour_is_silent(quiet: Hour) -> None:
    """Fifty lifts and six escalators in a busy hour with nothing broken raise nothing at all."""
    assert quiet.samples > 20_000
    assert quiet.truths == {}
    assert dict(quiet.raised) == {}


FAULTS = (
    Fault(
        kind="entrapment-between-floors",
        at_ms=2 * MINUTE,
        lift=3,
        alarm_button_after_ms=25_000,
        rescue_after_ms=8 * MINUTE,
    ),
    Fault(kind="entrapment-between-floors", at_ms=3 * MINUTE, person_sensor=False, rescue_after_ms=9 * MINUTE),
    Fault(kind="entrapment-at-landing", at_ms=4 * MINUTE, lift=7, rescue_after_ms=7 * MINUTE),
    Fault(kind="stopped-outside-zone", at_ms=5 * MINUTE, lift=11, rescue_after_ms=8 * MINUTE),
    Fault(kind="door-held-open", at_ms=3 * MINUTE, lift=13, lasts_ms=4 * MINUTE),
    Fault(kind="door-held-open", at_ms=3 * MINUTE, lift=14, lasts_ms=7 * MINUTE),
    Fault(kind="door-reversing", at_ms=6 * MINUTE, lift=17, lasts_ms=4 * MINUTE),
    Fault(kind="door-open-running", at_ms=7 * MINUTE, lift=19),
    Fault(kind="link-loss", at_ms=8 * MINUTE, lift=23, lasts_ms=6 * MINUTE),
    Fault(kind="power-cut", at_ms=9 * MINUTE, lift=41, lasts_ms=4 * MINUTE),
)
EXPECTED = {
    "entrapment-between-floors": {"entrapment-between-floors", "entrapment-possible", "alarm-button", "stopped-outside-zone"},
    "entrapment-at-landing": {"entrapment-at-landing"},
    "stopped-outside-zone": {"stopped-outside-zone", "entrapment-possible"},
    "door-held-open": {"door-held-open"},
    "door-reversing": {"door-reversals"},
    "door-open-running": {"door-open-while-running"},
    "link-loss": {"offline"},
    "power-cut": {"power-lost", "escalator-power-lost", "entrapment-between-floors", "entrapment-at-landing", "entrapment-possible",
                  "stopped-outside-zone"},
}  # fmt: skip
"""What a fault may raise. A car without a person sensor that stops between floors is possibly an entrapment, full or empty; an
entrapment between floors is a stop outside the zone as well; a power cut traps whoever is on the way."""
SURE = {
    "entrapment-at-landing": {"entrapment-at-landing"},
    "stopped-outside-zone": {"stopped-outside-zone"},
    "door-reversing": {"door-reversals"},
    "door-open-running": {"door-open-while-running"},
    "link-loss": {"offline"},
}
"""What it must raise, whatever is fitted."""


@pytest.fixture(scope="module")
def broken() -> Hour:
    story: Scenario = replace(QUIET, name="broken", faults=FAULTS)
    return played(story)


def test_every_kind_of_fault_is_played(broken: Hour) -> None:
    """The story holds each script of the simulator."""
    assert {truth["fault"] for truth in broken.truths.values()} == set(SCRIPTS) == set(EXPECTED)


def test_nothing_is_raised_but_what_is_broken(broken: Hour) -> None:
    """Each device raises only what its faults may raise; those without one raise nothing."""
    for device, rules in broken.raised.items():
        allowed = set().union(*(EXPECTED[t["fault"]] for t in broken.truths.values() if t["device"] == device))
        assert rules <= allowed, device


def test_what_is_broken_is_raised(broken: Hour) -> None:
    """Somebody inside is always told, with or without a person sensor; so is every fault that has a rule of its own."""
    for truth in broken.truths.values():
        said = broken.raised.get(truth["device"], set())
        assert SURE.get(truth["fault"], set()) <= said, truth
        if truth["fault"] == "entrapment-between-floors":
            assert ("entrapment-between-floors" if truth["person_sensor"] else "entrapment-possible") in said, truth
        if truth["fault"] == "power-cut":
            assert said & {"power-lost", "escalator-power-lost"}, truth


def test_a_door_held_for_four_minutes_is_silent_and_for_seven_is_told(broken: Hour) -> None:
    """The limit of five minutes lies between a trolley and a wedge."""
    held = sorted((t["to"] - t["from"], t["device"]) for t in broken.truths.values() if t["fault"] == "door-held-open")
    assert [bool(broken.raised.get(device)) for _, device in held] == [False, True]
