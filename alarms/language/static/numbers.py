"""Sets of numbers that a part of a rule may have: closed intervals of single precision, and whether it may be unknown. No terms, no rules.

Every bound is a number of single precision, so that "less than 3" is "at most the number before 3" and all intervals are closed. The arithmetic
answers with a set that holds every result there may be, perhaps with more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Span = tuple[float, float]
"""Lowest and highest, both included."""

INFINITE: Final = math.inf
LARGEST: Final = float(np.finfo(np.float32).max)
_OPERATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
}


@dataclass(frozen=True, slots=True)
class Numbers:
    spans: tuple[Span, ...]  # in order, apart from each other
    unknown: bool

    def __bool__(self) -> bool:
        return bool(self.spans) or self.unknown

    def __and__(self, other: Numbers) -> Numbers:
        pairs = ((max(a[0], b[0]), min(a[1], b[1])) for a in self.spans for b in other.spans)
        return Numbers(tuple(sorted(pair for pair in pairs if pair[0] <= pair[1])), self.unknown and other.unknown)

    @property
    def low(self) -> float:
        return self.spans[0][0]

    @property
    def high(self) -> float:
        return self.spans[-1][1]

    @property
    def single(self) -> float | None:
        """The only number that this may be, if there is one."""
        return self.low if self.spans and not self.unknown and self.low == self.high else None

    def negated(self) -> Numbers:
        return Numbers(tuple((-high, -low) for low, high in reversed(self.spans)), self.unknown)

    def absolute(self) -> Numbers:
        """The absolute values of these."""
        return (self | self.negated()) & Numbers(((0.0, INFINITE),), unknown=True)

    def __or__(self, other: Numbers) -> Numbers:
        joined: list[Span] = []
        for low, high in sorted((*self.spans, *other.spans)):
            if joined and low <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
            else:
                joined.append((low, high))
        return Numbers(tuple(joined), self.unknown or other.unknown)

    def whole(self) -> Numbers:
        """The whole numbers among these, as intervals whose ends are whole."""
        rounded = ((_up(low), _down(high)) for low, high in self.spans)
        return Numbers(tuple(span for span in rounded if span[0] <= span[1]), self.unknown)


def _up(low: float) -> float:
    return float(math.ceil(low)) if math.isfinite(low) else low


def _down(high: float) -> float:
    return float(math.floor(high)) if math.isfinite(high) else high


def single(value: float) -> float:
    """The number in single precision, perhaps infinite."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def between(low: float, high: float, *, unknown: bool = True) -> Numbers:
    """Everything from `low` to `high`."""
    return Numbers(((single(low), single(high)),), unknown)


NOTHING_KNOWN: Final = Numbers((), unknown=True)
KNOWN: Final = between(-INFINITE, INFINITE, unknown=False)
ANY: Final = between(-LARGEST, LARGEST)


def beside(value: float, signs: frozenset[str | None]) -> Numbers:
    """The numbers that stand in one of these relations (`<`, `=`, `>`, None for unknown) to `value`."""
    at = np.float32(value)
    with np.errstate(over="ignore"):
        before, after = (float(np.nextafter(at, np.float32(end))) for end in (-INFINITE, INFINITE))
    parts = (("<", (-INFINITE, before)), ("=", (value, value)), (">", (after, INFINITE)))
    return Numbers(tuple(span for sign, span in parts if sign in signs and span[0] <= span[1]), None in signs)


def calculated(op: str, left: Numbers, right: Numbers) -> Numbers:
    """What the operation may give: single precision is rounded the same way everywhere, so the ends of intervals bound the results."""
    unknown = left.unknown or right.unknown
    if not left.spans or not right.spans or (op == "divide" and right.low == right.high == 0):
        return NOTHING_KNOWN
    if op == "divide" and right.low <= 0 <= right.high:
        return ANY
    with np.errstate(all="ignore"):
        corners = [
            float(_OPERATIONS[op](np.float32(a), np.float32(b)))
            for a in (left.low, left.high)
            for b in (right.low, right.high)
        ]
    if not all(map(math.isfinite, corners)):
        return ANY
    return Numbers(((min(corners), max(corners)),), unknown)
