"""`hoistway rules backtest` and the process `hoistway backtests`: reads options, calls `ingest.backtest`, prints and writes files."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import Progress
from rich.table import Table

from alarms.language.reader import default_rules
from alarms.rules import RuleSet
from hoistway import rulebook
from hoistway.cli.common import err, fail, out, run
from hoistway.cli.lifts import DatabaseUrl, resolve_or_fail
from hoistway.cli.parts import run_part
from hoistway.cli.rules import read_text
from hoistway.errors import BadInput, HoistwayError, RuleError
from hoistway.settings import Settings
from hoistway.store import connect_url
from hoistway.zone import zone_table
from ingest.backtest.page import page
from ingest.backtest.recorded import Recording, read
from ingest.backtest.report import as_json
from ingest.backtest.run import Request, of_recording, of_store
from ingest.backtest.stream import ms

STATEMENT_S = 1_800.0
SHOWN = 20


def backtest(
    rules: Annotated[list[Path], typer.Option("--rules", help=r"candidate: TOML with [\[rule]] tables")],
    since: Annotated[
        str | None, typer.Option("--from", help="2026-11-23T08:00, the city's time unless it says otherwise")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="the same; not included")] = None,
    lifts: Annotated[str | None, typer.Option("--lifts", help="numbers of lifts, with commas")] = None,
    district: Annotated[str | None, typer.Option("--district")] = None,
    recorded: Annotated[Path | None, typer.Option("--recorded", help="JSON lines instead of the store")] = None,
    warm_up: Annotated[
        int | None,
        typer.Option("--warm-up", min=0, help="minutes folded before; default: as the rules need, 2 h at most"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also fold rules that neither differ nor open rescue cases")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the whole result")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="write the result as one page")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Fold the stored telemetry with the rules of its time and with a candidate, and show what differs."""
    settings = Settings()
    zone = ZoneInfo(settings.time_zone)
    try:
        files = tuple((path.name, read_text(path)) for path in rules)
        recording = _recording(recorded) if recorded else None
        request = Request(
            from_ms=_moment(since, "--from", zone, recording.first_ms if recording else None),
            to_ms=_moment(until, "--to", zone, recording.last_ms + 1 if recording else None),
            files=files,
            lifts=_numbers(lifts),
            district=district,
            warm_up_ms=None if warm_up is None else warm_up * 60_000,
            everything=everything,
        )
        if recording is not None and recorded is not None:
            baseline, number = _baseline(database_url)
            result = of_recording(
                recording,
                request,
                baseline=baseline,
                number=number,
                source=recorded.name,
                zone=zone_table(settings.time_zone),
            )
        else:
            result = run(_of_store(resolve_or_fail(database_url), request, settings))
    except RuleError as error:
        err.print(f"rule {error.rule!r}, line {error.line}, column {error.column}: {error.message}", markup=False)
        raise typer.Exit(2) from None
    except HoistwayError as error:
        fail(error)
    for path, write in ((json_file, as_json), (html_file, page)):
        if path is not None:
            path.write_text(write(result), "utf-8")
    _print(result)


def worker() -> None:
    """Do the backtests that people ask for in the API."""

    async def serve(settings: Settings, stop: asyncio.Event) -> int:
        from hoistway.heartbeat import Heartbeats
        from ingest.backtest.jobs import REGISTRY, Worker, serve_metrics

        serve_metrics(settings.metrics_host, settings.metrics_port)
        url = settings.need_database_url()
        beats = Heartbeats("backtests", REGISTRY)
        writing = asyncio.create_task(beats.run(url, settings.cadence))
        try:
            await Worker(url, product=default_rules(), zone=zone_table(settings.time_zone), beats=beats).run(stop)
        finally:
            writing.cancel()
        return 0

    run_part(serve)


async def _of_store(url: str, request: Request, settings: Settings) -> dict[str, Any]:
    connection = await connect_url(url, name="hoistway rules backtest", command_timeout_s=STATEMENT_S)
    try:
        with Progress(console=err, transient=True) as bar:
            task = bar.add_task("folding", total=1.0)

            async def note(share: float) -> None:
                bar.update(task, completed=share)

            zone = zone_table(settings.time_zone)
            return await of_store(connection, request, product=default_rules(), zone=zone, progress=note)
    finally:
        await connection.close()


def _baseline(database_url: str | None) -> tuple[RuleSet, int | None]:
    """The rules that a recording is held against: the newest set of a database that is named, else the product's."""
    if database_url is None:
        return default_rules(), None

    async def work() -> tuple[RuleSet, int | None]:
        connection = await connect_url(database_url, name="hoistway rules backtest")
        try:
            number = await rulebook.newest(connection)
            return (await rulebook.load(connection, number)).live if number else default_rules(), number
        finally:
            await connection.close()

    return run(work())


def _recording(path: Path) -> Recording:
    try:
        with path.open(encoding="utf-8") as lines:
            return read(lines, source=path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(error), where=str(path), expected="a readable UTF-8 file") from None


def _moment(text: str | None, option: str, zone: ZoneInfo, default: int | None) -> int:
    if text is None:
        if default is None:
            raise BadInput("missing", where=option, expected="a time, as 2026-11-23T08:00")
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r}", where=option, expected="a time, as 2026-11-23T08:00 or 2026-11-23T00:00Z") from None
    return ms(found if found.tzinfo else found.replace(tzinfo=zone))


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadInput(f"{text!r}", where="--lifts", expected="numbers of lifts, as 12,15") from None


# --- what is printed ---

_WHAT = ("same", "appeared", "vanished", "earlier", "later", "changed")


def _print(result: dict[str, Any]) -> None:
    title = f"{result['from']} to {result['to']}: {result['samples']} samples of {result['lifts']} lifts ({result['source']})"
    table = Table("rule", "baseline", "candidate", *_WHAT, "moved (s)", title=title)
    for row in result["rules"]:
        moved = row["moved_ms"]
        said = "" if moved is None else f"{moved['median'] / 1_000:+g}"
        table.add_row(
            ("* " if row["changed"] else "") + row["rule_id"],
            str(row["baseline"]),
            str(row["candidate"]),
            *(str(row[key]) for key in _WHAT),
            said,
        )
    out.print(table)
    if not result["everything"]:
        out.print("only rules that differ or open rescue cases were folded; --all folds the others too")
    _print_dispatch(result["dispatch"])
    _print_changes(result["changes"])


def _print_dispatch(found: dict[str, Any]) -> None:
    keys = ("cases", "entrapment", "alarm_call", "orders_level_1")
    table = Table("would have been dispatched", *(key.replace("_", " ") for key in keys))
    for side in ("baseline", "candidate"):
        table.add_row(side, *(str(found[side][key]) for key in keys))
    out.print(table)
    changes = found["changes"]
    out.print(f"cases opened only by the candidate: {changes['appeared']}; only by the baseline: {changes['vanished']}")


def _print_changes(changes: list[dict[str, Any]]) -> None:
    if not changes:
        out.print("no differences")
        return
    table = Table("what", "rule", "lift", "baseline", "candidate", "moved (s)", title="differences")
    for item in changes[:SHOWN]:
        by = f"{item['by_ms'] / 1_000:+g}" if item["by_ms"] else ""
        table.add_row(
            item["what"], item["rule_id"], item["lift"], _raised(item["baseline"]), _raised(item["candidate"]), by
        )
    out.print(table)
    if len(changes) > SHOWN:
        out.print(f"{len(changes) - SHOWN} more; --json or --html FILE has them")


def _raised(side: dict[str, Any] | None) -> str:
    return str(side["raised_at"]) if side else ""
