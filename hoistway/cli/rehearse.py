"""`hoistway rehearse`: a story before rules and desk on one virtual clock. Starts a database of its own, prints the report."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from hoistway.cli.common import err, out, run
from hoistway.cli.score import City, Lifts, RuleFiles, Seed, Story, WireWay, told, trial_of
from hoistway.cli.score_tables import print_card
from hoistway.trial import folder as run_folder
from hoistway.trial.play import Played, Trial
from simulators.score.card import scorecard
from simulators.score.page import page


def rehearse(
    story: Story,
    days: Annotated[float | None, typer.Option("--days", min=0.001, help="default: the story's own length")] = None,
    rules: RuleFiles = None,
    seed: Seed = None,
    city: City = None,
    lifts: Lifts = None,
    wire: WireWay = False,
    to: Annotated[Path | None, typer.Option("--out", help="keep the run in this folder, for `hoistway score`")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the report")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="write the scorecard as one page")] = None,
) -> None:
    """Play a story before the rules, the desk and its timers on one virtual clock, as fast as the machine goes."""
    hours = None if days is None else days * 24
    trial = told(lambda: trial_of(story, rules, seed=seed, city=city, lifts=lifts, hours=hours, wire=wire))
    told(lambda: trial.until_ms)
    trial = replace(trial, two_processes=not wire and (os.cpu_count() or 1) > 1)
    above = _home()
    try:
        played, report = run(_in_a_database_of_its_own(trial, above))
    finally:
        shutil.rmtree(above, ignore_errors=True)
    if to is not None:
        told(lambda: run_folder.write(played, to))
    if json_file is not None:
        json_file.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if html_file is not None:
        html_file.write_text(page(scorecard(played.run), played.clips), "utf-8")
    print_card(scorecard(played.run))
    print_report(report)


def _home() -> Path:
    above = Path(tempfile.mkdtemp(prefix="hoistway-rehearsal-"))
    above.chmod(0o711)  # root's server runs as somebody else
    return above


async def _in_a_database_of_its_own(trial: Trial, above: Path) -> tuple[Played, dict[str, Any]]:
    from hoistway.embedded.postgres import EmbeddedPostgres
    from hoistway.trial.rehearse import rehearse as play

    server = EmbeddedPostgres(above / "home")
    try:
        url = await server.start()
        with Progress(console=err, transient=True) as bar:
            task = bar.add_task("rehearsing", total=1.0)
            return await play(trial, url, above, lambda share: bar.update(task, completed=share))
    finally:
        await server.stop()


def print_report(report: dict[str, Any]) -> None:
    """The desk's side of a rehearsal."""
    cases, speed, timers = report["cases"], report["speed"], report["timers"]
    table = Table("step", "cases", "mean s", "p50 s", "p95 s", "max s", "within limit", title="rescues")
    for name, times in report["times"].items():
        if times["count"]:
            figures = [f"{times[key]['ms'] / 1_000:.0f}" for key in ("p50", "p95", "max")]
            within = f"{times['within_limit'] * 100:.1f} %" if "within_limit" in times else ""
            table.add_row(name, str(times["count"]), f"{times['mean_s']:.0f}", *figures, within)
    out.print(table)
    levels = ", ".join(f"level {level}: {count}" for level, count in cases["by_level"].items())
    for line in (
        f"cases: {cases['all']} ({levels}); nobody inside {cases['nobody_inside']}; open at the end {cases['open_at_the_end']}",
        f"area incidents {sum(report['area_incidents'].values())}, floods {report['floods']}",
        f"timers fired {timers['fired']}, overdue at the end {timers['overdue_at_the_end']}",
        f"messages {report['messages']['all']}, to real people {report['messages']['to_real_people']}",
        f"{report['samples']} samples, {report['days']:g} days in {speed['wall_s']:g} s: {speed['times_real']:g} times real time",
        report["way"],
    ):
        out.print(line, highlight=False, markup=False)
