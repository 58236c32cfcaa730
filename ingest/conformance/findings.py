"""The findings of one check: which rule, how often, the first evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

Evidence = dict[str, str | float]

NEVER: Final = -1
"""In the place of hours since something that has not been yet."""
SUBJECTS: Final = 200
"""Findings kept of one rule (by field, reason, code or stream); further subjects are counted with the last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that the device does wrong."""

    rule: str  # a key of `ingest.conformance.words.RULES`
    subject: str  # field, reason, code or stream that it is about; empty when the rule says all
    times: int
    first_ms: int  # when it was first seen
    evidence: Evidence = field(default_factory=dict)  # of the first time


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a check says."""

    findings: tuple[Finding, ...]
    unjudged: tuple[str, ...]  # rules that the watched time gave no occasion to judge
    messages: int  # of the device
    records: int  # of the device, repeated ones included


class Notes:
    """Findings in the making: the same rule and subject is one finding, counted."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}
        self._subjects: dict[str, list[str]] = {}

    def note(self, rule: str, at_ms: int, *, subject: str = "", **evidence: str | float) -> None:
        subjects = self._subjects.setdefault(rule, [])
        if (rule, subject) not in self._found:
            if len(subjects) >= SUBJECTS:
                subject = subjects[-1]
            else:
                subjects.append(subject)
        known = self._found.get((rule, subject))
        if known is None:
            self._found[rule, subject] = Finding(
                rule=rule, subject=subject, times=1, first_ms=at_ms, evidence=dict(evidence)
            )
        else:
            self._found[rule, subject] = replace(known, times=known.times + 1)

    def in_order(self, rules: Iterable[str]) -> tuple[Finding, ...]:
        """By the order of the rules, then by time."""
        order = {rule: number for number, rule in enumerate(rules)}
        return tuple(sorted(self._found.values(), key=lambda item: (order[item.rule], item.first_ms, item.subject)))
