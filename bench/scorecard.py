"""The shipped catalogue's scorecard: stories played day by day before the shipped rules, and docs/scorecard.md written of it.

    python bench/scorecard.py [--days 30] [--lifts 1000] [--only standard-city-day] [--write]

Resumable: each day is a run of its own under bench/results/scorecard.d, kept with the versions of the rules that it was judged by; what is
there already is not played again. `--write` makes bench/results/scorecard.json and docs/scorecard.md of whatever is there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from alarms.language.reader import default_rules
from bench.common import machine
from hoistway.trial import folder
from hoistway.trial.merge import merged
from hoistway.trial.play import Trial, play_run
from hoistway.trial.said import facts_of, version_of
from simulators.city import make_city
from simulators.scenario import Scenario, load
from simulators.score.card import scorecard
from simulators.score.page import per_month, percent, seconds, spoke
from simulators.score.records import Run
from simulators.world import DEFAULT_START_MS

ROOT: Final = Path(__file__).parents[1]
WORK: Final = ROOT / "bench" / "results" / "scorecard.d"
RESULT: Final = ROOT / "bench" / "results" / "scorecard.json"
PAGE: Final = ROOT / "docs" / "scorecard.md"
DAY_MS: Final = 86_400_000
STORIES: Final = ("standard-city-day", "standard-city-reserve", "many-entrapments", "entrapment-look-alikes")
DAILY: Final = frozenset({"standard-city-day", "standard-city-reserve"})
"""Stories that `--days` repeats, each day with chance of its own."""
GOAL_FALSE_FOR_20: Final = 1.0
GOAL: Final = (
    "Goal: every entrapment of a lift with a person sensor is told, and at most one crew in vain for 20 that find somebody on the"
    " standard city. A dash: too few to say."
)

WHY: Final[dict[str, str]] = {
    "entrapment-at-landing": "At a landing the door and the zone say nothing: without a person sensor nobody can be told apart from an empty, parked car.",
    "entrapment-between-floors": "Nearly all false ones are mechanics: the alarm that inspection had made a notice becomes a full one in the second in which the"
    " mechanic switches back, two seconds before the open doors clear it.",
    "entrapment-door-ajar": "As entrapment-between-floors: the notice of an inspection becomes full when the switch goes back before the clear is complete.",
    "entrapment-possible": "The same, on terminals that speak every five seconds: no sample shows the open doors, so nothing clears it.",
    "overspeed": "A lift of 0.5 m/s with a noisy speed sensor: 20 % are 0.1 m/s, and one sample alone holds for the second that is asked.",
}
"""What is known of a rule that misses or raises falsely. Shown beside its figures."""


def played(story: Scenario, day: int, lifts: int | None) -> Run:
    """One day of a story, out of its folder or played now."""
    rules = default_rules()
    version = version_of(facts_of(rules))
    place = WORK / f"{story.name}-{lifts or story.lifts}" / f"{version}-{day:04d}"
    if not (place / folder.SHEET).exists():
        began = time.monotonic()
        count = lifts or story.lifts
        rows = make_city(lifts=count, escalators=round(story.escalators * count / story.lifts), seed=story.seed)
        trial = Trial(
            scenario=story, rules=rules, seed=story.seed, rows=rows, from_ms=DEFAULT_START_MS + day * DAY_MS,
            facts={"day": day},
        )  # fmt: skip
        folder.write(play_run(trial), place)
        print(f"{story.name}, day {day}: {time.monotonic() - began:.0f} s", flush=True)
    return folder.read(place)


def known(name: str) -> list[Run]:
    """The days that are there under the present rules, of the fleet with most of them; nothing is played."""
    version = version_of(facts_of(default_rules()))
    fleets = [sorted(place.glob(f"{version}-*/{folder.SHEET}")) for place in WORK.glob(f"{name}-*") if place.is_dir()]
    runs = [[folder.read(sheet.parent) for sheet in sheets] for sheets in fleets if sheets]
    return max(runs, key=lambda days: sum(run.lifts * run.days for run in days), default=[])


def page_of(cards: dict[str, dict[str, Any]]) -> str:
    """docs/scorecard.md."""
    lines = [
        "# Scorecard of the shipped catalogue",
        "",
        "Made by `bench/scorecard.py --write`; what each figure means is in [score](score.md), the stories are in [simulators](simulators.md). In brackets",
        "the 95 % confidence interval. Figures of the reserve story come from seeds that no threshold was tuned with.",
        "",
        f"Measured {cards['made']['date']} on {cards['made']['machine']}, rules {cards['made']['rules']}.",
        "",
        "## What must be reached",
        "",
        "| story | lifts x days | entrapments told, with a person sensor | without one | crews: somebody / nobody | nobody for 20 | goal |",
        "|---|---|---|---|---|---|---|",
    ]
    stories = {name: card for name, card in cards.items() if name != "made"}
    lines += [_goal_line(name, card) for name, card in stories.items()]
    lines += [
        "",
        GOAL,
    ]
    for name, card in stories.items():
        lines += ["", f"## {name}", "", *_story_lines(card)]
    return "\n".join(lines) + "\n"


def _goal_line(name: str, card: dict[str, Any]) -> str:
    run, told, sent = card["run"], card["entrapments"], card["dispatch"]
    with_sensor, without = told["with_sensor"]["recall"], told["without_sensor"]["recall"]
    false = sent["false_per_20_true"]
    missed = with_sensor["of"] - with_sensor["hits"]
    goal = "–" if not with_sensor["of"] else "recall missed" if missed else "recall reached"
    if name in DAILY and false is not None:
        goal += ", false reached" if false <= GOAL_FALSE_FOR_20 else ", false missed"
    shares = [
        f"{share['hits']} of {share['of']}, {percent(share)}" if share["of"] else "–"
        for share in (with_sensor, without)
    ]
    return (
        f"| {name} | {run['lifts']} x {run['days']:g} | {shares[0]} | {shares[1]} | {sent['true']} / {sent['false']}"
        f" | {'–' if false is None else f'{false:g}'} | {goal} |"
    )


def _story_lines(card: dict[str, Any]) -> list[str]:
    run, sent = card["run"], card["dispatch"]
    causes = ", ".join(f"{cause} {count}" for cause, count in sent["false_by_cause"].items()) or "none"
    facts = f"Seed {run['seed']}, {run['truths']} faults, {run['look_alikes']} look-alikes, {run['alarms']} alarms."
    vain = f"False dispatches for 10,000 lifts and month: {per_month(sent['false_rate'])}; by cause: {causes}."
    lines = [
        f"{facts} {vain}",
        "",
        "| rule | asked | true | late | missed | false | recall | precision | p50 s | p95 s | max s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    why = []
    for rule in card["rules"]:
        if spoke(rule):
            counts = " | ".join(str(rule[key]) for key in ("asked", "true", "late", "missed", "false"))
            delays = " | ".join(seconds(rule["delays"], key) for key in ("p50", "p95", "max"))
            lines.append(
                f"| {rule['rule']} | {counts} | {percent(rule['recall'])} | {percent(rule['precision'])} | {delays} |"
            )
            if rule["rule"] in WHY and (rule["missed"] or rule["false"]):
                why.append(f"- {rule['rule']}: {WHY[rule['rule']]}")
    if why:
        lines += ["", "Why:", *why]
    fooled = [item for item in card["look_alikes"] if item["alarmed"]["hits"]]
    total = sum(item["alarmed"]["of"] for item in card["look_alikes"])
    lines += ["", f"Look-alikes by rule: {total} questions, {len(fooled)} kinds took a rule in."]
    lines += ["", "| rule | look-alike | of | alarmed | share |", "|---|---|---|---|---|"] if fooled else []
    lines += [
        f"| {item['rule']} | {item['kind']} | {item['alarmed']['of']} | {item['alarmed']['hits']} | {percent(item['alarmed'])} |"
        for item in fooled
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=1, help="of the standard city")
    parser.add_argument("--lifts", type=int, default=None, help="default: the story's own fleet")
    parser.add_argument("--only", nargs="*", default=list(STORIES), help="stories")
    parser.add_argument("--write", action="store_true", help="write the page of what is there, and play nothing")
    asked = parser.parse_args()
    cards: dict[str, Any] = {
        "made": {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "rules": version_of(facts_of(default_rules())),
        }
    }
    for name in asked.only:
        if asked.write:
            runs = known(name)
        else:
            story = load(name)
            story = replace(story, duration_ms=min(story.duration_ms or DAY_MS, DAY_MS))
            runs = [played(story, day, asked.lifts) for day in range(asked.days if name in DAILY else 1)]
        if runs:
            cards[name] = scorecard(merged(runs))
    if asked.write:
        RESULT.write_text(
            json.dumps({name: _short(card) for name, card in cards.items()}, ensure_ascii=False, indent=1) + "\n",
            "utf-8",
        )
        PAGE.write_text(page_of(cards), "utf-8")
    else:
        for name, card in cards.items():
            if name != "made":
                print(
                    name,
                    json.dumps(card["entrapments"]["all"]["recall"]),
                    json.dumps(card["dispatch"]["false_by_cause"]),
                )


def _short(card: dict[str, Any]) -> dict[str, Any]:
    """Without the lists of single misses and false alarms."""
    return {key: value for key, value in card.items() if key not in {"missed", "late", "false"}}


if __name__ == "__main__":
    main()
