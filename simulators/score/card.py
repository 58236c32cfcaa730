"""The scorecard as a document of plain values, which the table, the JSON and the page all show. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from simulators.score.figures import Rate, Share, delays_of, exposure_of
from simulators.score.matching import Answer, Asked, Judged, Matched, Trapping, Verdict, match
from simulators.score.records import NEVER, Alarm, RuleFacts, Run, Truth

FORMAT: Final = 1
LISTED: Final = 2_000
"""So many misses, and so many false alarms, are listed one by one; all are counted."""
NOTHING: Final = "nothing"
"""The cause of a false alarm of a lift that nothing was wrong with."""


def scorecard(run: Run) -> dict[str, Any]:
    """Everything that is known of a run's alarms."""
    found = match(run)
    exposure = exposure_of(run.lifts, run.days)
    return {
        "format": FORMAT,
        "run": {
            "name": run.name,
            "seed": run.seed,
            "from": moment(run.from_ms),
            "to": moment(run.to_ms),
            "days": round(run.days, 4),
            "lifts": run.lifts,
            "escalators": run.escalators,
            "truths": sum(not truth.alike for truth in run.truths),
            "look_alikes": sum(bool(truth.alike) for truth in run.truths),
            "alarms": len(run.alarms),
            **run.facts,
        },
        "entrapments": _entrapments(found.trappings),
        "dispatch": _dispatch(found, exposure),
        "rules": [_rule(rule, found) for rule in run.rules],
        "causes": _causes(found.asked),
        "false_by_cause": _false_by_cause(found.judged),
        "look_alikes": _look_alikes(run, found.judged),
        "missed": [_missed(item) for item in found.asked if item.answer is Answer.MISSED][:LISTED],
        "late": [_late(item) for item in found.asked if item.answer is Answer.LATE][:LISTED],
        "false": [_false(item) for item in found.judged if item.verdict is Verdict.FALSE][:LISTED],
    }


def moment(ms: int) -> str:
    """UTC with milliseconds, as everywhere in the platform."""
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def share(hits: int, of: int) -> dict[str, Any]:
    """A share with its interval, rounded to what it can mean."""
    found = Share(hits, of)
    low, high = found.interval
    value = None if found.value is None else round(found.value, 4)
    return {"hits": hits, "of": of, "value": value, "low": round(low, 4), "high": round(high, 4)}


def rate(events: int, exposure: float) -> dict[str, Any]:
    """Events for 10,000 lifts and a month."""
    found = Rate(events, exposure)
    interval = found.interval
    low, high = (None, None) if interval is None else (round(interval[0], 3), round(interval[1], 3))
    return {"events": events, "value": None if found.value is None else round(found.value, 3), "low": low, "high": high}


def _entrapments(trappings: Sequence[Trapping]) -> dict[str, Any]:
    """Was anybody told of who was trapped, whichever rule said it; with a person sensor, without, and all."""
    found = {}
    for name, wanted in (("with_sensor", {True}), ("without_sensor", {False}), ("all", {True, False})):
        mine = [item for item in trappings if item.truth.person_sensor in wanted]
        delays = [item.delay_ms for item in mine if item.delay_ms is not None]
        found[name] = {"recall": share(len(delays), len(mine)), "delays": delays_of(delays)}
    return found


def _dispatch(found: Matched, exposure: float) -> dict[str, Any]:
    true, false = len(found.sent_true), len(found.sent_false)
    causes = Counter(truth.kind if truth else NOTHING for _, truth in found.sent_false)
    return {
        "true": true,
        "false": false,
        "false_per_20_true": round(20 * false / true, 2) if true else None,
        "true_rate": rate(true, exposure),
        "false_rate": rate(false, exposure),
        "false_by_cause": dict(sorted(causes.items())),
        "false_by_rule": dict(sorted(Counter(item.rule for item, _ in found.sent_false).items())),
    }


def _rule(rule: RuleFacts, found: Matched) -> dict[str, Any]:
    asked = [item for item in found.asked if item.rule == rule.id]
    answers = Counter(item.answer for item in asked)
    verdicts = Counter(item.verdict for item in found.judged if item.alarm.rule == rule.id)
    told = answers[Answer.TRUE] + answers[Answer.LATE]
    right = verdicts[Verdict.TRUE] + verdicts[Verdict.LATE]
    return {
        "rule": rule.id,
        "title": dict(rule.title),
        "opens": rule.opens,
        "hold_s": rule.hold_s,
        "version": rule.version,
        "asked": len(asked),
        "true": answers[Answer.TRUE],
        "late": answers[Answer.LATE],
        "missed": answers[Answer.MISSED],
        "false": verdicts[Verdict.FALSE],
        "repeats": verdicts[Verdict.REPEAT],
        "beside": verdicts[Verdict.BESIDE],
        "notices": verdicts[Verdict.NOTICE],
        "recall": share(told, len(asked)),
        "precision": share(right, right + verdicts[Verdict.FALSE]),
        "delays": delays_of([item.delay_ms for item in asked if item.delay_ms is not None]),
    }


def _causes(asked: Iterable[Asked]) -> list[dict[str, Any]]:
    """The answers by what was wrong and by rule."""
    groups: dict[tuple[str, str, str], list[Asked]] = defaultdict(list)
    for item in asked:
        groups[item.truth.kind, item.truth.cause, item.rule].append(item)
    found = []
    for (kind, cause, rule), items in sorted(groups.items()):
        answers = Counter(item.answer for item in items)
        found.append(
            {
                "kind": kind,
                "cause": cause,
                "rule": rule,
                "asked": len(items),
                "true": answers[Answer.TRUE],
                "late": answers[Answer.LATE],
                "missed": answers[Answer.MISSED],
                "recall": share(answers[Answer.TRUE] + answers[Answer.LATE], len(items)),
                "delays": delays_of([item.delay_ms for item in items if item.delay_ms is not None]),
            }
        )
    return found


def _false_by_cause(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    counts = Counter(
        (item.alarm.rule, item.truth.kind if item.truth else NOTHING)
        for item in judged
        if item.verdict is Verdict.FALSE
    )
    return [{"rule": rule, "cause": cause, "false": count} for (rule, cause), count in sorted(counts.items())]


def _look_alikes(run: Run, judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """By rule and look-alike: how many there were, and how many took the rule in."""
    taken = {
        (item.alarm.rule, item.truth.id) for item in judged if item.verdict is Verdict.FALSE and item.truth is not None
    }
    seen: Counter[tuple[str, str]] = Counter()
    fooled: Counter[tuple[str, str]] = Counter()
    for truth in run.truths:
        for rule in truth.alike:
            seen[rule, truth.kind] += 1
            fooled[rule, truth.kind] += (rule, truth.id) in taken
    return [
        {"rule": rule, "kind": kind, "alarmed": share(fooled[rule, kind], count)}
        for (rule, kind), count in sorted(seen.items())
    ]


# --- one by one ---


def _missed(item: Asked) -> dict[str, Any]:
    return {"explain": f"truth-{item.truth.id}", "rule": item.rule, **_of_truth(item.truth)}


def _late(item: Asked) -> dict[str, Any]:
    return {**_missed(item), "delay_ms": item.delay_ms}


def _of_truth(truth: Truth) -> dict[str, Any]:
    return {
        "lift": truth.lift,
        "kind": truth.kind,
        "cause": truth.cause,
        "from": moment(truth.from_ms),
        "lasted_s": None if truth.to_ms == NEVER else (truth.to_ms - truth.from_ms) / 1_000,
        "person": truth.person,
        "person_sensor": truth.person_sensor,
    }


def _false(item: Judged) -> dict[str, Any]:
    return {
        "explain": f"alarm-{item.alarm.id}",
        "rule": item.alarm.rule,
        "lift": item.alarm.lift,
        "at": moment(item.alarm.raised_ms),
        "lasted_s": _lasted(item.alarm),
        "cause": item.truth.kind if item.truth else NOTHING,
    }


def _lasted(alarm: Alarm) -> float | None:
    return None if alarm.cleared_ms == NEVER else (alarm.cleared_ms - alarm.raised_ms) / 1_000
