"""The city link from the command line: set it, see how it stands, push, export a day, compare it with theirs. Prints; decides nothing."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.table import Table

from hoistway.cli.common import fail, out, printable, resolve_database_url, run
from hoistway.errors import BadInput, HoistwayError
from hoistway.limits import CITY_DIFFERENCES
from hoistway.settings import Settings

app: Final = typer.Typer(no_args_is_help=True)

Url = Annotated[
    str | None, typer.Option("--database-url", help="default: $HOISTWAY_DATABASE_URL, else the running `hoistway up`")
]
FormName = Annotated[str, typer.Argument(metavar="FORM", help="shanghai or province")]
Day = Annotated[str, typer.Argument(metavar="DAY", help="yyyy-mm-dd, a day of the platform's zone")]
_Answer = TypeVar("_Answer")


class FileForm(StrEnum):
    """How a list is written."""

    CSV = "csv"
    JSON = "json"


def _with_database(url: str | None, act: Callable[[Any], Awaitable[_Answer]]) -> _Answer:
    from hoistway.store import Database

    async def body() -> _Answer:
        database = Database(resolve_database_url(url), name="hoistway-cli", most=2, command_timeout_s=600)
        await database.open(patience_s=5)
        try:
            return await act(database)
        finally:
            await database.close()

    return run(body())


@app.command("set")
def set_link(
    form: FormName,
    address: Annotated[str, typer.Option(help="where records are sent: https://...")],
    supplier: Annotated[str, typer.Option(help="our code at the platform, 1 to 20 letters and digits")],
    token_address: Annotated[str | None, typer.Option(help="where a token is fetched (OAuth 2.0)")] = None,
    client: Annotated[str | None, typer.Option(help="our client id there")] = None,
    database_url: Url = None,
) -> None:
    """Turn a link on, or change it. What is open at this moment is told first. The secret is a file named as the form."""
    from dispatch.citylink.form import shipped_form
    from dispatch.citylink.platform import check_address
    from dispatch.citylink.queue import set_link

    try:
        found = shipped_form(form)
        check_address(address, "--address")
        if (token_address is None) != (client is None):
            raise BadInput("one of two", where="--token-address, --client", expected="both or none")
        if token_address is not None:
            check_address(token_address, "--token-address")
        if not (supplier.isascii() and supplier.isalnum() and len(supplier) <= 20):
            raise BadInput(f"{supplier!r}", where="--supplier", expected="1 to 20 letters and digits")
    except HoistwayError as error:
        fail(error)

    async def act(database: Any) -> None:
        async with database.acquire() as connection:
            await set_link(
                connection, found, address=address, supplier=supplier, token_address=token_address, client=client,
                now=datetime.now(UTC),
            )  # fmt: skip

    _with_database(database_url, act)
    out.print(f"{form}: on. Its secret is read from {Settings().city_link_path / form}", soft_wrap=True, markup=False)


@app.command("off")
def off(form: FormName, database_url: Url = None) -> None:
    """Turn a link off: nothing more is noted or sent. What waits stays, and goes when the link is set again."""
    from dispatch.citylink.queue import end_link

    async def act(database: Any) -> bool:
        async with database.acquire() as connection:
            return await end_link(connection, form, datetime.now(UTC))

    ended = _with_database(database_url, act)
    out.print(f"{form}: {'off' if ended else 'was not on'}", markup=False)
    raise typer.Exit(0 if ended else 1)


@app.command("status")
def status(database_url: Url = None) -> None:
    """How each platform stands, and what is to be mended. Exit code 1 when something is late, refused or incomplete."""
    from dispatch.citylink import reading
    from dispatch.citylink.words import is_late, missing

    day = timedelta(days=1)

    async def act(database: Any) -> tuple[Any, Any, Any]:
        counts = {row["form"]: row for row in await reading.open_counts(database)}
        links = await reading.standing(database, datetime.now(UTC) - day)
        return links, counts, await reading.records(database, states=["refused", "incomplete"], limit=50)

    links, counts, records = _with_database(database_url, act)
    if not links:
        out.print("no platform is set: hoistway citylink set")
        return
    table = Table(
        "form", "", "waiting", "oldest", "held", "refused", "incomplete", "accepted 24 h", "trouble", box=None
    )
    wrong = False
    for link in links:
        found = counts[link["form"]]
        on = link["ended_at"] is None
        late = on and is_late(found["oldest_at"], found["looked_at"])
        wrong |= on and (late or found["refused"] + found["incomplete"] > 0)
        age = f"{(found['looked_at'] - found['oldest_at']).total_seconds():.0f} s" if found["oldest_at"] else ""
        word = "LATE" if late else "on" if on else "off"
        figures = (found["waiting"], age, found["held"], found["refused"], found["incomplete"], link["accepted"])
        table.add_row(link["form"], word, *(str(figure) for figure in figures), printable(link["trouble"] or ""))
    out.print(table)
    for row in records:
        reason = row["reason"] if row["state"] != "incomplete" else missing(row["form"], row["reason"], "en")
        what = f"case {row['case_id']}" if row["case_id"] else f"alarm {row['alarm_id']}"
        line = f"record {row['id']}: {row['form']}, {what}, {row['step']}: {row['state']}: {reason}"
        out.print(printable(line), markup=False, soft_wrap=True)
    raise typer.Exit(1 if wrong else 0)


@app.command("push")
def push(
    form: FormName,
    again: Annotated[
        str | None, typer.Option(help="also what was refused or incomplete: a record's number, or all")
    ] = None,
    database_url: Url = None,
) -> None:
    """Try at once what waits. The running dispatch does it; where none runs, this command sends until nothing is due."""
    if again is not None and again != "all" and not again.isdecimal():
        fail(BadInput(f"{again!r}", where="--again", expected="the number of a record, or all"))

    async def act(database: Any) -> None:
        from dispatch.citylink.queue import send_again, try_at_once

        now = datetime.now(UTC)
        if again is not None:
            number = None if again == "all" else int(again)
            async with database.acquire() as connection, connection.transaction():
                ids = await send_again(connection, form, number, person=getpass.getuser(), now=now)
            out.print(f"waiting again: {len(ids)}")
        await try_at_once(database, form)
        await _send_here(database)

    _with_database(database_url, act)


async def _send_here(database: Any) -> None:
    from functools import partial

    from dispatch.citylink.platform import Platform
    from dispatch.citylink.sender import DUTY, TERM_S, Sender
    from dispatch.duty import Duty

    duty = Duty(database, DUTY, term_s=TERM_S)
    if not await duty.take():
        out.print("dispatch sends: hoistway citylink status shows what became of it")
        return
    sender = Sender(database, duty, partial(Platform, secrets=Settings().city_link_path))
    try:
        while (done := await sender.round(datetime.now(UTC))).settled or done.put_off:
            out.print(
                f"accepted {done.accepted}, refused {done.refused}, incomplete {done.incomplete},"
                f" not told {done.left_out}, no answer {done.put_off}"
            )
            if done.put_off:
                break
    finally:
        sender.close()
        await duty.give_up()


@app.command("export")
def export(
    form: FormName,
    day: Day,
    file_form: Annotated[FileForm, typer.Option("--as", help="csv or json")] = FileForm.CSV,
    database_url: Url = None,
) -> None:
    """Our list of a day on stdout, in the platform's columns, for their side of the reconciliation."""
    from dispatch.citylink.form import shipped_form
    from dispatch.citylink.lists import write_csv, write_json
    from dispatch.citylink.reconcile import our_list

    try:
        found, when = shipped_form(form), _day(day)
    except HoistwayError as error:
        fail(error)
    ours = _with_database(database_url, lambda database: our_list(database, found, when))
    write = write_csv if file_form is FileForm.CSV else write_json
    typer.echo(write(found, ours.of_day), nl=False)


@app.command("reconcile")
def reconcile(
    form: FormName,
    day: Day,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="their list, CSV or JSON")],
    database_url: Url = None,
) -> None:
    """Compare our list of a day with theirs; the result is kept and stands on /city-link. Exit code 1 when they differ."""
    from dispatch.citylink import reconcile as daily
    from dispatch.citylink.form import shipped_form
    from dispatch.citylink.lists import read_list

    try:
        found, when = shipped_form(form), _day(day)
        theirs = read_list(found, when, _text(file))
    except HoistwayError as error:
        fail(error)

    async def act(database: Any) -> tuple[int, Any]:
        return await daily.reconcile(
            database, found, when, theirs, source=file.name, person=getpass.getuser(), now=datetime.now(UTC)
        )

    number, result = _with_database(database_url, act)
    out.print(f"reconciliation {number}: {result.agreed} agree, {len(result.differences)} differ")
    for one in result.differences[:CITY_DIFFERENCES]:
        sides = "; ".join(
            f"{side} {datetime.fromtimestamp(entry.at_s, UTC):%Y-%m-%dT%H:%M:%SZ} {entry.code} {entry.id}"
            for side, entry in (("ours", one.ours), ("theirs", one.theirs))
            if entry
        )
        lift = (one.ours or one.theirs).lift
        out.print(printable(f"{', '.join(one.reasons)}: lift {lift}: {sides}"), markup=False, soft_wrap=True)
    raise typer.Exit(1 if result.differences else 0)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r}", where="DAY", expected="yyyy-mm-dd") from None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(type(error).__name__, where=str(file), expected="a text file in UTF-8") from None
