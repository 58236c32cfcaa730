"""`hoistway score`: make a run, show how good its alarms were, compare two, sweep a hold. Reads options, prints, writes files."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.progress import Progress
from typer.core import TyperGroup

from alarms.language.reader import default_rules
from alarms.rule_sets import lay_over
from alarms.rules import RuleSet
from hoistway.cli.common import act, err, fail, out
from hoistway.cli.lifts import DatabaseUrl
from hoistway.cli.rules import read_text
from hoistway.cli.score_tables import print_card, print_comparison, print_sweep
from hoistway.errors import BadInput, HoistwayError, RuleError
from hoistway.settings import Settings
from hoistway.trial import folder, sweep
from hoistway.trial.collect import collect as collect_run
from hoistway.trial.play import Played, Trial, play_run
from simulators.city import make_city, read_csv
from simulators.scenario import load
from simulators.score.card import scorecard
from simulators.score.compare import compare as compare_cards
from simulators.score.comparison import compare_page
from simulators.score.curves import holds_of, sweep_page
from simulators.score.page import page
from simulators.score.records import objects, truths_of

_T = TypeVar("_T")


class _RunFirst(TyperGroup):
    """`hoistway score FOLDER` is `hoistway score show FOLDER`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    help="How good the alarms of a run were: what was missed, what was false, how late.",
    cls=_RunFirst,
    no_args_is_help=True,
)

Json = Annotated[Path | None, typer.Option("--json", help="write the whole result")]
Html = Annotated[Path | None, typer.Option("--html", help="write the result as one page")]
Story = Annotated[str, typer.Argument(help="a shipped story, or a .toml file")]
RuleFiles = Annotated[
    list[Path] | None, typer.Option("--rules", help=r"TOML with [\[rule]] tables, laid over the product's")
]
Seed = Annotated[int | None, typer.Option("--seed", help="default: the story's own")]
City = Annotated[int | None, typer.Option("--city", min=1, max=20_000, help="a made-up city of N lifts")]
Lifts = Annotated[Path | None, typer.Option("--lifts", help="the register's CSV: whom to play")]
Hours = Annotated[float | None, typer.Option("--hours", min=0.01, help="default: the story's own length")]
WireWay = Annotated[bool, typer.Option("--wire", help="write and read every message as over MQTT; slower")]


@app.command()
def play(
    story: Story,
    to: Annotated[Path, typer.Option("--out", help="the run's folder")],
    rules: RuleFiles = None,
    seed: Seed = None,
    city: City = None,
    lifts: Lifts = None,
    hours: Hours = None,
    wire: WireWay = False,
    json_file: Json = None,
    html_file: Html = None,
) -> None:
    """Play a story before the rules in memory, as fast as the machine goes, and score it."""
    trial = told(lambda: trial_of(story, rules, seed=seed, city=city, lifts=lifts, hours=hours, wire=wire))
    played = told(lambda: _watched(lambda note: play_run(trial, note)))
    told(lambda: folder.write(played, to))
    _show(played, json_file, html_file)


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="the run's folder")], json_file: Json = None, html_file: Html = None
) -> None:
    """The scorecard of a run."""
    card = told(lambda: scorecard(folder.read(run)))
    _write(json_file, card)
    if html_file is not None:
        html_file.write_text(page(card, told(lambda: folder.read_evidence(run))), "utf-8")
    print_card(card)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="the folder of a run")],
    second: Annotated[Path, typer.Argument(help="the folder of another: other rules, another story")],
    json_file: Json = None,
    html_file: Html = None,
) -> None:
    """Two runs, or one story under two rule sets, side by side."""
    found = told(lambda: compare_cards(*(scorecard(folder.read(path)) for path in (first, second))))
    _write(json_file, found)
    if html_file is not None:
        html_file.write_text(compare_page(found), "utf-8")
    print_comparison(found)


@app.command()
def explain(
    run: Annotated[Path, typer.Argument(help="the run's folder")],
    name: Annotated[str, typer.Argument(help="as in the scorecard: truth-7, alarm-12")],
) -> None:
    """What was said around a miss or a false alarm."""
    clips = told(lambda: folder.read_evidence(run))
    if name not in clips:
        fail(
            BadInput(
                f"nothing was kept of {name!r}",
                where=str(run),
                expected=f"one of {', '.join(list(clips)[:20]) or 'none'}",
            )
        )
    for at, said in clips[name]:
        out.print(f"{at:+9.1f} s  {said}", markup=False, highlight=False)


@app.command("sweep")
def sweep_command(
    rule: Annotated[str, typer.Option("--rule", help="id of the rule")],
    holds: Annotated[str, typer.Option("--for", help="seconds from..to, as 5..120s, perhaps with a step: 5..120s/5")],
    story: Annotated[str, typer.Argument(help="a shipped story, or a .toml file")] = "demo-city",
    rules: RuleFiles = None,
    seed: Seed = None,
    city: City = None,
    lifts: Lifts = None,
    hours: Hours = None,
    wire: WireWay = False,
    json_file: Json = None,
    html_file: Html = None,
) -> None:
    """One rule with many holds over one playing of a story: precision, recall and delay of each."""
    trial = told(lambda: trial_of(story, rules, seed=seed, city=city, lifts=lifts, hours=hours, wire=wire))
    seconds = told(lambda: holds_of(holds))
    found = told(lambda: _watched(lambda note: sweep.swept(trial, rule, seconds, note)))
    _write(json_file, found)
    if html_file is not None:
        html_file.write_text(sweep_page(found), "utf-8")
    print_sweep(found)


@app.command()
def collect(
    to: Annotated[Path, typer.Option("--out", help="the run's folder")],
    truth: Annotated[Path, typer.Option("--truth", help="the truth file of `hoistway simulate run`")],
    lifts: Annotated[Path, typer.Option("--lifts", help="the register's CSV: who was played")],
    since: Annotated[str, typer.Option("--from", help="2026-11-23T08:00, the city's time unless it says otherwise")],
    until: Annotated[str, typer.Option("--to", help="the same; not included")],
    database_url: DatabaseUrl = None,
    json_file: Json = None,
    html_file: Html = None,
) -> None:
    """Make a run of what a live platform said while `hoistway simulate run` played."""
    zone = ZoneInfo(Settings().time_zone)
    text = told(lambda: _lines(truth))
    from_ms, to_ms = told(lambda: _moment(since, "--from", zone)), told(lambda: _moment(until, "--to", zone))
    truths = told(lambda: truths_of(text, source=truth.name))
    codes = [row.rescue_code for row in told(lambda: read_csv(lifts))]
    played = act(
        database_url,
        lambda connection: collect_run(
            connection, name=truth.stem, truth=[row for _, row in objects(text, source=truth.name)],
            truths=[item for item in truths if item.overlaps(from_ms, to_ms)], lifts=codes, from_ms=from_ms, to_ms=to_ms,
            rules=default_rules(),
        ),
    )  # fmt: skip
    told(lambda: folder.write(played, to))
    _show(played, json_file, html_file)


# --- what the commands share ---


def trial_of(
    story: str,
    rules: list[Path] | None,
    *,
    seed: int | None,
    city: int | None,
    lifts: Path | None,
    hours: float | None,
    wire: bool,
) -> Trial:
    """What is to be played. Raises BadInput, RuleError."""
    scenario = load(story)
    seed = scenario.seed if seed is None else seed
    rows = None
    if lifts is not None:
        rows = read_csv(lifts)
    elif city is not None:
        escalators = round(scenario.escalators * city / scenario.lifts)
        rows = make_city(lifts=city, escalators=escalators, seed=seed)
    return Trial(
        scenario=scenario,
        rules=rules_of(rules),
        seed=seed,
        lasts_ms=None if hours is None else round(hours * 3_600_000),
        rows=rows,
        wire=wire,
    )


def rules_of(paths: list[Path] | None) -> RuleSet:
    """The product's rules with these files laid over them. Raises BadInput, RuleError."""
    files = [(path.name, read_text(path)) for path in paths or ()]
    return lay_over(default_rules(), files) if files else default_rules()


def _show(played: Played, json_file: Path | None, html_file: Path | None) -> None:
    card = scorecard(played.run)
    _write(json_file, card)
    if html_file is not None:
        html_file.write_text(page(card, played.clips), "utf-8")
    print_card(card)


def _write(path: Path | None, found: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _watched(work: Callable[[Callable[[float], None]], _T]) -> _T:
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("playing", total=1.0)
        return work(lambda share: bar.update(task, completed=share))


def told(work: Callable[[], _T]) -> _T:
    """Our errors are one line; exit code 2."""
    try:
        return work()
    except RuleError as error:
        err.print(f"rule {error.rule!r}, line {error.line}, column {error.column}: {error.message}", markup=False)
        raise typer.Exit(2) from None
    except HoistwayError as error:
        fail(error)
    except OSError as error:
        fail(BadInput(str(error), where="file", expected="a place that can be read and written"))


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def _moment(text: str, option: str, zone: ZoneInfo) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r}", where=option, expected="a time, as 2026-11-23T08:00 or 2026-11-23T00:00Z") from None
    return int((found if found.tzinfo else found.replace(tzinfo=zone)).timestamp() * 1_000)
