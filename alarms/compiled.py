"""A rule set made ready to run: columns, their conditions as two programs, their limits as arrays. No state, no time.

A rule is one column, and one more for each level of its ladder and for its device's witness (docs/rules.md, section 9). The record
program answers for every sample and event; the silence program only for the few lifts that have just fallen silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt

from alarms.language.checker import COUNT_STEPS, Term, Type, window_ms
from alarms.language.times import UTC, Zone
from alarms.program import LASTING_BIAS, LASTING_NONE, Lasted, Program, Truth, View, parameters
from alarms.rules import Rule, RuleSet, Terms
from alarms.signals import BY_DEVICE, BY_RULE, EVENT_INDEX, Bools, Ints, columns, everyday_samples
from alarms.words import Layout, Words, bits, chosen, mask, some
from hoistway.limits import MAX_GAP_MS
from hoistway.model import Kind

NEVER: Final = 2**62
"""A time that does not come; and, negative, a time that never was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnPlan:
    """One column of a rule."""

    rule: int  # index in the rule set
    level: int
    witness: int  # BY_RULE or BY_DEVICE
    when: Term | None
    until: Term | None
    unless: Term | None
    clear: Term | None  # None: not `opposite`
    opposite: Term | None
    for_ms: int
    clear_ms: int


def _plans(index: int, rule: Rule, terms: Terms) -> Iterable[ColumnPlan]:
    own = ColumnPlan(
        rule=index,
        level=0,
        witness=_own_witness(terms.when),
        when=terms.when,
        until=terms.until,
        unless=terms.unless,
        clear=terms.clear or terms.until,
        opposite=terms.when,
        for_ms=rule.for_ms,
        clear_ms=rule.clear_for_ms,
    )
    yield own
    for number, (level, when) in enumerate(zip(rule.levels, terms.levels, strict=True), 1):
        yield replace(own, level=number, witness=_own_witness(when), when=when, for_ms=level.for_ms)
    if rule.witness:
        said = [Term("reported", Type.BOOL, value=EVENT_INDEX[code]) for code in rule.witness]
        one = reduce(lambda left, right: Term("or", Type.BOOL, (left, right)), said)
        yield replace(own, witness=BY_DEVICE, when=one, until=None, clear=None, opposite=one, for_ms=0, clear_ms=0)


WHEN, WHEN_FALSE, UNLESS, CLEAR, CLEAR_FALSE, UNTIL, UNTIL_FALSE = range(7)
"""Planes of `Conditions.words`: the columns of which this is surely true, or surely false."""


LASTING_FROM_MS: Final = 120_000
"""A hold this long, of a condition that comes and goes all day, is kept as what is remembered of the condition until it is near its end:
only the few near their end are worth a cell and a deadline."""
RIPE_BEFORE_MS: Final = MAX_GAP_MS + 1
"""How long before its end; more than the longest time between two records of one hold."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a pass over records found."""

    words: npt.NDArray[np.uint64]  # (planes, words, records): sets of columns
    any_when: Bools  # records at which some column's `when` is true
    lasted: Lasted  # (lasting conditions, records)
    at: Ints  # of the records

    def starts(self, rows: Ints) -> Ints:
        """Since when each lasting condition has lasted at some records, as (conditions, records); of no meaning where it has not."""
        return self.at[rows] + LASTING_BIAS - self.lasted[:, rows].astype(np.int64)

    def details(self, rows: Ints) -> tuple[Conditions, Ints]:
        """Everything about some records, and where it stands."""
        return self, rows


class Compiled:
    """Arrays are indexed by column, words are sets of columns; a silent rule's column has a limit in `silent_ms` and takes no part in holds."""

    def __init__(self, rules: RuleSet, zone: Zone = UTC, *, past: bool = False) -> None:
        """`past`: records come in order of their corrected time, long after they were received; silence is nobody's business."""
        self.rules, self.zone, self.past = rules, zone, past
        self.columns = [
            plan
            for index, (rule, terms) in enumerate(zip(rules, rules.terms, strict=True))
            if rule.enabled
            for plan in _plans(index, rule, terms)
        ]
        self.count = len(self.columns)
        owners = [rules[plan.rule] for plan in self.columns]
        self.rule = np.array([plan.rule for plan in self.columns], np.int64)
        self.witness = np.array([plan.witness for plan in self.columns], np.int64)
        self.first_of = {plan.rule: index for index, plan in reversed(list(enumerate(self.columns)))}
        self.several = np.array([self._several(index) for index in range(self.count)], bool)
        self.hold = np.array([not rule.silent for rule in owners], bool)
        # One more at the end, for column -1: an empty cell.
        self.for_ms = np.array([*(plan.for_ms for plan in self.columns), 0], np.int64)
        self.clear_ms = np.array([*(plan.clear_ms for plan in self.columns), 0], np.int64)
        self.loud = np.array([rule.loud for rule in owners], bool)
        self.timeless = np.array([*(not _names_signal(_terms_of(plan)) for plan in self.columns), True], bool)
        self.own_hold = {f"for:{rules[rule].id}": index for rule, index in self.first_of.items() if self.hold[index]}
        self._silences(owners)
        self._sets(owners)
        terms = [term for plan in self.columns for term in _terms_of(plan)]
        self.parameters = parameters(terms)
        ops = {part.op for term in terms for part in term.walk()}
        self.needs_rated_speed, self.needs_floors = "rated_speed" in ops, "floor" in ops
        self._compile()

    def _silences(self, owners: list[Rule]) -> None:
        self.silent = np.flatnonzero(~self.hold & (not self.past))
        self.silent_ms = np.array([owners[i].silent_for_ms or NEVER for i in self.silent.tolist()], np.int64)
        self.lost_ms = np.array([owners[i].silent_for_link_lost_ms or NEVER for i in self.silent.tolist()], np.int64)
        self.fits = np.array(
            [[rule.kind in {None, kind} for rule in owners] for kind in (Kind.LIFT, Kind.ESCALATOR)], bool
        ).reshape(2, self.count)
        self.shortest_silence = np.array([_shortest(self.silent_ms[fits[self.silent]]) for fits in self.fits], np.int64)
        self.briefest_silence = _shortest(np.minimum(self.silent_ms, self.lost_ms))

    def _sets(self, owners: list[Rule]) -> None:
        """The same as sets of columns."""
        self.bit = bits(self.count)
        self.holds, self.louds = chosen(self.hold), chosen(self.loud)
        self.at_once, self.clears_at_once = chosen(self.for_ms[:-1] == 0), chosen(self.clear_ms[:-1] == 0)
        self.sequences = chosen(np.array([plan.until is not None for plan in self.columns], bool))
        self.fitting = np.concatenate([chosen(fits) for fits in self.fits], axis=1)
        self.shields = [
            (
                index,
                mask(
                    np.flatnonzero(np.isin(self.rule, [self.rules.index(name) for name in rule.shielded_by])),
                    self.count,
                ),
            )
            for index, rule in enumerate(owners)
            if rule.shielded_by
        ]
        self.shielding = reduce(np.bitwise_or, (shield for _, shield in self.shields), mask([], self.count))

    def id_of(self, column: int) -> str:
        """The id of the rule that a column belongs to."""
        return self.rules[self.columns[column].rule].id

    def _several(self, index: int) -> bool:
        rule = self.rules[self.columns[index].rule]
        return bool(rule.levels or rule.witness)

    def _compile(self) -> None:
        roots: list[Term] = []
        silence_roots: list[Term] = []

        def place(term: Term | None, hold: bool) -> int:
            if term is None:
                return -1
            into = roots if hold else silence_roots
            if term not in into:
                into.append(term)
            return into.index(term)

        names = ("when", "until", "unless", "clear", "opposite")
        table = [
            [place(getattr(plan, name), hold) for name in names]
            for plan, hold in zip(self.columns, self.hold.tolist(), strict=True)
        ]
        when, until, unless, clear, opposite = np.array(table, np.int64).reshape(self.count, len(names)).T
        self._silence_when, self._silence_unless = when.copy(), unless.copy()
        # Lines: nothing is true on the last one; a condition is true on line i and false on line i + size.
        size = len(roots)
        nothing = 2 * size

        def lines(index: Ints, shift: int) -> Ints:
            return np.where(self.hold & (index >= 0), index + shift, nothing)

        own_clear = clear >= 0
        planes = (
            lines(when, 0), lines(when, size), lines(unless, 0), np.where(own_clear, lines(clear, 0), lines(opposite, size)),
            np.where(own_clear, lines(clear, size), lines(opposite, 0)), lines(until, 0), lines(until, size),
        )  # fmt: skip
        used = set(np.concatenate(planes).tolist()) | set(when[self.hold].tolist())
        needed = [(line in used, line + size in used) for line in range(size)]
        self._program, self._silence = Program(roots, needed), Program(silence_roots)
        self.remembering = tuple(self._program.remembering)
        self.place = [
            sum(other.op == term.op for other in self.remembering[:number])
            for number, term in enumerate(self.remembering)
        ]
        counts = [window_ms(term) for term in self.remembering if term.op == "count"]
        self.count_step_ms = np.array(counts, np.int64) // COUNT_STEPS
        self.signals, self.silence_signals = self._program.signals, self._silence.signals
        self.overlapping = chosen(self.hold & (own_clear | (opposite != when)))
        self._holding = {
            name: mask(np.flatnonzero(self.rule == self.rules.index(name)), self.count)
            for plan in self.columns
            for term in _terms_of(plan)
            for part in term.walk()
            if part.op == "holding" and isinstance(part.value, tuple)
            for name in part.value
        }
        self._lasting(when, ~own_clear & (opposite == when) & (until < 0))
        planes[WHEN][self.lasting_columns] = nothing + 1 + np.arange(len(self.lasting_columns))
        # Where each of these lines stands: those that are asked for, one on which nothing is true, the lasting ones.
        asked = len(self._program.sides)
        where = np.full(nothing + 1 + len(self.lasting_columns), asked, np.int64)
        where[[root + side * size for root, side in self._program.sides]] = np.arange(asked)
        where[nothing:] = asked + np.arange(1 + len(self.lasting_columns))
        self._lasting_true, self._lasting_false = where[self._lasting_root], where[self._lasting_root + size]
        self._asked, self._layout = asked, Layout([where[plane] for plane in planes], self.count, asked)
        self._compile_glance(roots, when)

    def _lasting(self, when: Ints, plain: Bools) -> None:
        """Which columns' holds are remembered as lasting conditions, one for all columns of a rule with the same `when`."""
        asked = reduce(np.bitwise_or, self._holding.values(), mask([], self.count))
        long = (self.for_ms[:-1] >= LASTING_FROM_MS) & ~self.timeless[:-1] & self.hold & plain & self._everyday(when)
        columns = np.flatnonzero(long & ~some(self.bit[:, :-1] & asked))
        keys = [(self.rules[int(self.rule[index])], int(when[index])) for index in columns.tolist()]
        places = {key: place for place, key in enumerate(dict.fromkeys((rule.id, root) for rule, root in keys))}
        self.lasting_columns, self.lasting_set = columns, mask(columns.tolist(), self.count)
        self.lasting_of = np.full(self.count + 1, -1, np.int64)  # of a column: which lasting condition, -1 none
        self.lasting_of[columns] = [places[rule.id, root] for rule, root in keys]
        first = {
            place: index
            for index, place in reversed(list(zip(columns.tolist(), self.lasting_of[columns], strict=True)))
        }
        self.lasting = [
            (self.rules[plan.rule].id, self.rules[plan.rule].version, repr(plan.when))
            for plan in (self.columns[first[place]] for place in places.values())
        ]
        """What each is, for a snapshot: rule, version, condition."""
        self._lasting_root = np.array([root for _, root in places], np.int64)
        self._lasting_fits = self.fits[:, [first[place] for place in places.values()]]
        self._ripe_ms = self.for_ms[columns] - RIPE_BEFORE_MS

    def _compile_glance(self, roots: list[Term], when: Ints) -> None:
        """A program of what raises only: where a `when` is true; of lasting conditions also where it is false."""
        raising = self.hold & (when >= 0)
        raising[self.lasting_columns] = False
        lasting = set(self._lasting_root.tolist())
        true = set(when[raising].tolist()) | lasting
        self._glance = Program(roots, [(root in true, root in lasting) for root in range(len(roots))])
        kinds = [frozenset(when[raising & fits].tolist()) for fits in self.fits]
        self._raised_by = [
            tuple(int(side == 0 and root in roots_) for roots_ in kinds) for root, side in self._glance.sides
        ]
        """Of each side of that program whether it raises for a lift, and for an escalator."""
        place = {side: number for number, side in enumerate(self._glance.sides)}
        self._glance_lasting = [[place[root, side] for root in self._lasting_root.tolist()] for side in range(2)]

    def glance(self, view: View, escalator: Bools, special: Mapping[int, Ints]) -> tuple[Bools, Lasted]:
        """At which records any `when` is true, and for how long the lasting conditions have lasted; what remembers is asked everything."""
        values = self._glance.flat(view)
        found = np.zeros((2, view.size), bool)
        for value, (lift, stairs) in zip(values, self._raised_by, strict=True):
            for kind in range(2) if lift and stairs else (0,) if lift else (1,) if stairs else ():
                np.logical_or(found[kind], value, out=found[kind])
        true, false = (np.empty((len(self.lasting), view.size), bool) for _ in range(2))
        for sides, lines in zip(self._glance_lasting, (true, false), strict=True):
            for place, number in enumerate(sides):
                lines[place] = values[number]
        lasted = self._lasted(view, true, false, escalator)
        any_when = np.where(escalator, found[1], found[0])
        ripe = self._ripe(view, lasted, special)
        for place, column in enumerate(self.lasting_columns.tolist()):
            fits = self.fits[:, column][escalator.astype(np.int8)]
            any_when |= ripe[place] & true[self.lasting_of[column]] & fits
        return any_when, lasted

    def _everyday(self, when: Ints) -> Bools:
        """Which columns' `when` is true at some time of an ordinary day."""
        rows = everyday_samples()
        view = View(
            size=len(rows), values=columns(rows, self.signals), reported=np.zeros(len(rows), np.int64),
            rated_speed=np.full(len(rows), 1.75, np.float32), parameters={}, at=np.zeros(len(rows), np.int64), zone=self.zone,
            floors={name: np.full(len(rows), -1) for name in ("top_floor", "bottom_floor")}, recall=_Forgetful(self.remembering),
        )  # fmt: skip
        true = np.array([truth.true.any() for truth in self._program.run(view)] + [False], bool)
        return np.asarray(true[np.where(self.hold, when, -1)])

    def evaluate(self, view: View, escalator: Bools, special: Mapping[int, Ints]) -> Conditions:
        """The conditions of every column with a hold, one record a place. `special`: the raise holds of places whose lifts have their own."""
        if not view.size:
            return Conditions(
                words=np.zeros((7, len(self.holds), 0), np.uint64),
                any_when=np.zeros(0, bool),
                lasted=np.zeros((len(self.lasting), 0), np.uint32),
                at=view.at,
            )
        lines = np.empty((self._asked + 1 + len(self.lasting_columns), view.size), bool)
        everywhere = np.zeros(view.size, bool), np.ones(view.size, bool)
        shape = (view.size,)
        values = [value if value.shape == shape else everywhere[bool(value)] for value in self._program.flat(view)]
        np.concatenate([*values, everywhere[False]], out=lines[: self._asked + 1].reshape(-1))
        true, false = lines[self._lasting_true], lines[self._lasting_false]
        lasted = self._lasted(view, true, false, escalator)
        ripe = self._ripe(view, lasted, special)
        np.logical_and(ripe, true[self.lasting_of[self.lasting_columns]], out=lines[self._asked + 1 :])
        words = self._layout.pack(lines)
        words[WHEN] &= self.fitting[:, escalator.astype(np.int8)] if escalator.any() else self.fitting[:, :1]
        return Conditions(words=words, any_when=some(words[WHEN]), lasted=lasted, at=view.at)

    def _ripe(self, view: View, lasted_ms: Lasted, special: Mapping[int, Ints]) -> Bools:
        """Of each lasting column where its hold is near its end, if its condition is true; (lasting columns, records)."""
        of = self.lasting_of[self.lasting_columns]
        lasted = (lasted_ms + (view.now - view.at - LASTING_BIAS))[of]
        ripe = lasted >= self._ripe_ms[:, None]
        for row, lengths in special.items():
            ripe[:, row] = lasted[:, row] >= lengths[self.lasting_columns] - RIPE_BEFORE_MS
        return np.asarray(ripe & (lasted_ms != LASTING_NONE)[of])

    def _lasted(self, view: View, true: Bools, false: Bools, escalator: Bools) -> Lasted:
        if not self.lasting or view.recall is None:
            return np.full((len(self.lasting), view.size), LASTING_NONE, np.uint32)
        if not self._lasting_fits.all():
            fits = self._lasting_fits[escalator.astype(np.int8)].T
            true, false = true & fits, false | ~fits
        return view.recall.lasting(true, false)

    def silence(self, view: View, column: Ints) -> tuple[Bools, Bools]:
        """Whether `when` and `unless` of silent column `column[i]` are true in row i."""
        truths = self._silence.run(view)
        when, unless = np.ones(view.size, bool), np.zeros(view.size, bool)
        for index in np.unique(column).tolist():
            rows = column == index
            if (place := int(self._silence_when[index])) >= 0:
                when[rows] = truths[place].true[rows]
            if (place := int(self._silence_unless[index])) >= 0:
                unless[rows] = truths[place].true[rows]
        return when, unless

    def holding(self, held: Words, active: Words) -> dict[str, Bools]:
        """Of which rules that silent rules ask for a hold runs and no alarm is raised; `held` and `active` are sets of columns."""
        return {name: some(held & wanted) & ~some(active & wanted) for name, wanted in self._holding.items()}

    def shielded(self, active: Words) -> Words:
        """Which columns are shielded, given the active ones; both are sets of columns, a place a lift."""
        found = np.zeros_like(active)
        rows = np.flatnonzero(some(active & self.shielding))
        for index, shield in self.shields if rows.size else ():
            up = rows[some(active[:, rows] & shield)]
            found[:, up] |= self.bit[:, index, None]
        return found


class _Forgetful:
    """Answers for remembering terms where nothing is remembered: all unknown."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self._terms = terms

    def __call__(self, numbers: tuple[int, ...], values: tuple[object, ...]) -> list[object]:
        del values
        no = np.zeros(1, bool)
        return [Truth(no, no) if self._terms[number].type is Type.BOOL else np.float32(np.nan) for number in numbers]

    def lasting(self, true: Bools, false: Bools) -> Lasted:
        return np.full((true | false).shape, LASTING_NONE, np.uint32)


def _terms_of(plan: ColumnPlan) -> list[Term]:
    named = (plan.when, plan.until, plan.unless, plan.clear or plan.opposite)
    return [term for term in named if term is not None]


def _own_witness(when: Term | None) -> int:
    """A condition of reported codes alone is the device's word, not ours."""
    by_device = when is not None and not _names_signal([when]) and any(part.op == "reported" for part in when.walk())
    return BY_DEVICE if by_device else BY_RULE


def _names_signal(terms: Iterable[Term]) -> bool:
    return any(part.op == "signal" for term in terms for part in term.walk())


def _shortest(limits: Ints) -> int:
    return int(limits.min(initial=NEVER))
