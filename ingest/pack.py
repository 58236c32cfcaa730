"""Sample rows as one binary COPY body, packed by numpy: constant width, no object per row.

The layout is PostgreSQL's COPY BINARY: an int16 field count, then each field as int32 length and big-endian value.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.signals import unknown_samples
from hoistway.errors import OurFault
from hoistway.model import SIGNALS, SignalType

KEYS_DTYPE: Final = np.dtype(
    [
        ("device_id", "<i4"),
        ("boot", "<i4"),
        ("incarnation", "<i4"),
        ("seq", "<i8"),
        ("ts", "<i8"),
        ("folded", "i1"),
    ]
)
"""What a sample row holds beside the sample: the record's key, its own clock, and whether it came in order."""

_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_EPOCH_2000_MS: Final = 946_684_800_000

_WIRE: Final = {SignalType.BOOL: ">i2", SignalType.ENUM: ">i2", SignalType.LABEL: ">i2", SignalType.NUMBER: ">f4"}
_FIELDS: Final[tuple[tuple[str, str], ...]] = (
    ("received", ">i8"),
    ("at", ">i8"),
    ("batch_no", ">i8"),
    ("ts", ">i8"),
    ("seq", ">i8"),
    ("boot", ">i4"),
    ("incarnation", ">i4"),
    ("device_id", ">i4"),
    ("lift_id", ">i4"),
    ("ordinal", ">i4"),
    ("partition", ">i2"),
    ("folded", ">i2"),
    *((signal.name, _WIRE[signal.type]) for signal in SIGNALS),
    ("field_faults", ">i2"),
)
COLUMNS: Final = tuple(name for name, _ in _FIELDS)
_DTYPE: Final = np.dtype(
    [("_count", ">i2")] + [part for name, code in _FIELDS for part in ((f"_{name}", ">i4"), (name, code))]
)


def unpack_samples(body: bytes) -> tuple[NDArray[np.void], NDArray[np.void], NDArray[np.int64]]:
    """The rows of a binary COPY out of `COLUMNS`, as samples, keys and batch numbers."""
    if body[: len(_HEADER)] != _HEADER or body[-2:] != _TRAILER:
        raise OurFault("not the binary COPY that was asked for")
    rows = np.frombuffer(body[len(_HEADER) : -2], _DTYPE)
    if len(rows) and (rows["_count"] != len(_FIELDS)).any():
        raise OurFault("sample rows of another width")
    samples, keys = unknown_samples(len(rows)), np.empty(len(rows), KEYS_DTYPE)
    for name in ("received", "at"):
        samples[name] = rows[name] // 1_000 + _EPOCH_2000_MS
    samples["slot"] = rows["lift_id"]
    for name in ("ts", "seq", "boot", "incarnation", "device_id", "folded"):
        keys[name] = rows[name]
    for signal in SIGNALS:
        samples[signal.name] = rows[signal.name]
    samples["field_faults"] = rows["field_faults"]
    samples["clock_error"] = clock_error(samples["at"], keys["ts"])
    return samples, keys, rows["batch_no"].astype(np.int64)


def clock_error(at: NDArray[Any], ts: NDArray[Any]) -> NDArray[Any]:
    """By how many seconds the device's clock was behind when its sample was corrected."""
    return np.asarray((at - ts) / 1_000, np.float32)


def pack_samples(samples: NDArray[np.void], keys: NDArray[np.void], *, partition: int, batch_no: int) -> bytes:
    """The COPY body for `COLUMNS` of table `sample`. Times in are ms since 1970 UTC."""
    rows: NDArray[Any] = np.zeros(len(samples), _DTYPE)
    rows["_count"] = len(_FIELDS)
    for name, code in _FIELDS:
        rows[f"_{name}"] = np.dtype(code).itemsize
    for name in ("received", "at"):
        rows[name] = (samples[name] - _EPOCH_2000_MS) * 1_000
    rows["batch_no"], rows["partition"] = batch_no, partition
    rows["ordinal"] = np.arange(len(samples))
    rows["lift_id"] = samples["slot"]
    for name in ("ts", "seq", "boot", "incarnation", "device_id", "folded"):
        rows[name] = keys[name]
    for signal in SIGNALS:
        rows[signal.name] = samples[signal.name]
    rows["field_faults"] = samples["field_faults"]
    return _HEADER + rows.tobytes() + _TRAILER


_PLACE_FIELDS: Final = ("received", "at", "batch_no", "lift_id", "ordinal")


class Selection:
    """Some of the signals of stored samples, for whoever folds many of them and needs few: the columns to ask for, and their rows."""

    def __init__(self, names: frozenset[str]) -> None:
        """`names` are signals, and `field_faults` and `clock_error` where they are needed."""
        wanted = [*_PLACE_FIELDS, *(name for name, _ in _FIELDS if name in names and name not in _PLACE_FIELDS)]
        if "clock_error" in names and "ts" not in wanted:
            wanted.append("ts")
        wire = dict(_FIELDS)
        self.columns: Final = tuple(wanted)
        self._signals = tuple(name for name in wanted if name in names)
        self._clock_error = "clock_error" in names
        self._dtype = np.dtype(
            [("_count", ">i2")] + [part for name in wanted for part in ((f"_{name}", ">i4"), (name, wire[name]))]
        )

    def unpack(self, body: bytes) -> NDArray[np.void]:
        """The samples of a binary COPY out of `columns`, in the order of the stream; what was not asked for is unknown."""
        if body[: len(_HEADER)] != _HEADER or body[-2:] != _TRAILER:
            raise OurFault("not the binary COPY that was asked for")
        rows = np.frombuffer(body[len(_HEADER) : -2], self._dtype)
        if len(rows) and (rows["_count"] != len(self.columns)).any():
            raise OurFault("sample rows of another width")
        place = rows["batch_no"].astype(np.int64) << 24 | rows["ordinal"].astype(np.int64)
        if len(place) and (np.diff(place) < 0).any():
            rows = rows[np.argsort(place, kind="stable")]
        samples = np.repeat(unknown_samples(1), len(rows))
        for name in ("received", "at"):
            samples[name] = rows[name] // 1_000 + _EPOCH_2000_MS
        samples["slot"] = rows["lift_id"]
        for name in self._signals:
            samples[name] = rows[name]
        if self._clock_error:
            samples["clock_error"] = clock_error(samples["at"], rows["ts"].astype(np.int64))
        return samples
