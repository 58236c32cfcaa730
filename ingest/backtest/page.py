"""The result of a backtest as one HTML page: charts drawn here, nothing loaded from anywhere. Pure: a document in, text out.

Every label is there in Chinese and English; two buttons without script choose which is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from hoistway.charts import Pages, bars, svg, two

ROWS: Final = 500
"""So many differences are on the page; the JSON has more."""

WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("规则回测", "Backtest of rules"),
    "period": ("时段", "period"),
    "data": ("数据", "data"),
    "lifts": ("电梯", "lifts"),
    "samples": ("采样", "samples"),
    "events": ("事件", "events"),
    "baseline": ("现行规则", "baseline"),
    "candidate": ("候选规则", "candidate"),
    "rule_sets": ("规则集", "rule sets"),
    "alarms": ("报警", "alarms"),
    "same": ("相同", "same"),
    "appeared": ("新增", "appeared"),
    "vanished": ("消失", "vanished"),
    "earlier": ("提前", "earlier"),
    "later": ("延后", "later"),
    "changed": ("级别变化", "changed"),
    "by_rule": ("各规则的报警数", "alarms by rule"),
    "by_hour": ("各小时的报警数 (UTC)", "alarms by hour (UTC)"),
    "delays": ("触发时间的移动", "how far alarms moved"),
    "dispatch": ("将会派遣", "what would have been dispatched"),
    "cases": ("救援事件", "cases"),
    "entrapment": ("困人", "entrapment"),
    "alarm_call": ("报警通话", "alarm call"),
    "orders_level_1": ("一级派遣", "level 1 orders"),
    "opened": ("将新开", "would be opened"),
    "not_opened": ("不再开", "would not be opened"),
    "differences": ("差异", "differences"),
    "what": ("结果", "what"),
    "rule": ("规则", "rule"),
    "lift": ("电梯", "lift"),
    "by": ("移动 (秒)", "moved (s)"),
    "none": ("没有差异", "no differences"),
    "more": ("其余见 JSON", "the JSON has the rest"),
    "needed": (
        "只计算有变化的规则和会开救援事件的规则;其余规则两边相同,不在此表。",
        "Only rules that differ or open rescue cases were folded; all others say the same in both and are not shown.",
    ),
    "people": (
        "人的操作不重放:一个救援事件持续到其所有报警清除为止。",
        "People are not folded again: a case is taken to last until all its alarms have cleared.",
    ),
}

_PAGES: Final = Pages(WORDS)
_both, _section, _table = _PAGES.both, _PAGES.section, _PAGES.table


def page(result: Mapping[str, Any]) -> str:
    """The whole page."""
    body = [
        f"<h1>{_both('title')}</h1>",
        _facts(result),
        _section("by_rule", _rule_chart(result["rules"]) + _rule_table(result["rules"]) + _needed(result)),
        _section("by_hour", _hour_chart(result["hours"])),
        _section("delays", _delay_chart(result["delays"])),
        _section("dispatch", _dispatch(result["dispatch"])),
        _section("differences", _changes(result)),
    ]
    return _PAGES.frame(body)


def _facts(result: Mapping[str, Any]) -> str:
    sets = ", ".join(str(item["rule_set"] or "-") for item in result["baseline"]["rule_sets"])
    rules = ", ".join(f"{item['rule_id']} {item['version']}" for item in result["candidate"]["rules"])
    alarms = result["alarms"]
    facts = [
        ("period", f"{result['from']} – {result['to']}"),
        ("data", escape(str(result["source"]))),
        ("lifts", str(result["lifts"])),
        ("samples", str(result["samples"])),
        ("rule_sets", sets),
        ("candidate", escape(rules)),
    ]
    counts = [(key, True) for key in ("baseline", "candidate", *_WHAT)]
    return f"{_PAGES.facts(facts)}<h2>{_both('alarms')}</h2>" + _table(
        counts, [[str(alarms[key]) for key, _ in counts]]
    )


_WHAT: Final = ("same", "appeared", "vanished", "earlier", "later", "changed")


def _rule_table(rules: Sequence[Mapping[str, Any]]) -> str:
    head = [("rule", False), *((key, True) for key in ("baseline", "candidate", *_WHAT)), ("by", True)]
    rows = []
    for rule in rules:
        moved = rule["moved_ms"]
        said = "" if moved is None else " / ".join(_seconds(moved[key]) for key in ("least", "median", "most"))
        numbers = [str(rule[key]) for key in ("baseline", "candidate", *_WHAT)]
        rows.append([_rule_name(rule), *numbers, said])
    return _table(head, rows)


def _needed(result: Mapping[str, Any]) -> str:
    return "" if result["everything"] else f"<p>{_both('needed')}</p>"


def _rule_name(rule: Mapping[str, Any]) -> str:
    title = rule["title"]
    mark = " *" if rule["changed"] else ""
    name = escape(rule["rule_id"] + mark)
    return f"{name}<br>{two(title['zh'], title['en'])}" if title else name


def _seconds(value: int) -> str:
    return f"{value / 1_000:+.3f}".rstrip("0").rstrip(".")


# --- charts ---


def _legend() -> str:
    return _PAGES.legend("baseline", "candidate")


def _rule_chart(rules: Sequence[Mapping[str, Any]]) -> str:
    return bars([(rule["rule_id"], rule["baseline"], rule["candidate"]) for rule in rules]) + _legend()


def _hour_chart(hours: Sequence[Mapping[str, Any]]) -> str:
    """Two columns an hour; of a long period several hours make one."""
    step = max(1, -(-len(hours) // 96))
    groups = [hours[place : place + step] for place in range(0, len(hours), step)]
    values = [[sum(hour[side] for hour in group) for side in ("baseline", "candidate")] for group in groups]
    most = max((max(pair) for pair in values), default=0) or 1
    width = 840 / max(1, len(groups))
    parts = ['<line x1="40" y1="180" x2="890" y2="180"/>', f'<text x="0" y="20">{most}</text>']
    for place, (group, pair) in enumerate(zip(groups, values, strict=True)):
        left = 44 + place * width
        for offset, value, kind in ((0.0, pair[0], "b"), (width * 0.45, pair[1], "c")):
            tall = round(value / most * 165, 1)
            parts.append(
                f'<rect class="{kind}" x="{left + offset:.1f}" y="{180 - tall:.1f}" width="{width * 0.42:.1f}" '
                f'height="{tall}"><title>{group[0]["hour"]}: {value}</title></rect>'
            )
        if place % max(1, len(groups) // 8) == 0:
            parts.append(f'<text x="{left:.1f}" y="196">{group[0]["hour"][5:13].replace("T", " ")}h</text>')
    return svg(900, 200, parts) + _legend()


def _delay_chart(delays: Sequence[Mapping[str, Any]]) -> str:
    if not any(item["alarms"] for item in delays):
        return f"<p>{_both('none')}</p>"
    most = max(item["alarms"] for item in delays)
    width = 850 / len(delays)
    parts = ['<line x1="20" y1="180" x2="890" y2="180"/>']
    for place, item in enumerate(delays):
        left, tall = 24 + place * width, round(item["alarms"] / most * 160, 1)
        label = f"< {item['to_s']}" if item["from_s"] is None else f"{item['from_s']}"
        parts.append(
            f'<rect class="c" x="{left:.1f}" y="{180 - tall:.1f}" width="{width * 0.85:.1f}" height="{tall}"/>'
            f'<text x="{left:.1f}" y="196">{escape(label)}</text>'
        )
        if item["alarms"]:
            parts.append(f'<text x="{left:.1f}" y="{175 - tall:.1f}">{item["alarms"]}</text>')
    return svg(900, 200, parts)


# --- lists ---


def _dispatch(found: Mapping[str, Any]) -> str:
    keys = ("cases", "entrapment", "alarm_call", "orders_level_1")
    head = [("what", False), *((key, True) for key in keys)]
    rows = [[_both(side), *(str(found[side][key]) for key in keys)] for side in ("baseline", "candidate")]
    changes = found["changes"]
    opened = f"<p>{_both('opened')}: {changes['appeared']}; {_both('not_opened')}: {changes['vanished']}</p>"
    listed = [
        [
            _both(item["what"]),
            escape(item["rule_id"]),
            escape(item["lift"]),
            _time(item["baseline"], "opened_at"),
            _time(item["candidate"], "opened_at"),
            _seconds(item["by_ms"]) if item["by_ms"] else "",
        ]
        for item in found["cases"][:ROWS]
    ]
    return _table(head, rows) + opened + (_differences(listed) if listed else "") + f"<p>{_both('people')}</p>"


def _changes(result: Mapping[str, Any]) -> str:
    changes = result["changes"]
    if not changes:
        return f"<p>{_both('none')}</p>"
    rows = [
        [
            _both(item["what"]),
            escape(item["rule_id"]),
            escape(item["lift"]),
            _time(item["baseline"], "raised_at"),
            _time(item["candidate"], "raised_at"),
            _seconds(item["by_ms"]) if item["by_ms"] else "",
        ]
        for item in changes[:ROWS]
    ]
    return _differences(rows) + (f"<p>{_both('more')}</p>" if len(changes) > ROWS else "")


def _differences(rows: Sequence[Sequence[str]]) -> str:
    names = (("what", False), ("rule", False), ("lift", False), ("baseline", False), ("candidate", False), ("by", True))
    return _table(names, rows)


def _time(side: Mapping[str, Any] | None, key: str) -> str:
    return "" if side is None else str(side[key] or "").replace("T", " ")
