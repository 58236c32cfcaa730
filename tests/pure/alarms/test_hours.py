"""Hours of the week: local time, days, midnight, and clocks that are put forward or back."""

from __future__ import annotations

import numpy as np
import pytest

from alarms.engine import Engine
from alarms.language.reader import load
from alarms.language.reference.entries import Example, complete
from alarms.language.times import UTC, Zone, spans, within
from alarms.signals import Batch, unknown_samples
from tests.pure.alarms.told import MONDAY, answer_of, written

HOUR, MINUTE = 3_600_000, 60_000
SHANGHAI: Zone = ((-(2**62), 8 * HOUR),)
SPRING: Zone = ((-(2**62), HOUR), (MONDAY + HOUR, 2 * HOUR))
"""At 02:00 local time of the Monday the clock is put to 03:00."""
AUTUMN: Zone = ((-(2**62), 2 * HOUR), (MONDAY + HOUR, HOUR))
"""At 03:00 local time of the Monday the clock is put back to 02:00."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def inside(hours: str, at: str, zone: Zone = UTC) -> bool:
    """Whether a UTC time, as "tue 05:59:59.999", of the week of `MONDAY` lies in the hours."""
    found = spans(hours)
    assert found is not None
    day, clock = at.split()
    hour, minute, second = clock.split(":")
    ms = MONDAY + DAYS.index(day) * 24 * HOUR + int(hour) * HOUR + int(minute) * MINUTE + round(float(second) * 1_000)
    return bool(within(np.array([ms]), found, zone)[0])


@pytest.mark.parametrize(
    ("hours", "at", "answer"),
    [
        ("07:30-17:00", "mon 07:29:59.999", False),
        ("07:30-17:00", "mon 07:30:00", True),
        ("07:30-17:00", "mon 16:59:59.999", True),
        ("07:30-17:00", "mon 17:00:00", False),
        ("22:00-06:00", "mon 21:59:59.999", False),
        ("22:00-06:00", "mon 22:00:00", True),
        ("22:00-06:00", "tue 05:59:59.999", True),
        ("22:00-06:00", "tue 06:00:00", False),
        ("fri 22:00-06:00", "fri 05:00:00", False),
        ("fri 22:00-06:00", "sat 05:00:00", True),
        ("fri 22:00-06:00", "sat 22:00:00", False),
        ("sun 22:00-06:00", "mon 05:00:00", True),
        ("mon-fri 08:00-09:00", "fri 08:30:00", True),
        ("mon-fri 08:00-09:00", "sat 08:30:00", False),
        ("fri-mon 08:00-09:00", "sun 08:30:00", True),
        ("fri-mon 08:00-09:00", "tue 08:30:00", False),
        ("mon, wed-thu 08:00-09:00", "tue 08:30:00", False),
        ("mon, wed-thu 08:00-09:00", "thu 08:30:00", True),
        ("08:00-09:00; sun 00:00-24:00", "sun 23:59:59.999", True),
        ("08:00-09:00; sun 00:00-24:00", "sat 23:59:59.999", False),
        ("00:00-24:00", "wed 00:00:00", True),
        ("22:00-00:00", "mon 23:59:59.999", True),
        ("22:00-00:00", "tue 00:00:00", False),
    ],
)
def test_from_is_inside_to_is_not_and_midnight_belongs_to_the_day_before(hours: str, at: str, answer: bool) -> None:
    """To the millisecond, on each day that the hours name, by the day on which they began."""
    assert inside(hours, at) is answer


@pytest.mark.parametrize(
    ("hours", "at", "zone", "answer"),
    [
        ("mon 22:00-06:00", "mon 13:59:59.999", SHANGHAI, False),
        ("mon 22:00-06:00", "mon 14:00:00", SHANGHAI, True),
        ("mon 22:00-06:00", "mon 21:59:59.999", SHANGHAI, True),
        ("mon 00:00-08:00", "sun 16:00:00", SHANGHAI, True),  # when it is Sunday afternoon in UTC, it is Monday there
        ("mon 00:00-08:00", "mon 00:00:00", SHANGHAI, False),
        ("02:00-03:00", "mon 00:59:59.999", SPRING, False),
        ("02:00-03:00", "mon 01:00:00", SPRING, False),
        ("03:00-04:00", "mon 01:00:00", SPRING, True),
        ("02:00-03:00", "mon 00:30:00", AUTUMN, True),
        ("02:00-03:00", "mon 01:30:00", AUTUMN, True),
        ("02:00-03:00", "mon 02:00:00", AUTUMN, False),
    ],
)
def test_hours_are_those_of_the_citys_clock(hours: str, at: str, zone: Zone, answer: bool) -> None:
    """Also on the day on which the clock is put forward, when an hour does not exist, or back, when it comes twice."""
    assert inside(hours, at, zone) is answer


@pytest.mark.parametrize(
    "text",
    ["", "22:00", "22:00-22:00", "24:00-06:00", "22:60-23:00", "22:00-24:01", "2:00-3:00", "may 08:00-09:00", "mon- 08:00-09:00",
     "mon-tue-wed 08:00-09:00", "08:00-09:00;", "08:00 - 09:00", "Mon 08:00-09:00"],
)  # fmt: skip
def test_what_is_not_hours_is_refused(text: str) -> None:
    """No hours are guessed."""
    assert spans(text) is None


def test_the_time_of_the_record_counts_not_its_receipt() -> None:
    """A sample of the night that arrives in the morning is of the night, in the city's time."""
    rules = load(complete("when = 'light and during(\"22:00-06:00\")'"), source="test")
    for at, raised in ((MONDAY + 13 * HOUR, 0), (MONDAY + 15 * HOUR, 1)):
        engine = Engine(rules, capacity=1, zone=SHANGHAI)
        engine.set_fleet([0], [False], [1.0], {})
        row = unknown_samples(1)
        row["at"], row["received"], row["light"] = at, at + 10 * HOUR, 1
        assert len(engine.step(Batch.of(samples=row), at + 10 * HOUR)) == raised


def test_hours_count_at_an_event_too() -> None:
    """Long after the last sample, when every signal is unknown, during() is not; and it ends at its own time with the next record."""
    night = Example(
        rule='when = \'reported("41") and during("00:00-01:00")\'',
        story="0 light=true\n3000 event 41\n3599 light=true\n3600 light=true",
        answer="3000 raise by device\n3600 clear by device",
    )
    assert answer_of(night) == written(night.answer)
