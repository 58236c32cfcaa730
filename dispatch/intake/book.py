"""The book of intake: reads what `calls` and `complaints` decide about, and writes what they say. Inside the caller's transaction.

What a call does to a case goes through `dispatch.book`, as every timer and every person's act. A caller's name and number are
written into `caller` and nowhere else: no log, no notice and no remembered answer holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from dispatch import book
from dispatch.book import Actor
from dispatch.intake import calls, complaints
from dispatch.intake.calls import Decision
from dispatch.intake.limits import IntakeLimits, intake_limits_of
from dispatch.outcome import CaseView, Teller
from hoistway.errors import Conflict
from hoistway.lifecycle import ComplaintState
from hoistway.model import Became, CallKind, Channel
from hoistway.store import queries

log: Final = structlog.get_logger("dispatch")

SQL: Final = queries("dispatch.intake", "sql/intake.sql")
_UNIQUE: Final = "23505"
_TRIES: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call as it was taken. Times and places as columns; what is not known is None or empty."""

    kind: CallKind
    channel: Channel
    lift_id: int | None
    case_id: int | None  # the running case that the desk says it is about
    address: str
    district: str
    lon: float | None  # WGS-84, of the address
    lat: float | None
    text: str
    exercise: bool
    trapped: int | None = None
    injured: int | None = None
    vulnerable: tuple[str, ...] = ()
    caller_name: str = ""
    caller_phone: str = ""

    @property
    def at_desk(self) -> bool:
        """A person at the desk has heard it. What the mini-program hands in waits for one."""
        return self.channel is not Channel.MINI_PROGRAM


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A call with its number and what it has become."""

    call_id: int
    decision: Decision


async def read_intake_limits(connection: Any) -> IntakeLimits:
    """The city's limits. What of the setting cannot be used is said in the log and does not count."""
    value = await connection.fetchval(SQL["limits"])
    limits, troubles = intake_limits_of(value if isinstance(value, Mapping) else {})
    for trouble in troubles:
        log.warning("a setting cannot be used", name="intake_limits", trouble=trouble)
    return limits


async def lock_cases(connection: Any, ids: list[int]) -> list[CaseView]:
    """Cases as the decisions see them, locked with their timers, in the order of their ids."""
    await connection.fetch(SQL["lock_timers"], ids)
    await connection.fetch(SQL["lock_cases"], ids)
    cases = await book.read_cases(connection, ids)
    return [cases[number] for number in ids if number in cases]


async def decide(connection: Any, kind: CallKind, lift_id: int | None, case_id: int | None) -> Decision:
    """What a call becomes now. What it joins or raises is locked."""
    if kind is CallKind.COMPLAINT:
        found = await connection.fetchval(SQL["unanswered_of_lift"], lift_id)
        return calls.decide(kind, (), found)
    if kind not in calls.OPENS:
        return calls.decide(kind, ())
    ids = [case_id] if case_id is not None else []
    if case_id is None and lift_id is not None:
        ids = [row["id"] for row in await connection.fetch(SQL["running_of_lift"], lift_id)]
    return calls.decide(kind, await lock_cases(connection, ids) if ids else ())


async def take_call(connection: Any, call: Call, actor: Actor, now: datetime) -> Taken:
    """Write a call with what it becomes. Raises `Conflict` when the case that was named is not one it may join."""
    call_id: int = await connection.fetchval(SQL["call_id"])
    for _ in range(_TRIES):
        try:
            async with connection.transaction():  # a savepoint: who loses the race for the lift's case looks again
                found = await _attempt(connection, call, call_id, actor, now)
        except Exception as error:
            if getattr(error, "sqlstate", None) != _UNIQUE:
                raise
            continue
        if found is not None:
            await _write_call(connection, call, call_id, found, actor, now)
            return Taken(call_id=call_id, decision=found)
    raise Conflict("the lift's cases change too fast; send the call again", current=0)


async def _attempt(connection: Any, call: Call, call_id: int, actor: Actor, now: datetime) -> Decision | None:
    """Decide, and do it; None when somebody else was first."""
    decision = await decide(connection, call.kind, call.lift_id, call.case_id)
    if call.case_id is not None and decision.case_id is None and call.kind in calls.OPENS:
        raise Conflict(f"case {call.case_id} is none that a call about {call.kind} joins", current=0)
    return await _carry_out(connection, call, call_id, decision, actor, now)


async def _carry_out(
    connection: Any, call: Call, call_id: int, decision: Decision, actor: Actor, now: datetime
) -> Decision | None:
    """Do what was decided; answers it with the number of what it became, None when somebody else was first."""
    match decision.became:
        case Became.NEW_CASE:
            number = await _open_case(connection, call, now)
        case Became.NEW_COMPLAINT:
            return await _open_complaint(connection, call, call_id, decision, actor, now)
        case Became.JOINED_COMPLAINT:
            await connection.execute(SQL["touch_complaint"], decision.complaint_id)
            await note_complaint(
                connection, decision.complaint_id, "call-joined", actor, now, after=_said(call, call_id)
            )
            return decision
        case Became.NOTED:
            return decision
        case _:
            number = decision.case_id
    if number is None:
        return None
    await _tell_case(connection, call, call_id, number, decision, actor, now)
    return Decision(became=decision.became, case_id=number, revives=decision.revives)


def _said(call: Call, call_id: int) -> dict[str, Any]:
    """How a log names a call: never the caller, and not the words, which may name them."""
    return {"call_id": call_id, "channel": call.channel.value}


async def _open_case(connection: Any, call: Call, now: datetime) -> int | None:
    number: int | None = await connection.fetchval(
        SQL["open_case"],
        calls.OPENS[call.kind].value,
        call.channel,
        call.lift_id,
        call.address,
        call.district,
        call.lon,
        call.lat,
        now,
        call.exercise,
    )
    return number


async def _tell_case(
    connection: Any, call: Call, call_id: int, case_id: int, decision: Decision, actor: Actor, now: datetime
) -> None:
    """What the call does to its case: facts, log, timers, and who hears of it."""
    if decision.revives:
        await connection.execute(SQL["revive"], case_id)
    await connection.execute(SQL["set_facts"], case_id, call.trapped, call.injured, list(call.vulnerable))
    (case,) = await lock_cases(connection, [case_id])
    limits = await book.read_limits(connection)
    said, at_desk = _said(call, call_id), actor.at_desk
    match decision.became:
        case Became.NEW_CASE:
            outcome = calls.opened(case.kind, said, limits=limits, at_desk=at_desk)
        case Became.RAISED_CASE:
            outcome = calls.raised(case, said, limits=limits, at_desk=at_desk)
        case _:
            outcome = calls.joined(case, said, limits=limits, at_desk=at_desk, revives=decision.revives)
    await book.carry_out(connection, [(case, outcome)], now, actor=actor)


async def _write_call(
    connection: Any, call: Call, call_id: int, decision: Decision, actor: Actor, now: datetime
) -> None:
    await connection.execute(
        SQL["add_call"],
        call_id,
        call.kind,
        call.channel,
        now,
        call.lift_id,
        call.address,
        call.district,
        call.text,
        decision.became,
        decision.case_id,
        decision.complaint_id,
        actor.name,
        actor.role,
        call.exercise,
    )
    if call.caller_name or call.caller_phone:
        await connection.execute(SQL["add_caller"], call_id, call.caller_name, call.caller_phone, now)


async def link_lift(connection: Any, case_id: int, lift_id: int, actor: Actor, now: datetime) -> None:
    """The lift of a locked case by address is known: its firm and its place count from now on.

    Raises the database's unique violation when a case of this kind runs on the lift already.
    """
    await connection.execute(SQL["link_case"], case_id, lift_id)
    await connection.execute(SQL["link_calls"], case_id, lift_id)
    case = (await book.read_cases(connection, [case_id]))[case_id]
    limits, roster = await book.read_limits(connection), await book.read_roster(connection, now)
    outcome = calls.linked(case, lift_id, limits=limits, roster=roster)
    await book.carry_out(connection, [(case, outcome)], now, actor=actor)


# --- complaints ---


async def _open_complaint(
    connection: Any, call: Call, call_id: int, decision: Decision, actor: Actor, now: datetime
) -> Decision | None:
    values = (call.channel, call.lift_id, call.address, call.district, call.text, now, call.exercise)
    number: int | None = await connection.fetchval(SQL["open_complaint"], *values)
    if number is None:
        return None
    timers = complaints.opened(await read_intake_limits(connection))
    await connection.execute(
        SQL["set_complaint_timers"], number, now, [timer.value for timer in timers], list(timers.values())
    )
    await note_complaint(connection, number, "opened", actor, now, after=_said(call, call_id))
    return Decision(became=decision.became, complaint_id=number)


async def note_complaint(
    connection: Any,
    complaint_id: int | None,
    kind: str,
    actor: Actor | None,
    now: datetime,
    *,
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """A line of a complaint's log. `actor` None: nobody did it, a limit passed."""
    who = (actor.name, actor.role.value) if actor else (None, None)
    await connection.execute(SQL["note_complaint"], complaint_id, kind, now, *who, reason, before or {}, after or {})


async def move_complaint(
    connection: Any,
    before: Mapping[str, Any],
    name: str,
    target: ComplaintState,
    actor: Actor,
    now: datetime,
    *,
    words: str | None,
    firm_id: int | None,
) -> None:
    """Move a locked complaint that was checked against its life cycle. A firm that it is assigned to is told."""
    number = before["id"]
    answer = words if target is ComplaintState.ANSWERED else None
    await connection.execute(SQL["move_complaint"], number, target, now, firm_id, answer)
    ended = [timer.value for timer in complaints.ended(target)]
    await connection.execute(SQL["end_complaint_timers"], number, now, ended)
    was = {"state": before["state"], "version": before["version"]}
    after = {"state": target.value, "version": before["version"] + 1, **({"firm_id": firm_id} if firm_id else {})}
    await note_complaint(connection, number, name, actor, now, reason=words, before=was, after=after)
    if target is ComplaintState.ASSIGNED:
        await tell_of_complaint(connection, number, "complaint", Teller.FIRM, firm_id, now, exercise=before["exercise"])


async def tell_of_complaint(
    connection: Any, number: int, topic: str, to: Teller, to_id: int | None, now: datetime, *, exercise: bool
) -> None:
    """Something that somebody must be told of a complaint. The key is the same however often it is written."""
    key = f"{topic}-{to}-complaint-{number}-{book.ms(now)}"
    await connection.execute(SQL["tell_of_complaint"], key, topic, number, to, to_id, exercise, now)
