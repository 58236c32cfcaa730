"""One rule at many holds: what it finds, what it says falsely, how late. Pure: scorecards in, a document and a page out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hoistway.charts import curves
from hoistway.errors import BadInput
from simulators.score.page import PAGES, percent, run_facts, seconds

POINTS_MOST: Final = 60
"""So many holds in one sweep."""
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)s?(?:/(\d+(?:\.\d+)?)s?)?")


def holds_of(text: str, *, default: int = 24) -> list[float]:
    """The seconds of `5..120s`, or `5..120s/5` in steps of 5 s. Raises BadInput."""
    match = _SPAN.fullmatch(text.strip())
    if match is None or float(match[2]) < float(match[1]):
        raise BadInput(
            f"{text!r}", where="--for", expected="seconds from..to, as 5..120s, perhaps with a step, as 5..120s/5"
        )
    low, high = float(match[1]), float(match[2])
    step = float(match[3]) if match[3] else max(1.0, round((high - low) / (default - 1)))
    if step <= 0 or (high - low) / step >= POINTS_MOST:
        raise BadInput(f"{text!r}", where="--for", expected=f"at most {POINTS_MOST} values")
    count = int((high - low) / step + 1e-9)
    found = [round(low + step * place, 3) for place in range(count + 1)]
    return found if found[-1] >= high else [*found, high]


def sweep(
    run: Mapping[str, Any], rule: str, points: Sequence[tuple[float, Mapping[str, Any]]], *, hold_s: float
) -> dict[str, Any]:
    """The document of a sweep: `points` are the hold in seconds and the rule's line of the scorecard at it."""
    keys = ("asked", "true", "late", "missed", "false", "recall", "precision", "delays")
    return {
        "format": 1,
        "run": dict(run),
        "rule": rule,
        "hold_s": hold_s,
        "points": [{"hold_s": hold, **{key: line[key] for key in keys}} for hold, line in points],
    }  # fmt: skip


def sweep_page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    head = [
        ("hold", True),
        *((key, True) for key in ("asked", "missed", "false", "recall", "precision", "p50", "p95", "max")),
    ]
    rows = [
        [
            f"{point['hold_s']:g}", *(str(point[key]) for key in ("asked", "missed", "false")),
            percent(point["recall"]), percent(point["precision"]),
            *(seconds(point["delays"], key) for key in ("p50", "p95", "max")),
        ]
        for point in found["points"]
    ]  # fmt: skip
    both = PAGES.both
    return PAGES.frame(
        [
            f"<h1>{both('title_sweep')}</h1>",
            PAGES.facts([("rule", found["rule"]), ("hold", f"{found['hold_s']:g}"), *run_facts(found["run"])]),
            PAGES.section("pr_curve", _precision_recall(found) + PAGES.legend("swept", "baseline")),
            PAGES.section("delay_curve", _delays(found) + PAGES.legend("p50_line", "p95_line")),
            PAGES.section("points", PAGES.table(head, rows) + f"<p>{both('intervals')}</p>"),
        ],
        title="title_sweep",
    )


def _precision_recall(found: Mapping[str, Any]) -> str:
    known = [
        (point["recall"]["value"], point["precision"]["value"], f"{point['hold_s']:g} s", point["hold_s"])
        for point in found["points"]
        if point["recall"]["value"] is not None and point["precision"]["value"] is not None
    ]
    nearest = min(known, key=lambda point: abs(point[3] - found["hold_s"]), default=None)
    here = [] if nearest is None else [nearest[:3]]
    return curves([point[:3] for point in known], here, x="recall", y="precision", x_most=1, y_most=1)


def _delays(found: Mapping[str, Any]) -> str:
    lines = {}
    for key in ("p50", "p95"):
        lines[key] = [
            (point["hold_s"], point["delays"][key]["ms"] / 1_000, f"{key} at {point['hold_s']:g} s")
            for point in found["points"]
            if point["delays"]
        ]
    most = max((y for line in lines.values() for _, y, _ in line), default=1)
    wide = max((point["hold_s"] for point in found["points"]), default=1)
    return curves(lines["p50"], lines["p95"], x="hold, s", y="delay, s", x_most=wide, y_most=most)
