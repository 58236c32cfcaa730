"""From rows of the outbox to ways: claims new rows, asks `plan`, writes deliveries. Each round is one transaction; `now` is an argument."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from dispatch.notify.channels import LIMITS, Channel
from dispatch.notify.plan import ALONE, LIFT, Contact, Endpoint, Preference, Step, Told, plan
from hoistway.limits import NOTIFY_JOIN_S, NOTIFY_NOTED_ROWS, NOTIFY_ROUND_ROWS
from hoistway.store import Database, queries

log: Final = structlog.get_logger("dispatch.notify")

SQL: Final = queries("dispatch.notify", "sql/planning.sql")
_REAL: Final = frozenset(Channel) - {Channel.CONSOLE, Channel.DEVICE, Channel.WEBHOOK}


async def plan_new(database: Database, now: datetime, *, available: Collection[Channel]) -> int:
    """Plan what nobody has looked at; answers how many rows it took, 0 when there are none. `available`: channels that are set up."""
    async with database.acquire() as connection, connection.transaction():
        ids = [row["id"] for row in await connection.fetch(SQL["claim_new"], now, NOTIFY_ROUND_ROWS)]
        if not ids:
            return 0
        rows = await connection.fetch(SQL["rows"], ids)
        alone = await _without_joining(connection, rows, now)
        await _write(connection, alone, await _Known.read(connection, alone, now), available, now)
        return len(ids)


# --- quiet duplicates ---


def _joins(row: Mapping[str, Any]) -> str | None:
    """What may be said together; None: said for itself."""
    if row["topic"] in ALONE:
        return None
    return f"{row['topic']} {row['addressee']} {row['who']} {'exercise' if row['exercise'] else 'real'}"


async def _without_joining(connection: Any, rows: Sequence[Any], now: datetime) -> list[Any]:
    """Rows that go out for themselves. The others join one that has not begun, or wait until the window of one that has is over."""
    keys = {joins for row in rows if (joins := _joins(row))}
    known = await connection.fetch(SQL["leaders"], now, NOTIFY_JOIN_S, list(keys)) if keys else []
    if known:
        await connection.fetch(SQL["lock_ways"], [row["id"] for row in known])
        known = await connection.fetch(SQL["leaders"], now, NOTIFY_JOIN_S, list(keys))
    leaders: dict[str, tuple[int, datetime | None]] = {
        row["joins"]: (row["id"], row["planned_at"] if row["begun"] else None) for row in known
    }
    alone: list[Any] = []
    joined: list[tuple[int, int]] = []
    waits: list[tuple[int, datetime]] = []
    for row in rows:
        joins = _joins(row)
        if joins is None or joins not in leaders:
            alone.append(row)
            if joins is not None:
                leaders[joins] = (row["id"], None)
            continue
        leader, begun_at = leaders[joins]
        if begun_at is None:
            joined.append((row["id"], leader))
        else:
            waits.append((row["id"], begun_at + timedelta(seconds=NOTIFY_JOIN_S)))
    if joined:
        await connection.execute(SQL["join"], [one for one, _ in joined], [leader for _, leader in joined], now)
    if waits:
        await connection.execute(SQL["wait"], [one for one, _ in waits], [at for _, at in waits])
    return alone


# --- what is known of those who are told ---


class _Known:
    """Contacts, preferences and endpoints of one round."""

    def __init__(self, contacts: Sequence[Any], preferences: Sequence[Any], endpoints: Sequence[Any]) -> None:
        people: dict[int, dict[tuple[str, int], dict[str, Any]]] = defaultdict(dict)
        for row in contacts:
            entry = people[row["outbox_id"]].setdefault((row["name"], row["rank"]), {"row": row, "addresses": {}})
            if row["contact_id"] is not None:
                entry["row"] = row  # who was entered by hand has a language
            entry["addresses"].setdefault(row["kind"], (row["address"], row["contact_id"]))
        self._contacts = {
            number: [
                Contact(
                    name=name,
                    rank=rank,
                    language=entry["row"]["language"],
                    exercise=entry["row"]["exercise"],
                    addresses=entry["addresses"],
                )
                for (name, rank), entry in entries.items()
            ]
            for number, entries in people.items()
        }
        self._preferences: dict[tuple[str, int | None], list[Preference]] = defaultdict(list)
        for row in preferences:
            wish = Preference(channel=Channel(row["channel"]), receipt_s=row["receipt_s"])
            self._preferences[row["addressee"], row["firm_id"]].append(wish)
        self._endpoints = endpoints

    @classmethod
    async def read(cls, connection: Any, rows: Sequence[Any], now: datetime) -> _Known:
        contacts = await connection.fetch(SQL["contacts"], [row["id"] for row in rows], now)
        return cls(contacts, await connection.fetch(SQL["preferences"]), await connection.fetch(SQL["endpoints"]))

    def steps(self, row: Any, available: Collection[Channel]) -> tuple[Step, ...]:
        """The ways of one row."""
        addressee, firm_id = row["addressee"], row["firm_id"]
        wishes = self._preferences.get((addressee, firm_id)) or self._preferences.get((addressee, None), [])
        return plan(
            Told(
                outbox_id=row["id"],
                topic=row["topic"],
                addressee=addressee,
                exercise=row["exercise"],
                name=row["name"],
                contact=row["contact"],
                lift_is_exercise=row["lift_is_exercise"],
                devices=row["devices"],
            ),
            contacts=self._contacts.get(row["id"], []),
            preferences=wishes,
            endpoints=[
                Endpoint(endpoint_id=hook["id"], topics=hook["topics"], exercise=hook["exercise"])
                for hook in self._endpoints
                if hook["firm_id"] in {None, firm_id}
            ],
            available=available,
        )


# --- writing ---


async def _write(
    connection: Any, rows: Sequence[Any], known: _Known, available: Collection[Channel], now: datetime
) -> None:
    if not rows:
        return
    planned = [(row, known.steps(row, available)) for row in rows]
    deliveries = [_delivery(row, number, step) for row, steps in planned for number, step in enumerate(steps)]
    states = [_state(row, steps) for row, steps in planned]
    await connection.execute(SQL["open"], [row["id"] for row in rows], states, [_joins(row) for row in rows], now)
    if deliveries:
        await connection.execute(
            SQL["add_deliveries"], *([entry[index] for entry in deliveries] for index in range(14)), now
        )


def _state(row: Any, steps: Sequence[Step]) -> str:
    """A car without a terminal that could speak is no failure: nobody expected a message there."""
    if steps:
        return "open"
    return "skipped" if row["addressee"] == LIFT else "dead"


def _delivery(row: Any, number: int, step: Step) -> tuple[Any, ...]:
    told = Told(outbox_id=row["id"], topic=row["topic"], addressee=row["addressee"], exercise=row["exercise"])
    return (
        row["id"], f"{row['key']}-{step.channel}-{number}", step.step, step.channel, step.receiver, step.contact[:100],
        step.address, step.contact_id, step.endpoint_id, step.language, step.receipt_s, told.urgency, step.to_exercise,
        LIMITS[step.channel].horizon_s,
    )  # fmt: skip


async def note_dead(database: Database, now: datetime, *, available: Collection[Channel]) -> int:
    """Say on its case, and to the supervisor, what reached nobody; answers how many.

    One by one: each locks the log of one case and no more, so that it waits for no round of timers and none waits for it. The supervisor
    hears nothing where no channel to people is set up at all.
    """
    rows = await database.fetch(SQL["dead_ids"], NOTIFY_NOTED_ROWS)
    for row in rows:
        log.error(
            "nobody was reached", topic=row["topic"], addressee=row["addressee"], case=row["case_id"], why=row["reason"]
        )
        async with database.acquire() as connection, connection.transaction():
            await connection.execute(SQL["let_go"], row["id"])
            await connection.execute(SQL["note_dead"], row["id"], now, bool(_REAL & set(available)))
    return len(rows)
