"""Corrections by late data to rows of alarms, histories and cases. Runs inside the transaction of a refold or a backfill.

A correction never closes or cancels a case. An entrapment that still holds is dispatched like any other; one that was over when it
became known opens a case that asks for a voice check, and sends nobody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from alarms.corrections import Correction, CorrectionKind, Episode
from alarms.rules import RuleSet
from dispatch.policy import past_case
from hoistway.model import Opens, Severity
from hoistway.store import queries
from ingest.alarm_rows import alarm_events
from ingest.case_rows import SQL as ALARMS
from ingest.case_rows import case_events, open_cases
from ingest.changes import Change, ChangeKind, columns, when
from ingest.ticket_rows import note_contradicted, open_tickets
from ingest.transitions import WITNESSES

SQL: Final = queries("ingest", "sql/corrections.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class Corrected:
    """One correction with what its rows need."""

    kind: CorrectionKind
    lift_id: int
    rule_id: str
    rule_version: str
    severity: str
    opens: str
    confirm_s: int
    before: Episode | None
    after: Episode | None

    @property
    def key(self) -> tuple[int, str]:
        return self.lift_id, self.rule_id

    @property
    def witnesses(self) -> tuple[str, ...]:
        seen = self.after.witnesses if self.after else 0
        return tuple(name for bit, name in WITNESSES if seen & bit)


def corrected(corrections: Sequence[Correction], rules: RuleSet) -> list[Corrected]:
    """Corrections with the words of their rules. A demoted alarm is a notice, never nothing."""
    found = []
    for item in corrections:
        rule = rules[item.rule]
        episode = item.after or item.before
        severity, opens = rule.at_level(episode.level if episode else 0)
        demoted = bool(episode and episode.demoted)
        found.append(
            Corrected(
                kind=item.kind,
                lift_id=item.slot,
                rule_id=rule.id,
                rule_version=rule.version,
                severity=Severity.NOTICE if demoted else severity,
                opens=Opens.NOTICE if demoted else opens,
                confirm_s=rule.confirm_s or 0,
                before=item.before,
                after=item.after,
            )
        )
    return found


async def write_corrections(connection: Any, items: Sequence[Corrected], *, at: datetime) -> None:
    """Write all corrections of one refold. One statement a correction kind; of one lift and rule one after the other."""
    for wave in _waves(items):
        await _WRITE[wave[0].kind](connection, wave, at)


def _waves(items: Sequence[Corrected]) -> list[list[Corrected]]:
    """Cut so that each cut holds one kind and no lift and rule twice; what had not been goes first."""
    order = (CorrectionKind.CONTRADICTED, CorrectionKind.AMENDED, CorrectionKind.LATE)
    waves: list[list[Corrected]] = []
    for item in sorted(items, key=lambda item: order.index(item.kind)):
        if not waves or waves[-1][0].kind is not item.kind or item.key in {other.key for other in waves[-1]}:
            waves.append([])
        waves[-1].append(item)
    return waves


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else when(ms)


def _told(episode: Episode | None) -> dict[str, Any] | None:
    if episode is None:
        return None
    names = ("raised_at", "hold_start", "cleared_at")
    times = {name: getattr(episode, name) for name in names}
    return {name: None if ms is None else when(ms).isoformat(timespec="milliseconds") for name, ms in times.items()}


async def _events(connection: Any, rows: Sequence[Any], by_key: dict[tuple[int, str], Corrected], at: datetime) -> None:
    lines = []
    for row in rows:
        item = by_key[row["lift_id"], row["rule_id"]]
        detail = {"before": _told(item.before), "after": _told(item.after)}
        lines.append((row["id"], item.kind.value, at, json.dumps(detail)))
    await alarm_events(connection, lines)


async def _late(connection: Any, wave: list[Corrected], at: datetime) -> None:
    episodes = [item.after for item in wave if item.after is not None]
    rows = await connection.fetch(
        SQL["late"],
        [item.lift_id for item in wave],
        [item.rule_id for item in wave],
        [item.rule_version for item in wave],
        [item.severity for item in wave],
        [item.opens for item in wave],
        [_time(episode.hold_start) for episode in episodes],
        [_time(episode.raised_at) for episode in episodes],
        [_time(episode.cleared_at) for episode in episodes],
        [json.dumps({"late": True}) for _ in wave],
        at,
        [",".join(item.witnesses) for item in wave],
    )
    by_key = {item.key: item for item in wave}
    await _events(connection, rows, by_key, at)
    await _send(connection, [row for row in rows if _active(by_key, row)], by_key, at)
    over = [row for row in rows if not _active(by_key, row)]
    await _past(connection, over, by_key, at)
    changes = {key: _change(item) for key, item in by_key.items()}
    await open_tickets(connection, rows, changes, at, over={row["id"] for row in over})


def _active(by_key: dict[tuple[int, str], Corrected], row: Any) -> bool:
    after = by_key[row["lift_id"], row["rule_id"]].after
    return after is not None and after.cleared_at is None


async def _send(connection: Any, rows: Sequence[Any], by_key: dict[tuple[int, str], Corrected], at: datetime) -> None:
    """What still holds is an alarm like any other."""
    changes = {(row["lift_id"], row["rule_id"]): _change(by_key[row["lift_id"], row["rule_id"]]) for row in rows}
    if rows:
        await open_cases(connection, rows, changes, at)


def _change(item: Corrected) -> Change:
    after = item.after
    return Change(
        kind=ChangeKind.RAISE,
        lift_id=item.lift_id,
        rule_id=item.rule_id,
        rule_version=item.rule_version,
        severity=item.severity,
        opens=item.opens,
        at_ms=after.raised_at or 0 if after else 0,
        hold_start_ms=after.hold_start or 0 if after else 0,
        demoted=False,
        confirm_s=item.confirm_s,
        evidence="{}",
        witnesses=item.witnesses,
    )


async def _past(connection: Any, rows: Sequence[Any], by_key: dict[tuple[int, str], Corrected], at: datetime) -> None:
    """What was over when it became known: somebody must ask, nobody is sent."""
    mine = {row["lift_id"]: row for row in rows if row["opens"] in {Opens.RESCUE, Opens.ALARM_CALL}}
    if not mine:
        return
    opened = await connection.fetch(
        SQL["open_past_cases"],
        list(mine),
        [row["id"] for row in mine.values()],
        at,
        [row["exercise"] for row in mine.values()],
        ["device" in by_key[row["lift_id"], row["rule_id"]].witnesses for row in mine.values()],
    )
    await case_events(connection, [(row["id"], "opened-in-the-past", at, None, "{}") for row in opened])
    timers = [
        (timer.kind, row["id"], at + timedelta(seconds=timer.after_s)) for row in opened for timer in past_case().timers
    ]
    if timers:
        await connection.execute(ALARMS["timers"], *columns(timers, 3))


async def _contradicted(connection: Any, wave: list[Corrected], at: datetime) -> None:
    rows = await connection.fetch(
        SQL["contradicted"],
        [item.lift_id for item in wave],
        [item.rule_id for item in wave],
        [_time(item.before.raised_at) if item.before else None for item in wave],
        at,
    )
    lines = {item.lift_id: json.dumps({"before": _told(item.before), "after": None}) for item in wave}
    await alarm_events(connection, [(row["id"], "contradicted", at, lines[row["lift_id"]]) for row in rows])
    await note_contradicted(connection, rows, at)
    lifts = [row["lift_id"] for row in rows if row["opens"] in {Opens.RESCUE, Opens.ALARM_CALL}]
    if lifts:
        cases = await connection.fetch(SQL["contradicted_cases"], lifts)
        await case_events(connection, [(row["id"], "late-data-contradicts", at, None, "{}") for row in cases])


async def _amended(connection: Any, wave: list[Corrected], at: datetime) -> None:
    pairs = [(item, item.before, item.after) for item in wave if item.before is not None and item.after is not None]
    rows = await connection.fetch(
        SQL["amended"],
        [item.lift_id for item, _, _ in pairs],
        [item.rule_id for item, _, _ in pairs],
        [_time(before.raised_at) for _, before, _ in pairs],
        [item.severity for item, _, _ in pairs],
        [item.opens for item, _, _ in pairs],
        [_time(after.hold_start) for _, _, after in pairs],
        [_time(after.raised_at) for _, _, after in pairs],
        [_time(after.cleared_at) for _, _, after in pairs],
        [",".join(item.witnesses) for item, _, _ in pairs],
    )
    by_key = {item.key: item for item in wave}
    await _events(connection, rows, by_key, at)
    again = [row for row in rows if row["condition_was"] == "cleared" and row["condition"] == "active"]
    await _send(connection, again, by_key, at)
    over = {row["id"] for row in rows if row["condition"] != "active"}
    changes = {key: _change(item) for key, item in by_key.items()}
    await open_tickets(connection, rows, changes, at, raised=False, over=over)


_WRITE: Final = {
    CorrectionKind.LATE: _late,
    CorrectionKind.CONTRADICTED: _contradicted,
    CorrectionKind.AMENDED: _amended,
}
