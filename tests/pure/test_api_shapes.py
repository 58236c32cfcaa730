"""How stored values become documents, without a database."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from api import shapes
from api.exchange import rfc3339
from hoistway.model import SIGNAL


@pytest.mark.parametrize(
    ("running", "speed", "expected"),
    [
        (True, 1.0, True),
        (True, -1.0, True),
        (False, 0.0, False),
        (False, 0.05, False),
        (True, None, True),
        (False, None, False),
        (None, 0.06, True),
        (None, -0.01, False),
        (None, None, None),
        (True, 0.0, None),
        (False, 0.3, None),
    ],
)
def test_moving_has_two_witnesses(running: bool | None, speed: float | None, expected: bool | None) -> None:
    """One witness is enough; two that disagree leave it unknown."""
    assert shapes.moving(running, speed) is expected


def test_escalator_moves_by_its_own_word() -> None:
    """An escalator's witness is `operation_status`, a lift's is `car_status`."""
    values = {"operation_status": 1, "car_status": 0, "speed": None}
    assert shapes.moving_of("escalator", values) is True
    assert shapes.moving_of("lift", values) is False


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("speed", math.nan, None),
        ("speed", 0.30000001192092896, 0.3),
        ("passenger", -1, None),
        ("passenger", 0, False),
        ("passenger", 1, True),
        ("door_status", -1, None),
        ("door_status", 0, None),
        ("door_status", 4, 4),
        ("service_mode", 7, None),
        ("car_position", -1, None),
        ("car_position", 3, "B1"),
    ],
)
def test_unknown_is_null(name: str, stored: float, expected: object) -> None:
    """-1, NaN and a signal's own word for unknown are null; the rest is what the device said."""
    assert shapes.value(SIGNAL[name], stored, {3: "B1"}) == expected


def test_signals_belong_to_their_kind() -> None:
    """A lift has no handrail and an escalator has no door; both have a speed."""
    lift = {signal.name for signal in shapes.signals_of("lift")}
    escalator = {signal.name for signal in shapes.signals_of("escalator")}
    assert "handrail_left" not in lift
    assert "door_status" not in escalator
    assert "speed" in lift & escalator


def test_times_are_utc_with_milliseconds() -> None:
    """Any time zone is written as UTC with three decimals and a Z."""
    there = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=8)))
    assert rfc3339(there) == "2026-11-23T04:00:00.123Z"
    assert rfc3339(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
