"""Which alarm belongs to what really happened. Pure: records in, verdicts out; docs/score.md has the definitions.

Every pair of a truth and a rule that it expects is one question: was it told? Every alarm gets one verdict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from simulators.score.records import NEVER, Alarm, Run, Sent, Truth

BEFORE_MS: Final = 2_000
"""An alarm may be so much earlier than the truth's own stamp: two clocks, rounded."""
AFTER_MS: Final = 60_000
"""An alarm that comes so long after the end still belongs to it, as late."""
ALLOWANCE_MS: Final = 60_000
"""Beyond the rule's own promise: a heartbeat of 30 s, as much again for a record that was lost on the way. Later is late."""
LOUD: Final = frozenset({"rescue", "alarm-call"})
"""What sends somebody, or asks the car by voice."""


class Verdict(StrEnum):
    """Of an alarm."""

    TRUE = "true"  # the first of its rule in a truth that expects it, in time
    LATE = "late"  # the same, but later than promised
    REPEAT = "repeat"  # one more of them
    BESIDE = "beside"  # a consequence of something that was wrong
    NOTICE = "notice"  # demoted to its end: told, not alarmed
    FALSE = "false"


class Answer(StrEnum):
    """Of a truth and a rule that it expects."""

    TRUE = "true"
    LATE = "late"
    MISSED = "missed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One truth and one rule that must tell it."""

    truth: Truth
    rule: str
    answer: Answer
    alarm: Alarm | None  # that told it
    delay_ms: int | None  # from the beginning of the truth to the raise


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One alarm and what it was."""

    alarm: Alarm
    verdict: Verdict
    truth: Truth | None  # it belongs to, or that it was taken in by


@dataclass(frozen=True, kw_only=True, slots=True)
class Trapping:
    """One entrapment: somebody inside who could not get out, whichever rule tells it."""

    truth: Truth
    alarm: Alarm | None  # the first that sends or asks
    delay_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A run, matched."""

    asked: Sequence[Asked]
    judged: Sequence[Judged]
    trappings: Sequence[Trapping]
    sent_true: Sequence[tuple[Sent, Truth]]
    sent_false: Sequence[tuple[Sent, Truth | None]]  # with what was wrong instead, or taken for it


def match(run: Run) -> Matched:
    """Match truths and alarms of a run. What began so shortly before its end that nobody had to speak yet is not asked for."""
    alarms: dict[str, list[Alarm]] = defaultdict(list)
    truths: dict[str, list[Truth]] = defaultdict(list)
    for alarm in run.alarms:
        alarms[alarm.lift].append(alarm)
    for truth in run.truths:
        truths[truth.lift].append(truth)
    limits = {rule.id: round(rule.promise_s * 1_000) + ALLOWANCE_MS for rule in run.rules}
    loud = {rule.id for rule in run.rules if rule.opens in LOUD}
    told: dict[str, Asked] = {}
    asked = [
        found
        for truth in run.truths
        for rule in truth.expects
        for found in (_ask(truth, rule, alarms[truth.lift], limit_ms=limits.get(rule, ALLOWANCE_MS), told=told),)
        if found.answer is not Answer.MISSED or not _cut_off(truth, limits.get(rule, ALLOWANCE_MS), run.to_ms)
    ]
    judged = [_judge(alarm, truths[alarm.lift], told) for alarm in run.alarms]
    trapped = [truth for truth in run.truths if is_trapping(truth, loud)]
    by_lift: dict[str, list[Truth]] = defaultdict(list)
    for truth in trapped:
        by_lift[truth.lift].append(truth)
    sent = [(item, *_found(item, by_lift[item.lift], truths[item.lift])) for item in run.sent]
    return Matched(
        asked=asked,
        judged=judged,
        trappings=[
            item
            for item in (_trapping(truth, alarms[truth.lift]) for truth in trapped)
            if item.delay_ms is not None or not _cut_off(item.truth, 2 * ALLOWANCE_MS, run.to_ms)
        ],
        sent_true=[(item, inside) for item, inside, _ in sent if inside is not None],
        sent_false=[(item, near) for item, inside, near in sent if inside is None],
    )


def _cut_off(truth: Truth, limit_ms: int, end_ms: int) -> bool:
    """Whether the run ended before the fault did, and before somebody had to speak."""
    return truth.to_ms + AFTER_MS > end_ms and truth.from_ms + limit_ms > end_ms


def is_trapping(truth: Truth, loud: Iterable[str]) -> bool:
    """Somebody was inside and could not get out: the story expects a rule that sends, or its name says so."""
    named = truth.kind.startswith("entrapment") and not truth.alike
    return truth.person and (named or not set(truth.expects).isdisjoint(loud))


def _ask(truth: Truth, rule: str, alarms: Sequence[Alarm], *, limit_ms: int, told: dict[str, Asked]) -> Asked:
    """The first alarm of the rule in the truth's time; one that was active when it began has told it already."""
    mine = [alarm for alarm in alarms if alarm.rule == rule and not alarm.notice]
    inside = [alarm for alarm in mine if _belongs(alarm, truth)]
    before = [
        alarm for alarm in mine if alarm.raised_ms < truth.from_ms - BEFORE_MS and alarm.cleared_ms > truth.from_ms
    ]
    if before:
        return Asked(truth=truth, rule=rule, answer=Answer.TRUE, alarm=before[-1], delay_ms=0)
    free = [alarm for alarm in inside if alarm.id not in told]
    if not free:
        return Asked(truth=truth, rule=rule, answer=Answer.MISSED, alarm=None, delay_ms=None)
    delay = max(0, free[0].raised_ms - truth.from_ms)
    late = delay > limit_ms or free[0].raised_ms > truth.to_ms
    found = Asked(
        truth=truth, rule=rule, answer=Answer.LATE if late else Answer.TRUE, alarm=free[0], delay_ms=delay
    )  # fmt: skip
    told[free[0].id] = found
    return found


def _belongs(alarm: Alarm, truth: Truth) -> bool:
    after = NEVER if truth.to_ms == NEVER else truth.to_ms + AFTER_MS
    return truth.from_ms - BEFORE_MS <= alarm.raised_ms <= after


def _judge(alarm: Alarm, truths: Sequence[Truth], told: Mapping[str, Asked]) -> Judged:
    found = told.get(alarm.id)
    if found is not None:
        verdict = Verdict.TRUE if found.answer is Answer.TRUE else Verdict.LATE
        return Judged(alarm=alarm, verdict=verdict, truth=found.truth)
    near = [truth for truth in truths if _belongs(alarm, truth)]
    for truth in near:
        if alarm.rule in truth.expects:
            return Judged(alarm=alarm, verdict=Verdict.REPEAT, truth=truth)
    if alarm.notice:
        return Judged(alarm=alarm, verdict=Verdict.NOTICE, truth=near[0] if near else None)
    for truth in near:
        if _excuses(truth, alarm):
            return Judged(alarm=alarm, verdict=Verdict.BESIDE, truth=truth)
    fooled = [truth for truth in near if alarm.rule in truth.alike] or near
    return Judged(alarm=alarm, verdict=Verdict.FALSE, truth=fooled[0] if fooled else None)


def _excuses(truth: Truth, alarm: Alarm) -> bool:
    """A consequence: the story allows it, or knows of none and somebody is told of a lift that really is broken."""
    if alarm.rule in truth.alike:
        return False
    if truth.story or truth.allows:
        return alarm.rule in truth.allows
    return truth.person or alarm.opens not in LOUD


def _trapping(truth: Truth, alarms: Sequence[Alarm]) -> Trapping:
    loud = [alarm for alarm in alarms if alarm.opens in LOUD and not alarm.notice]
    if any(alarm.raised_ms < truth.from_ms - BEFORE_MS and alarm.cleared_ms > truth.from_ms for alarm in loud):
        return Trapping(truth=truth, alarm=None, delay_ms=0)
    inside = [alarm for alarm in loud if truth.from_ms - BEFORE_MS <= alarm.raised_ms <= truth.to_ms]
    if not inside:
        return Trapping(truth=truth, alarm=None, delay_ms=None)
    return Trapping(truth=truth, alarm=inside[0], delay_ms=max(0, inside[0].raised_ms - truth.from_ms))


def _found(item: Sent, trapped: Sequence[Truth], truths: Sequence[Truth]) -> tuple[Truth | None, Truth | None]:
    """Who was inside when a crew went out, and what else was wrong, or taken for it."""
    begin = item.opened_ms - AFTER_MS
    inside = (truth for truth in trapped if truth.overlaps(begin, item.over_ms))
    near = (truth for truth in truths if truth.overlaps(begin, item.opened_ms))
    return next(inside, None), next(near, None)
