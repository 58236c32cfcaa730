"""One cell of text to one value, with what was repaired or what is wrong. Pure; knows no rows, no files.

`Cell.how` names a repair, `Cell.why` and `Cell.expected` a value that cannot be used. An empty cell has value None.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from hoistway.limits import IMPORT_FIELD_CHARS, SHARDS
from hoistway.model import Kind
from hoistway.wire import DEVICE, RESERVED_DEVICES


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    value: Any = None
    how: str = ""
    why: str = ""
    expected: str = ""


SPEED_UNITS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("m/s", "mps", "米/秒", "m/sec"), 1.0),
    **dict.fromkeys(("m/min", "mpm", "米/分", "米/分钟"), 1 / 60),
    **dict.fromkeys(("fpm", "ft/min", "英尺/分", "英尺/分钟"), 0.00508),
    "mm/s": 0.001,
}
LOAD_UNITS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("kg", "kgs", "公斤", "千克"), 1.0),
    **dict.fromkeys(("t", "吨"), 1000.0),
    **dict.fromkeys(("lb", "lbs", "磅"), 0.45359237),
}
SPEED_RANGE: Final = {Kind.LIFT: (0.1, 20.0), Kind.ESCALATOR: (0.1, 2.0)}
"""Rated speeds that exist, in m/s: platform lifts to the fastest towers; escalators and moving walks."""
LOAD_RANGE_KG: Final = (40.0, 20_000.0)

_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(
        ("lift", "elevator", "电梯", "垂直电梯", "直梯", "客梯", "乘客电梯", "货梯", "曳引驱动电梯"), Kind.LIFT
    ),
    **dict.fromkeys(("escalator", "moving walk", "扶梯", "自动扶梯", "自动人行道"), Kind.ESCALATOR),
}
_TRUE: Final = ("true", "yes", "y", "1", "是", "城区", "urban")
_FALSE: Final = ("false", "no", "n", "0", "否", "农村", "非城区", "rural")
_WGS: Final = ("wgs84", "wgs-84", "wgs 84", "epsg:4326", "cgcs2000", "cgcs-2000")
_GCJ: Final = ("gcj02", "gcj-02", "gcj", "火星坐标", "火星坐标系", "高德", "腾讯")

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\u200b]")
_BLANKS: Final = re.compile(r"[\s\u3000]+")
_NUMBER: Final = re.compile(r"([+-]?[\d.,' ]*\d)\s*([^\d\s.,].*)?")
_GROUPS: Final = re.compile(r"[+-]?\d{1,3}([.,' ]\d{3})+")
_SCIENTIFIC: Final = re.compile(r"\d(\.\d+)?e\+?\d+", re.IGNORECASE)
_DATE: Final = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?)?月?)?年?(?:[ T]\d{1,2}:\d{2}.*)?")
_COMPACT_DATE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})")
_DEGREES: Final = re.compile(r"(东经|西经|北纬|南纬|[EWNS])?\s*([+-]?\d+(?:[.,]\d+)?)\s*°?\s*([EWNS])?", re.IGNORECASE)


def text(raw: str) -> Cell:
    """Free text: blanks at the ends and doubled blanks go, control characters are a repair."""
    clean = _CONTROL.sub("", raw)
    value = _BLANKS.sub(" ", clean).strip()
    if len(value) > IMPORT_FIELD_CHARS:
        return Cell(why=f"{len(value)} characters", expected=f"at most {IMPORT_FIELD_CHARS} characters")
    return Cell(value=value or None, how="control characters removed" if clean != raw else "")


def _half_width(raw: str) -> tuple[str, str]:
    """(text as typed on a Western keyboard, how)."""
    clean = _CONTROL.sub("", raw).strip()
    value = unicodedata.normalize("NFKC", clean).strip().replace("\u2215", "/")
    return value, "full-width characters made half-width" if value != clean else ""


def code(raw: str, *, digits: int) -> Cell:
    """A code of exactly `digits` digits. Nothing is guessed: a lost leading zero cannot be told from a lost last digit."""
    value, how = _half_width(raw)
    if not value:
        return Cell()
    expected = f"exactly {digits} digits"
    if _SCIENTIFIC.fullmatch(value):
        return Cell(why=f"{value!r} was rounded by a spreadsheet", expected=f"{expected}, the column kept as text")
    plain = value.lstrip("'").removesuffix(".0")
    plain = _BLANKS.sub("", plain)
    if plain != value:
        how = "; ".join(filter(None, (how, f"{value!r} read as {plain!r}")))
    if not plain.isascii() or not plain.isdigit():
        return Cell(why=f"{_short(value)} is not a number", expected=expected)
    if len(plain) != digits:
        return Cell(why=f"{_short(plain)} has {len(plain)} digits", expected=expected)
    return Cell(value=plain, how=how)


def device(raw: str) -> Cell:
    """A terminal's or gateway's name."""
    value, how = _half_width(raw)
    if not value:
        return Cell()
    if not DEVICE.fullmatch(value):
        return Cell(why=f"{_short(value)} cannot be a device name", expected="1 to 64 of A-Z a-z 0-9 _ -")
    if value in RESERVED_DEVICES:
        return Cell(why=f"{value!r} is an account of the platform itself", expected="another device name")
    return Cell(value=value, how=how)


def phone(raw: str) -> Cell:
    """A telephone number, as written; a number that a spreadsheet rounded is of no use."""
    value, how = _half_width(raw)
    if _SCIENTIFIC.fullmatch(value):
        return Cell(why=f"{value!r} was rounded by a spreadsheet", expected="the digits, the column kept as text")
    plain = value.removesuffix(".0")
    cell = text(plain)
    return Cell(
        value=cell.value,
        how=how or (f"{value!r} read as {plain!r}" if plain != value else ""),
        why=cell.why,
        expected=cell.expected,
    )


def kind(raw: str) -> Cell:
    value, _ = _half_width(raw)
    if not value:
        return Cell()
    found = _KINDS.get(value.lower())
    if found is None:
        return Cell(why=f"{_short(value)} is no kind", expected="lift or escalator (电梯 / 自动扶梯)")
    return Cell(value=found, how="" if value == found else f"{value!r} read as {found.value!r}")


def yes_no(raw: str) -> Cell:
    value, _ = _half_width(raw)
    lower = value.lower()
    if not value or lower in _TRUE + _FALSE:
        return Cell(value=(lower in _TRUE) if value else None)
    return Cell(why=f"{_short(value)} is neither yes nor no", expected="true or false")


def shard(raw: str) -> Cell:
    value, how = _half_width(raw)
    plain = value.removesuffix(".0")
    if not value:
        return Cell()
    if not plain.isascii() or not plain.isdigit() or len(plain) > 3 or int(plain) >= SHARDS:
        return Cell(why=f"{_short(value)} is no shard", expected=f"an integer 0..{SHARDS - 1}, or empty")
    return Cell(value=int(plain), how=how)


def crs(raw: str) -> Cell:
    value, _ = _half_width(raw)
    lower = value.lower()
    if not value or lower in _WGS:
        return Cell(value="WGS-84" if value else None)
    if lower in _GCJ:
        return Cell(value="GCJ-02")
    return Cell(why=f"{_short(value)} is no known coordinate system", expected="WGS-84 or GCJ-02")


def degrees(raw: str) -> Cell:
    """A longitude or latitude in decimal degrees; a comma can only be the decimal sign."""
    value, how = _half_width(raw)
    if not value:
        return Cell()
    match = _DEGREES.fullmatch(value)
    if match is None:
        return Cell(why=f"{_short(value)} is not decimal degrees", expected="decimal degrees, for example 120.1551")
    side = (match.group(1) or match.group(3) or "").upper()
    number = float(match.group(2).replace(",", "."))
    if side in ("W", "S", "西经", "南纬"):
        number = -abs(number)
    return Cell(value=number, how=how or (f"{value!r} read as {number:g}" if side else ""))


def quantity(
    raw: str, *, units: Mapping[str, float], unit: str, target: str, low: float, high: float, decimal: str | None
) -> Cell:
    """A number with or without its unit, in `target`. `unit` is what a bare number is in. Out of range is never guessed."""
    value, how = _half_width(raw)
    if not value:
        return Cell()
    expected = f"{low:g}..{high:g} {target}"
    match = _NUMBER.fullmatch(value)
    if match is None:
        return Cell(why=f"{_short(value)} is not a number", expected=expected)
    number, note = _number(match.group(1), decimal)
    if number is None:
        return Cell(why=f"{_short(value)} is not a number", expected=expected)
    written = (match.group(2) or "").strip().lower().rstrip(".")
    factor = units.get(written or unit)
    if factor is None:
        return Cell(why=f"unit {_short(written)} is not known", expected=f"{expected}, or one of {', '.join(units)}")
    result = round(number * factor, 4)
    if not low <= result <= high:
        hint = _hint(number, units, written or unit, low, high)
        return Cell(why=f"{_short(value)} would be {result:g} {target}", expected=expected + hint)
    if written:
        note = "; ".join(filter(None, (note, f"{value!r} read as {result:g} {target}")))
    return Cell(value=result, how="; ".join(filter(None, (how, note))))


def _hint(number: float, units: Mapping[str, float], unit: str, low: float, high: float) -> str:
    """Units in which a bare number would be possible: named, never chosen."""
    factor = units[unit]
    seen: dict[float, str] = {}
    for name, other in units.items():
        if other != factor and low <= number * other <= high:
            seen.setdefault(other, name)
    return f"; if it is in {' or '.join(seen.values())}, write the unit in the cell" if seen else ""


def _number(raw: str, decimal: str | None) -> tuple[float | None, str]:
    """(number, how). `decimal` is the sign the file is known to use; without one a point is a point and three digits
    after a comma are thousands."""
    plain = raw.replace(" ", "").replace("'", "")
    points, commas = plain.count("."), plain.count(",")
    note = ""
    if points and commas:
        last = max(plain.rfind("."), plain.rfind(","))
        thousands = "," if plain[last] == "." else "."
        note = "thousands separator removed"
        plain = plain.replace(thousands, "").replace(",", ".")
    elif commas or points:
        sign = "," if commas else "."
        grouped = _GROUPS.fullmatch(plain) is not None and sign != (decimal or ".")
        if grouped or plain.count(sign) > 1:
            plain, note = plain.replace(sign, ""), "thousands separator removed"
        elif sign != (decimal or "."):
            note = "decimal comma read as a point" if sign == "," else "point read as the decimal sign"
        plain = plain.replace(",", ".")
    try:
        return float(plain), note
    except ValueError:
        return None, ""


def day(raw: str, *, latest: date, year_only: bool = False) -> Cell:
    """A day; of a year or month alone its first day (no repair when the column holds years). Not after `latest`."""
    value, how = _half_width(raw)
    value = value.removesuffix(".0")
    if not value:
        return Cell()
    expected = f"a day like 2012-03-05, not after {latest.isoformat()}"
    match = _COMPACT_DATE.fullmatch(value) or _DATE.fullmatch(value)
    if match is None:
        return Cell(why=f"{_short(value)} is not a day", expected=expected)
    year, month, of_month = (int(part or 1) for part in match.groups())
    try:
        found = date(year, month, of_month)
    except ValueError:
        return Cell(why=f"{_short(value)} is not a day", expected=expected)
    if not date(1850, 1, 1) <= found <= latest:
        return Cell(why=f"{_short(value)} cannot be", expected=expected)
    if match.group(3) is None and not (year_only and match.group(2) is None):
        how = how or f"{value!r} read as {found.isoformat()}"
    return Cell(value=found, how=how)


def floors(raw: str) -> Cell:
    """The floor table from the bottom, as displayed: `B1|1|2|3`."""
    value, how = _half_width(raw)
    if not value:
        return Cell()
    expected = "displayed floors from the bottom, 1 to 4 characters each, like B1|1|2|3"
    separator = "|"
    if "|" not in value:
        separator = next((sign for sign in ("、", ";", ",", "/", " ") if sign in value), "|")
        if separator != "|":
            how = "; ".join(filter(None, (how, f"floors separated by {separator!r}")))
    labels = tuple(part.strip() for part in value.split(separator))
    bad = next((label for label in labels if not 1 <= len(label) <= 4), None)
    if bad is not None:
        return Cell(why=f"{_short(bad)} is no displayed floor", expected=expected)
    if len(set(labels)) != len(labels):
        return Cell(why="a floor is there twice", expected=expected)
    return Cell(value=labels, how=how)


def _short(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:37] + "...")
