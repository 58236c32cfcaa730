"""The handover of the desk: a sheet of what is open, signed by who leaves and by who comes, kept as it was.

Both prove who they are again, by password or by a code of their second factor; tries are counted as at the login. With the signature
the shift of the one ends, and every session of theirs; that of the other begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from api import people, shapes
from api.accounts import factor
from api.accounts.factor import Seal
from api.exchange import Document, moment
from api.people import Principal, Refused
from api.problems import Problem
from hoistway.errors import BadInput
from hoistway.limits import HANDOVER_ROWS, SHIFT_HOURS
from hoistway.store import queries

RETURNS_H: Final = 12
"""Shelved alarms that come back within a shift stand on the sheet."""
CODE_CHARS: Final = 6
_sql: Final = queries("api", "sql/shifts.sql")


async def sheet(connection: Any, now: datetime) -> Document:
    """What is open at `now`, as far as the caller's scope goes. Each part has at most `HANDOVER_ROWS` lines and says how many there are."""
    cases = await connection.fetch(_sql["sheet_cases"], HANDOVER_ROWS)
    timers = await connection.fetch(_sql["sheet_timers"], now, HANDOVER_ROWS)
    shelved = await connection.fetch(_sql["sheet_shelved"], now + timedelta(hours=RETURNS_H), HANDOVER_ROWS)
    contacts = await connection.fetch(_sql["sheet_unreachable"], HANDOVER_ROWS)
    return {
        "at": moment(now),
        "cases": [_case(row) for row in cases],
        "late": [_timer(row) for row in timers],
        "returning": [_shelved(row) for row in shelved],
        "unreachable": [_contact(row) for row in contacts],
        "totals": {
            "cases": _all(cases),
            "late": _all(timers),
            "returning": _all(shelved),
            "unreachable": _all(contacts),
        },
    }


def _all(rows: Sequence[Mapping[str, Any]]) -> int:
    return int(rows[0]["of_all"]) if rows else 0


def _case(row: Mapping[str, Any]) -> Document:
    plain = ("id", "kind", "state", "level", "acknowledged_by", "trapped", "exercise")
    times = ("opened_at", "waits_since", "arrived_at")
    lift = {"lift": shapes.lift_in_brief(row)}
    return {**{name: row[name] for name in plain}, **{name: moment(row[name]) for name in times}, **lift}


def _timer(row: Mapping[str, Any]) -> Document:
    return {"kind": row["kind"], "case_id": row["case_id"], "due_at": moment(row["due_at"]), "owner": row["owner"]}


def _contact(row: Mapping[str, Any]) -> Document:
    return {"name": row["contact"], "channel": row["channel"], "since": moment(row["since"]), "detail": row["reason"]}


def _shelved(row: Mapping[str, Any]) -> Document:
    return {
        "id": row["id"],
        "title": {"zh": row["title_zh"] or row["rule_id"], "en": row["title_en"] or row["rule_id"]},
        "until": moment(row["shelved_until"]),
        "by": row["shelved_by"],
        "reason": row["shelve_reason"],
        "lift": shapes.lift_in_brief(row),
    }


async def sign(
    database: Any,
    principal: Principal,
    seal: Seal | None,
    *,
    proof: str,
    coming: str,
    coming_proof: str,
    notes: str,
    now: datetime,
) -> int:
    """Hand over; answers the number of the handover. Raises `BadInput` for somebody who cannot come, `Problem` for a wrong proof."""
    if principal.person_id is None:
        raise Problem(403, "for people, not for keys")
    other = await database.fetchrow(_sql["desk_person"], coming.strip()[: people.NAME_CHARS])
    if other is None or other["id"] == principal.person_id:
        raise BadInput(repr(coming[:100]), where="coming", expected="another person who may act at the desk")
    theirs = set(other["districts"])
    if theirs and not (principal.districts and theirs >= set(principal.districts)):
        raise BadInput(other["name"], where="coming", expected="somebody who sees all that is handed over")
    own_proof = await _proof(database, seal, principal.person_id, principal.name, proof, where="proof")
    other_proof = await _proof(database, seal, other["id"], other["name"], coming_proof, where="coming_proof")
    async with database.acquire() as connection, connection.transaction():
        document = await sheet(connection, now)
        number: int = await connection.fetchval(
            _sql["add_handover"], now, principal.person_id, principal.name, own_proof, other["id"], other["name"], other_proof,
            list(principal.districts), notes, document,
        )  # fmt: skip
        await connection.execute(_sql["leave_shift"], principal.person_id, now)
        await connection.execute(_sql["begin_shift"], other["id"], now, principal.name, SHIFT_HOURS)
    return number


async def _proof(database: Any, seal: Seal | None, person_id: int, name: str, text: str, *, where: str) -> str:
    """`password` or `code`, whichever it is; 401 for neither, 429 after too many tries of that name."""
    refused = await people.count_try(database, name)
    if isinstance(refused, Refused):
        raise Problem(429, "too many tries; wait", retry_after_s=refused.retry_after_s)
    found = None
    if seal is not None and len(text.strip()) == CODE_CHARS and text.strip().isdigit():
        async with database.acquire() as connection, connection.transaction():
            found = "code" if await factor.check(connection, seal, person_id, text) else None
    if found is None and await people.by_password(database, name, text) == person_id:
        found = "password"
    if found is None:
        raise Problem(401, "wrong password or code", errors=[{"pointer": f"/{where}", "detail": "not this person's"}])
    await people.forget_tries(database, name)
    return found
