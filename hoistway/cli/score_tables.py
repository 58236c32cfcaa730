"""Scorecards as tables in the terminal. Documents in, lines out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from hoistway.cli.common import out
from simulators.score.page import per_month, percent, seconds, spoke

SHOWN: Final = 20
SHORT: Final = ("asked", "true", "late", "missed", "false")
_HEAD: Final = {"missed": "miss"}


def print_card(card: Mapping[str, Any]) -> None:
    """The whole card, with the first misses and false alarms."""
    run = card["run"]
    title = (
        f"{run['name']}, seed {run['seed']}: {run['lifts']} lifts and {run['escalators']} escalators, {run['days']:g} days, "
        f"{run['truths']} faults, {run['look_alikes']} look-alikes, {run['alarms']} alarms"
    )
    out.print(title, style="bold", highlight=False)
    _print_entrapments(card["entrapments"])
    _print_dispatch(card["dispatch"])
    table = _rules_table("rule", *SHORT, "beside", title="rules")
    for rule in card["rules"]:
        if spoke(rule):
            beside = str(rule["repeats"] + rule["beside"] + rule["notices"])
            table.add_row(rule["rule"], *(str(rule[key]) for key in SHORT), beside, *_brief(rule))
    out.print(table)
    out.print(
        "beside: repeats, consequences and notices; --json and --html have the confidence intervals", highlight=False
    )
    if card["look_alikes"]:
        table = Table("rule", "look-alike", "of", "alarmed", "share", title="look-alikes")
        for item in card["look_alikes"]:
            found = item["alarmed"]
            table.add_row(item["rule"], item["kind"], str(found["of"]), str(found["hits"]), percent(found))
        out.print(table)
    _print_listed("missed", card["missed"], "kind", "from")
    _print_listed("false", card["false"], "cause", "at")


def _rules_table(*head: str, title: str) -> Table:
    """A table that a narrow terminal can hold: rules keep their names, figures come without intervals."""
    table = Table(title=title, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in (*head, "rec %", "prec %", "p50 s", "p95", "max"):
        shown = _HEAD.get(name, name)
        words = name in {"rule", ""}
        table.add_column(shown, no_wrap=True, min_width=None if words else 4, justify="left" if words else "right")
    return table


def _brief(item: Mapping[str, Any]) -> list[str]:
    """Recall, precision and delays, without intervals."""
    shares = [percent(item[key]).split(" %")[0] for key in ("recall", "precision")]
    return [*shares, *(text.split(" [")[0] for text in _delays(item["delays"]))]


def _delays(found: Mapping[str, Any] | None) -> list[str]:
    return [seconds(found, key) for key in ("p50", "p95", "max")]


def _print_entrapments(found: Mapping[str, Any]) -> None:
    table = Table("entrapments", "told", "of", "recall", "p50 s", "p95 s", "max s")
    for name, said in (("with_sensor", "with a person sensor"), ("without_sensor", "without one"), ("all", "all")):
        share = found[name]["recall"]
        table.add_row(said, str(share["hits"]), str(share["of"]), percent(share), *_delays(found[name]["delays"]))
    out.print(table)


def _print_dispatch(found: Mapping[str, Any]) -> None:
    out.print(
        f"crews sent: {found['true']} found somebody, {found['false']} nobody; "
        f"false for 10,000 lifts and month: {per_month(found['false_rate'])}",
        highlight=False,
        markup=False,
    )


def _print_listed(title: str, items: Sequence[Mapping[str, Any]], what: str, when: str) -> None:
    if not items:
        return
    table = Table("rule", what, "lift", "at", "explain", title=title)
    for item in items[:SHOWN]:
        table.add_row(item["rule"], item[what], item["lift"], item[when], item["explain"])
    out.print(table)
    if len(items) > SHOWN:
        out.print(f"{len(items) - SHOWN} more; --json or --html FILE has them")


def print_comparison(found: Mapping[str, Any]) -> None:
    """Both sides of a comparison."""
    for side in ("first", "second"):
        run = found[side]
        out.print(
            f"{side}: {run['name']}, seed {run['seed']}, rules {run.get('rule_set', '')}", style="bold", highlight=False
        )
        _print_entrapments(found["entrapments"][side])
        _print_dispatch(found["dispatch"][side])
    table = _rules_table("rule", "", *SHORT, title="rules that differ")
    for rule in found["rules"]:
        for side in ("first", "second"):
            item = rule[side]
            if item is not None:
                table.add_row(rule["rule"], side, *(str(item[key]) for key in SHORT), *_brief(item))
    out.print(table)
    for title, what, when in (("missed", "kind", "from"), ("false", "cause", "at")):
        for side in ("only_first", "only_second"):
            _print_listed(f"{title}, {side.replace('_', ' ')}", found[title][side], what, when)


def print_sweep(found: Mapping[str, Any]) -> None:
    """One line a hold."""
    table = _rules_table("hold s", "asked", "missed", "false", title=f"{found['rule']}, now {found['hold_s']:g} s")
    for point in found["points"]:
        counts = [str(point[key]) for key in ("asked", "missed", "false")]
        table.add_row(f"{point['hold_s']:g}", *counts, *_brief(point))
    out.print(table)
