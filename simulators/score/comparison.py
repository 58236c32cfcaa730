"""Two scorecards side by side as a page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from hoistway.charts import bars
from simulators.score.compare import COUNTS
from simulators.score.page import PAGES, entrapments, false_list, per_month, percent, run_facts, seconds, truth_list


def compare_page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    both, section = PAGES.both, PAGES.section
    sides = ("first", "second")
    heads = "".join(f"<h2>{both(side)}</h2>{PAGES.facts(run_facts(found[side]))}" for side in sides)
    told = "".join(f"<h3>{both(side)}</h3>{entrapments(found['entrapments'][side])}" for side in sides)
    sent = PAGES.table(
        [("group", False), ("sent_true", True), ("sent_false", True), ("false_rate", True)],
        [
            [both(side), str(item["true"]), str(item["false"]), per_month(item["false_rate"])]
            for side, item in ((side, found["dispatch"][side]) for side in sides)
        ],
    )
    lists = "".join(
        f"<h3>{both(key)}: {both(side)}</h3>{show(found[key][side])}"
        for key, show in (("missed", truth_list), ("false", false_list))
        for side in ("only_first", "only_second")
    )
    return PAGES.frame(
        [
            f"<h1>{both('title_compare')}</h1>",
            heads,
            section("entrapments", told),
            section("dispatch", sent),
            section("rules", _rules(found) + f"<p>{both('intervals')}</p>"),
            section("chart", _chart(found)),
            section("explain", lists),
        ],
        title="title_compare",
    )


def _rules(found: Mapping[str, Any]) -> str:
    head = [("rule", False), ("group", False), *((key, True) for key in (*COUNTS, "recall", "precision", "p50", "p95"))]
    rows = []
    for rule in found["rules"]:
        for side in ("first", "second"):
            item = rule[side]
            if item is None:
                continue
            times = [seconds(item["delays"], key) for key in ("p50", "p95")]
            shares = [percent(item[key]) for key in ("recall", "precision")]
            rows.append([escape(rule["rule"]), PAGES.both(side), *(str(item[key]) for key in COUNTS), *shares, *times])
    return PAGES.table(head, rows) if rows else f"<p>{PAGES.both('none')}</p>"


def _chart(found: Mapping[str, Any]) -> str:
    """Missed and false alarms together, by rule and side."""
    rows = []
    for rule in found["rules"]:
        sums = [
            sum(rule[side][key] for key in ("missed", "false")) if rule[side] else 0 for side in ("first", "second")
        ]
        rows.append((rule["rule"], *sums))
    return bars([(name, first, second) for name, first, second in rows]) + PAGES.legend("first", "second")
