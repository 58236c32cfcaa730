"""`hoistway alarms explain`: why an alarm was raised, and whether the stored telemetry says so again. Prints; folds nothing itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.syntax import Syntax
from rich.table import Table

from hoistway.cli.common import out, run
from hoistway.cli.lifts import DatabaseUrl, resolve_or_fail
from hoistway.rulebook.explain import Explanation, Verdict, explain
from hoistway.rulebook.history import ms
from hoistway.settings import Settings
from hoistway.store import connect_url
from hoistway.zone import zone_table

app = typer.Typer(help="Alarms.", no_args_is_help=True)
EXIT = {Verdict.AGREES: 0, Verdict.DIFFERS: 1, Verdict.NOT_POSSIBLE: 2}


@app.command("explain")
def explain_command(
    alarm_id: Annotated[int, typer.Argument(metavar="ID")],
    lines: Annotated[int, typer.Option("--lines", min=0, help="so many lines of the timeline")] = 40,
    database_url: DatabaseUrl = None,
) -> None:
    """Show why an alarm was raised and fold it again. Exit code 0: it agrees; 1: it differs; 2: not possible."""
    url = resolve_or_fail(database_url)
    zone = zone_table(Settings().time_zone)

    async def work() -> Explanation:
        connection = await connect_url(url, name="hoistway alarms explain", command_timeout_s=60)
        try:
            return await explain(connection, alarm_id, zone=zone)
        finally:
            await connection.close()

    found = run(work())
    _print(found, lines)
    raise typer.Exit(EXIT[found.verdict])


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def _print(found: Explanation, lines: int) -> None:
    alarm = found.alarm
    table = Table(show_header=False, title=f"alarm {alarm['id']}: {alarm['title_en'] or alarm['rule_id']}")
    rows = {
        "lift": alarm["lift_id"],
        "rule": f"{alarm['rule_id']} {alarm['rule_version']}" + (f", set {found.rule_set}" if found.rule_set else ""),
        "hold started": _time(ms(alarm["hold_start"])),
        "raised": _time(ms(alarm["raised_at"])),
        "found": _found(found),
        "folded again": _folded(found),
        "evidence": json.dumps(alarm["evidence"], ensure_ascii=False),
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    out.print(table)
    if alarm["text"]:
        out.print(Syntax(alarm["text"], "toml", word_wrap=True, background_color="default"))
    _print_timeline(found, lines)
    for caveat in found.caveats:
        out.print(caveat["en"], markup=False)
    out.print(f"{found.verdict}: {found.reason['en']}", markup=False, soft_wrap=True)


def _found(found: Explanation) -> str:
    if found.detected_by is None:
        return _time(ms(found.alarm["detected_at"]))
    entry = found.detected_by
    return f"{_time(ms(entry['clock']))} by {entry['kind']} {entry['batch_no']} of partition {entry['partition']}"


def _folded(found: Explanation) -> str:
    if found.folded_from_ms is None:
        return "no"
    said = ", ".join(f"{_time(row.at)} (hold {_time(row.hold_start)})" for row in found.found if row.kind == 1)
    return f"{found.records_folded} records from {_time(found.folded_from_ms)}; raised: {said or 'never'}"


def _print_timeline(found: Explanation, lines: int) -> None:
    names = list(dict.fromkeys(name for line in found.timeline for name in line.get("values", {}) if _sample(line)))
    table = Table("time (UTC)", "what", *names, title="timeline")
    for line in found.timeline[-lines:] if lines else ():
        values = line.get("values", {})
        if _sample(line):
            table.add_row(_time(line["at"]), "sample", *(_word(values.get(name)) for name in names))
        else:
            said = " ".join(f"{name}={_word(value)}" for name, value in values.items())
            table.add_row(_time(line["at"]), f"{line['what']} {said}".strip(), style="bold")
    out.print(table)


def _sample(line: Mapping[str, Any]) -> bool:
    return bool(line["what"] == "sample")


def _word(value: Any) -> str:
    return "unknown" if value is None else str(value).lower()
