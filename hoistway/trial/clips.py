"""The samples around what may have to be explained: a miss, a false alarm. Kept only of those, and only so many. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alarms.signals import Batch, Rows, pick
from hoistway.model import EVENT_CODES, SIGNALS, SignalType

BEFORE_MS: Final = 120_000
AFTER_MS: Final = 180_000
KEEP_MS: Final = 360_000
CLIPS_MOST: Final = 2_000
LINES_MOST: Final = 120
"""Beyond either the rest is left out; the run says how many."""

Line = tuple[float, str]
"""Seconds from the moment in question, and what was said."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    slot: int
    at: int
    still: Callable[[], bool]  # whether it has to be explained, asked when its time has passed


class Clips:
    """The last minutes of the fleet, and what was cut out of them."""

    def __init__(self, label: Callable[[int], str]) -> None:
        self._label = label
        self._recent: deque[tuple[int, Batch]] = deque()
        self._wanted: list[_Wanted] = []
        self.found: dict[str, list[Line]] = {}
        self.left_out = 0

    def want(self, name: str, slot: int, at: int, still: Callable[[], bool]) -> None:
        self._wanted.append(_Wanted(name, slot, at, still))

    def add(self, batch: Batch, until_ms: int) -> None:
        """What came up to `until_ms`; cuts out whatever is complete by now."""
        self._recent.append((until_ms, batch))
        self.cut(until_ms)
        while self._recent and self._recent[0][0] < until_ms - KEEP_MS:
            self._recent.popleft()

    def cut(self, now: int, *, everything: bool = False) -> None:
        waiting = []
        for item in self._wanted:
            if not everything and now < item.at + AFTER_MS:
                waiting.append(item)
            elif item.still():
                self._keep(item)
        self._wanted = waiting

    def _keep(self, item: _Wanted) -> None:
        if len(self.found) >= CLIPS_MOST:
            self.left_out += 1
            return
        first, last = item.at - BEFORE_MS, item.at + AFTER_MS
        lines: list[tuple[int, str]] = []
        rows = [_of(batch.samples, item.slot, first, last) for _, batch in self._recent]
        lines += self._samples(np.concatenate(rows)) if rows else []
        for _, batch in self._recent:
            for row in _of(batch.events, item.slot, first, last):
                said = "active" if row["active"] else "over"
                lines.append((int(row["at"]), f"event {EVENT_CODES[row['code']].code} {said}"))
            for row in _of(batch.contacts, item.slot, first, last, "received"):
                lines.append((int(row["received"]), "link up" if row["online"] else "link lost"))
        lines.sort(key=lambda line: line[0])
        self.found[item.name] = [((at - item.at) / 1_000, said) for at, said in lines[:LINES_MOST]]

    def _samples(self, rows: Rows) -> list[tuple[int, str]]:
        """The first sample whole, then what changed."""
        found, before = [], dict[str, Any]()
        for row in rows[np.argsort(rows["at"], kind="stable")]:
            now = {item.name: self._plain(item.name, item.type, row[item.name].item()) for item in SIGNALS}
            changed = {name: value for name, value in now.items() if value != before.get(name)}
            if changed:
                found.append((int(row["at"]), " ".join(f"{name}={value}" for name, value in changed.items())))
            before = now
        return found

    def _plain(self, name: str, kind: SignalType, value: Any) -> Any:
        if kind is SignalType.NUMBER:
            return None if np.isnan(value) or name in _COUNTERS else round(value, 2)
        if value < 0:
            return None
        if kind is SignalType.LABEL:
            return self._label(value)
        return bool(value) if kind is SignalType.BOOL else value


_COUNTERS: Final = frozenset({"running_hours", "runs", "door_cycles"})


def _of(rows: Rows, slot: int, first: int, last: int, key: str = "at") -> Rows:
    where = np.flatnonzero((rows["slot"] == slot) & (rows[key] >= first) & (rows[key] <= last))
    return pick(rows, where) if "clock_error" in (rows.dtype.names or ()) else rows[where]
