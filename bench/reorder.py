"""Samples put back in order when they come at most so late: held back until the stream's own time has passed them by that much.

For a file or a stream of many lifts whose samples carry a time and a number. Copies of a sample are dropped; what comes later than
promised is counted and dropped, never folded out of order. The live service does not need this: there what is late is folded
again (alarms/window.py), so that nothing waits.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Reorder:
    """Rows wait here; `at` and `slot` are fields of theirs, `seq` counts the samples of a lift."""

    def __init__(self, lifts: int, late_ms: int) -> None:
        self._late_ms = late_ms
        self._rows: list[Any] = []
        self._seqs: list[Any] = []
        self._newest = -(2**62)  # the stream's own time
        self._seq_told = np.full(lifts, -1, np.int64)  # number of the newest sample handed on
        self.copies, self.too_late = 0, 0

    def take(self, rows: Any, seq: Any) -> Any:
        """Take in what came; answers the rows that nothing older can come before any more, in order."""
        if len(rows):
            self._newest = max(self._newest, int(rows["at"].max()))
        self._rows.append(rows)
        self._seqs.append(seq)
        return self._release(self._newest - self._late_ms)

    def rest(self) -> Any:
        """The stream has ended."""
        return self._release(2**62)

    def _release(self, before: int) -> Any:
        rows, seq = np.concatenate(self._rows), np.concatenate(self._seqs)
        at = rows["at"].copy()
        waits = at >= before
        stays, goes = np.flatnonzero(waits), np.flatnonzero(~waits)
        self._rows, self._seqs = [rows[stays]], [seq[stays]]
        slot = rows["slot"][goes].astype(np.int64)
        order = np.argsort((at[goes] - at.min(initial=2**62)) << 24 | slot, kind="stable")
        goes, slot = goes[order], slot[order]
        return rows[goes[self._fresh(slot, seq[goes])]]

    def _fresh(self, slot: Any, seq: Any) -> Any:
        """Which are no copies, and not older than what was handed on; copies stand together."""
        copy = np.zeros(len(slot), bool)
        copy[1:] = (slot[1:] == slot[:-1]) & (seq[1:] == seq[:-1])
        late = ~copy & (seq <= self._seq_told[slot])
        np.maximum.at(self._seq_told, slot, seq)
        self.copies += int(copy.sum())
        self.too_late += int(late.sum())
        return ~copy & ~late


class DropLate:
    """What many do instead: a sample that is not newer than its lift's newest is dropped."""

    def __init__(self, lifts: int) -> None:
        self._newest = np.full(lifts, -1, np.int64)
        self.dropped = 0

    def take(self, rows: Any, _seq: Any) -> Any:
        """The rows that are newer than all before them of their lift, in order of arrival."""
        slot, at = rows["slot"].astype(np.int64), rows["at"].astype(np.int64)
        line = np.argsort(slot, kind="stable")
        first = np.diff(slot[line], prepend=-1) != 0
        group = np.cumsum(first) - 1
        span = int(at.max()) + 1
        ahead = np.maximum.accumulate(group * span + at[line])
        before = np.empty(len(line), np.int64)
        before[1:] = ahead[:-1] - group[1:] * span
        before[first] = -1
        fresh = np.empty(len(line), bool)
        fresh[line] = at[line] > np.maximum(before, self._newest[slot[line]])
        np.maximum.at(self._newest, slot, at)
        self.dropped += int((~fresh).sum())
        return rows[fresh]

    def rest(self) -> Any:
        """Nothing waits here."""
        return None
