"""The result of a backtest as one HTML page: charts drawn here, nothing loaded from anywhere. Pure: a document in, text out.

Every label is there in Chinese and English; two buttons without script choose which is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

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
    "people": (
        "人的操作不重放:一个救援事件持续到其所有报警清除为止。",
        "People are not folded again: a case is taken to last until all its alarms have cleared.",
    ),
}

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem;background:#f4f4f2;color:#1c1c1c}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .5rem;border-bottom:1px solid #ccc}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}svg{max-width:100%;height:auto;display:block}
.b{fill:#6b7280}.c{fill:#c2410c}text{fill:#1c1c1c;font:12px system-ui,sans-serif}line{stroke:#999}
#zh:checked~main .en,#en:checked~main .zh{display:none}
input[name=lang]{margin:0 .2rem 0 .6rem}
@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#eee}text{fill:#eee}td,th{border-color:#444}}
@media print{input,label.l{display:none}}
"""


def page(result: Mapping[str, Any]) -> str:
    """The whole page."""
    body = [
        f"<h1>{_both('title')}</h1>",
        _facts(result),
        _section("by_rule", _rule_chart(result["rules"]) + _rule_table(result["rules"])),
        _section("by_hour", _hour_chart(result["hours"])),
        _section("delays", _delay_chart(result["delays"])),
        _section("dispatch", _dispatch(result["dispatch"])),
        _section("differences", _changes(result)),
    ]
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{WORDS['title'][0]} / {WORDS['title'][1]}</title><style>{_STYLE}</style></head><body>\n"
        '<input type="radio" name="lang" id="zh" checked><label class="l" for="zh">中文</label>'
        '<input type="radio" name="lang" id="en"><label class="l" for="en">English</label>\n'
        "<main>\n" + "\n".join(body) + "\n</main></body></html>\n"
    )


def _both(key: str) -> str:
    zh, en = WORDS[key]
    return _two(zh, en)


def _two(zh: str, en: str) -> str:
    return f'<span class="zh" lang="zh-CN">{escape(zh)}</span><span class="en" lang="en">{escape(en)}</span>'


def _section(key: str, inner: str) -> str:
    return f'<section id="{key}"><h2>{_both(key)}</h2>{inner}</section>'


def _table(head: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> str:
    """`head` are words and whether their column holds numbers; cells are HTML already."""
    marks = [' class="n"' if number else "" for _, number in head]
    top = "".join(f"<th{mark}>{_both(key)}</th>" for (key, _), mark in zip(head, marks, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(row, marks, strict=True)) + "</tr>"
        for row in rows
    ]
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


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
    rows = "".join(f"<tr><th>{_both(key)}</th><td>{value}</td></tr>" for key, value in facts)
    return f"<table>{rows}</table><h2>{_both('alarms')}</h2>" + _table(
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


def _rule_name(rule: Mapping[str, Any]) -> str:
    title = rule["title"]
    mark = " *" if rule["changed"] else ""
    name = escape(rule["rule_id"] + mark)
    return f"{name}<br>{_two(title['zh'], title['en'])}" if title else name


def _seconds(value: int) -> str:
    return f"{value / 1_000:+.3f}".rstrip("0").rstrip(".")


# --- charts ---


def _bars(rows: Sequence[tuple[str, int, int]], *, height: int = 22) -> str:
    """Two horizontal bars a row."""
    most = max((max(first, second) for _, first, second in rows), default=0) or 1
    parts = []
    for place, (label, first, second) in enumerate(rows):
        top = place * (height + 8)
        parts.append(f'<text x="0" y="{top + 15}">{escape(label)}</text>')
        for offset, value, kind in ((0, first, "b"), (height // 2, second, "c")):
            width = round(value / most * 560, 1)
            parts.append(
                f'<rect class="{kind}" x="260" y="{top + offset}" width="{width}" height="{height // 2 - 1}"/>'
                f'<text x="{266 + width}" y="{top + offset + 9}">{value}</text>'
            )
    return _svg(900, max(1, len(rows)) * (height + 8), parts) + _legend()


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">{"".join(parts)}</svg>'


def _legend() -> str:
    box = '<svg width="12" height="12" viewBox="0 0 12 12" style="display:inline"><rect class="{}" width="12" height="12"/></svg> '
    return f"<p>{box.format('b')}{_both('baseline')} {box.format('c')}{_both('candidate')}</p>"


def _rule_chart(rules: Sequence[Mapping[str, Any]]) -> str:
    return _bars([(rule["rule_id"], rule["baseline"], rule["candidate"]) for rule in rules])


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
    return _svg(900, 200, parts) + _legend()


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
    return _svg(900, 200, parts)


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
