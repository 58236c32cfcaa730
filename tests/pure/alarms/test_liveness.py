"""Rules that can never be raised or never clear are refused; the strange ones that can, are not. The refused ones are listed in the generated page."""

from __future__ import annotations

import re

import pytest

from alarms.language.reader import load
from alarms.language.reference.entries import complete
from hoistway.errors import RuleError

PLAIN = 'when = "passenger"\n'


def message(lines: str) -> str:
    """What is wrong with the rule; nothing if it goes live."""
    try:
        load(complete(lines), source="test")
    except RuleError as error:
        assert re.search(r"\bexpected\b", error.message)
        return error.message
    return ""


@pytest.mark.parametrize(
    "lines",
    [
        'opens = "rescue"\nwhen = "passenger"\nunless = "1 < 2"',  # always a notice, never nothing
        'when = "known(light) or unknown(light)"\nuntil = "moving"\nfor = "1h"',
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
