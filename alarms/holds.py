"""The running holds of every lift: for each its start and when its condition was last true. Knows no rule.

A lift with up to four holds has a small row of cells; one with more has a wide row, a cell for each column. A lift without holds has
neither, so that a quiet fleet costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from alarms.signals import Bools, Ints, hits
from alarms.words import Words

CELLS: Final = 4

Fresh = tuple[Ints, Ints, Ints, Ints]
"""New holds as parallel arrays: row of some slots, column, start, last true."""


@dataclass(slots=True)
class Cells:
    """Holds of some lifts, as (cells, lifts); a cell of column -1 is empty."""

    column: Ints
    start: Ints
    true_at: Ints
    bit: Words  # of each cell's column, (words, cells, lifts); 0 of an empty cell

    def united(self, those: Bools) -> Words:
        """The set of the columns of some cells, by lift."""
        found: Words = self.bit[:, 0] * those[0]
        for cell in range(1, len(those)):
            found |= self.bit[:, cell] * those[cell]
        return found

    def member(self, words: Words) -> Bools:
        """Which cells' columns are in the set of their lift."""
        found = self.bit[0] & words[0]
        for word in range(1, len(words)):
            found |= self.bit[word] & words[word]
        return np.asarray(found != 0)


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

    def __init__(self, bit: Words) -> None:
        """`bit`: the set of each single column, the last one empty."""
        self._bit = bit
        self.row: npt.NDArray[np.int32] = np.zeros(
            0, np.int32
        )  # 0 none, positive a small row, negative a wide one; given by the state
        self._small, self._wide = _Rows(CELLS), _Rows(max(1, bit.shape[1] - 1))

    @property
    def nbytes(self) -> int:
        return self._small.nbytes + self._wide.nbytes

    def wide(self, slots: Ints) -> Bools:
        """Which of the slots have more holds than a small row takes; not to be mixed with others in one call."""
        return self.row[slots] < 0

    def cells(self, slots: Ints) -> Cells:
        """The holds of slots that are all wide or all not."""
        rows = self.row[slots]
        kind = self._wide if len(rows) and rows[0] < 0 else self._small
        place = np.abs(rows)
        start, true_at = np.ascontiguousarray(kind.times[place].transpose(1, 2, 0))
        column = np.ascontiguousarray(kind.column[place].T.astype(np.int64))
        return Cells(column=column, start=start, true_at=true_at, bit=self._bit[:, column])

    def of(self, slot: int) -> dict[int, list[int]]:
        """The holds of one slot: start and when last true, by column."""
        row = int(self.row[slot])
        kind, place = (self._small, row) if row >= 0 else (self._wide, -row)
        if not place:
            return {}
        pairs = zip(kind.column[place].tolist(), kind.times[place].T.tolist(), strict=True)
        return {column: times for column, times in pairs if column >= 0}

    def put_one(self, slot: int, holds: dict[int, list[int]]) -> None:
        """All holds of one slot, as `of` gives them."""
        row = int(self.row[slot])
        if row < 0 or len(holds) > CELLS:
            column, times = (
                np.array(list(holds), np.int64),
                np.array(list(holds.values()), np.int64).reshape(len(holds), 2),
            )
            self.lay(np.array([slot]), np.zeros(len(holds), np.int64), column, times[:, 0], times[:, 1])
            return
        if row and not holds:
            self._small.give(np.array([row]))
            self.row[slot] = 0
        elif holds:
            row = row or int(self._small.take(1)[0])
            self.row[slot] = row
            empty = CELLS - len(holds)
            self._small.column[row] = [*holds, *[-1] * empty]
            self._small.times[row, :, : len(holds)] = list(zip(*holds.values(), strict=True))

    def touch(self, slots: Ints, cells: Cells) -> None:
        """Write back cells of which only times have changed."""
        rows = self.row[slots]
        kind = self._wide if len(rows) and rows[0] < 0 else self._small
        some = hits(rows)
        kind.times[np.abs(rows[some]), 1] = cells.true_at[:, some].T

    def put(self, slots: Ints, cells: Cells, kept: Bools, fresh: Fresh) -> None:
        """Keep some cells and add holds; those of one row of `slots` stand together."""
        self.touch(slots, cells)
        moved = (kept != (cells.column >= 0)).any(axis=0)
        moved[fresh[0]] = True
        changed = hits(moved)
        if not changed.size:
            return
        row, column, start, true_at = fresh
        slots, kept = slots[changed], kept[:, changed]
        row = np.searchsorted(changed, row)
        count = kept.sum(axis=0) + np.bincount(row, minlength=len(slots))
        if len(kept) == CELLS and count.max() <= CELLS:
            self._put_small(slots, cells.column[:, changed], kept, (row, column, start, true_at), count)
            return
        cell, old = np.nonzero(kept)
        self.lay(
            slots,
            np.concatenate([old, row]),
            np.concatenate([cells.column[cell, changed[old]], column]),
            np.concatenate([cells.start[cell, changed[old]], start]),
            np.concatenate([cells.true_at[cell, changed[old]], true_at]),
        )

    def _put_small(self, slots: Ints, column: Ints, kept: Bools, fresh: Fresh, count: Ints) -> None:
        """Lifts that had a small row or none, and will have one or none."""
        rows = self.row[slots].astype(np.int64)
        idle = hits((rows > 0) & (count == 0))
        if idle.size:
            self._small.give(rows[idle])
            rows[idle] = 0
        new = hits((rows == 0) & (count > 0))
        if new.size:
            rows[new] = self._small.take(len(new))
        self.row[slots] = rows
        held = hits(rows)
        self._small.column[rows[held]] = np.where(kept[:, held], column[:, held], -1).T
        row, column, start, true_at = fresh
        if len(row):
            empty = np.argsort(kept[:, row], axis=0, kind="stable")
            cell = empty[_ordinal(row), np.arange(len(row))]
            self._small.column[rows[row], cell] = column
            self._small.times[rows[row], 0, cell], self._small.times[rows[row], 1, cell] = start, true_at

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
            mine = hits(who)
            if not mine.size:
                continue
            self.row[slots[mine]] = sign * kind.take(len(mine))
            inside = hits(who[row])
            place = np.abs(self.row[slots[row[inside]]])
            cell = _ordinal(row[inside]) if sign > 0 else column[inside]
            kind.column[place, cell] = column[inside]
            kind.times[place, 0, cell], kind.times[place, 1, cell] = start[inside], true_at[inside]

    def listed(self, slots: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """All holds of some slots: row of `slots`, column, start, last true; by row, then column."""
        parts = []
        for who in (~self.wide(slots), self.wide(slots)):
            mine = hits(who)
            cells = self.cells(slots[mine])
            cell, row = np.nonzero(cells.column >= 0)
            parts.append((mine[row], cells.column[cell, row], cells.start[cell, row], cells.true_at[cell, row]))
        row, column, start, true_at = (np.concatenate(item) for item in zip(*parts, strict=True))
        order = np.lexsort((column, row))
        return row[order], column[order], start[order], true_at[order]


def _ordinal(row: Ints) -> Ints:
    """Which occurrence of its value each one is; equal values stand together."""
    opening = hits(np.diff(row, prepend=-1) != 0)
    return np.arange(len(row)) - np.repeat(opening, np.diff(np.append(opening, len(row))))
