"""What faults bring about: tickets opened, joined, reopened, or held back. Reads and writes inside the caller's transaction.

Ingest calls it for the alarms of a batch, dispatch when a maintenance order ends. What becomes of a fault is `policy.verdict`'s to say.
Order of locks: alarms, maintenance orders, tickets, their timers.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from dispatch.outcome import Line
from dispatch.tickets.families import family_of
from dispatch.tickets.limits import TicketLimits, ticket_limits_of
from dispatch.tickets.outcome import Fault, Person, Shield, TicketOutcome, TicketView, Verdict, Way
from dispatch.tickets.policy import more_severe, opened, reopened, severer, verdict
from hoistway.errors import OurFault
from hoistway.lifecycle import RECUR, TicketState
from hoistway.model import Severity
from hoistway.store import queries

log: Final = structlog.get_logger("dispatch")

SQL: Final = queries("dispatch.tickets", "sql/opening.sql")
BOOK: Final = queries("dispatch.tickets", "sql/book.sql")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PASSES: Final = 5


def ms(at: datetime) -> int:
    """Milliseconds since 1970 UTC."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _when(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)


async def read_ticket_limits(connection: Any) -> TicketLimits:
    """The city's limits. What of the setting cannot be used is said in the log and does not count."""
    value = await connection.fetchval(SQL["limits"])
    limits, troubles = ticket_limits_of(value if isinstance(value, Mapping) else {})
    for trouble in troubles:
        log.warning("a setting cannot be used", name="ticket_limits", trouble=trouble)
    return limits


async def take_faults(connection: Any, faults: Sequence[Fault], now: datetime) -> None:
    """Give each fault its ticket. Two of one lift and family in one batch: the first opens it, the other joins."""
    if not faults:
        return
    limits = await read_ticket_limits(connection)
    probe = await connection.fetchval(SQL["probe"], [fault.lift_id for fault in faults])
    waiting = sorted(
        (fault for fault in faults if fault.lift_id != probe),
        key=lambda fault: (tuple(Severity).index(fault.severity), fault.at_ms, fault.alarm_id),
    )
    for _ in range(_PASSES):
        waiting = await _pass(connection, waiting, limits, now)
        if not waiting:
            return
    raise OurFault(f"{len(waiting)} faults find neither a ticket nor room for one")


async def take_contradicted(connection: Any, alarm_ids: Sequence[int], now: datetime) -> None:
    """Late data says that these alarms had not been: a line on their tickets, which go on until a person ends them."""
    rows = await connection.fetch(SQL["contradicted"], alarm_ids)
    lines = [
        (
            row["ticket_id"],
            TicketOutcome(lines=(Line(kind="late-data-contradicts", after={"alarm_id": row["alarm_id"]}),)),
        )
        for row in rows
    ]
    await write_notes(connection, lines, now)


@dataclass(kw_only=True, slots=True)
class _Pass:
    """What one look at the faults says, set by set."""

    opens: dict[tuple[int, str], Fault] = field(default_factory=dict)
    joins: list[tuple[Fault, Verdict]] = field(default_factory=list)
    shields: list[tuple[Fault, Verdict]] = field(default_factory=list)
    later: list[Fault] = field(default_factory=list)


async def _pass(connection: Any, faults: Sequence[Fault], limits: TicketLimits, now: datetime) -> list[Fault]:
    """One look; answers the faults that have to look again, because another of their family went first."""
    lifts, alarms = [fault.lift_id for fault in faults], [fault.alarm_id for fault in faults]
    earliest = _when(min(fault.at_ms for fault in faults))
    shields = _by_lift(_shield(row) for row in await connection.fetch(SQL["shields"], lifts, earliest))
    done_since = earliest - timedelta(seconds=limits.reopen_within_s)
    rows = await connection.fetch(SQL["tickets"], lifts, done_since, alarms)
    tickets = _by_lift(view_of(row) for row in rows)
    found, begun = _Pass(), set()
    for fault in faults:
        key = (fault.lift_id, family_of(fault.rule_id))
        said = verdict(fault, tickets[fault.lift_id], shields[fault.lift_id], limits)
        if said.way is Way.SHIELD:
            found.shields.append((fault, said))
        elif key in begun:
            found.later.append(fault)
        elif said.way is Way.OPEN:
            found.opens[key] = fault
        elif said.way is not Way.NOTHING:
            found.joins.append((fault, said))
        if said.way in {Way.OPEN, Way.REOPEN}:
            begun.add(key)
    await _shield_them(connection, found.shields)
    views = {ticket.ticket_id: ticket for group in tickets.values() for ticket in group}
    await _join(connection, found.joins, views, limits, now)
    return [*await _open(connection, found.opens, limits, now), *found.later]


def _by_lift(items: Iterable[Any]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for item in items:
        found[item.lift_id].append(item)
    return found


def _shield(row: Mapping[str, Any]) -> Shield:
    return Shield(
        order_id=row["id"],
        lift_id=row["lift_id"],
        since_ms=ms(row["since"]),
        until_ms=ms(row["until"]),
        settled=row["settled"],
    )


def view_of(row: Mapping[str, Any]) -> TicketView:
    """A row of a ticket as the decisions see it."""
    return TicketView(
        ticket_id=row["id"],
        lift_id=row["lift_id"],
        family=row["family"],
        state=TicketState(row["state"]),
        severity=Severity(row["severity"]),
        firm_id=row["firm_id"],
        promised_ms=ms(row["promised_at"]),
        done_ms=None if row["done_at"] is None else ms(row["done_at"]),
        climbed=row["climbed"],
        exercise=row["exercise"],
        active=row.get("active", False),
        alarm_ids=frozenset(row.get("alarm_ids", ())),
    )


async def _shield_them(connection: Any, items: Sequence[tuple[Fault, Verdict]]) -> None:
    if items:
        rows = [(said.order_id, fault.alarm_id, fault.severity.value, _when(fault.at_ms)) for fault, said in items]
        await connection.execute(SQL["shield"], *_columns(rows, 4))


async def _open(
    connection: Any, opens: Mapping[tuple[int, str], Fault], limits: TicketLimits, now: datetime
) -> list[Fault]:
    """Open a ticket for each; answers those whose place another transaction has taken meanwhile."""
    if not opens:
        return []
    rows = [
        (lift, family, fault.rule_id, fault.rule_version, fault.severity.value, float(limits.promise_s(fault.severity)))
        for (lift, family), fault in opens.items()
    ]
    exercises = [fault.exercise for fault in opens.values()]
    made = await connection.fetch(SQL["open"], *_columns(rows, 6), now, exercises)
    written: list[tuple[int, TicketOutcome]] = []
    joins: list[tuple[int, int, bool]] = []
    for row in made:
        fault = opens[row["lift_id"], row["family"]]
        follows = opened(row["firm_id"], fault.severity, limits)
        after = {"alarm_id": fault.alarm_id, "rule_id": fault.rule_id, "severity": fault.severity.value}
        line = Line(kind="opened", after={**after, "firm_id": row["firm_id"], "number": row["number"]})
        written.append((row["id"], TicketOutcome(lines=(line,), tells=follows.tells, timers=follows.timers)))
        joins.append((row["id"], fault.alarm_id, False))
    await connection.fetch(SQL["join"], *_columns(joins, 3), now)
    await write_notes(connection, written, now)
    taken = {(row["lift_id"], row["family"]) for row in made}
    return [fault for key, fault in opens.items() if key not in taken]


async def _join(
    connection: Any,
    items: Sequence[tuple[Fault, Verdict]],
    views: Mapping[int, TicketView],
    limits: TicketLimits,
    now: datetime,
) -> None:
    if not items:
        return
    rows = [(said.ticket_id, fault.alarm_id, fault.raised) for fault, said in items]
    new = await connection.fetch(SQL["join"], *_columns(rows, 3), now)
    first_time = {(row["ticket_id"], row["alarm_id"]) for row in new}
    changes: list[tuple[int, TicketOutcome]] = []
    notes: list[tuple[int, TicketOutcome]] = []
    changed: set[int] = set()
    for fault, said in items:  # the most severe first: of one ticket it alone changes it
        ticket = views[said.ticket_id or 0]
        follows = None if ticket.ticket_id in changed else _follows(fault, said, ticket, limits, now)
        if follows is not None:
            changed.add(ticket.ticket_id)
        lines = (_line(fault, said),) if (ticket.ticket_id, fault.alarm_id) in first_time else ()
        if said.way is Way.REOPEN:
            lines = (_line(fault, said),)
        whole = TicketOutcome() if follows is None else follows
        (notes if follows is None else changes).append((ticket.ticket_id, replace(whole, lines=(*lines, *whole.lines))))
    await write_changes(connection, changes, now)
    await write_notes(connection, notes, now)


def _follows(
    fault: Fault, said: Verdict, ticket: TicketView, limits: TicketLimits, now: datetime
) -> TicketOutcome | None:
    if said.way is Way.REOPEN:
        severity = fault.severity if more_severe(fault.severity, ticket.severity) else ticket.severity
        return reopened(ticket, severity, limits)
    return severer(ticket, fault.severity, limits, ms(now)) if said.severer else None


def _line(fault: Fault, said: Verdict) -> Line:
    kind = {Way.REOPEN: RECUR, Way.NOTE: "was-before-the-repair"}.get(said.way, "alarm-joined")
    return Line(kind=kind, after={"alarm_id": fault.alarm_id, "rule_id": fault.rule_id})


# --- writing, also for `book` and `rounds` ---

Written = Sequence[tuple[int, TicketOutcome]]


async def write_changes(connection: Any, written: Written, now: datetime, *, person: Person | None = None) -> None:
    """Write what follows for locked tickets, a version more for each. `person` None: nobody did it."""
    if not written:
        return
    rows = [
        (number, it.state, it.climbed, it.severity, None if it.promise_s is None else float(it.promise_s), it.overdue,
         it.firm_id)
        for number, it in written
    ]  # fmt: skip
    await connection.execute(BOOK["change"], *_columns(rows, 7), now, person.name if person else None)
    await write_notes(connection, written, now, person=person)


async def write_notes(connection: Any, written: Written, now: datetime, *, person: Person | None = None) -> None:
    """Lines, timers and what somebody must be told; the tickets themselves stay as they are."""
    lines = [_row(number, line, person) for number, it in written for line in it.lines]
    if lines:
        await connection.execute(BOOK["add_lines"], *_columns(lines, 7), now)
    ends = [(number, kind) for number, it in written for kind in ((None,) if it.ends_all else it.ends)]
    if ends:
        await connection.execute(BOOK["end_timers"], *_columns(ends, 2), now)
    timers = [(timer.kind, number, float(timer.after_s)) for number, it in written for timer in it.timers]
    if timers:
        await connection.execute(BOOK["set_timers"], *_columns(timers, 3), now)
    body = json.dumps({"at_ms": ms(now)})
    tells = [
        (
            f"{tell.topic}-{tell.to}{tell.to_id or ''}-ticket-{number}-{ms(now)}",
            tell.topic,
            number,
            tell.to,
            tell.to_id,
            body,
        )
        for number, it in written
        for tell in it.tells
    ]
    if tells:
        await connection.execute(BOOK["tell"], *_columns(tells, 6), now)


def _row(number: int, line: Line, person: Person | None) -> tuple[Any, ...]:
    who = (person.name, person.role.value) if person is not None and line.own else (None, None)
    return (number, line.kind, line.reason, json.dumps(dict(line.before)), json.dumps(dict(line.after)), *who)


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes."""
    return [[row[index] for row in rows] for index in range(width)]
