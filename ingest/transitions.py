"""The engine's transitions with the words their rows need: rule, severity, evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from alarms.engine import Engine
from alarms.rules import RuleSet
from alarms.signals import BY_DEVICE, BY_RULE, Transitions
from ingest.changes import Change, ChangeKind

WITNESSES: Final = ((BY_RULE, "rule"), (BY_DEVICE, "device"))


def changes_of(
    transitions: Transitions, engine: Engine, rules: RuleSet, *, with_their_rules: bool = False
) -> list[Change]:
    """One `Change` a transition, in causal order. An object per alarm, never per reading. `with_their_rules`: they all are ends of
    alarms whose rule is another now, or gone."""
    changes = []
    for slot, rule_index, kind, at, hold_start, demoted, level, witnesses in transitions:
        rule = rules[rule_index]
        severity, opens = rule.at_level(level)
        evidence = engine.evidence(slot, rule_index) if kind != ChangeKind.CLEAR else {}
        changes.append(
            Change(
                kind=ChangeKind(kind),
                lift_id=slot,
                rule_id=rule.id,
                rule_version=rule.version,
                severity=severity,
                opens=opens,
                at_ms=at,
                hold_start_ms=hold_start,
                demoted=demoted,
                evidence=json.dumps(evidence, allow_nan=False),
                witnesses=tuple(name for bit, name in WITNESSES if witnesses & bit),
                with_its_rule=with_their_rules,
                confirm_s=rule.confirm_s or 0,
            )
        )
    return changes


def caught_up(
    changes: Sequence[Change], active: set[tuple[int, str]], lapsed: Sequence[tuple[int, str]], now_ms: int
) -> tuple[list[Change], list[Change]]:
    """What only a replay raised, as raises, and the ends of active alarms that no rule keeps active any more."""
    last = {change.key: change for change in changes}
    raised = [
        replace(change, kind=ChangeKind.RAISE)
        for key, change in last.items()
        if change.kind is not ChangeKind.CLEAR and key not in active
    ]
    return raised, [rule_gone(*key, now_ms) for key in lapsed if key in active and key not in last]


def rule_gone(lift_id: int, rule_id: str, now_ms: int) -> Change:
    """The clearing of an alarm whose rule no longer exists in the form that raised it."""
    return Change(
        kind=ChangeKind.CLEAR,
        lift_id=lift_id,
        rule_id=rule_id,
        rule_version="",
        severity="",
        opens="",
        at_ms=now_ms,
        hold_start_ms=now_ms,
        demoted=False,
        evidence="{}",
        with_its_rule=True,
    )
