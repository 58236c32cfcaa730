"""The queue of a link in the database: what is due and with which facts, what became of it, how the link stands.

Records are noted by triggers in the transaction of what they tell (`city_tell_case`, `city_tell_alarm`); here they are only read and
settled. Who sends holds a duty, and every transaction that marks something checks it first.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alarms.codes import CodeList, code_lists
from dispatch.citylink.form import CityStep, Form
from dispatch.citylink.mapping import TRAPPED, Facts
from hoistway import samples
from hoistway.limits import MAX_GAP_MS
from hoistway.model import SIGNALS, Opens, Signal, SignalType
from hoistway.samples.layout import moment
from hoistway.store import Database, queries

SQL: Final = queries("dispatch", "citylink/sql/citylink.sql")
_GAP: Final = timedelta(milliseconds=MAX_GAP_MS)
_DETAILS: Final = {signal.name: signal for signal in SIGNALS}


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One platform that is told."""

    form: str
    address: str
    supplier: str
    token_address: str | None
    client: str | None
    rests_until: datetime | None
    failures: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One record with its facts; `body` when it was tried before."""

    id: int
    lift_id: int
    tries: int
    body: str | None
    facts: Facts


async def read_links(connection: Any) -> list[Link]:
    """The links that are on."""
    names = ("form", "address", "supplier", "token_address", "client", "rests_until", "failures")
    return [Link(**{name: row[name] for name in names}) for row in await connection.fetch(SQL["links"])]


async def read_records(
    database: Database, form: Form, supplier: str, ids: Sequence[int], *, with_samples: bool = True
) -> list[Record]:
    """These records with their facts, in order. Where the form shows it, a record that was never sent has the lift's last sample."""
    async with database.acquire() as connection:
        rows = await connection.fetch(SQL["facts"], list(ids))
        shown = with_samples and any(one.details for one in form.fields)
        fresh = [row for row in rows if shown and row["body"] is None]
        seen = {row["id"]: await last_sample(connection, row["lift_id"], row["at"], form) for row in fresh}
    codes = next((one for one in code_lists() if one.id == form.codes), None)
    return [
        Record(
            id=row["id"],
            lift_id=row["lift_id"],
            tries=row["tries"],
            body=row["body"],
            facts=_facts(row, supplier, codes, seen.get(row["id"])),
        )
        for row in rows
    ]


def _facts(
    row: Mapping[str, Any], supplier: str, codes: CodeList | None, sample: tuple[datetime, dict[str, Any]] | None
) -> Facts:
    number = f"C{row['case_id']}" if row["case_id"] is not None else f"A{row['alarm_id']}"
    code, title = _code(row, codes)
    return Facts(
        supplier=supplier,
        number=f"{number}-{row['turn'] + 1}" if row["turn"] else number,
        step=CityStep(row["step"]),
        at=row["at"],
        times={CityStep(step): datetime.fromtimestamp(float(at), UTC) for step, at in row["times"].items()},
        channel=row["channel"],
        register_code=row["register_code"],
        code=code,
        title=title,
        out_of_service=row["out_of_service"],
        sample_at=sample[0] if sample else None,
        sample=sample[1] if sample else {},
    )


def _code(row: Mapping[str, Any], codes: CodeList | None) -> tuple[str | None, str | None]:
    """The number of what happened in the form's list, with its words. What a rule says of itself counts, then the list's own people
    trapped, which stands for a case that no rule of the list opened: a call, or an alarm call that became an entrapment."""
    of_case = row["case_id"] is not None
    said = _rule_codes(row["rule_text"]).get(codes.id) if codes else None
    if said is not None and (not of_case or row["rule_opens"] == Opens.RESCUE):
        return said, row["title"]
    if codes is None or not of_case:
        return None, row["title"]
    trapped = next((entry for entry in codes.entries if entry.events == (TRAPPED,)), None)
    return (trapped.code, trapped.zh) if trapped else (None, row["title"])


def _rule_codes(text: str | None) -> Mapping[str, str]:
    """The `codes` of a stored rule."""
    try:
        tables = tomllib.loads(text or "").get("rule", [])
        codes = tables[0].get("codes", {}) if tables else {}
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError):
        return {}
    return codes if isinstance(codes, dict) else {}


async def last_sample(
    connection: Any, lift_id: int, at: datetime, form: Form
) -> tuple[datetime, dict[str, bool | int | float | str | None]] | None:
    """The lift's last sample at or before `at` that still counts then, with the signals that the form shows; None: there is none."""
    names = [detail.source for one in form.fields for detail in one.details if detail.source in _DETAILS]
    columns = tuple(dict.fromkeys(("at", "batch_no", "ordinal", *names)))
    rows = samples.joined([], columns)
    async with samples.snapshot(connection) as store:
        async for part in store.of_lifts(samples.Wanted(lifts=[lift_id], at=(at - _GAP, at)), columns):
            rows = samples.joined([rows, part], columns)
    if not len(rows):
        return None
    last = max(rows, key=lambda row: (row["at"], row["batch_no"], row["ordinal"]))
    values: dict[str, bool | int | float | str | None] = {name: _plain(_DETAILS[name], last[name]) for name in names}
    if isinstance(label := values.get("car_position"), int):
        values["car_position"] = await connection.fetchval(SQL["floor_label"], label)
    return moment(int(last["at"])), values


def _plain(signal: Signal, value: Any) -> bool | int | float | None:
    if signal.type is SignalType.NUMBER:
        number = round(float(value), 3)
        return None if number != number else number  # noqa: PLR0124  not a number: unknown
    return None if value < 0 else bool(value) if signal.type is SignalType.BOOL else int(value)


async def set_link(
    connection: Any,
    form: Form,
    *,
    address: str,
    supplier: str,
    token_address: str | None,
    client: str | None,
    now: datetime,
) -> None:
    """Turn a link on, or change it. What is open already is noted for it."""
    async with connection.transaction():
        steps = [str(step) for step in form.steps]
        await connection.execute(SQL["set_link"], form.name, address, supplier, token_address, client, steps, now)
        await connection.execute(SQL["catch_up_cases"], form.name)
        await connection.execute(SQL["catch_up_alarms"], form.name)


async def end_link(connection: Any, form: str, now: datetime) -> bool:
    """Turn a link off: nothing more is noted or sent. What waits stays and goes when it is on again."""
    return await connection.fetchval(SQL["end_link"], form, now) is not None


async def send_again(connection: Any, form: str, record_id: int | None, *, person: str, now: datetime) -> list[int]:
    """Let refused and incomplete records wait again; answers which. They are made anew of the facts as they are then."""
    return [row["id"] for row in await connection.fetch(SQL["again"], form, record_id, now, person)]


async def send_record_again(connection: Any, record_id: int, *, person: str, now: datetime) -> list[int] | None:
    """The same for one record, whatever its form; None where there is none of that number."""
    form = await connection.fetchval(SQL["record_form"], record_id)
    return None if form is None else await send_again(connection, form, record_id, person=person, now=now)


async def try_at_once(connection: Any, form: str) -> None:
    """What waits is due now, whatever was put off."""
    await connection.execute(SQL["at_once"], form)


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes."""
    listed = list(rows)
    return [[row[index] for row in listed] for index in range(width)]
