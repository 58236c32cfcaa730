"""The ingest process: settings to parts, signals to a clean end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from alarms.language.reader import default_rules
from hoistway.clock import STEP_MS, ServerClock
from hoistway.embedded.probe import speaks_mqtt5
from hoistway.errors import Fenced
from hoistway.heartbeat import Heartbeats
from hoistway.mqtt_url import MqttAddress
from hoistway.settings import Settings
from hoistway.store import Database
from hoistway.zone import zone_table
from ingest import metrics
from ingest.commands import EVERY_S as COMMANDS_S
from ingest.commands import Commands
from ingest.door_upkeep import EVERY_S, look_after_door
from ingest.mqtt_source import MqttSource
from ingest.service import Ingest
from ingest.upkeep import FINDABLE_S, make_findable
from ingest.writer import Writer

log: Final = structlog.get_logger("ingest")

WATCH_S: Final = 5.0
HEAR_S: Final = 1.0
FEEL_S: Final = 0.2
EXIT_FENCED: Final = 75


async def serve(settings: Settings, stop: asyncio.Event, *, partition: int = 0) -> int:
    """Run ingest until `stop`; answers the exit code."""
    url = settings.need_database_url()
    address = MqttAddress.parse(settings.need_mqtt_url())
    metrics.serve(settings.metrics_host, settings.metrics_port)
    database = Database(url, name="hoistway-ingest-pool", most=3)
    await database.open()
    writer = Writer(url, partition=partition)
    mqtt5 = await asyncio.to_thread(speaks_mqtt5, address)
    clock = ServerClock()
    source = MqttSource(address, name=f"hoistway-ingest-{partition}", mqtt5=mqtt5, clock=clock)
    zone = zone_table(settings.time_zone)
    beats = Heartbeats("ingest", metrics.REGISTRY)
    rules = default_rules()
    ingest = Ingest(database=database, writer=writer, source=source, rules=rules, clock=clock, zone=zone, beats=beats)
    commands = Commands(database, source)
    await ingest.open()
    source.start()
    log.info("listening", mqtt5=mqtt5, partition=partition, epoch=writer.epoch)
    watch = asyncio.gather(
        every(WATCH_S, lambda: _watch(source, clock)),
        every(HEAR_S, lambda: _hear(source, ingest)),
        every(FEEL_S, lambda: _feel(source, beats)),
        every(EVERY_S, lambda: look_after_door(database, security_days=settings.security_days)),
        every(COMMANDS_S, commands.round),
        every(FINDABLE_S, lambda: make_findable(database)),
        beats.run(url, settings.cadence),
    )
    try:
        await ingest.run(stop)
    except Fenced as fenced:
        log.error("stopping", reason=str(fenced))
        return EXIT_FENCED
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await asyncio.to_thread(source.stop)
        await writer.close()
        await database.close()
    return 0


async def every(seconds: float, look: Callable[[], Awaitable[None] | None]) -> None:
    """Look again and again. A look that fails is said and counted, and does not end the watch: nobody waits for its task."""
    while True:
        try:
            going_on = look()
            if going_on is not None:
                await going_on
        except Exception:
            metrics.LOOKS_FAILED.inc()
            log.exception("a look failed; the next one comes")
        await asyncio.sleep(seconds)


def _hear(source: MqttSource, ingest: Ingest) -> None:
    ingest.door_log.hear(source.hear())
    metrics.LOGINS_REFUSED.set(ingest.door_log.refused)


def _feel(source: MqttSource, beats: Heartbeats) -> None:
    """The heartbeat of the network threads: paho says that it is connected when its thread has died."""
    if source.well:
        beats.beat("network")


def _watch(source: MqttSource, clock: ServerClock) -> None:
    source.watch()
    metrics.CLOCK_BEHIND.set(clock.behind_ms / 1_000)
    if clock.behind_ms > STEP_MS:
        log.error("the machine's clock was set back; going on without it", behind_s=clock.behind_ms / 1_000)
    metrics.STALE_ACKS.set(sum(session.stale_acks for session in source.sessions))
    metrics.QUICK_READER.set(all(session.quick for session in source.sessions))
    metrics.ARRIVED.set(sum(session.arrived for session in source.sessions))
    metrics.LET_GO.set(sum(session.let_go for session in source.sessions))
    metrics.WAITING.set(sum(session.queued for session in source.sessions))
    metrics.SESSIONS_LOST.set(sum(session.sessions_lost for session in source.sessions))
    metrics.SUBSCRIPTIONS_REFUSED.set(sum(session.subscriptions_refused for session in source.sessions))
    metrics.THREADS_REVIVED.set(sum(session.restarts for session in source.sessions))
