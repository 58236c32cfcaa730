"""The task beside the timers that sends: settings to ways, a pool of its own, so that no timer waits for a message."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from dispatch.notify.sender import Sender
from dispatch.notify.ways.chosen import chosen
from dispatch.service import server_time
from hoistway.heartbeat import Heartbeats
from hoistway.settings import Settings
from hoistway.store import Database
from hoistway.zone import zone_table

log: Final = structlog.get_logger("dispatch.notify")

AGAIN_S: Final = 5.0


def prepare(settings: Settings) -> Sender:
    """A sender with the ways of the settings; opens nothing. Raises `BadInput` for a setting that cannot be used."""
    zone_table(settings.time_zone)
    database = Database(settings.need_database_url(), name="hoistway-notify", most=6)
    return Sender(
        database,
        chosen(settings, database),
        clock=server_time(),
        zone=ZoneInfo(settings.time_zone),
        link_base=settings.link_base,
    )


async def serve(sender: Sender, stop: asyncio.Event, *, beats: Heartbeats) -> None:
    """Until stopped. Whatever fails is said, and begins anew; the heartbeat is missing meanwhile."""
    log.info("notifications leave by", channels=sorted(channel.value for channel in sender.channels))
    while not stop.is_set():
        try:
            async with sender.opened():
                await sender.run(stop, made=lambda: beats.beat("outbox"))
        except Exception:
            log.exception("sending failed; it begins again", after_s=AGAIN_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AGAIN_S)
