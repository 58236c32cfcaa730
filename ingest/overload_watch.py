"""Looks at the load each round and says what it found: to metrics, log and store. What an overload is, `overload` decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from hoistway import limits
from hoistway.store import Database, queries
from ingest import metrics
from ingest.changes import when
from ingest.coalesce import Coalescer
from ingest.overload import Overload
from ingest.pace import Pace
from ingest.source import Message, Source
from ingest.tally import Outcome, Tally
from ingest.upkeep import passed_over_while_away

log: Final = structlog.get_logger("ingest")

SQL: Final = queries("ingest", "sql/overload.sql")


class OverloadWatch:
    """Of one partition."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._overload, self._pace = Overload(), Pace()
        self._shed = 0  # since the present overload began, or in the last one
        self._told: tuple[int | None, int] | None = None

    @property
    def on(self) -> bool:
        """Whether there is an overload."""
        return self._overload.on

    def look(self, source: Source, coalescer: Coalescer, now_ms: int) -> None:
        """Judge what waits before a batch is taken."""
        load = source.load()
        metrics.UNACKNOWLEDGED.set(load.unacknowledged)
        metrics.WAITING_BYTES.set(load.bytes_)
        if self._overload.look(load, now_ms):
            if self.on:
                self._shed = 0
                log.warning("overload: samples that say nothing new are shed", load=load)
            else:
                log.warning("the overload is over", shed=self._shed)
            metrics.OVERLOAD.set(self.on)
        if coalescer.on != self.on:
            coalescer.on = self.on

    def room(self) -> dict[str, int]:
        """How much a batch may hold now, as the source takes it."""
        return {"samples": limits.BATCH_SAMPLES, "bytes_": self._pace.bytes_}

    def committed(self, messages: Sequence[Message], tally: Tally, seconds: float) -> None:
        """Learn from a batch that took so long, and count what it has shed."""
        self._pace.done(sum(len(message.payload) for message in messages), seconds)
        self._shed += tally.total(Outcome.COALESCED)
        metrics.BATCH_ROOM.set(self._pace.bytes_)

    async def tell(self, database: Database, now_ms: int) -> None:
        """Write it down for the desk: while an overload lasts, and once when it is over or another process left one."""
        began_ms = self._overload.since_ms
        if self._told == (began_ms, self._shed) and began_ms is None:
            return
        with passed_over_while_away():
            await database.execute(SQL["overload_ends"], self._partition, None if began_ms is None else when(began_ms))
            if began_ms is not None:
                await database.execute(SQL["overload_is"], self._partition, when(began_ms), when(now_ms), self._shed)
                await database.execute(SQL["overload_trim"], self._partition, limits.OVERLOADS_KEPT)
            self._told = (began_ms, self._shed)
