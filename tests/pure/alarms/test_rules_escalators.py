"""Escalators and moving walks beyond the table of holds."""

from __future__ import annotations

import pytest

from alarms.signals import BY_DEVICE, BY_RULE
from hoistway.model import Kind
from tests.pure.alarms.catalogue import Changes
from tests.pure.alarms.story import Story

WITNESSED = {
    "escalator-safety-chain": ("61", {"safety_chain": 1}),
    "escalator-overspeed": ("62", {"speed": 0.7, "handrail_left": 0.7, "handrail_right": 0.7}),
    "escalator-reversal": ("63", {"speed": -0.3}),
    "escalator-missing-step": ("64", {"step_missing": 1, "operation_status": 0}),
}
EVENT_ONLY = {"escalator-restart-prevented": "65", "escalator-emergency-stop": "emergency-stop"}


def escalator() -> Story:
    return Story(kind=Kind.ESCALATOR)


@pytest.mark.parametrize(("rule", "code", "true"), [(rule, *item) for rule, item in WITNESSED.items()])
def test_the_controllers_word_and_ours_are_one_alarm(rule: str, code: str, true: Changes) -> None:
    """The device raises at once, our rule joins as second witness, and the alarm ends when both are over."""
    story = escalator()
    story.sample(0)
    story.event(1, code)
    story.samples(2, 10, 1, **true)
    assert [told[0] for told in story.said(rule)] == ["raise", "change"]
    assert story.witnesses(rule) == [BY_DEVICE, BY_DEVICE | BY_RULE]
    story.event(11, code, active=False)
    story.samples(12, 40, 1)
    assert [told[0] for told in story.said(rule)] == ["raise", "change", "clear"]


@pytest.mark.parametrize(("rule", "code"), EVENT_ONLY.items())
def test_what_only_the_controller_knows(rule: str, code: str) -> None:
    """Raised and cleared with the event, once however often it is repeated, untouched by gaps, restarts and inspection."""
    story = escalator()
    story.sample(0, service_mode=2)
    story.event(1, code)
    story.event(2, code)
    story.restart()
    story.sample(400)
    assert story.said(rule) == [("raise", 1)]
    story.event(401, code, active=False)
    assert story.said(rule) == [("raise", 1), ("clear", 401)]


def test_an_ordinary_day_of_an_escalator() -> None:
    """Up at full and at reduced speed, down with either sign of the speed, at rest to save energy: nothing."""
    story = escalator()
    story.samples(0, 60, 5)
    story.samples(65, 120, 5, operation_direction=2, speed=0.2, handrail_left=0.2, handrail_right=0.21)
    story.samples(125, 180, 5, operation_direction=3, speed=-0.5, handrail_left=-0.51, handrail_right=-0.5)
    story.samples(185, 240, 5, operation_direction=3, speed=0.5, handrail_left=0.5, handrail_right=0.5)
    story.samples(245, 300, 5, operation_direction=3, speed=-0.5)
    story.samples(
        305, 400, 5, operation_status=0, operation_direction=0, speed=0.0, handrail_left=0.0, handrail_right=0.0
    )
    assert story.spoke() == set()


@pytest.mark.parametrize(
    ("changes", "raised"),
    [
        ({"handrail_left": 0.424}, True),
        ({"handrail_right": 0.58}, True),
        ({"handrail_left": 0.43}, False),
        ({"handrail_left": 0.43, "handrail_right": 0.57}, False),
        ({"handrail_right": float("nan")}, False),
        ({"handrail_left": 0.3, "handrail_right": float("nan")}, True),
        ({"handrail_left": 0.0, "operation_status": 0}, False),
        ({"speed": float("nan")}, False),
    ],
)
def test_either_handrail_more_than_fifteen_per_cent_off(changes: Changes, raised: bool) -> None:
    """Slower or faster, left or right; an unknown one does not excuse the other."""
    story = escalator()
    story.samples(0, 20, 5, **changes)
    assert ("escalator-handrail-deviation" in story.spoke()) is raised


def test_running_with_a_missing_step_is_the_worst() -> None:
    """Standing with a hole is major, running with one is critical, in one alarm."""
    story = escalator()
    story.samples(0, 5, 1, step_missing=1, operation_status=0)
    story.samples(6, 10, 1, step_missing=1)
    assert story.said("escalator-missing-step") == [("raise", 1), ("change", 7)]
    assert story.levels("escalator-missing-step") == [0, 1]


def test_a_mechanic_takes_steps_out() -> None:
    """In inspection an open chain, a missing step and a run backwards are work."""
    story = escalator()
    story.samples(0, 600, 10, service_mode=2, step_missing=1, safety_chain=1, speed=-0.2)
    story.sample(610)
    assert story.spoke() == set()


def test_over_speed_is_relative_to_the_nominal_speed() -> None:
    """1.2 times exactly is allowed."""
    for speed, raised in ((0.6, False), (0.61, True)):
        story = escalator()
        story.samples(0, 3, 1, speed=speed, handrail_left=speed, handrail_right=speed)
        assert ("escalator-overspeed" in story.spoke()) is raised
