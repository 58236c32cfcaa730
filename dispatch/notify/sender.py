"""The shell that sends: plan what is new, let later steps go, claim what is due, hand it to its way, write what became of it; then again.

Claimed rows are sent outside of any transaction, so a slow receiver holds no connection; each channel has so many places and each receiver
few of them, so it holds up nobody else either. A process that is killed between sending and writing leaves a claim that runs out: the
message goes once more, under the same key. One that was stopped and wakes up writes nothing over a newer claim.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

import structlog

from dispatch.notify import letters, metrics
from dispatch.notify.channels import LEASE_S, LIMITS, Channel, pause_s
from dispatch.notify.planning import note_dead, plan_new
from dispatch.notify.ways.way import NeverWorks, NotYet, Outgoing, Sent, TryAgain, Way
from hoistway.errors import WorldFault
from hoistway.limits import NOTIFY_LINK_MINUTES, NOTIFY_ROUND_ROWS, SAID_CHARS
from hoistway.store import AWAY, Database, queries

log: Final = structlog.get_logger("dispatch.notify")

SQL: Final = queries("dispatch.notify", "sql/sending.sql")
POLL_S: Final = 0.25
MEASURE_S: Final = 5.0
NOT_YET_S: Final = 1.0
SPARE_S: Final = 5.0
"""A way that forgets its own limit is cut off so long after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    """What became of one attempt."""

    state: str
    said: str
    again_at: datetime | None = None


class Sender:
    """One process's sending. Any number of processes may send."""

    def __init__(
        self,
        database: Database,
        ways: Mapping[Channel, Way],
        *,
        clock: Callable[[], datetime],
        zone: tzinfo,
        link_base: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`link_base`: where people reach the api, without a slash at its end; "" puts no links into messages."""
        self._database, self._ways, self._clock, self._zone = database, dict(ways), clock, zone
        self._link_base, self._chance = link_base, chance
        self._under_way: set[asyncio.Task[None]] = set()
        self._busy: dict[Channel, Counter[str]] = {channel: Counter() for channel in ways}
        self._failing: set[str] = set()  # receivers whose last attempt failed: one place each, where there are many
        self._freed = asyncio.Event()
        self._measure_at = 0.0

    @property
    def channels(self) -> frozenset[Channel]:
        """Those that are set up."""
        return frozenset(self._ways)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The pool, open. What is under way is finished before it closes."""
        await self._database.open()
        try:
            yield
        finally:
            await self.settle()
            await self._database.close()

    async def run(self, stop: asyncio.Event, *, made: Callable[[], None]) -> None:
        """Until stopped, `made` after each round. A database that is away is waited for."""
        while not stop.is_set():
            try:
                await self.round()
                await self._measure()
            except (*AWAY, WorldFault) as error:
                log.warning("the database is away; notifications wait", error=str(error)[:200])
            else:
                made()
            await self._rest(stop)

    async def _rest(self, stop: asyncio.Event) -> None:
        """Until the next look, or until there are places again."""
        self._freed.clear()
        waits = [asyncio.create_task(event.wait()) for event in (stop, self._freed)]
        try:
            await asyncio.wait(waits, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def round(self) -> None:
        """Everything that is due now is planned, stepped on, ended or begun to be sent. What is planned goes out before anything else is done."""
        now = self._clock()
        work = await self._database.fetchrow(SQL["work"], now)
        if work is None:
            return
        planned = NOTIFY_ROUND_ROWS if work["fresh"] else 0
        while planned == NOTIFY_ROUND_ROWS:
            planned = await plan_new(self._database, now, available=self._ways)
            await self._begin_all(now)
        if work["running"] or work["fresh"]:
            await self._go_on(now)
        await self._begin_all(now)
        if work["dead"] or work["running"] or work["fresh"]:
            metrics.UNTOLD.inc(await note_dead(self._database, now, available=self._ways))
        if work["drills"]:
            await self._database.execute(SQL["end_drills"], now)

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way)

    async def _go_on(self, now: datetime) -> None:
        """Answered orders, next steps, ends."""
        await self._database.execute(SQL["answered"], now)
        await self._database.execute(SQL["no_way_left"], now, list(self._ways))
        channels, horizons = list(LIMITS), [limits.horizon_s for limits in LIMITS.values()]
        while await self._database.fetchval(SQL["step_on"], now, channels, horizons):
            pass
        await self._database.execute(SQL["end_open"], now)

    # --- claiming ---

    async def _begin_all(self, now: datetime) -> None:
        for row in await self._database.fetch(SQL["due_channels"], now):
            channel = Channel(row["channel"])
            if channel in self._ways:
                await self._begin(channel, now)

    async def _begin(self, channel: Channel, now: datetime) -> None:
        limits, busy = LIMITS[channel], self._busy[channel]
        free = limits.slots - busy.total()
        if free <= 0:
            return
        failing = (
            self._failing if limits.each < limits.slots else set()
        )  # a gateway is everybody's way: it keeps its places
        receivers = [*busy, *(failing - busy.keys())]
        rooms = [(1 if receiver in failing else limits.each) - busy[receiver] for receiver in receivers]
        claimed = await self._database.fetch(SQL["claim"], channel, now, free, receivers, rooms, limits.each, LEASE_S)
        if not claimed:
            return
        facts = await self._facts(claimed)
        keys = await self._secrets(claimed, now)
        links = await self._links(channel, claimed, now)
        for row in claimed:
            busy[row["receiver"]] += 1
            task = asyncio.create_task(
                self._deliver(row, facts[row["outbox_id"]], keys.get(row["id"]), links.get(row["id"], ""))
            )
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _facts(self, claimed: Sequence[Any]) -> dict[int, Any]:
        rows = await self._database.fetch(SQL["facts"], [row["outbox_id"] for row in claimed])
        return {row["id"]: row for row in rows}

    async def _secrets(self, claimed: Sequence[Any], now: datetime) -> dict[int, tuple[str, list[str]]]:
        """Address and secrets of the deliveries that have some: endpoints, and robots that sign."""
        found: dict[int, tuple[str, list[str]]] = {}
        hooks = [row["endpoint_id"] for row in claimed if row["endpoint_id"] is not None]
        if hooks:
            known = {row["id"]: row for row in await self._database.fetch(SQL["secrets"], hooks, now)}
            for row in claimed:
                hook = known.get(row["endpoint_id"])
                if hook is not None:
                    both = [hook["secret"], *([hook["old_secret"]] if hook["old_secret"] else [])]
                    found[row["id"]] = ("" if hook["removed"] else hook["url"], both)
        robots = [row["contact_id"] for row in claimed if row["contact_id"] is not None]
        if robots:
            signs = {row["id"]: row["secret"] for row in await self._database.fetch(SQL["robot_secrets"], robots)}
            for row in claimed:
                if row["contact_id"] in signs:
                    found[row["id"]] = (row["address"], [signs[row["contact_id"]]])
        return found

    # --- sending ---

    async def _deliver(self, row: Any, facts: Any, keys: tuple[str, list[str]] | None, link: str) -> None:
        """Whatever happens, the places are free again; what is not written goes once more when the claim is over."""
        channel = Channel(row["channel"])
        try:
            end = await self._made_and_sent(row, channel, facts, keys, link)
            if end is not None:
                await self._write(row, channel, end)
        except (*AWAY, WorldFault) as error:
            log.warning("what became of it is not written; it goes again", key=row["key"], error=str(error)[:200])
        finally:
            busy = self._busy[channel]
            busy[row["receiver"]] -= 1
            if not busy[row["receiver"]]:
                del busy[row["receiver"]]
            if busy.total() == LIMITS[channel].slots // 2:
                self._freed.set()  # it was full, perhaps: what waits need not wait for the next look

    async def _made_and_sent(
        self, row: Any, channel: Channel, facts: Any, keys: tuple[str, list[str]] | None, link: str
    ) -> _End | None:
        """A message that cannot be made is a failed attempt like any other: it ends, and holds up nobody."""
        try:
            address, secrets = keys or (row["address"], [])
            message = letters.outgoing(
                row, facts, link=link, address=address, secrets=secrets, now=self._clock(), zone=self._zone
            )
        except Exception as error:
            log.exception("a message could not be made", key=row["key"])
            return self._failed(row, f"{type(error).__name__}: {error}")
        return await self._attempt(channel, message, row)

    async def _links(self, channel: Channel, claimed: Sequence[Any], now: datetime) -> dict[int, str]:
        """A new link for each attempt: what was sent before stays good too, because it may have arrived."""
        if not self._link_base or not letters.takes_link(channel):
            return {}
        tokens = {row["id"]: letters.new_token() for row in claimed}
        hashes = [hashlib.sha256(token.encode()).digest() for token in tokens.values()]
        await self._database.execute(SQL["add_links"], hashes, list(tokens), now, NOTIFY_LINK_MINUTES)
        return {number: f"{self._link_base}{letters.LINK_PATH}{token}" for number, token in tokens.items()}

    async def _attempt(self, channel: Channel, message: Outgoing, row: Any) -> _End | None:
        """One attempt, whatever the way raises; None: look again soon."""
        try:
            async with asyncio.timeout(LIMITS[channel].timeout_s + SPARE_S):
                sent: Sent = await self._ways[channel].send(message)
        except NotYet as error:
            now = self._clock()
            if now >= row["give_up_at"]:
                return self._failed(row, str(error))
            again_at = now + timedelta(seconds=NOT_YET_S)
            await self._database.execute(SQL["look_again"], row["id"], row["claim"], again_at, str(error))
            return None
        except NeverWorks as error:
            if error.gone and row["endpoint_id"] is not None:
                await self._database.execute(SQL["disable_endpoint"], row["endpoint_id"], self._clock())
            return _End(state="dead", said=str(error))
        except TryAgain as error:
            return self._failed(row, str(error), after_s=error.after_s)
        except TimeoutError:
            return self._failed(row, "no answer in time")
        except Exception as error:  # noqa: BLE001  # whatever one way does, the others go on
            return self._failed(row, f"{type(error).__name__}: {error}")
        self._failing.discard(row["receiver"])
        return _End(state="received" if sent.receipt else "sent", said=sent.said)

    def _failed(self, row: Any, why: str, *, after_s: int | None = None) -> _End:
        self._failing.add(row["receiver"])
        again_at = self._clock() + timedelta(seconds=max(after_s or 0, pause_s(row["attempts"], self._chance())))
        if again_at > row["give_up_at"]:
            return _End(state="dead", said=why)
        return _End(state="pending", said=why, again_at=again_at)

    async def _write(self, row: Any, channel: Channel, end: _End) -> None:
        said = "".join(sign if sign.isprintable() else " " for sign in end.said)[:SAID_CHARS]
        now = self._clock()
        async with self._database.acquire() as connection, connection.transaction():
            mine = await connection.fetchval(SQL["mark"], row["id"], row["claim"], end.state, said, now, end.again_at)
            if mine is not None and end.state != "pending" and (row["step"] is not None or end.state == "dead"):
                await connection.execute(SQL["note_end"], row["id"], end.state, said, now)
        if mine is None:
            log.info("another process has it by now", key=row["key"])
            return
        self._count(row, channel, end)

    @staticmethod
    def _count(row: Any, channel: Channel, end: _End) -> None:
        if end.state in {"sent", "received"}:
            metrics.SENT.labels(channel).inc()
            if end.state == "received":
                metrics.RECEIVED.labels(channel).inc()
            return
        metrics.FAILED.labels(channel).inc()
        log.warning(
            "a message did not go out", key=row["key"], channel=channel.value, attempt=row["attempts"], why=end.said
        )
        if end.state == "dead":
            metrics.DEAD.labels(channel).inc()
            log.error("a dead letter", key=row["key"], channel=channel.value, contact=row["contact"])

    # --- figures and upkeep ---

    async def _measure(self) -> None:
        if time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + MEASURE_S
        now = self._clock()
        found = {row["channel"]: row for row in await self._database.fetch(SQL["figures"], now)}
        for place in metrics.PLACES:
            row = found.get(place)
            metrics.PENDING.labels(place).set(row["pending"] if row else 0)
            metrics.OLDEST.labels(place).set((row["oldest_s"] if row else 0) or 0)
        metrics.UNREACHABLE.set(await self._database.fetchval(SQL["unreachable"]))
        await self._database.execute(SQL["forget_links"], now)
