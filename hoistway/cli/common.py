"""What several commands need: where the database is, how an error is shown.

Knows settings and the state folder; no command of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console

from hoistway.errors import BadInput, HoistwayError
from hoistway.settings import Settings, default_home

out = Console()
err = Console(stderr=True)

_T = TypeVar("_T")


def resolve_database_url(option: str | None = None, *, home: Path | None = None) -> str:
    """The database's address: the option, else HOISTWAY_DATABASE_URL, else the running embedded one of `home`."""
    if option:
        return option
    settings = Settings()
    if settings.database_url is not None and settings.database_url.get_secret_value():
        return settings.database_url.get_secret_value()
    from hoistway.up.state import database_url

    url = database_url(home or default_home())
    if not url:
        raise BadInput(
            "no database",
            where="--database-url",
            expected="--database-url, HOISTWAY_DATABASE_URL, or a running `hoistway up`",
        )
    return url


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's work; our errors become one line on stderr and exit code 2."""
    try:
        return asyncio.run(work)
    except HoistwayError as error:
        fail(error)


def fail(error: HoistwayError) -> NoReturn:
    """Show what, where and what was expected, and exit with code 2."""
    err.print(f"[bold red]{type(error).__name__}[/]: ", end="")
    err.print(printable(str(error)), markup=False, highlight=False)
    raise typer.Exit(2)


def act(url: str | None, work: Callable[[Any], Awaitable[_T]]) -> _T:
    """Do something on a connection to the database; errors as in `run`."""
    from hoistway.store import connect_url

    async def body() -> _T:
        connection = await connect_url(resolve_database_url(url), name="hoistway-cli", patience_s=5)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return run(body())


def printable(text: str) -> str:
    """What others wrote must not steer the terminal: no control characters, no escapes, nothing that turns the line around."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text)
