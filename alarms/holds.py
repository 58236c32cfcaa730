"""The running holds of every lift: for each its start and when its condition was last true. Knows no rule.

A lift with up to four holds has a small row of cells; one with more has a wide row, a cell for each column. A lift without holds has
neither, so that a quiet fleet costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from alarms.signals import Bools, Ints
from alarms.words import Words

CELLS: Final = 4


@dataclass(slots=True)
class Cells:
    """Holds of some lifts, as (lifts, cells); a cell of column -1 is empty."""

    column: Ints
    start: Ints
    true_at: Ints


class _Rows:
    """Rows of one width, handed out and taken back; row 0 is nobody's."""

    def __init__(self, width: int) -> None:
        self.column = np.full((1, width), -1, np.int16)
        self.times = np.zeros((1, 2, width), np.int64)
        self._free: list[int] = []

    def take(self, count: int) -> npt.NDArray[np.int64]:
        short = count - len(self._free)
        if short > 0:
            old = len(self.column)
            more = max(short, old // 4, 16)
            width = self.column.shape[1]
            self.column = np.concatenate([self.column, np.full((more, width), -1, np.int16)])
            self.times = np.concatenate([self.times, np.zeros((more, 2, width), np.int64)])
            self._free.extend(range(old + more - 1, old - 1, -1))
        taken = self._free[-count:]
        del self._free[-count:]
        return np.array(taken, np.int64)

    def give(self, rows: Ints) -> None:
        self.column[rows] = -1
        self._free.extend(rows.tolist())

    @property
    def nbytes(self) -> int:
        return self.column.nbytes + self.times.nbytes


class Holds:
    """Rows of cells by slot."""

    def __init__(self, columns: int) -> None:
        self._count = columns
        self.row = np.zeros(0, np.int32)  # 0 none, positive a small row, negative a wide one
        self._small, self._wide = _Rows(CELLS), _Rows(max(1, columns))

    def grow(self, more: int) -> None:
        self.row = np.concatenate([self.row, np.zeros(more, np.int32)])

    @property
    def nbytes(self) -> int:
        return self.row.nbytes + self._small.nbytes + self._wide.nbytes

    def wide(self, slots: Ints) -> Bools:
        """Which of the slots have more holds than a small row takes; not to be mixed with others in one call."""
        return self.row[slots] < 0

    def cells(self, slots: Ints) -> Cells:
        """The holds of slots that are all wide or all not."""
        rows = self.row[slots]
        kind = self._wide if len(rows) and rows[0] < 0 else self._small
        place = np.abs(rows)
        times = kind.times[place]
        return Cells(column=kind.column[place].astype(np.int64), start=times[:, 0], true_at=times[:, 1])

    def touch(self, slots: Ints, cells: Cells) -> None:
        """Write back cells of which only times have changed."""
        rows = self.row[slots]
        kind = self._wide if len(rows) and rows[0] < 0 else self._small
        some = np.flatnonzero(rows)
        kind.times[np.abs(rows[some]), 1] = cells.true_at[some]

    def put(self, slots: Ints, cells: Cells, kept: Bools, fresh: tuple[Ints, Ints, Ints]) -> None:
        """Keep some cells and add holds (row of `slots`, column, start)."""
        row = fresh[0]
        before = cells.column >= 0
        if not len(row) and (kept == before).all():
            self.touch(slots, cells)
            return
        count = kept.sum(axis=1) + np.bincount(row, minlength=len(slots))
        small = np.flatnonzero((count <= CELLS) & (cells.column.shape[1] == CELLS))
        other = np.flatnonzero((count > CELLS) | (cells.column.shape[1] != CELLS))
        if small.size:
            self._put_small(slots, cells, kept, fresh, small, count)
        if other.size:
            self._put_again(slots, cells, kept, fresh, other)

    def _put_small(
        self, slots: Ints, cells: Cells, kept: Bools, fresh: tuple[Ints, Ints, Ints], mine: Ints, count: Ints
    ) -> None:
        """Lifts that had a small row or none, and have at most so many holds."""
        rows = self.row[slots[mine]].astype(np.int64)
        idle = mine[(rows > 0) & (count[mine] == 0)]
        if idle.size:
            self._small.give(self.row[slots[idle]].astype(np.int64))
            self.row[slots[idle]] = 0
        new = mine[(rows == 0) & (count[mine] > 0)]
        if new.size:
            self.row[slots[new]] = self._small.take(len(new))
        mine = mine[count[mine] > 0]
        place = self.row[slots[mine]]
        self._small.column[place] = np.where(kept[mine], cells.column[mine], -1)
        self._small.times[place, 0], self._small.times[place, 1] = cells.start[mine], cells.true_at[mine]
        row, column, start = fresh
        inside = np.isin(row, mine)
        if inside.any():
            row, column, start = row[inside], column[inside], start[inside]
            empty = np.argsort(kept[row], axis=1, kind="stable")
            cell = empty[np.arange(len(row)), _ordinal(row)]
            place = self.row[slots[row]]
            self._small.column[place, cell] = column
            self._small.times[place, 0, cell] = self._small.times[place, 1, cell] = start

    def _put_again(self, slots: Ints, cells: Cells, kept: Bools, fresh: tuple[Ints, Ints, Ints], mine: Ints) -> None:
        """Lifts whose row changes its width, or is wide: all their holds are laid down anew."""
        row, cell = np.nonzero(kept[mine])
        inside = np.isin(fresh[0], mine)
        place = np.zeros(len(slots), np.int64)
        place[mine] = np.arange(len(mine))
        self.lay(
            slots[mine],
            np.concatenate([row, place[fresh[0][inside]]]),
            np.concatenate([cells.column[mine][row, cell], fresh[1][inside]]),
            np.concatenate([cells.start[mine][row, cell], fresh[2][inside]]),
            np.concatenate([cells.true_at[mine][row, cell], fresh[2][inside]]),
        )

    def lay(self, slots: Ints, row: Ints, column: Ints, start: Ints, true_at: Ints) -> None:
        """All holds of some slots, as parallel arrays: row of `slots`, column, start, last true."""
        order = np.argsort(row, kind="stable")
        row, column, start, true_at = row[order], column[order], start[order], true_at[order]
        old = self.row[slots].astype(np.int64)
        self._small.give(old[old > 0])
        self._wide.give(-old[old < 0])
        count = np.bincount(row, minlength=len(slots))
        self.row[slots] = 0
        for kind, who, sign in (
            (self._small, (count > 0) & (count <= CELLS), 1),
            (self._wide, count > CELLS, -1),
        ):
            mine = np.flatnonzero(who)
            if not mine.size:
                continue
            self.row[slots[mine]] = sign * kind.take(len(mine))
            inside = np.flatnonzero(who[row])
            place = np.abs(self.row[slots[row[inside]]])
            cell = _ordinal(row[inside]) if sign > 0 else column[inside]
            kind.column[place, cell] = column[inside]
            kind.times[place, 0, cell], kind.times[place, 1, cell] = start[inside], true_at[inside]

    def listed(self, slots: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """All holds of some slots: row of `slots`, column, start, last true; by row, then column."""
        parts = []
        for who in (~self.wide(slots), self.wide(slots)):
            mine = np.flatnonzero(who)
            cells = self.cells(slots[mine])
            row, cell = np.nonzero(cells.column >= 0)
            parts.append((mine[row], cells.column[row, cell], cells.start[row, cell], cells.true_at[row, cell]))
        row, column, start, true_at = (np.concatenate(item) for item in zip(*parts, strict=True))
        order = np.lexsort((column, row))
        return row[order], column[order], start[order], true_at[order]


def _ordinal(row: Ints) -> Ints:
    """Which occurrence of its value each one is; equal values stand together."""
    opening = np.flatnonzero(np.diff(row, prepend=-1) != 0)
    return np.arange(len(row)) - np.repeat(opening, np.diff(np.append(opening, len(row))))


def united(bit: Words, cells: Cells, those: Bools) -> Words:
    """The set of the columns of some cells, by lift."""
    found: Words = np.bitwise_or.reduce(np.where(those[:, :, None], bit[cells.column], np.uint64(0)), axis=1)
    return found


def member(bit: Words, cells: Cells, words: Words) -> Bools:
    """Which cells' columns are in the set of their lift."""
    return np.asarray((bit[cells.column] & words[:, None]).any(axis=2))
