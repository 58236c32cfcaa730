"""`hoistway lifts`: import a register, list it, show one lift with its topics.

Only reads options, calls the registry and prints; what a line means is decided in `hoistway.registry`.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from hoistway.cli.common import act, fail, out, printable, resolve_database_url, run
from hoistway.errors import BadInput, HoistwayError
from hoistway.model import Kind
from hoistway.registry import (
    ColumnMapping,
    Report,
    import_bytes,
    read_file,
    read_mapping,
    shipped,
    shipped_mapping,
    topic_prefix,
)
from hoistway.registry.show import example_sample, find_lifts, list_lifts
from hoistway.settings import Settings
from hoistway.store import connect_url

app = typer.Typer(help="The register of lifts, escalators and their terminals.", no_args_is_help=True)

_SHOWN_FINDINGS = 20

DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="postgresql://...; default: the environment, else the running home")
]


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="CSV file; first line = headings")],
    mapping: Annotated[
        str | None, typer.Option("--mapping", help=f"TOML file, or one of: {', '.join(shipped())}")
    ] = None,
    exercise: Annotated[
        bool, typer.Option("--exercise", help="simulated or drill equipment: never reaches a real contact")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="report only, write nothing")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="write the whole report as JSON")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Register lifts from FILE; a second import updates. Exit code 1 when lines were refused, 2 when the file was."""
    try:
        chosen, raw = _mapping(mapping), read_file(file)
        url = resolve_database_url(database_url)
    except HoistwayError as error:
        fail(error)
    result = run(_import(url, raw, name=file.name, mapping=chosen, exercise=exercise, dry_run=dry_run))
    if report is not None:
        report.write_text(json.dumps(result.as_json(), ensure_ascii=False, indent=1) + "\n", "utf-8")
    print_report(result)
    if result.refused:
        raise typer.Exit(1)


@app.command("access")
def access_command(
    file: Annotated[
        Path, typer.Argument(help="CSV file: rescue_code, gate_code, keys, machine_room, guard, guard_phone")
    ],
    database_url: DatabaseUrl = None,
) -> None:
    """How one gets to lifts at night, from FILE; an empty cell leaves what is there. Exit code 1 when lines were refused."""
    from hoistway.registry.access_file import import_access

    try:
        text = read_file(file).decode()
    except UnicodeDecodeError:
        fail(BadInput("bytes that are no text", where=str(file), expected="UTF-8"))
    except HoistwayError as error:
        fail(error)
    report = act(database_url, lambda connection: import_access(connection, text, datetime.now(UTC)))
    out.print(f"changed: {report.changed}; as they were: {report.unchanged}; refused: {len(report.troubles)}")
    for trouble in report.troubles[:_SHOWN_FINDINGS]:
        out.print(printable(trouble), markup=False, soft_wrap=True)
    if len(report.troubles) > _SHOWN_FINDINGS:
        out.print(f"refused: {len(report.troubles) - _SHOWN_FINDINGS} more")
    raise typer.Exit(1 if report.troubles else 0)


@app.command("list")
def list_command(
    after: Annotated[int, typer.Option("--after", help="start after this number")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 100,
    database_url: DatabaseUrl = None,
) -> None:
    """List registered lifts and escalators in order of number."""
    rows = run(_with_connection(resolve_or_fail(database_url), list_lifts, after=after, limit=limit))
    table = Table("number", "kind", "rescue code", "register code", "name", "place")
    table.add_column("devices", overflow="fold")
    for row in rows:
        place = " ".join(filter(None, (row["district"], row["estate"], row["building"])))
        name = f"{row['name']} (exercise)" if row["exercise"] else row["name"]
        table.add_row(
            str(row["id"]), row["kind"], row["rescue_code"], row["register_code"], name, place, " ".join(row["devices"])
        )
    out.print(table)
    if len(rows) == limit:
        out.print(f"more: --after {rows[-1]['id']}")


@app.command("show")
def show_command(
    wanted: Annotated[
        str, typer.Argument(metavar="DEVICE|RESCUE_CODE", help="device, gateway, rescue or register code")
    ],
    database_url: DatabaseUrl = None,
) -> None:
    """Show a lift, the topic prefix of each of its devices and a sample it could publish."""
    found = run(_with_connection(resolve_or_fail(database_url), find_lifts, wanted))
    if not found:
        fail(BadInput(f"no lift {wanted!r}", where="lifts show", expected="a device, rescue code or register code"))
    for lift, devices in found:
        _print_lift(lift, devices)


def resolve_or_fail(database_url: str | None) -> str:
    """The database's address, or a clear word and exit code 2."""
    try:
        return resolve_database_url(database_url)
    except HoistwayError as error:
        fail(error)


async def _import(url: str, raw: bytes, *, name: str, **options: Any) -> Report:
    today = datetime.now(ZoneInfo(Settings().time_zone)).date()
    connection = await connect_url(url, name="hoistway lifts import", command_timeout_s=60)
    try:
        return await import_bytes(connection, raw, name=name, today=today, **options)
    finally:
        await connection.close()


async def _with_connection(url: str, work: Any, *values: Any, **options: Any) -> Any:
    connection = await connect_url(url, name="hoistway lifts")
    try:
        return await work(connection, *values, **options)
    finally:
        await connection.close()


def _mapping(name: str | None) -> ColumnMapping | None:
    """A mapping by file, else by name; None = the file has our headings."""
    if name is None:
        return None
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        if not path.is_file():
            raise BadInput("no such file", where=name, expected=f"a TOML file or one of {', '.join(shipped())}")
        return read_mapping(path.read_text("utf-8"), name=path.name)
    return shipped_mapping(name)


def print_report(report: Report) -> None:
    """Topic prefixes first, then what was repaired and refused, the counts last."""
    for enrolled in report.enrolments:
        what = "gateway" if enrolled.gateway else "device"
        before = "" if enrolled.new else "  (enrolled before)"
        typer.echo(f"{what} {enrolled.device}  {enrolled.prefix}{before}")
    for verdict in ("repaired", "refused"):
        found = [item for item in report.findings if item.verdict == verdict]
        for item in found[:_SHOWN_FINDINGS]:
            out.print(f"{verdict}: {item}", highlight=False, markup=False, soft_wrap=True)
        if len(found) > _SHOWN_FINDINGS:
            out.print(f"{verdict}: {len(found) - _SHOWN_FINDINGS} more; --report FILE.json has them all")
    if report.ignored_columns:
        out.print(f"columns not used: {', '.join(report.ignored_columns)}", highlight=False, markup=False)
    title = f"{report.file} ({report.encoding}, {report.delimiter!r}{', ' + report.mapping if report.mapping else ''})"
    table = Table("lines", "accepted", "repaired", "refused", "new", "updated", "unchanged", title=title)
    counts = (report.lines, report.accepted, report.repaired, report.refused)
    table.add_row(*map(str, (*counts, report.inserted, report.updated, report.unchanged)))
    out.print(table)
    if report.dry_run:
        out.print("dry run: nothing was written")


def _print_lift(lift: Any, devices: list[Any]) -> None:
    table = Table("field", "value", show_header=False, title=f"{lift['kind']} {lift['name']}")
    for name, value in lift.items():
        if value not in (None, "", [], {}) and name not in ("firm_id", "kind", "name"):
            table.add_row(name, "|".join(value) if name == "floors" else str(value))
    out.print(table)
    for device in devices:
        note = "gateway " if device["gateway"] else "device "
        end = "  (revoked)" if device["revoked"] else ""
        prefix = topic_prefix(device["shard"], device["device"])
        out.print(f"{note}{device['device']}  {prefix}{end}", highlight=False, markup=False, soft_wrap=True)
    if not devices:
        out.print("no device: nothing can publish for it yet")
        return
    first = devices[0]
    sample = example_sample(
        Kind(lift["kind"]),
        ts=time.time_ns() // 1_000_000,
        floors=lift["floors"],
        rated_speed_m_s=lift["rated_speed_m_s"],
        lift=lift["rescue_code"] if first["gateway"] else None,
    )
    out.print(f"a sample for {topic_prefix(first['shard'], first['device'])}state:", highlight=False, soft_wrap=True)
    out.print(json.dumps(sample), highlight=False, markup=False, soft_wrap=True)
