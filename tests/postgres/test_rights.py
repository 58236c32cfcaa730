"""What each part may do at the database, and what the api sees of it: by table, by scope, with nothing said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from hoistway.errors import ServiceUnavailable
from hoistway.store import Database, connect_url, migrate, queries, rights, scope
from tests.support import rows
from tests.support.planted import MARKS, City, plant
from tests.support.postgres import PostgresServer, as_part

ROOT: Final = Path(__file__).parents[2]
DENIED = asyncpg.InsufficientPrivilegeError


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(database: Database) -> City:
    await rows.lift(database, name="probe", probe=True, exercise=True)
    return await plant(database)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seen(database_url: str, city: City) -> AsyncIterator[Database]:
    """The database as the api sees it, with both firms in it."""
    assert city
    pool = Database(as_part(database_url, "api"), name="test", most=2, scoped=True)
    await pool.open()
    yield pool
    await pool.close()


async def relations(database: Database) -> set[str]:
    """Tables and views, without partitions."""
    found = await database.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')"
        " and not relispartition"
    )
    return {row["relname"] for row in found}


# --- the table of rights ---


async def test_every_table_has_its_line(database: Database) -> None:
    """A migration that makes a table says in `hoistway/store/rights.py` who may do what with it."""
    assert await relations(database) == set(rights.TABLES), "add a line to TABLES of hoistway/store/rights.py"


def test_what_the_api_may_read_has_a_policy_or_a_reason() -> None:
    """Rows of a firm are behind a policy; what has none says why, and nothing has both."""
    loose = {name: line for name, line in rights.TABLES.items() if line.api and bool(line.rows) == bool(line.reason)}
    assert loose == {}
    assert {name for name, line in rights.TABLES.items() if not line.api and (line.rows or line.reason)} == set()


async def test_the_database_has_what_the_table_says(database: Database) -> None:
    """Grants and policies are those of the table, for every role and every table; views have the rights of their reader."""
    wrong = []
    for name, line in rights.TABLES.items():
        for role in rights.ROLES:
            owned = role == "hoistway_ingest" and name in {"sample", "sample_block", "sample_chunk"}
            for letter, word in (("r", "select"), ("i", "insert"), ("u", "update"), ("d", "delete")):
                may = await database.fetchval("select has_table_privilege($1, $2, $3)", role, name, word)
                if may != (owned or letter in line.of(role)):
                    wrong.append((name, role, word, may))
        forced = await database.fetchval(
            "select relrowsecurity and relforcerowsecurity and exists (select 1 from pg_policy where polrelid = c.oid and polname = 'scope')"
            " from pg_class c where oid = $1::regclass",
            name,
        )
        if forced != bool(line.rows):
            wrong.append((name, "policy", forced))
    views = await database.fetch(
        "select relname from pg_class where relkind = 'v' and relnamespace = 'public'::regnamespace"
        " and not coalesce('security_invoker=true' = any(reloptions), false)"
    )
    assert wrong == []
    assert views == []


async def test_roles_are_plain(database: Database) -> None:
    """No part is a superuser, past row-level security, or may make roles, databases or replicas."""
    found = await database.fetch("select * from pg_roles where rolname = any($1::text[])", rights.ROLES)
    assert len(found) == len(rights.ROLES)
    for row in found:
        names = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")
        assert not any(row[name] for name in names), row["rolname"]


@pytest.mark.parametrize(
    ("part", "statement"),
    [
        ("api", "update case_event set reason = 'x'"),
        ("api", "delete from case_event"),
        ("api", "delete from alarm_event"),
        ("api", "update seal set root = ''"),
        ("api", "delete from rescue_case"),
        ("api", "delete from lift"),
        ("api", "update lift set firm_id = null"),
        ("api", "insert into sample (lift_id) values (1)"),
        ("api", "create table mine (x integer)"),
        ("api", "alter table lift no force row level security"),
        ("api", "set role hoistway_ingest"),
        ("ingest", "select * from person"),
        ("ingest", "select * from session"),
        ("ingest", "update case_event set reason = 'x'"),
        ("dispatch", "select * from api_key"),
        ("dispatch", "update case_event set reason = 'x'"),
        ("dispatch", "delete from rescue_case"),
        ("dispatch", "create table mine (x integer)"),
    ],
)
async def test_what_a_part_may_not_do(database_url: str, part: str, statement: str) -> None:
    """A part that is taken over rewrites no log, reads no password and takes no right."""
    connection = await connect_url(as_part(database_url, part), name="test")
    try:
        with pytest.raises(DENIED):
            await connection.execute(statement)
    finally:
        await connection.close()


_OWNERS: Final = {"keys.sql", "registry.sql", "probe.sql", "unit_file.sql"}
"""Of commands, which log in as the owner."""
_QUERIES: Final = {
    "ingest": ("ingest", "hoistway/samples", "hoistway/rulebook"),
    "dispatch": ("dispatch", "hoistway"),
    "api": ("api", "hoistway/samples", "hoistway/rulebook"),
}
_BORROWED: Final = {
    "ingest": {
        "dispatch/tickets/sql/opening.sql": (),
        "dispatch/tickets/sql/book.sql": ("change", "add_lines", "end_timers", "set_timers", "tell"),
    }
}
"""Files of another room that a part uses, and which of their queries (none named: all)."""


def _files(part: str) -> Iterator[tuple[Path, Sequence[str]]]:
    for room in _QUERIES[part]:
        for file in sorted((ROOT / room).glob("sql/*.sql" if "/" in room or room == "hoistway" else "**/sql/*.sql")):
            if file.name not in _OWNERS:
                yield file, ()
    for name, only in _BORROWED.get(part, {}).items():
        yield ROOT / name, only


@pytest.mark.parametrize("part", _QUERIES)
async def test_every_query_of_a_part_is_allowed(database_url: str, part: str) -> None:
    """A part may do all that its `.sql` files ask for: the server is asked for the plan of each, which it gives to nobody who may not."""
    connection = await connect_url(as_part(database_url, part), name="test")
    denied, planned = [], 0
    try:
        for file, only in _files(part):
            *package, folder, name = file.relative_to(ROOT).parts
            for query, text in queries(".".join(package), f"{folder}/{name}").items():
                if only and query not in only:
                    continue
                try:
                    await connection.execute(f"explain (generic_plan) {text}")
                    planned += 1
                except DENIED as error:
                    denied.append((file.name, query, str(error)))
                except asyncpg.PostgresError:
                    continue  # no query by itself: a lock, a setting, or a piece that is put together
    finally:
        await connection.close()
    assert denied == []
    assert planned >= 10


# --- what is seen ---


SCOPED = sorted(name for name, line in rights.TABLES.items() if line.rows)


async def counts(seen: Database) -> dict[str, int]:
    return {name: await seen.fetchval(f"select count(*) from {name}") for name in SCOPED}


async def test_nothing_said_is_nothing_seen(seen: Database) -> None:
    """Without a scope every table with a policy is empty, and so it is with a scope that nobody knows."""
    assert set((await counts(seen)).values()) == {0}
    for unknown in ("everything", "firm", "0", scope.of_districts([]), "firm 32000"):
        with scope.within(unknown):
            try:
                found = set((await counts(seen)).values())
            except asyncpg.DataError:
                continue  # refused outright
            assert found == {0}, unknown


async def test_a_firm_sees_its_own(seen: Database, city: City) -> None:
    """One of each for the firm, nothing for a firm that has nothing, all of it for the city, the probe only for the program itself."""
    texts = {}
    for name in ("own", "foreign"):
        with scope.within(scope.of_firm(city.firms[name])):
            found = await counts(seen)
            texts[name] = str([await seen.fetch(f"select * from {table}") for table in SCOPED])
        assert {
            found[table] for table in ("lift", "alarm", "alarm_event", "rescue_case", "dispatch_order", "unit", "firm")
        } == {1}
        assert {found[table] for table in ("quarantine", "security_event", "backtest_job", "area_incident")} == {0}
    for own, foreign in (("own", "foreign"), ("foreign", "own")):
        assert MARKS[own] in texts[own]
        assert MARKS[foreign] not in texts[own]
    with scope.within(scope.CITY):
        assert (await counts(seen))["lift"] == 2
    with scope.within(scope.WHOLE):
        assert (await counts(seen))["lift"] == 3


async def test_districts_are_seen_by_name(seen: Database) -> None:
    """Lifts of some districts, whoever has the contract; an area incident when it lies in them altogether; every unit."""
    with scope.within(scope.of_districts(["zqown district", "it's quoted"])):
        found = await counts(seen)
        names = [row["name"] for row in await seen.fetch("select name from lift")]
    assert names == ["zqown lift"]
    assert (found["alarm"], found["rescue_case"], found["area_incident"], found["unit"]) == (1, 1, 1, 2)
    assert found["alarm_flood"] == found["quarantine"] == 0


async def test_a_case_stays_with_its_firm(seen: Database, database: Database, city: City) -> None:
    """The firm that has the case still sees its lift after the contract has gone to another; the new firm sees the lift and no case."""
    ids = city.ids["own"]
    await database.execute("update lift set firm_id = $2 where id = $1", ids["lift"], city.firms["foreign"])
    try:
        with scope.within(scope.of_firm(city.firms["own"])):
            found = await counts(seen)
            assert (found["lift"], found["rescue_case"], found["alarm"]) == (1, 1, 1)
        with scope.within(scope.of_firm(city.firms["foreign"])):
            found = await counts(seen)
            assert (found["lift"], found["rescue_case"]) == (2, 1)
    finally:
        await database.execute("update lift set firm_id = $2 where id = $1", ids["lift"], city.firms["own"])


async def test_what_is_not_seen_is_not_written(seen: Database, city: City) -> None:
    """A write reaches no foreign row, and no row can be put into another firm's case."""
    foreign = city.ids["foreign"]
    with scope.within(scope.of_firm(city.firms["own"])):
        assert await seen.execute("update unit set version = version + 1 where id = $1", foreign["unit"]) == "UPDATE 0"
        assert await seen.execute("update alarm set version = 9 where id = $1", foreign["alarm"]) == "UPDATE 0"
        with pytest.raises(DENIED):
            await seen.execute("insert into timer (kind, case_id, due_at) values ('x', $1, now())", foreign["case"])


async def test_a_scope_ends_with_its_transaction(seen: Database, city: City) -> None:
    """The next one on the same connection begins with nothing, also after an error, and also when it was widened in between."""
    count = "select count(*) from lift"
    async with seen.acquire() as connection:
        with scope.within(scope.of_firm(city.firms["own"])):
            async with connection.transaction():
                assert await connection.fetchval(count) == 1
                async with scope.widened(connection):
                    assert await connection.fetchval(count) == 3
                assert await connection.fetchval(count) == 1
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with connection.transaction(), scope.widened(connection):
                    await connection.fetchval("select 1 / 0")
        assert await connection.fetchval(count) == 0
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            assert await connection.fetchval(count) == 0


# --- how it comes about ---


async def test_an_owner_who_is_no_superuser(postgres_server: PostgresServer, database_url: str) -> None:
    """A plain owner migrates once the roles are there, works on with forced policies, and applies them twice without a change."""
    root = await connect_url(database_url, name="test", command_timeout_s=60)
    password = urlsplit(database_url).password
    await root.execute(f"create role plain_owner login password '{password}' nosuperuser nocreaterole")
    await root.execute("grant hoistway_ingest to plain_owner")
    url = await postgres_server.empty_database("plain")
    await root.execute(f'alter database "{urlsplit(url).path[1:]}" owner to plain_owner')
    own_url = url.replace("//hoistway:", "//plain_owner:")
    owner = await connect_url(own_url, name="test", command_timeout_s=60)
    api = None
    try:
        await migrate(owner)
        assert await rights.apply(owner)
        await rows.lift(owner)
        assert await owner.fetchval("select count(*) from lift") == 1
        await owner.execute("alter table sample add column later integer")  # as a later migration might
        api = await connect_url(as_part(url, "api"), name="test")
        assert await api.fetchval("select count(*) from lift") == 0
    finally:
        for connection in (owner, api):
            if connection is not None:
                await connection.close()
        await postgres_server.drop_database(url)
        await root.execute("drop owned by plain_owner")
        await root.execute("drop role plain_owner")
        await root.close()


async def test_roles_that_cannot_be_made_are_said(
    postgres_server: PostgresServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain owner on a server without the roles still migrates; it says that every part has the owner's rights."""
    monkeypatch.setattr(rights, "ROLES", (*rights.ROLES, "hoistway_nobody_made"))
    root = await connect_url(database_url, name="test")
    password = urlsplit(database_url).password
    await root.execute(f"create role poor_owner login password '{password}' nosuperuser nocreaterole")
    url = await postgres_server.empty_database("poor")
    await root.execute(f'alter database "{urlsplit(url).path[1:]}" owner to poor_owner')
    owner = await connect_url(url.replace("//hoistway:", "//poor_owner:"), name="test", command_timeout_s=60)
    try:
        await migrate(owner)
        assert not await rights.apply(owner)
        await rows.lift(owner)
        assert not await owner.fetchval("select bool_or(relrowsecurity) from pg_class")
    finally:
        await owner.close()
        await postgres_server.drop_database(url)
        await root.execute("drop role poor_owner")
        await root.close()


async def test_an_owner_who_may_not_change_what_is_ingest_s(postgres_server: PostgresServer, database_url: str) -> None:
    """The roles are there, but nobody gave the owner a share in ingest's: migrated all the same, and said."""
    root = await connect_url(database_url, name="test")
    password = urlsplit(database_url).password
    await root.execute(f"create role lone_owner login password '{password}' nosuperuser nocreaterole")
    url = await postgres_server.empty_database("lone")
    await root.execute(f'alter database "{urlsplit(url).path[1:]}" owner to lone_owner')
    owner = await connect_url(url.replace("//hoistway:", "//lone_owner:"), name="test", command_timeout_s=60)
    try:
        await migrate(owner)
        assert not await rights.apply(owner)
        assert not await owner.fetchval("select bool_or(relrowsecurity) from pg_class")
    finally:
        await owner.close()
        await postgres_server.drop_database(url)
        await root.execute("drop role lone_owner")
        await root.close()


async def test_a_wrong_password_is_no_way_in(database_url: str) -> None:
    """The roles have passwords of their own; without one nobody comes in by their name."""
    where = urlsplit(as_part(database_url, "api"))
    wrong = where._replace(netloc=where.netloc.replace(where.password or "", "wrong")).geturl()
    with pytest.raises(ServiceUnavailable):
        await connect_url(wrong, name="test")
