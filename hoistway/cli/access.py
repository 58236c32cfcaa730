"""People and machine keys from the command line. Secrets are shown once and kept only as hashes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.table import Table

from hoistway.cli.common import fail, out, printable, resolve_database_url
from hoistway.errors import BadInput
from hoistway.limits import PAGE_ROWS
from hoistway.model import Role

_Answer = TypeVar("_Answer")

keys: Final = typer.Typer(no_args_is_help=True)
people: Final = typer.Typer(no_args_is_help=True)
users: Final = typer.Typer(no_args_is_help=True)
COMMAND: Final = "hoistway apikey"
"""Who made or revoked a key that no page did."""

COMMAND_LINE: Final = "the command line"
Database = Annotated[
    str | None, typer.Option("--database-url", help="default: $HOISTWAY_DATABASE_URL, else the running `hoistway up`")
]
Firm = Annotated[str | None, typer.Option(help="the firm's name (role maintainer only)")]
RoleOption = Annotated[Role, typer.Option(help="what it may do")]


def _with_connection(url: str | None, act: Callable[[Any], Awaitable[_Answer]]) -> _Answer:
    from hoistway.store import connect_url

    async def body() -> _Answer:
        connection = await connect_url(resolve_database_url(url), name="hoistway-cli", patience_s=5)
        try:
            return await act(connection)
        finally:
            await connection.close()

    return asyncio.run(body())


def _acting(url: str | None, act: Callable[[Any], Awaitable[_Answer]]) -> _Answer:
    """One act on an account, in one transaction."""

    async def whole(connection: Any) -> _Answer:
        async with connection.transaction():
            return await act(connection)

    return _with_connection(url, whole)


@keys.command("create")
def create_key(name: str, role: RoleOption, firm: Firm = None, database_url: Database = None) -> None:
    """Make an API key and show it once."""
    from api.people import create_api_key

    async def act(connection: Any) -> str:
        async with connection.transaction():
            return await create_api_key(connection, name, role, firm, by=COMMAND)

    typer.echo(_with_connection(database_url, act))


@keys.command("list")
def list_keys(
    firm: Annotated[str | None, typer.Option(help="only this firm's")] = None, database_url: Database = None
) -> None:
    """API keys with who made them and when they were last used; those that work first. Never the key itself."""
    from api.people import EVERY_FIRM, list_api_keys

    rows = _with_connection(database_url, lambda connection: list_api_keys(connection, EVERY_FIRM))
    table = Table("name", "role", "firm", "made", "by", "last used", "revoked", box=None)
    for row in rows:
        if firm is None or row["firm"] == firm:
            times = [f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (row["created_at"], row["last_used_at"])]
            ended = f"{row['revoked_at']:%Y-%m-%d %H:%M}" if row["revoked_at"] else ""
            made, used = times
            table.add_row(row["name"], row["role"], row["firm"] or "", made, row["created_by"] or "", used, ended)
    out.print(table if table.row_count else "no keys")


@keys.command("revoke")
def revoke_key(name: str, firm: Firm = None, database_url: Database = None) -> None:
    """End an API key at once."""
    from api.people import revoke_api_key

    if _with_connection(database_url, lambda connection: revoke_api_key(connection, name, firm=firm, by=COMMAND)):
        typer.echo(f"key {name!r} is revoked")
    else:
        fail(BadInput(f"no key {name!r} is in use", where="name", expected="a name of `hoistway apikey list`"))


@people.command("add")
def add_person(
    name: str,
    role: RoleOption,
    firm: Firm = None,
    *,
    firm_admin: Annotated[bool, typer.Option("--firm-admin", help="looks after the firm's keys")] = False,
    database_url: Database = None,
) -> None:
    """Enrol a person; the password is asked for (leave it empty for login by link only)."""
    from api.people import create_person

    password = typer.prompt("Password", default="", hide_input=True, confirmation_prompt=True, show_default=False)

    async def act(connection: Any) -> int:
        return await create_person(connection, name, role, firm, password or None, firm_admin=firm_admin)

    _with_connection(database_url, act)
    typer.echo(f"{name} may log in as {role}")


@people.command("link")
def login_link(name: str, database_url: Database = None) -> None:
    """A one-time login link for a person."""
    from api.people import create_login_link

    token = _with_connection(database_url, lambda connection: create_login_link(connection, name))
    typer.echo(f"/login/link?token={token}")


# --- accounts ---

By = Annotated[str, typer.Option(help="who does it; kept with the act")]
Districts = Annotated[list[str] | None, typer.Option("--district", help="sees this district only; may be given again")]


def _line(document: Any) -> str:
    firm = document["firm"]["name"] if document["firm"] else ""
    marks = ("2FA" if document["second_factor"] else "", "disabled" if document["disabled_at"] else "")
    words = (document["name"], document["role"], firm, ",".join(document["districts"]), *marks)
    return "\t".join(printable(word) for word in words if word)


@users.command("list")
def list_users(database_url: Database = None) -> None:
    """Everybody who may log in, or might once."""
    from api.accounts.users import page

    async def act(connection: Any) -> list[Any]:
        found: list[Any] = []
        while part := await page(connection, after=found[-1]["id"] if found else 0, limit=PAGE_ROWS):
            found += part
        return found

    for document in _with_connection(database_url, act):
        typer.echo(_line(document))


@users.command("create")
def create_user(
    name: str,
    role: RoleOption,
    firm: Firm = None,
    district: Districts = None,
    by: By = COMMAND_LINE,
    database_url: Database = None,
) -> None:
    """Enrol a person; the password is asked for (leave it empty for login by link only)."""
    from api.accounts.users import create

    password = typer.prompt("Password", default="", hide_input=True, confirmation_prompt=True, show_default=False)
    given: dict[str, Any] = {
        "name": name,
        "role": role,
        "firm": firm,
        "districts": district or (),
        "password": password or None,
    }
    typer.echo(_line(_acting(database_url, lambda connection: create(connection, by, **given))))


@users.command("role")
def change_user(
    name: str,
    role: RoleOption,
    firm: Firm = None,
    district: Districts = None,
    by: By = COMMAND_LINE,
    database_url: Database = None,
) -> None:
    """Another role, firm or districts, all as said; the person's sessions end."""
    from api.accounts import users as accounts
    from api.people import firm_id_of

    async def act(connection: Any) -> Any:
        firm_id = await firm_id_of(connection, role, firm)
        number = await accounts.id_of(connection, name)
        return await accounts.change(connection, by, number, role=role, firm_id=firm_id, districts=district or ())

    typer.echo(_line(_acting(database_url, act)))


@users.command("disable")
def disable_user(name: str, by: By = COMMAND_LINE, database_url: Database = None) -> None:
    """Shut a person out at once."""
    _on_account(name, "disable", by, database_url)


@users.command("enable")
def enable_user(name: str, by: By = COMMAND_LINE, database_url: Database = None) -> None:
    """Let a person in again."""
    _on_account(name, "enable", by, database_url)


@users.command("factor-off")
def take_factor_away(name: str, by: By = COMMAND_LINE, database_url: Database = None) -> None:
    """Take away the second factor of somebody who has lost it."""
    _on_account(name, "factor_off", by, database_url)


@users.command("password")
def set_password(name: str, by: By = COMMAND_LINE, database_url: Database = None) -> None:
    """Another password, which is asked for; the person's sessions end."""
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    _on_account(name, "set_password", by, database_url, password)


def _on_account(name: str, what: str, by: str, url: str | None, *values: str) -> None:
    from api.accounts import users as accounts

    async def act(connection: Any) -> Any:
        return await getattr(accounts, what)(connection, by, await accounts.id_of(connection, name), *values)

    typer.echo(_line(_acting(url, act)))
