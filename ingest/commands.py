"""Commands to terminals: rows that dispatch wrote are published on `cmd` at QoS 1, and noted when the broker has them.

A process that is killed in between publishes again, under the same id, which a device follows once. No command moves or stops a lift.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from hoistway import wire
from hoistway.limits import COMMANDS_AT_ONCE
from hoistway.store import Database, queries
from ingest.upkeep import passed_over_while_away, waiting

log: Final = structlog.get_logger("ingest")

SQL: Final = queries("ingest", "sql/commands.sql")
EVERY_S: Final = 1.0

Had = Callable[[], bool]
"""Whether the broker has it by now."""


class Commander(Protocol):
    """What can say something to a device so that it is not lost on the way to the broker."""

    def command(self, topic: str, payload: bytes) -> Had | None:
        """Publish at QoS 1; None while there is no connection."""


class Commands:
    """What was published and is not yet known to be with the broker."""

    def __init__(self, database: Database, commander: Commander) -> None:
        self._database, self._commander = database, commander
        self._open: dict[int, Had] = {}

    async def round(self) -> None:
        """Note what the broker has, publish what is new. Once a second."""
        await self._note()
        for row in await waiting(self._database, SQL["take_commands"], COMMANDS_AT_ONCE):
            topic = wire.topic(row["shard"], row["device"], "cmd")
            had = self._commander.command(topic, wire.encode(wire.Command(id=row["key"], cmd=row["command"])))
            if had is not None:
                self._open[row["id"]] = had
        await self._note()

    async def _note(self) -> None:
        done = [number for number, had in self._open.items() if had()]
        if not done:
            return
        with passed_over_while_away():
            await self._database.execute(SQL["commands_published"], done)
            for number in done:
                del self._open[number]
            log.info("commands published", commands=len(done))
