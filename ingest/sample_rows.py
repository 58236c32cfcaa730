"""Accepted samples of one batch on their way to columns: corrected times are set once every clock of the batch is known. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms.signals import SAMPLE_DTYPE
from ingest.decode import FieldFault, to_columns
from ingest.device_clock import Clock
from ingest.pack import KEYS_DTYPE, clock_error

MOST_FAULTS: Final = 127
"""What a row can say of its unusable fields."""


class Origin(NamedTuple):
    """Where samples come from."""

    device_id: int
    incarnation: int
    clock: Clock
    received: int
    placed: bool  # their time is known well enough to put them in their place


class SampleRows:
    """Samples in order of acceptance."""

    def __init__(self) -> None:
        self._records: list[Any] = []
        self._lift_ids: list[int] = []
        self._unusable: dict[int, int] = {}  # by position: fields that became unknown
        self._origins: list[Origin] = []
        self._counts: list[int] = []  # so many in a row of each origin

    def __len__(self) -> int:
        return len(self._records)

    def add(self, origin: Origin, records: Sequence[Any], lift_ids: Sequence[int], unusable: dict[int, int]) -> None:
        """Samples of one origin; `unusable` by their position among them."""
        for index, fields in unusable.items():
            self._unusable[len(self._records) + index] = fields
        self._records += records
        self._lift_ids += lift_ids
        self._origins.append(origin)
        self._counts.append(len(records))

    def finish(
        self,
        label_id: Callable[[str], int],
        note_fault: Callable[[int, FieldFault], None],
        *,
        folded: tuple[int, int],
        received: int | None,
    ) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """Samples and keys. `folded`: for those that are not placed and for those that are; `received`: of all of them, if another."""
        if not self._records:
            return np.empty(0, SAMPLE_DTYPE), np.empty(0, KEYS_DTYPE)
        rows, faults = to_columns(self._records, label_id)
        keys = np.empty(len(rows), KEYS_DTYPE)
        keys["device_id"] = self._each("device_id")
        keys["incarnation"] = self._each("incarnation")
        keys["folded"] = np.where(self._each("placed"), folded[1], folded[0])
        for name in ("boot", "seq", "ts"):
            keys[name] = [getattr(record, name) for record in self._records]
        offsets = [origin.clock.offset_ms or 0 for origin in self._origins]
        came = self._each("received")
        rows["slot"] = self._lift_ids
        rows["at"] = np.minimum(came, keys["ts"] + np.repeat(np.array(offsets, np.int64), self._counts))
        rows["received"] = came if received is None else received
        rows["clock_error"] = clock_error(rows["at"], keys["ts"])
        self._note_faults(rows, keys, faults, note_fault)
        return rows, keys

    def _each(self, name: str) -> NDArray[Any]:
        return np.repeat(np.array([getattr(origin, name) for origin in self._origins]), self._counts)

    def _note_faults(
        self,
        rows: NDArray[np.void],
        keys: NDArray[np.void],
        faults: Sequence[tuple[int, FieldFault]],
        note_fault: Callable[[int, FieldFault], None],
    ) -> None:
        unusable = dict(self._unusable)
        for index, fault in faults:
            note_fault(int(keys["device_id"][index]), fault)
            unusable[index] = unusable.get(index, 0) + 1
        for index, fields in unusable.items():
            rows["field_faults"][index] = min(fields, MOST_FAULTS)
