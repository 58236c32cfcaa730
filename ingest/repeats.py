"""Repeated samples against what was accepted under their numbers: an accepted record stays as it is, other content is a security event.

Looks into the store while nothing waits to be taken in, some at a time, beside the loop: live data never waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
import structlog

from hoistway.limits import LATE_WINDOW_MS, REPEATED_SAMPLES, REPEATS_WAITING
from hoistway.model import SIGNALS
from hoistway.samples import Rows, Wanted, joined, snapshot
from hoistway.store import AWAY, Database
from ingest import metrics
from ingest.assembled import Assembled, Repeat, SecurityEvent
from ingest.changes import when

log: Final = structlog.get_logger("ingest")
COMPARED: Final = timedelta(days=2)
"""A repeated sample is compared with what was accepted within this time."""
_NAMES: Final = tuple(signal.name for signal in SIGNALS)
_KEY: Final = ("device_id", "boot", "incarnation", "seq")
_COLUMNS: Final = (*_KEY, "ts", *_NAMES)

Said = tuple[Repeat, Rows]
"""A repeated sample, and the one row of what it says."""


class Repeats:
    """What waits to be compared, and what was found."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Said] = deque()
        self._found: list[SecurityEvent] = []
        self._task: asyncio.Task[None] | None = None

    def note(self, batch: Assembled) -> None:
        """The repeats of a committed batch; what is too many is counted."""
        rows = batch.repeated_columns
        said = [(item, rows[place : place + 1]) for place, item in enumerate(batch.repeated_samples)]
        room = max(0, REPEATS_WAITING - len(self._waiting))
        self._waiting += said[:room]
        metrics.NOT_COMPARED.inc(len(said[room:]))

    def turn(self, *, idle: bool) -> list[SecurityEvent]:
        """What was found and is to be stored. While nothing else waits, some more are looked at."""
        if idle and self._waiting and (self._task is None or self._task.done()):
            lot = [self._waiting.popleft() for _ in range(min(len(self._waiting), REPEATED_SAMPLES))]
            self._task = asyncio.create_task(self._look(lot))
        found, self._found = self._found, []
        return found

    async def close(self) -> None:
        """Look no further."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _look(self, lot: Sequence[Said]) -> None:
        try:
            async with self._database.acquire() as connection:
                self._found += await reused(connection, lot)
        except AWAY as error:
            log.warning("repeated samples are not compared: the database is away", error=str(error)[:200])


async def reused(connection: Any, lot: Sequence[Said]) -> list[SecurityEvent]:
    """Of repeated samples, those that say something else than what was accepted."""
    times = [item.at for item, _ in lot]
    newest = when(max(item.received for item, _ in lot))
    wanted = Wanted(
        lifts=sorted({item.lift_id for item, _ in lot}),
        at=(when(min(times) - LATE_WINDOW_MS), when(max(times) + LATE_WINDOW_MS)),
        received=(newest - COMPARED, newest),
        seqs=(min(item.record.seq for item, _ in lot), max(item.record.seq for item, _ in lot)),
    )
    async with snapshot(connection) as store:
        rows = joined([found async for found in store.of_lifts(wanted, _COLUMNS)], _COLUMNS)
    places = {key: place for place, key in enumerate(zip(*(rows[name].tolist() for name in _KEY), strict=True))}
    found = []
    for item, said in lot:
        place = places.get((item.device.id, item.record.boot, item.incarnation, item.record.seq))
        if place is not None and not _same(rows[place], item, said):
            found.append(used_again(item))
    return found


def used_again(item: Repeat) -> SecurityEvent:
    """The number of an accepted record came again with other content."""
    return SecurityEvent(
        kind="sequence-reused",
        device=item.device.device,
        lift_id=item.lift_id,
        detail=f"boot {item.record.boot}, number {item.record.seq} came again with other content",
        at=item.received,
    )


def _same(row: Any, item: Repeat, said: Rows) -> bool:
    if row["ts"] != item.record.ts:
        return False
    return all(np.array_equal(said[name][0], said[name].dtype.type(row[name]), equal_nan=True) for name in _NAMES)
