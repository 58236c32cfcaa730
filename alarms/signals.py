"""Rows that go into and out of the engine, and the signals as columns. No rules, no state, no clock.

A sample is complete: what a device left out is unknown here, never "as before". Unknown is -1 in whole-number fields and NaN in
numbers. Words of the standard that themselves mean "unknown" become unknown in `columns`, where `moving` and the effective
`door_closed` are derived too, so that rules never see a raw contradiction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hoistway.model import EVENT_CODES, SIGNALS, DoorStatus, SignalType

Rows = npt.NDArray[np.void]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]

_FIELD: Final = {SignalType.BOOL: "<i1", SignalType.ENUM: "<i1", SignalType.NUMBER: "<f4", SignalType.LABEL: "<i2"}

SAMPLE_DTYPE: Final = np.dtype(
    [
        ("slot", "<i4"),
        ("at", "<i8"),
        ("received", "<i8"),
        ("clock_error", "<f4"),
        *((item.name, _FIELD[item.type]) for item in SIGNALS if _FIELD[item.type] != "<i1"),
        *((item.name, "<i1") for item in SIGNALS if _FIELD[item.type] == "<i1"),
        ("field_faults", "<i1"),
    ]
)
"""slot of the lift; corrected device time and server time in ms; by how many seconds its device's clock was behind; then every signal in the
order of `hoistway.model.SIGNALS`, those of one byte last and together; then how many fields of the sample could not be used."""
_BYTES: Final = tuple(name for name in SAMPLE_DTYPE.names or () if SAMPLE_DTYPE[name] == np.int8)
_BYTES_AT: Final = SAMPLE_DTYPE.itemsize - len(_BYTES)

EVENT_DTYPE: Final = np.dtype([("slot", "<i4"), ("at", "<i8"), ("received", "<i8"), ("code", "<i2"), ("active", "<i1")])
"""`code` is the position in `hoistway.model.EVENT_CODES`; `active` 1 raised, 0 over."""

CONTACT_DTYPE: Final = np.dtype([("slot", "<i4"), ("received", "<i8"), ("online", "<i1")])
"""A link message: `online` -1 no statement, 0 link lost, 1 link up. Samples and events need no row: they are contacts themselves."""

WHOLE: Final = np.dtype((np.void, SAMPLE_DTYPE.itemsize))
"""A sample row as one lump of bytes: numpy copies fields one by one, but lumps at once."""

TRANSITION_DTYPE: Final = np.dtype(
    [
        ("slot", "<i4"),
        ("rule", "<i2"),
        ("kind", "<i1"),
        ("at", "<i8"),
        ("hold_start", "<i8"),
        ("demoted", "<i1"),
        ("level", "<i1"),
        ("witnesses", "<i1"),
    ]
)

RAISE: Final = 1
CLEAR: Final = 2
PROMOTE: Final = 3
CHANGE: Final = 4
"""Of an alarm that stays active: more severe, or seen by another witness."""

BY_RULE: Final = 1
BY_DEVICE: Final = 2
"""Bits of `witnesses`."""

MOVING_M_S: Final = np.float32(0.05)
"""Faster than this counts as moving."""

EVENT_INDEX: Final = {item.code: index for index, item in enumerate(EVENT_CODES)}


def hits(flags: Column) -> Ints:
    """Where a flag is up or a number is not zero; `numpy.flatnonzero` without its detours."""
    return flags.nonzero()[0]


def unknown_samples(count: int) -> Rows:
    """`count` sample rows with slot, at and received 0 and every signal unknown."""
    rows = np.zeros(count, SAMPLE_DTYPE)
    for item in SIGNALS:
        rows[item.name] = np.nan if item.type is SignalType.NUMBER else -1
    rows["clock_error"] = np.nan
    return rows


def everyday_samples() -> Rows:
    """What a healthy unit says many times a day: a lift that stands empty, stands open with somebody inside, and runs; a running escalator."""
    rows = unknown_samples(4)
    rows["service_mode"], rows["power"], rows["safety_chain"], rows["brake"], rows["light"] = 1, 1, 0, 0, 1
    lifts = rows[:3]
    lifts["car_status"], lifts["car_direction"], lifts["speed"] = (0, 0, 1), (0, 0, 1), (0, 0, 1.7)
    lifts["door_zone"], lifts["door_closed"], lifts["door_status"] = (1, 1, 0), (1, 0, 1), (2, 4, 2)
    lifts["passenger"], lifts["brake"] = (0, 1, 1), (0, 0, 1)
    lifts["temperature"], lifts["vibration"], lifts["landing_door_locked"] = 25, 0.02, (1, 0, 1)
    stairs = rows[3:]
    stairs["operation_status"], stairs["operation_direction"], stairs["occupied"], stairs["step_missing"] = 1, 1, 1, 0
    stairs["speed"], stairs["handrail_left"], stairs["handrail_right"] = 0.5, 0.5, 0.5
    return rows


def pick(rows: Rows, places: Ints) -> Rows:
    """Some of the sample rows, in this order."""
    return np.ascontiguousarray(rows).view(WHOLE)[places].view(SAMPLE_DTYPE)


def put(rows: Rows, places: Ints, values: Rows) -> None:
    """Sample rows written over those at `places`; `rows` is contiguous."""
    rows.view(WHOLE)[places] = np.ascontiguousarray(values).view(WHOLE)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What arrived, each array in order of arrival with `received` not decreasing.

    Records of one lift fold by `received`; at the same millisecond link messages go first, then events, then samples.
    """

    samples: Rows  # SAMPLE_DTYPE
    events: Rows  # EVENT_DTYPE
    contacts: Rows  # CONTACT_DTYPE

    @classmethod
    def of(cls, samples: Rows | None = None, events: Rows | None = None, contacts: Rows | None = None) -> Batch:
        """A batch in which whatever is not given is empty."""
        return cls(
            samples=np.zeros(0, SAMPLE_DTYPE) if samples is None else samples,
            events=np.zeros(0, EVENT_DTYPE) if events is None else events,
            contacts=np.zeros(0, CONTACT_DTYPE) if contacts is None else contacts,
        )


class Transition(NamedTuple):
    """One row of `Transitions` as plain values."""

    slot: int
    rule: int  # index in the rule set
    kind: int  # RAISE, CLEAR, PROMOTE or CHANGE
    at: int
    hold_start: int
    demoted: bool
    level: int  # highest level since the RAISE; 0 is the rule's own severity
    witnesses: int  # BY_RULE, BY_DEVICE or both, since the RAISE


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """What changed, by time; rows of one slot stand in the order in which they were found."""

    rows: Rows  # TRANSITION_DTYPE

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Transition]:
        for slot, rule, kind, at, hold_start, demoted, level, witnesses in self.rows.tolist():
            yield Transition(slot, rule, kind, at, hold_start, bool(demoted), level, witnesses)

    @classmethod
    def join(cls, parts: Iterable[Transitions]) -> Transitions:
        """Several answers one after the other."""
        return cls(rows=np.concatenate([np.zeros(0, TRANSITION_DTYPE), *(part.rows for part in parts)]))


Values = dict[str, Column]
"""Effective signals by name: whole numbers as int8 or int16 with -1 unknown, numbers as float32 with NaN unknown."""


def columns(rows: Rows, names: Iterable[str]) -> Values:
    """The named signals of `rows` as contiguous columns, own words for unknown removed, derived signals computed."""
    whole = np.ascontiguousarray(rows).view(np.int8).reshape(len(rows), SAMPLE_DTYPE.itemsize)
    raw: Values = dict(zip(_BYTES, whole[:, _BYTES_AT:].T.copy(), strict=True))
    return {name: _DERIVED[name](rows, raw) if name in _DERIVED else _plain(rows, raw, name) for name in names}


def columns_at(rows: Rows, places: Ints, names: Iterable[str]) -> Values:
    """The named signals of some of the rows, as `columns` gives them."""
    needed = {name: DERIVED_FROM.get(name, (name,)) for name in names}
    fields = {field for raw in needed.values() for field in raw}
    if not fields or not fields.issubset(_BYTES):
        return columns(pick(rows, places), needed)
    found = {field: rows[field][places] for field in fields}
    return {name: _DERIVED[name](rows, found) if name in _DERIVED else _plain(rows, found, name) for name in needed}


def _plain(rows: Rows, raw: Values, name: str) -> Column:
    if name not in raw:
        return rows[name].copy()
    column = raw[name]
    unknown = _UNKNOWN_WORDS.get(name)
    if unknown is None:
        return column
    return np.where(column == unknown, np.int8(-1), column)


def _moving(rows: Rows, raw: Values) -> Column:
    """Two witnesses: the status and the speed. Where they disagree nobody knows."""
    status, speed = raw["car_status"], np.ascontiguousarray(rows["speed"])
    by_speed = np.where(np.isnan(speed), -1, np.abs(speed) > MOVING_M_S).astype(np.int8)
    moving = np.where(status < 0, by_speed, status)
    moving[(status >= 0) & (by_speed >= 0) & (status != by_speed)] = -1
    return moving


def _door_closed(_: Rows, raw: Values) -> Column:
    """The flag, checked against the door's status; derived from the status where the flag is missing."""
    flag, by_status = raw["door_closed"], _CLOSED_BY_STATUS[raw["door_status"]]
    closed = np.where(flag < 0, by_status, flag)
    closed[(flag >= 0) & (by_status >= 0) & (flag != by_status)] = -1
    return closed


def _implausible(rows: Rows, raw: Values) -> Column:
    """The sample contradicts itself, or had fields that could not be used; never unknown."""
    status, speed = raw["car_status"], np.ascontiguousarray(rows["speed"])
    contradicts = (status >= 0) & ~np.isnan(speed) & ((status == 1) != (np.abs(speed) > MOVING_M_S))
    flag, by_status = raw["door_closed"], _CLOSED_BY_STATUS[raw["door_status"]]
    contradicts |= (flag >= 0) & (by_status >= 0) & (flag != by_status)
    return np.asarray(contradicts | (raw["field_faults"] > 0)).view(np.int8)


def _clock_lag(rows: Rows, _: Values) -> Column:
    """Unknown where there is no sample."""
    lag = (rows["received"] - rows["at"]) / 1_000
    return np.where(rows["received"] == 0, np.nan, lag).astype(np.float32)


_UNKNOWN_WORDS: Final = {item.name: item.unknown_value for item in SIGNALS if item.unknown_value is not None}
_CLOSED_BY_STATUS: Final = np.full(256, -1, np.int8)  # a negative status counts from the end: unknown
for _status in DoorStatus:
    if _status is not DoorStatus.UNKNOWN:
        _CLOSED_BY_STATUS[_status] = _status in {DoorStatus.CLOSED, DoorStatus.LOCKED}
_DERIVED: Final = {"moving": _moving, "door_closed": _door_closed, "implausible": _implausible, "clock_lag": _clock_lag}
DERIVED_FROM: Final = {
    "moving": ("car_status", "speed"),
    "door_closed": ("door_closed", "door_status"),
    "implausible": ("car_status", "speed", "door_closed", "door_status", "field_faults"),
    "clock_lag": (),
}
"""Raw signals behind an effective one, for evidence."""
