"""The result of a backtest as one document: counts, differences, cases. Pure and deterministic: no clock, every list in an order.

Times in the document are RFC 3339 in UTC with milliseconds; lengths of time are milliseconds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ingest.backtest.diff import Pair, What, pairs_of_alarms, pairs_of_cases, what_of_alarm, what_of_case
from ingest.backtest.episodes import NEVER, Alarm, Case, cases_of

FORMAT: Final = 1
CHANGES: Final = 5_000
"""So many differences are listed; all are counted."""
LIFTS: Final = 200
EDGES_S: Final = (-600, -300, -120, -60, -30, -10, -5, 0, 5, 10, 30, 60, 120, 300, 600)
"""Edges of the histogram of delays: below the first, between two, from the last on."""
HOUR_MS: Final = 3_600_000
_COUNTED: Final = tuple(What)


@dataclass(frozen=True, kw_only=True)
class LiftName:
    name: str
    district: str


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What was folded."""

    source: str  # store, or the name of a recorded file
    from_ms: int
    to_ms: int
    warm_up_ms: int
    everything: bool  # False: only rules that differ or open rescue cases, and what those name
    lifts: int
    samples: int
    events: int
    rule_sets: tuple[tuple[int | None, int], ...]  # the baseline's sets and from when; None: the product's rules
    candidate: tuple[tuple[str, str], ...]  # id and version of the rules that the candidate changes or adds
    titles: Mapping[str, Mapping[str, str]]  # zh, en by rule id
    names: Mapping[int, LiftName]


def moment(at_ms: int) -> str | None:
    """RFC 3339; None for what never came."""
    return None if at_ms >= NEVER else f"{np.datetime_as_string(np.datetime64(at_ms, 'ms'))}Z"


def document(setting: Setting, baseline: Sequence[Alarm], candidate: Sequence[Alarm]) -> dict[str, Any]:
    """The whole result."""
    cases = [cases_of(alarms) for alarms in (baseline, candidate)]
    inside = [[alarm for alarm in alarms if _inside(setting, alarm.raised_at)] for alarms in (baseline, candidate)]
    pairs = [pair for pair in pairs_of_alarms(baseline, candidate) if _counts(setting, pair)]
    judged = [(pair, *what_of_alarm(pair)) for pair in pairs]
    return {
        "format": FORMAT,
        "source": setting.source,
        "from": moment(setting.from_ms),
        "to": moment(setting.to_ms),
        "warm_up_ms": setting.warm_up_ms,
        "everything": setting.everything,
        "lifts": setting.lifts,
        "samples": setting.samples,
        "events": setting.events,
        "baseline": {"rule_sets": [{"rule_set": number, "from": moment(at)} for number, at in setting.rule_sets]},
        "candidate": {"rules": [{"rule_id": rule_id, "version": version} for rule_id, version in setting.candidate]},
        "alarms": {"baseline": len(inside[0]), "candidate": len(inside[1]), **_tally(what for _, what, _ in judged)},
        "rules": _by_rule(setting, inside, judged),
        "by_lift": _by_lift(setting, judged),
        "hours": _by_hour(setting, inside),
        "delays": _delays(by for _, _, by in judged),
        "dispatch": _dispatch(setting, *cases),
        "changes": [_change(setting, *item) for item in judged if item[1] is not What.SAME][:CHANGES],
    }


def as_json(result: Mapping[str, Any]) -> str:
    """The document as bytes that are the same for the same document."""
    return json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _inside(setting: Setting, at: int) -> bool:
    return setting.from_ms <= at < setting.to_ms


def _counts(setting: Setting, pair: Pair[Alarm]) -> bool:
    return any(item is not None and _inside(setting, item.raised_at) for item in (pair.baseline, pair.candidate))


def _tally(found: Iterable[What]) -> dict[str, int]:
    counts = Counter(found)
    return {what.value: counts[what] for what in _COUNTED}


Judged = tuple[Pair[Alarm], What, int]


def _by_rule(setting: Setting, inside: Sequence[Sequence[Alarm]], judged: Sequence[Judged]) -> list[dict[str, Any]]:
    counts = [Counter(alarm.rule_id for alarm in alarms) for alarms in inside]
    by_rule: dict[str, list[Judged]] = {}
    for item in judged:
        by_rule.setdefault(item[0].either.rule_id, []).append(item)
    rows = []
    for rule_id in sorted(set(counts[0]) | set(counts[1]) | {rule_id for rule_id, _ in setting.candidate}):
        mine = by_rule.get(rule_id, [])
        moved = sorted(by for _, _, by in mine if by)
        rows.append(
            {
                "rule_id": rule_id,
                "title": dict(setting.titles.get(rule_id, {})),
                "changed": rule_id in dict(setting.candidate),
                "baseline": counts[0][rule_id],
                "candidate": counts[1][rule_id],
                **_tally(what for _, what, _ in mine),
                "moved_ms": {"least": moved[0], "median": moved[len(moved) // 2], "most": moved[-1]} if moved else None,
            }
        )
    return rows


def _by_lift(setting: Setting, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The lifts with the most differences, most first."""
    found: dict[int, list[What]] = {}
    for pair, what, _ in judged:
        if what is not What.SAME:
            found.setdefault(pair.either.lift_id, []).append(what)
    order = sorted(found, key=lambda lift_id: (-len(found[lift_id]), lift_id))
    return [{**_lift(setting, lift_id), **_tally(found[lift_id])} for lift_id in order[:LIFTS]]


def _lift(setting: Setting, lift_id: int) -> dict[str, Any]:
    name = setting.names.get(lift_id)
    return {
        "lift_id": lift_id,
        "lift": name.name if name else str(lift_id),
        "district": name.district if name else "",
    }


def _by_hour(setting: Setting, inside: Sequence[Sequence[Alarm]]) -> list[dict[str, Any]]:
    counts = [Counter(alarm.raised_at // HOUR_MS for alarm in alarms) for alarms in inside]
    hours = range(setting.from_ms // HOUR_MS, (setting.to_ms - 1) // HOUR_MS + 1)
    return [
        {"hour": moment(hour * HOUR_MS), "baseline": counts[0][hour], "candidate": counts[1][hour]} for hour in hours
    ]


def _delays(moved: Iterable[int]) -> list[dict[str, Any]]:
    """How many alarms moved by how much; those that did not move are not here."""
    bins = np.searchsorted(EDGES_S, np.array([by / 1_000 for by in moved if by], np.float64), side="right")
    counts = np.bincount(bins, minlength=len(EDGES_S) + 1).tolist()
    edges = [None, *EDGES_S, None]
    return [{"from_s": edges[i], "to_s": edges[i + 1], "alarms": count} for i, count in enumerate(counts)]


def _dispatch(setting: Setting, baseline: Sequence[Case], candidate: Sequence[Case]) -> dict[str, Any]:
    judged = [
        (pair, *what_of_case(pair))
        for pair in pairs_of_cases(baseline, candidate)
        if any(item is not None and _inside(setting, item.opened_at) for item in (pair.baseline, pair.candidate))
    ]
    return {
        "baseline": _case_counts(setting, baseline),
        "candidate": _case_counts(setting, candidate),
        "changes": _tally(what for _, what, _ in judged),
        "cases": [_case_change(setting, *item) for item in judged if item[1] is not What.SAME][:CHANGES],
    }


def _case_counts(setting: Setting, cases: Sequence[Case]) -> dict[str, int]:
    mine = [case for case in cases if _inside(setting, case.opened_at)]
    kinds = Counter(case.kind for case in mine)
    return {
        "cases": len(mine),
        "entrapment": kinds["entrapment"],
        "alarm_call": kinds["alarm-call"],
        "orders_level_1": sum(case.ordered_at < min(NEVER, case.over_at + 1) for case in mine),
    }


def _case_change(setting: Setting, pair: Pair[Case], what: What, by: int) -> dict[str, Any]:
    return {
        "what": what.value,
        **_lift(setting, pair.either.lift_id),
        "rule_id": pair.either.rule_id,
        "baseline": _one_case(pair.baseline),
        "candidate": _one_case(pair.candidate),
        "by_ms": by,
    }


def _one_case(case: Case | None) -> dict[str, Any] | None:
    if case is None:
        return None
    return {"kind": case.kind, "opened_at": moment(case.opened_at), "ordered_at": moment(case.ordered_at)}


def _change(setting: Setting, pair: Pair[Alarm], what: What, by: int) -> dict[str, Any]:
    return {
        "what": what.value,
        "rule_id": pair.either.rule_id,
        **_lift(setting, pair.either.lift_id),
        "baseline": _one_alarm(pair.baseline),
        "candidate": _one_alarm(pair.candidate),
        "by_ms": by,
    }


def _one_alarm(alarm: Alarm | None) -> dict[str, Any] | None:
    if alarm is None:
        return None
    return {
        "hold_start": moment(alarm.hold_start),
        "raised_at": moment(alarm.raised_at),
        "cleared_at": moment(alarm.cleared_at),
        "severity": alarm.severity,
        "opens": alarm.opens,
        "demoted": alarm.demoted,
    }
