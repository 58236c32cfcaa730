"""Sets of columns as 64-bit words: one bit a column, one row a lift. Packing, asking, listing; nothing about alarms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from alarms.signals import Bools, Ints

Words = npt.NDArray[np.uint64]
"""(rows, words): bit c % 64 of word c // 64 stands for column c."""

BITS: Final = 64
_LINE: Final = 64
_CHUNK: Final = 1_024
"""Rows packed at once: more fall out of the processor's cache."""


def width(columns: int) -> int:
    """Words for so many columns."""
    return max(1, -(-columns // BITS))


def mask(columns: Iterable[int], count: int) -> Words:
    """The set of some of `count` columns, as (words,)."""
    found = np.zeros(width(count), np.uint64)
    for column in columns:
        found[column // BITS] |= np.uint64(1) << np.uint64(column % BITS)
    return found


def chosen(flags: Bools) -> Words:
    """The set of the columns whose flag is up, as (words,)."""
    return mask(np.flatnonzero(flags).tolist(), len(flags))


def bits(count: int) -> Words:
    """The set of each single column, as (columns + 1, words); the last one is empty, so that column -1 is nobody."""
    return np.stack([*(mask([column], count) for column in range(count)), mask([], count)])


def some(words: Words) -> Bools:
    """Which rows' sets have any member."""
    found = words[:, 0]
    for word in range(1, words.shape[1]):
        found = found | words[:, word]
    return np.asarray(found != 0)


def aligned_rows(count: int, kind: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Rows that begin where a line of the processor's cache begins."""
    raw = np.zeros(count * kind.itemsize + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + count * kind.itemsize].view(kind)


def listed(words: Words, count: int) -> tuple[Ints, Ints]:
    """Every member of every row's set, as (row, column), in order."""
    rows = np.flatnonzero(some(words))
    if not rows.size:
        return rows, rows
    unpacked = np.unpackbits(np.ascontiguousarray(words[rows]).view(np.uint8), axis=1, count=count, bitorder="little")
    row, column = np.nonzero(unpacked)
    return rows[row], column


class Layout:
    """Which line of a matrix of conditions each bit of several sets comes from."""

    def __init__(self, planes: Iterable[Ints], count: int, nothing: int) -> None:
        planes = list(planes)
        self._planes, self._width = len(planes), width(count)
        self._used = [place for place, plane in enumerate(planes) if (plane != nothing).any()]
        self._bytes = max(1, -(-count // 8))
        lines = np.full((len(self._used), self._bytes * 8), nothing, np.int64)
        for place, plane in enumerate(self._used):
            lines[place, :count] = planes[plane]
        # bit j of every byte together: the bytes of one line follow each other
        self._lines = lines.reshape(-1, 8).T.ravel()

    def pack(self, lines: Bools) -> Words:
        """The sets of each record, as (records, planes, words), from conditions as (lines, records)."""
        count, used = lines.shape[1], len(self._used)
        found = np.zeros((count, self._planes, self._width * 8), np.uint8)
        if not used:
            return found.view(np.uint64)
        for start in range(0, count, _CHUNK):
            part = lines[:, start : start + _CHUNK][self._lines].view(np.uint8)
            part = part.reshape(8, -1, part.shape[1])
            packed = part[7].copy()
            for bit in range(6, -1, -1):
                packed += packed
                packed |= part[bit]
            found[start : start + _CHUNK, self._used, : self._bytes] = packed.T.reshape(-1, used, self._bytes)
        return found.view(np.uint64)
