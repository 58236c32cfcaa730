"""The book of cases: reads them as the decisions see them, and writes what the decisions say. Inside the caller's transaction.

Whatever moves a case or an order writes it here, a timer and a person alike, so that the state, its log, its timers and what
somebody must be told are always of one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from dispatch.limits import Limits, limits_of
from dispatch.outcome import CaseView, Line, OrderView, Outcome, Sending, Teller, TimerKind
from dispatch.units import FRESH_POSITION_S, Roster, Unit
from hoistway.lifecycle import CaseState, OrderState
from hoistway.model import Addressee, CaseKind, Role, UnitKind
from hoistway.store import queries

log: Final = structlog.get_logger("dispatch")

SQL: Final = queries("dispatch", "sql/book.sql")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ASKING: Final = (TimerKind.ACKNOWLEDGE, TimerKind.VOICE)
_SERVICES: Final = frozenset({Addressee.FIRE, Addressee.AMBULANCE})

Decided = Sequence[tuple[CaseView, Outcome]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who does it, and the words that go with it."""

    name: str
    role: Role
    confirmation: str | None = None  # that nobody is trapped, and how that is known
    note: str | None = None
    at_desk: bool = True  # False: it was handed in, and nobody at the desk has seen it yet

    @property
    def takes(self) -> bool:
        """Whether the desk has the case by this act."""
        return self.at_desk and self.role is not Role.MAINTAINER


def ms(at: datetime) -> int:
    """Milliseconds since 1970 UTC."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


# --- reading ---


async def read_cases(connection: Any, ids: Iterable[int]) -> dict[int, CaseView]:
    """Cases with their lifts and orders. The caller has locked their rows."""
    wanted = list(ids)
    orders: dict[int, list[OrderView]] = {}
    for row in await connection.fetch(SQL["orders"], wanted):
        orders.setdefault(row["case_id"], []).append(_order(row))
    rows = await connection.fetch(SQL["cases"], wanted)
    return {row["id"]: _case(row, tuple(orders.get(row["id"], ()))) for row in rows}


def _order(row: Mapping[str, Any]) -> OrderView:
    return OrderView(
        order_id=row["id"],
        level=row["level"],
        state=OrderState(row["state"]),
        addressee=Addressee(row["addressee"]),
        unit_id=row["unit_id"],
        firm_id=row["firm_id"],
    )


_AS_THEY_ARE: Final = (
    "level", "acknowledged", "dispatched", "arrived", "past", "exercise", "firm_id", "lift_kind", "urban", "lon", "lat", "hurt",
    "vulnerable", "waits", "in_area", "called_119", "other_entrapment",
)  # fmt: skip


def _case(row: Mapping[str, Any], orders: tuple[OrderView, ...]) -> CaseView:
    return CaseView(
        case_id=row["id"],
        kind=CaseKind(row["kind"]),
        state=CaseState(row["state"]),
        opened_ms=ms(row["opened_at"]),
        orders=orders,
        **{name: row[name] for name in _AS_THEY_ARE},
    )


async def read_roster(connection: Any, now: datetime) -> Roster:
    """The units on duty at `now`."""
    kinds: dict[tuple[str, ...], frozenset[str]] = {}
    return Roster(
        Unit(
            unit_id=row["id"],
            kind=UnitKind(row["kind"]),
            firm_id=row["firm_id"],
            lift_kinds=kinds.setdefault(tuple(row["lift_kinds"]), frozenset(row["lift_kinds"])),
            crews=row["crews"],
            load=row["load"],
            lon=row["lon"],
            lat=row["lat"],
            position_age_s=row["position_age_s"],
            exercise=row["exercise"],
        )
        for row in await connection.fetch(SQL["units"], now, FRESH_POSITION_S)
    )


async def read_limits(connection: Any) -> Limits:
    """The city's limits. What of the setting cannot be used is said in the log and does not count."""
    value = await connection.fetchval(SQL["limits"])
    limits, troubles = limits_of(value if isinstance(value, Mapping) else {})
    for trouble in troubles:
        log.warning("a setting cannot be used", name="dispatch_limits", trouble=trouble)
    return limits


# --- writing ---


async def carry_out(connection: Any, decided: Decided, now: datetime, *, actor: Actor | None = None) -> None:
    """Write the outcomes of one moment; each case gets one version more. `actor` None: nobody did it, a limit passed."""
    if not decided:
        return
    book = _Book(now, actor)
    sendings = [(case, sending) for case, outcome in decided for sending in outcome.sendings]
    ids = [row["id"] for row in await connection.fetch(SQL["order_ids"], len(sendings))] if sendings else []
    for (case, sending), order_id in zip(sendings, ids, strict=True):
        book.send(case, sending, order_id)
    moves = [move for _, outcome in decided for move in outcome.order_moves]
    moved = await connection.fetch(SQL["move_orders"], *_columns(moves, 2), now) if moves else []
    book.note_moves({case.case_id: case for case, _ in decided}, moved, dict(moves))
    for case, outcome in decided:
        book.note(case, outcome)
    await book.write(connection, decided)


class _Book:
    """The rows of one moment, gathered and then written set by set."""

    def __init__(self, now: datetime, actor: Actor | None) -> None:
        self._now, self._actor = now, actor
        self._orders: list[tuple[Any, ...]] = []
        self._timers: list[tuple[Any, ...]] = []
        self._sent: dict[int, list[Line]] = {}
        self._moved: dict[int, list[Line]] = {}
        self._lines: list[tuple[Any, ...]] = []
        self._told: list[tuple[Any, ...]] = []

    def send(self, case: CaseView, sending: Sending, order_id: int) -> None:
        service = sending.addressee in _SERVICES
        reason = sending.reasons.get("by_hand")
        own = service or reason is not None
        what = {"level": sending.level, "addressee": sending.addressee.value}
        whom = {"unit_id": sending.unit_id, "firm_id": sending.firm_id}
        reasons = json.dumps(dict(sending.reasons))
        by = self._actor.name if self._actor and own else None
        self._orders.append(
            (order_id, case.case_id, *what.values(), *whom.values(), reasons, case.exercise, service, by)
        )
        after = {"order_id": order_id, **what, **whom, "reasons": dict(sending.reasons)}
        line = Line(kind="order-sent", own=own, reason=reason, after=after)
        self._sent.setdefault(case.case_id, []).append(line)
        if sending.accept_s is not None and not service:
            self._timers.append((TimerKind.ACCEPT, case.case_id, order_id, sending.accept_s))
        self._tell_order(case, "order", order_id, sending.unit_id, sending.firm_id, service=service)

    def note_moves(
        self, cases: Mapping[int, CaseView], moved: Iterable[Mapping[str, Any]], moves: Mapping[int, OrderState]
    ) -> None:
        """Moves of orders, with the crew that the desk speaks for."""
        for row in moved:
            state, case = moves[row["id"]], cases[row["case_id"]]
            after: dict[str, Any] = {"order_id": row["id"], "state": state.value}
            called_back = state is OrderState.STOOD_DOWN
            if self._actor is not None and self._actor.role is not Role.MAINTAINER and not called_back:
                after["on_behalf_of"] = {"unit_id": row["unit_id"], "firm_id": row["firm_id"]}
            reason = self._actor.note if self._actor else None
            kind = f"order-{state.value.replace('_', '-')}"
            line = Line(kind=kind, own=True, reason=reason, before={"state": row["was"]}, after=after)
            self._moved.setdefault(case.case_id, []).append(line)
            if called_back:
                service = row["addressee"] in _SERVICES
                self._tell_order(case, "stand-down", row["id"], row["unit_id"], row["firm_id"], service=service)

    def note(self, case: CaseView, outcome: Outcome) -> None:
        """What the person did stands before what follows from it."""
        number = case.case_id
        self._timers += [(plan.kind, number, plan.order_id, plan.after_s) for plan in outcome.timers]
        own = [line for line in outcome.lines if line.own]
        rest = [line for line in outcome.lines if not line.own]
        for line in (*own, *self._moved.get(number, ()), *rest, *self._sent.get(number, ())):
            self._line(number, line)
        for notice in outcome.notices:
            self._tell(case, notice.topic, notice.order_id, notice.to, notice.to_id)

    def _line(self, case_id: int, line: Line) -> None:
        who = (self._actor.name, self._actor.role.value) if self._actor and line.own else (None, None)
        before, after = json.dumps(dict(line.before)), json.dumps(dict(line.after))
        self._lines.append((case_id, line.kind, line.reason, before, after, *who))

    def _tell_order(
        self, case: CaseView, topic: str, order_id: int, unit_id: int | None, firm_id: int | None, *, service: bool
    ) -> None:
        if service:
            return  # 119 and 120 are called by telephone: the order says that it was done
        to = Teller.FIRM if unit_id is None else Teller.UNIT
        self._tell(case, topic, order_id, to, firm_id if unit_id is None else unit_id)

    def _tell(self, case: CaseView, topic: str, order_id: int | None, to: Teller, to_id: int | None) -> None:
        about = f"order-{order_id}" if order_id is not None else f"case-{case.case_id}-{ms(self._now)}"
        body = json.dumps({"level": case.level, "opened_ms": case.opened_ms})
        key = f"{topic}-{to}-{about}"
        self._told.append((key, topic, case.case_id, order_id, to, to_id, body, case.exercise))

    async def write(self, connection: Any, decided: Decided) -> None:
        now, actor = self._now, self._actor
        name = actor.name if actor else None
        if self._orders:
            await connection.execute(SQL["add_orders"], *_columns(self._orders, 10), now)
        late = [number for _, outcome in decided for number in outcome.late_orders]
        if late:
            await connection.execute(SQL["late_orders"], late, now)
        ends = [(case.case_id, end.kind, end.order_id) for case, outcome in decided for end in outcome.ends]
        if actor is not None and actor.takes:
            ends += [(case.case_id, kind, None) for case, _ in decided for kind in _ASKING]
        if ends:
            await connection.execute(SQL["end_timers"], *_columns(ends, 3), now)
        if self._timers:
            await connection.execute(SQL["set_timers"], *_columns(self._timers, 4), now)
        changes = [_change(case, outcome) for case, outcome in decided]
        takes = name if actor and actor.takes else None
        confirmation = actor.confirmation if actor else None
        await connection.execute(SQL["change_cases"], *_columns(changes, 7), now, takes, confirmation)
        if self._lines:
            await connection.execute(SQL["add_lines"], *_columns(self._lines, 7), now)
        await self._write_steps(connection, decided, name)
        if self._told:
            await connection.execute(SQL["tell"], *_columns(self._told, 8), now)

    async def _write_steps(self, connection: Any, decided: Decided, name: str | None) -> None:
        listed = [(case.case_id, step) for case, outcome in decided for step in outcome.steps]
        if listed:
            await connection.execute(SQL["list_steps"], *_columns(listed, 2), self._now)
        done = [(case.case_id, step) for case, outcome in decided for step in outcome.done_steps]
        if done:
            note = self._actor.note if self._actor else None
            await connection.execute(SQL["do_steps"], *_columns(done, 2), self._now, name, note)


def _change(case: CaseView, outcome: Outcome) -> tuple[Any, ...]:
    return (
        case.case_id, outcome.state, outcome.level, outcome.kind, outcome.firm_id, outcome.accepted, outcome.waits,
    )  # fmt: skip


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes."""
    return [[row[index] for row in rows] for index in range(width)]
