"""Which numbers a term may be, alone: the ranges of signals and functions, carried through calculations."""

from __future__ import annotations

from typing import Final, cast

from alarms.language.checker import COUNT_MOST, COUNT_STEPS, Term
from alarms.language.static.numbers import ANY, KNOWN, LARGEST, Numbers, between, calculated, single
from hoistway.model import SIGNAL, SignalType

COUNTED_MOST: Final = COUNT_MOST * COUNT_STEPS
"""Not less than the counters of all steps together hold."""
RATED_SPEED_M_S: Final = 20.0
"""Faster lifts do not exist; the register refuses them."""


def span(term: Term) -> Numbers:
    """Every value that a number may have, alone."""
    if term.op in CALCULATIONS:
        return calculated(term.op, span(term.parts[0]), span(term.parts[1]))
    if term.op == "negate":
        return span(term.parts[0]).negated()
    if term.op == "absolute":
        return span(term.parts[0]).absolute()
    if term.op == "number":
        value = single(cast("float", term.value))
        return Numbers(((value, value),), unknown=False)
    if term.op == "signal":
        signal = SIGNAL.get(str(term.value))
        bounded = signal is not None and signal.type is SignalType.NUMBER
        return between(signal.low or 0, signal.high or 0) if signal and bounded else ANY
    return _RANGE[term.op]


CALCULATIONS: Final = frozenset({"add", "subtract", "multiply", "divide"})
_RANGE: Final = {
    "param": KNOWN,  # a lift's own number may be any, also one too large for single precision
    "rated_speed": between(0, RATED_SPEED_M_S),
    "age": between(0, LARGEST),
    "count": between(0, COUNTED_MOST, unknown=False),
    "since_reported": between(0, LARGEST, unknown=False),
    "rate": ANY,
}
