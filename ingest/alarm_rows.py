"""Alarm transitions to rows of alarms, histories, cases and timers. Runs inside the batch's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final

from dispatch.policy import case_for
from hoistway.model import CaseKind, Opens, OperatorState, Severity
from hoistway.store import queries
from ingest.assemble import Refusal

SQL: Final = queries("ingest", "sql/alarms.sql")
UNREADABLE: Final = "event-unreadable"
OFFLINE: Final = "offline"


class ChangeKind(IntEnum):
    RAISE = 1
    CLEAR = 2
    PROMOTE = 3
    CHANGE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One transition of the engine with what its rows need. Times are ms since 1970 UTC."""

    kind: ChangeKind
    lift_id: int
    rule_id: str
    rule_version: str
    severity: str
    opens: str
    at_ms: int
    hold_start_ms: int
    demoted: bool
    urban: bool
    evidence: str  # JSON
    witnesses: tuple[str, ...] = ()  # who saw it: "rule", "device"

    @property
    def key(self) -> tuple[int, str]:
        return self.lift_id, self.rule_id


def when(ms: int) -> datetime:
    """Milliseconds since 1970 UTC as a time stamp."""
    return datetime.fromtimestamp(ms / 1_000, UTC)


def waves(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Cut the changes, in order, so that each cut holds one kind and no alarm twice: each is one set-based statement."""
    wave: list[Change] = []
    seen: set[tuple[int, str]] = set()
    for change in changes:
        if wave and (change.kind is not wave[0].kind or change.key in seen):
            yield wave
            wave, seen = [], set()
        wave.append(change)
        seen.add(change.key)
    if wave:
        yield wave


async def write_changes(connection: Any, changes: Sequence[Change], *, detected_at: datetime) -> None:
    """Write all changes of one batch or tick, in causal order."""
    for wave in waves(changes):
        if wave[0].kind is ChangeKind.RAISE:
            await _raise(connection, wave, detected_at)
        elif wave[0].kind is ChangeKind.CLEAR:
            await _clear(connection, wave)
        else:
            await _amend(connection, wave, detected_at)


def _words(change: Change) -> tuple[str, str]:
    """Severity and what it opens: a demoted alarm is a notice, never nothing."""
    if change.demoted:
        return Severity.NOTICE, Opens.NOTICE
    return change.severity, change.opens


async def _raise(connection: Any, wave: list[Change], detected_at: datetime) -> None:
    rows = await connection.fetch(
        SQL["raise"],
        [change.lift_id for change in wave],
        [change.rule_id for change in wave],
        [change.rule_version for change in wave],
        [_words(change)[0] for change in wave],
        [_words(change)[1] for change in wave],
        [when(change.hold_start_ms) for change in wave],
        [when(change.at_ms) for change in wave],
        [change.evidence for change in wave],
        detected_at,
        [",".join(change.witnesses) for change in wave],
    )
    by_key = {change.key: change for change in wave}
    events = []
    for row in rows:
        change = by_key[row["lift_id"], row["rule_id"]]
        detail = json.dumps({"demoted": change.demoted, "rule_version": change.rule_version})
        events.append((row["id"], "repeated" if row["repeats"] else "raised", when(change.at_ms), detail))
    await _alarm_events(connection, events + _asked_again(rows, by_key))
    await _cases(connection, rows, by_key, detected_at)


async def _clear(connection: Any, wave: list[Change]) -> None:
    rows = await connection.fetch(
        SQL["clear"],
        [change.lift_id for change in wave],
        [change.rule_id for change in wave],
        [when(change.at_ms) for change in wave],
    )
    await _alarm_events(connection, [(row["id"], "cleared", row["at"], "{}") for row in rows])
    freed = [row["lift_id"] for row in rows if row["opens"] == Opens.RESCUE]
    if freed:
        at = max(row["at"] for row in rows)
        cases = await connection.fetch(SQL["device_says_clear"], freed, at)
        await _case_events(connection, [(row["id"], "device-says-clear", at, None, "{}") for row in cases])
    await _contact(connection, wave, SQL["contact_back"], "contact-back")


async def _amend(connection: Any, wave: list[Change], detected_at: datetime) -> None:
    """Alarms that stay active and are promoted, grow more severe or gain a witness."""
    rows = await connection.fetch(
        SQL["amend"],
        [change.lift_id for change in wave],
        [change.rule_id for change in wave],
        [_words(change)[0] for change in wave],
        [_words(change)[1] for change in wave],
        [when(change.at_ms) for change in wave],
        [",".join(change.witnesses) for change in wave],
    )
    by_key = {change.key: change for change in wave}
    promoted = wave[0].kind is ChangeKind.PROMOTE
    events = [(row["id"], "promoted", row["raised_at"], "{}") for row in rows if promoted]
    await _alarm_events(connection, events + _grown(rows, promoted=promoted) + _asked_again(rows, by_key))
    if promoted:
        await _cases(connection, rows, by_key, detected_at)
    trapped = [row["lift_id"] for row in rows if row["opens"] == Opens.RESCUE and "device" in row["witnesses"]]
    if trapped:
        cases = await connection.fetch(SQL["device_says_trapped"], trapped)
        await _case_events(connection, [(row["id"], "device-says-trapped", detected_at, None, "{}") for row in cases])


def _grown(rows: Sequence[Any], *, promoted: bool) -> list[tuple[Any, ...]]:
    """History of alarms that are more severe by a level of their rule, or have one more witness."""
    events = []
    for row in rows:
        if row["severity"] != row["severity_was"] and not promoted:
            detail = {"before": {"severity": row["severity_was"]}, "after": {"severity": row["severity"]}}
            events.append((row["id"], "escalated", row["raised_at"], json.dumps(detail)))
        if row["witnesses"] != row["witnesses_were"]:
            detail = {"before": {"witnesses": row["witnesses_were"]}, "after": {"witnesses": row["witnesses"]}}
            events.append((row["id"], "witness", row["raised_at"], json.dumps(detail)))
    return events


def _asked_again(rows: Sequence[Any], by_key: dict[tuple[int, str], Change]) -> list[tuple[Any, ...]]:
    """History of what the desk had settled and is asked about again, and of what began to chatter."""
    events = []
    for row in rows:
        at = when(by_key[row["lift_id"], row["rule_id"]].at_ms)
        if row["was"] not in (None, row["becomes"]):
            kind = "unshelved" if row["was"] == OperatorState.SHELVED else "escalated"
            events.append((row["id"], kind, at, json.dumps({"before": {"operator_state": row["was"]}})))
        if row["chatters"]:
            events.append((row["id"], "chattering", at, "{}"))
    return events


async def _cases(
    connection: Any, rows: Sequence[Any], by_key: dict[tuple[int, str], Change], detected_at: datetime
) -> None:
    """Open a case for each alarm that opens one, with its timers; join the lift's open case of that kind instead."""
    plans: dict[tuple[int, CaseKind], Any] = {}
    for row in rows:
        change = by_key[row["lift_id"], row["rule_id"]]
        plan = case_for(row["opens"], urban=change.urban)
        if plan is not None:
            plans.setdefault((row["lift_id"], plan.kind), (plan, row, change))
    plans = await _join_calls(connection, plans, detected_at)
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
    await _contact(connection, list(by_key.values()), SQL["contact_lost"], "contact-lost")


async def _join_calls(
    connection: Any, plans: dict[tuple[int, CaseKind], Any], detected_at: datetime
) -> dict[tuple[int, CaseKind], Any]:
    """An alarm call of a lift that has an entrapment joins it; an entrapment takes an open alarm call over, visibly."""
    if not plans:
        return plans
    entrapped = [lift for lift, kind in plans if kind is CaseKind.ENTRAPMENT]
    raised = await connection.fetch(SQL["raise_calls"], entrapped) if entrapped else []
    await _case_events(connection, [(row["id"], "raised-to-entrapment", detected_at, None, "{}") for row in raised])
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
    await _case_events(connection, events)
    if timers:
        await connection.execute(SQL["timers"], *columns(timers, 3))
    if joined:
        await connection.execute(SQL["joined"], *columns(joined, 2))


async def _contact(connection: Any, wave: list[Change], statement: str, event: str) -> None:
    """An offline lift with an open case keeps it, marked; and is marked back."""
    lifts = [change.lift_id for change in wave if change.rule_id == OFFLINE]
    if not lifts:
        return
    at = when(max(change.at_ms for change in wave if change.rule_id == OFFLINE))
    arguments = (lifts, at) if event == "contact-lost" else (lifts,)
    cases = await connection.fetch(statement, *arguments)
    await _case_events(connection, [(row["id"], event, at, None, "{}") for row in cases])


async def write_notices(connection: Any, refusals: Sequence[Refusal], *, at: datetime) -> None:
    """One notice a lift for events of it that could not be read."""
    first = {refusal.lift_id: refusal for refusal in reversed(refusals)}
    evidence = [
        json.dumps({"reason": row.reason, "detail": row.detail, "sha256_8": row.sha256_8}) for row in first.values()
    ]
    rows = await connection.fetch(SQL["notice"], list(first), UNREADABLE, at, evidence)
    await _alarm_events(connection, [(row["id"], "repeated" if row["repeats"] else "raised", at, "{}") for row in rows])


async def _alarm_events(connection: Any, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        await connection.execute(SQL["alarm_events"], *columns(rows, 4))


async def _case_events(connection: Any, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        await connection.execute(SQL["case_events"], *columns(rows, 5))


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes."""
    return [[row[index] for row in rows] for index in range(width)]
