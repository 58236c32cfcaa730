"""What each part of the program may do with each table, and whose rows the api sees. One line a table; docs/security.md tells how.

Three roles beside the owner, none of them a superuser and none past row-level security: ingest (with compactor and backtests), dispatch
(with the watcher), api. `apply` makes them, grants, and turns on the policies of `rights.sql`; it is run by whoever migrates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import asyncpg

ROLES: Final = ("hoistway_ingest", "hoistway_dispatch", "hoistway_api")
_WORDS: Final = {"r": "select", "i": "insert", "u": "update", "d": "delete"}


@dataclass(frozen=True, slots=True)
class Rights:
    """`r` read, `i` insert, `u` update, `d` delete, by part; and which rows the api sees."""

    ingest: str
    dispatch: str
    api: str
    rows: str = ""  # the policy of `rights.sql`
    reason: str = ""  # or why there is none; a table that the api may not read needs neither

    def of(self, role: str) -> str:
        given = {"hoistway_ingest": self.ingest, "hoistway_dispatch": self.dispatch, "hoistway_api": self.api}
        return given.get(role, "")


_BEFORE_SCOPE: Final = "read to find out who asks, before there is a scope; never sent to anybody"
_OWN: Final = "read and written by the name of who asks, never sent to anybody else"
_SEEN: Final = "read by the id of a lift, alarm or device that was seen in scope just before"
_CITY: Final = "of the whole city, and no firm's"
_VIEW: Final = "a view with the rights of its reader"
_ROUTES: Final = "rows of firms and of the desk side by side; the routes hold them apart by the firm of who asks"
_PART: Final = "the program's own state, no firm's"

TABLES: Final[Mapping[str, Rights]] = {
    # the register
    "firm": Rights("r", "r", "r", "firm"),
    "lift": Rights("r", "r", "r", "lift"),
    "device": Rights("r", "r", "r", "device"),
    "gateway_lift": Rights("r", "r", "r", "of_lift"),
    "device_key": Rights("r", "", ""),
    "device_act": Rights("", "", ""),
    "device_crl": Rights("", "", ""),
    # telemetry
    "ingest_batch": Rights("riud", "", "r", reason=_PART),
    "floor_label": Rights("ri", "r", "r", reason="displayed floors by number; says nothing of whose"),
    "sample": Rights("", "", "r", reason=_SEEN),  # these three are ingest's own: it makes and drops their partitions
    "sample_block": Rights("", "", "r", reason=_SEEN),
    "sample_chunk": Rights("", "", "r", reason=_SEEN),
    "sample_hour": Rights("riud", "", "r", reason=_PART),
    "compaction": Rights("riud", "", "r", reason=_PART),
    "event": Rights("riud", "", "r", reason=_SEEN),
    "link": Rights("riu", "", "r", reason=_SEEN),
    "contact": Rights("riud", "", "r", reason=_SEEN),
    "gap": Rights("riud", "", ""),
    "backfill": Rights("riud", "", ""),
    "quarantine": Rights("riud", "", "ru", "city"),
    "field_fault": Rights("riu", "", ""),
    "device_counter": Rights("riu", "", ""),
    "checkpoint": Rights("riud", "", ""),
    "lease": Rights("riu", "", ""),
    "overload": Rights("riud", "", "r", reason=_PART),
    "security_event": Rights("riud", "", "r", "city"),
    # rules
    "rule_version": Rights("riu", "r", "riu", reason=_CITY),
    "rule_set": Rights("riu", "", "riu", reason=_CITY),
    "rule_set_rule": Rights("ri", "", "ri", reason=_CITY),
    "shadow_transition": Rights("rid", "", "r", "of_lift"),
    "backtest_job": Rights("ru", "", "ri", "city"),
    # alarms
    "alarm": Rights("riu", "ru", "ru", "of_lift"),
    "alarm_event": Rights("ri", "ri", "ri", "of_alarm"),
    "alarm_flood": Rights("", "riu", "r", "city"),
    "area_incident": Rights("", "riu", "r", "incident"),
    "area_incident_lift": Rights("", "ri", "r", "of_lift"),
    "out_of_service": Rights("r", "ru", "riu", "of_lift"),
    "annunciation": Rights("", "r", "r", reason=_VIEW),
    # rescue
    "rescue_case": Rights("riu", "riu", "riu", "rescue_case"),
    "case_event": Rights("ri", "ri", "ri", "of_case"),
    "case_head": Rights("riu", "riu", "riu", "of_case"),
    "case_step": Rights("", "riu", "riu", "of_case"),
    "dispatch_order": Rights("r", "riu", "riu", "dispatch_order"),
    "order_document": Rights("", "r", "r", reason=_VIEW),
    "timer": Rights("riu", "riu", "riu", "of_case"),
    "outbox": Rights("ri", "riud", "riu", reason=_ROUTES),
    "unit": Rights("", "r", "ru", "unit"),
    "unit_contact": Rights("", "r", "r", "of_unit"),
    "unit_shift": Rights("", "r", "r", "of_unit"),
    "duty": Rights("", "riu", ""),
    "seal": Rights("", "ri", ""),
    "seal_head": Rights("", "ri", ""),
    # intake
    "complaint": Rights("", "riu", "riu", "desk"),
    "complaint_event": Rights("", "ri", "ri", "desk"),
    "complaint_timer": Rights("", "riu", "riu", "desk"),
    "call": Rights("", "riu", "riu", "desk"),
    "caller": Rights("", "riud", "riud", "desk"),
    "caller_look": Rights("", "r", "ri", "desk"),
    # tickets
    "ticket": Rights("riu", "riu", "riu", "ticket"),
    "ticket_alarm": Rights("riu", "riu", "riu", "of_ticket"),
    "ticket_visit": Rights("", "riu", "riu", "of_ticket"),
    "ticket_photo": Rights("", "riud", "riud", "of_ticket"),
    "ticket_event": Rights("ri", "ri", "ri", "of_ticket"),
    "ticket_timer": Rights("riud", "riud", "riud", "of_ticket"),
    "maintenance_order": Rights("ru", "riu", "riu", "ticket"),
    "shielded_fault": Rights("riu", "riu", "riu", "of_alarm"),
    "ticket_document": Rights("", "r", "r", reason=_VIEW),
    # firms
    "order_report": Rights("", "r", "riu", "of_order"),
    "lift_access": Rights("", "r", "riu", "of_lift"),
    "firm_order": Rights("", "", "r", reason=_VIEW),
    "firm_line": Rights("", "", "r", reason=_VIEW),
    # notifications
    "drill": Rights("", "riu", "riu", "city"),
    "notify_contact": Rights("", "riud", "riud", reason=_ROUTES),
    "notify_preference": Rights("", "riud", "riud", reason=_ROUTES),
    "webhook_endpoint": Rights("", "riud", "riud", reason=_ROUTES),
    "delivery": Rights("", "riud", "riud", reason=_ROUTES),
    "contact_reach": Rights("", "riud", "riud", reason=_ROUTES),
    "unreachable_contact": Rights("", "r", "r", reason=_VIEW),
    "notify_link": Rights("", "riud", "riud", reason="read by a token, before anybody is known"),
    "device_command": Rights("ru", "riu", "ri", reason="what a lift's voice is to say; read by the id of a case that was seen"),
    # the city's platform
    "city_link": Rights("", "riu", "riu", reason=_CITY),
    "city_record": Rights("", "riud", "riud", "desk"),
    "city_answer": Rights("", "ri", "ri", "desk"),
    "city_reconciliation": Rights("", "riu", "riu", "desk"),
    "city_difference": Rights("", "ri", "ri", "desk"),
    # people
    "person": Rights("", "", "riu", reason=_BEFORE_SCOPE),
    "session": Rights("", "", "riud", reason=_BEFORE_SCOPE),
    "api_key": Rights("", "", "riu", reason=_BEFORE_SCOPE),
    "login_link": Rights("", "", "riud", reason=_BEFORE_SCOPE),
    "login_failure": Rights("", "", "rid", reason=_BEFORE_SCOPE),
    "login_step": Rights("", "", "riud", reason=_BEFORE_SCOPE),
    "recovery_code": Rights("", "", "riud", reason=_BEFORE_SCOPE),
    "person_act": Rights("", "", "ri", reason="accounts, for those who look after them; the routes let nobody else in"),
    "desk_shift": Rights("", "r", "riud", reason="names of the desk's people and their hours; the routes let the desk in"),
    "handover": Rights("", "", "ri", "handover"),
    "idempotency": Rights("", "", "riud", reason=_OWN),
    # the platform
    "change": Rights("i", "i", "rid", reason="ids only; the shared reader of the live stream tells its readers apart itself"),
    "setting": Rights("r", "r", "riu", reason=_CITY),
    "heartbeat": Rights("riu", "riu", "riu", reason=_PART),
    "schema_migration": Rights("r", "r", "r", reason=_PART),
}  # fmt: skip
_COLUMNS: Final = (
    (
        "lift",
        "updated_at",
        ("hoistway_dispatch", "hoistway_api"),
    ),  # to lock a lift while something of it is written, no more
    ("firm", "phone", ("hoistway_api",)),
)
"""Single columns that may be updated: table, column, roles."""
_OWNED_BY_INGEST: Final = ("sample", "sample_block", "sample_chunk")


async def apply(connection: asyncpg.Connection) -> bool:
    """Make the roles and give them their rights, if that has changed. Inside the lock of the migrations.

    False when a role is missing, or this account is not a member of ingest's, and it may not change that: then nothing is granted, and
    every part needs the owner's account.
    """
    statements = [*await _role_statements(connection), *_grants(), *await _leaves(connection), _policies()]
    fingerprint = hashlib.sha256("\n".join(map(str, statements)).encode()).hexdigest()
    if not await _may_make_roles(connection) and (await _missing(connection) or not await _is_member(connection)):
        return False
    known = "select value #>> '{}' from setting where name = 'rights'"
    if not await _missing(connection) and await connection.fetchval(known) == fingerprint:
        return True
    async with connection.transaction():
        for statement in statements:
            await connection.execute(statement)
        await connection.execute(
            "insert into setting (name, value) values ('rights', to_jsonb($1::text))"
            " on conflict (name) do update set value = excluded.value",
            fingerprint,
        )
    return True


async def let_in(connection: asyncpg.Connection, passwords: Mapping[str, str]) -> None:
    """Let roles log in, each with its password."""
    for role, password in passwords.items():
        await connection.execute(
            await connection.fetchval(
                "select format('alter role %I with login password %L', $1::text, $2::text)", role, password
            )
        )


async def _missing(connection: asyncpg.Connection) -> bool:
    found: int = await connection.fetchval("select count(*) from pg_roles where rolname = any($1::text[])", ROLES)
    return found < len(ROLES)


async def _may_make_roles(connection: asyncpg.Connection) -> bool:
    may: bool = await connection.fetchval("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")
    return may


async def _is_member(connection: asyncpg.Connection) -> bool:
    """Whether the owner may change what belongs to ingest."""
    member: bool = await connection.fetchval("select pg_has_role(current_user, 'hoistway_ingest', 'member')")
    return member


async def _role_statements(connection: asyncpg.Connection) -> list[str]:
    """Roles are of the whole server: another database of it may have made them, or be making them now."""
    owner = await connection.fetchval("select quote_ident(current_user)")
    database = await connection.fetchval("select quote_ident(current_database())")
    made = [
        f"do $$ begin create role {role} nosuperuser nocreatedb nocreaterole nobypassrls;"
        " exception when duplicate_object or unique_violation or insufficient_privilege then null; end $$"
        for role in ROLES
    ]
    given = [f"grant connect on database {database} to {role}" for role in ROLES]
    own = f"do $$ begin grant hoistway_ingest to {owner}; exception when insufficient_privilege then null; end $$"
    return [*made, *given, own]


def _grants() -> list[str]:
    everyone = ", ".join(ROLES)
    said = [
        "revoke all on schema public from public",
        f"grant usage on schema public to {everyone}",
        "grant create on schema public to hoistway_ingest",
        f"grant usage, select on all sequences in schema public to {everyone}",
    ]
    for table, rights in TABLES.items():
        for role in ROLES:
            if table in _OWNED_BY_INGEST and role == "hoistway_ingest":
                continue
            said.append(f"revoke all on {table} from {role}")
            if words := ", ".join(_WORDS[letter] for letter in rights.of(role)):
                said.append(f"grant {words} on {table} to {role}")
    said += [f"grant update ({column}) on {table} to {', '.join(roles)}" for table, column, roles in _COLUMNS]
    return said


async def _leaves(connection: asyncpg.Connection) -> list[str]:
    """The partitioned tables of samples go to ingest, which makes, empties and drops their partitions; those that it has not yet."""
    rows = await connection.fetch(
        "select relid::regclass::text as name from unnest($1::regclass[]) as root, pg_partition_tree(root)"
        " join pg_class on oid = relid where relowner not in (select oid from pg_roles where rolname = 'hoistway_ingest')"
        " order by 1",
        _OWNED_BY_INGEST,
    )
    return [f"alter table {row['name']} owner to hoistway_ingest" for row in rows]


def _policies() -> str:
    """`rights.sql` with the table of who has which policy."""
    text = files("hoistway.store").joinpath("rights.sql").read_text("utf-8")
    wanted = ", ".join(f"('{table}', '{rights.rows}')" for table, rights in TABLES.items() if rights.rows)
    return text.replace("/* tables */", wanted)
