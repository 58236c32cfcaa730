"""Single cells: what is read, what is repaired, what is refused, and with which words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.registry import cells

TODAY = date(2026, 1, 31)


def speed(raw: str, unit: str = "m/s", decimal: str | None = None) -> cells.Cell:
    return cells.quantity(raw, units=cells.SPEED_UNITS, unit=unit, target="m/s", low=0.1, high=20.0, decimal=decimal)


def load(raw: str, unit: str = "kg", decimal: str | None = None) -> cells.Cell:
    return cells.quantity(raw, units=cells.LOAD_UNITS, unit=unit, target="kg", low=40.0, high=20_000.0, decimal=decimal)


@pytest.mark.parametrize(
    ("raw", "value", "repaired"),
    [
        ("1.75", 1.75, False),
        ("1,75", 1.75, True),
        ("１．７５", 1.75, True),
        ("1.75m/s", 1.75, True),
        ("1.75 米/秒", 1.75, True),
        ("105 m/min", 1.75, True),
        ("200 fpm", 1.016, True),
        (" 2.5 ", 2.5, False),
    ],
)
def test_speed_is_read(raw: str, value: float, repaired: bool) -> None:
    """A rated speed is read in m/s whatever its digits, decimal sign and unit; anything but a plain number is said."""
    cell = speed(raw)
    assert (cell.value, bool(cell.how), cell.why) == (value, repaired, "")


@pytest.mark.parametrize("raw", ["0", "0.0", "-1", "105", "350", "fast", "1.7.5x", "3 knots", "1e3", "7000 fpm"])
def test_impossible_speed_is_not_guessed(raw: str) -> None:
    """No speed, an impossible one or an unknown unit gives no value, a reason and what was expected."""
    cell = speed(raw)
    assert cell.value is None
    assert cell.why
    assert "0.1..20 m/s" in cell.expected


def test_impossible_number_names_the_unit_it_may_be_in() -> None:
    """350 in a column of m/s is not taken for feet per minute, but the report says that it may be."""
    assert "fpm" in speed("350").expected
    assert "write the unit" in speed("350").expected


def test_7000_fpm_in_a_column_of_fpm() -> None:
    """7,000 feet per minute is faster than any lift, 0 slower than any."""
    assert speed("7000", unit="fpm").value is None
    assert speed("0", unit="fpm").value is None
    assert speed("350.0", unit="fpm") == cells.Cell(value=1.778)


@pytest.mark.parametrize(
    ("raw", "decimal", "value"),
    [
        ("1000公斤", None, 1000.0),
        ("1000 kg", None, 1000.0),
        ("2500 lbs", None, 1133.9809),
        ("1.05t", None, 1050.0),
        ("1,050", None, 1050.0),
        ("1.050", ",", 1050.0),
        ("1050,0", ",", 1050.0),
        ("1.050,5", None, 1050.5),
        ("1 050", None, 1050.0),
    ],
)
def test_load_is_read(raw: str, decimal: str | None, value: float) -> None:
    """A rated load is read in kg with units, thousands separators and the file's decimal sign."""
    assert load(raw, decimal=decimal).value == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("310115", "310115"),
        ("３１０１１５", "310115"),
        ("310 115", "310115"),
        ("310115.0", "310115"),
        ("'310115", "310115"),
    ],
)
def test_code_is_read(raw: str, value: str) -> None:
    """A rescue code survives full-width digits, blanks and what spreadsheets do to it."""
    assert cells.code(raw, digits=6).value == value


@pytest.mark.parametrize("raw", ["31011", "3101156", "31011A", "三一〇一一五", "3.1E+05", "-31011"])
def test_wrong_code_is_refused(raw: str) -> None:
    """A code with a digit too few, too many or none is never completed or cut."""
    cell = cells.code(raw, digits=6)
    assert cell.value is None
    assert cell.expected.startswith("exactly 6 digits")


def test_register_code_rounded_by_a_spreadsheet_is_named_so() -> None:
    """The usual accident with 20 digits gets its own words."""
    assert "rounded by a spreadsheet" in cells.code("3.3103E+19", digits=20).why


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("2012-03-05", date(2012, 3, 5)),
        ("2012/3/5", date(2012, 3, 5)),
        ("2012.03.05", date(2012, 3, 5)),
        ("2012年3月5日", date(2012, 3, 5)),
        ("20120305", date(2012, 3, 5)),
        ("2012-03-05 00:00:00", date(2012, 3, 5)),
        ("2012", date(2012, 1, 1)),
        ("2012年", date(2012, 1, 1)),
        ("2012年3月", date(2012, 3, 1)),
    ],
)
def test_day_is_read(raw: str, value: date) -> None:
    """Days as they are written in China, in Europe and by spreadsheets."""
    assert cells.day(raw, latest=TODAY).value == value


@pytest.mark.parametrize("raw", ["2999", "2026-02-01", "1776-07-04", "2012-13-01", "2012-02-30", "soon"])
def test_impossible_day_is_left_out(raw: str) -> None:
    """Nothing was installed after the file was written, nor before there were lifts."""
    cell = cells.day(raw, latest=TODAY)
    assert cell.value is None
    assert "2026-01-31" in cell.expected


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("B1|1|2|12A", ("B1", "1", "2", "12A")),
        ("Ｂ１|１|２", ("B1", "1", "2")),
        ("B1、1、2", ("B1", "1", "2")),
        ("1 | 2 | 3", ("1", "2", "3")),
        ("1", ("1",)),
    ],
)
def test_floors_are_read(raw: str, value: tuple[str, ...]) -> None:
    """The floor table keeps the displayed words in order."""
    assert cells.floors(raw).value == value


@pytest.mark.parametrize("raw", ["1|2|2", "1||2", "1|GROUND", "|"])
def test_wrong_floors_are_left_out(raw: str) -> None:
    """A floor that is there twice, empty or longer than a display is no table."""
    assert cells.floors(raw).value is None
    assert cells.floors(raw).why


@pytest.mark.parametrize(
    ("raw", "value"),
    [("120.1551", 120.1551), ("10,236206", 10.236206), ("120.15°E", 120.15), ("北纬30.25", 30.25), ("73.9 W", -73.9)],
)
def test_degrees_are_read(raw: str, value: float) -> None:
    """Coordinates with a decimal comma, a degree sign or a side of the world."""
    assert cells.degrees(raw).value == value


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (cells.kind, "train"),
        (cells.yes_no, "perhaps"),
        (cells.crs, "BD-09"),
        (cells.shard, "64"),
        (cells.shard, "-1"),
        (cells.device, "a/b"),
        (cells.device, "x" * 65),
        (cells.degrees, "north"),
    ],
)
def test_words_that_mean_nothing(parse: Any, raw: str) -> None:
    """A word outside the list gives a reason and the list."""
    cell = parse(raw)
    assert cell.value is None
    assert cell.why
    assert cell.expected


def test_text_is_cleaned() -> None:
    """Control characters go and are said, blanks are joined silently, Chinese punctuation stays."""
    assert cells.text("  a\u3000 b ") == cells.Cell(value="a b")
    assert cells.text("a\x00b") == cells.Cell(value="ab", how="control characters removed")
    assert cells.text("翠苑一区（东）").value == "翠苑一区（东）"


@given(st.text(max_size=60))
def test_no_cell_raises(raw: str) -> None:
    """Whatever stands in a cell, the answer is a value or a reason, never an exception."""
    for cell in (
        speed(raw),
        load(raw, decimal=","),
        cells.code(raw, digits=20),
        cells.day(raw, latest=TODAY),
        cells.floors(raw),
        cells.degrees(raw),
        cells.shard(raw),
        cells.device(raw),
        cells.kind(raw),
        cells.phone(raw),
    ):
        assert cell.value is None or not cell.why
