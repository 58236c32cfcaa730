"""What three-valued logic, comparisons and arithmetic answer: the fast language and the slow one say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alarms.language.checker import condition
from alarms.language.syntax import Source
from alarms.program import Program, View
from alarms.signals import columns, unknown_samples
from hoistway.model import Kind
from tests.pure.slow_engine.expressions import read
from tests.pure.slow_engine.lift import effective, unknown


def asked(expression: str, values: dict[str, Any]) -> Any:
    """True, False or None by the fast language, after it has agreed with the slow one."""
    places = [(1, i + 1) for i in range(len(expression) + 1)]
    term = condition(Source(text=expression, rule="r", places=places), kind=Kind.LIFT, silent=False)
    row = unknown_samples(1)
    for name, value in values.items():
        if value is not None:
            row[name] = value
    program = Program([term])
    view = View(
        size=1, values=columns(row, program.signals), reported=np.array([0]), rated_speed=np.array([2.0], np.float32),
        parameters={"own": np.array([3.0], np.float32), "none": np.array([np.nan], np.float32)},
    )  # fmt: skip
    (truth,) = program.run(view)
    assert not (truth.true[0] and truth.false[0])
    found = True if truth.true[0] else False if truth.false[0] else None
    facts = {
        **effective({**unknown(), **values}),
        "reported": set(),
        "holding": set(),
        "rated_speed": 2.0,
        "parameters": {"own": 3.0},
    }
    assert read(expression)(facts) is found
    return found


T, F, U = True, False, None
TABLE = {  # a, b: and, or
    (T, T): (T, T), (T, F): (F, T), (T, U): (U, T), (F, T): (F, T), (F, F): (F, F), (F, U): (F, U),
    (U, T): (U, T), (U, F): (F, U), (U, U): (U, U),
}  # fmt: skip


@pytest.mark.parametrize(("a", "b"), list(TABLE))
def test_and_or_follow_the_table(a: bool | None, b: bool | None) -> None:
    """Three-valued logic as in SQL."""
    values = {"light": a, "passenger": b}
    assert (asked("light and passenger", values), asked("light or passenger", values)) == TABLE[a, b]


@pytest.mark.parametrize(
    ("expression", "answers"),
    [
        ("not light", (F, T, U)),
        ("surely(light)", (T, F, F)),
        ("possibly(light)", (T, F, T)),
        ("known(light)", (T, T, F)),
        ("unknown(light)", (F, F, T)),
        ("not surely(not light)", (T, F, T)),
        ("known(light and light)", (T, T, F)),
    ],
)
def test_functions_of_a_condition_follow_the_table(expression: str, answers: tuple[bool | None, ...]) -> None:
    """Each function for true, false and unknown."""
    assert tuple(asked(expression, {"light": value}) for value in (T, F, U)) == answers


@pytest.mark.parametrize(
    ("expression", "values", "answer"),
    [
        ("power == out", {"power": 2}, T),
        ("power == out", {"power": 1}, F),
        ("power == out", {}, U),
        ("power != out", {"power": 1}, T),
        ("power != out", {}, U),
        ("power in (out, battery)", {"power": 3}, T),
        ("power not in (out, battery)", {"power": 3}, F),
        ("power not in (out, battery)", {}, U),
        ("service_mode == normal", {"service_mode": 7}, U),
        ("known(service_mode)", {"service_mode": 7}, F),
        ("known(car_position)", {"car_position": 4}, T),
        ("speed > 1.2", {"speed": 1.2}, F),
        ("speed >= 1.2", {"speed": 1.2}, T),
        ("speed < 1.2", {}, U),
        ("speed == -2", {"speed": -2}, T),
        ("speed != 1", {}, U),
        ("-speed > 1 + 2 * 3 - 4 / 2", {"speed": -5.5}, T),
        ("speed / 0 > 1 or speed / 0 <= 1", {"speed": 1}, U),
        ("load * 1e38 > 0", {"load": 100}, U),
        ("unknown(speed / 0)", {"speed": 1}, T),
        ("abs(speed) > 1", {"speed": -2}, T),
        ("speed > rated_speed", {"speed": 2.5}, T),
        ('speed > param("own", 1)', {"speed": 2.5}, F),
        ('speed > param("none", 1)', {"speed": 2.5}, T),
        ('speed > param("none", -1) and 1 < 2', {"speed": 0}, T),
        ("not light and light or light", {"light": True}, T),
        ("not (light and not light)", {"light": True}, T),
        ("not speed > 1 and light", {"speed": 0, "light": True}, T),
        ("moving", {"car_status": 1, "speed": 0.0}, U),
        ("door_closed", {"door_status": 5}, T),
        ('reported("90")', {}, F),
    ],
)
def test_comparisons_and_arithmetic(expression: str, values: dict[str, Any], answer: bool | None) -> None:
    """Values, words, precedence, single precision, and unknown where nothing can be known; both engines agree."""
    assert (
        asked(expression, {name: float(np.float32(v)) if isinstance(v, float) else v for name, v in values.items()})
        is answer
    )
