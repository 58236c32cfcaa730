"""Rules that can never be raised or never clear are refused; the strange ones that can, are not. The refused ones are listed in the generated page."""

from __future__ import annotations

import re
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alarms.language.reader import load
from alarms.language.reference.entries import complete
from hoistway.errors import RuleError
from tests.pure.alarms import made_up_rules
from tests.pure.alarms.streams import Stream, fast, streams

PLAIN = 'when = "passenger"\n'


def message(lines: str) -> str:
    """What is wrong with the rule; nothing if it goes live."""
    return refusal(complete(lines))


def refusal(text: str) -> str:
    try:
        load(text, source="test")
    except RuleError as error:
        assert re.search(r"\bexpected\b", error.message)
        return error.message
    return ""


@pytest.mark.parametrize(
    "lines",
    [
        'opens = "rescue"\nwhen = "passenger"\nunless = "1 < 2"',  # always a notice, never nothing
        'when = "known(light) or unknown(light)"\nuntil = "moving"\nfor = "1h"',
        'when = "moving"\nuntil = "passenger"\nfor = "1m"\nunless = "moving"',
        'silent_for = "180s"',
        "silent_for = '60s'\nwhen = 'unknown(passenger)'",
        PLAIN + 'clear = "known(light) or unknown(light)"\nclear_for = "10m"',  # ends by itself
        PLAIN + 'clear = "not passenger"',
        PLAIN + 'clear = "moving"',
        PLAIN + 'unless = "light and not light"',
        'when = "speed < 30"\nclear = "unknown(speed)"',
        'when = "surely(speed < 30)"',
        "when = 'speed > param(\"most\", 50)'",
        'when = "load > 100 * people"',
        'kind = "escalator"\nwhen = "abs(handrail_left - speed) > 0.15 * abs(speed)"',
        'kind = "any"\nwhen = "implausible and speed == 0"',
        'when = "age(moving) > 60 and not moving or light"',
        'when = \'during("mon 23:00-01:00") and during("tue 00:30-02:00")\'',
        'when = "temperature > 40"\n[[rule.level]]\nseverity = "critical"\nwhen = "temperature >= 150"',
        'when = "temperature > 40"\nwitness = ["04"]\nunless = "temperature > 60"',
    ],
)
def test_a_rule_that_some_record_fulfils_goes_live(lines: str) -> None:
    """Strange is not dead."""
    assert message(lines) == ""


@pytest.mark.parametrize(
    ("when", "column"),
    [
        ("surely(passenger and speed > 30)", 22),
        ("possibly(surely(speed > 30))", 17),
        ("light and not possibly(passenger or speed < 30)", 37),
        ("not surely(0 < 1 or speed > 30)", 12),
        ("(speed > 30 or load < 0) and light", 2),
        ("light and (door_zone and not light)", 12),
    ],
)
def test_the_part_that_cannot_be_is_named(when: str, column: int) -> None:
    """The column is that of the smallest part that can be named."""
    with pytest.raises(RuleError) as caught:
        load(complete(f'when = "{when}"'), source="test")
    assert caught.value.column == len('when = "') + column


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('silent_for = "60s"\nwhen = "link_lost and not link_lost"', "when: can never be true"),
        ('silent_for = "60s"\nwhen = "known(light) or unknown(light)"', "is always true; expected it left out"),
        ('silent_for = "60s"\nwhen = "power == out"\nunless = "power == out"', "unless: is true whenever"),
        ('silent_for = "60s"\nunless = "0 == 0"', "unless: is always true"),
        ('when = "moving"\nuntil = "not moving"\nfor = "9s"\nunless = "possibly(moving)"', "unless: is true whenever"),
        (
            'when = "temperature > 40"\nunless = "temperature > 60"\n[[rule.level]]\nseverity = "critical"\nwhen = "temperature > 70"',
            "unless: is true whenever",
        ),
        (
            'when = "temperature > 40"\n[[rule.level]]\nseverity = "critical"\nwhen = "temperature < 30"',
            "the alarm would clear while what raised it lasts",
        ),
        ('when = "1 < 2"\nclear = "moving"', "is always true; expected a condition that can be false"),
        (PLAIN + 'for = "20s"\nclear = "possibly(passenger)"\nclear_for = "20s"', "the alarm would clear while"),
        ("when = 'not possibly(passenger or light) and passenger'", "not together with what stands before it"),
        ("when = 'light or (passenger and not passenger)'", ""),
        ("when = 'not (light or speed < 30)'", "speed from -20 to 20 is compared with 30"),
    ],
)
def test_a_rule_that_does_nothing_is_refused(lines: str, words: str) -> None:
    """Silent rules, sequences and ladders; only a whole condition counts, not a part of an `or`."""
    assert message(lines) == "" if not words else words in message(lines)


_DOOMED = (
    "surely({0}) and not possibly({0})", "({0}) and unknown({0})", "({0}) and not ({0})", "age({0}) > 0 and not ({0})",
    "known(age({0})) and unknown({0})", 'count({0}, "10s") < 0', 'count({0}, "30s") > 1 and count({0}, "30s") < 2',
    "changed(speed) and unknown(speed)", 'known(rate(load, "10s")) and unknown(load)', "moving and car_status == stopped",
    'during("22:14-22:15") and during("22:16-23:00")', "not implausible and car_status == running and speed == 0", "abs(speed) > 30",
    "door_closed and door_status == open", "top_floor and unknown(car_position)", 'since_reported("41") < 0', "people < 0 or load / 0 > 1",
)  # fmt: skip
_doomed = st.builds(str.format, st.sampled_from(_DOOMED), made_up_rules._expression)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(doomed=_doomed, stream=streams(20), clears=st.booleans())
def test_a_refused_rule_would_have_done_nothing(doomed: str, stream: Stream, clears: bool) -> None:
    """Let through all the same, it is never raised, or never cleared, on any stream."""
    keys = {"when": "possibly(passenger)", "clear": doomed} if clears else {"when": doomed}
    text = made_up_rules.rule(id="doomed", opens="ticket", **keys)
    assert f"{'clear' if clears else 'when'}: can never be true" in refusal(text)
    with mock.patch("alarms.language.reader.refuse_dead"):
        rules = load(text, source="made-up.toml")
    answers = fast(rules, stream, cuts=set(range(len(stream.records))), ticks=set(), restarts=set())
    said = {item.what for parts in answers.values() for part in parts for item in part}
    assert ("CLEAR" if clears else "RAISE") not in said
