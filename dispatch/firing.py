"""Due timers, waiting cases and area incidents: claim rows, ask `policy`, write what it answers. Each call is one transaction.

`now` is an argument. `duty` None: for one process that nobody competes with (tests).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dispatch.book import carry_out, ms, read_cases, read_limits, read_roster
from dispatch.duty import Duty
from dispatch.outcome import CaseView, Outcome, TimerKind
from dispatch.policy import SENDING, relieved, urgency, when_due
from dispatch.units import Roster
from hoistway.errors import WorldFault
from hoistway.limits import DISPATCH_ROUND_CASES, RELIEF_CASES
from hoistway.store import AWAY, Database, queries

SQL: Final = queries("dispatch", "sql/timers.sql")
NOBODY: Final = Roster(())
_PASSING: Final = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""SQLSTATE classes: connection, transaction, rollback, resources, locks, intervention, system."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fired:
    """A timer that was fired."""

    kind: TimerKind
    case_id: int
    late_s: float


def may_pass(error: Exception) -> bool:
    """Whether the database was away or busy, and the same may be fine a moment later."""
    if isinstance(error, WorldFault):
        return True
    return isinstance(error, AWAY) and (getattr(error, "sqlstate", None) or "08000")[:2] in _PASSING


async def due(database: Database, now: datetime) -> list[int]:
    """Ids of the timers that are due, at most as many as one round takes."""
    return [row["id"] for row in await database.fetch(SQL["due"], now, DISPATCH_ROUND_CASES)]


async def fire_due(
    database: Database,
    now: datetime,
    *,
    duty: Duty | None = None,
    only: int | None = None,
    without: Collection[int] = (),
) -> list[Fired]:
    """Fire what is due, at most one timer a case, the most urgent case first; [] when nothing is due.

    `only`: this timer and no other; `without`: not these.
    """
    async with database.acquire() as connection, connection.transaction():
        await _hold(duty, connection)
        first: dict[int, Any] = {}
        for row in await connection.fetch(SQL["claim_due"], now, DISPATCH_ROUND_CASES, only, list(without)):
            first.setdefault(row["case_id"], row)
        if not first:
            return []
        cases = await read_cases(connection, first)
        sends = any(row["kind"] in SENDING for row in first.values())
        limits, roster = await read_limits(connection), await read_roster(connection, now) if sends else NOBODY
        decided: list[tuple[CaseView, Outcome]] = []
        for case in sorted(cases.values(), key=urgency):
            row = first[case.case_id]
            outcome = when_due(
                TimerKind(row["kind"]),
                case,
                limits=limits,
                roster=roster,
                now_ms=ms(now),
                order_id=row["order_id"],
            )
            if outcome is not None:
                decided.append((case, outcome))
        await connection.execute(SQL["fired"], [row["id"] for row in first.values()], now)
        await carry_out(connection, decided, now)
        if sends:
            await connection.execute(SQL["hasten"], list(first), now)
    return [
        Fired(kind=TimerKind(row["kind"]), case_id=row["case_id"], late_s=(now - row["due_at"]).total_seconds())
        for row in first.values()
    ]


async def relieve(database: Database, now: datetime, *, duty: Duty | None = None) -> int:
    """One queue of all who wait for a station or are in an area incident: free stations go to the most urgent first.

    Answers how many cases it changed.
    """
    async with database.acquire() as connection, connection.transaction():
        await _hold(duty, connection)
        ids = [row["id"] for row in await connection.fetch(SQL["claim_waiting"], RELIEF_CASES)]
        if not ids:
            return 0
        limits, roster = await read_limits(connection), await read_roster(connection, now)
        cases = sorted((await read_cases(connection, ids)).values(), key=urgency)
        answers = [(case, relieved(case, limits=limits, roster=roster)) for case in cases]
        decided = [(case, outcome) for case, outcome in answers if outcome is not None]
        await carry_out(connection, decided, now)
        return len(decided)


async def _hold(duty: Duty | None, connection: Any) -> None:
    if duty is not None:
        await duty.hold(connection)


async def overdue(database: Database, now: datetime) -> Sequence[Any]:
    """Every step that is late at `now`: kind, case_id, order_id, due_at, owner."""
    return await database.fetch(SQL["overdue"], now)


async def remember_forgotten(database: Database, now: datetime) -> list[int]:
    """Entrapments that nobody is on the way to and no timer watches are looked at in the next round; answers their ids."""
    return [row["case_id"] for row in await database.fetch(SQL["forgotten"], now)]
