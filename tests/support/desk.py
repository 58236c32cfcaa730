"""An ingest process on a real database, fed by hand, on a clock that jumps. Knows ingest from outside and asks the database in SQL."""

from __future__ import annotations

from typing import Any

from alarms.language.reader import default_rules
from hoistway.clock import ServerClock
from hoistway.store import Database
from ingest.service import Ingest
from ingest.writer import Writer
from tests.support.feed import HandSource, message
from tests.support.postgres import as_part

T0 = 1_800_000_000_000


class Desk:
    """An ingest process on a clock of its own, with one lift per test and short ways to ask the database.

    Time passes with `now`, on the wall and on the monotonic clock; `set_wall` sets the wall clock alone.
    """

    def __init__(self, url: str, database: Database) -> None:
        self.url, self.database, self.now = url, database, T0
        self.wall_is_ahead = 0
        self.source = HandSource()
        self.clock = self._new_clock()
        self.rules = default_rules()
        self.ingest: Ingest

    def _new_clock(self) -> ServerClock:
        return ServerClock(
            wall_ns=lambda: (self.now + self.wall_is_ahead) * 1_000_000, monotonic_ns=lambda: self.now * 1_000_000
        )

    @classmethod
    async def open(cls, url: str, database: Database) -> Desk:
        """A desk an hour after everything that is in the database."""
        found = cls(url, database)
        latest = await database.fetchval("select max(clock) from ingest_batch")
        if latest is not None:
            found.now = max(T0, int(latest.timestamp() * 1_000) + 3_600_000)
        await found.start()
        return found

    async def start(self) -> None:
        own = as_part(self.url, "ingest")  # what ingest may not do at the database is found here
        writer = Writer(own, partition=0)
        self._own = Database(own, name="test ingest", most=4)
        await self._own.open()
        self.source, self.clock = HandSource(), self._new_clock()
        self.ingest = Ingest(database=self._own, writer=writer, source=self.source, rules=self.rules, clock=self.clock)
        await self.ingest.open()
        await self.ingest.round()

    async def close(self) -> None:
        await self.ingest._writer.close()
        await self._own.close()

    async def restart(self) -> None:
        """A process that was killed and another one: nothing but the database is left."""
        await self.close()
        await self.start()

    def set_wall(self, ms: int) -> None:
        """Set the wall clock forward, or back."""
        self.wall_is_ahead += ms

    async def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * 1_000)
        await self.ingest.round()

    async def checkpoint(self) -> None:
        """What is done each half minute: the window moves on, and the state is saved."""
        self.ingest._next_checkpoint_s = 0.0
        await self.ingest.round()

    async def housekeeping(self) -> None:
        """What is done each two seconds, among it the job that reads old data from the store."""
        self.ingest._next_housekeeping_s = 0.0
        await self.ingest.round()

    async def lift(self, device: str, *, shard: int = 0) -> int:
        lift_id = await self.database.fetchval(
            "insert into lift (kind, name, exercise) values ('lift', $1, false) returning id", device
        )
        await self.terminal(device, int(lift_id), shard=shard)
        return int(lift_id)

    async def terminal(self, device: str, lift_id: int, *, shard: int = 0) -> None:
        """One more device of a lift."""
        await self.database.execute(
            "insert into device (device, shard, lift_id) values ($1, $2, $3)", device, shard, lift_id
        )

    async def say(self, device: str, leaf: str, payload: object, *, after_s: float = 0.0, shard: int = 0) -> None:
        self.now += int(after_s * 1_000)
        received = max(self.now, self.clock.now_ms())
        self.source.put(message(leaf, payload, device=device, shard=shard, received=received))
        await self.ingest.round()

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.database.fetch(query, *values)]

    async def alarms(self, lift_id: int) -> list[tuple[str, str, int]]:
        found = await self.rows("select rule_id, condition, repeats from alarm where lift_id = $1 order by id", lift_id)
        return [(row["rule_id"], row["condition"], row["repeats"]) for row in found]
