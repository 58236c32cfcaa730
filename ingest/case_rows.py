"""Cases that alarms open or join, with their timers and logs. Runs inside the batch's transaction; what follows is `dispatch.policy`'s."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from dispatch.policy import TimerKind, case_for
from hoistway.model import CaseKind, Opens
from hoistway.store import queries
from ingest.changes import Change, columns, when

SQL: Final = queries("ingest", "sql/alarms.sql")
OFFLINE: Final = "offline"


async def open_cases(
    connection: Any, rows: Sequence[Any], by_key: dict[tuple[int, str], Change], detected_at: datetime
) -> None:
    """Open a case for each alarm that opens one, with its timers; join the lift's open case of that kind instead."""
    plans: dict[tuple[int, CaseKind], Any] = {}
    for row in rows:
        change = by_key[row["lift_id"], row["rule_id"]]
        plan = case_for(row["opens"], confirm_s=change.confirm_s)
        if plan is not None:
            first = plans.setdefault((row["lift_id"], plan.kind), (plan, row, change))
            if change.confirm_s < first[2].confirm_s:  # one that is sure does not wait for one that asks by voice
                plans[row["lift_id"], plan.kind] = (plan, row, change)
    plans = await _join_calls(connection, plans, detected_at)
    await _wake_past(connection, plans, detected_at)
    if plans:
        keys = list(plans)
        opened = await connection.fetch(
            SQL["open_cases"],
            [kind.value for _, kind in keys],
            [lift for lift, _ in keys],
            [plans[key][1]["id"] for key in keys],
            detected_at,
            [plans[key][1]["exercise"] for key in keys],
            ["device" in plans[key][2].witnesses for key in keys],
        )
        await _log_cases(
            connection, plans, {(row["lift_id"], CaseKind(row["kind"])): row["id"] for row in opened}, detected_at
        )
    await note_contact(connection, list(by_key.values()), SQL["contact_lost"], "contact-lost")


async def _wake_past(connection: Any, plans: dict[tuple[int, CaseKind], Any], detected_at: datetime) -> None:
    """A case that only asked for a voice check is an emergency like any other once an alarm joins it: all timers run."""
    confirm = {lift: it.confirm_s for (lift, kind), (_, _, it) in plans.items() if kind is CaseKind.ENTRAPMENT}
    rows = await connection.fetch(SQL["holds_now"], list(confirm)) if confirm else []
    timers = []
    for row in rows:
        plan = case_for(Opens.RESCUE, confirm_s=confirm[row["lift_id"]])
        timers += [
            (timer.kind, row["id"], detected_at + timedelta(seconds=timer.after_s))
            for timer in (plan.timers if plan else ())
        ]
    await case_events(connection, [(row["id"], "holds-now", detected_at, None, "{}") for row in rows])
    if timers:
        await connection.execute(SQL["timers_again"], *columns(timers, 3))


async def _join_calls(
    connection: Any, plans: dict[tuple[int, CaseKind], Any], detected_at: datetime
) -> dict[tuple[int, CaseKind], Any]:
    """An alarm call of a lift that has an entrapment joins it; an entrapment takes an open alarm call over, visibly."""
    if not plans:
        return plans
    entrapped = [lift for lift, kind in plans if kind is CaseKind.ENTRAPMENT]
    raised = await connection.fetch(SQL["raise_calls"], entrapped) if entrapped else []
    await case_events(connection, [(row["id"], "raised-to-entrapment", detected_at, None, "{}") for row in raised])
    timers = [
        (timer.kind, row["id"], detected_at + timedelta(seconds=timer.after_s))
        for row in raised
        for timer in plans[row["lift_id"], CaseKind.ENTRAPMENT][0].timers
    ]
    if timers:
        await connection.execute(SQL["timers"], *columns(timers, 3))
    present = await connection.fetch(SQL["open_cases_of"], [lift for lift, _ in plans])
    trapped = {row["lift_id"] for row in present if row["kind"] == CaseKind.ENTRAPMENT} | set(entrapped)
    return {
        (lift, CaseKind.ENTRAPMENT if lift in trapped else kind): plans[lift, kind]
        for lift, kind in sorted(plans, key=lambda key: key[1] is CaseKind.ENTRAPMENT)
    }


async def _log_cases(
    connection: Any,
    plans: dict[tuple[int, CaseKind], Any],
    opened: dict[tuple[int, CaseKind], int],
    detected_at: datetime,
) -> None:
    present = await connection.fetch(SQL["open_cases_of"], [lift for lift, _ in plans])
    case_ids = {(row["lift_id"], CaseKind(row["kind"])): row["id"] for row in present}
    events, timers, joined = [], [], []
    for key, (plan, row, change) in plans.items():
        new = key in opened
        after = json.dumps({"alarm_id": row["id"], "rule_id": change.rule_id})
        events.append((case_ids[key], "opened" if new else "alarm-joined", detected_at, None, after))
        if new:
            timers += [
                (timer.kind, opened[key], detected_at + timedelta(seconds=timer.after_s)) for timer in plan.timers
            ]
        else:
            joined.append((case_ids[key], "device" in change.witnesses))
            timers += [
                (timer.kind, case_ids[key], detected_at + timedelta(seconds=timer.after_s))
                for timer in plan.timers
                if timer.kind is TimerKind.SEND
            ]
    await case_events(connection, events)
    if timers:
        await connection.execute(SQL["timers"], *columns(timers, 3))
    if joined:
        await connection.execute(SQL["joined"], *columns(joined, 2))


async def note_contact(connection: Any, wave: list[Change], statement: str, event: str) -> None:
    """An offline lift with an open case keeps it, marked; and is marked back."""
    lifts = [change.lift_id for change in wave if change.rule_id == OFFLINE]
    if not lifts:
        return
    at = when(max(change.at_ms for change in wave if change.rule_id == OFFLINE))
    arguments = (lifts, at) if event == "contact-lost" else (lifts,)
    cases = await connection.fetch(statement, *arguments)
    await case_events(connection, [(row["id"], event, at, None, "{}") for row in cases])


async def case_events(connection: Any, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        await connection.execute(SQL["case_events"], *columns(rows, 5))
