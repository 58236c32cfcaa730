"""What differs between two runs over the same stream: alarms and cases that appeared, vanished, came earlier or later. Pure.

Two alarms of one lift and rule are the same episode when the one's time from hold start to clear overlaps the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from ingest.backtest.episodes import Alarm, Case

Item = TypeVar("Item")


class What(StrEnum):
    SAME = "same"
    APPEARED = "appeared"
    VANISHED = "vanished"
    EARLIER = "earlier"
    LATER = "later"
    CHANGED = "changed"  # at the same time, with another severity, or another thing that it opens


@dataclass(frozen=True, kw_only=True)
class Pair(Generic[Item]):
    """One episode in both runs; None where a run has none."""

    baseline: Item | None
    candidate: Item | None

    @property
    def either(self) -> Item:
        found = self.candidate if self.baseline is None else self.baseline
        if found is None:
            raise ValueError("a pair of nothing")
        return found


def pairs_of_alarms(baseline: Sequence[Alarm], candidate: Sequence[Alarm]) -> list[Pair[Alarm]]:
    """All episodes, by time, then lift, then rule."""
    found = _pairs(
        baseline,
        candidate,
        key=lambda item: (item.lift_id, item.rule_id),
        span=lambda item: (item.hold_start, item.cleared_at),
    )
    return sorted(found, key=lambda pair: (_first(pair), pair.either.lift_id, pair.either.rule_id))


def _first(pair: Pair[Alarm]) -> int:
    return min(item.raised_at for item in (pair.baseline, pair.candidate) if item is not None)


def pairs_of_cases(baseline: Sequence[Case], candidate: Sequence[Case]) -> list[Pair[Case]]:
    """All cases, by time, then lift."""
    found = _pairs(
        baseline, candidate, key=lambda item: (item.lift_id,), span=lambda item: (item.opened_at, item.over_at)
    )
    return sorted(found, key=lambda pair: (pair.either.opened_at, pair.either.lift_id))


def _pairs(
    baseline: Iterable[Item],
    candidate: Iterable[Item],
    *,
    key: Callable[[Item], tuple[Any, ...]],
    span: Callable[[Item], tuple[int, int]],
) -> list[Pair[Item]]:
    sides: dict[tuple[Any, ...], tuple[list[Item], list[Item]]] = {}
    for place, items in enumerate((baseline, candidate)):
        for item in items:
            sides.setdefault(key(item), ([], []))[place].append(item)
    found: list[Pair[Item]] = []
    for left, right in sides.values():
        found += _matched(sorted(left, key=span), sorted(right, key=span), span)
    return found


def _matched(left: list[Item], right: list[Item], span: Callable[[Item], tuple[int, int]]) -> list[Pair[Item]]:
    """Two lists by time, walked together: what overlaps is one episode, what ends first alone has no partner."""
    found: list[Pair[Item]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        (left_start, left_end), (right_start, right_end) = span(left[i]), span(right[j])
        if left_end < right_start:
            found.append(Pair(baseline=left[i], candidate=None))
            i += 1
        elif right_end < left_start:
            found.append(Pair(baseline=None, candidate=right[j]))
            j += 1
        else:
            found.append(Pair(baseline=left[i], candidate=right[j]))
            i, j = i + 1, j + 1
    found += [Pair(baseline=item, candidate=None) for item in left[i:]]
    found += [Pair(baseline=None, candidate=item) for item in right[j:]]
    return found


def what_of_alarm(pair: Pair[Alarm]) -> tuple[What, int]:
    """What became of an episode, and by how many ms the candidate is later (negative: earlier)."""
    before, after = pair.baseline, pair.candidate
    if before is None or after is None:
        return (What.APPEARED if before is None else What.VANISHED), 0
    by = after.raised_at - before.raised_at
    if by:
        return (What.LATER if by > 0 else What.EARLIER), by
    same = (before.severity, before.opens, before.demoted) == (after.severity, after.opens, after.demoted)
    return (What.SAME if same else What.CHANGED), 0


def what_of_case(pair: Pair[Case]) -> tuple[What, int]:
    """The same of a case: by how many ms it would have been opened later."""
    before, after = pair.baseline, pair.candidate
    if before is None or after is None:
        return (What.APPEARED if before is None else What.VANISHED), 0
    by = after.opened_at - before.opened_at
    if by:
        return (What.LATER if by > 0 else What.EARLIER), by
    return (What.SAME if before.kind == after.kind else What.CHANGED), 0
