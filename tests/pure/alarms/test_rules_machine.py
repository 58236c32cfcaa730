"""Drive, position, safety chain, temperature, supply: beyond the table of holds."""

from __future__ import annotations

import pytest

from alarms.signals import BY_DEVICE, BY_RULE
from tests.pure.alarms.catalogue import OPEN, OPEN_AT_LANDING, RUN, Changes
from tests.pure.alarms.story import BOTTOM, TOP, Story


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


EVENT_ONLY = {"platform-probe": "platform-probe", "position-lost": "07", "restart-prevented": "08"}


@pytest.mark.parametrize(("rule", "code"), EVENT_ONLY.items())
def test_what_only_the_controller_knows(rule: str, code: str) -> None:
    """Raised and cleared with the event, once however often it is repeated, untouched by gaps, restarts and inspection."""
    story = Story()
    story.sample(0, service_mode=2)
    story.event(1, code)
    story.event(2, code)
    story.restart()
    story.sample(400)
    assert story.said(rule) == [("raise", 1)]
    story.event(401, code, active=False)
    assert story.said(rule) == [("raise", 1), ("clear", 401)]


AT_TOP: Changes = {"car_position": TOP, "car_direction": 1, "door_zone": 0}
AT_BOTTOM: Changes = {"car_position": BOTTOM, "car_direction": 2, "door_zone": 0}


@pytest.mark.parametrize(
    ("rule", "code", "true"),
    [
        ("stopped-outside-zone", "04", {"door_zone": 0}),
        ("overspeed", "overspeed", {**RUN, "speed": 3.0}),
        ("top-overtravel", "top-overtravel", AT_TOP),
        ("bottom-overtravel", "bottom-overtravel", AT_BOTTOM),
        ("run-time-limit", "06", RUN),
        ("unintended-movement", "05", {**RUN, **OPEN}),
        ("safety-chain-open", "01", {**RUN, "safety_chain": 1}),
    ],
)
def test_the_controllers_word_and_ours_are_one_alarm(rule: str, code: str, true: Changes) -> None:
    """The device raises at once, our rule joins as second witness, and the alarm ends when both are over."""
    story = Story()
    story.samples(0, 1, 1, **OPEN)
    story.event(1.5, code)
    story.samples(2, 702, 5, **true)
    assert [told[0] for told in story.said(rule)] == ["raise", "change"]
    assert story.said(rule)[0] == ("raise", 1.5)
    assert story.witnesses(rule) == [BY_DEVICE, BY_DEVICE | BY_RULE]
    story.event(703, code, active=False)
    story.samples(704, 724, 1, safety_chain=0)
    assert [told[0] for told in story.said(rule)] == ["raise", "change", "clear"]


def test_a_controllers_word_in_inspection_waits() -> None:
    """What a mechanic makes the controller say is no ticket; what still stands when he leaves is one."""
    story = Story()
    story.sample(0, service_mode=2)
    story.event(1, "04")
    story.sample(30, service_mode=2)
    assert story.said("stopped-outside-zone") == []
    story.sample(60)
    assert story.said("stopped-outside-zone") == [("raise", 60)]


@pytest.mark.parametrize(("rule", "true"), [("top-overtravel", AT_TOP), ("bottom-overtravel", AT_BOTTOM)])
def test_an_over_travel_is_not_told_twice(rule: str, true: Changes) -> None:
    """While it stands, "stopped outside the zone" is held back; both are over when the car is level."""
    story = Story()
    story.samples(0, 120, 5, **true)
    assert story.spoke() == {rule}
    story.samples(125, 130, 1, door_zone=1, car_position=true["car_position"])
    assert story.said(rule)[1:] == [("clear", 127)]


@pytest.mark.parametrize(
    "changes",
    [
        {"car_position": TOP, "car_direction": 2},  # leaves the top
        {"car_position": BOTTOM, "car_direction": 1},
        {"car_position": 5, "car_direction": 1},  # another floor
        {"car_position": -1, "car_direction": 1},
        {"car_position": TOP, "car_direction": 0},
    ],
)
def test_a_stop_elsewhere_is_no_over_travel(changes: Changes) -> None:
    """Only outward at the end of the shaft."""
    story = Story()
    story.samples(0, 44, 2, door_zone=0, **changes)
    assert story.spoke() == set()


def test_over_travel_needs_the_floor_table() -> None:
    """A lift whose floors nobody entered is never said to be at its top."""
    story = Story()
    story.engine.set_fleet([story.slot], [False], [1.75], {})
    story.samples(0, 40, 5, **AT_TOP)
    assert story.spoke() == set()


@pytest.mark.parametrize(
    ("rated", "speed", "raised"),
    [(1.75, 2.1, False), (1.75, 2.11, True), (6.0, 7.0, False), (None, 5.0, True), (1.75, -2.11, True)],
)
def test_over_speed_is_relative_to_the_rated_speed(rated: float | None, speed: float, raised: bool) -> None:
    """Up or down, more than 1.2 times what the register says."""
    story = Story(rated=rated)
    story.samples(0, 2, 0.5, **{**RUN, "speed": speed})
    assert ("overspeed" in story.spoke()) is raised


def test_over_speed_of_a_lift_whose_rated_speed_is_unknown() -> None:
    """Nothing can be said; a factor of its own changes the limit of one lift."""
    story = Story(rated=float("nan"))
    story.samples(0, 5, 0.5, **{**RUN, "speed": 9.0})
    assert story.spoke() == set()
    story = Story(rated=2.0, parameters={"overspeed_factor": 1.5})
    story.samples(0, 5, 0.5, **{**RUN, "speed": 2.9})
    assert story.spoke() == set()


def test_the_safety_chain_opens_in_a_run() -> None:
    """At once, off the zone only; it ends ten seconds after the chain is closed, not with the stop."""
    story = Story()
    story.sample(0, **RUN)
    story.sample(1, **RUN, safety_chain=1)
    assert story.said("safety-chain-open") == [("raise", 1)]
    story.samples(2, 30, 1, door_zone=0, safety_chain=1)
    assert story.said("safety-chain-open") == [("raise", 1)]
    story.samples(31, 45, 1, safety_chain=0)
    assert story.said("safety-chain-open") == [("raise", 1), ("clear", 41)]


@pytest.mark.parametrize(
    "changes", [{"door_zone": 1}, {"safety_chain": -1}, {"safety_chain": 0}, {"car_status": 0, "speed": 0.0}]
)
def test_what_is_no_open_chain_in_a_run(changes: Changes) -> None:
    """In the zone doors may open early; an unknown chain, a closed one and a car that stands say nothing."""
    story = Story()
    story.samples(0, 3, 1, **{**RUN, "safety_chain": 1, **changes})
    assert "safety-chain-open" not in story.spoke()


def test_a_safety_chain_in_inspection_waits() -> None:
    """A mechanic opens the chain all the time."""
    story = Story()
    story.samples(0, 5, 1, **RUN, safety_chain=1, service_mode=2)
    story.samples(6, 20, 1, safety_chain=0)
    assert story.said("safety-chain-open") == []


def test_vibration_climbs_and_stays_for_a_quarter_of_an_hour() -> None:
    """Three seconds of a rough ride are a ticket, a rougher one makes it major, and it ends after a quarter of an hour without any."""
    story = Story()
    story.sample(-1, vibration=0.01)
    story.samples(0, 2.5, 0.5, **RUN, vibration=0.26)
    assert story.spoke() == set()
    story.sample(3, **RUN, vibration=0.26)
    assert story.said("vibration") == [("raise", 3)]
    story.samples(4, 7, 1, **RUN, vibration=0.6)
    assert story.said("vibration")[1:] == [("change", 7)]
    story.samples(8, 900, 12, vibration=0.01)
    assert [told[0] for told in story.said("vibration")] == ["raise", "change"]
    story.samples(905, 930, 5, vibration=0.01)
    assert [told[0] for told in story.said("vibration")] == ["raise", "change", "clear"]
    assert story.levels("vibration") == [0, 1, 1]


@pytest.mark.parametrize("vibration", [0.25, float("nan")])
def test_a_good_ride_does_not_vibrate(vibration: float) -> None:
    """At the limit, unknown, at rest, or in inspection nothing is said."""
    story = Story()
    story.samples(0, 20, 1, **RUN, vibration=vibration)
    story.samples(21, 40, 1, vibration=0.6)
    story.samples(41, 60, 1, **RUN, vibration=0.6, service_mode=2)
    story.sample(61)
    assert story.spoke() == set()


def test_a_machine_room_grows_hot_and_cools_down() -> None:
    """Minor above 40, major above 50, unchanged between, over only when it is below 37 for five minutes."""
    story = Story()
    story.samples(0, 660, 30, temperature=41)
    story.samples(690, 900, 30, temperature=51)
    story.samples(930, 1_500, 30, temperature=45)
    story.samples(1_530, 1_800, 30, temperature=36)
    story.samples(1_829, 2_000, 30, temperature=38)
    assert story.said("machine-room-temperature") == [("raise", 600), ("change", 810)]
    story.samples(2_030, 2_330, 30, temperature=36)
    assert story.said("machine-room-temperature")[2:] == [("clear", 2_330)]


def test_the_light_of_an_empty_parked_car_may_be_off() -> None:
    """Dark and empty, dark without mains, dark in inspection: nothing. Dark and on the way: a ticket."""
    story = Story()
    story.samples(0, 60, 5, light=0)
    story.samples(65, 120, 5, light=0, passenger=-1)
    story.samples(125, 150, 5, light=0, passenger=1, service_mode=2)
    assert "car-light-out" not in story.spoke()
    story.samples(155, 165, 5, light=0, **RUN)
    assert story.said("car-light-out") == [("raise", 165)]
    story.sample(170, light=1)
    assert story.said("car-light-out")[1:] == [("clear", 170)]


def test_a_power_cut_is_one_alarm() -> None:
    """Dark, dead and silent, at a landing and empty: only the supply is told, and the terminal's battery when it is low."""
    story = Story()
    story.sample(0)
    story.event(10, "41")
    story.samples(11, 400, 30, power=2, light=0, battery=90)
    assert story.spoke() == {"power-lost"}
    story.samples(420, 500, 30, power=2, light=0, battery=19)
    assert story.spoke() == {"power-lost", "terminal-battery-low"}


def test_running_against_the_brake_for_less_than_a_stop() -> None:
    """The brake falls in while the car still moves its last centimetres; a lifted or unknown brake says nothing."""
    story = Story()
    story.samples(0, 20, 1, **RUN, brake=1)
    story.samples(21, 24, 1, **RUN, brake=0)
    story.samples(25, 40, 1, brake=0)
    story.samples(41, 60, 1, **RUN)
    assert story.spoke() == set()


def test_an_opening_at_the_landing_after_the_alarm_does_not_hide_it() -> None:
    """An unintended movement stays until the car is level or the door shut for five seconds."""
    story = Story()
    story.samples(0, 5, 1, **OPEN_AT_LANDING)
    story.samples(6, 10, 1, **RUN, **OPEN)
    assert story.said("unintended-movement") == [("raise", 7)]
    story.samples(11, 30, 1, **OPEN, door_zone=0)
    assert story.said("unintended-movement") == [("raise", 7)]
    story.samples(31, 40, 1, **OPEN_AT_LANDING)
    assert story.said("unintended-movement")[1:] == [("clear", 36)]
