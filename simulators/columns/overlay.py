"""What broken sensors and faulty parts lay over the samples: a value instead of the true one, a factor on it, another floor.

Kept by field and kind of change, so that laying a thousand over a hundred thousand samples is a few array operations.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulators.columns.cars import Cars
from simulators.columns.sense import passing
from simulators.columns.stairs import Stairs
from simulators.records import RECORD, Rows

Column = npt.NDArray[Any]
Key = tuple[str, str, str]

WHILE: Final = ("always", "running", "stopped", "open", "parked", "full")


class Overlay:
    """`put` and `take` change what is laid over; `lay` does it to a batch of rows, `slots` says whose samples are touched now."""

    def __init__(self, cars: Cars, stairs: Stairs) -> None:
        self._cars, self._stairs = cars, stairs
        self._laid: dict[Key, dict[int, float]] = {}
        self._arrays: dict[Key, tuple[Column, Column]] = {}
        self._all: Column | None = None
        self.fresh: set[int] = set()  # slots whose overlay changed since the last look: worth a sample

    def put(self, slot: int, field: str, kind: str, value: float, while_: str = "always") -> None:
        """`kind` is set, times, invert or shift. A second one of the same key and slot takes the place of the first."""
        assert field in (RECORD.names or ()), field  # noqa: S101
        assert while_ in WHILE, while_  # noqa: S101
        self._laid.setdefault((field, kind, while_), {})[slot] = value
        self.fresh.add(slot)
        self._changed((field, kind, while_))

    def take(self, slot: int, field: str, kind: str, while_: str = "always") -> None:
        """It is over."""
        self._laid.get((field, kind, while_), {}).pop(slot, None)
        self.fresh.add(slot)
        self._changed((field, kind, while_))

    @property
    def slots(self) -> Column:
        """Every slot that has something laid over it."""
        if self._all is None:
            self._all = np.array(sorted({slot for laid in self._laid.values() for slot in laid}), np.int64)
        return self._all

    def lay(self, rows: Rows, place: Column) -> None:
        """Change the rows; `place` gives each slot's row, -1 for none."""
        for key, laid in self._laid.items():
            if not laid:
                continue
            if key not in self._arrays:
                slots = np.array(sorted(laid), np.int64)
                self._arrays[key] = slots, np.array([laid[slot] for slot in slots.tolist()])
            slots, values = self._arrays[key]
            here = (place[slots] >= 0) & self._passing(key[2], slots)
            at, values = place[slots[here]], values[here]
            if not len(at):
                continue
            field, kind, _ = key
            before = rows[field][at]
            if kind == "set":
                rows[field][at] = np.where(_known(before), values, before)
            elif kind == "times":
                rows[field][at] = before * values
            elif kind == "invert":
                rows[field][at] = np.where(before >= 0, before == 0, before)
            else:
                rows[field][at] = np.where(before >= 0, np.maximum(0, before + values), before)

    def _passing(self, while_: str, slots: Column) -> Column:
        lifts = self._cars.shafts.count
        mine = slots < lifts
        result = np.ones(len(slots), np.bool_)
        if while_ != "always":
            result[mine] = passing(self._cars, while_, slots[mine])
            if not mine.all():
                rest = slots[~mine] - lifts
                result[~mine] = self._stairs.full[rest] if while_ == "full" else self._stairs.running[rest]
        return result

    def _changed(self, key: Key) -> None:
        self._arrays.pop(key, None)
        self._all = None


def _known(before: Column) -> Column:
    """A sensor that is not fitted cannot break; battery and radio are always there."""
    return ~np.isnan(before) if before.dtype.kind == "f" else before >= 0
