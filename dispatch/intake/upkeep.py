"""What time does to intake: complaints that wait too long are said, callers are forgotten. Any number of processes may do it; `now` is an argument."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog
from prometheus_client import Counter

from dispatch.intake.book import SQL, note_complaint, read_intake_limits, tell_of_complaint
from dispatch.intake.complaints import ComplaintTimer, overdue
from dispatch.intake.limits import intake_limits_of
from dispatch.outcome import Teller
from hoistway.lifecycle import ComplaintState
from hoistway.limits import CALLERS_ERASED_ROWS, COMPLAINT_ROUND_TIMERS
from hoistway.store import Database

log: Final = structlog.get_logger("dispatch")

ERASED: Final = Counter(
    "hoistway_dispatch_callers_erased", "callers whose name and number were erased in time", registry=None
)
OVERDUE: Final = Counter(
    "hoistway_dispatch_complaints_overdue", "limits of complaints that passed, by limit", ["kind"], registry=None
)
METRICS: Final = (ERASED, OVERDUE)
"""For the registry of the process."""


async def intake_round(database: Database, now: datetime) -> None:
    """Everything that time does to complaints and callers, once."""
    await watch_complaints(database, now)
    await erase_callers(database, now)


async def watch_complaints(database: Database, now: datetime) -> int:
    """Tell the supervisor of complaints that are late, again and again; answers how many timers were due."""
    async with database.acquire() as connection, connection.transaction():
        rows = await connection.fetch(SQL["claim_complaint_timers"], now, COMPLAINT_ROUND_TIMERS)
        if not rows:
            return 0
        limits = await read_intake_limits(connection)
        late = []
        for row in rows:
            timer, number = ComplaintTimer(row["kind"]), row["complaint_id"]
            await connection.execute(SQL["complaint_timer_fired"], row["id"], now)
            found = overdue(timer, ComplaintState(row["state"]), limits)
            if found is None:
                continue
            late.append(timer)
            await connection.execute(SQL["complaint_late"], number, now)
            await note_complaint(connection, number, found.line, None, now)
            topic = f"complaint-{found.line}"
            await tell_of_complaint(connection, number, topic, Teller.SUPERVISOR, None, now, exercise=row["exercise"])
            await connection.execute(SQL["set_complaint_timers"], number, now, [timer.value], [found.again_s])
    for timer in late:
        OVERDUE.labels(timer.value).inc()
    return len(rows)


async def erase_callers(database: Database, now: datetime) -> int:
    """Erase names and numbers whose time is over; answers how many. The rest of a long list follows in the next round."""
    limits, _ = intake_limits_of(await database.fetchval(SQL["limits"]))  # what cannot be used is said elsewhere
    erased = len(await database.fetch(SQL["erase_callers"], now, limits.caller_days, CALLERS_ERASED_ROWS))
    if erased:
        ERASED.inc(erased)
        log.info("callers erased", count=erased, after_days=limits.caller_days)
    return erased
