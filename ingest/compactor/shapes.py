"""Rows to blocks, and the blocks of an hour to chunks. Pure: which samples belong together, and what is said beside them for searching."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoistway.limits import BLOCK_LIFTS
from hoistway.samples.codec import encode
from hoistway.samples.layout import Rows, moment, us

HOUR_US: Final = 3_600_000_000
SLOTS: Final = 4
"""Tables that take the blocks of an hour in turn."""


class Block(NamedTuple):
    """Some seconds of `BLOCK_LIFTS` lifts: a row of `sample_block`."""

    slot: int
    partition: int
    hour: datetime
    bucket: int
    first_batch: int
    last_batch: int
    first_at: datetime
    last_at: datetime
    samples: int
    body: bytes


class Chunk(NamedTuple):
    """One lift's hour: a row of `sample_chunk`."""

    lift_id: int
    partition: int
    astray: bool
    samples: int
    hour: datetime
    first_at: datetime
    last_at: datetime
    first_batch: int
    last_batch: int
    first_seq: int
    last_seq: int
    body: bytes


def slot_of(hour: datetime) -> int:
    """The table that takes the blocks of an hour."""
    return int(hour.timestamp()) // 3_600 % SLOTS


def blocks(rows: Rows, *, partition: int, closed: datetime) -> Iterator[Block]:
    """The blocks of some rows of one partition. Rows of hours up to `closed` go into the hour after it."""
    hours = np.maximum(rows["received"] // HOUR_US * HOUR_US, us(closed) + HOUR_US)
    order = np.lexsort((rows["ordinal"], rows["batch_no"], rows["lift_id"], hours))
    rows, hours = rows[order], hours[order]
    buckets = rows["lift_id"] // BLOCK_LIFTS
    starts = _starts(hours, buckets)
    edges = _Edges(rows, starts)
    for place, body in enumerate(encode(rows, starts)):
        first = int(starts[place])
        hour = moment(hours[first])
        yield Block(
            slot=slot_of(hour),
            partition=partition,
            hour=hour,
            bucket=int(buckets[first]),
            first_batch=edges.least("batch_no", place),
            last_batch=edges.most("batch_no", place),
            first_at=moment(edges.least("at", place)),
            last_at=moment(edges.most("at", place)),
            samples=edges.count(place),
            body=body,
        )


def chunks(rows: Rows, *, partition: int, hour: datetime) -> Iterator[Chunk]:
    """The chunks of all rows that some lifts have in an hour."""
    rows = rows[np.lexsort((rows["ordinal"], rows["batch_no"], rows["lift_id"]))]
    starts = _starts(rows["lift_id"])
    edges, begin = _Edges(rows, starts), us(hour)
    for place, body in enumerate(encode(rows, starts)):
        first_at, last_at = edges.least("at", place), edges.most("at", place)
        astray = first_at < begin - HOUR_US or last_at > begin + 2 * HOUR_US or edges.least("received", place) < begin
        yield Chunk(
            lift_id=int(rows["lift_id"][starts[place]]),
            partition=partition,
            astray=astray,
            samples=edges.count(place),
            hour=hour,
            first_at=moment(first_at),
            last_at=moment(last_at),
            first_batch=edges.least("batch_no", place),
            last_batch=edges.most("batch_no", place),
            first_seq=edges.least("seq", place),
            last_seq=edges.most("seq", place),
            body=body,
        )


def _starts(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """Where a run of equal values begins."""
    if not len(columns[0]):
        return np.zeros(0, np.int64)
    changed = np.zeros(len(columns[0]), bool)
    changed[0] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


class _Edges:
    """The least and the most of columns in each run."""

    def __init__(self, rows: Rows, starts: NDArray[np.int64]) -> None:
        self._rows, self._starts = rows, starts
        self._counts = np.diff(np.append(starts, len(rows)))
        self._found: dict[tuple[str, bool], list[int]] = {}

    def least(self, name: str, place: int) -> int:
        return self._edge(name, place, least=True)

    def most(self, name: str, place: int) -> int:
        return self._edge(name, place, least=False)

    def count(self, place: int) -> int:
        return int(self._counts[place])

    def _edge(self, name: str, place: int, *, least: bool) -> int:
        if (name, least) not in self._found:
            edge = np.minimum if least else np.maximum
            self._found[name, least] = edge.reduceat(self._rows[name], self._starts).tolist()
        return self._found[name, least][place]
