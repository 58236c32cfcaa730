"""The daily reconciliation in the database: our list of a day, its comparison with theirs, and the result, which is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from dispatch.citylink.form import Form
from dispatch.citylink.lists import day_bounds
from dispatch.citylink.mapping import LeftOut, message_of, record_id
from dispatch.citylink.matching import MATCH_S, Comparison, Difference, Entry, compare
from dispatch.citylink.queue import SQL, Record, columns, read_records
from hoistway.errors import BadInput
from hoistway.limits import CITY_DIFFERENCES
from hoistway.store import Database

UNKNOWN_LIFT: Final = "-"
"""In place of a registration code that the register does not have."""
_BESIDE: Final = timedelta(seconds=MATCH_S)
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Ours:
    """Our list of a day, with what became of each record by id. Entries beside the day are not `inside`."""

    entries: tuple[Entry, ...]
    states: dict[str, str]

    @property
    def of_day(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.inside]


async def our_list(database: Database, form: Form, day: date) -> Ours:
    """What occurred on a day and belongs on the platform's list, sent or not. Raises BadInput where the link was never set."""
    async with database.acquire() as connection:
        supplier = await connection.fetchval(SQL["supplier"], form.name)
        if supplier is None:
            raise BadInput("never set", where=f"city link {form.name}", expected="`hoistway citylink set` first")
        first, last = day_bounds(form, day)
        rows = await connection.fetch(SQL["day"], form.name, first - _BESIDE, last + _BESIDE)
    states = {row["id"]: f"{row['state']}: {row['reason']}" if row["reason"] else row["state"] for row in rows}
    entries: list[Entry] = []
    said: dict[str, str] = {}
    for start in range(0, len(rows), _AT_ONCE):
        ids = [row["id"] for row in rows[start : start + _AT_ONCE]]
        for record in await read_records(database, form, supplier, ids, with_samples=False):
            if not isinstance(message_of(form, record.facts), LeftOut):
                entry = _entry(record, first, last)
                entries.append(entry)
                said[entry.id] = states[record.id]
    return Ours(entries=tuple(entries), states=said)


def _entry(record: Record, first: datetime, last: datetime) -> Entry:
    facts = record.facts
    return Entry(
        id=record_id(facts),
        lift=facts.register_code or UNKNOWN_LIFT,
        at_s=int(facts.at.timestamp()),
        code=facts.code or "",
        inside=first <= facts.at < last,
    )


async def reconcile(
    database: Database,
    form: Form,
    day: date,
    theirs: Sequence[Entry],
    *,
    source: str,
    person: str | None,
    now: datetime,
) -> tuple[int, Comparison]:
    """Compare both lists of a day and keep the result; answers its number."""
    ours = await our_list(database, form, day)
    found = compare(ours.entries, theirs)
    inside = sum(entry.inside for entry in theirs)
    counts = (len(ours.of_day), inside, found.agreed, len(found.differences), len(theirs) - inside)
    async with database.acquire() as connection, connection.transaction():
        number: int = await connection.fetchval(
            SQL["add_reconciliation"], form.name, day, now, person, source[:200], *counts
        )
        kept = found.differences[:CITY_DIFFERENCES]
        rows = [_row(place, one, ours.states) for place, one in enumerate(kept, 1)]
        if rows:
            await connection.execute(SQL["add_differences"], number, *columns(rows, 10))
    return number, found


def _row(place: int, one: Difference, states: dict[str, str]) -> tuple[Any, ...]:
    ours, theirs = one.ours, one.theirs
    lift = ours.lift if ours else theirs.lift if theirs else UNKNOWN_LIFT
    our_part = (ours.id, _when(ours), ours.code, states.get(ours.id)) if ours else (None, None, None, None)
    their_part = (theirs.id, _when(theirs), theirs.code) if theirs else (None, None, None)
    return (place, ",".join(one.reasons), lift, *our_part, *their_part)


def _when(entry: Entry) -> datetime:
    return datetime.fromtimestamp(entry.at_s, UTC)
