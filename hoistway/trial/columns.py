"""What reached the server, as rows of the engine: the story's own columns with their times put right, many at once.

Stands where ingest's decoding and clocks stand, for a network that delays everything alike. What a decoder would make unknown is unknown
here too; a device's clock is followed by what it is off at the least, and where it jumps, by the time of receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, EVENT_INDEX, Batch, Rows, unknown_samples
from hoistway.model import SIGNAL, SIGNALS, SignalType
from simulators.network.carrier import Delivery
from simulators.records import joined

JUMP_MS: Final = 10_000
"""A record that is older than this when it comes, and was not kept for want of a link, is of a clock that jumped."""
_KNOWN: Final = {
    name: np.isin(np.arange(-128, 128), [int(value) for value in signal.values])
    for name, signal in SIGNAL.items()
    if signal.values is not None
}


class Intake:
    """The clocks of a fleet, and the numbers of its displayed floors."""

    def __init__(self, count: int, labels: Sequence[int]) -> None:
        """`labels`: the engine's number of each of the story's displayed floors."""
        self._offset = np.full(count, np.iinfo(np.int64).max // 2)
        self._boot = np.full(count, -1, np.int64)
        self._labels = np.array(list(labels) or [-1], np.int16)

    def batch(self, deliveries: Sequence[Delivery]) -> Batch:
        """Some deliveries as one batch, in order of receipt."""
        links = [link for delivery in deliveries for link in delivery.links]
        back = np.zeros(len(self._offset), np.bool_)
        back[[link.slot for link in links if link.online]] = True
        rows = joined([delivery.rows for delivery in deliveries])
        events = [event for delivery in deliveries for event in delivery.events]
        at = self._times(rows["slot"], rows["boot"], rows["ts"], rows["received"], back)
        samples = samples_of(rows, self._labels)
        samples["at"], samples["clock_error"] = at, (at - rows["ts"]) / 1_000
        if events:
            slot, boot, ts, received = (np.array([getattr(event, name) for event in events], np.int64)
                                        for name in ("slot", "boot", "ts", "received"))  # fmt: skip
            times = self._times(slot, boot, ts, received, back).tolist()
        told = [
            (event.slot, when, event.received, EVENT_INDEX[event.code], event.active)
            for event, when in zip(events, times if events else (), strict=True)
        ]
        contacts = [(link.slot, link.received, link.online) for link in links]
        return Batch(
            samples=_in_order(samples),
            events=_in_order(np.array(told, EVENT_DTYPE)),
            contacts=_in_order(np.array(contacts, CONTACT_DTYPE)),
        )

    def _times(self, slot: Any, boot: Any, ts: Any, received: Any, back: Any) -> Any:
        """The corrected times of records; learns how far each clock is off."""
        fresh = boot > self._boot[slot]
        if fresh.any():
            self._offset[slot[fresh]] = np.iinfo(np.int64).max // 2
            np.maximum.at(self._boot, slot, boot)
        np.minimum.at(self._offset, slot, received - ts)
        at = np.minimum(ts + self._offset[slot], received)
        jumped = (received - at > JUMP_MS) & ~back[slot]
        return np.where(jumped, received, at)


def _in_order(rows: Rows) -> Rows:
    return rows[np.argsort(rows["received"], kind="stable")]


def samples_of(rows: Rows, labels: Any) -> Rows:
    """The signals of some rows as the engine has them; `labels` are the numbers of the story's own floors."""
    found = unknown_samples(len(rows))
    found["slot"], found["received"] = rows["slot"], rows["received"]
    faults = np.zeros(len(rows), np.int64)
    for signal in SIGNALS:
        column = rows[signal.name]
        if signal.type is SignalType.NUMBER:
            low, high = -np.inf if signal.low is None else signal.low, np.inf if signal.high is None else signal.high
            with np.errstate(invalid="ignore"):
                bad = (column < low) | (column > high)
            found[signal.name] = np.where(bad, np.nan, column) if bad.any() else column
            faults += bad
        elif signal.type is SignalType.LABEL:
            found[signal.name] = np.where(column < 0, -1, labels[np.maximum(column, 0)])
        elif signal.type is SignalType.ENUM:
            bad = (column >= 0) & ~_KNOWN[signal.name][column.astype(np.int64) + 128]
            found[signal.name] = np.where(bad | (column < 0), -1, column)
            faults += bad
        else:
            found[signal.name] = np.maximum(column, -1)
    found["field_faults"] = np.minimum(faults, 127)
    return found
