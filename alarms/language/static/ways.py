"""The ways in which a condition can come out: a disjunction of conjunctions, each a set of demands on single subjects. No places, no messages.

A *subject* is what one demand is about: a signal, an event code, the result of a calculation, two numbers compared, the time of the week. A *way*
gives each of its subjects the values that it may have; a way that leaves some subject none is dropped. Three-valued logic distributes over "and"
and "or" once one asks for a subset of true, false and unknown, so `not`, `surely`, `possibly` and `known` only change what is asked of their part.

What is left out makes more ways, never fewer: a way that is dropped is impossible for every sample. Left out are what two numbers that both vary
say of each other beyond their order, and what the records before this one allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Final, cast

import numpy as np

from alarms.language.checker import Term, Type, enum_words
from alarms.language.static.numbers import KNOWN, NOTHING_KNOWN, Numbers, beside
from alarms.language.static.ranges import CALCULATIONS, span
from alarms.language.static.witnesses import agree
from alarms.language.times import UTC, Span, within
from hoistway.model import SIGNAL

Truths = frozenset[bool | None]
"""Some of true, false and unknown (None)."""
Domain = Truths | frozenset[str | None] | frozenset[int] | int | Numbers
"""Which values a subject may have: truth values, signs of an order, words (-1 unknown), minutes of the week as bits, numbers."""
Way = dict[Term, Domain]

TRUE: Final[Truths] = frozenset({True})
FALSE: Final[Truths] = frozenset({False})
UNKNOWN: Final[Truths] = frozenset({None})
DECIDED: Final[Truths] = frozenset({True, False})
NOT_TRUE: Final[Truths] = frozenset({False, None})
NOT_FALSE: Final[Truths] = frozenset({True, None})
ALL: Final[Truths] = frozenset({True, False, None})

WAYS: Final = 512
"""Beyond so many ways a condition counts as possible."""
_TRIALS: Final = 32 * WAYS
_NEVER_UNKNOWN: Final = frozenset({"reported", "link_lost", "holding"})
_WEEK: Final = Term("week", Type.NUMBER)
_WEEK_MINUTES: Final = 7 * 24 * 60
_MONDAY_MS: Final = 4 * 24 * 3_600_000  # 1970-01-05


class TooManyWays(Exception):
    """More ways than anybody wants to look at."""


def ways(term: Term, wanted: Truths) -> list[Way]:
    """How the condition can come out as one of `wanted`; none: it never does. Raises TooManyWays."""
    if not wanted:
        return []
    if wanted == ALL:
        return [{}]
    if term.op in _LOGIC:
        return _LOGIC[term.op](term, wanted)
    if term.op in _ORDER:
        return _compared(term, wanted)
    if term.op == "among":
        return _among(term, wanted)
    if term.op == "during":
        return _during(term, wanted)
    return _plain(term, wanted)


def joint(parts: Iterable[list[Way]]) -> list[Way]:
    """How all of these can come out at once."""
    found: list[Way] = [{}]
    for part in parts:
        if len(found) * len(part) > _TRIALS:
            raise TooManyWays
        found = _capped(way for one, other in product(found, part) if (way := _merged(one, other)) is not None)
    return found


def _merged(one: Way, other: Way) -> Way | None:
    way = dict(one)
    for subject, domain in other.items():
        left = way[subject] & domain if subject in way else domain  # type: ignore[operator]  # one subject, one kind of domain
        if not left:
            return None
        way[subject] = left
    return way if agree({str(term.value): domain for term, domain in way.items() if term.op == "signal"}) else None


def _capped(found: Iterator[Way]) -> list[Way]:
    kept: list[Way] = []
    for way in found:
        kept.append(way)
        if len(kept) > WAYS:
            raise TooManyWays
    return kept


def _either(*parts: list[Way]) -> list[Way]:
    return _capped(way for part in parts for way in part)


def _flipped(wanted: Truths) -> Truths:
    return frozenset(None if value is None else not value for value in wanted)


def _not(term: Term, wanted: Truths) -> list[Way]:
    return ways(term.parts[0], _flipped(wanted))


def _surely(term: Term, wanted: Truths) -> list[Way]:
    return ways(
        term.parts[0], (TRUE if True in wanted else frozenset()) | (NOT_TRUE if False in wanted else frozenset())
    )


def _possibly(term: Term, wanted: Truths) -> list[Way]:
    return ways(
        term.parts[0], (NOT_FALSE if True in wanted else frozenset()) | (FALSE if False in wanted else frozenset())
    )


def _and(term: Term, wanted: Truths) -> list[Way]:
    return _both(term.parts, wanted)


def _or(term: Term, wanted: Truths) -> list[Way]:
    """As for `and`, with true and false changed places."""
    parts = tuple(Term("not", Type.BOOL, (part,)) for part in term.parts)
    return _both(parts, _flipped(wanted))


def _both(parts: tuple[Term, ...], wanted: Truths) -> list[Way]:
    one, other = parts
    found: list[list[Way]] = []
    if wanted == NOT_FALSE:
        return joint((ways(one, NOT_FALSE), ways(other, NOT_FALSE)))
    if True in wanted:
        found.append(joint((ways(one, TRUE), ways(other, TRUE))))
    if wanted == NOT_TRUE:
        found += [ways(one, NOT_TRUE), ways(other, NOT_TRUE)]
    elif False in wanted:
        found += [ways(one, FALSE), ways(other, FALSE)]
    elif None in wanted:
        found.append(joint((ways(one, UNKNOWN), ways(other, NOT_FALSE))))
        found.append(joint((ways(one, TRUE), ways(other, UNKNOWN))))
    return _either(*found)


def _known(term: Term, wanted: Truths) -> list[Way]:
    (part,) = term.parts
    found = []
    if True in wanted:
        found.append(_knownness(part, known=True))
    if False in wanted:
        found.append(_knownness(part, known=False))
    return _either(*found)


def _knownness(part: Term, *, known: bool) -> list[Way]:
    if part.type is Type.BOOL:
        return ways(part, DECIDED if known else UNKNOWN)
    if part.type is Type.NUMBER:
        return numbers(part, KNOWN if known else NOTHING_KNOWN)
    if part.type is Type.ENUM:
        return [{part: _words(part) if known else frozenset({-1})}]
    return [{part: TRUE if known else UNKNOWN}]


def _words(signal: Term) -> frozenset[int]:
    return frozenset(int(word) for word in enum_words(SIGNAL[str(signal.value)]).values())


def _among(term: Term, wanted: Truths) -> list[Way]:
    (signal,) = term.parts
    listed = frozenset(int(value) for value in cast("tuple[int, ...]", term.value))
    domain: frozenset[int] = frozenset()
    if True in wanted:
        domain |= listed
    if False in wanted:
        domain |= _words(signal) - listed
    if None in wanted:
        domain |= {-1}
    return [{signal: domain}] if domain else []


def _during(term: Term, wanted: Truths) -> list[Way]:
    at = _MONDAY_MS + np.arange(_WEEK_MINUTES, dtype=np.int64) * 60_000
    inside = int.from_bytes(np.packbits(within(at, cast("tuple[Span, ...]", term.value), UTC)).tobytes(), "big")
    every = (1 << _WEEK_MINUTES) - 1
    minutes = (inside if True in wanted else 0) | (every ^ inside if False in wanted else 0)
    return [{_WEEK: minutes}] if minutes else []


def _plain(term: Term, wanted: Truths) -> list[Way]:
    """A signal, or a condition of which nothing more is known than which values it has."""
    if term.op in _NEVER_UNKNOWN or term.value == "implausible":
        wanted &= DECIDED
    found: list[Way] = [{term: wanted}] if wanted and agree({str(term.value): wanted}) else []
    if term.op in {"changed", "floor"} and None not in wanted:
        return joint((found, _knownness(term.parts[0], known=True)))
    return found


_SIGNS: Final[dict[str, tuple[frozenset[str | None], frozenset[str | None]]]] = {
    "less": (frozenset({"<"}), frozenset({"=", ">"})),
    "at_most": (frozenset({"<", "="}), frozenset({">"})),
    "equal": (frozenset({"="}), frozenset({"<", ">"})),
}
_MIRROR: Final[dict[str | None, str | None]] = {"<": ">", "=": "=", ">": "<", None: None}


def _compared(term: Term, wanted: Truths) -> list[Way]:
    left, right = term.parts
    true, false = _SIGNS[term.op]
    signs: frozenset[str | None] = frozenset({None}) if None in wanted else frozenset()
    signs |= (true if True in wanted else frozenset()) | (false if False in wanted else frozenset())
    for one, other, seen in ((left, right, signs), (right, left, frozenset(_MIRROR[sign] for sign in signs))):
        value = span(other).single
        if value is not None:
            return numbers(one, beside(value, seen))
    if repr(right) < repr(left):
        left, right, signs = right, left, frozenset(_MIRROR[sign] for sign in signs)
    return _ordered(left, right, signs)


def _ordered(left: Term, right: Term, signs: frozenset[str | None]) -> list[Way]:
    """Two numbers that both vary: their order is a subject of its own, and it is known where both are."""
    subject = Term("order", Type.ENUM, (left, right))
    possible = signs & _orders(left, right)
    found: list[list[Way]] = []
    if possible - {None}:
        found.append(joint(([{subject: possible - {None}}], numbers(left, KNOWN), numbers(right, KNOWN))))
    if None in possible:
        found += [joint(([{subject: UNKNOWN}], numbers(part, NOTHING_KNOWN))) for part in (left, right)]
    return _either(*found)


def _orders(left: Term, right: Term) -> frozenset[str | None]:
    one, other = span(left), span(right)
    found: set[str | None] = {None} if one.unknown or other.unknown else set()
    if one.spans and other.spans:
        found |= {"="} if left == right or (one & other).spans else set()
        if left != right:
            found |= {"<"} if one.low < other.high else set()
            found |= {">"} if one.high > other.low else set()
    return frozenset(found)


def numbers(term: Term, domain: Numbers) -> list[Way]:
    """How the number can be in `domain`."""
    domain &= span(term)
    if term.op == "count":
        domain = domain.whole()
    if not domain:
        return []
    if term.op == "absolute":
        return numbers(term.parts[0], domain | domain.negated())
    if term.op == "negate":
        return numbers(term.parts[0], domain.negated())
    found: list[Way] = [{}] if term.op == "number" else [{term: domain}]
    if term.op == "age":
        return joint((found, ways(term.parts[0], _truths_of_age(domain))))
    if term.op in CALCULATIONS or term.op == "rate":
        return found if domain.unknown else joint((found, *(numbers(part, KNOWN) for part in term.parts)))
    return found


def _truths_of_age(domain: Numbers) -> Truths:
    """What the condition is where its age is one of these: 0 may be true just now, or false."""
    truths: Truths = TRUE if domain.spans else frozenset()
    truths |= FALSE if domain.spans and domain.low <= 0 else frozenset()
    return truths | (UNKNOWN if domain.unknown else frozenset())


_LOGIC: Final[dict[str, Callable[[Term, Truths], list[Way]]]] = {
    "not": _not, "surely": _surely, "possibly": _possibly, "and": _and, "or": _or, "known": _known,
}  # fmt: skip
_ORDER: Final = frozenset(_SIGNS)
