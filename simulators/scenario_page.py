"""docs/scenarios.md, written by `python -m simulators.scenario_page` from the shipped stories and the fault catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from simulators.duration import said
from simulators.faults.catalogue import Entry, entries
from simulators.scenario import Scenario, load, scenario_names

HEAD: Final = """# Stories and faults

Written by `python -m simulators.scenario_page` from `simulators/scenarios/*.toml` and `simulators/faults/catalogue/*.toml`. How a story is
written, and what its truth says: [simulators.md](simulators.md).

## Stories 场景

`hoistway simulate run NAME`. Rates are times the catalogue's.

| name | what it is | lasts | lifts, escalators | what happens |
|---|---|---|---|---|
"""
FAULTS: Final = """
## Causes 成因

Names for `[[fault]] kind`. Rates are for 10,000 lifts (escalators, terminals) and month of 30 days; 0: only in stories. *must* alarm; *may*
alarm as a consequence; *cause* by the closing codes.

| name | what it is | rate, lasts | rules | cause | rate from |
|---|---|---|---|---|---|
"""
ALIKES: Final = """
## Look-alikes 相似场景

What a rule must **not** alarm about. Their rates were fixed before any threshold was tuned with them.

| name | what it is | rate, lasts | rules that must stay silent | rate from |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    stories = "".join(_story(load(name)) for name in scenario_names())
    causes = "".join(_cause(entry) for entry in entries().values() if not entry.false_one)
    alikes = "".join(_alike(entry) for entry in entries().values() if entry.false_one)
    return HEAD + stories + FAULTS + causes + ALIKES + alikes


def _story(story: Scenario) -> str:
    counted: dict[str, int] = {}
    for fault in story.faults:
        counted[fault.kind] = counted.get(fault.kind, 0) + fault.count
    what = [f"{count} x `{kind}`" if count > 1 else f"`{kind}`" for kind, count in counted.items()]
    rates = story.rates
    if rates.causes or rates.alikes:
        which = f" of {len(rates.only)} kinds" if rates.only else ""
        what.append(f"causes {rates.causes:g}, look-alikes {rates.alikes:g} times{which}")
    lasts = "until stopped" if story.duration_ms is None else said(story.duration_ms)
    text = " ".join(story.story.split())
    return (
        f"| `{story.name}` | {story.title_zh}<br>{story.title_en}<br>{text} | {lasts} | {story.lifts}, {story.escalators} |"
        f" {', '.join(what) or 'nothing'} |\n"
    )


def _often(entry: Entry) -> str:
    low, high = (said(ms) for ms in entry.lasts_ms)
    per = {"lift": "", "escalator": " of escalators", "any": " of all"}[entry.per]
    return f"{entry.rate:g}{per}, {low if low == high else f'{low} to {high}'}"


def _rules(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _titled(entry: Entry) -> str:
    return f"{entry.title_zh}<br>{entry.title_en}" + (f"<br>needs: {entry.needs}" if entry.needs else "")


def _cause(entry: Entry) -> str:
    rules = f"*must* {_rules(entry.expects)}"
    if entry.without != entry.expects:
        rules += f"<br>without a person sensor {_rules(entry.without) or 'none can'}"
    if entry.allows:
        rules += f"<br>*may* {_rules(entry.allows)}"
    codes = ", ".join(str(code) for code, _ in entry.causes)
    return f"| `{entry.name}` | {_titled(entry)} | {_often(entry)} | {rules} | {codes} | {entry.source} |\n"


def _alike(entry: Entry) -> str:
    may = f"<br>*may* {_rules(entry.allows)}" if entry.allows else ""
    return f"| `{entry.name}` | {_titled(entry)} | {_often(entry)} | {_rules(entry.alike)}{may} | {entry.source} |\n"


if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs" / "scenarios.md").write_text(page(), encoding="utf-8")
