"""People and machine keys from the command line. Secrets are shown once and kept only as hashes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import typer

from hoistway.cli.common import resolve_database_url
from hoistway.model import Role

_Answer = TypeVar("_Answer")

keys: Final = typer.Typer(no_args_is_help=True)
people: Final = typer.Typer(no_args_is_help=True)

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

    typer.echo(_with_connection(database_url, lambda connection: create_api_key(connection, name, role, firm)))


@keys.command("revoke")
def revoke_key(name: str, database_url: Database = None) -> None:
    """End an API key."""
    from api.people import revoke_api_key

    _with_connection(database_url, lambda connection: revoke_api_key(connection, name))
    typer.echo(f"key {name!r} is revoked")


@people.command("add")
def add_person(name: str, role: RoleOption, firm: Firm = None, database_url: Database = None) -> None:
    """Enrol a person; the password is asked for (leave it empty for login by link only)."""
    from api.people import create_person

    password = typer.prompt("Password", default="", hide_input=True, confirmation_prompt=True, show_default=False)
    _with_connection(database_url, lambda connection: create_person(connection, name, role, firm, password or None))
    typer.echo(f"{name} may log in as {role}")


@people.command("link")
def login_link(name: str, database_url: Database = None) -> None:
    """A one-time login link for a person."""
    from api.people import create_login_link

    token = _with_connection(database_url, lambda connection: create_login_link(connection, name))
    typer.echo(f"/login/link?token={token}")
