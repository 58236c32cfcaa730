"""People and machine keys from the command line. Secrets are shown once and kept only as hashes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.table import Table

from hoistway.cli.common import fail, out, resolve_database_url
from hoistway.errors import BadInput
from hoistway.model import Role

_Answer = TypeVar("_Answer")

keys: Final = typer.Typer(no_args_is_help=True)
people: Final = typer.Typer(no_args_is_help=True)
COMMAND: Final = "hoistway apikey"
"""Who made or revoked a key that no page did."""

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
