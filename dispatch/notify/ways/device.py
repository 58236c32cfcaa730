"""The terminal's loudspeaker: a row for ingest, which alone speaks MQTT and publishes it on the topic `cmd`.

The contract has no answer to a command, so what the broker has is sent, not received.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from dispatch.notify.channels import LIMITS, Channel
from dispatch.notify.ways.way import NeverWorks, NotYet, Outgoing, Sent
from hoistway.store import Database, queries

SQL: Final = queries("dispatch.notify", "sql/device.sql")


class DeviceWay:
    """Asks for the announcement once, and looks until it is published."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def send(self, message: Outgoing) -> Sent:
        now = datetime.fromtimestamp(message.at_s, UTC)
        until = now + timedelta(seconds=LIMITS[Channel.DEVICE].horizon_s)
        row = await self._database.fetchrow(SQL["command"], message.key, message.address, message.topic, now, until)
        if row is None:
            raise NeverWorks("no such terminal")
        if row["published_at"] is None:
            raise NotYet("ingest has not published it yet")
        return Sent(said="published on cmd")
