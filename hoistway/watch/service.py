"""The watcher's loop: a probe each cadence, a look at the heartbeats, a report to the API; and a shout when the judge says so.

Each of these goes in a task of its own with a limit to every wait, so that none can hold up the shout.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from hoistway.clock import ServerClock
from hoistway.errors import OurFault, WorldFault
from hoistway.heartbeat import Heartbeats, read_beats
from hoistway.metrics import serve_registry
from hoistway.mqtt_url import MqttAddress
from hoistway.registry.probe import PROBE_PREFIX
from hoistway.settings import Settings
from hoistway.stages import Cadence
from hoistway.store import AWAY, connect_url
from hoistway.watch.api_line import ApiLine
from hoistway.watch.judge import Judge, State, Step, Verdict
from hoistway.watch.terminal import Terminal
from hoistway.watch.webhook import Webhooks, addresses

log: Final = structlog.get_logger("watch")

LOOK_S: Final = 5.0
"""A database that has not answered by then has not answered."""
REPEAT_S: Final = 600.0
"""The shout is repeated this often while it lasts."""

REGISTRY: Final = CollectorRegistry()
LOOP: Final = Gauge("hoistway_watch_loop_timestamp_seconds", "when the loop last went round", registry=REGISTRY)
PROBES: Final = Counter("hoistway_watch_probes", "probes, by how they ended", ["outcome"], registry=REGISTRY)
ROUND_TRIP: Final = Gauge("hoistway_watch_round_trip_seconds", "the last probe that came through", registry=REGISTRY)
MISSED: Final = Gauge("hoistway_watch_missed_probes", "probes missing in a row", registry=REGISTRY)
ALARM: Final = Gauge("hoistway_watch_alarm", "1 while the watcher shouts", registry=REGISTRY)


class Watcher:
    """One dead-man's switch."""

    def __init__(
        self, *, cadence: Cadence, terminal: Terminal, api_url: str, key: str, database_url: str, webhooks: Webhooks
    ) -> None:
        self._cadence, self._terminal, self._webhooks = cadence, terminal, webhooks
        self._database_url = database_url
        self._judge = Judge(cadence, time.monotonic())
        self._line = ApiLine(api_url, key, heard=lambda: self._judge.api_heard(time.monotonic()))
        self._beats = Heartbeats("watch", REGISTRY)
        self._verdict = Verdict(state=State.STARTING, missed=0)
        self._since = datetime.now(UTC)
        self._shouted = 0.0
        self._named: frozenset[str] = frozenset()  # what was named since the alarm began

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped."""
        self._line.begin()
        self._terminal.begin()
        tasks = [
            asyncio.create_task(work)
            for work in (self._probe(), self._look(), self._report(), self._shout(), self._webhooks.run())
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
                raise OurFault("a task of the watcher ended")  # so does the process, and is started again
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            self._line.leave()
            self._terminal.leave()

    # --- the probe ---

    async def _probe(self) -> None:
        while True:
            began = time.monotonic()
            failed = await self._once()
            self._judge.probe(failed)
            PROBES.labels("through" if failed is None else failed.value).inc()
            if failed is None:
                ROUND_TRIP.set(time.monotonic() - began)
            else:
                log.warning("a probe is missing", step=failed.value)
                self._terminal.begin()
            await asyncio.sleep(max(0.0, began + self._cadence.every_s - time.monotonic()))

    async def _once(self) -> Step | None:
        """One probe there and back. None: it came through; else the step that it waited for in vain."""
        line, terminal = self._line, self._terminal
        step = Step.CONNECT
        try:
            async with asyncio.timeout(self._cadence.limit_s):
                await terminal.connected()
                step = Step.ALARM
                await line.standing()
                for active in (False, True, False) if line.active else (True, False):
                    step = Step.ACK
                    await terminal.say(active=active)
                    if not active:
                        step = Step.CLEAR
                        await line.cleared()
                        continue
                    step = Step.ALARM
                    await line.raised()
                    step = Step.ANSWER
                    await line.answered()
        except TimeoutError:
            return step
        return None

    # --- the heartbeats ---

    async def _look(self) -> None:
        """On a new connection each time: a server that stands still may go on with those it has."""
        while True:
            with contextlib.suppress(*AWAY, WorldFault):
                async with asyncio.timeout(LOOK_S):
                    connection = await connect_url(self._database_url, name="hoistway watch", command_timeout_s=LOOK_S)
                    try:
                        await self._beats.write(connection)
                        self._judge.looked(await read_beats(connection), time.monotonic())
                    finally:
                        connection.terminate()
            await asyncio.sleep(self._cadence.beat_s)

    # --- what is said ---

    async def _shout(self) -> None:
        while True:
            now = time.monotonic()
            if self._terminal.stands:
                self._judge.broker_stood(now)
            verdict = self._judge.verdict(now)
            changed = verdict.state is not self._verdict.state
            self._verdict = verdict
            if changed:
                self._since = datetime.now(UTC)
                self._named = frozenset()
            parts = self._named | verdict.parts
            if changed or (verdict.state is State.ALARM and (parts != self._named or now - self._shouted > REPEAT_S)):
                self._shouted, self._named = now, parts
                self._say(verdict)
            self._beats.beat("loop")
            LOOP.set(time.time())
            MISSED.set(verdict.missed)
            ALARM.set(verdict.state is State.ALARM)
            await asyncio.sleep(self._cadence.beat_s)

    def _say(self, verdict: Verdict) -> None:
        if verdict.state is State.ALARM:
            stages = [item.stage for item in verdict.findings]
            log.error("ALARMS MAY NOT GET THROUGH", why=verdict.en, zh=verdict.zh, stages=stages, missed=verdict.missed)
        else:
            log.info("all is well", why=verdict.en, zh=verdict.zh)
        self._webhooks.shout({"type": "hoistway.watch", **self._document()})

    def _document(self) -> dict[str, Any]:
        return {**self._verdict.document(), "since": self._since.isoformat(timespec="milliseconds")}

    async def _report(self) -> None:
        """Silent when the loop stands still: then the API says that nobody watches."""
        while True:
            if self._beats.age_s("loop") < self._cadence.late_s:
                try:
                    await self._line.report(self._document())
                except OSError as error:
                    log.debug("the API does not take the report", error=str(error)[:200])
            await asyncio.sleep(self._cadence.beat_s)


async def serve(settings: Settings, stop: asyncio.Event) -> int:
    """Run the watcher until `stop`; answers the exit code."""
    database_url = settings.need_database_url()
    serve_registry(REGISTRY, settings.metrics_host, settings.metrics_port)
    hooks = settings.watch_webhooks.get_secret_value() if settings.watch_webhooks else ""
    secret = settings.watch_webhook_secret.get_secret_value() if settings.watch_webhook_secret else ""
    if hooks and not secret:
        log.warning("webhooks are not signed: set HOISTWAY_WATCH_WEBHOOK_SECRET")
    watcher = Watcher(
        cadence=settings.cadence,
        terminal=Terminal(
            MqttAddress.parse(settings.need_probe_mqtt_url(), where="HOISTWAY_PROBE_MQTT_URL"),
            prefix=PROBE_PREFIX,
            now_ms=ServerClock().now_ms,
        ),
        api_url=settings.watch_api_url or f"http://127.0.0.1:{settings.http_port}",
        key=settings.need_watch_key(),
        database_url=database_url,
        webhooks=Webhooks(addresses(hooks), secret=secret),
    )
    await watcher.run(stop)
    return 0
