"""The loop: move what waits, merge the hour that is over, empty what is moved, let go what is too old. Never in the way of ingest.

One connection, one small transaction at a time, no lock that is waited for, at most half of the time at work, and while ingest is
behind one move a minute.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog

from hoistway import limits
from hoistway.errors import WorldFault
from hoistway.heartbeat import Heartbeats
from hoistway.store import AWAY, connect_url
from ingest.compactor import metrics
from ingest.compactor.moving import SQL, Hour, Place, close_hour, move, places, waiting
from ingest.compactor.retention import Retention
from ingest.compactor.sweeping import sweep_blocks, sweep_log

log: Final = structlog.get_logger("compactor")

POLL_S: Final = 1.0
SWEEP_S: Final = 30.0
RETENTION_S: Final = 3_600.0
NICE: Final = 10
STATEMENT_S: Final = 180.0


class Compactor:
    """One connection to the store. `turn` does a little of everything that is due."""

    def __init__(self, connection: Any, retention: Retention) -> None:
        self._connection, self._retention = connection, retention
        self._hours: dict[int, Hour] = {}  # partition: the hour that is being merged
        self._moved_s = self._next_sweep_s = self._next_retention_s = 0.0

    async def turn(self, now: float) -> bool:
        """`now` in monotonic seconds. True when there is more to do at once."""
        more = False
        behind = await self._behind()
        if behind and now - self._moved_s < limits.COMPACTOR_WAITS_S:
            metrics.YIELDED.inc()
            await self._look()
            return False
        lag, rows = 0.0, 0
        for place in await places(self._connection):
            found = await waiting(self._connection, place)
            if found is not None and (found.due or not found.samples):
                metrics.MOVED.inc(await move(self._connection, place, found))
                self._moved_s = now
            if found is not None and (not found.due or found.samples >= limits.MOVE_SAMPLES):
                more |= found.due
                lag, rows = max(lag, found.waited_s), rows + found.samples
            more |= await self._merge(place, idle=found is None)
        metrics.LAG.set(lag)
        metrics.WAITING.set(rows)
        if now >= self._next_sweep_s:
            self._next_sweep_s = now + SWEEP_S
            metrics.SWEPT.inc(await sweep_log(self._connection) + await sweep_blocks(self._connection))
        if now >= self._next_retention_s:
            gone = await self._retention.step(self._connection, datetime.now(UTC))
            for kind, count in gone.items():
                metrics.GONE.labels(kind).inc(count)
            self._next_retention_s = now + (POLL_S if gone else RETENTION_S)
        return more

    async def _merge(self, place: Place, *, idle: bool) -> bool:
        """One step of the hour that is over; True when it is not the last."""
        hour = self._hours.get(place.partition)
        if hour is None:
            over = await close_hour(self._connection, place, idle=idle)
            if over is None:
                return False
            hour = self._hours[place.partition] = await Hour.begin(self._connection, place, over)
        samples, done = await hour.step(self._connection)
        metrics.MERGED.inc(samples)
        if done:
            del self._hours[place.partition]
        return True

    async def _behind(self) -> bool:
        waited: float | None = await self._connection.fetchval(SQL["ingest_behind_s"])
        return waited is not None and waited > limits.INGEST_BEHIND_S

    async def _look(self) -> None:
        found = [await waiting(self._connection, place) for place in await places(self._connection)]
        metrics.LAG.set(max((item.waited_s for item in found if item is not None), default=0.0))
        metrics.WAITING.set(sum(item.samples for item in found if item is not None))


async def run(url: str, retention: Retention, stop: asyncio.Event, *, beats: Heartbeats | None = None) -> None:
    """Until stopped. A database that is away is waited for, and so is another compactor."""
    beats = beats or Heartbeats("compactor")
    os.nice(NICE)
    while not stop.is_set():
        try:
            await _work(url, retention, stop, beats)
        except (*AWAY, WorldFault) as error:
            log.warning("the database is away or busy; going on later", error=str(error)[:200])
        metrics.LOOP.set(time.time())
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_S)


async def _work(url: str, retention: Retention, stop: asyncio.Event, beats: Heartbeats) -> None:
    connection = await connect_url(url, name="hoistway compactor", command_timeout_s=STATEMENT_S)
    try:
        await connection.execute(SQL["quiet"])
        works = await connection.fetchval(SQL["alone"])
        metrics.WORKS.set(works)
        beats.beat("loop")
        compactor = Compactor(connection, retention)
        while works and not stop.is_set():
            began = time.monotonic()
            try:
                more = await compactor.turn(began)
            except asyncpg.LockNotAvailableError:
                more = False  # a reader was in the way
            metrics.LOOP.set(time.time())
            beats.beat("loop")
            took = time.monotonic() - began
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), took if more else max(POLL_S, took))
    finally:
        await connection.close()
