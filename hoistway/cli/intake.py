"""The limits of intake from the command line: complaints, and how long callers are kept. Prints; decides nothing."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.table import Table

from hoistway.cli.common import fail, out
from hoistway.cli.dispatch import Url, with_connection
from hoistway.errors import BadInput

app: Final = typer.Typer(no_args_is_help=True)


@app.command("show")
def show_limits(database_url: Url = None) -> None:
    """The limits of this city's complaints, in seconds, and the days for which a caller's name and number are kept."""
    from dispatch.intake.book import SQL
    from dispatch.intake.limits import NAMES, IntakeLimits, intake_limits_of

    found, troubles = intake_limits_of(with_connection(database_url, lambda it: it.fetchval(SQL["limits"])))
    table = Table("limit", "this city", "default", box=None)
    for name in NAMES:
        table.add_row(name, str(getattr(found, name)), str(getattr(IntakeLimits(), name)))
    out.print(table)
    for trouble in troubles:
        out.print(f"not used: {trouble}", style="bold red", markup=False)


@app.command("set")
def set_limits(
    changes: Annotated[list[str] | None, typer.Argument(metavar="[NAME=NUMBER]...", help="what differs")] = None,
    database_url: Url = None,
) -> None:
    """Set what differs from the defaults; without anything the defaults hold again."""
    from dispatch.intake.limits import SETTING, intake_limits_of

    setting: dict[str, object] = {}
    for change in changes or ():
        name, _, value = change.partition("=")
        setting[name] = int(value) if value.isdecimal() else value
    _, troubles = intake_limits_of(setting)
    if troubles:
        fail(BadInput("; ".join(troubles), where="intake", expected="`hoistway intake show` lists them"))
    query = "insert into setting values ($1, $2) on conflict (name) do update set value = excluded.value"
    with_connection(database_url, lambda it: it.execute(query, SETTING, setting))
    out.print(f"intake: {setting}", markup=False)
