"""A day's list as a file: theirs read, ours written, CSV or JSON, in the columns of the form. Pure.

Every line that cannot be used is named with its column and what was expected; then nothing of the file is used, because a list with
holes would make differences that are none.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

from dispatch.citylink.form import Form
from dispatch.citylink.mapping import local
from dispatch.citylink.matching import Entry
from hoistway.errors import BadInput
from hoistway.limits import CITY_LIST_ROWS

TROUBLES_SHOWN: Final = 5
_TIME: Final = "%Y-%m-%d %H:%M:%S"
_CHARS: Final = 100


def day_bounds(form: Form, day: date) -> tuple[datetime, datetime]:
    """A day of the form's zone: its first moment, and the first of the next."""
    start = datetime(day.year, day.month, day.day, tzinfo=timezone(timedelta(minutes=form.zone_minutes)))
    return start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)


def read_list(form: Form, day: date, text: str) -> list[Entry]:
    """Their list, CSV with a header or a JSON array. Lines of another day are not `inside`. Raises BadInput."""
    rows = _json_rows(text) if text.lstrip("\ufeff").lstrip()[:1] in {"[", "{"} else _csv_rows(form, text)
    if len(rows) > CITY_LIST_ROWS:
        raise BadInput(f"{len(rows)} lines", where="file", expected=f"at most {CITY_LIST_ROWS}")
    first, last = day_bounds(form, day)
    entries, troubles = [], []
    for place, row in rows:
        try:
            entries.append(_entry(form, row, first, last))
        except BadInput as error:
            troubles.append(f"{place}: {error}")
    if troubles:
        more = f" and {len(troubles) - TROUBLES_SHOWN} more" if len(troubles) > TROUBLES_SHOWN else ""
        raise BadInput(
            "; ".join(troubles[:TROUBLES_SHOWN]) + more, where="file", expected="a list of which every line can be used"
        )
    return entries


def write_csv(form: Form, entries: Iterable[Entry]) -> str:
    """Our list as CSV, with the form's columns."""
    out = io.StringIO()
    rows = [_row(form, entry) for entry in entries]
    writer = csv.DictWriter(out, _columns(form), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write_json(form: Form, entries: Iterable[Entry]) -> str:
    """Our list as a JSON array, one object a line."""
    lines = [json.dumps(_row(form, entry), ensure_ascii=False) for entry in entries]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def _columns(form: Form) -> tuple[str, str, str, str]:
    return form.columns.id, form.columns.lift, form.columns.time, form.columns.code


def _row(form: Form, entry: Entry) -> dict[str, str]:
    at = local(datetime.fromtimestamp(entry.at_s, UTC), form.zone_minutes)
    return dict(zip(_columns(form), (entry.id, entry.lift, at, entry.code), strict=True))


def _csv_rows(form: Form, text: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    reader.fieldnames = given = [name.strip() for name in reader.fieldnames or ()]
    needed = _columns(form)[1:]
    if lacking := [name for name in needed if name not in given]:
        raise BadInput(f"no column {', '.join(lacking)}", where="line 1", expected=", ".join(_columns(form)))
    try:
        return [(f"line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise BadInput(str(error), where=f"line {reader.line_num}", expected="CSV") from None


def _json_rows(text: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
    try:
        found = json.loads(text.lstrip("\ufeff"))
    except ValueError as error:
        raise BadInput(str(error), where="file", expected="CSV with a header, or a JSON array of objects") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadInput("something else", where="file", expected="a JSON array of objects")
    return [(f"item {number}", row) for number, row in enumerate(found, 1)]


def _entry(form: Form, row: Mapping[str, Any], first: datetime, last: datetime) -> Entry:
    names = form.columns
    lift, code = _text(row, names.lift), _text(row, names.code)
    words = _text(row, names.time)
    zone = timezone(timedelta(minutes=form.zone_minutes))
    try:
        at = datetime.strptime(words, _TIME).replace(tzinfo=zone)
    except ValueError:
        raise BadInput(f"{words!r}", where=names.time, expected="yyyy-MM-dd HH:mm:ss") from None
    number = str(row.get(names.id) or "").strip()[:_CHARS]
    return Entry(id=number, lift=lift, at_s=int(at.timestamp()), code=code, inside=first <= at < last)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or len(text) > _CHARS or not text.isprintable():
        raise BadInput(f"{str(value)[:40]!r}", where=name, expected=f"a text of at most {_CHARS} characters")
    return text
