"""Entries of the reference: what joins, compares and calculates."""

from __future__ import annotations

from typing import Final

from alarms.language.reference.entries import Entry, entry


def _comparison(sign: str, titles: tuple[str, str], meaning: str, answer: str) -> Entry:
    story = "0 light=true\n1 speed=1\n2 speed=2\n3 speed=1"
    return entry(sign, titles, meaning, (f'when = "speed {sign} 2"', story, answer), truth=(f"x {sign} 2",))


def _calculation(sign: str, titles: tuple[str, str], meaning: str, when: str, story: str) -> Entry:
    truth = (f"x {sign} 2 > 1",) if sign != "/" else ("x / 2 > 1", "x / 0 > 1")
    return entry(sign, titles, meaning, (f'when = "{when}"', story, "0 raise\n1 clear"), truth=truth)


OPERATORS: Final[tuple[Entry, ...]] = (
    entry(
        "or",
        ("或", "Or"),
        "True where one is true; binds loosest.",
        (
            'when = "not light or power == out"',
            "0 light=true power=mains\n1 power=out\n2 light=true power=mains",
            "1 raise\n2 clear",
        ),
        truth=("a or b",),
    ),
    entry(
        "and",
        ("与", "And"),
        "True where both are true.",
        (
            'when = "passenger and not light"',
            "0 passenger=true\n1 passenger=true light=false\n2 passenger=false",
            "1 raise\n2 clear",
        ),
        truth=("a and b",),
    ),
    entry(
        "not",
        ("非", "Not"),
        "The opposite; unknown stays unknown.",
        ('when = "not light"', "0 speed=0\n1 light=false\n2 light=true", "1 raise\n2 clear"),
        truth=("not a",),
    ),
    _comparison("==", ("等于", "Equal"), "Two numbers, or an enumeration and one of its words.", "2 raise\n3 clear"),
    _comparison(
        "!=", ("不等于", "Not equal"), "The opposite of `==`; unknown where that is.", "1 raise\n2 clear\n3 raise"
    ),
    _comparison("<", ("小于", "Less"), "Compares numbers.", "1 raise\n2 clear\n3 raise"),
    _comparison("<=", ("不大于", "At most"), "Compares numbers.", "1 raise"),
    _comparison(">", ("大于", "Greater"), "Compares numbers.", ""),
    _comparison(">=", ("不小于", "At least"), "Compares numbers.", "2 raise\n3 clear"),
    entry(
        "in",
        ("属于", "One of"),
        "Whether an enumeration has one of these words.",
        ('when = "power in (out, battery)"', "0 light=true\n1 power=battery\n2 power=mains", "1 raise\n2 clear"),
        truth=("e in (out, battery)",),
    ),
    entry(
        "not in",
        ("不属于", "None of"),
        "Whether an enumeration has none of these words; unknown where the signal is.",
        ('when = "power not in (out, battery)"', "0 light=true\n1 power=mains\n2 power=battery", "1 raise\n2 clear"),
        truth=("e not in (out, battery)",),
    ),
    _calculation("+", ("加", "Plus"), "Sum.", "load + 75 * people > 700", "0 load=500 people=3\n1 load=500 people=1"),
    _calculation(
        "-",
        ("减, 负号", "Minus"),
        "Difference, or before a number its negative.",
        "-speed - 1 > 0.5",
        "0 speed=-2\n1 speed=2",
    ),
    _calculation("*", ("乘", "Times"), "Product.", "speed * 2 > 3", "0 speed=2\n1 speed=1"),
    _calculation(
        "/",
        ("除", "Divided by"),
        "Quotient; by zero it is unknown.",
        "load / people > 120",
        "0 load=300 people=2\n1 load=100 people=1",
    ),
    entry(
        "( )",
        ("括号", "Parentheses"),
        "What is inside is worked out first.",
        (
            'when = "not (light or passenger)"',
            "0 light=false passenger=true\n1 light=false passenger=false\n2 light=true",
            "1 raise\n2 clear",
        ),
        truth=("not (a or b)",),
    ),
)
