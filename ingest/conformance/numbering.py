"""What is wrong with the numbers: boots, sequences, content, order of stamps, what is sent again and what is not. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from hoistway import wire
from hoistway.limits import CLOCK_SLOW_MS, CLOCK_STEP_MS
from ingest.conformance.findings import Evidence, Notes
from ingest.conformance.heard import Watch
from ingest.conformance.reading import UNDER_WAY_MS, Record, Told

ANSWER_MS: Final = 60_000
"""A hole is filled or declared gone within this time, and so is what an `ack` names as missing."""


@dataclass(slots=True)
class Run:
    """One stream between two starts: each record at its first arrival, by number."""

    boot: int
    leaf: str
    begins: bool  # its start was seen, so it must begin at 1
    first: dict[int, Record] = field(default_factory=dict)
    top: int = 0
    latest_ts: int = -1

    def take(self, record: Record) -> None:
        self.first[record.seq] = record
        self.top, self.latest_ts = max(self.top, record.seq), max(self.latest_ts, record.ts)

    def in_order(self) -> list[Record]:
        return [self.first[seq] for seq in sorted(self.first)]

    def first_fresh(self) -> int:
        """The number with which the watch began: of the first record that came as it was stamped, and not from a ring."""
        least = min(record.at_ms - record.ts for record in self.first.values())
        return next(seq for seq, record in self.first.items() if record.at_ms - record.ts - least <= ANSWER_MS)

    def neighbours(self) -> Iterator[tuple[Record, Record]]:
        """Records with consecutive numbers."""
        return ((one, two) for one, two in pairwise(self.in_order()) if two.seq == one.seq + 1)


def number(told: Told, watch: Watch, notes: Notes) -> list[Run]:
    """Judge the numbers; answers the runs for what is judged of their times."""
    began = _began(told)
    runs: list[Run] = []
    present: dict[tuple[int, str], Run] = {}
    repeated: list[Record] = []
    for record in told.records:
        key = (record.boot, record.leaf)
        run = present.get(key)
        if run is None or _counts_anew(run, record, notes):
            run = present[key] = Run(record.boot, record.leaf, begins=run is not None or record.boot in began)
            runs.append(run)
        known = run.first.get(record.seq)
        if known is None:
            run.take(record)
        elif known.content != record.content:
            notes.note("seq-reused", record.at_ms, subject=record.leaf, **_where(record))
        else:
            repeated.append(record)
    _boots(told, notes)
    for run in runs:
        _holes(run, told, watch, notes)
        _stamps(run, notes)
    _needless(repeated, told, notes)
    return runs


def _where(record: Record) -> Evidence:
    return {"topic": record.leaf, "boot": record.boot, "seq": record.seq}


def _counts_anew(run: Run, record: Record, notes: Notes) -> bool:
    """A number again with a newer stamp: the platform takes it for a device that lost its memory (docs/mqtt.md 5.2)."""
    known = run.first.get(record.seq)
    again = record.seq <= run.top and record.ts > run.latest_ts and (known is None or known.content != record.content)
    if again:
        notes.note("boot-reused", record.at_ms, subject=record.leaf, **_where(record), top=run.top)
    return again


def _began(told: Told) -> set[int]:
    """Boots whose start was within the watch: a link message named a smaller one before."""
    lowest = told.links[0].link.boot if told.links else None
    return {item.link.boot for item in told.links if lowest is not None and item.link.boot > lowest}


def _boots(told: Told, notes: Notes) -> None:
    """`boot` rises with each start and `conn` with each connection of it."""
    top, conn, ended = -1, -1, False
    for item in told.links:
        link = item.link
        if link.boot > top:
            top, conn, ended = link.boot, link.conn, not link.online
        elif link.boot < top:
            if link.online and link.gone is None:
                notes.note("boot-not-rising", item.at_ms, boot=link.boot, before=top)
        elif not link.online:
            ended = ended or link.conn >= conn
        elif link.conn < conn or (ended and link.conn == conn):
            notes.note("conn-not-rising", item.at_ms, boot=link.boot, conn=link.conn, before=conn)
            ended = False
        else:
            ended = ended and link.conn == conn
            conn = link.conn


class Ranges:
    """Closed ranges of numbers as a set that is asked quickly."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._merged: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if self._merged and low <= self._merged[-1][1] + 1:
                self._merged[-1] = self._merged[-1][0], max(self._merged[-1][1], high)
            else:
                self._merged.append((low, high))

    def all_of(self, first: int, last: int) -> bool:
        """Whether every number of first..last is in it."""
        return self._up_to(first) >= last

    def any_of(self, first: int, last: int) -> bool:
        return self._up_to(last) >= first

    def _up_to(self, seq: int) -> int:
        """Where the last range that begins up to `seq` ends."""
        at = bisect_right(self._merged, seq, key=lambda pair: pair[0])
        return self._merged[at - 1][1] if at else -1


def _holes(run: Run, told: Told, watch: Watch, notes: Notes) -> None:
    """Numbers that never came, were not declared gone, and have been missing for a while."""
    declared = [item.link.gone for item in told.links if item.link.gone is not None and item.link.boot == run.boot]
    asked = [
        item.ack.missing
        for item in told.acks
        if item.ack.missing is not None and item.ack.boot == run.boot and watch.to_ms - item.at_ms >= ANSWER_MS
    ]
    gone, named = Ranges(_named(declared, run.leaf)), Ranges(_named(asked, run.leaf))
    expected = 1 if run.begins else run.first_fresh()
    for seq in sorted(run.first):
        found = run.first[seq]
        ripe = watch.to_ms - found.at_ms >= ANSWER_MS
        if seq > expected and ripe and not gone.all_of(expected, seq - 1):
            rule = "missing-ignored" if named.any_of(expected, seq - 1) else "seq-jump"
            notes.note(rule, found.at_ms, subject=run.leaf, topic=run.leaf, boot=run.boot, first=expected, last=seq - 1)
        expected = max(expected, seq + 1)


def _named(said: list[wire.Missing], leaf: str) -> set[tuple[int, int]]:
    return {pair for one in said for pair in (one.state if leaf == "state" else one.event)}


def _stamps(run: Run, notes: Notes) -> None:
    for one, two in run.neighbours():
        if two.ts < one.ts - CLOCK_SLOW_MS and not _set_right(one, two):
            notes.note("ts-backwards", two.at_ms, subject=run.leaf, **_where(two), back_ms=one.ts - two.ts)


def _set_right(one: Record, two: Record) -> bool:
    """A clock that was far ahead and shows the server's time now: setting it back was right."""
    return one.ts - one.at_ms > CLOCK_STEP_MS >= abs(two.at_ms - two.ts)


def _needless(repeated: list[Record], told: Told, notes: Notes) -> None:
    """Sent again although two acks, either of which may be lost, had said that it is accepted, and nobody asked for it."""
    acks = {(boot, leaf): _twice(told, boot, leaf) for boot, leaf in {(one.boot, one.leaf) for one in repeated}}
    for record in repeated:
        times, said_twice = acks[record.boot, record.leaf]
        before = bisect_right(times, record.at_ms - UNDER_WAY_MS)
        if before and said_twice[before - 1] >= record.seq and not _asked(record, told):
            notes.note("resend-acked", record.at_ms, subject=record.leaf, **_where(record))


def _twice(told: Told, boot: int, leaf: str) -> tuple[list[int], list[int]]:
    """When the acks of a stream came, and up to which number two of them, or more, had said by then that it is accepted."""
    times, numbers, best, second = [], [], 0, 0
    for item in told.acks:
        if item.ack.boot == boot:
            number = item.ack.state if leaf == "state" else item.ack.event
            best, second = max(best, number), max(second, min(best, number))
            times.append(item.at_ms)
            numbers.append(second)
    return times, numbers


def _asked(record: Record, told: Told) -> bool:
    for at_ms, command in told.resends:
        ranges = command.state if record.leaf == "state" else command.event
        if at_ms <= record.at_ms and any(first <= record.seq <= last for first, last in ranges):
            return True
    return False
