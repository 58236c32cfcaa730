"""Dispatch from the command line: the check of the log, what is late, the city's limits, units and shifts. Prints; decides nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.table import Table

from hoistway.cli.common import fail, out, resolve_database_url, run
from hoistway.errors import BadInput, HoistwayError
from hoistway.settings import Settings

audit: Final = typer.Typer(no_args_is_help=True)
limits: Final = typer.Typer(no_args_is_help=True)
units: Final = typer.Typer(no_args_is_help=True)

Url = Annotated[
    str | None, typer.Option("--database-url", help="default: $HOISTWAY_DATABASE_URL, else the running `hoistway up`")
]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
_Answer = TypeVar("_Answer")


def with_connection(url: str | None, act: Callable[[Any], Awaitable[_Answer]]) -> _Answer:
    """What `act` answers on a connection of its own; a database that cannot be found ends the command."""
    from hoistway.store import connect_url

    try:
        address = resolve_database_url(url)
    except HoistwayError as error:
        fail(error)

    async def body() -> _Answer:
        connection = await connect_url(address, name="hoistway-cli", patience_s=5, command_timeout_s=600)
        try:
            return await act(connection)
        finally:
            await connection.close()

    return run(body())


@audit.command("verify")
def verify_log(
    anchor: Annotated[Path | None, typer.Option(help="the anchor file; default: the one dispatch writes")] = None,
    database_url: Url = None,
) -> None:
    """Follow the log of every case and compare it with the seals. Exit code 0: intact; 1: something was changed or is missing."""
    from dispatch.sealer import verify

    path = anchor or Settings().anchor_path
    verdict = with_connection(database_url, lambda connection: verify(connection, path))
    out.print(f"{verdict.lines} lines of {verdict.cases} cases, {verdict.seals} seals, anchor {path}", soft_wrap=True)
    out.print(f"unsealed yet: {verdict.unsealed} lines; not in the anchor file yet: {verdict.unanchored} seals")
    for trouble in verdict.wrong:
        out.print(trouble, style="bold red", markup=False, soft_wrap=True)
    out.print("intact" if verdict.intact else f"NOT INTACT: {len(verdict.wrong)} findings")
    raise typer.Exit(0 if verdict.intact else 1)


@audit.command("overdue")
def list_overdue(database_url: Url = None) -> None:
    """Every step that is late now, and who owns it."""
    from dispatch.firing import SQL
    from dispatch.tickets.rounds import overdue_tickets

    now = datetime.now(UTC)

    async def read(connection: Any) -> tuple[Any, Any]:
        return await connection.fetch(SQL["overdue"], now), await overdue_tickets(connection, now)

    cases, tickets = with_connection(database_url, read)
    table = Table("case or ticket", "order", "step", "owner", "late", box=None)
    for row in cases:
        table.add_row(str(row["case_id"]), str(row["order_id"] or ""), row["kind"], row["owner"], _late(row, now))
    for row in tickets:
        table.add_row(row["number"], "", row["kind"], row["owner"], _late(row, now))
    out.print(table if table.rows else "nothing is overdue")


def _late(row: Any, now: datetime) -> str:
    return f"{(now - row['due_at']).total_seconds():.0f} s"


@limits.command("show")
def show_limits(database_url: Url = None) -> None:
    """The time limits of this city's rescues, in seconds."""
    from dispatch.book import SQL
    from dispatch.limits import NAMES, PRESETS, limits_of

    setting = with_connection(database_url, lambda connection: connection.fetchval(SQL["limits"])) or {}
    found, troubles = limits_of(setting)
    table = Table("limit", "this city", *PRESETS, box=None)
    for name in NAMES:
        table.add_row(name, str(getattr(found, name)), *(str(getattr(preset, name)) for preset in PRESETS.values()))
    out.print(table)
    for trouble in troubles:
        out.print(f"not used: {trouble}", style="bold red", markup=False)


@limits.command("set")
def set_limits(
    preset: Annotated[str, typer.Argument(help="national, hangzhou-2011 or hangzhou-2024")],
    changes: Annotated[list[str] | None, typer.Argument(metavar="[NAME=SECONDS]...", help="what differs")] = None,
    database_url: Url = None,
) -> None:
    """Set the limits: a preset and what differs from it. They count from the next step of every case."""
    from dispatch.limits import SETTING, limits_of

    setting: dict[str, object] = {"preset": preset}
    for change in changes or ():
        name, _, value = change.partition("=")
        setting[name] = int(value) if value.isdecimal() else value
    _, troubles = limits_of(setting)
    if troubles:
        fail(BadInput("; ".join(troubles), where="limits", expected="`hoistway limits show` lists them"))
    query = "insert into setting values ($1, $2) on conflict (name) do update set value = excluded.value"
    with_connection(database_url, lambda connection: connection.execute(query, SETTING, setting))
    out.print(f"limits: {setting}", markup=False)


@units.command("import")
def import_unit_file(file: File, database_url: Url = None) -> None:
    """Teams and stations from CSV: name, kind, firm, phone, lon, lat, lift_kinds, crews, round_the_clock, contacts, exercise."""
    from dispatch.unit_file import import_units

    _report(with_connection(database_url, lambda connection: import_units(connection, file.read_text("utf-8"))))


@units.command("shifts")
def import_shift_file(file: File, database_url: Url = None) -> None:
    """When units are on call, from CSV: unit, since, until, person."""
    from dispatch.unit_file import import_shifts

    _report(with_connection(database_url, lambda connection: import_shifts(connection, file.read_text("utf-8"))))


def _report(report: Any) -> None:
    out.print(f"written: {report.written}; refused: {len(report.troubles)}")
    for trouble in report.troubles:
        out.print(trouble, markup=False, soft_wrap=True)
    raise typer.Exit(1 if report.troubles else 0)
