"""Heartbeats of one process: its stages say that they go round, and a task beside them writes it on a connection of its own.

What a stage says costs an assignment. The writer waits for nobody and nobody waits for it; a loop that stands still also stops the
writer, so that the row grows old by the database's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from hoistway.errors import WorldFault
from hoistway.stages import STAGE, STAGES, Beat, Cadence
from hoistway.store import AWAY, connect_url, queries

log: Final = structlog.get_logger("heartbeat")

SQL: Final = queries("hoistway", "sql/heartbeat.sql")
TIMEOUT_S: Final = 3.0
WRITE_LEAST_S: Final = 0.2


class Heartbeats:
    """The stages of one part of the product."""

    def __init__(self, part: str, registry: CollectorRegistry | None = None) -> None:
        self.part: Final = part
        now = time.monotonic()
        self._beaten = {stage.name: now for stage in STAGES if stage.part == part}
        self._lags = dict.fromkeys(self._beaten, 0.0)
        self._begun: dict[str, float] = {}
        if registry is not None:
            self._measure(registry)

    @property
    def stages(self) -> list[str]:
        return list(self._beaten)

    def beat(self, stage: str, lag_s: float = 0.0) -> None:
        """The stage goes round. `lag_s`: how long what it works on has been waiting."""
        self._beaten[stage] = time.monotonic()
        self._lags[stage] = lag_s

    @contextlib.contextmanager
    def busy(self, stage: str) -> Iterator[None]:
        """For work that comes when it comes: the stage is well while there is none, and ages while one piece lasts."""
        self._begun[stage] = time.monotonic()
        try:
            yield
        finally:
            self._begun.pop(stage, None)
            self.beat(stage)

    def age_s(self, stage: str) -> float:
        """Since the stage last went round."""
        now = time.monotonic()
        since = self._begun.get(stage, now) if STAGE[f"{self.part}/{stage}"].work else self._beaten[stage]
        return max(0.0, now - since)

    def lag_s(self, stage: str) -> float:
        return self._lags[stage]

    async def write(self, connection: Any) -> None:
        """Write every stage once."""
        stages = list(self._beaten)
        ages = [self.age_s(stage) for stage in stages]
        await connection.execute(SQL["write"], self.part, stages, ages, [self._lags[stage] for stage in stages])

    async def run(self, url: str, cadence: Cadence) -> None:
        """Write for ever. A database that is away is tried again; it stops nothing else."""
        connection: Any = None
        try:
            while True:
                try:
                    if connection is None or connection.is_closed():
                        connection = await connect_url(
                            url, name=f"hoistway {self.part} heart", command_timeout_s=TIMEOUT_S
                        )
                    await self.write(connection)
                except (*AWAY, WorldFault) as error:
                    log.debug("no heartbeat written", part=self.part, error=str(error)[:200])
                    _end(connection)
                    connection = None
                await asyncio.sleep(max(WRITE_LEAST_S, cadence.beat_s))
        finally:
            _end(connection)

    def _measure(self, registry: CollectorRegistry) -> None:
        age = Gauge("hoistway_heartbeat_age_seconds", "since a stage last went round", ["stage"], registry=registry)
        lag = Gauge(
            "hoistway_heartbeat_lag_seconds", "how long its work has been waiting", ["stage"], registry=registry
        )
        for stage in self._beaten:
            age.labels(stage).set_function(partial(self.age_s, stage))
            lag.labels(stage).set_function(partial(self.lag_s, stage))


def _end(connection: Any) -> None:
    if connection is not None:
        connection.terminate()


async def read_beats(connection: Any) -> list[Beat]:
    """Every stage that was ever heard of, with its ages."""
    return [Beat.of_row(row) for row in await connection.fetch(SQL["read"])]
