"""Two scorecards side by side: of two runs, or of one run under two rule sets. Pure: documents in, a document out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

COUNTS: Final = ("asked", "true", "late", "missed", "false")


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """What the second says otherwise than the first, rule by rule; and which misses and false alarms are only in one of them."""
    rules = {item["rule"]: item for item in first["rules"]}, {item["rule"]: item for item in second["rules"]}
    names = dict.fromkeys([*rules[0], *rules[1]])
    return {
        "format": first["format"],
        "first": first["run"],
        "second": second["run"],
        "entrapments": _pair(first, second, "entrapments"),
        "dispatch": _pair(first, second, "dispatch"),
        "rules": [row for name in names if (row := _rule(name, rules[0].get(name), rules[1].get(name)))],
        "missed": _only(first["missed"], second["missed"]),
        "false": _only(first["false"], second["false"]),
    }


def _pair(first: Mapping[str, Any], second: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {"first": first[key], "second": second[key]}


def _rule(name: str, first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """None for a rule that says the same on both sides."""
    sides = {"first": first, "second": second}
    if first and second and all(first[key] == second[key] for key in (*COUNTS, "delays", "version")):
        return None
    keys = (*COUNTS, "recall", "precision", "delays", "hold_s", "version")
    return {"rule": name, **{side: {key: item[key] for key in keys} if item else None for side, item in sides.items()}}


def _only(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Lines that only one side has. An alarm is the same when rule, lift and time are; a miss when its truth and rule are."""
    keys = [{_key(item) for item in side} for side in (first, second)]
    return {
        "only_first": [item for item in first if _key(item) not in keys[1]],
        "only_second": [item for item in second if _key(item) not in keys[0]],
    }


def _key(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return item["rule"], item["lift"], item.get("at") or item["from"]
