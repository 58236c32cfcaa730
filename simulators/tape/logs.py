"""Real logs as a tape: a CSV table and a mapping file that says which column is what. docs/record.md has the keys.

Every row becomes one complete sample of its device, or an event. A cell that cannot be used is unknown and counted by column; a row
without time or device is left out and counted. Pure: text in, items and counts out.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hoistway.errors import BadInput
from hoistway.model import EVENT_CODE, SIGNAL, Signal, SignalType
from simulators.tape.file import Item

ROWS_MOST: Final = 10_000_000
_EXPECTED: Final = "a mapping of a table (docs/record.md)"


class _Column(msgspec.Struct, forbid_unknown_fields=True):
    column: str
    values: dict[str, Any] = {}
    factor: float = 1.0
    offset: float = 0.0
    decimal: str = "."


class _Time(msgspec.Struct, forbid_unknown_fields=True):
    column: str
    format: str = "ms"  # ms, s, or strptime's
    zone: str = "UTC"
    start: str | None = None  # of a relative time: when its 0 was


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    column: str
    codes: dict[str, str]
    active: dict[str, bool] = {}
    active_column: str | None = None


class Table(msgspec.Struct, forbid_unknown_fields=True):
    """The mapping file."""

    time: _Time
    device: str | None = None  # the column; None: all rows are one device
    name: str = "log-1"  # of that one
    delimiter: str = ","
    carry: bool = False  # an empty cell means as before, not unknown
    signals: dict[str, _Column] = {}
    event: _Event | None = None


@dataclass(kw_only=True, slots=True)
class Counts:
    """What became of the rows."""

    rows: int = 0
    samples: int = 0
    events: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # by why
    unusable: Counter[str] = field(default_factory=Counter)  # cells, by column


def mapping_of(text: str, *, source: str) -> Table:
    """Raises BadInput."""
    try:
        found = msgspec.convert(tomllib.loads(text), Table)
        ZoneInfo(found.time.zone)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ZoneInfoNotFoundError, ValueError) as error:
        raise BadInput(str(error), where=source, expected=_EXPECTED) from None
    unknown = [name for name in found.signals if name not in SIGNAL]
    codes = [code for code in (found.event.codes.values() if found.event else ()) if code not in EVENT_CODE]
    if unknown or codes or len(found.delimiter) != 1:
        raise BadInput(
            f"{[*unknown, *codes] or found.delimiter}", where=source, expected="signals and codes of docs/mqtt.md"
        )
    return found


def items_of(lines: Iterable[str], mapping: Table, *, source: str, counts: Counts) -> Iterator[Item]:
    """The table's rows as messages, in its own order. Raises BadInput for a table that has not the columns."""
    reader = csv.DictReader(lines, delimiter=mapping.delimiter)
    missing = _columns(mapping) - set(reader.fieldnames or ())
    if missing:
        raise BadInput(f"no column {', '.join(sorted(missing))}", where=source, expected=f"one of {reader.fieldnames}")
    seqs: Counter[tuple[str, str]] = Counter()
    before: dict[str, dict[str, Any]] = {}
    zone = ZoneInfo(mapping.time.zone)
    for row in reader:
        counts.rows += 1
        if counts.rows > ROWS_MOST:
            raise BadInput("too many rows", where=source, expected=f"at most {ROWS_MOST}")
        at, device = _moment(row, mapping, zone), (row.get(mapping.device) or "") if mapping.device else mapping.name
        if at is None or not device:
            counts.left_out["time" if at is None else "device"] += 1
            continue
        name = _plain(device)
        event = _event(row, mapping)
        if event is not None:
            counts.events += 1
            yield _item(name, "event", at, seqs, {"code": event[0], "active": event[1]})
        values = _values(row, mapping, counts)
        if mapping.carry:
            values = before[name] = {**before.get(name, {}), **values}
        if values:
            counts.samples += 1
            yield _item(name, "state", at, seqs, values)
        elif event is None:
            counts.left_out["nothing in it"] += 1


def _item(device: str, leaf: str, at: int, seqs: Counter[tuple[str, str]], values: Mapping[str, Any]) -> Item:
    seqs[device, leaf] += 1
    record = {"ts": at, "boot": 1, "seq": seqs[device, leaf], **values}
    return Item(at, 0, device, leaf, json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())


def _columns(mapping: Table) -> set[str]:
    event = mapping.event
    named = [mapping.time.column, mapping.device, *(signal.column for signal in mapping.signals.values())]
    named += [event.column, event.active_column] if event else []
    return {name for name in named if name is not None}


def _plain(name: str) -> str:
    """A device's name as the contract allows it."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "-" for sign in name)[:64]


def _moment(row: Mapping[str, Any], mapping: Table, zone: ZoneInfo) -> int | None:
    text, time = (row.get(mapping.time.column) or "").strip(), mapping.time
    try:
        if time.format in {"ms", "s"}:
            at = float(text) * (1_000 if time.format == "s" else 1)
            begin = 0.0
            if time.start is not None:
                start = datetime.fromisoformat(time.start)
                begin = (start if start.tzinfo else start.replace(tzinfo=zone)).timestamp() * 1_000
            return round(begin + at)
        found = datetime.strptime(text, time.format)  # noqa: DTZ007  (the mapping names the zone)
    except (ValueError, OverflowError):
        return None
    return round((found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC).timestamp() * 1_000)


def _event(row: Mapping[str, Any], mapping: Table) -> tuple[str, bool] | None:
    event = mapping.event
    if event is None or (code := event.codes.get((row.get(event.column) or "").strip())) is None:
        return None
    if event.active_column is None:
        return code, True
    return code, event.active.get((row.get(event.active_column) or "").strip(), True)


def _values(row: Mapping[str, Any], mapping: Table, counts: Counts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, column in mapping.signals.items():
        text = (row.get(column.column) or "").strip()
        if not text:
            continue
        value = _value(SIGNAL[name], text, column)
        if value is None:
            counts.unusable[column.column] += 1
        else:
            found[name] = value
    return found


def _value(signal: Signal, text: str, column: _Column) -> Any:
    """One cell; None when it cannot be used."""
    if column.values:
        return column.values.get(text)
    if signal.type is SignalType.LABEL:
        return text if len(text) <= 4 else None
    if signal.type is SignalType.BOOL:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower())
    try:
        number = float(text.replace(column.decimal, ".")) * column.factor + column.offset
    except ValueError:
        return None
    if signal.type is SignalType.ENUM:
        known = {int(value) for value in signal.values or ()}
        return int(number) if number in known else None
    low, high = -1e300 if signal.low is None else signal.low, 1e300 if signal.high is None else signal.high
    return number if low <= number <= high else None
