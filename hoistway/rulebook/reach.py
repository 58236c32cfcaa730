"""What one rule needs: the rules that it names, and how far back it remembers. Values only; no database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from alarms.language.checker import COUNT_STEPS, Term
from alarms.rule_sets import of_texts
from alarms.rules import RuleSet
from hoistway.limits import MAX_GAP_MS

LEAST_MS: Final = 15 * 60_000
"""A fold begins at least this long before what it is to find."""
UNBOUNDED_MS: Final = 24 * 3_600_000
"""What `age` and `since_reported` are taken to remember: they have no window of their own."""


def closure(rules: RuleSet, ids: Iterable[str]) -> RuleSet:
    """Those of `ids` that are in the set, with all rules that they name in `holding` or `shielded_by`, in the set's order."""
    wanted: set[str] = set()
    waiting = [rule_id for rule_id in ids if rule_id in rules]
    while waiting:
        rule_id = waiting.pop()
        if rule_id not in wanted:
            wanted.add(rule_id)
            waiting += named(rules, rule_id)
    return of_texts((rule.id, rule.text) for rule in rules if rule.id in wanted)


def named(rules: RuleSet, rule_id: str) -> list[str]:
    """The rules that a rule names itself."""
    index = rules.index(rule_id)
    holding = [cast("tuple[str, ...]", part.value) for part in _parts(rules, index) if part.op == "holding"]
    return [*rules[index].shielded_by, *(name for names in holding for name in names)]


def memory_ms(rules: RuleSet) -> int:
    """How long before a moment a fold must begin, so that the rules' holds and windows at that moment are whole."""
    longest = LEAST_MS
    for index, rule in enumerate(rules):
        hold = max(rule.for_ms, rule.clear_for_ms, rule.silent_for_ms or 0, *(level.for_ms for level in rule.levels), 0)
        windows = [_window_ms(part) for part in _parts(rules, index)]
        longest = max(longest, hold + MAX_GAP_MS + sum(windows))
    return longest


def _window_ms(part: Term) -> int:
    if part.op == "count":
        window = int(str(part.value))
        return window + window // COUNT_STEPS
    if part.op == "rate":
        return 2 * int(str(part.value))
    return UNBOUNDED_MS if part.op in {"age", "since_reported"} else 0


def _parts(rules: RuleSet, index: int) -> list[Term]:
    return [part for term in rules.terms[index].all() for part in term.walk()]
