"""A stored sample as a row of columns: the table `sample`, bit for bit, in memory. Knows binary COPY; no I/O.

The layout of binary COPY is an int16 field count, then each field as int32 length and big-endian value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.signals import unknown_samples
from hoistway.errors import OurFault
from hoistway.model import SIGNALS, SignalType

Rows = NDArray[np.void]

EPOCH_2000_MS: Final = 946_684_800_000
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"

_CODE: Final = {SignalType.BOOL: "i2", SignalType.ENUM: "i2", SignalType.LABEL: "i2", SignalType.NUMBER: "f4"}
FIELDS: Final[tuple[tuple[str, str], ...]] = (
    ("received", "i8"),
    ("at", "i8"),
    ("batch_no", "i8"),
    ("ts", "i8"),
    ("seq", "i8"),
    ("boot", "i4"),
    ("incarnation", "i4"),
    ("device_id", "i4"),
    ("lift_id", "i4"),
    ("ordinal", "i4"),
    ("partition", "i2"),
    ("folded", "i2"),
    *((signal.name, _CODE[signal.type]) for signal in SIGNALS),
    ("field_faults", "i2"),
)
"""Columns of table `sample` and their numpy types. `received` and `at` are us since 2000 UTC, as PostgreSQL keeps them."""
COLUMNS: Final = tuple(name for name, _ in FIELDS)
ROW: Final = np.dtype([(name, f"<{code}") for name, code in FIELDS])
"""One sample row, native."""
_TYPE: Final = dict(FIELDS)
_AT_ONCE: Final = 2_000
"""Rows that fit into the processor's cache while each of their columns is looked at."""
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)


def us(moment: datetime) -> int:
    """A time stamp as it stands in `received` and `at`, exactly."""
    return (moment - _EPOCH) // _US


def moment(value: int) -> datetime:
    """The opposite of `us`."""
    return _EPOCH + timedelta(microseconds=int(value))


def row_type(columns: Sequence[str]) -> np.dtype[Any]:
    """Rows of some of the columns."""
    return np.dtype([(name, f"<{_TYPE[name]}") for name in columns])


@cache
def copy_type(columns: tuple[str, ...] = COLUMNS) -> np.dtype[Any]:
    """One row of a binary COPY of these columns: `_count`, and before each column NAME its length `_NAME`."""
    return np.dtype(
        [("_count", ">i2")] + [part for name in columns for part in ((f"_{name}", ">i4"), (name, f">{_TYPE[name]}"))]
    )


def of_copy(body: bytes, columns: tuple[str, ...] = COLUMNS) -> Rows:
    """The rows of a binary COPY out of these columns. Raises `OurFault` for anything else."""
    if body[: len(COPY_HEADER)] != COPY_HEADER or body[-2:] != COPY_TRAILER:
        raise OurFault("not the binary COPY that was asked for")
    wire = copy_type(columns)
    if (len(body) - len(COPY_HEADER) - 2) % wire.itemsize:
        raise OurFault("sample rows of another width")
    found = np.frombuffer(body[len(COPY_HEADER) : -2], wire)
    if len(found) and (found["_count"] != len(columns)).any():
        raise OurFault("sample rows of another width")
    rows = np.empty(len(found), row_type(columns))
    for start in range(0, len(found), _AT_ONCE):
        part, plain = found[start : start + _AT_ONCE], rows[start : start + _AT_ONCE]
        for name in columns:
            plain[name] = part[name]
    return rows


def in_log_order(rows: Rows) -> Rows:
    """By batch, and as they stood in it."""
    place = rows["batch_no"].astype(np.int64) << 24 | rows["ordinal"]
    if len(place) and (np.diff(place) < 0).any():
        return rows[np.argsort(place, kind="stable")]
    return rows


def to_ms(values: NDArray[Any]) -> NDArray[np.int64]:
    """`received` or `at` as ms since 1970 UTC."""
    return np.asarray(values // 1_000 + EPOCH_2000_MS, np.int64)


def to_engine(rows: Rows, names: Sequence[str] | None = None) -> Rows:
    """Stored rows as the engine's samples, slot = lift; of the signals only `names`, the others unknown. None: all of them."""
    samples = np.repeat(unknown_samples(1), len(rows))
    for name in ("received", "at"):
        samples[name] = to_ms(rows[name])
    samples["slot"] = rows["lift_id"]
    for signal in SIGNALS:
        if names is None or signal.name in names:
            samples[signal.name] = rows[signal.name]
    if names is None or "field_faults" in names:
        samples["field_faults"] = rows["field_faults"]
    if names is None or "clock_error" in names:
        samples["clock_error"] = clock_error(samples["at"], rows["ts"])
    return samples


def clock_error(at: NDArray[Any], ts: NDArray[Any]) -> NDArray[Any]:
    """By how many seconds the device's clock was behind when its sample was corrected."""
    return np.asarray((at - ts) / 1_000, np.float32)
