"""Units and shifts from CSV files: parsed whole, every line that cannot be used named, then written in one transaction.

Units: `name,kind,firm,phone,lon,lat,lift_kinds,crews,round_the_clock,contacts,exercise`; a unit of a known name is changed.
Shifts: `unit,since,until,person`; times in RFC 3339. Columns that a file lacks keep their default. Lists are parted by `|`, a
contact is `name phone`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.limits import UNITS_IMPORT_ROWS
from hoistway.model import Kind, UnitKind
from hoistway.store import queries

SQL: Final = queries("dispatch", "sql/unit_file.sql")
UNIT_COLUMNS: Final = (
    "name", "kind", "firm", "phone", "lon", "lat", "lift_kinds", "crews", "round_the_clock", "contacts", "exercise",
)  # fmt: skip
SHIFT_COLUMNS: Final = ("unit", "since", "until", "person")
_YES: Final = {
    "yes": True,
    "1": True,
    "true": True,
    "是": True,
    "no": False,
    "0": False,
    "false": False,
    "否": False,
    "": False,
}


@dataclass(kw_only=True, slots=True)
class Report:
    """What became of a file."""

    written: int = 0
    troubles: list[str] = field(default_factory=list)  # line, column, what was expected


def read_rows(text: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of every row. Raises `BadInput` for a file without its first column or with one that is not known."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    given = [name.strip() for name in reader.fieldnames or ()]
    unknown = sorted(set(given) - set(columns))
    if columns[0] not in given or unknown:
        raise BadInput(
            f"columns {given}", where="line 1", expected=f"some of {', '.join(columns)}, {columns[0]} among them"
        )
    reader.fieldnames = given
    rows = [
        (reader.line_num, {name: (row.get(name) or "").strip() for name in columns if name in given}) for row in reader
    ]
    if len(rows) > UNITS_IMPORT_ROWS:
        raise BadInput(f"{len(rows)} rows", where="the file", expected=f"at most {UNITS_IMPORT_ROWS}")
    return rows


class _Cells:
    """The cells of one line, read by kind; the first that cannot be used raises `BadInput`."""

    def __init__(self, line: int, cells: Mapping[str, str]) -> None:
        self._line, self._cells = line, cells

    def text(self, name: str) -> str:
        return self._cells.get(name, "")

    def parsed(self, name: str, parse: Callable[[str], Any], expected: str, default: Any = None) -> Any:
        value = self.text(name)
        if not value:
            return default
        try:
            return parse(value)
        except (ValueError, KeyError) as error:
            raise BadInput(repr(value), where=f"line {self._line}, {name}", expected=expected) from error

    def refuse(self, name: str, expected: str) -> BadInput:
        return BadInput(repr(self.text(name)), where=f"line {self._line}, {name}", expected=expected)


def _within(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return parse


def _crews(value: str) -> int:
    return int(_within(1, 100)(value)) if value.isdigit() else int("")


def unit_of(line: int, given: Mapping[str, str], firms: Mapping[str, int]) -> dict[str, Any]:
    """One unit as its columns. Raises `BadInput` with line, column and what was expected."""
    cells = _Cells(line, given)
    if not cells.text("name"):
        raise cells.refuse("name", "a name")
    kind = cells.parsed("kind", UnitKind, "team or station", UnitKind.STATION)
    firm_id = cells.parsed("firm", firms.__getitem__, "a firm of the register")
    if kind is UnitKind.TEAM and firm_id is None:
        raise cells.refuse("firm", "the firm of a team")
    lon = cells.parsed("lon", _within(-180, 180), "degrees, WGS-84")
    lat = cells.parsed("lat", _within(-90, 90), "degrees, WGS-84")
    if (lon is None) is not (lat is None):
        raise cells.refuse("lat" if lat is None else "lon", "both of lon and lat, or none")
    kinds = cells.parsed("lift_kinds", lambda text: [Kind(word).value for word in text.split("|")], "lift|escalator")
    return {
        "name": cells.text("name"),
        "kind": kind.value,
        "firm_id": firm_id,
        "phone": cells.text("phone"),
        "lon": lon,
        "lat": lat,
        "lift_kinds": kinds or [kind.value for kind in Kind],
        "crews": cells.parsed("crews", _crews, "a whole number from 1 to 100", 1),
        "round_the_clock": cells.parsed("round_the_clock", lambda text: _YES[text.lower()], "yes or no", default=False),
        "exercise": cells.parsed("exercise", lambda text: _YES[text.lower()], "yes or no", default=False),
        "contacts": [_contact(text) for text in cells.text("contacts").split("|") if text.strip()],
    }


def _contact(text: str) -> tuple[str, str]:
    name, _, phone = text.strip().rpartition(" ")
    return (name, phone) if name else (phone, "")


def shift_of(line: int, given: Mapping[str, str], units: Mapping[str, int]) -> tuple[int, datetime, datetime, str]:
    """One shift: unit, from, to, person (or empty). Raises `BadInput` with line, column and what was expected."""
    cells = _Cells(line, given)
    unit = cells.parsed("unit", units.__getitem__, "a unit that is there")
    since = cells.parsed("since", _moment, "a time with its zone, 2026-11-23T20:00:00+08:00")
    until = cells.parsed("until", _moment, "a time with its zone, 2026-11-24T08:00:00+08:00")
    if unit is None or since is None or until is None or until <= since:
        raise cells.refuse("until", "unit, since and a later until")
    return unit, since, until, cells.text("person")


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


async def import_units(connection: Any, text: str) -> Report:
    """Write the units of a file; one line that cannot be used leaves the others alone."""
    report = Report()
    firms = {row["name"]: row["id"] for row in await connection.fetch(SQL["firms"])}
    async with connection.transaction():
        for line, cells in read_rows(text, UNIT_COLUMNS):
            try:
                unit = unit_of(line, cells, firms)
            except BadInput as error:
                report.troubles.append(str(error))
                continue
            contacts = unit.pop("contacts")
            unit_id = await connection.fetchval(SQL["put_unit"], *unit.values())
            for rank, (name, phone) in enumerate(contacts, 1):
                await connection.execute(SQL["put_contact"], unit_id, name, phone, rank)
            report.written += 1
    return report


async def import_shifts(connection: Any, text: str) -> Report:
    """Add the shifts of a file; one that is there already is not added again."""
    report = Report()
    units = {row["name"]: row["id"] for row in await connection.fetch(SQL["units"])}
    async with connection.transaction():
        for line, cells in read_rows(text, SHIFT_COLUMNS):
            try:
                unit_id, since, until, person = shift_of(line, cells, units)
            except BadInput as error:
                report.troubles.append(str(error))
                continue
            if await connection.fetchval(SQL["put_shift"], unit_id, since, until, person) is None:
                report.troubles.append(
                    f"line {line}, person: {person!r} is not of this unit, or the shift is there already"
                )
                continue
            report.written += 1
    return report
