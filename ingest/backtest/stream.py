"""The stored stream as pieces that an engine folds: many stored batches as one step, cut where listening began or rules changed.

Reads only the columns that the rules need, one piece ahead of the folding. Folds nothing itself.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, EVENT_INDEX, Batch, Rows
from hoistway.samples import Log
from hoistway.store import queries
from ingest.pack import Selection

SQL: Final = queries("ingest.backtest", "sql/backtest.sql")
STEP_SAMPLES: Final = 80_000
STEP_S: Final = 60
"""A step spans at most so long, so that a lift is met about when it speaks."""
BUCKET_S: Final = 10
AHEAD: Final = 2


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One step of the fold."""

    kind: str  # batch, listening, rules
    clock_ms: int
    batch: Batch
    rule_set: int | None = None  # of kind rules: the set from here on


@dataclass(frozen=True, kw_only=True)
class Range:
    """Stored batches that make one step, or one entry that is no batch."""

    kind: str
    first: int
    last: int
    begin: datetime  # clock of its first bucket
    clock: datetime
    samples: int
    events: int
    rule_set: int | None = None


@dataclass(frozen=True, kw_only=True)
class Lift:
    """A lift as the engine knows it, and as the report names it."""

    id: int
    name: str
    district: str
    escalator: bool
    rated_speed: float  # m/s, NaN unknown
    parameters: dict[str, float]
    ends: tuple[int, int]  # labels of the lowest and the highest floor, -1 unknown


def when(ms: int) -> datetime:
    """Milliseconds since 1970 UTC as a time stamp."""
    return datetime.fromtimestamp(ms / 1_000, UTC)


def ms(moment: datetime) -> int:
    """The opposite of `when`."""
    return int(moment.timestamp() * 1_000 + 0.5)


async def read_lifts(connection: Any, ids: Sequence[int] | None, district: str | None) -> list[Lift]:
    """The lifts that are asked for, by number."""
    rows = await connection.fetch(SQL["lifts"], None if ids is None else list(ids), district)
    return [
        Lift(
            id=row["id"],
            name=row["name"],
            district=row["district"],
            escalator=row["kind"] == "escalator",
            rated_speed=row["rated_speed_m_s"] or float("nan"),
            parameters={
                name: float(value) for name, value in row["parameters"].items() if isinstance(value, int | float)
            },
            ends=(row["bottom"], row["top"]),
        )
        for row in rows
    ]


async def plan(connection: Any, partition: int, since: datetime, until: datetime) -> list[Range]:
    """The stream between two times as ranges, in order."""
    buckets = await connection.fetch(SQL["steps"], partition, since, until, BUCKET_S)
    turns = await connection.fetch(SQL["turns"], partition, since, until)
    cuts = [row["batch_no"] for row in turns]
    whole: list[Range] = []
    for bucket in buckets:
        for step in _cut(bucket, cuts):
            last = whole[-1] if whole else None
            if last is not None and _fits(last, step, cuts):
                whole[-1] = _joined(last, step)
            else:
                whole.append(step)
    entries = [
        Range(
            kind=row["kind"],
            first=row["batch_no"],
            last=row["batch_no"],
            begin=row["clock"],
            clock=row["clock"],
            samples=0,
            events=0,
            rule_set=row["rule_set"],
        )
        for row in turns
    ]
    return sorted([*whole, *entries], key=lambda item: item.first)


def _cut(bucket: Any, cuts: Sequence[int]) -> list[Range]:
    """A bucket in the parts that lie between the entries which are no batches."""
    inside = [cut for cut in cuts if bucket["first"] < cut < bucket["last"]]
    edges = [bucket["first"] - 1, *inside, bucket["last"] + 1]
    return [
        Range(
            kind="batch",
            first=low + 1,
            last=high - 1,
            begin=bucket["clock"],
            clock=bucket["clock"],
            samples=bucket["samples"],
            events=bucket["events"],
        )
        for low, high in itertools.pairwise(edges)
        if low + 1 <= high - 1
    ]


def _fits(last: Range, step: Range, cuts: Sequence[int]) -> bool:
    small = last.samples + step.samples <= STEP_SAMPLES
    brief = (step.clock - last.begin).total_seconds() < STEP_S and last.kind == "batch"
    return small and brief and last.last < step.first and not any(last.last < cut < step.first for cut in cuts)


def _joined(last: Range, step: Range) -> Range:
    return Range(
        kind="batch",
        first=last.first,
        last=step.last,
        begin=last.begin,
        clock=max(step.clock, last.clock),
        samples=last.samples + step.samples,
        events=last.events + step.events,
    )


class Reader:
    """Pieces of one partition, read ahead of whoever folds them."""

    def __init__(
        self, connection: Any, partition: int, *, signals: frozenset[str], lifts: Sequence[int] | None
    ) -> None:
        self._connection, self._partition = connection, partition
        self._selection = Selection(signals)
        self._lifts = None if lifts is None else list(lifts)
        self._wanted = None if lifts is None else frozenset(lifts)
        self.late: set[int] = set()  # lifts of which a sample came late, as far as was read

    async def pieces(self, ranges: Sequence[Range]) -> AsyncIterator[Piece]:
        """Every range as a piece; the next ones are read meanwhile."""
        ready: asyncio.Queue[Piece | None] = asyncio.Queue(AHEAD)

        after = ranges[0].first - 1 if ranges else 0
        log = Log(self._connection, self._partition, after=after, columns=self._selection.columns, lifts=self._lifts)

        async def read() -> None:
            for item in ranges:
                await ready.put(await self._piece(item, log))
            await ready.put(None)

        reading = asyncio.create_task(read())
        try:
            while True:
                taking = asyncio.create_task(ready.get())
                await asyncio.wait({taking, reading}, return_when=asyncio.FIRST_COMPLETED)
                if not taking.done() and reading.done() and ready.empty():
                    taking.cancel()
                    reading.result()  # raises what went wrong
                piece = await taking
                if piece is None:
                    return
                yield piece
        finally:
            reading.cancel()

    async def last_words(self, since: datetime) -> Piece:
        """What was reported before the fold begins."""
        rows = await self._connection.fetch(SQL["last_words"], self._partition, since, self._lifts)
        events = _events(rows)
        events["received"] = ms(since)
        return Piece(kind="batch", clock_ms=ms(since), batch=Batch.of(events=events))

    async def _piece(self, item: Range, log: Log) -> Piece:
        clock = ms(item.clock)
        if item.kind != "batch":
            return Piece(kind=item.kind, clock_ms=clock, batch=Batch.of(), rule_set=item.rule_set)
        rows = await log.upto(item.last)
        if (late := rows["folded"] > 1).any():
            self.late.update(np.unique(rows["lift_id"][late]).tolist())
        samples = self._selection.samples(rows[(rows["folded"] == 1) & (rows["batch_no"] >= item.first)])
        events = None
        if item.events:
            told = await self._connection.fetch(SQL["events"], self._partition, item.first, item.last, self._lifts)
            events = _events(told)
        links = self._links(await self._connection.fetch(SQL["links"], self._partition, item.first, item.last))
        return Piece(kind="batch", clock_ms=clock, batch=Batch.of(samples=samples, events=events, contacts=links))

    def _links(self, rows: Sequence[Any]) -> Rows:
        return np.array(
            [
                (lift_id, ms(row["received"]), row["online"])
                for row in rows
                for lift_id in row["lift_ids"]
                if self._wanted is None or lift_id in self._wanted
            ],
            CONTACT_DTYPE,
        )


def _events(rows: Sequence[Any]) -> Rows:
    return np.array(
        [
            (row["lift_id"], ms(row["at"]), ms(row["received"]), EVENT_INDEX[row["code"]], row["active"])
            for row in rows
            if row["code"] in EVENT_INDEX
        ],
        EVENT_DTYPE,
    )
