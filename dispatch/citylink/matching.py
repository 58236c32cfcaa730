"""Two lists of one day, ours and the platform's: which entries are the same event, and what differs. Pure.

Entries of one lift are paired when their times are at most `MATCH_S` apart: first those of the same kind, then what is left, whatever
its kind. Within a step as many pairs as possible are made, and of those choices the one whose times differ least in sum: two
entrapments of one lift within the window find each their own, where taking the nearest first could leave one without.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hoistway.errors import BadInput

MATCH_S: Final = 300
"""Entries further apart are different events (the daily reconciliation of the city platforms)."""
SAME_S: Final = 60
"""Times of a pair that differ by more are a difference."""
ENTRIES_OF_A_LIFT: Final = 2_000
"""Of one lift and kind in one list of a day; more is no list of events."""


class Reason(StrEnum):
    """Why two lists differ."""

    ONLY_OURS = "only-ours"
    ONLY_THEIRS = "only-theirs"
    TIME_DIFFERS = "time-differs"
    KIND_DIFFERS = "kind-differs"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a list."""

    id: str
    lift: str  # registration code
    at_s: int  # seconds since 1970 UTC
    code: str
    inside: bool = True  # of the day; entries beside it are there to be matched only


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What differs. At least one side has an entry."""

    reasons: tuple[Reason, ...]
    ours: Entry | None = None
    theirs: Entry | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Both lists of a day compared."""

    agreed: int
    differences: tuple[Difference, ...]  # by lift and time


def compare(ours: Iterable[Entry], theirs: Iterable[Entry]) -> Comparison:
    """Compare two lists. An entry beside the day counts only as the partner of one inside it. Raises BadInput beyond the limit."""
    left, right = _by_lift(ours), _by_lift(theirs)
    agreed = 0
    found: list[Difference] = []
    for lift in sorted(left.keys() | right.keys()):
        pairs, mine, yours = _match_lift(left.get(lift, []), right.get(lift, []))
        for our, their in pairs:
            reasons = _reasons(our, their)
            if not our.inside:  # the pair belongs to the day of our entry
                continue
            if reasons:
                found.append(Difference(reasons=reasons, ours=our, theirs=their))
            else:
                agreed += 1
        found += [
            Difference(reasons=(why,), ours=one) for one, why in _alone(mine, left.get(lift, []), Reason.ONLY_OURS)
        ]
        found += [
            Difference(reasons=(why,), theirs=one)
            for one, why in _alone(yours, right.get(lift, []), Reason.ONLY_THEIRS)
        ]
    return Comparison(agreed=agreed, differences=tuple(sorted(found, key=_place)))


def pair_up(left: Sequence[int], right: Sequence[int]) -> list[tuple[int, int]]:
    """The pairs of two ascending lists of seconds, by index: as many as possible, then the smallest sum of differences.

    Pairs that do not cross are enough: of two that do, the other way round is no further apart at either and in sum. So it is one
    walk along both lists; best[i][j] is what the first i and the first j give.
    """
    rows, columns = len(left), len(right)
    best = [[(0, 0)] * (columns + 1) for _ in range(rows + 1)]
    for i in range(1, rows + 1):
        above, here = best[i - 1], best[i]
        for j in range(1, columns + 1):
            choice = max(above[j], here[j - 1])
            apart = abs(left[i - 1] - right[j - 1])
            if apart <= MATCH_S:
                pairs, saved = above[j - 1]
                choice = max(choice, (pairs + 1, saved - apart))
            here[j] = choice
    return _walk_back(best, left, right)


def _walk_back(best: list[list[tuple[int, int]]], left: Sequence[int], right: Sequence[int]) -> list[tuple[int, int]]:
    i, j = len(left), len(right)
    found = []
    while i and j:
        apart = abs(left[i - 1] - right[j - 1])
        pairs, saved = best[i - 1][j - 1]
        if apart <= MATCH_S and best[i][j] == (pairs + 1, saved - apart):
            i, j = i - 1, j - 1
            found.append((i, j))
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def _by_lift(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=_order):
        found[entry.lift].append(entry)
    for lift, many in found.items():
        if len(many) > ENTRIES_OF_A_LIFT:
            raise BadInput(
                f"{len(many)} entries of lift {lift}", where="list", expected=f"at most {ENTRIES_OF_A_LIFT} a day"
            )
    return found


def _order(entry: Entry) -> tuple[int, str, str]:
    return entry.at_s, entry.code, entry.id


def _place(one: Difference) -> tuple[str, int, str]:
    entry = one.ours or one.theirs
    return (entry.lift, entry.at_s, entry.id) if entry else ("", 0, "")


def _match_lift(ours: list[Entry], theirs: list[Entry]) -> tuple[list[tuple[Entry, Entry]], list[Entry], list[Entry]]:
    """Pairs, and what is left of either side."""
    pairs: list[tuple[Entry, Entry]] = []
    for code in sorted({entry.code for entry in ours} & {entry.code for entry in theirs}):
        pairs += _paired([one for one in ours if one.code == code], [one for one in theirs if one.code == code])
    pairs += _paired(_without(ours, [our for our, _ in pairs]), _without(theirs, [their for _, their in pairs]))
    return pairs, _without(ours, [our for our, _ in pairs]), _without(theirs, [their for _, their in pairs])


def _paired(ours: list[Entry], theirs: list[Entry]) -> list[tuple[Entry, Entry]]:
    indices = pair_up([one.at_s for one in ours], [one.at_s for one in theirs])
    return [(ours[i], theirs[j]) for i, j in indices]


def _without(entries: list[Entry], taken: list[Entry]) -> list[Entry]:
    gone = {id(entry) for entry in taken}  # two lines may be equal in every word
    return [entry for entry in entries if id(entry) not in gone]


def _reasons(ours: Entry, theirs: Entry) -> tuple[Reason, ...]:
    found = []
    if abs(ours.at_s - theirs.at_s) > SAME_S:
        found.append(Reason.TIME_DIFFERS)
    if ours.code != theirs.code:
        found.append(Reason.KIND_DIFFERS)
    return tuple(found)


def _alone(left_over: list[Entry], side: list[Entry], why: Reason) -> list[tuple[Entry, Reason]]:
    """Entries of the day without a partner; one of the same kind within `SAME_S` of another of its own list is a duplicate."""
    lonely = {id(entry) for entry in left_over}
    kept = [entry for entry in side if id(entry) not in lonely]
    found = []
    for entry in left_over:
        twice = any(one.code == entry.code and abs(one.at_s - entry.at_s) <= SAME_S for one in kept)
        kept.append(entry)
        if entry.inside:
            found.append((entry, Reason.DUPLICATE if twice else why))
    return found
