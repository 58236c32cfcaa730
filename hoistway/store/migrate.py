"""Forward-only migrations: numbered `.sql` files, applied once under a lock, each remembered by number and SHA-256.

What each part may do with the tables follows (`rights`). An older program refuses a newer schema. A file that starts with `-- no-transaction` runs outside a transaction (for
`create index concurrently`); every other file is one transaction.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import asyncpg
import structlog

from hoistway.errors import CannotStart, OurFault
from hoistway.store import rights

log: Final = structlog.get_logger("migrate")

_FILE: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK: Final = 0x686F6973  # "hois": one advisory lock for all migrations of one database


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def _read() -> tuple[Migration, ...]:
    folder = files("hoistway.store").joinpath("migrations")
    found = [
        Migration(number=int(match.group(1)), name=item.name, text=item.read_text("utf-8"))
        for item in folder.iterdir()
        if (match := _FILE.fullmatch(item.name))
    ]
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise OurFault(f"migrations are not numbered 1..n: {[migration.name for migration in found]}")
    return tuple(found)


MIGRATIONS: Final = _read()
SCHEMA_VERSION: Final = len(MIGRATIONS)


async def migrate(connection: asyncpg.Connection) -> tuple[int, int]:
    """Bring the schema to this program's version; answers (version before, version after).

    Safe to call from several processes at once: a session lock lets one work and the others wait. Raises `CannotStart`
    when the schema is newer than this program, or when an applied file has changed since.
    """
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(
            "create table if not exists schema_migration (number integer primary key, name text not null,"
            " sha256 text not null, applied_at timestamptz not null default now())"
        )
        applied = {
            row["number"]: row for row in await connection.fetch("select number, name, sha256 from schema_migration")
        }
        _check(applied)
        for migration in MIGRATIONS[len(applied) :]:
            await _apply(connection, migration)
        if not await rights.apply(connection):
            log.warning(
                "the roles of the parts are missing, or this account may not change what is theirs: every part has the owner's rights."
                " Run deploy/postgres/20-roles.sh on the database's server, then `hoistway migrate` again",
                roles=rights.ROLES,
            )
        return len(applied), SCHEMA_VERSION
    finally:
        await connection.execute("select pg_advisory_unlock($1)", _LOCK)


def _check(applied: dict[int, asyncpg.Record]) -> None:
    if len(applied) > SCHEMA_VERSION:
        raise CannotStart(
            f"the database is at schema {len(applied)}, this program knows {SCHEMA_VERSION}:"
            " install the newer program that wrote it"
        )
    for migration in MIGRATIONS[: len(applied)]:
        row = applied.get(migration.number)
        if row is None or row["sha256"] != migration.sha256:
            raise CannotStart(f"migration {migration.name} differs from the one this database was made with")


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    note = "insert into schema_migration (number, name, sha256) values ($1, $2, $3)"
    values = (migration.number, migration.name, migration.sha256)
    if migration.text.startswith("-- no-transaction"):
        await connection.execute(migration.text)
        await connection.execute(note, *values)
        return
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute(note, *values)
