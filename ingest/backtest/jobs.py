"""The worker behind the API's backtests: claims the oldest job, folds, writes the result. A process of its own (decision 6).

A job whose worker has died is claimed again after a minute without a sign of life, three times at most.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from alarms.language.times import Zone
from alarms.rules import RuleSet
from hoistway.errors import TheirFault, WorldFault
from hoistway.heartbeat import Heartbeats
from hoistway.metrics import serve_registry
from hoistway.store import AWAY, connect_url
from ingest.backtest.page import page
from ingest.backtest.report import as_json
from ingest.backtest.run import Request, of_store
from ingest.backtest.stream import SQL

log: Final = structlog.get_logger("backtests")

POLL_S: Final = 1.0
BEAT_S: Final = 2.0
STATEMENT_S: Final = 1_800.0
NICE: Final = 10
ERROR_CHARS: Final = 500

REGISTRY: Final = CollectorRegistry()
LOOP: Final = Gauge("hoistway_backtests_loop_timestamp_seconds", "when the loop last went round", registry=REGISTRY)
DONE: Final = Counter("hoistway_backtests", "backtests by how they ended", ["state"], registry=REGISTRY)


def serve_metrics(host: str, port: int) -> None:
    """Serve /metrics in a thread; port 0 = not at all."""
    serve_registry(REGISTRY, host, port)


class Worker:
    """One job at a time, on two connections: one reads the stream, the other says that the work goes on."""

    def __init__(self, url: str, *, product: RuleSet, zone: Zone, beats: Heartbeats | None = None) -> None:
        self._url, self._product, self._zone = url, product, zone
        self._beats = beats or Heartbeats("backtests")

    def _turned(self) -> None:
        LOOP.set(time.time())
        self._beats.beat("loop")

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. A database that is away is waited for."""
        os.nice(NICE)  # alarms go first
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.once():
                    self._turned()
                self._turned()
            except (*AWAY, WorldFault) as error:
                log.warning("the database is away; jobs wait", error=str(error)[:200])
            LOOP.set(time.time())
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_S)

    async def once(self) -> bool:
        """Do the oldest job that waits; False when there is none."""
        watcher = await connect_url(self._url, name="hoistway backtests")
        try:
            await watcher.execute(SQL["give_up"])
            job = await watcher.fetchrow(SQL["claim"])
            if job is None:
                return False
            log.info("backtest begins", job=job["id"], attempt=job["attempts"])
            await self._do(watcher, job)
        finally:
            await watcher.close()
        return True

    async def _do(self, watcher: Any, job: Any) -> None:
        share = [0.0]

        async def note(done: float) -> None:
            share[0] = done
            await asyncio.sleep(0)

        key = (job["id"], job["attempts"])
        folding = asyncio.create_task(self._fold(request_of(job["request"]), note))
        try:
            while not folding.done():
                await asyncio.wait({folding}, timeout=BEAT_S)
                self._turned()
                if not folding.done() and await watcher.fetchval(SQL["beat"], *key, share[0]) is None:
                    log.warning("another worker has this job", job=job["id"])
                    return
            result = folding.result()
            await watcher.execute(SQL["finish"], *key, as_json(result), page(result))
            DONE.labels("done").inc()
        except TheirFault as error:
            await watcher.execute(SQL["fail"], *key, str(error)[:ERROR_CHARS])
            DONE.labels("failed").inc()
        finally:
            folding.cancel()
            await asyncio.wait({folding})

    async def _fold(self, request: Request, note: Any) -> dict[str, Any]:
        connection = await connect_url(self._url, name="hoistway backtest", command_timeout_s=STATEMENT_S)
        try:
            return await of_store(connection, request, product=self._product, zone=self._zone, progress=note)
        finally:
            await connection.close()


def request_of(document: dict[str, Any]) -> Request:
    """What the API wrote into the job."""
    lifts = document.get("lifts")
    return Request(
        from_ms=document["from_ms"],
        to_ms=document["to_ms"],
        files=(("candidate.toml", document["rules"]),),
        lifts=None if lifts is None else tuple(lifts),
        district=document.get("district"),
        everything=document.get("everything", False),
    )
