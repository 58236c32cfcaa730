"""Sets of columns as 64-bit words: one bit a column. Packing, asking, listing; nothing about alarms.

Words come first and places last, so that what is done to many sets at once runs along memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from alarms.signals import Bools, Ints

Words = npt.NDArray[np.uint64]
"""(words, places), a set a place: bit c % 64 of word c // 64 stands for column c. One set for all places is (words, 1)."""

BITS: Final = 64
_LINE: Final = 64
_CHUNK: Final = 1_024
"""Places packed at once: more fall out of the processor's cache."""


def width(columns: int) -> int:
    """Words for so many columns."""
    return max(1, -(-columns // BITS))


def mask(columns: Iterable[int], count: int) -> Words:
    """The set of some of `count` columns, as (words, 1)."""
    found = np.zeros((width(count), 1), np.uint64)
    for column in columns:
        found[column // BITS] |= np.uint64(1) << np.uint64(column % BITS)
    return found


def chosen(flags: Bools) -> Words:
    """The set of the columns whose flag is up, as (words, 1)."""
    return mask(np.flatnonzero(flags).tolist(), len(flags))


def bits(count: int) -> Words:
    """The set of each single column, as (words, columns + 1); the last one is empty, so that column -1 is nobody."""
    return np.concatenate([*(mask([column], count) for column in range(count)), mask([], count)], axis=1)


def some(words: Words) -> Bools:
    """Which places' sets have any member."""
    found = words[0]
    for word in words[1:]:
        found = found | word
    return np.asarray(found != 0)


_FEW: Final = 1_000
"""Up to so many places every bit is looked at; beyond, the lowest bit of each again and again."""


def listed(words: Words) -> tuple[Ints, Ints]:
    """Every member of every place's set, as (place, column), in order."""
    if words.shape[1] <= _FEW:
        rows = some(words).nonzero()[0]
        members = np.unpackbits(np.ascontiguousarray(words[:, rows].T).view(np.uint8), axis=1, bitorder="little")
        row, column = members.nonzero()
        return rows[row], column
    places, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, word in enumerate(words):
        place = np.flatnonzero(word)
        left = word[place]
        while place.size:
            low = left & (~left + np.uint64(1))
            places.append(place)
            columns.append(np.frexp(low.astype(np.float64))[1].astype(np.int64) + (BITS * number - 1))
            left = left ^ low
            more = np.flatnonzero(left)
            place, left = place[more], left[more]
    if len(places) <= 2:
        return places[-1], columns[-1]
    place, column = np.concatenate(places), np.concatenate(columns)
    order = np.argsort(place, kind="stable")
    return place[order], column[order]


def aligned_rows(count: int, kind: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Rows that begin where a line of the processor's cache begins."""
    raw = np.zeros(count * kind.itemsize + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + count * kind.itemsize].view(kind)


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
        """The sets of each record, as (planes, words, records), from conditions as (lines, records)."""
        count, used = lines.shape[1], len(self._used)
        found = np.zeros((self._planes, self._width, count, 8), np.uint8)
        for start in range(0, count if used else 0, _CHUNK):
            some_lines = lines if count <= _CHUNK else lines[:, start : start + _CHUNK]
            part = some_lines.take(self._lines, axis=0, mode="clip").view(np.uint8)
            part = part.reshape(8, -1, part.shape[1])
            packed = part[7].copy()
            for bit in range(6, -1, -1):
                packed += packed
                packed |= part[bit]
            packed = packed.reshape(used, self._bytes, -1)
            for word in range(self._width):
                some_ = packed[:, word * 8 : word * 8 + 8]
                found[self._used, word, start : start + _CHUNK, : some_.shape[1]] = some_.transpose(0, 2, 1)
        return found.view(np.uint64)[..., 0]
