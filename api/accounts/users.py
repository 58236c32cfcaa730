"""Accounts as those who look after them see them: list, make, change, shut out. Every act is kept with who did it.

Inside the caller's transaction. An act that changes what somebody may see ends their sessions, so that no open stream goes on with the
old rights; the last administrator cannot be taken away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from api import people
from api.accounts import factor
from api.exchange import Document, moment
from hoistway.errors import BadInput
from hoistway.model import Role
from hoistway.store import queries

DISTRICTS: Final = 100
"""Of one person."""
_sql: Final = queries("api", "sql/accounts.sql")


def shown(row: Mapping[str, Any]) -> Document:
    """An account without any secret."""
    plain = ("id", "name", "role", "districts", "version", "has_password", "second_factor")
    firm = None if row["firm_id"] is None else {"id": row["firm_id"], "name": row["firm_name"]}
    times = {name: moment(row[name]) for name in ("created_at", "disabled_at", "last_login_at")}
    return {**{name: row[name] for name in plain}, "firm": firm, **times}


async def page(source: Any, *, after: int, limit: int) -> list[Document]:
    """Accounts in the order in which they were made."""
    return [shown(row) for row in await source.fetch(_sql["people"], after, None, limit)]


async def read(source: Any, person_id: int) -> Document | None:
    row = await source.fetchrow(_sql["people"], 0, person_id, 1)
    return None if row is None else shown(row)


async def need(source: Any, person_id: int) -> Document:
    found = await read(source, person_id)
    if found is None:
        raise BadInput(f"no person {person_id}", where="person", expected="somebody who is there")
    return found


async def create(
    connection: Any,
    by: str,
    *,
    name: str,
    role: Role,
    firm: str | None = None,
    districts: Sequence[str] = (),
    password: str | None = None,
) -> Document:
    """A person who may log in; raises `BadInput`."""
    names = await _districts(connection, role, districts)
    person_id = await people.create_person(connection, name, role, firm, password)
    if names:
        await connection.execute(_sql["change_person"], person_id, role, None, names)
    document = await need(connection, person_id)
    await connection.execute(_sql["note_act"], by, person_id, "created", {}, _rights(document))
    return document


async def change(
    connection: Any, by: str, person_id: int, *, role: Role, firm_id: int | None, districts: Sequence[str]
) -> Document:
    """Another role, firm or districts. The person has to log in again."""
    admins = await _locked(connection, person_id)
    before = await need(connection, person_id)
    if (role is Role.MAINTAINER) != (firm_id is not None):
        raise BadInput(repr(firm_id), where="firm", expected="a firm for a maintainer, and for nobody else")
    if firm_id is not None and await connection.fetchval(_sql["known_firm"], firm_id) is None:
        raise BadInput(f"no firm {firm_id}", where="firm", expected="a firm of the register")
    names = await _districts(connection, role, districts)
    if role is not Role.ADMIN:
        _keep_one(admins, person_id)
    await connection.execute(_sql["change_person"], person_id, role, firm_id, names)
    await connection.execute(_sql["end_sessions"], person_id, None)
    return await _noted(connection, by, "changed", before)


async def disable(connection: Any, by: str, person_id: int) -> Document:
    """Shut out at once: sessions, streams and unused links end. Nothing happens when it was done before."""
    admins = await _locked(connection, person_id)
    before = await need(connection, person_id)
    if before["disabled_at"] is not None:
        return before
    _keep_one(admins, person_id)
    await connection.execute(_sql["set_disabled"], person_id, True)
    await connection.execute(_sql["end_sessions"], person_id, None)
    return await _noted(connection, by, "disabled", before)


async def enable(connection: Any, by: str, person_id: int) -> Document:
    """Let in again, with the password and the second factor from before."""
    await _locked(connection, person_id)
    before = await need(connection, person_id)
    if before["disabled_at"] is None:
        return before
    await connection.execute(_sql["set_disabled"], person_id, False)
    return await _noted(connection, by, "enabled", before)


async def set_password(
    connection: Any, by: str, person_id: int, password: str, *, keep: bytes | None = None
) -> Document:
    """Another password; every session but `keep` ends."""
    before = await need(connection, person_id)
    hashed = await people.hash_password(before["name"], password)
    await connection.execute(_sql["set_password"], person_id, hashed)
    await connection.execute(_sql["end_sessions"], person_id, keep)
    return await _noted(connection, by, "password", before)


async def make_link(connection: Any, by: str, person_id: int) -> str:
    """A one-time login link; it does not stand in for the second factor."""
    before = await need(connection, person_id)
    token = await people.create_login_link(connection, before["name"])
    await _noted(connection, by, "link", before)
    return token


async def factor_off(connection: Any, by: str, person_id: int) -> Document:
    """Take the second factor away, of somebody who has lost it; they make a new one."""
    before = await need(connection, person_id)
    await factor.take_away(connection, person_id)
    await connection.execute(_sql["end_sessions"], person_id, None)
    return await _noted(connection, by, "factor-off", before)


async def note_factor_on(connection: Any, by: str, person_id: int) -> None:
    await _noted(connection, by, "factor-on", await need(connection, person_id))


async def id_of(connection: Any, name: str) -> int:
    """The number behind a name; raises `BadInput`."""
    row = await connection.fetchrow("select id from person where name = $1", name)
    if row is None:
        raise BadInput(f"no person {name!r}", where="name", expected="somebody who is there")
    number: int = row["id"]
    return number


async def _locked(connection: Any, person_id: int) -> list[int]:
    """The enabled administrators, locked, and the person too."""
    admins = [row["id"] for row in await connection.fetch(_sql["lock_admins"])]
    await connection.fetchval(_sql["lock_person"], person_id)
    return admins


def _keep_one(admins: Sequence[int], person_id: int) -> None:
    if list(admins) == [person_id]:
        raise BadInput("the last administrator", where="role", expected="another one who is let in first")


async def _districts(connection: Any, role: Role, districts: Sequence[str]) -> list[str]:
    names = sorted(set(districts))
    if names and role in {Role.MAINTAINER, Role.PROPERTY}:
        raise BadInput(", ".join(names)[:100], where="districts", expected=f"none for a {role}")
    if len(names) > DISTRICTS:
        raise BadInput(f"{len(names)} districts", where="districts", expected=f"{DISTRICTS} at most")
    known = {row["district"] for row in await connection.fetch(_sql["known_districts"], names)}
    if unknown := [name for name in names if name not in known]:
        raise BadInput(repr(unknown[0][:100]), where="districts", expected="districts of the register")
    return names


def _rights(document: Document) -> Document:
    names = ("name", "role", "districts", "has_password", "second_factor")
    disabled = document["disabled_at"] is not None
    return {**{name: document[name] for name in names}, "firm": document["firm"], "disabled": disabled}


async def _noted(connection: Any, by: str, kind: str, before: Document) -> Document:
    after = await need(connection, before["id"])
    await connection.execute(_sql["note_act"], by, before["id"], kind, _rights(before), _rights(after))
    return after
