"""Who may come in: people, passwords, one-time links, sessions, machine keys. Secrets are kept as hashes only.

Knows the tables of people and nothing of HTTP. Times are the database's: sessions and links run out by its clock on every
machine alike. The command line uses the functions that make and revoke; the routes use the rest.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.accounts import factor
from api.accounts.factor import Seal
from hoistway.errors import BadInput
from hoistway.limits import (
    FIRM_KEYS,
    LOGIN_FAILURES,
    LOGIN_LINK_MINUTES,
    LOGIN_STEP_MINUTES,
    SESSION_HOURS,
    SHIFT_GRACE_MINUTES,
)
from hoistway.model import Role
from hoistway.store import queries
from hoistway.store.scope import CITY, NOTHING, of_districts, of_firm

KEY_PREFIX: Final = "hk_"
PASSWORD_CHARS: Final = (12, 1_000)
PASSWORD_SIGNS: Final = 5
NAME_CHARS: Final = 100
EVERY_FIRM: Final = 0
"""The scope of a role that sees all firms. A missing scope (null) matches nothing."""
PROBE_ONLY: Final = -2
"""The scope of the watcher: the probe lift, which no other scope holds."""
WHOLE: Final = -3
"""Every firm and the probe: for the shared reader of the feed, which tells its readers apart itself."""

_sql = queries("api", "sql/people.sql")
_accounts = queries("api", "sql/accounts.sql")
_hasher: Final = PasswordHasher()
_DUMMY_HASH: Final = (  # of a random password: an unknown name takes as long to refuse as a known one
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQtbm9ib2R5$KHcEy2VvWCNVKvsTSYt0m3wXJEJcWGVXq8ISGcnPfpM"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who asks: a person with a session, or a machine with a key."""

    id: str  # "person:3" or "key:5"
    name: str
    role: Role
    firm_id: int | None  # a maintainer's firm; nobody else has one
    districts: tuple[str, ...] = ()  # sees these only; none: as far as the role goes
    credential: bytes  # hash of the session token or key: a stream ends when it is revoked
    csrf: str | None = None  # sessions only
    session_ends_at: datetime | None = None
    firm_admin: bool = False  # looks after the firm's keys

    @property
    def person_id(self) -> int | None:
        """The number of a person; a machine has none."""
        kind, _, number = self.id.partition(":")
        return int(number) if kind == "person" else None

    @property
    def scope(self) -> int | None:
        """Whose lifts may be seen: one firm's, every firm's, or (None) nobody's."""
        return self.firm_id if self.role is Role.MAINTAINER else EVERY_FIRM

    @property
    def rows(self) -> str:
        """The same for the database's policies, which hold whatever a query forgets (`hoistway.store.scope`)."""
        if self.role is Role.MAINTAINER:
            return NOTHING if self.firm_id is None else of_firm(self.firm_id)
        if self.role is Role.PROPERTY:
            return NOTHING
        return of_districts(self.districts) if self.districts else CITY


def hash_token(token: str) -> bytes:
    """What is stored of a random token. SHA-256 is enough: the token has 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


async def create_person(
    connection: Any, name: str, role: Role, firm: str | None, password: str | None, *, firm_admin: bool = False
) -> int:
    """A person who may log in, by password or (password None) by one-time link only; answers the id.

    A maintainer needs `firm`, the name of a firm in the register; nobody else may have one. `firm_admin`: a maintainer who
    looks after the firm's keys. Raises `BadInput`.
    """
    _check_name(name)
    if firm_admin and role is not Role.MAINTAINER:
        raise BadInput(repr(role.value), where="role", expected="maintainer, for who looks after a firm's keys")
    firm_id = await firm_id_of(connection, role, firm)
    hashed = None if password is None else await hash_password(name, password)
    person_id: int | None = await connection.fetchval(_sql["add_person"], name, role, firm_id, hashed, firm_admin)
    if person_id is None:
        raise BadInput(f"{name!r} is there already", where="name", expected="a name nobody has")
    return person_id


async def disable_person(connection: Any, name: str) -> bool:
    """Shut a person out at once: sessions and unused links end too. False when there is nobody of that name."""
    return await connection.fetchval(_sql["disable_person"], name) is not None


async def create_login_link(connection: Any, person_name: str) -> str:
    """A token for `/login/link?token=`, good once and for `LOGIN_LINK_MINUTES`. Raises `BadInput` for nobody."""
    token = secrets.token_urlsafe(32)
    made = await connection.fetchval(_sql["add_login_link"], person_name, hash_token(token), LOGIN_LINK_MINUTES)
    if made is None:
        raise BadInput(f"no person {person_name!r}", where="name", expected="a person who may log in")
    return token


async def create_api_key(connection: Any, name: str, role: Role, firm: str | None, *, by: str | None = None) -> str:
    """A machine's key, made by the person `by`; only its hash is stored, so it is shown once. Raises `BadInput`.

    A name is taken within its firm only. A firm has at most `FIRM_KEYS` keys that work.
    """
    _check_name(name)
    firm_id = await firm_id_of(connection, role, firm)
    if firm_id is not None:
        await connection.fetchval(_sql["lock_firm"], firm_id)
        if await connection.fetchval(_sql["keys_in_use"], firm_id) >= FIRM_KEYS:
            raise BadInput(f"{FIRM_KEYS} keys already", where="firm", expected="one of them revoked first")
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    key_id = await connection.fetchval(_sql["add_api_key"], name, hash_token(key), role, firm_id, by)
    if key_id is None:
        raise BadInput(f"{name!r} is there already", where="name", expected="a name no key has")
    return key


async def list_api_keys(connection: Any, scope: int | None) -> list[Any]:
    """Keys of one firm (`EVERY_FIRM`: of all), those that work first, then the newest: never the key itself."""
    rows: list[Any] = await connection.fetch(_sql["api_keys"], scope)
    return rows


async def revoke_api_key(connection: Any, name: str, *, firm: str | None = None, by: str | None = None) -> bool:
    """End a key at once. False when no key of that name is in use. Raises `BadInput` when several firms have one of that name."""
    found = await connection.fetch(_sql["keys_of_name"], name, firm)
    if len(found) > 1:
        firms = ", ".join(row["firm"] or "none" for row in found)
        raise BadInput(f"{len(found)} keys {name!r}", where="firm", expected=f"one of: {firms}")
    return bool(found) and await revoke_key_of(connection, EVERY_FIRM, found[0]["id"], by=by)


async def revoke_key_of(connection: Any, scope: int | None, key_id: int, *, by: str | None) -> bool:
    """End a key of the firm `scope`, by its number. False when that firm has no such key in use."""
    return await connection.fetchval(_sql["revoke_api_key"], scope, key_id, by) is not None


async def hash_password(name: str, password: str) -> str:
    """What is kept of a password that keeps the rules: long, of several signs, without the name. Raises `BadInput`."""
    if not PASSWORD_CHARS[0] <= len(password) <= PASSWORD_CHARS[1]:
        raise BadInput(f"{len(password)} characters", where="password", expected=f"{PASSWORD_CHARS[0]} or more")
    if len(set(password)) < PASSWORD_SIGNS:
        raise BadInput("the same signs again", where="password", expected=f"{PASSWORD_SIGNS} different ones or more")
    if len(name) > 2 and name.casefold() in password.casefold():
        raise BadInput("the name in it", where="password", expected="nothing that others know")
    return await asyncio.to_thread(_hasher.hash, password)


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= NAME_CHARS or name != name.strip() or not name.isprintable():
        raise BadInput(repr(name), where="name", expected=f"1 to {NAME_CHARS} printable characters")


async def firm_id_of(connection: Any, role: Role, firm: str | None) -> int | None:
    """The number of a maintainer's firm; raises `BadInput`."""
    if (role is Role.MAINTAINER) != (firm is not None):
        raise BadInput(repr(firm), where="firm", expected="a firm for a maintainer, and for nobody else")
    if firm is None:
        return None
    firm_id: int | None = await connection.fetchval(_sql["firm_by_name"], firm)
    if firm_id is None:
        raise BadInput(f"no firm {firm!r}", where="firm", expected="a firm of the register")
    return firm_id


# --- logging in and out ---


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A login that did not work. `retry_after_s` is set when the name has to wait."""

    retry_after_s: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeWanted:
    """The first factor was right, the second is still to come; `token` stands for that, for `LOGIN_STEP_MINUTES`."""

    token: str


async def log_in(database: Any, name: str, password: str) -> str | CodeWanted | Refused:
    """A session token for the right name and password, or what stands for it until the second factor has come."""
    name = name[:NAME_CHARS].replace("\0", "")
    if (refused := await count_try(database, name)) is not None:
        return refused
    person_id = await by_password(database, name, password)
    if person_id is None:
        return Refused()
    await database.execute(_sql["forget_login_tries"], name)
    return await _admit(database, person_id)


async def count_try(database: Any, name: str) -> Refused | None:
    """Count a try to prove that one is `name`, before anything is looked at; refused after too many.

    Under a lock on the name, so that many at once do not get more tries than one after the other. `forget_tries` wipes the slate.
    """
    async with database.acquire() as connection, connection.transaction():
        await connection.execute(_sql["lock_name"], name)
        wait_s = await connection.fetchval(_sql["login_wait_s"], name, LOGIN_FAILURES)
        if wait_s is not None:
            return Refused(retry_after_s=max(1, int(wait_s)))
        await connection.execute(_sql["note_login_try"], name)
    return None


async def forget_tries(database: Any, name: str) -> None:
    await database.execute(_sql["forget_login_tries"], name)


async def by_password(database: Any, name: str, password: str) -> int | None:
    """The id of the person of that name, when the password is right; takes as long when nobody has that name."""
    person = await database.fetchrow(_sql["person_to_log_in"], name)
    stored = person["password_hash"] if person and person["password_hash"] else _DUMMY_HASH
    async with _verifying:
        right = await asyncio.to_thread(_verify, stored, password[: PASSWORD_CHARS[1]])
    return person["id"] if person is not None and person["password_hash"] is not None and right else None


_verifying = asyncio.Semaphore(2)
"""Passwords looked at side by side: argon2 wants 64 MiB each, and strangers may send as many as they like."""


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def use_login_link(database: Any, token: str) -> str | CodeWanted | None:
    """As `log_in`, for a link that was neither used nor has run out; the link is spent by this."""
    person_id = await database.fetchval(_sql["use_login_link"], hash_token(token))
    return None if person_id is None else await _admit(database, person_id)


async def _admit(database: Any, person_id: int) -> str | CodeWanted:
    if not await database.fetchval(_accounts["has_factor"], person_id):
        return await open_session(database, person_id)
    token = secrets.token_urlsafe(32)
    await database.execute(_accounts["add_login_step"], hash_token(token), person_id, LOGIN_STEP_MINUTES)
    return CodeWanted(token=token)


async def use_code(database: Any, seal: Seal, token: str, code: str) -> str | Refused | None:
    """A session token for the right second factor; None when the step before it is too long ago."""
    step = await database.fetchrow(_accounts["login_step"], hash_token(token))
    if step is None:
        return None
    if (refused := await count_try(database, step["name"])) is not None:
        return refused
    async with database.acquire() as connection, connection.transaction():
        if not await factor.check(connection, seal, step["person_id"], code):
            return Refused()
        await connection.execute(_accounts["end_login_step"], hash_token(token))
    await forget_tries(database, step["name"])
    return await open_session(database, step["person_id"])


async def login_link_is_good(database: Any, token: str) -> bool:
    """Whether the link would work. Looking does not spend it."""
    return await database.fetchval(_sql["login_link_is_good"], hash_token(token)) is not None


async def open_session(database: Any, person_id: int) -> str:
    """A session of `SESSION_HOURS`; of somebody on shift, until `SHIFT_GRACE_MINUTES` after it."""
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    await database.execute(_sql["open_session"], hash_token(token), person_id, csrf, SESSION_HOURS, SHIFT_GRACE_MINUTES)
    return token


async def end_session(database: Any, principal: Principal) -> None:
    await database.execute(_sql["end_session"], principal.credential)


async def by_session(database: Any, token: str) -> Principal | None:
    """The person behind a session cookie."""
    credential = hash_token(token)
    row = await database.fetchrow(_sql["session"], credential)
    if row is None:
        return None
    return Principal(
        id=f"person:{row['id']}",
        name=row["name"],
        role=Role(row["role"]),
        firm_id=row["firm_id"],
        districts=tuple(sorted(row["districts"])),
        credential=credential,
        csrf=row["csrf"],
        session_ends_at=row["expires_at"],
        firm_admin=row["firm_admin"],
    )


async def by_key(database: Any, key: str) -> Principal | None:
    """The machine behind an API key."""
    credential = hash_token(key)
    row = await database.fetchrow(_sql["api_key"], credential)
    if row is None:
        return None
    return Principal(
        id=f"key:{row['id']}", name=row["name"], role=Role(row["role"]), firm_id=row["firm_id"], credential=credential
    )


async def still_good(connection: Any, credentials: list[bytes]) -> set[bytes]:
    """Those of `credentials` (hashes) that would still be let in."""
    return {row["hash"] for row in await connection.fetch(_sql["still_good"], credentials)}


async def forget_old(connection: Any) -> None:
    """Delete what has run out: tries, links, sessions, remembered answers."""
    for name in ("forget_tries", "forget_links", "forget_steps", "forget_sessions", "forget_answers"):
        await connection.execute(_sql[name])
