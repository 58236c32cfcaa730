"""What a window has heard since its base: records in blocks, so that letting go of the oldest costs what they are and not what all are.

Records that came in order and records that came late lie in blocks of their own: the former are nearly sorted by time, so that few
blocks have something before a given moment and something after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from alarms.records import Records
from alarms.signals import Bools, Ints

BLOCK_RECORDS: Final = 16_384
"""Lots are joined to blocks of at least so many records."""


class _Block(NamedTuple):
    """Some records, and the times of the oldest and of the newest of them."""

    records: Records
    oldest: int
    newest: int


def _block(records: Records) -> _Block:
    times = _times(records)
    return _Block(records, int(times.min()), int(times.max()))


def _times(records: Records) -> Ints:
    return np.concatenate([records.samples["at"], records.events["at"]])


class _Blocks:
    """Blocks in the order in which they were filled, and lots that are not yet one."""

    def __init__(self) -> None:
        self.full: list[_Block] = []
        self.lots: list[Records] = []
        self.loose = 0  # records in lots

    def add(self, records: Records) -> None:
        self.lots.append(records)
        self.loose += len(records)
        if self.loose >= BLOCK_RECORDS:
            self.seal()

    def seal(self) -> None:
        if self.lots:
            self.full.append(_block(Records.join(self.lots)))
            self.lots, self.loose = [], 0

    def take_until(self, until: int) -> Iterator[Records]:
        self.seal()
        kept = []
        for block in self.full:
            if block.oldest > until:
                kept.append(block)
            elif block.newest <= until:
                yield block.records
            else:
                samples, events = (part["at"] <= until for part in (block.records.samples, block.records.events))
                yield block.records.some(samples, events)
                kept.append(_block(block.records.some(~samples, ~events)))
        self.full = kept


class WindowLog:
    """The records of a window, those that came late apart."""

    def __init__(self) -> None:
        self._kinds = (_Blocks(), _Blocks())
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, records: Records, *, late: bool = False) -> None:
        """Keep some more."""
        if len(records):
            self._kinds[late].add(records)
            self._size += len(records)

    def of(self, wanted: Bools) -> Records:
        """What it has of some lifts, in no order; `wanted` is a flag for every slot."""
        return Records.join(
            part.some(wanted[part.samples["slot"]], wanted[part.events["slot"]]) for part in self._parts()
        )

    def without(self, lifts: Ints) -> WindowLog:
        """All but these lifts."""
        rest = WindowLog()
        for late, blocks in enumerate(self._kinds):
            for part in (*(block.records for block in blocks.full), *blocks.lots):
                kept = (~np.isin(rows["slot"], lifts) for rows in (part.samples, part.events))
                rest.add(part.some(*kept), late=bool(late))
        return rest

    def take_until(self, until: int) -> Records:
        """Take out what is not newer than a moment, in no order."""
        taken = Records.join(part for blocks in self._kinds for part in blocks.take_until(until))
        self._size -= len(taken)
        return taken

    def until_at_most(self, most: int) -> int:
        """A moment whose `take_until` leaves at most so many; the smallest of times when it has no more than that."""
        over = self._size - most
        if over <= 0:
            return -(2**62)
        times: list[Ints] = []
        for part in self._parts(late_first=True):
            times.append(_times(part))
            over -= len(part)
            if over <= 0:
                break
        sorted_times = np.sort(np.concatenate(times))
        return int(sorted_times[self._size - most - 1])

    def _parts(self, *, late_first: bool = False) -> Iterator[Records]:
        for blocks in reversed(self._kinds) if late_first else self._kinds:
            yield from (block.records for block in blocks.full)
            yield from blocks.lots
