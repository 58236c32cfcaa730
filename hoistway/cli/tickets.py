"""Tickets from the command line: the city's limits. Prints; decides nothing."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.table import Table

from hoistway.cli.common import fail, out
from hoistway.cli.dispatch import Url, with_connection
from hoistway.errors import BadInput

app: Final = typer.Typer(no_args_is_help=True)


@app.callback()
def tickets_group() -> None:
    """Faults for the contract firms to mend."""


@app.command("limits")
def ticket_limits(
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=SECONDS]...", help="set these; the rest stays")
    ] = None,
    database_url: Url = None,
) -> None:
    """Show the time limits of this city's tickets, in seconds, or set some. They count from the next step of every ticket."""
    from dispatch.tickets.limits import NAMES, SETTING, TicketLimits, ticket_limits_of

    query = "select value from setting where name = $1"
    setting = with_connection(database_url, lambda connection: connection.fetchval(query, SETTING)) or {}
    if changes:
        for change in changes:
            name, _, value = change.partition("=")
            setting[name] = int(value) if value.isdecimal() else value
        _, troubles = ticket_limits_of(setting)
        if troubles:
            fail(BadInput("; ".join(troubles), where="limits", expected="`hoistway tickets limits` lists them"))
        write = "insert into setting values ($1, $2) on conflict (name) do update set value = excluded.value"
        with_connection(database_url, lambda connection: connection.execute(write, SETTING, setting))
    found, troubles = ticket_limits_of(setting)
    table = Table("limit", "this city", "default", box=None)
    for name in NAMES:
        table.add_row(name, str(getattr(found, name)), str(getattr(TicketLimits(), name)))
    out.print(table)
    for trouble in troubles:
        out.print(f"not used: {trouble}", style="bold red", markup=False)
