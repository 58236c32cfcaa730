"""Samples and events of a whole fleet between the machines and whoever takes them: rows of a numpy array, and the same as the wire's JSON.

Names and meaning of the signals are those of `hoistway.model.SIGNALS`. Unknown is -1 in whole-number fields and NaN in numbers; what a
terminal says expressly to be unknown (`passenger` null) is -2 there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from hoistway import wire
from hoistway.model import SIGNALS, Kind, SignalType

Rows = npt.NDArray[np.void]
Column = npt.NDArray[Any]

SAID_UNKNOWN: Final = -2
_FIELD: Final = {SignalType.BOOL: "<i1", SignalType.ENUM: "<i1", SignalType.NUMBER: "<f4", SignalType.LABEL: "<i2"}

RECORD: Final = np.dtype(
    [
        ("slot", "<i4"),
        ("ts", "<i8"),
        ("received", "<i8"),
        ("boot", "<i4"),
        ("seq", "<i8"),
        *((item.name, _FIELD[item.type]) for item in SIGNALS if item.type is SignalType.NUMBER),
        *((item.name, _FIELD[item.type]) for item in SIGNALS if item.type is not SignalType.NUMBER),
    ]
)
"""slot of the machine; its own clock and the server's in ms (`received` 0: not delivered yet); boot and number; then the signals.
`car_position` is the place of the displayed floor in `Machines.labels`."""

_NUMBERS: Final = tuple(item.name for item in SIGNALS if item.type is SignalType.NUMBER)
_BOOLS: Final = frozenset(item.name for item in SIGNALS if item.type is SignalType.BOOL)
SIGNALS_OF: Final[dict[Kind, tuple[str, ...]]] = {
    kind: tuple(item.name for item in SIGNALS if item.kind in (None, kind)) for kind in Kind
}
_ROUNDED: Final = {"speed": 2, "handrail_left": 3, "handrail_right": 3, "vibration": 3, "temperature": 1}
_WHOLE: Final = frozenset({"load", "people", "signal", "battery", "running_hours", "runs", "door_cycles"})


class Event(NamedTuple):
    """A code raised or over at `ms` of the story's time."""

    ms: int
    slot: int
    code: str
    active: bool


_BLANK: Final = np.zeros(1, RECORD)
for _name in RECORD.names or ():
    if _name not in {"slot", "ts", "received", "boot", "seq"}:
        _BLANK[_name] = np.nan if _name in _NUMBERS else -1


def blank(count: int) -> Rows:
    """So many rows that know nothing."""
    return np.repeat(_BLANK, count)


_WHOLE_ROW: Final = np.dtype((np.void, RECORD.itemsize))


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other, as lumps of bytes: numpy looks at every field otherwise."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([np.ascontiguousarray(part).view(_WHOLE_ROW) for part in parts]).view(RECORD)


def taken(rows: Rows, places: Column) -> Rows:
    """Some of the rows, by place or by mask, the same way."""
    return np.ascontiguousarray(rows).view(_WHOLE_ROW)[places].view(RECORD)


def values_of(rows: Rows, kinds: Sequence[Kind], labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each row's signals as the wire has them, without `ts`, `boot` and `seq`; what is unknown is left out."""
    columns = {name: rows[name].tolist() for name in RECORD.names or ()}
    for at, kind in enumerate(kinds):
        values: dict[str, Any] = {}
        for name in SIGNALS_OF[kind]:
            value = columns[name][at]
            if name in _NUMBERS:
                if value != value:  # noqa: PLR0124  (NaN)
                    continue
                values[name] = round(value) if name in _WHOLE else round(value, _ROUNDED[name])
            elif value == SAID_UNKNOWN:
                values[name] = None
            elif value >= 0:
                values[name] = bool(value) if name in _BOOLS else labels[value] if name == "car_position" else value
        yield values


def payload(values: dict[str, Any], *, ts: int, boot: int, seq: int) -> bytes:
    """One record as the wire's JSON."""
    return wire.encode({"ts": ts, "boot": boot, "seq": seq, **values})
