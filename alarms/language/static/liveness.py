"""Refuses a rule that can never be raised, or never be cleared: at load, before a lift depends on it. Decides by `satisfiable` alone.

What is not decided here: whether the condition can hold for as long as `for` says, because a lift may have a hold of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from alarms.language.checker import Expression, Term, Type
from alarms.language.static.numbers import LARGEST
from alarms.language.static.ranges import span
from alarms.language.static.satisfiable import outcomes, possible
from alarms.language.static.ways import FALSE, NOT_FALSE, NOT_TRUE, TRUE, Truths
from alarms.rules import Level, Rule

_SOME: Final = "expected a condition that some record fulfils"
_WHY: Final = {
    "when": "can never be true",
    "until": "can never be true, so nothing would end what the rule waits for",
    "clear": "can never be true, so the alarm could never clear",
}
_COMPARISONS: Final = frozenset({"less", "at_most", "equal"})


def refuse_dead(rule: Rule, parts: Mapping[str, Expression | None], levels: Sequence[tuple[Level, Expression]]) -> None:
    """RuleError at the first condition that makes the rule useless; `parts` are when, until, unless and clear."""
    for key, why in _WHY.items():
        _never_true(parts[key], key, why)
    for _, level in levels:
        _never_true(level, "when", _WHY["when"])
        _always_true(level)
    _without_end(rule, parts)
    _never_waiting(parts)
    if not rule.loud:
        _always_held_back(parts, levels)
    _cleared_at_once(rule, parts, levels)


def _never_true(part: Expression | None, key: str, why: str) -> None:
    if part is None or possible((part.term, TRUE)):
        return
    culprit, reason = _culprit(part.term, TRUE)
    raise part.error(f"{key}: {why}{reason}; {_SOME}", culprit)


def _always_true(part: Expression, instead: str = "a condition that can be false") -> None:
    if outcomes(part.term) == TRUE:
        raise part.error(f"when: is always true; expected {instead}", part.term)


def _without_end(rule: Rule, parts: Mapping[str, Expression | None]) -> None:
    """A `when` that is always true, or never false where its being false is what clears the alarm."""
    when = parts["when"]
    if when is None or parts["until"] is not None:
        return
    _always_true(when, "it left out" if rule.silent else "a condition that can be false")
    if not rule.silent and parts["clear"] is None and not possible((when.term, FALSE)):
        raise when.error(
            "when: can never be false, so the alarm could never clear; expected a clear, or a condition that can be false",
            when.term,
        )


def _never_waiting(parts: Mapping[str, Expression | None]) -> None:
    """A sequence begins where `when` is true and `until` is false."""
    when, until = parts["when"], parts["until"]
    if when and until and not possible((when.term, TRUE), (until.term, FALSE)):
        raise until.error(
            "until: is never false while when is true; expected a condition that can be false then", until.term
        )


def _always_held_back(parts: Mapping[str, Expression | None], levels: Sequence[tuple[Level, Expression]]) -> None:
    """`unless` is looked at with the condition that raises: never both at once is never raised."""
    unless, when, until = parts["unless"], parts["when"], parts["until"]
    if unless is None:
        return
    if not possible((unless.term, NOT_TRUE)):
        raise unless.error(
            "unless: is always true, so the rule is never raised; expected a condition that can be false", unless.term
        )
    raising: list[tuple[tuple[Term, Truths], ...]] = [((level.term, TRUE),) for _, level in levels]
    if when:
        raising.append(((until.term, FALSE),) if until else ((when.term, TRUE),))
    for demands in raising:
        if not possible(*demands, (unless.term, NOT_TRUE)):
            raise unless.error(
                "unless: is true whenever the rule would be raised; expected a condition that can be false then",
                unless.term,
            )


def _cleared_at_once(
    rule: Rule, parts: Mapping[str, Expression | None], levels: Sequence[tuple[Level, Expression]]
) -> None:
    """What raises the alarm also clears it, and no later than it takes to raise it: it would come and go for ever."""
    when, clear = parts["when"], parts["clear"]
    if rule.silent or rule.until or when is None:
        return
    ending = clear.term if clear else Term("not", Type.BOOL, (when.term,))
    columns = [(level.for_ms, part, part) for level, part in levels]
    if clear:
        columns.insert(0, (rule.for_ms, when, clear))
    for for_ms, part, place in columns:
        if rule.clear_for_ms <= for_ms and not possible((part.term, TRUE), (ending, NOT_TRUE)):
            raise place.error(
                "the alarm would clear while what raised it lasts, again and again; expected a clear that can be false then",
                place.term,
            )


def _culprit(term: Term, wanted: Truths) -> tuple[Term, str]:
    """The smallest part that cannot be what it must be, and why."""
    if term.op == "not":
        inner, reason = _culprit(term.parts[0], frozenset(value if value is None else not value for value in wanted))
        return (term, reason) if inner == term.parts[0] else (inner, reason)
    if term.op in {"surely", "possibly"}:
        certain, positive = term.op == "surely", True in wanted
        inner_wanted = (TRUE if certain else NOT_FALSE) if positive else (NOT_TRUE if certain else FALSE)
        return _culprit(term.parts[0], inner_wanted)
    if term.op in {"and", "or"}:
        for part in term.parts:
            if not possible((part, wanted)):
                return _culprit(part, wanted)
        return term.parts[1], ": not together with what stands before it"
    return term, _reason(term)


def _reason(term: Term) -> str:
    if term.op not in _COMPARISONS or not all(span(part).spans for part in term.parts):
        return ""
    left, right = (_described(part) for part in term.parts)
    return f": {left} is compared with {right}"


def _described(part: Term) -> str:
    found = span(part)
    low, high = (f"{value:.7g}" for value in (found.low, found.high))
    name = part.value if part.op == "signal" else "a number"
    if low == high:
        return low
    return f"{name} from {low} up" if found.high >= LARGEST else f"{name} from {low} to {high}"
