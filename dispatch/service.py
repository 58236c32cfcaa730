"""The shell that carries timers out: hold the duty, fire what is due, look at who waits, seal the log; then again.

Beside it, in tasks of their own so that no timer waits for them, go the desk's round (`rounds`) and the sealer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from dispatch.duty import TERM_S, Duty
from dispatch.firing import Fired, due, fire_due, may_pass, overdue, relieve, remember_forgotten
from dispatch.intake.upkeep import METRICS as INTAKE_METRICS
from dispatch.rounds import make_rounds
from dispatch.sealer import Sealer
from dispatch.tickets.rounds import TicketWatch, overdue_tickets, remember_faults
from hoistway.clock import ServerClock
from hoistway.errors import Fenced, HoistwayError, WorldFault
from hoistway.heartbeat import Heartbeats
from hoistway.limits import SEAL_EVERY_S
from hoistway.metrics import serve_registry
from hoistway.store import AWAY, Database

log: Final = structlog.get_logger("dispatch")

POLL_S: Final = 0.25
RETRY_S: Final = 5.0
"""A timer that failed alone is tried again after so long."""
TAIL_EVERY_S: Final = 15.0
"""How often the unsealed tail is measured."""
RELIEF_S: Final = 1.0
"""How often those who wait for a unit, and area incidents, are looked at."""

REGISTRY: Final = CollectorRegistry()
LOOP: Final = Gauge("hoistway_dispatch_loop_timestamp_seconds", "when the loop last went round", registry=REGISTRY)
ROUND: Final = Gauge(
    "hoistway_dispatch_round_timestamp_seconds", "when the desk's round was last made", registry=REGISTRY
)
FIRED: Final = Counter("hoistway_dispatch_timers_fired", "timers fired, by kind", ["kind"], registry=REGISTRY)
LATE: Final = Gauge("hoistway_dispatch_timer_lateness_seconds", "lateness of the last timer fired", registry=REGISTRY)
EPOCH: Final = Gauge("hoistway_dispatch_epoch", "epoch of the duty; 0: another process has it", registry=REGISTRY)
UNSEALED: Final = Gauge(
    "hoistway_dispatch_unsealed_lines", "lines of cases' logs that no seal covers yet", registry=REGISTRY
)
FAILED: Final = Counter("hoistway_dispatch_timers_failed", "timers that failed and are tried again", registry=REGISTRY)
SEAL_FAILURES: Final = Counter(
    "hoistway_dispatch_seal_failures", "seals that could not be written to the anchor file", registry=REGISTRY
)
for _metric in INTAKE_METRICS:
    REGISTRY.register(_metric)


def serve_metrics(host: str, port: int) -> None:
    """Serve /metrics in a thread; port 0 = not at all."""
    serve_registry(REGISTRY, host, port)


def server_time() -> Callable[[], datetime]:
    """The server's time: it never goes back, so a wall clock that is set back delays nothing. A step forward is said."""
    clock = ServerClock()

    def now() -> datetime:
        at_ms, step_ms = clock.now_ms(), clock.take_step()
        if step_ms:
            log.warning("the server's clock was set forward; timers may fire early by as much", ms=step_ms)
        return datetime.fromtimestamp(at_ms / 1_000, UTC)

    return now


async def run(
    database: Database,
    stop: asyncio.Event,
    *,
    clock: Callable[[], datetime] | None = None,
    anchor: Path | None = None,
    beats: Heartbeats | None = None,
) -> None:
    """Fire due timers and make the desk's rounds until stopped. A database that is away is waited for; no timer is lost.

    `anchor`: the file outside the database that seals are written to; None seals nothing.
    """
    clock, beats = clock or server_time(), beats or Heartbeats("dispatch")

    def made() -> None:
        ROUND.set(time.time())
        beats.beat("round")

    rounds = asyncio.create_task(make_rounds(database, stop, clock=clock, made=made))
    try:
        await do_duty(database, stop, clock=clock, anchor=anchor, beats=beats)
    finally:
        rounds.cancel()
        await asyncio.gather(rounds, return_exceptions=True)


async def do_duty(
    database: Database,
    stop: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    anchor: Path | None = None,
    beats: Heartbeats | None = None,
) -> None:
    """Wait for the duty, do it, and wait again when another process took it over. Only who has the duty tells that timers are looked at."""
    beats = beats or Heartbeats("dispatch")
    while not stop.is_set():
        duty = Duty(database)
        try:
            if await duty.take():
                EPOCH.set(duty.epoch)
                sealing = asyncio.create_task(_keep_sealing(database, duty, stop, clock, anchor))
                try:
                    await _serve(database, duty, stop, clock, beats)
                finally:
                    sealing.cancel()
                    await asyncio.gather(sealing, return_exceptions=True)
                await duty.give_up()
        except Fenced as error:
            log.warning("stands by", reason=str(error))
        except (*AWAY, WorldFault) as error:
            log.warning("the database is away; timers wait", error=str(error)[:200])
        EPOCH.set(0)
        LOOP.set(time.time())
        await _rest(stop)


async def _serve(
    database: Database, duty: Duty, stop: asyncio.Event, clock: Callable[[], datetime], beats: Heartbeats
) -> None:
    await audit_start(database, clock())
    watch = Watch(database, duty, clock)
    while not stop.is_set():
        try:
            busy = await watch.round()
            beats.beat("timers")
        except Fenced:
            raise
        except (*AWAY, WorldFault) as error:
            log.warning("a round of dispatch failed; its timers wait", error=str(error)[:200])
            busy = False
        LOOP.set(time.time())
        if not busy:
            await _rest(stop)


class Watch:
    """One process's rounds while it has the duty. A timer that fails holds up no other: it is tried alone, a little later."""

    def __init__(self, database: Database, duty: Duty, clock: Callable[[], datetime]) -> None:
        self._database, self._duty, self._clock = database, duty, clock
        self._renew_at = self._relief_at = 0.0
        self._failed: dict[int, float] = {}  # timer: when it is tried again
        self._tickets = TicketWatch(database, duty, failed=FAILED.inc)

    async def round(self) -> bool:
        """Renew the duty, fire what is due, look at who waits; True when there may be more to fire at once."""
        now = time.monotonic()
        if now >= self._renew_at:
            await self._duty.renew()
            self._renew_at = now + TERM_S / 4
        self._failed = {timer: at for timer, at in self._failed.items() if at > now}
        if await self._fire():
            return True
        if now >= self._relief_at:
            self._relief_at = now + RELIEF_S
            await relieve(self._database, self._clock(), duty=self._duty)
            return await self._tickets_too()
        return False

    async def _tickets_too(self) -> bool:
        """Tickets, after whoever is trapped; True when there may be more of them at once."""
        fired, more = await self._tickets.round(self._clock())
        for kind in fired:
            FIRED.labels(f"ticket-{kind}").inc()
        if more:
            self._relief_at = 0.0
        return more

    async def _fire(self) -> bool:
        try:
            fired = await fire_due(self._database, self._clock(), duty=self._duty, without=self._failed)
        except Exception as error:
            if isinstance(error, Fenced) or may_pass(error):
                raise
            log.error("timers failed together; each is tried alone", error=_words(error))
            return await self._fire_alone()
        _count(fired)
        return bool(fired)

    async def _fire_alone(self) -> bool:
        found = False
        for timer in await due(self._database, self._clock()):
            if timer in self._failed:
                continue
            try:
                fired = await fire_due(self._database, self._clock(), duty=self._duty, only=timer)
            except Exception as error:
                if isinstance(error, Fenced) or may_pass(error):
                    raise
                log.error("a timer failed; it is tried again", timer=timer, after_s=RETRY_S, error=_words(error))
                FAILED.inc()
                self._failed[timer] = time.monotonic() + RETRY_S
            else:
                _count(fired)
                found = True
        return found


def _count(fired: Sequence[Fired]) -> None:
    for timer in fired:
        FIRED.labels(timer.kind.value).inc()
        LATE.set(timer.late_s)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


async def _keep_sealing(
    database: Database, duty: Duty, stop: asyncio.Event, clock: Callable[[], datetime], anchor: Path | None
) -> None:
    """Seal every ten minutes. A file that cannot be written stops no rescue: it is said, counted, and tried again."""
    if anchor is None:
        return
    sealer = Sealer(database, anchor, duty=duty)
    seal_at = 0.0
    while not stop.is_set():
        try:
            if time.monotonic() >= seal_at:
                seal_at = time.monotonic() + SEAL_EVERY_S
                while await sealer.seal(clock()):
                    pass
            UNSEALED.set(await sealer.unsealed())
        except (*AWAY, HoistwayError) as error:
            log.error("the log of cases is not sealed", error=str(error)[:200] or type(error).__name__)
            SEAL_FAILURES.inc()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TAIL_EVERY_S)


async def audit_start(database: Database, now: datetime) -> None:
    """What is late already and who owns it, said in the log; what nobody watches is looked at."""
    for row in await overdue(database, now):
        log.warning(
            "a step is overdue",
            timer=row["kind"], case=row["case_id"], order=row["order_id"], owner=row["owner"], due_at=row["due_at"].isoformat(),
        )  # fmt: skip
    for case_id in await remember_forgotten(database, now):
        log.warning("an entrapment that nobody watched", case=case_id)
    for row in await overdue_tickets(database, now):
        log.warning(
            "a step of a ticket is overdue",
            timer=row["kind"],
            ticket=row["number"],
            owner=row["owner"],
            due_at=row["due_at"].isoformat(),
        )
    before: list[int] = []
    while (faults := await remember_faults(database, now)) and faults != before:
        log.warning("faults that had no ticket", alarms=len(faults))
        before = faults


async def _rest(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), POLL_S)
