"""Alarm transitions to rows of alarms and their histories, through `case_rows` to cases and through `ticket_rows` to tickets. Runs inside the batch's transaction."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from hoistway.model import Opens, OperatorState, Severity
from ingest.assembled import Refusal, Unplaced
from ingest.case_rows import SQL, case_events, note_contact, open_cases
from ingest.changes import Change, ChangeKind, columns, when
from ingest.ticket_rows import open_tickets

UNREADABLE: Final = "event-unreadable"
UNPLACED: Final = "clock-unknown"


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
    await alarm_events(connection, events + _asked_again(rows, by_key))
    await open_cases(connection, rows, by_key, detected_at)
    await open_tickets(connection, rows, by_key, detected_at)


async def _clear(connection: Any, wave: list[Change]) -> None:
    rows = await connection.fetch(
        SQL["clear"],
        [change.lift_id for change in wave],
        [change.rule_id for change in wave],
        [when(change.at_ms) for change in wave],
    )
    await alarm_events(connection, [(row["id"], "cleared", row["at"], "{}") for row in rows])
    wave = [change for change in wave if not change.with_its_rule]
    told = {change.key for change in wave}
    freed = [
        row["lift_id"] for row in rows if row["opens"] == Opens.RESCUE and (row["lift_id"], row["rule_id"]) in told
    ]
    if freed:
        at = max(row["at"] for row in rows)
        cases = await connection.fetch(SQL["device_says_clear"], freed, at)
        await case_events(connection, [(row["id"], "device-says-clear", at, None, "{}") for row in cases])
    await note_contact(connection, wave, SQL["contact_back"], "contact-back")


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
    await alarm_events(connection, events + _grown(rows, promoted=promoted) + _asked_again(rows, by_key))
    if promoted:
        await open_cases(connection, rows, by_key, detected_at)
    grown = [row for row in rows if (row["severity"], row["opens"]) != (row["severity_was"], row["opens_was"])]
    await open_tickets(connection, grown, by_key, detected_at, raised=False)
    trapped = [row["lift_id"] for row in rows if row["opens"] == Opens.RESCUE and "device" in row["witnesses"]]
    if trapped:
        cases = await connection.fetch(SQL["device_says_trapped"], trapped)
        await case_events(connection, [(row["id"], "device-says-trapped", detected_at, None, "{}") for row in cases])


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


async def write_notices(connection: Any, refusals: Sequence[Refusal], *, said: Container[int], at: datetime) -> None:
    """One notice a lift for events of it that could not be read. Where nobody has seen the last one yet, only those of `said` are
    worth another line."""
    first = {refusal.lift_id: refusal for refusal in reversed(refusals) if refusal.lift_id is not None}
    for query, lifts in (
        ("notice", [lift for lift in first if lift in said]),
        ("first_notice", [lift for lift in first if lift not in said]),
    ):
        evidence = [
            json.dumps({"reason": row.reason, "detail": row.detail, "sha256_8": row.sha256_8})
            for row in (first[lift] for lift in lifts)
        ]
        rows = await connection.fetch(SQL[query], lifts, UNREADABLE, at, evidence) if lifts else []
        await alarm_events(
            connection, [(row["id"], "repeated" if row["repeats"] else "raised", at, "{}") for row in rows]
        )


async def write_unplaced(connection: Any, found: Sequence[Unplaced], *, at: datetime) -> None:
    """One notice a lift for records of it that could not be put in their place."""
    evidence = [
        json.dumps({"device_id": row.device_id, "boot": row.boot, "records": row.records, "ts": [row.first, row.last]})
        for row in found
    ]
    await notice_an_hour(connection, [row.lift_id for row in found], UNPLACED, evidence, at=at)


async def notice_an_hour(
    connection: Any, lift_ids: Sequence[int], rule_id: str, evidence: Sequence[str], *, at: datetime
) -> None:
    """One notice a lift, unless it had the same within the hour."""
    rows = await connection.fetch(SQL["hourly_notice"], lift_ids, rule_id, at, evidence)
    await alarm_events(connection, [(row["id"], "raised", at, "{}") for row in rows])


async def alarm_events(connection: Any, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        await connection.execute(SQL["alarm_events"], *columns(rows, 4))
