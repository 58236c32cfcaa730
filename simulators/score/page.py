"""A scorecard as one HTML page that needs nothing but itself. Pure: documents in, text out.

Each miss and each false alarm links to its evidence further down: the samples around it, where the run has kept them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from hoistway.charts import Pages, bars, two
from simulators.score.words import WORDS

ROWS: Final = 300
"""So many misses and so many false alarms are on the page; the JSON has more."""
EVIDENCE_ROWS: Final = 60
"""So many samples of one explanation."""

PAGES: Final = Pages(WORDS)
_both, _section, _table = PAGES.both, PAGES.section, PAGES.table
Evidence = Mapping[str, Sequence[tuple[float, str]]]
"""By the name in `explain`: seconds from the beginning, and what was said."""


def page(card: Mapping[str, Any], evidence: Evidence | None = None) -> str:
    """The whole page."""
    clips = evidence or {}
    listed = [*card["missed"][:ROWS], *card["late"][:ROWS], *card["false"][:ROWS]]
    body = [
        f"<h1>{_both('title')}</h1>",
        PAGES.facts(run_facts(card["run"])),
        _section("entrapments", entrapments(card["entrapments"]) + f"<p>{_both('intervals')}</p>"),
        _section("dispatch", _dispatch(card["dispatch"])),
        _section("rules", _rules(card["rules"])),
        _section("chart", bars(_missed_and_false(card["rules"])) + PAGES.legend("missed", "false")),
        _section("causes", _causes(card["causes"])),
        _section("look_alikes", _look_alikes(card["look_alikes"])),
        _section("false_by_cause", _false_by_cause(card["false_by_cause"])),
        _section("missed", truth_list(card["missed"])),
        _section("late", truth_list(card["late"])),
        _section("false", false_list(card["false"])),
        _section("evidence", "".join(_clip(item["explain"], clips) for item in _once(listed)) or _none()),
    ]
    return PAGES.frame(body)


def run_facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The head of a page."""
    keys = ("name", "seed", "lifts", "escalators", "days", "truths", "look_alikes", "alarms", "rule_set")
    found = [(key, escape(str(run[key]))) for key in keys if key in run]
    return [*found[:2], ("period", f"{run['from']} – {run['to']}"), *found[2:]]


# --- figures as text ---


def percent(share: Mapping[str, Any]) -> str:
    """A share with its interval; empty where there is nothing to count."""
    if share["value"] is None:
        return ""
    return f"{_hundredths(share['value'])} % [{_hundredths(share['low'])}–{_hundredths(share['high'])}]"


def _hundredths(value: float) -> str:
    return f"{value * 100:.1f}".removesuffix(".0")


def seconds(delays: Mapping[str, Any] | None, key: str) -> str:
    """A quantile of delays in seconds, with its interval where the sample is large enough for one."""
    item = delays and delays[key]
    if not item:
        return ""
    text = f"{item['ms'] / 1_000:.1f}"
    if item.get("low") is None and item.get("high") is None:
        return text
    low, high = ("…" if item[side] is None else f"{item[side] / 1_000:.1f}" for side in ("low", "high"))
    return f"{text} [{low}–{high}]"


def per_month(rate: Mapping[str, Any]) -> str:
    """A rate with its interval."""
    return "" if rate["value"] is None else f"{rate['value']:.2f} [{rate['low']:.2f}–{rate['high']:.2f}]"


# --- sections ---


def entrapments(found: Mapping[str, Any]) -> str:
    """Recall and delays by whether a person sensor is fitted."""
    head = [
        ("group", False),
        ("told", True),
        ("of", True),
        ("recall", True),
        ("p50", True),
        ("p95", True),
        ("max", True),
    ]
    rows = []
    for group in ("with_sensor", "without_sensor", "all"):
        share, delays = found[group]["recall"], found[group]["delays"]
        times = [seconds(delays, key) for key in ("p50", "p95", "max")]
        rows.append([_both(group), str(share["hits"]), str(share["of"]), percent(share), *times])
    return _table(head, rows)


def _dispatch(found: Mapping[str, Any]) -> str:
    causes = ", ".join(f"{escape(cause)}: {count}" for cause, count in found["false_by_cause"].items())
    per_20 = "" if found["false_per_20_true"] is None else f"{found['false_per_20_true']:g}"
    return PAGES.facts(
        [
            ("sent_true", str(found["true"])),
            ("sent_false", f"{found['false']} {f'({causes})' if causes else ''}"),
            ("per_20", per_20),
            ("false_rate", per_month(found["false_rate"])),
        ]
    )


COUNTS: Final = ("asked", "true", "late", "missed", "false", "repeats", "beside", "notices")


def spoke(rule: Mapping[str, Any]) -> bool:
    """A rule that was asked for anything or said anything."""
    return any(rule[key] for key in COUNTS)


def _rules(rules: Sequence[Mapping[str, Any]]) -> str:
    head = [("rule", False), *((key, True) for key in (*COUNTS, "recall", "precision", "p50", "p95", "max"))]
    rows = [
        [
            f"{escape(rule['rule'])}<br>{two(rule['title'].get('zh', ''), rule['title'].get('en', ''))}",
            *(str(rule[key]) for key in COUNTS),
            percent(rule["recall"]),
            percent(rule["precision"]),
            *(seconds(rule["delays"], key) for key in ("p50", "p95", "max")),
        ]
        for rule in rules
        if spoke(rule)
    ]
    return _table(head, rows) if rows else _none()


def _missed_and_false(rules: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    return [(rule["rule"], rule["missed"], rule["false"]) for rule in rules if spoke(rule)]


def _causes(causes: Sequence[Mapping[str, Any]]) -> str:
    keys = ("asked", "true", "late", "missed")
    head = [
        ("kind", False),
        ("cause", False),
        ("rule", False),
        *((key, True) for key in (*keys, "recall", "p50", "p95")),
    ]
    rows = [
        [
            escape(item["kind"]), escape(item["cause"]), escape(item["rule"]), *(str(item[key]) for key in keys),
            percent(item["recall"]), seconds(item["delays"], "p50"), seconds(item["delays"], "p95"),
        ]
        for item in causes
    ]  # fmt: skip
    return _table(head, rows) if rows else _none()


def _look_alikes(found: Sequence[Mapping[str, Any]]) -> str:
    head = [("rule", False), ("kind", False), ("of", True), ("alarmed", True), ("false", True)]
    rows = [
        [escape(item["rule"]), escape(item["kind"]), str(item["alarmed"]["of"]), str(item["alarmed"]["hits"]),
         percent(item["alarmed"])]
        for item in found
    ]  # fmt: skip
    return _table(head, rows) if rows else _none()


def _false_by_cause(found: Sequence[Mapping[str, Any]]) -> str:
    head = [("rule", False), ("cause", False), ("false", True)]
    rows = [[escape(item["rule"]), escape(item["cause"]), str(item["false"])] for item in found]
    return _table(head, rows) if rows else _none()


def truth_list(items: Sequence[Mapping[str, Any]]) -> str:
    """Truths that were missed, or told late, one by one."""
    head = [
        ("rule", False),
        ("kind", False),
        ("lift", False),
        ("at", False),
        ("lasted", True),
        ("p50", True),
        ("explain", False),
    ]
    rows = [
        [
            escape(item["rule"]), escape(item["kind"]), escape(item["lift"]), _time(item["from"]), _lasted(item),
            f"{item['delay_ms'] / 1_000:.1f}" if item.get("delay_ms") is not None else "", _link(item["explain"]),
        ]
        for item in items[:ROWS]
    ]  # fmt: skip
    return _listed(head, rows, len(items))


def false_list(items: Sequence[Mapping[str, Any]]) -> str:
    """False alarms one by one."""
    head = [("rule", False), ("cause", False), ("lift", False), ("at", False), ("lasted", True), ("explain", False)]
    rows = [
        [escape(item["rule"]), escape(item["cause"]), escape(item["lift"]), _time(item["at"]), _lasted(item),
         _link(item["explain"])]
        for item in items[:ROWS]
    ]  # fmt: skip
    return _listed(head, rows, len(items))


def _listed(head: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], count: int) -> str:
    if not rows:
        return _none()
    return _table(head, rows) + (f"<p>{_both('more')}</p>" if count > ROWS else "")


def _none() -> str:
    return f"<p>{_both('none')}</p>"


def _time(text: str) -> str:
    return text.replace("T", " ").removesuffix("Z")


def _lasted(item: Mapping[str, Any]) -> str:
    return "" if item["lasted_s"] is None else f"{item['lasted_s']:.0f}"


def _link(name: str) -> str:
    return f'<a href="#{escape(name, quote=True)}">{escape(name)}</a>'


def _once(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({item["explain"]: item for item in items}.values())


def _clip(name: str, clips: Evidence) -> str:
    rows = [[f"{at:.1f}", escape(said)] for at, said in clips.get(name, ())[:EVIDENCE_ROWS]]
    inner = _table([("from_begin", True), ("sample", False)], rows) if rows else f"<p>{_both('no_evidence')}</p>"
    return f'<h3 id="{escape(name, quote=True)}">{escape(name)}</h3>{inner}'
