"""Pages that need nothing but themselves: a frame in Chinese and English, tables, and charts as inline SVG. Pure: values in, HTML text out.

A page's words are its own; here is only how they are shown. Two buttons without script choose the language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

Words = Mapping[str, tuple[str, str]]
"""zh and en by key."""

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem;background:#f4f4f2;color:#1c1c1c}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .5rem;border-bottom:1px solid #ccc}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}svg{max-width:100%;height:auto;display:block}
.b{fill:#6b7280}.c{fill:#c2410c}text{fill:#1c1c1c;font:12px system-ui,sans-serif}line{stroke:#999}
path.b,path.c{fill:none;stroke-width:2}path.b{stroke:#6b7280}path.c{stroke:#c2410c}
#zh:checked~main .en,#en:checked~main .zh{display:none}
input[name=lang]{margin:0 .2rem 0 .6rem}
@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#eee}text{fill:#eee}td,th{border-color:#444}}
@media print{input,label.l{display:none}}
"""


class Pages:
    """Builds pages with one set of words."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def frame(self, body: Sequence[str], *, title: str = "title") -> str:
        """The whole page. `title` is a word."""
        zh, en = self._words[title]
        return (
            '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{zh} / {en}</title><style>{_STYLE}</style></head><body>\n"
            '<input type="radio" name="lang" id="zh" checked><label class="l" for="zh">中文</label>'
            '<input type="radio" name="lang" id="en"><label class="l" for="en">English</label>\n'
            "<main>\n" + "\n".join(body) + "\n</main></body></html>\n"
        )

    def both(self, key: str) -> str:
        """A word in both languages."""
        return two(*self._words[key])

    def section(self, key: str, inner: str) -> str:
        return f'<section id="{key}"><h2>{self.both(key)}</h2>{inner}</section>'

    def table(self, head: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> str:
        """`head` are words and whether their column holds numbers; cells are HTML already."""
        marks = [' class="n"' if number else "" for _, number in head]
        top = "".join(f"<th{mark}>{self.both(key)}</th>" for (key, _), mark in zip(head, marks, strict=True))
        lines = [
            "<tr>" + "".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(row, marks, strict=True)) + "</tr>"
            for row in rows
        ]
        return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'

    def facts(self, facts: Sequence[tuple[str, str]]) -> str:
        """A word and its value a line; values are HTML already."""
        rows = "".join(f"<tr><th>{self.both(key)}</th><td>{value}</td></tr>" for key, value in facts)
        return f"<table>{rows}</table>"

    def legend(self, first: str, second: str) -> str:
        """What the two colours mean."""
        box = '<svg width="12" height="12" viewBox="0 0 12 12" style="display:inline"><rect class="{}" width="12" height="12"/></svg> '
        return f"<p>{box.format('b')}{self.both(first)} {box.format('c')}{self.both(second)}</p>"


def two(zh: str, en: str) -> str:
    """A text in both languages, of which one is shown."""
    return f'<span class="zh" lang="zh-CN">{escape(zh)}</span><span class="en" lang="en">{escape(en)}</span>'


def svg(width: int, height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">{"".join(parts)}</svg>'


def bars(rows: Sequence[tuple[str, int, int]], *, height: int = 22) -> str:
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
    return svg(900, max(1, len(rows)) * (height + 8), parts)


Points = Sequence[tuple[float, float, str]]
"""x, y and what the point says when it is pointed at; a label is its last word."""


def curves(first: Points, second: Points = (), *, x: str, y: str, x_most: float, y_most: float) -> str:
    """Lines through points, from 0 on both axes; `x` and `y` are the axes' names with their units."""
    right, low = 840, 240

    def place(point: tuple[float, float, str]) -> tuple[float, float]:
        return 50 + point[0] / (x_most or 1) * (right - 60), low - point[1] / (y_most or 1) * (low - 20)

    parts = [f'<line x1="50" y1="{low}" x2="{right}" y2="{low}"/>', f'<line x1="50" y1="10" x2="50" y2="{low}"/>']
    parts += [
        f'<text x="{50 + share * (right - 60):.0f}" y="{low + 16}">{x_most * share:.4g}</text>'
        for share in (0.25, 0.5, 0.75, 1)
    ]
    parts += [
        f'<text x="4" y="{low - share * (low - 20) + 4:.0f}">{y_most * share:.4g}</text>' for share in (0, 0.5, 1)
    ]
    parts += [f'<text x="{right - 200}" y="{low + 32}">{escape(x)}</text>', f'<text x="56" y="14">{escape(y)}</text>']
    for points, kind in ((first, "b"), (second, "c")):
        spots = [place(point) for point in points]
        if len(spots) > 1:
            path = "M" + "L".join(f"{left:.1f} {top:.1f}" for left, top in spots)
            parts.append(f'<path class="{kind}" d="{path}"/>')
        parts += [
            f'<circle class="{kind}" cx="{left:.1f}" cy="{top:.1f}" r="4"><title>{escape(point[2])}</title></circle>'
            for (left, top), point in zip(spots, points, strict=True)
        ]
    return svg(900, low + 40, parts)
