"""What can be true, false or unknown: nothing that a record shows is called impossible, and the contradictions people write are found."""

from __future__ import annotations

from itertools import product
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alarms.language.checker import Term, condition
from alarms.language.reader import load
from alarms.language.static import ways as ways_module
from alarms.language.static.satisfiable import outcomes, possible
from alarms.language.static.ways import TRUE, TooManyWays, ways
from alarms.language.syntax import Source
from alarms.program import Program, View
from alarms.signals import columns, unknown_samples
from hoistway.model import SIGNAL, SIGNALS, DoorStatus, Kind, SignalType
from tests.pure.alarms import made_up_rules
from tests.pure.alarms.streams import Stream, fast, streams

T, F, U = True, False, None


def term_of(expression: str, *, silent: bool = False) -> Term:
    places = [(1, column + 1) for column in range(len(expression) + 1)]
    return condition(Source(text=expression, rule="r", places=places), kind=Kind.LIFT, silent=silent)


_NUMBERS = ("speed", "load", "people", "rated_speed", 'param("own", 1.5)', 'param("none", -2)', "clock_lag")
_LITERALS = ("0", "0.05", "1", "2", "3", "20", "200", "20000", "1e30", "0.1", "19.999999")
_CONDITIONS = (
    "moving", "passenger", "door_closed", "door_zone", "implausible", 'reported("90")', "power == mains", "power in (out, battery)",
    "car_status == running", "car_status == stopped", "door_status in (closed, locked)", "door_status != open", "known(car_position)",
    "known(speed)", "unknown(load / people)", "unknown(car_status)", "known(door_status)", "unknown(door_closed)",
)  # fmt: skip


def _sums(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})")
    return binary | inner.map(lambda part: f"abs({part})") | inner.map(lambda part: f"-({part})")


_number = st.recursive(st.sampled_from(_NUMBERS) | st.sampled_from(_LITERALS), _sums, max_leaves=3)
_comparison = st.tuples(_number, st.sampled_from(("<", "<=", ">", ">=", "==", "!=")), _number).map(" ".join)
_expression = st.recursive(
    st.sampled_from(_CONDITIONS) | _comparison,
    lambda inner: (
        st.tuples(inner, st.sampled_from((" and ", " or ")), inner).map(lambda parts: f"({''.join(parts)})")
        | st.tuples(st.sampled_from(("not ", "surely", "possibly", "known", "unknown")), inner).map(
            lambda pair: f"{pair[0]}({pair[1]})"
        )
    ),
    max_leaves=6,
)


@st.composite
def _samples(draw: st.DrawFn) -> Any:
    """A few rows within what a device may send, at the ends of ranges as often as between."""
    rows = unknown_samples(6)
    for row in rows:
        for name in (
            "moving",
            "passenger",
            "door_zone",
            "door_closed",
            "car_status",
            "door_status",
            "power",
            "car_position",
        ):
            signal = SIGNAL.get(name)
            values = [-1, *(int(word) for word in signal.values)] if signal and signal.values else [-1, 0, 1]
            if signal:
                row[name] = draw(st.sampled_from(values))
        for name in ("speed", "load", "people"):
            low, high = SIGNAL[name].low or 0, SIGNAL[name].high or 0
            row[name] = draw(
                st.sampled_from((np.nan, 0.0, 0.05, 1.0, 2.0, 3.0, low, high)) | st.floats(low, high, width=32)
            )
        row["field_faults"] = draw(st.sampled_from((0, 0, 1)))
        row["received"] = draw(st.sampled_from((0, 1_000, -3_000)))
    return rows


@given(
    expression=_expression,
    rows=_samples(),
    rated=st.sampled_from((np.nan, 0.5, 4.0, 20.0)),
    own=st.sampled_from((0.0, -7.0, 3e38)),
)
def test_nothing_that_a_record_shows_is_called_impossible(expression: str, rows: Any, rated: float, own: float) -> None:
    """Whatever an expression is for some sample, is among its possible outcomes."""
    term = term_of(expression)
    program = Program([term])
    view = View(
        size=len(rows), values=columns(rows, program.signals), reported=np.arange(len(rows)) << 21, rated_speed=np.full(len(rows), rated, np.float32),
        parameters={"own": np.full(len(rows), own, np.float32), "none": np.full(len(rows), np.nan, np.float32)},
    )  # fmt: skip
    (truth,) = program.run(view)
    seen = {T if true else F if false else U for true, false in zip(truth.true, truth.false, strict=True)}
    assert seen <= outcomes(term)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(expression=made_up_rules._expression, stream=streams(20))
def test_nothing_that_the_engine_says_is_called_impossible(expression: str, stream: Stream) -> None:
    """The same for what remembers records, for hours and for floors: rules for true, false and unknown speak only where that is possible."""
    whens = {T: expression, F: f"not ({expression})", U: f"unknown({expression})"}
    text = "\n".join(
        made_up_rules.rule(id=f"is-{value}".lower(), when=when, opens="ticket") for value, when in whens.items()
    )
    with mock.patch("alarms.language.reader.refuse_dead"):
        rules = load(text, source="made-up.toml")
    answers = fast(rules, stream, cuts=set(range(len(stream.records))), ticks=set(), restarts=set())
    said = {item.rule for parts in answers.values() for part in parts for item in part if item.what == "RAISE"}
    assert said <= {f"is-{value}".lower() for value in outcomes(term_of(expression))}


_WITNESSES = (
    "passenger", "moving", "car_status == running", "speed > 1", "abs(speed) <= 0.05", "door_closed", "door_status == open", "implausible",
    "unknown(door_status)", "known(speed)", "door_status in (closed, locked)",
)  # fmt: skip
_logic = st.recursive(
    st.sampled_from(_WITNESSES),
    lambda inner: (
        st.tuples(inner, st.sampled_from((" and ", " or ")), inner).map(lambda parts: f"({''.join(parts)})")
        | st.tuples(st.sampled_from(("not ", "surely", "possibly", "known")), inner).map(lambda p: f"{p[0]}({p[1]})")
    ),
    max_leaves=5,
)


def _every_sample() -> Any:
    """Every combination of what a device may send, as far as `_WITNESSES` can tell it apart."""
    doors = [-1, 0, *(int(word) for word in DoorStatus)]
    combinations = list(product((-1, 0, 1), (-1, 0, 1), (np.nan, 0.0, 0.5, -0.5, 2.0), (-1, 0, 1), doors, (0, 1)))
    rows = unknown_samples(len(combinations))
    names = ("passenger", "car_status", "speed", "door_closed", "door_status", "field_faults")
    for name, column in zip(names, zip(*combinations, strict=True), strict=True):
        rows[name] = column
    return rows


@given(expression=_logic)
def test_nothing_impossible_is_called_possible_where_all_can_be_tried(expression: str) -> None:
    """For conditions about a car and its door the outcomes are exactly those that some sample has."""
    term, rows = term_of(expression), _every_sample()
    program = Program([term])
    view = View(
        size=len(rows), values=columns(rows, program.signals), reported=np.zeros(len(rows), np.int64),
        rated_speed=np.zeros(len(rows), np.float32), parameters={},
    )  # fmt: skip
    (truth,) = program.run(view)
    columns_of = {T: truth.true, F: truth.false, U: ~(truth.true | truth.false)}
    assert outcomes(term) == {value for value, column in columns_of.items() if column.any()}


@pytest.mark.parametrize(
    "expression",
    [
        "speed > 3 and speed < 2",
        "abs(speed) > 3 and speed < 3 and speed > -3",
        "abs(speed) > 30",
        "speed - 1 > 19.5",
        "abs(speed) < 0",
        "load * 2 > 40001",
        "speed / 0 > 1",
        "1 > 2",
        "power == mains and power == out",
        "power not in (mains, out, battery)",
        "passenger and not passenger",
        "passenger and (light or door_zone) and not passenger",
        "surely(passenger) and unknown(passenger)",
        "not possibly(passenger) and passenger",
        "known(speed) and unknown(speed)",
        "unknown(speed) and speed * 2 > 3",
        "unknown(speed) and speed > rated_speed",
        "speed > rated_speed and speed < rated_speed",
        "speed > rated_speed and rated_speed >= speed",
        "speed != speed",
        "rated_speed > 20",
        "moving and car_status == stopped",
        "moving and abs(speed) < 0.05",
        "moving and unknown(car_status) and unknown(speed)",
        "not moving and speed == 1",
        "door_closed and door_status == open",
        "not implausible and door_status == open and door_closed",
        "unknown(implausible)",
        "not implausible and car_status == running and speed == 0",
        "top_floor and unknown(car_position)",
        'count(passenger, "10m") > 5 and count(passenger, "10m") < 3',
        'count(passenger, "10m") > 5 and count(passenger, "10m") < 6',
        'count(passenger, "10m") < 0',
        'count(passenger, "720h") > 630',
        'unknown(count(passenger, "10m"))',
        "age(passenger) > 20 and not passenger",
        "age(passenger) >= 0 and unknown(passenger)",
        "age(passenger) < 0",
        "changed(power) and unknown(power)",
        'unknown(speed) and rate(speed, "1m") > 1',
        'since_reported("90") < 0',
        'unknown(reported("90"))',
        'during("08:00-09:00") and during("10:00-11:00")',
        'during("mon 22:00-06:00") and during("wed 00:00-24:00")',
        'not during("00:00-24:00")',
    ],
)
def test_what_nobody_can_fulfil_is_found(expression: str) -> None:
    """Intervals, words, contradictions, and what follows from the meaning of a function."""
    assert T not in outcomes(term_of(expression))


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("speed >= 20", {T, F, U}),
        ("speed > -30", {T, U}),
        ("known(light) or unknown(light)", {T}),
        ("implausible", {T, F}),
        ("possibly(speed > -30)", {T}),
        ('during("00:00-24:00")', {T}),
        ('during("mon 22:00-06:00") and during("tue 05:59-24:00")', {T, F}),
        ('param("a", 1) > 1e30', {T, F}),
        ("age(passenger) == 0 and passenger", {T, F, U}),
        ("moving and unknown(car_status)", {T, F, U}),
        ("moving and unknown(door_status) and door_closed", {T, F, U}),
        ("implausible and not moving", {T, F, U}),
        ("speed > rated_speed and speed != rated_speed", {T, F, U}),
        ("speed == speed", {T, U}),
        ('rate(speed, "1m") > 1e30', {T, F, U}),
        ('rate(speed, "1m") < -1', {T, F, U}),
        ("age(passenger) > 1000000", {T, F, U}),
        ("age(passenger) < 1 and not passenger", {T, F, U}),
        ('count(passenger, "720h") == 600', {T, F}),
        ('since_reported("41") > 1e9', {T, F}),
        ("load / speed > 100000", {T, F, U}),
        ("speed / load < -100000", {T, F, U}),
        ("load * 1e38 > 3e38", {T, F, U}),
        ("unknown(load * 1e38) and load > 100", {T, F, U}),
        ("unknown(moving) and speed == 1", {T, F, U}),
        ("unknown(door_closed) and door_status == open", {T, F, U}),
        ('unknown(count(passenger, "10m") * 1e38)', {T, F}),
        ('unknown(param("a", 1) * 2)', {T, F}),
        ("unknown(speed > rated_speed) and known(speed)", {T, F}),
        ("unknown(speed > rated_speed) and known(rated_speed)", {T, F}),
        ("not surely(speed > -30 and speed < 30)", {T, F}),
        ("unknown(speed > -30 and load < 30000)", {T, F}),
        ("possibly(abs(speed) > 30 or load < 0)", {T, F}),
        ("surely(not (abs(speed) > 30 or power not in (mains, out, battery)))", {T, F}),
        ("known(light and known(light))", {T}),
        ("light", {T, F, U}),
        ("unknown(light and passenger)", {T, F}),
    ],
)
def test_the_outcomes_of_an_expression(expression: str, answer: set[bool | None]) -> None:
    """No more is ruled out than can be."""
    assert outcomes(term_of(expression)) == answer


def test_too_many_ways_count_as_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be looked through is never refused."""
    names = [signal.name for signal in SIGNALS if signal.type is SignalType.BOOL and signal.kind is Kind.LIFT]
    choice = " and ".join(f"({names[index % len(names)]} or speed > {index})" for index in range(12))
    term = term_of(f"{choice} and speed > 3 and speed < 2")
    with pytest.raises(TooManyWays):
        ways(term, TRUE)
    assert possible((term, TRUE))
    monkeypatch.setattr(ways_module, "WAYS", 10**6)
    monkeypatch.setattr(ways_module, "_TRIALS", 10**6)
    assert not possible((term, TRUE))
