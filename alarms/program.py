"""Checked terms made into one straight-line function over columns, in three-valued logic. Every part that rules share is worked out once.

A condition is a pair of boolean columns (surely true, surely false); where neither holds it is unknown. So `not` swaps the pair and
costs nothing. Numbers are single precision with NaN for unknown; a result that is not finite is unknown. The function's text is made
from the templates below and numbers of variables only; names and values of rules reach it as constants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from alarms.language.checker import REMEMBERING, Term, Type
from alarms.language.times import UTC, Zone, within
from alarms.signals import Bools, Column, Ints, Values
from hoistway.errors import OurFault


class Truth(NamedTuple):
    true: Bools
    false: Bools


_NO: Final = Truth(np.zeros(1, bool), np.ones(1, bool))


Lasted = npt.NDArray[np.uint32]
"""For how long something has been so at a record: ms before the record's own time, LASTING_BIAS more, so that it may have begun after
it, where time alone went on (by less than 12 days: beyond, nothing lasts); LASTING_NONE not at all. 37 days are the most that is told."""
LASTING_NONE: Final = 2**32 - 1
LASTING_BIAS: Final = 2**30


class Recall(Protocol):
    """What remembers, one batch at a time."""

    def __call__(self, numbers: tuple[int, ...], values: tuple[Any, ...]) -> Sequence[Any]:
        """The values of the program's remembering terms with these numbers, all of one function, given those of their parts at every record."""

    def lasting(self, true: Bools, false: Bools) -> Lasted:
        """How long each lasting condition has lasted; all as (conditions, records)."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What the terms read, one row a record or a slot."""

    size: int
    values: Values
    reported: Ints  # one bit an event code
    rated_speed: Column
    parameters: Mapping[str, Column]  # names that some unit has of its own; NaN where it has none
    at: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # the records' times, ms
    now: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # the same, not before what time alone has settled
    zone: Zone = UTC
    floors: Mapping[str, Column] = field(default_factory=dict)  # label of the highest and the lowest floor, -1 unknown
    recall: Recall | None = None  # none for silent rules
    link_lost: Bools = field(default_factory=lambda: np.zeros(0, bool))  # these two only for silent rules
    holding: Mapping[str, Bools] = field(default_factory=dict)

    # --- what the templates call ---

    def flags(self, names: Sequence[str]) -> tuple[Bools, Bools]:
        """Where each of some conditions is true, and where it is false; (names, records)."""
        values = np.array([self.values[name] for name in names])
        return values == 1, values == 0

    def code(self, bit: int) -> Truth:
        """Whether the event code of this bit is reported; one value for all where nobody reports anything."""
        if not self._some_reported:
            return _NO
        true = (self.reported & bit) != 0
        return Truth(true, ~true)

    @cached_property
    def _some_reported(self) -> bool:
        return bool(self.reported.any())

    def parameter(self, name: str, default: np.float32) -> Any:
        """A number of each unit's own, else the default."""
        own = self.parameters.get(name)
        return default if own is None else np.where(np.isnan(own), default, own)

    def during(self, wanted: Any) -> Truth:
        true = within(self.at, wanted, self.zone)
        return Truth(true, ~true)

    def floor(self, name: str, shown: Column) -> Truth:
        end = self.floors[name]
        known, true = (shown >= 0) & (end >= 0), shown == end
        return Truth(known & true, known & ~true)

    def held(self, names: Sequence[str]) -> Truth:
        true = np.logical_or.reduce([self.holding[name] for name in names])
        return Truth(true, ~true)

    def lost(self) -> Truth:
        return Truth(self.link_lost, ~self.link_lost)

    def remember(self, numbers: tuple[int, ...], values: tuple[Any, ...]) -> Sequence[Any]:
        if self.recall is None:
            raise OurFault(f"terms {numbers} without records to remember")
        return self.recall(numbers, values)


class Program:
    """Several conditions compiled together."""

    def __init__(self, roots: Sequence[Term], needed: Sequence[tuple[bool, bool]] | None = None) -> None:
        """`needed`: of each root whether it is asked where it is true, and where it is false; None: everything. The rest is never worked out."""
        self.remembering: list[Term] = []
        self._names: dict[
            Term, tuple[str, str]
        ] = {}  # the variables: of a condition true and false, of a number twice the same
        self._constants: list[Any] = []
        self._flags: dict[str, int] = {}  # conditions among the signals
        self._lines: list[str] = []
        self._remember(roots)
        self._roots = [self._place(root) for root in roots]
        terms = [term for root in roots for term in root.walk()]
        self.signals = tuple(dict.fromkeys(str(term.value) for term in terms if term.op == "signal"))
        asked = [(True, True)] * len(roots) if needed is None else needed
        self.sides = [(root, side) for root, wanted in enumerate(asked) for side in range(2) if wanted[side]]
        """What `flat` answers: index of a root, and 0 where it is true or 1 where it is false."""
        answer = ", ".join(self._roots[root][side] for root, side in self.sides)
        flags = ["T, F = view.flags(FLAGS)"] if self._flags else []
        body = "\n    ".join([*flags, *_alive(self._lines, answer), f"return [{answer}]"])
        scope: dict[str, Any] = {"np": np, "K": self._constants, "NAN": np.float32(np.nan), "Truth": Truth}
        scope["FLAGS"] = tuple(self._flags)
        exec(compile(f"def run(view, V):\n    {body}\n", "<rules>", "exec"), scope)  # noqa: S102 - our own templates, no text of a rule
        self._run: Callable[[View, Values], list[Bools]] = scope["run"]

    def run(self, view: View) -> list[Truth]:
        """One truth a root, in the order in which they were given; treat the columns as read-only."""
        return [Truth(*(np.broadcast_to(side, (view.size,)) for side in pair)) for pair in self.pairs(view)]

    def pairs(self, view: View) -> list[tuple[Bools, Bools]]:
        """The same without shape: a condition that is the same for every row may be a single value, and a side not asked for is False."""
        found: list[list[Any]] = [[False, False] for _ in self._roots]
        for (root, side), value in zip(self.sides, self.flat(view), strict=True):
            found[root][side] = value
        return [(true, false) for true, false in found]

    def flat(self, view: View) -> list[Bools]:
        """What is asked for, in the order of `sides`; without shape."""
        with np.errstate(all="ignore"):
            return self._run(view, view.values)

    def _place(self, term: Term) -> tuple[str, str]:
        if term not in self._names:
            parts = [self._place(part) for part in term.parts]
            self._names[term] = self._written(term, parts)
        return self._names[term]

    def _remember(self, roots: Sequence[Term]) -> None:
        """Write the calls of the remembering terms: those of one function that do not need each other are worked out together."""
        terms = list(dict.fromkeys(part for root in roots for part in root.walk() if part.op in REMEMBERING))
        turn = {term: _depth(term) for term in terms}
        needed = {part for term in terms for inner in term.parts for part in inner.walk()}
        last = {term.op: max(turn[other] for other in terms if other.op == term.op) for term in terms}
        turn |= {term: last[term.op] for term in terms if term not in needed}
        for when in range(1, max(turn.values(), default=0) + 1):
            for op in sorted({term.op for term in terms if turn[term] == when}):
                self._call([term for term in terms if turn[term] == when and term.op == op])

    def _call(self, terms: list[Term]) -> None:
        parts = [self._place(term.parts[0]) if term.parts else ("None", "None") for term in terms]
        for term in terms:
            number = len(self._names)
            self._names[term] = (f"t{number}", f"f{number}") if term.type is Type.BOOL else (f"n{number}",) * 2
        answers = [", ".join(dict.fromkeys(self._names[term])) for term in terms]
        values = [
            f"Truth({part[0]}, {part[1]})" if term.parts and term.parts[0].type is Type.BOOL else part[0]
            for term, part in zip(terms, parts, strict=True)
        ]
        first = len(self.remembering)
        self.remembering += terms
        targets = ", ".join(f"({answer})" if "," in answer else answer for answer in answers)
        numbers = tuple(range(first, first + len(terms)))
        self._lines.append(f"{targets}, = view.remember({numbers}, ({', '.join(values)},))")

    def _written(self, term: Term, parts: list[tuple[str, str]]) -> tuple[str, str]:
        """Write the lines of one term; answers its variables."""
        if term.op == "not":
            return parts[0][1], parts[0][0]
        number = len(self._names)
        true, false = (f"t{number}", f"f{number}") if term.type is Type.BOOL else (f"n{number}",) * 2
        values = {"t": true, "f": false, "n": true, "k": self._constant(term)}
        for name, part in zip("ab", parts, strict=False):
            values |= {name: part[0], f"{name}t": part[0], f"{name}f": part[1]}
        self._lines += [line.format(**values) for line in self._template(term, values)]
        return true, false

    def _constant(self, term: Term) -> str:
        """The term's own value as the program sees it."""
        value = _CONSTANT.get(term.op, lambda given: given)(term.value)
        self._constants.append(value)
        return f"K[{len(self._constants) - 1}]"

    def _template(self, term: Term, values: dict[str, str]) -> tuple[str, ...]:
        if term.op == "among":
            wanted = cast("tuple[int, ...]", term.value)
            first, *others = (f"({values['a']} == {int(value)})" for value in wanted)
            # Of conditions, greater is "and not": one pass instead of two.
            return (f"{{t}} = {' | '.join([first, *others])}", f"{{f}} = ({values['a']} >= 0) > {values['t']}")
        if term.op == "known":
            return _KNOWN[term.parts[0].type]
        if term.op == "signal" and term.type is Type.BOOL:
            place = self._flags.setdefault(str(term.value), len(self._flags))
            return f"{{t}} = T[{place}]", f"{{f}} = F[{place}]"
        return _TEMPLATE[term.op]


def _alive(lines: Sequence[str], answer: str) -> list[str]:
    """The lines that the answer needs, and those that remember."""
    needed, kept = set(_VARIABLE.findall(answer)), []
    for line in reversed(lines):
        targets, _, formula = line.partition(" = ")
        if needed.isdisjoint(_VARIABLE.findall(targets)) and "view.remember(" not in formula:
            continue
        needed.difference_update(_VARIABLE.findall(targets))
        needed.update(_VARIABLE.findall(formula))
        kept.append(line)
    return kept[::-1]


_VARIABLE: Final = re.compile(r"\b[tfn]\d+\b")


def _depth(term: Term) -> int:
    """How many remembering terms stand within each other."""
    inside = max((_depth(part) for part in term.parts), default=0)
    return inside + (term.op in REMEMBERING)


def parameters(terms: Iterable[Term]) -> set[str]:
    """The names of the per-lift parameters that the terms use."""
    return {cast("tuple[str, float]", part.value)[0] for term in terms for part in term.walk() if part.op == "param"}


_CONSTANT: Final[dict[str, Callable[[Any], Any]]] = {
    "number": np.float32,
    "reported": lambda code: 1 << int(code),
    "param": lambda given: (given[0], np.float32(given[1])),
}
_FINITE: Final = "{n} = np.where(np.isfinite({n}), {n}, NAN)"
_KNOWN: Final[dict[Type, tuple[str, ...]]] = {
    Type.BOOL: ("{t} = {at} | {af}", "{f} = ~{t}"),
    Type.NUMBER: ("{f} = np.isnan({a})", "{t} = ~{f}"),
    Type.ENUM: ("{t} = {a} >= 0", "{f} = ~{t}"),
    Type.LABEL: ("{t} = {a} >= 0", "{f} = ~{t}"),
}
_TEMPLATE: Final[dict[str, tuple[str, ...]]] = {
    "signal": ("{n} = V[{k}]",),
    "number": ("{n} = {k}",),
    "rated_speed": ("{n} = view.rated_speed",),
    "param": ("{n} = view.parameter(*{k})",),
    "reported": ("{t}, {f} = view.code({k})",),
    "floor": ("{t}, {f} = view.floor({k}, {a})",),
    "during": ("{t}, {f} = view.during({k})",),
    "link_lost": ("{t}, {f} = view.lost()",),
    "holding": ("{t}, {f} = view.held({k})",),
    "surely": ("{t} = {at}", "{f} = ~{at}"),
    "possibly": ("{t} = ~{af}", "{f} = {af}"),
    "and": ("{t} = {at} & {bt}", "{f} = {af} | {bf}"),
    "or": ("{t} = {at} | {bt}", "{f} = {af} & {bf}"),
    "less": ("{t} = {a} < {b}", "{f} = {a} >= {b}"),
    "at_most": ("{t} = {a} <= {b}", "{f} = {a} > {b}"),
    "equal": ("{t} = {a} == {b}", "{f} = ({a} < {b}) | ({a} > {b})"),
    "add": ("{n} = {a} + {b}", _FINITE),
    "subtract": ("{n} = {a} - {b}", _FINITE),
    "multiply": ("{n} = {a} * {b}", _FINITE),
    "divide": ("{n} = {a} / {b}", _FINITE),
    "negate": ("{n} = -{a}",),
    "absolute": ("{n} = abs({a})",),
}
"""By operation: {t} and {f} are the condition's variables, {n} the number's, {a} and {b} those of its parts, {k} its constant."""
