"""Whether conditions can come out together in some way, decided over intervals and enumerations. Says "possible" whenever it cannot tell."""

from __future__ import annotations

from alarms.language.checker import Term
from alarms.language.static.ways import ALL, TooManyWays, Truths, joint, ways


def possible(*demands: tuple[Term, Truths]) -> bool:
    """False only where no record whatever gives every condition one of its truth values."""
    try:
        return bool(joint(ways(term, wanted) for term, wanted in demands))
    except TooManyWays:
        return True


def outcomes(term: Term) -> Truths:
    """Which of true, false and unknown the condition can be."""
    return frozenset(value for value in ALL if possible((term, frozenset({value}))))
