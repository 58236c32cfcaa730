"""Transitions to alarms, and alarms to the rescue cases that would have followed. Pure: values in, values out.

People are not folded again: a case is taken to last until every alarm that it stands for has cleared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from alarms.rules import Rule, RuleSet
from alarms.signals import CHANGE, CLEAR, PROMOTE, RAISE, Transitions
from dispatch.policy import case_for
from hoistway.model import CaseKind, Opens, Severity

NEVER: Final = 2**62


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one rule set said, in order; of some of its rules only, if `ids` says so."""

    rules: RuleSet
    transitions: Transitions
    ids: frozenset[str] | None = None
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm from its raise to its clear. Times are ms since 1970 UTC."""

    rule_id: str
    lift_id: int
    hold_start: int
    raised_at: int
    cleared_at: int  # NEVER: still active at the end
    severity: str  # the highest while it lasted
    opens: str
    demoted: bool  # a notice to its end
    steps: tuple[tuple[int, str, int], ...]  # when it came to open what, and after how many seconds that goes out


@dataclass(kw_only=True)
class _Open:
    rule: Rule
    hold_start: int
    raised_at: int
    demoted: bool
    level: int
    steps: list[tuple[int, str, int]] = field(default_factory=list)

    def note(self, at: int) -> None:
        opens = self.rule.at_level(self.level)[1]
        if not self.demoted and (not self.steps or self.steps[-1][1] != opens):
            self.steps.append((at, str(opens), self.rule.confirm_s or 0))


def alarms_of(segments: Iterable[Segment]) -> list[Alarm]:
    """The alarms of a run, by time of raise, then lift, then rule."""
    running: dict[tuple[int, str], _Open] = {}
    found: list[Alarm] = []
    for segment in segments:
        for row in segment.transitions:
            rule = segment.rules[row.rule]
            if (segment.ids is not None and rule.id not in segment.ids) or rule.id in segment.without:
                continue
            key = (row.slot, rule.id)
            if row.kind == RAISE:
                running[key] = _Open(
                    rule=rule, hold_start=row.hold_start, raised_at=row.at, demoted=row.demoted, level=row.level
                )
                running[key].note(row.at)
            elif (now := running.get(key)) is None:
                continue
            elif row.kind == CLEAR:
                found.append(_ended(*key, running.pop(key), row.at))
            elif row.kind in {PROMOTE, CHANGE}:
                now.demoted, now.level = row.demoted and row.kind != PROMOTE, row.level
                now.note(row.at)
    found += [_ended(*key, item, NEVER) for key, item in running.items()]
    return sorted(found, key=lambda alarm: (alarm.raised_at, alarm.lift_id, alarm.rule_id))


def _ended(lift_id: int, rule_id: str, item: _Open, at: int) -> Alarm:
    severity, opens = item.rule.at_level(item.level)
    return Alarm(
        rule_id=rule_id,
        lift_id=lift_id,
        hold_start=item.hold_start,
        raised_at=item.raised_at,
        cleared_at=max(at, item.raised_at),
        severity=str(Severity.NOTICE if item.demoted else severity),
        opens=str(Opens.NOTICE if item.demoted else opens),
        demoted=item.demoted,
        steps=tuple(item.steps),
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A rescue case that would have been opened."""

    lift_id: int
    kind: str
    opened_at: int
    ordered_at: int  # when the level 1 order goes out; NEVER: an alarm call sends none by itself
    over_at: int
    rule_id: str  # of the alarm that opened it


def cases_of(alarms: Sequence[Alarm]) -> list[Case]:
    """The cases that the alarms open, by time: a further alarm of the lift joins the case that runs."""
    steps: dict[int, list[tuple[int, int, str, int, Alarm]]] = {}
    for alarm in alarms:
        for at, opens, confirm_s in alarm.steps:
            plan = case_for(opens)
            if plan is not None:
                rank = 0 if plan.kind is CaseKind.ENTRAPMENT else 1
                steps.setdefault(alarm.lift_id, []).append((at, rank, plan.kind, confirm_s, alarm))
    found: list[Case] = []
    for lift_id, items in steps.items():
        found += _of_lift(lift_id, sorted(items, key=lambda item: (item[0], item[1], item[4].rule_id)))
    return sorted(found, key=lambda case: (case.opened_at, case.lift_id, case.kind))


def _of_lift(lift_id: int, steps: list[tuple[int, int, str, int, Alarm]]) -> list[Case]:
    found: list[Case] = []
    for at, _, kind, confirm_s, alarm in steps:
        ordered = at + confirm_s * 1_000 if kind == CaseKind.ENTRAPMENT else NEVER
        last = found[-1] if found else None
        if last is not None and at <= last.over_at:
            found[-1] = Case(
                lift_id=lift_id,
                kind=CaseKind.ENTRAPMENT if CaseKind.ENTRAPMENT in {last.kind, kind} else last.kind,
                opened_at=last.opened_at,
                ordered_at=min(last.ordered_at, ordered),
                over_at=max(last.over_at, alarm.cleared_at),
                rule_id=last.rule_id,
            )
        else:
            found.append(
                Case(
                    lift_id=lift_id,
                    kind=str(kind),
                    opened_at=at,
                    ordered_at=ordered,
                    over_at=alarm.cleared_at,
                    rule_id=alarm.rule_id,
                )
            )
    return found
