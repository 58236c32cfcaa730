"""What the rules said in a run, from transitions to alarms and to the crews that would have gone. No I/O, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from alarms.rules import RuleSet, Terms
from alarms.signals import CLEAR, PROMOTE, RAISE, Transitions
from hoistway.trial.fleet import Fleet
from ingest.backtest.episodes import NEVER as LASTS
from ingest.backtest.episodes import Alarm as Episode
from ingest.backtest.episodes import Segment, alarms_of, cases_of
from simulators.score.records import NEVER, Alarm, RuleFacts, Sent


class Said:
    """The transitions of a run, kept as they come. An alarm that is known later than it was true counts from when it is known."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._segments: list[Segment] = []
        self._fresh: list[Transitions] = []
        self.raised: list[tuple[int, str, int]] = []  # slot, rule, when: raised, or made full

    def note(self, transitions: Transitions, known: Mapping[int, int] | None = None) -> None:
        """`known`: by slot, from when on what was said of it was known, where that is later than it was true."""
        if not len(transitions):
            return
        rows = transitions.rows
        if known:
            told = np.array([known.get(slot, 0) for slot in rows["slot"].tolist()], np.int64)
            rows = rows.copy()
            rows["at"] = np.where(rows["kind"] == CLEAR, rows["at"], np.maximum(rows["at"], told))
        said = Transitions(rows=rows)
        self._segments.append(Segment(rules=self.rules, transitions=said))
        self._fresh.append(said)
        self.raised += [(row.slot, self.rules[row.rule].id, row.at) for row in said if row.kind in {RAISE, PROMOTE}]

    def fresh(self) -> Transitions:
        """What was said since the last call."""
        found, self._fresh = Transitions.join(self._fresh), []
        return found

    def episodes(self) -> list[Episode]:
        return alarms_of(self._segments)

    def alarms(self, fleet: Fleet) -> list[Alarm]:
        """The alarms as a scorecard takes them, numbered by time."""
        return [
            Alarm(
                id=str(number),
                lift=fleet.code(item.lift_id),
                rule=item.rule_id,
                hold_start_ms=item.hold_start,
                raised_ms=item.steps[0][0] if item.steps else item.raised_at,
                cleared_ms=NEVER if item.cleared_at == LASTS else item.cleared_at,
                notice=item.demoted,
                opens=item.steps[-1][1] if item.steps else item.opens,
            )
            for number, item in enumerate(self.episodes(), 1)
        ]

    def sent(self, fleet: Fleet, *, until_ms: int) -> list[Sent]:
        """The crews that would have gone out by the end if nobody at the desk had stepped in: after the rule's own voice check, whatever
        the car says meanwhile (`dispatch.policy`)."""
        return [
            Sent(
                lift=fleet.code(case.lift_id),
                rule=case.rule_id,
                opened_ms=case.opened_at,
                ordered_ms=case.ordered_at,
                over_ms=NEVER if case.over_at == LASTS else case.over_at,
            )
            for case in cases_of(self.episodes())
            if case.ordered_at <= until_ms
        ]


def facts_of(rules: RuleSet) -> list[RuleFacts]:
    """What a scorecard shows of the rules."""
    return [
        RuleFacts(
            id=rule.id,
            title=rule.title,
            opens=str(rule.opens),
            hold_s=max(rule.for_ms, rule.silent_for_ms or 0) / 1_000,
            promise_s=(max(rule.for_ms, rule.silent_for_ms or 0) + _counts_in_ms(terms)) / 1_000,
            version=rule.version,
        )
        for rule, terms in zip(rules, rules.terms, strict=True)
        if rule.enabled
    ]


def _counts_in_ms(terms: Terms) -> int:
    """The longest window that a rule counts in."""
    parts = [] if terms.when is None else terms.when.walk()
    return max((int(str(part.value)) for part in parts if part.op == "count"), default=0)


def version_of(rules: Sequence[RuleFacts]) -> str:
    """A name for the whole set: which rules in which version."""
    text = "\n".join(f"{rule.id}@{rule.version}" for rule in rules)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
