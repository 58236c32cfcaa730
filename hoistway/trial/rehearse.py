"""A whole city on one virtual clock: the story, the rules, the desk with its timers and people, and the report of it all.

The rules judge in memory, as in `play`; alarms, cases, orders, timers, escalation and acts are the platform's own, in a PostgreSQL of
the rehearsal. Telemetry is not stored: only what follows from it. Every row is exercise.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hoistway.registry import import_bytes
from hoistway.store import Database, connect_url, migrate
from hoistway.trial.desk import SQL, Desk
from hoistway.trial.fleet import Fleet
from hoistway.trial.play import Judge, Played, Progress, Trial, steps
from hoistway.up.demo import staff
from ingest.changes import when
from ingest.transitions import changes_of
from simulators.city import write_csv
from simulators.crews import People
from simulators.score.card import moment, scorecard
from simulators.score.figures import delays_of
from simulators.score.matching import LOUD, is_trapping
from simulators.score.records import NEVER, Sent, truth_of

LIMIT_ARRIVE_S: Final = 1_800
LIMIT_ACCEPT_S: Final = 180
"""The two published indicators of a 96333 centre: answered within 3 minutes, there within 30."""


async def rehearse(
    trial: Trial,
    database_url: str,
    folder: Path,
    progress: Progress | None = None,
    *,
    people: People | None = None,
) -> tuple[Played, dict[str, Any]]:
    """Play a story to its end before rules and desk; answers the run and its report. `database_url`: an empty database of its own;
    `folder`: where the register's file may be written."""
    began = time.monotonic()
    judge = Judge(trial, Fleet(trial.register()))
    ids = await _prepare(trial, database_url, folder)
    numbers = [ids[row.rescue_code] for row in judge.fleet.rows]
    slots = {number: slot for slot, number in enumerate(numbers)}
    pool = Database(database_url, name="hoistway rehearse", most=2)
    await pool.open()
    try:
        desk = Desk(pool, people or People(trial.seed), _inside(judge, slots), now=trial.from_ms)
        span = trial.until_ms - trial.from_ms
        for now in steps(trial, judge):
            changes = [
                replace(change, lift_id=numbers[change.lift_id])
                for change in changes_of(judge.said.fresh(), judge.engine, trial.rules)
            ]
            await desk.take(changes, now)
            if progress is not None:
                progress((now - trial.from_ms) / span)
        played = judge.played(trial)
        run = replace(played.run, sent=[_sent(row) for row in await pool.fetch(SQL["sent"])])
        played = replace(played, run=run)
        return played, await _report(pool, played, desk, wall_s=time.monotonic() - began)
    finally:
        await pool.close()


async def _prepare(trial: Trial, database_url: str, folder: Path) -> dict[str, int]:
    """Schema, register and who is on duty; answers the lifts' ids by rescue code."""
    path = folder / "lifts.csv"
    write_csv(list(trial.register()), path)
    connection = await connect_url(database_url, name="hoistway rehearse", patience_s=5, command_timeout_s=120)
    try:
        await migrate(connection)
        today = datetime.fromtimestamp(trial.from_ms / 1_000, UTC).date()
        await import_bytes(connection, path.read_bytes(), name=path.name, today=today, exercise=True)
        await staff(connection)
        return {row["rescue_code"]: row["id"] for row in await connection.fetch(SQL["lifts"])}
    finally:
        await connection.close()


def _inside(judge: Judge, slots: dict[int, int]) -> Any:
    """What a crew finds: the truth of the story, which the rules never see."""

    def inside(lift_id: int, at_ms: int) -> int | None:
        loud = {rule.id for rule in judge.said.rules if rule.opens in LOUD}
        found = [
            truth.to_ms
            for truth in map(truth_of, judge.lines_of(slots[lift_id]))
            if is_trapping(truth, loud) and truth.overlaps(at_ms - 6 * 3_600_000, at_ms)
        ]
        return max(found, default=None)

    return inside


def _sent(row: Any) -> Sent:
    return Sent(
        lift=row["lift"],
        rule=row["rule"],
        opened_ms=_ms(row["opened"]),
        ordered_ms=_ms(row["ordered"]),
        over_ms=NEVER if row["over"] is None else _ms(row["over"]),
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


async def _report(pool: Database, played: Played, desk: Desk, *, wall_s: float) -> dict[str, Any]:
    """What a duty officer would want to know of the time, and how fast it went."""
    run = played.run
    cases = [dict(row) for row in await pool.fetch(SQL["cases"])]
    rest = (await pool.fetch(SQL["rest"], when(run.to_ms)))[0]
    rescues = [case for case in cases if case["kind"] == "entrapment"]
    lasted_s = (run.to_ms - run.from_ms) / 1_000
    return {
        "format": 1,
        "story": run.name,
        "seed": run.seed,
        "from": moment(run.from_ms),
        "to": moment(run.to_ms),
        "days": round(run.days, 3),
        "lifts": run.lifts,
        "escalators": run.escalators,
        "way": "rules in memory; alarms, cases, orders and timers in PostgreSQL on the virtual clock; telemetry not stored",
        "samples": played.samples,
        "speed": {
            "wall_s": round(wall_s, 1),
            "times_real": round(lasted_s / wall_s, 1),
            "samples_a_second": round(played.samples / wall_s),
        },
        "alarms": {row["rule_id"]: row["raises"] for row in await pool.fetch(SQL["alarms"])},
        "cases": {
            "all": len(cases),
            "by_kind": dict(Counter(case["kind"] for case in cases)),
            "by_state": dict(Counter(case["state"] for case in cases)),
            "by_level": {
                str(level): count for level, count in sorted(Counter(case["level"] for case in cases).items())
            },
            "nobody_inside": sum(case["trapped"] == 0 for case in cases),
            "open_at_the_end": rest["open_cases"],
        },
        "times": {
            "acknowledged": _times(rescues, "acknowledged_s"),
            "sent": _times(rescues, "sent_s"),
            "accepted": _times(rescues, "accepted_s", LIMIT_ACCEPT_S),
            "arrived": _times(rescues, "arrived_s", LIMIT_ARRIVE_S),
            "on_site": _times(rescues, "on_site_s"),
        },
        "log": {row["kind"]: row["lines"] for row in await pool.fetch(SQL["log"])},
        "area_incidents": {row["cause"]: row["incidents"] for row in await pool.fetch(SQL["incidents"])},
        "floods": rest["floods"],
        "timers": {"fired": desk.fired, "overdue_at_the_end": rest["overdue"], "late_most_ms": desk.late_most_ms},
        "messages": {"all": rest["messages"], "to_real_people": rest["real_messages"]},
        "score": {key: scorecard(run)[key] for key in ("entrapments", "dispatch")},
    }


def _times(cases: Sequence[dict[str, Any]], key: str, limit_s: int | None = None) -> dict[str, Any]:
    """Of the cases that came so far: half, 95 %, greatest, mean; and the share within a limit."""
    found = [case[key] for case in cases if case[key] is not None]
    if not found:
        return {"count": 0}
    within = (
        {} if limit_s is None else {"within_limit": round(sum(value <= limit_s for value in found) / len(found), 4)}
    )
    delays = delays_of([round(value * 1_000) for value in found]) or {}
    return {**delays, "mean_s": round(sum(found) / len(found), 1), **within}
