"""Payload bytes to records, and records to columns. The only place that reads JSON of devices.

Fast way: one typed decode. When that fails, a careful way field by field: a single bad field becomes unknown and is
counted, and only framing, identity and an impossible `ts`, `boot` or `seq` refuse the message. Knows no database.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from alarms.signals import unknown_samples
from hoistway.errors import OverBudget, RefusedMessage
from hoistway.limits import BOOT_MAX, GONE_RANGES, MESSAGE_BYTES, RECORDS_PER_MESSAGE, SEQ_MAX, TS_MAX_MS, TS_MIN_MS
from hoistway.model import EVENT_CODE, SIGNALS, Signal, SignalType
from hoistway.wire import Link

UNREADABLE_VALUE_CHARS: Final = 80
EVENT_DATA_BYTES: Final = 4_096

_FIELD_TYPES: Final[dict[SignalType, Any]] = {
    SignalType.BOOL: bool | None,
    SignalType.ENUM: int | None,
    SignalType.NUMBER: float | None,
    SignalType.LABEL: str | None,
}

Sample: Final[Any] = msgspec.defstruct(
    "Sample",
    [
        ("ts", int),
        ("boot", int),
        ("seq", int),
        ("lift", str | None, None),
        *[(signal.name, _FIELD_TYPES[signal.type], None) for signal in SIGNALS],
    ],
    forbid_unknown_fields=True,
    gc=False,
)


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """One device event: a code raised or cleared."""

    ts: int
    boot: int
    seq: int
    code: str
    active: bool
    lift: str | None = None
    data: dict[str, Any] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldFault:
    """A field that could not be used."""

    field: str
    fault: str  # bad-type, out-of-range, extra
    value: str


@dataclass(slots=True)
class Decoded:
    """The records of one message, with what was odd about them."""

    records: list[Any]
    faults: list[FieldFault] = field(default_factory=list)
    unusable: dict[int, int] = field(default_factory=dict)  # by position of the record: how many fields became unknown


_samples: Final = msgspec.json.Decoder(Sample | list[Sample]).decode
_events: Final = msgspec.json.Decoder(Event | list[Event]).decode
_links: Final = msgspec.json.Decoder(Link).decode
_SAMPLE_KEYS: Final = frozenset({"ts", "boot", "seq", "lift"}) | {signal.name for signal in SIGNALS}
_EVENT_KEYS: Final = frozenset(Event.__struct_fields__)


def _always() -> bool:
    return True


def decode_samples(payload: bytes, may_read_with_care: Callable[[], bool] = _always) -> Decoded:
    """The samples of one `state` message. Raises `RefusedMessage`, and `OverBudget` when the careful way is needed and not allowed."""
    return _decode(payload, _samples, _careful_sample, may_read_with_care)


def decode_events(payload: bytes, may_read_with_care: Callable[[], bool] = _always) -> Decoded:
    """The events of one `event` message. Raises `RefusedMessage`, and `OverBudget` as above."""
    decoded = _decode(payload, _events, _careful_event, may_read_with_care)
    for record in decoded.records:
        if record.code not in EVENT_CODE:
            raise RefusedMessage("bad-code", f"code {record.code[:20]!r}")
    return decoded


def decode_link(payload: bytes) -> Link:
    """One `link` message. Raises `RefusedMessage`."""
    _check_size(payload)
    try:
        link = _links(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedMessage("bad-link", str(error)[:200]) from None
    if not 0 <= link.boot <= BOOT_MAX or not 0 <= link.conn <= SEQ_MAX:
        raise RefusedMessage("bad-link", f"boot {link.boot}, conn {link.conn}")
    gone = [*link.gone.state, *link.gone.event] if link.gone else []
    if len(gone) > 2 * GONE_RANGES or not all(1 <= first <= last <= SEQ_MAX for first, last in gone):
        raise RefusedMessage(
            "bad-link", f"gone: {len(gone)} ranges, each [first, last] within 1..2^53-1 and at most {GONE_RANGES}"
        )
    return link


def _check_size(payload: bytes) -> None:
    if len(payload) > MESSAGE_BYTES:
        raise RefusedMessage("too-large", f"{len(payload)} bytes")
    if not payload:
        raise RefusedMessage("empty", "no payload")


def _decode(
    payload: bytes,
    fast: Callable[[bytes], Any],
    careful: Callable[[dict[str, Any], list[FieldFault]], Any],
    may_read_with_care: Callable[[], bool],
) -> Decoded:
    _check_size(payload)
    try:
        found = fast(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if not may_read_with_care():
            raise OverBudget("not readable at the first go") from None
        return _carefully(payload, careful)
    records = found if isinstance(found, list) else [found]
    _check_count(len(records))
    for record in records:
        if not (TS_MIN_MS <= record.ts <= TS_MAX_MS and 0 <= record.boot <= BOOT_MAX and 1 <= record.seq <= SEQ_MAX):
            _check_identity(record.ts, record.boot, record.seq)
    return Decoded(records)


def _check_count(count: int) -> None:
    if count == 0:
        raise RefusedMessage("empty", "an array without records")
    if count > RECORDS_PER_MESSAGE:
        raise RefusedMessage("too-many-records", f"{count} records")


def _check_identity(ts: object, boot: object, seq: object) -> None:
    """`ts`, `boot` and `seq` must be integers within their limits; a boolean is not an integer here."""
    for name, value, low, high in (
        ("ts", ts, TS_MIN_MS, TS_MAX_MS),
        ("boot", boot, 0, BOOT_MAX),
        ("seq", seq, 1, SEQ_MAX),
    ):
        if type(value) is not int or not low <= value <= high:
            raise RefusedMessage(f"bad-{name}", f"{name} is {str(value)[:40]!r}")


def _carefully(payload: bytes, careful: Callable[[dict[str, Any], list[FieldFault]], Any]) -> Decoded:
    try:
        found = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RefusedMessage("not-json", str(error)[:200]) from None
    rows = found if isinstance(found, list) else [found]
    _check_count(len(rows))
    decoded = Decoded([])
    for row in rows:
        if not isinstance(row, dict):
            raise RefusedMessage("not-a-record", f"a {type(row).__name__} where an object belongs")
        _check_identity(row.get("ts"), row.get("boot"), row.get("seq"))
        known = len(decoded.faults)
        decoded.records.append(careful(row, decoded.faults))
        if count := sum(fault.fault != "extra" for fault in decoded.faults[known:]):
            decoded.unusable[len(decoded.records) - 1] = count
    return decoded


def _fault(faults: list[FieldFault], name: str, fault: str, value: object) -> None:
    faults.append(
        FieldFault(field=clean_text(name[:64]), fault=fault, value=clean_text(str(value)[:UNREADABLE_VALUE_CHARS]))
    )


def clean_text(text: str) -> str:
    """Text that PostgreSQL stores: no NUL, no lone surrogates."""
    return text.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _careful_sample(row: dict[str, Any], faults: list[FieldFault]) -> Any:
    values: dict[str, Any] = {"ts": row["ts"], "boot": row["boot"], "seq": row["seq"], "lift": _lift(row)}
    for signal in SIGNALS:
        value = row.get(signal.name)
        if value is None:
            continue
        if _fits(signal, value):
            values[signal.name] = float(value) if signal.type is SignalType.NUMBER else value
        else:
            _fault(faults, signal.name, "bad-type", value)
    for name in row.keys() - _SAMPLE_KEYS:
        _fault(faults, name, "extra", row[name])
    return Sample(**values)


def _fits(signal: Signal, value: object) -> bool:
    match signal.type:
        case SignalType.BOOL:
            return isinstance(value, bool)
        case SignalType.ENUM:
            return type(value) is int
        case SignalType.LABEL:
            return isinstance(value, str)
        case SignalType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _lift(row: dict[str, Any]) -> str | None:
    lift = row.get("lift")
    if lift is not None and not isinstance(lift, str):
        raise RefusedMessage("foreign-lift", f"lift is {str(lift)[:40]!r}")
    return lift


def _careful_event(row: dict[str, Any], faults: list[FieldFault]) -> Any:
    code, active, data = row.get("code"), row.get("active"), row.get("data", {})
    if not isinstance(code, str):
        raise RefusedMessage("bad-code", f"code is {str(code)[:40]!r}")
    if not isinstance(active, bool):
        raise RefusedMessage("bad-active", f"active is {str(active)[:40]!r}")
    if not isinstance(data, dict):
        _fault(faults, "data", "bad-type", data)
        data = {}
    for name in row.keys() - _EVENT_KEYS:
        _fault(faults, name, "extra", row[name])
    return Event(ts=row["ts"], boot=row["boot"], seq=row["seq"], code=code, active=active, lift=_lift(row), data=data)


def storable_data(data: dict[str, Any]) -> str:
    """An event's `data` as JSON that PostgreSQL stores; what it cannot store is said instead."""
    if not data:
        return "{}"
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        if "\\u0000" not in text and len(text.encode("utf-8")) <= EVENT_DATA_BYTES:
            return text
    except (ValueError, RecursionError):  # not finite, lone surrogates, too deep
        text = "not finite, not Unicode or too deep"
    return json.dumps({"unstorable": clean_text(text[:400])})


# --- records to columns ---

_TRI: Final = {None: -1, False: 0, True: 1}


def to_columns(
    records: Sequence[Any], label_id: Callable[[str], int]
) -> tuple[NDArray[np.void], list[tuple[int, FieldFault]]]:
    """Sample records as one structured array (slot, at and received still unset), and the fields out of range.

    `label_id` gives the number of a displayed floor, -1 when it cannot be used. A fault carries the record's index.
    """
    rows = unknown_samples(len(records))
    faults: list[tuple[int, FieldFault]] = []
    for signal in SIGNALS:
        values = list(map(attrgetter(signal.name), records))
        if values.count(None) == len(values):
            continue
        rows[signal.name] = _COLUMN[signal.type](signal, values, faults, label_id)
    return rows, faults


def _out_of_range(signal: Signal, values: list[Any], bad: NDArray[np.bool_]) -> list[tuple[int, FieldFault]]:
    return [
        (index, FieldFault(field=signal.name, fault="out-of-range", value=str(values[index])[:40]))
        for index in np.flatnonzero(bad).tolist()
    ]


def _bools(_signal: Signal, values: list[Any], _faults: list[Any], _label_id: Any) -> NDArray[Any]:
    return np.array([_TRI[value] for value in values], np.int8)


def _enums(signal: Signal, values: list[Any], faults: list[Any], _label_id: Any) -> NDArray[Any]:
    known = _KNOWN[signal.name]
    column = np.array([known.get(value, -2) for value in values], np.int8)
    faults += _out_of_range(signal, values, column == -2)
    column[column == -2] = -1
    return column


def _numbers(signal: Signal, values: list[Any], faults: list[Any], _label_id: Any) -> NDArray[Any]:
    column = np.array(values, np.float64)
    with np.errstate(invalid="ignore"):
        bad = (column < (signal.low or 0.0)) | (column > (math.inf if signal.high is None else signal.high))
    faults += _out_of_range(signal, values, bad)
    column[bad] = np.nan
    return column


def _labels(signal: Signal, values: list[Any], faults: list[Any], label_id: Callable[[str], int]) -> NDArray[Any]:
    numbers = []
    for index, value in enumerate(values):
        number = -1 if value is None else label_id(value)
        if value is not None and number < 0:
            faults.append((index, FieldFault(field=signal.name, fault="out-of-range", value=clean_text(value[:40]))))
        numbers.append(number)
    return np.array(numbers, np.int16)


_COLUMN: Final[dict[SignalType, Callable[..., NDArray[Any]]]] = {
    SignalType.BOOL: _bools,
    SignalType.ENUM: _enums,
    SignalType.NUMBER: _numbers,
    SignalType.LABEL: _labels,
}
_KNOWN: Final[dict[str, dict[int | None, int]]] = {
    signal.name: {
        None: -1,
        **{int(value): (-1 if int(value) == signal.unknown_value else int(value)) for value in signal.values},
    }
    for signal in SIGNALS
    if signal.values is not None
}
