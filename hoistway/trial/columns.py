"""Plain values of the sensors as rows of the engine, many at once. What a decoder of messages would make unknown is unknown here too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, EVENT_INDEX, Batch, Rows, unknown_samples
from hoistway.model import SIGNAL, Signal, SignalType
from simulators.direct import Sample, Shape, Slab

Label = Callable[[str], int]
_KNOWN: Final = {
    name: np.isin(np.arange(-128, 128), [int(value) for value in signal.values])
    for name, signal in SIGNAL.items()
    if signal.values is not None
}


def batch_of(slab: Slab, label: Label) -> Batch:
    """A stretch of the story as the engine takes it."""
    parts = [rows_of(shape, found, label) for shape, found in slab.samples.items()]
    samples = np.concatenate([unknown_samples(0), *parts])
    events = [(unit, at, received, EVENT_INDEX[code], active) for unit, at, received, code, active in slab.events]
    return Batch(
        samples=_in_order(samples),
        events=_in_order(np.array(events, EVENT_DTYPE)),
        contacts=_in_order(np.array(slab.links, CONTACT_DTYPE)),
    )


def _in_order(rows: Rows) -> Rows:
    return rows[np.argsort(rows["received"], kind="stable")]


def rows_of(shape: Shape, found: Sequence[Sample], label: Label) -> Rows:
    """Samples of one shape."""
    rows = unknown_samples(len(found))
    units, at, received, values = zip(*found, strict=True)
    rows["slot"], rows["at"], rows["received"], rows["clock_error"] = units, at, received, 0.0
    for name, column in zip(shape, zip(*values, strict=True), strict=True):
        signal = SIGNAL[name]
        rows[name], bad = _column(signal, column, label)
        if bad is not None:
            rows["field_faults"] += bad
    return rows


def _column(signal: Signal, values: Sequence[Any], label: Label) -> tuple[Any, Any]:
    """The column, and which of its values were not of this world (None: none could be)."""
    if signal.type is SignalType.LABEL:
        return np.fromiter((-1 if value is None else label(value) for value in values), np.int16, len(values)), None
    numbers = np.array(values, np.float64)
    unknown = np.isnan(numbers)
    if signal.type is SignalType.NUMBER:
        low, high = -np.inf if signal.low is None else signal.low, np.inf if signal.high is None else signal.high
        with np.errstate(invalid="ignore"):
            bad = (numbers < low) | (numbers > high)
        numbers[bad] = np.nan
        return numbers, bad
    whole = np.where(unknown, -1, numbers).astype(np.int8)
    if signal.type is SignalType.BOOL:
        return whole, None
    bad = ~unknown & ~_KNOWN[signal.name][whole.astype(np.int64) + 128]
    whole[bad] = -1
    return whole, bad
