"""`hoistway quarantine` and `hoistway ledger`: what could not be used, and the books of one device. Reads options, asks and prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from hoistway.cli.common import err, fail, out, printable, run
from hoistway.cli.lifts import DatabaseUrl, resolve_or_fail
from hoistway.errors import BadInput
from hoistway.ledger import quarantine
from hoistway.ledger.quarantine import Wanted
from hoistway.ledger.streams import Ledger
from hoistway.ledger.streams import ledger as read_ledger
from hoistway.limits import PAGE_ROWS
from hoistway.settings import Settings
from hoistway.store import connect_url
from hoistway.wire import REASONS

app: Final = typer.Typer(no_args_is_help=True)

_T = TypeVar("_T")
REPLAY_MOST: Final = 5_000
EXPORT_MOST: Final = 1_000_000
SHOWN_BYTES: Final = 4_096

Device = Annotated[str | None, typer.Option("--device", help="only of this device")]
Reason = Annotated[str | None, typer.Option("--reason", help="only of this reason (docs/mqtt.md, 7)")]
Topic = Annotated[str | None, typer.Option("--topic", help="only of these topics: exact, or a filter with + and #")]
Since = Annotated[
    str | None, typer.Option("--from", help="received at or after: 2026-11-25 or 2026-11-25T08:00[+08:00]")
]
Until = Annotated[str | None, typer.Option("--to", help="received before")]
Waiting = Annotated[bool, typer.Option("--waiting", help="only what was not taken in since")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=PAGE_ROWS, help="rows of a page")]
After = Annotated[int | None, typer.Option("--after", help="go on after this number, to older ones")]


@app.command("list")
def list_command(
    device: Device = None, reason: Reason = None, topic: Topic = None, since: Since = None, until: Until = None,
    waiting: Waiting = False, limit: Limit = 50, after: After = None, database_url: DatabaseUrl = None,
) -> None:  # fmt: skip
    """List messages that could not be used, newest first."""
    wanted = _wanted(device, reason, topic, since, until, waiting=waiting)
    _print_page(_with(database_url, lambda c: quarantine.page(c, wanted, after=after, limit=limit)), limit)


@app.command("search")
def search_command(
    text: Annotated[str, typer.Argument(help="must stand in the payload or in the detail, letter by letter")],
    device: Device = None, reason: Reason = None, topic: Topic = None, since: Since = None, until: Until = None,
    waiting: Waiting = False, limit: Limit = 50, after: After = None, database_url: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Search payloads and details for TEXT, newest first."""
    wanted = _wanted(device, reason, topic, since, until, waiting=waiting)
    _print_page(_with(database_url, lambda c: quarantine.page(c, wanted, text=text, after=after, limit=limit)), limit)


@app.command("reasons")
def reasons_command(
    device: Device = None, reason: Reason = None, topic: Topic = None, since: Since = None, until: Until = None,
    waiting: Waiting = False, database_url: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Count messages by reason."""
    wanted = _wanted(device, reason, topic, since, until, waiting=waiting)
    _print_reasons(_with(database_url, lambda c: quarantine.reasons(c, wanted)))


@app.command("show")
def show_command(
    message_id: Annotated[int, typer.Argument(metavar="ID")],
    raw: Annotated[bool, typer.Option("--raw", help="only the bytes, to standard output")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Show one message with what is kept of its bytes."""

    async def work(connection: Any) -> tuple[Any, bytes] | None:
        rows = await quarantine.by_id(connection, [message_id])
        return (rows[0], (await quarantine.payloads(connection, [message_id]))[message_id]) if rows else None

    found = _with(database_url, work)
    if found is None:
        fail(BadInput(f"no message {message_id}", where="ID", expected="a number of `hoistway quarantine list`"))
    row, payload = found
    if raw:
        sys.stdout.buffer.write(payload)
        return
    table = Table(show_header=False, title=f"message {message_id}: {REASONS.get(row['reason'], row['reason'])}")
    for name, value in row.items():
        if value is not None:
            table.add_row(name, Text(_word(value)))
    out.print(table)
    out.print(_payload(payload), markup=False, highlight=False, soft_wrap=True)


@app.command("replay")
def replay_command(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="these messages; else what the options choose")] = None,
    device: Device = None, reason: Reason = None, topic: Topic = None, since: Since = None, until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=REPLAY_MOST, help="at most so many")] = PAGE_ROWS,
    wait: Annotated[float, typer.Option("--wait", min=0.0, max=3_600.0, help="seconds to wait for the ingest")] = 60.0,
    database_url: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Take messages in again after a fix and say what became of each. Exit code 1 when one was refused again or still waits.

    Safe to repeat: what was accepted is not taken in twice, and of a message only the records that the store does not hold are stored.
    """
    wanted = _wanted(device, reason, topic, since, until, waiting=True)
    if not ids and wanted.everything:
        fail(
            BadInput(
                "nothing chosen",
                where="quarantine replay",
                expected="numbers, or --device, --reason, --topic, --from, --to",
            )
        )

    if ids and len(ids) > REPLAY_MOST:
        fail(BadInput(f"{len(ids)} numbers", where="quarantine replay", expected=f"at most {REPLAY_MOST}"))

    async def work(connection: Any) -> list[tuple[int, str]]:
        chosen = list(ids) if ids else await _choose(connection, wanted, limit)
        return await quarantine.replay(connection, chosen, wait_s=wait)

    found = _with(database_url, work)
    table = Table("number", "what became of it")
    for number, result in found:
        table.add_row(str(number), Text(printable(result)))
    out.print(table)
    if not all(result.startswith((quarantine.ACCEPTED, "nothing to do")) for _, result in found):
        raise typer.Exit(1)


@app.command("export")
def export_command(
    file: Annotated[Path | None, typer.Argument(help="write here; else to standard output")] = None,
    device: Device = None, reason: Reason = None, topic: Topic = None, since: Since = None, until: Until = None,
    waiting: Waiting = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=EXPORT_MOST, help="at most so many rows")] = 10_000,
    database_url: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Write messages as JSON lines, newest first, the bytes in base 64 and as text where they are UTF-8."""
    wanted = _wanted(device, reason, topic, since, until, waiting=waiting)

    with file.open("w", encoding="utf-8") if file else nullcontext(sys.stdout) as target:

        async def work(connection: Any) -> int:
            count = 0
            async for document in quarantine.export(connection, wanted, limit=limit):
                target.write(json.dumps(document, ensure_ascii=False) + "\n")
                count += 1
            return count

        count = _with(database_url, work)
    err.print(f"{count} rows" + (f"; --limit {limit} was reached, there may be more" if count == limit else ""))


def ledger(
    device: Annotated[str, typer.Option("--device", help="name of the device")],
    since: Since = None,
    until: Until = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Show the books of one device: what is stored of each boot, holes by number, duplicates, quarantine."""
    first, last = _moment(since, "--from"), _moment(until, "--to")
    found = _with(database_url, lambda c: read_ledger(c, device, since=first, until=last))
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        _print_ledger(found)


async def _choose(connection: Any, wanted: Wanted, limit: int) -> list[int]:
    ids: list[int] = []
    while len(ids) < limit:
        rows = await quarantine.page(connection, wanted, after=ids[-1] if ids else None, limit=limit - len(ids))
        if not rows:
            break
        ids += [row["id"] for row in rows]
    return ids


def _with(database_url: str | None, work: Callable[[Any], Awaitable[_T]]) -> _T:
    url = resolve_or_fail(database_url)

    async def connected() -> _T:
        connection = await connect_url(url, name="hoistway quarantine", command_timeout_s=60)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return run(connected())


def _wanted(
    device: str | None, reason: str | None, topic: str | None, since: str | None, until: str | None, *, waiting: bool
) -> Wanted:
    if reason is not None and reason not in REASONS:
        fail(BadInput(f"reason {reason!r}", where="--reason", expected=", ".join(REASONS)))
    first, last = _moment(since, "--from"), _moment(until, "--to")
    return Wanted(device=device, reason=reason, topic=topic, since=first, until=last, waiting=waiting)


def _moment(text: str | None, where: str) -> datetime | None:
    """A date or a time; without a zone it is the city's."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(BadInput(f"{text!r}", where=where, expected="a date, or a time such as 2026-11-25T08:00+08:00"))
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(Settings().time_zone))


def _word(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    return "" if value is None else printable(str(value))


def _payload(payload: bytes) -> str:
    shown = payload[:SHOWN_BYTES]
    try:
        text = shown.decode()
    except UnicodeDecodeError:
        text = shown.hex(" ")
    rest = len(payload) - len(shown)
    return printable(text) + (f"\n({rest} bytes more: --raw)" if rest else "")


def _table(title: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(
        *[{"leaf": "class"}.get(name, name.replace("_", " ")) for name in names], title=title, title_justify="left"
    )
    for row in rows:
        table.add_row(*(Text(_word(row[name])) for name in names))
    out.print(table)


def _print_page(rows: Sequence[Mapping[str, Any]], limit: int) -> None:
    _table(
        "times are UTC",
        ("id", "last_received", "topic", "reason", "times", "payload_bytes", "detail", "replay_result"),
        rows,
    )
    if len(rows) == limit:
        out.print(f"more: --after {rows[-1]['id']}")


def _print_reasons(rows: Sequence[Mapping[str, Any]]) -> None:
    _table("quarantine", ("reason", "rows", "messages", "waiting", "devices", "last_received"), rows)


def _print_ledger(found: Ledger) -> None:
    names = (
        "leaf",
        "boot",
        "incarnation",
        "first_seq",
        "last_seq",
        "stored",
        "doubled",
        "first_received",
        "last_received",
    )
    _table(f"streams of {found.device['device']}, times are UTC", names, found.streams)
    _table(
        "numbers of which nothing is stored",
        ("leaf", "boot", "incarnation", "first_seq", "last_seq", "why"),
        found.holes,
    )
    _table("received = stored + duplicates + quarantined + cut + coalesced, for all time",
        ("leaf", "received", "stored", "duplicates", "quarantined", "cut", "coalesced"), found.counts)  # fmt: skip
    _print_reasons(found.quarantine)
    for name, rows in (("streams", found.streams), ("holes", found.holes)):
        if len(rows) == PAGE_ROWS:
            out.print(f"only the first {PAGE_ROWS} {name}: narrow the stretch with --from and --to")
