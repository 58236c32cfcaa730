"""A rule set made ready to run: its conditions as two programs, its limits as arrays by rule. No state, no time.

The record program answers for every sample and event; the silence program only for the few lifts that have just fallen silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alarms.language.checker import Term
from alarms.program import Program, Truth, View, parameters
from alarms.rules import LOUD, RuleSet
from alarms.signals import Bools, Ints
from hoistway.model import Kind

NEVER: Final = 2**62
"""A time that does not come; and, negative, a time that never was."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a pass over records found, one entry a rule; None where the rule has no such condition."""

    when: Sequence[Truth | None]
    clear: Sequence[Truth | None]
    unless: Sequence[Truth | None]
    truths: Sequence[Truth]  # every distinct condition once
    any_when: Bools  # some rule's `when` is true


class Compiled:
    """Arrays are indexed by rule; a silent rule has a limit in `silent_ms` and takes no part in holds."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.count = len(rules)
        self.bytes = max(1, (self.count + 7) // 8)
        self.hold = np.array([rule.silent_for_ms is None for rule in rules], bool)
        self.for_ms = np.array([rule.for_ms for rule in rules], np.int64)
        self.clear_ms = np.array([rule.clear_for_ms for rule in rules], np.int64)
        self.loud = np.array([rule.opens in LOUD for rule in rules], bool)
        self.timeless = np.array([not _names_signal(terms.all()) for terms in rules.terms], bool)
        self.silent = np.flatnonzero(~self.hold)
        self.silent_ms = np.array([rules[i].silent_for_ms or NEVER for i in self.silent.tolist()], np.int64)
        self.lost_ms = np.array([rules[i].silent_for_link_lost_ms or NEVER for i in self.silent.tolist()], np.int64)
        self.fits = np.array(
            [[rule.kind in {None, kind} for rule in rules] for kind in (Kind.LIFT, Kind.ESCALATOR)], bool
        )
        self.shortest_silence = np.array([_shortest(self.silent_ms[fits[self.silent]]) for fits in self.fits], np.int64)
        self.briefest_silence = _shortest(np.minimum(self.silent_ms, self.lost_ms))
        self.parameters = parameters(term for terms in rules.terms for term in terms.all())
        self.needs_rated_speed = any(
            part.op == "rated_speed" for terms in rules.terms for term in terms.all() for part in term.walk()
        )
        self._compile()

    def _compile(self) -> None:
        roots: list[Term] = []
        silence_roots: list[Term] = []

        def place(term: Term | None, hold: bool) -> int | None:
            if term is None:
                return None
            into = roots if hold else silence_roots
            if term not in into:
                into.append(term)
            return into.index(term)

        table = [
            (place(terms.when, hold), place(terms.clear, hold), place(terms.unless, hold))
            for terms, hold in zip(self.rules.terms, self.hold.tolist(), strict=True)
        ]
        self._when, self._clear, self._unless = (
            (list(column) for column in zip(*table, strict=True)) if table else ([], [], [])
        )
        self._program, self._silence = Program(roots), Program(silence_roots)
        self.signals, self.silence_signals = self._program.signals, self._silence.signals
        self._holding = {
            name: self.rules.index(name)
            for terms in self.rules.terms
            for term in terms.all()
            for part in term.walk()
            if part.op == "holding" and isinstance(part.value, tuple)
            for name in part.value
        }
        self.overlaps = [i for i, index in enumerate(self._clear) if index is not None and self.hold[i]]

    def evaluate(self, view: View, escalator: Bools) -> Conditions:
        """The conditions of every rule with a hold, one row a record."""
        truths = self._program.run(view)
        lift = ~escalator
        any_when = np.zeros(view.size, bool)
        when: list[Truth | None] = [None] * self.count
        for index in np.flatnonzero(self.hold).tolist():
            truth = truths[self._when[index] or 0]
            if self.rules[index].kind is not None:
                fits = lift if self.fits[0, index] else escalator
                truth = Truth(truth.true & fits, truth.false)
            when[index] = truth
            any_when |= truth.true
        clear: list[Truth | None] = []
        for index in range(self.count):
            found = when[index]
            if found is None:
                clear.append(None)
            elif self._clear[index] is None:
                clear.append(Truth(found.false, found.true))
            else:
                clear.append(truths[self._clear[index] or 0])
        unless = [
            truths[place] if place is not None and hold else None
            for place, hold in zip(self._unless, self.hold.tolist(), strict=True)
        ]
        return Conditions(when=when, clear=clear, unless=unless, truths=truths, any_when=any_when)

    def silence(self, view: View, rule: Ints) -> tuple[Bools, Bools]:
        """Whether `when` and `unless` of silent rule `rule[i]` are true in row i."""
        truths = self._silence.run(view)
        when, unless = np.ones(view.size, bool), np.zeros(view.size, bool)
        for index in np.unique(rule).tolist():
            rows = rule == index
            if (place := self._when[index]) is not None:
                when[rows] = truths[place].true[rows]
            if (place := self._unless[index]) is not None:
                unless[rows] = truths[place].true[rows]
        return when, unless

    def holding(self, held: Bools) -> dict[str, Bools]:
        """The columns of `held` that silent rules ask for, by rule id."""
        return {name: held[:, index] for name, index in self._holding.items()}


def matrix(truths: Sequence[Truth | None], rows: Ints, *, true: bool) -> Bools:
    """Some rows of one condition for all rules, as (rows, rules)."""
    found = np.zeros((len(rows), len(truths)), bool)
    for index, truth in enumerate(truths):
        if truth is not None:
            found[:, index] = (truth.true if true else truth.false)[rows]
    return found


def _names_signal(terms: Iterable[Term]) -> bool:
    return any(part.op == "signal" for term in terms for part in term.walk())


def _shortest(limits: Ints) -> int:
    return int(limits.min(initial=NEVER))
