"""The way in to many lifts from a CSV file: `rescue_code,gate_code,keys,machine_room,guard,guard_phone`.

A column that the file lacks and an empty cell leave what is there. Each line that cannot be used is named with its column and
what was expected; the others are written, a chunk a transaction.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.limits import IMPORT_ROWS
from hoistway.store import queries

FIELDS: Final = {"gate_code": 200, "keys": 200, "machine_room": 200, "guard": 200, "guard_phone": 40}
"""What may be said, with the most characters of each."""
KEY: Final = "rescue_code"
WRITER: Final = "hoistway lifts access"
"""Who wrote it, on the page of a lift."""
CHUNK_ROWS: Final = 5_000
_CODE: Final = re.compile(r"[0-9]{6}")
_SQL: Final = queries("hoistway.registry", "sql/access.sql")


@dataclass(kw_only=True, slots=True)
class Report:
    """What became of a file."""

    changed: int = 0
    unchanged: int = 0
    troubles: list[str] = field(default_factory=list)  # line, column, what was expected


async def import_access(connection: Any, text: str, now: datetime) -> Report:
    """Write the lines of a file. Raises `BadInput` for a file that cannot be read as a whole."""
    report = Report()
    try:
        rows = _read(text, report)
    except csv.Error as error:
        raise BadInput(str(error), where="the file", expected="CSV with commas") from error
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        async with connection.transaction():
            known = {
                row["rescue_code"] for row in await connection.fetch(_SQL["known"], [row[KEY] for _, row in chunk])
            }
            good = [row for _, row in chunk if row[KEY] in known]
            report.troubles += [
                _trouble(line, KEY, row[KEY], "a lift of the register") for line, row in chunk if row[KEY] not in known
            ]
            columns = [[row[name] for row in good] for name in (KEY, *FIELDS)]
            written = await connection.fetch(_SQL["write"], *columns, now, WRITER)
        report.changed += len(written)
        report.unchanged += len(good) - len(written)
    return report


def _read(text: str, report: Report) -> list[tuple[int, dict[str, str]]]:
    """Line numbers with cells; of two lines of one lift the last counts."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    given = [name.strip() for name in reader.fieldnames or ()]
    if KEY not in given or set(given) - {KEY, *FIELDS}:
        raise BadInput(f"columns {given}", where="line 1", expected=f"{KEY} and some of {', '.join(FIELDS)}")
    reader.fieldnames = given
    found: dict[str, tuple[int, dict[str, str]]] = {}
    for count, raw in enumerate(reader):
        if count >= IMPORT_ROWS:
            raise BadInput(f"more than {IMPORT_ROWS} rows", where="the file", expected="fewer")
        row = {name: (raw.get(name) or "").strip() for name in (KEY, *FIELDS)}
        if (wrong := _wrong(row)) is None:
            found[row[KEY]] = (reader.line_num, row)
        else:
            report.troubles.append(_trouble(reader.line_num, wrong[0], row[wrong[0]], wrong[1]))
    return list(found.values())


def _wrong(row: dict[str, str]) -> tuple[str, str] | None:
    """The first cell that cannot be used, and what was expected."""
    if not _CODE.fullmatch(row[KEY]):
        return KEY, "six digits"
    return next(
        (
            (name, f"at most {most} characters, and no NUL")
            for name, most in FIELDS.items()
            if len(row[name]) > most or "\0" in row[name]
        ),
        None,
    )


def _trouble(line: int, name: str, value: str, expected: str) -> str:
    return f"line {line}, {name}: {value[:40]!r}; expected {expected}"
