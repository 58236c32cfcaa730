"""Due timers of tickets, and maintenance orders that are over: claim rows, ask `policy`, write what it answers. `now` is an argument."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog

from dispatch.duty import Duty
from dispatch.firing import may_pass
from dispatch.tickets.opening import BOOK, ms, read_ticket_limits, take_faults, view_of, write_changes
from dispatch.tickets.opening import SQL as OPENING
from dispatch.tickets.outcome import Fault, TicketOutcome, TicketTimer
from dispatch.tickets.policy import when_due
from hoistway.limits import TICKET_ROUND
from hoistway.model import Severity
from hoistway.store import Database, queries

log: Final = structlog.get_logger("dispatch")

SQL: Final = queries("dispatch.tickets", "sql/rounds.sql")
RETRY_S: Final = 5.0


async def fire_ticket_timers(
    database: Database,
    now: datetime,
    *,
    duty: Duty | None = None,
    only: int | None = None,
    without: Collection[int] = (),
) -> list[TicketTimer]:
    """Fire what is due, at most one timer a ticket; [] when nothing is. `only`: this timer and no other; `without`: not these."""
    async with database.acquire() as connection, connection.transaction():
        await _hold(duty, connection)
        first: dict[int, Any] = {}
        for row in await connection.fetch(SQL["claim_due"], now, TICKET_ROUND, only, list(without)):
            first.setdefault(row["ticket_id"], row)
        if not first:
            return []
        limits = await read_ticket_limits(connection)
        written: list[tuple[int, TicketOutcome]] = []
        for row in await connection.fetch(BOOK["views"], list(first)):
            outcome = when_due(TicketTimer(first[row["id"]]["kind"]), view_of(row), limits)
            if outcome is not None:
                written.append((row["id"], outcome))
        await connection.execute(SQL["fired"], [row["id"] for row in first.values()], now)
        await write_changes(connection, written, now)
    return [TicketTimer(row["kind"]) for row in first.values()]


async def settle_orders(database: Database, now: datetime, *, duty: Duty | None = None) -> int:
    """Maintenance orders that are over: what still holds gets its ticket. Answers how many were settled."""
    async with database.acquire() as connection, connection.transaction():
        await _hold(duty, connection)
        ids = [row["id"] for row in await connection.fetch(SQL["claim_ended"], now, TICKET_ROUND)]
        if not ids:
            return 0
        await connection.execute(SQL["settled"], ids, now)
        rows = await connection.fetch(SQL["still_holding"], ids)
        await take_faults(connection, [_fault(row, raised=True) for row in rows], now)
        await connection.execute(SQL["got_ticket"], ids, [row["alarm_id"] for row in rows])
        await connection.execute(SQL["tell_readers"], ids)
        return len(ids)


async def remember_faults(database: Database, now: datetime) -> list[int]:
    """Faults that hold and have no ticket, of the version before or left out, get theirs; answers their alarms."""
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(OPENING["forgotten"], TICKET_ROUND)
        await take_faults(connection, [_fault(row, raised=False) for row in rows], now)
        return [row["alarm_id"] for row in rows]


def _fault(row: Mapping[str, Any], *, raised: bool) -> Fault:
    """An alarm that holds. `raised`: a raise of it was held back, and counts now."""
    return Fault(
        alarm_id=row["alarm_id"],
        lift_id=row["lift_id"],
        rule_id=row["rule_id"],
        rule_version=row["rule_version"],
        severity=Severity(row["severity"]),
        at_ms=ms(row["raised_at"]),
        exercise=row["exercise"],
        raised=raised,
    )


async def overdue_tickets(source: Any, now: datetime) -> Sequence[Any]:
    """Every step of a ticket that is late at `now`: kind, ticket_id, number, due_at, owner."""
    rows: Sequence[Any] = await source.fetch(SQL["overdue"], now)
    return rows


async def _hold(duty: Duty | None, connection: Any) -> None:
    if duty is not None:
        await duty.hold(connection)


class TicketWatch:
    """One process's rounds over tickets while it has the duty. A timer that fails holds up no other: it is tried alone, a little later."""

    def __init__(self, database: Database, duty: Duty, *, failed: Callable[[], None]) -> None:
        self._database, self._duty, self._count_failed = database, duty, failed
        self._failed: dict[int, float] = {}  # timer: when it is tried again
        self._settle_at = 0.0

    async def round(self, now: datetime) -> tuple[list[TicketTimer], bool]:
        """Settle what is over and fire what is due, a batch of each; answers what was fired, and whether there may be more at once.

        Raises `Fenced`, and what a database that is away raises.
        """
        at = time.monotonic()
        self._failed = {timer: until for timer, until in self._failed.items() if until > at}
        settled = await self._settle(now, at) if at >= self._settle_at else 0
        fired = await self._fire(now)
        return fired, TICKET_ROUND in {settled, len(fired)}

    async def _fire(self, now: datetime) -> list[TicketTimer]:
        try:
            return await fire_ticket_timers(self._database, now, duty=self._duty, without=self._failed)
        except Exception as error:
            if may_pass(error):
                raise
            log.error("timers of tickets failed together; each is tried alone", error=str(error)[:200])
            return await self._fire_alone(now)

    async def _settle(self, now: datetime, at: float) -> int:
        try:
            return await settle_orders(self._database, now, duty=self._duty)
        except Exception as error:
            if may_pass(error):
                raise
            log.error("maintenance orders cannot be settled; tried again", error=str(error)[:200], after_s=RETRY_S)
            self._count_failed()
            self._settle_at = at + RETRY_S
            return 0

    async def _fire_alone(self, now: datetime) -> list[TicketTimer]:
        fired: list[TicketTimer] = []
        for row in await self._database.fetch(SQL["due"], now, TICKET_ROUND):
            if row["id"] in self._failed:
                continue
            try:
                fired += await fire_ticket_timers(self._database, now, duty=self._duty, only=row["id"])
            except Exception as error:
                if may_pass(error):
                    raise
                log.error("a timer of a ticket failed; it is tried again", timer=row["id"], error=str(error)[:200])
                self._count_failed()
                self._failed[row["id"]] = time.monotonic() + RETRY_S
        return fired
