"""Checked terms run over columns in three-valued logic: every part that several rules share is computed once a pass.

A condition is a pair of boolean columns (surely true, surely false); where neither holds it is unknown. So `not` swaps the pair and
costs nothing. Numbers are single precision with NaN for unknown; a result that is not finite is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import numpy as np

from alarms.language.checker import REMEMBERING, Term, Type
from alarms.language.times import UTC, Span, Zone, within
from alarms.signals import Bools, Column, Ints, Values
from hoistway.errors import OurFault

Recall = Callable[[int, Any], Any]
"""The value of the program's remembering term with this number, given the value of its part at every record."""


class Truth(NamedTuple):
    true: Bools
    false: Bools


@dataclass(frozen=True, kw_only=True)
class View:
    """What the terms read, one row a record or a slot."""

    size: int
    values: Values
    reported: Ints  # one bit an event code
    rated_speed: Column
    parameters: Mapping[str, Column]  # NaN where the lift has none of its own
    at: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # the records' times, ms
    zone: Zone = UTC
    floors: Mapping[str, Column] = field(default_factory=dict)  # label of the highest and the lowest floor, -1 unknown
    recall: Recall | None = None  # none for silent rules
    link_lost: Bools = field(default_factory=lambda: np.zeros(0, bool))  # these two only for silent rules
    holding: Mapping[str, Bools] = field(default_factory=dict)


class Program:
    """Several conditions compiled together."""

    def __init__(self, roots: Sequence[Term]) -> None:
        self._steps: list[tuple[Callable[[View, list[Any]], Any], bool]] = []
        self._index: dict[Term, int] = {}
        self.remembering: list[Term] = []
        self._roots = [self._place(root) for root in roots]
        terms = [term for root in roots for term in root.walk()]
        self.signals = tuple(dict.fromkeys(str(term.value) for term in terms if term.op == "signal"))

    def _place(self, term: Term) -> int:
        if term not in self._index:
            arguments = [self._place(part) for part in term.parts]
            step = self._recalled(term, arguments) if term.op in REMEMBERING else _MAKE[term.op](term, arguments)
            self._steps.append((step, term.type is Type.BOOL))
            self._index[term] = len(self._steps) - 1
        return self._index[term]

    def _recalled(self, term: Term, arguments: list[int]) -> _Step:
        number = len(self.remembering)
        self.remembering.append(term)
        part = arguments[0] if arguments else None

        def run(view: View, done: list[Any]) -> Any:
            if view.recall is None:
                raise OurFault(f"{term.op} without records to remember")
            return view.recall(number, None if part is None else done[part])

        return run

    def run(self, view: View) -> list[Truth]:
        """One truth a root, in the order in which they were given; treat the columns as read-only."""
        done: list[Any] = []
        with np.errstate(all="ignore"):
            for step, _ in self._steps:
                done.append(step(view, done))
        return [_full(done[root], view.size) for root in self._roots]


def parameters(terms: Iterable[Term]) -> set[str]:
    """The names of the per-lift parameters that the terms use."""
    return {cast("tuple[str, float]", part.value)[0] for term in terms for part in term.walk() if part.op == "param"}


def _full(truth: Truth, size: int) -> Truth:
    if truth.true.ndim and truth.false.ndim:
        return truth
    return Truth(np.broadcast_to(truth.true, (size,)), np.broadcast_to(truth.false, (size,)))


_Step = Callable[[View, list[Any]], Any]


def _signal(term: Term, _: list[int]) -> _Step:
    name = str(term.value)
    if term.type is not Type.BOOL:
        return lambda view, _: view.values[name]
    return lambda view, _: Truth(view.values[name] == 1, view.values[name] == 0)


def _among(term: Term, arguments: list[int]) -> _Step:
    values = cast("tuple[int, ...]", term.value)

    def run(_: View, done: list[Any]) -> Truth:
        column = done[arguments[0]]
        true = column == values[0]
        for value in values[1:]:
            true |= column == value
        return Truth(true, (column >= 0) & ~true)

    return run


def _compare(op: Callable[[Column, Column], Bools], opposite: Callable[[Column, Column], Bools]) -> Any:
    def make(_: Term, arguments: list[int]) -> _Step:
        left, right = arguments
        return lambda _, done: Truth(
            np.asarray(op(done[left], done[right])), np.asarray(opposite(done[left], done[right]))
        )

    return make


def _differs(left: Column, right: Column) -> Bools:
    return np.asarray((left < right) | (left > right))


def _arithmetic(op: Callable[..., Column]) -> Any:
    def make(_: Term, arguments: list[int]) -> _Step:
        def run(_: View, done: list[Any]) -> Column:
            result = op(*(done[index] for index in arguments))
            return np.where(np.isfinite(result), result, np.float32(np.nan))

        return run

    return make


def _junction(*, both: bool) -> Any:
    def make(_: Term, arguments: list[int]) -> _Step:
        left, right = arguments
        if both:
            return lambda _, done: Truth(done[left].true & done[right].true, done[left].false | done[right].false)
        return lambda _, done: Truth(done[left].true | done[right].true, done[left].false & done[right].false)

    return make


def _known(term: Term, arguments: list[int]) -> _Step:
    (index,) = arguments
    kind = term.parts[0].type

    def run(_: View, done: list[Any]) -> Truth:
        value = done[index]
        if kind is Type.BOOL:
            known = value.true | value.false
        else:
            known = ~np.isnan(value) if kind is Type.NUMBER else value >= 0
        known = np.asarray(known)
        return Truth(known, ~known)

    return run


def _surely(_: Term, arguments: list[int]) -> _Step:
    (index,) = arguments
    return lambda _, done: Truth(done[index].true, ~done[index].true)


def _possibly(_: Term, arguments: list[int]) -> _Step:
    (index,) = arguments
    return lambda _, done: Truth(~done[index].false, done[index].false)


def _not(_: Term, arguments: list[int]) -> _Step:
    (index,) = arguments
    return lambda _, done: Truth(done[index].false, done[index].true)


def _number(term: Term, _: list[int]) -> _Step:
    constant = np.float32(cast("float", term.value))
    return lambda _, __: constant


def _rated_speed(_: Term, __: list[int]) -> _Step:
    return lambda view, _: view.rated_speed


def _param(term: Term, _: list[int]) -> _Step:
    name, default = cast("tuple[str, float]", term.value)
    fallback = np.float32(default)

    def run(view: View, _: list[Any]) -> Column:
        own = view.parameters[name]
        return np.where(np.isnan(own), fallback, own)

    return run


def _reported(term: Term, _: list[int]) -> _Step:
    bit = np.int64(1) << np.int64(cast("int", term.value))

    def run(view: View, _: list[Any]) -> Truth:
        true = (view.reported & bit) != 0
        return Truth(true, ~true)

    return run


def _floor(term: Term, arguments: list[int]) -> _Step:
    (index,) = arguments
    name = str(term.value)

    def run(view: View, done: list[Any]) -> Truth:
        shown, end = done[index], view.floors[name]
        known, true = (shown >= 0) & (end >= 0), shown == end
        return Truth(known & true, known & ~true)

    return run


def _during(term: Term, _: list[int]) -> _Step:
    wanted = cast("tuple[Span, ...]", term.value)

    def run(view: View, _: list[Any]) -> Truth:
        true = within(view.at, wanted, view.zone)
        return Truth(true, ~true)

    return run


def _link_lost(_: Term, __: list[int]) -> _Step:
    def run(view: View, _: list[Any]) -> Truth:
        return Truth(view.link_lost, ~view.link_lost)

    return run


def _holding(term: Term, _: list[int]) -> _Step:
    names = cast("tuple[str, ...]", term.value)

    def run(view: View, _: list[Any]) -> Truth:
        true = np.logical_or.reduce([view.holding[name] for name in names])
        return Truth(true, ~true)

    return run


_MAKE: Final[dict[str, Callable[[Term, list[int]], _Step]]] = {
    "signal": _signal,
    "number": _number,
    "rated_speed": _rated_speed,
    "param": _param,
    "reported": _reported,
    "floor": _floor,
    "during": _during,
    "link_lost": _link_lost,
    "holding": _holding,
    "known": _known,
    "surely": _surely,
    "possibly": _possibly,
    "not": _not,
    "and": _junction(both=True),
    "or": _junction(both=False),
    "among": _among,
    "less": _compare(np.less, np.greater_equal),
    "at_most": _compare(np.less_equal, np.greater),
    "equal": _compare(np.equal, _differs),
    "add": _arithmetic(np.add),
    "subtract": _arithmetic(np.subtract),
    "multiply": _arithmetic(np.multiply),
    "divide": _arithmetic(np.divide),
    "negate": _arithmetic(np.negative),
    "absolute": _arithmetic(np.abs),
}
