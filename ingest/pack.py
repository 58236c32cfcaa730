"""The samples of a batch as one binary COPY body, packed by numpy, constant width, no object per row; and stored rows as samples and keys."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hoistway.model import SIGNALS
from hoistway.samples import Rows, to_engine
from hoistway.samples.layout import COLUMNS, COPY_HEADER, COPY_TRAILER, EPOCH_2000_MS, clock_error, copy_type

__all__ = ["COLUMNS", "KEYS_DTYPE", "Selection", "clock_error", "pack_samples", "unpack_samples"]

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

_KEYS: Final = ("device_id", "boot", "incarnation", "seq", "ts", "folded")


def unpack_samples(rows: Rows) -> tuple[Rows, Rows, NDArray[np.int64]]:
    """Stored rows as samples, keys and batch numbers."""
    keys = np.empty(len(rows), KEYS_DTYPE)
    for name in _KEYS:
        keys[name] = rows[name]
    return to_engine(rows), keys, rows["batch_no"].astype(np.int64)


def pack_samples(samples: Rows, keys: Rows, *, partition: int, batch_no: int) -> bytes:
    """The COPY body for `COLUMNS` of table `sample`. Times in are ms since 1970 UTC."""
    wire = copy_type()
    rows: NDArray[Any] = np.zeros(len(samples), wire)
    rows["_count"] = len(COLUMNS)
    for name in COLUMNS:
        rows[f"_{name}"] = wire[name].itemsize
    for name in ("received", "at"):
        rows[name] = (samples[name] - EPOCH_2000_MS) * 1_000
    rows["batch_no"], rows["partition"] = batch_no, partition
    rows["ordinal"] = np.arange(len(samples))
    rows["lift_id"] = samples["slot"]
    for name in _KEYS:
        rows[name] = keys[name]
    for signal in SIGNALS:
        rows[signal.name] = samples[signal.name]
    rows["field_faults"] = samples["field_faults"]
    return COPY_HEADER + rows.tobytes() + COPY_TRAILER


_PLACE_FIELDS: Final = ("received", "at", "batch_no", "lift_id", "ordinal", "folded")


class Selection:
    """Some of the signals of stored samples, for whoever folds many of them and needs few: the columns to ask for, and their rows."""

    def __init__(self, names: frozenset[str]) -> None:
        """`names` are signals, and `field_faults` and `clock_error` where they are needed."""
        wanted = [*_PLACE_FIELDS, *(name for name in COLUMNS if name in names and name not in _PLACE_FIELDS)]
        if "clock_error" in names and "ts" not in wanted:
            wanted.append("ts")
        self.columns: Final = tuple(wanted)
        self._names = tuple(name for name in names if name in wanted or name == "clock_error")

    def samples(self, rows: Rows) -> Rows:
        """Rows of these columns as samples; what was not asked for is unknown."""
        return to_engine(rows, self._names)
