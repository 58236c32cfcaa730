"""What late records have changed: the alarms of one lift before and after, episode by episode. Pure values, no state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from alarms.signals import CLEAR, PROMOTE, RAISE, Transition

TOLD_MS: Final = 1_000
"""Times that move by less are not worth a correction."""


class CorrectionKind(StrEnum):
    LATE = "late"  # an alarm that nobody had seen
    AMENDED = "amended"  # other times, another severity, or active again, or over
    CONTRADICTED = "contradicted"  # an alarm that had not been one


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """An alarm from its raise to its clearing. Times are ms."""

    raised_at: int | None  # None: before anything that was looked at
    hold_start: int | None
    cleared_at: int | None  # None: still active
    demoted: bool
    level: int
    witnesses: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    kind: CorrectionKind
    slot: int
    rule: int
    before: Episode | None  # None: late
    after: Episode | None  # None: contradicted


FROM_BEFORE: Final = Episode(raised_at=None, hold_start=None, cleared_at=None, demoted=False, level=0, witnesses=0)
"""An alarm that was active before anything that was looked at."""

Corrections = tuple[Correction, ...]


Told = dict[tuple[int, int], list[Episode]]
"""By slot and rule, the alarms that somebody was told of, in order of time."""


def tell(told: list[Episode], item: Transition) -> None:
    """Go on with one transition of a rule. One without a raise belongs to an alarm from before anything that was looked at."""
    if item.kind == RAISE:
        told.append(
            Episode(
                raised_at=item.at, hold_start=item.hold_start, cleared_at=None, demoted=item.demoted,
                level=item.level, witnesses=item.witnesses,
            )
        )  # fmt: skip
        return
    if not told:
        told.append(FROM_BEFORE)
    told[-1] = replace(
        told[-1],
        level=item.level,
        witnesses=item.witnesses,
        cleared_at=item.at if item.kind == CLEAR else told[-1].cleared_at,
        demoted=False if item.kind == PROMOTE else told[-1].demoted,
    )


def episodes(said: Iterable[Transition]) -> Told:
    """The alarms of some transitions."""
    told: Told = {}
    for item in said:
        tell(told.setdefault((item.slot, item.rule), []), item)
    return told


def compare(before: Told, after: Told) -> tuple[Corrections, Told]:
    """How two tellings of the same lifts differ, by time, then by rule; and what has been told when that is known too.

    What differs by less than a second is not told, and stays as it was told.
    """
    found: list[Correction] = []
    told: Told = {}
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, []), after.get(key, [])
        corrections, known = _pairs(*key, old, new) if old != new else ([], old)
        found += corrections
        if known:
            told[key] = known
    return tuple(sorted(found, key=_when)), told


def _when(item: Correction) -> tuple[int, int, int]:
    episode = item.after or item.before
    return (episode.raised_at or 0) if episode else 0, item.rule, item.slot


def _pairs(slot: int, rule: int, old: list[Episode], new: list[Episode]) -> tuple[list[Correction], list[Episode]]:
    """Episodes that share a moment are one and the same alarm; one from before is the one from before."""
    found: list[Correction] = []
    told: list[Episode] = []
    rest = list(new)
    for was in old:
        same = next((item for item in rest if _overlap(was, item)), None)
        if same is None:
            found.append(Correction(kind=CorrectionKind.CONTRADICTED, slot=slot, rule=rule, before=was, after=None))
            continue
        rest.remove(same)
        told.append(was if _alike(same, was) else same)
        if told[-1] is not was:
            found.append(Correction(kind=CorrectionKind.AMENDED, slot=slot, rule=rule, before=was, after=same))
    found += [Correction(kind=CorrectionKind.LATE, slot=slot, rule=rule, before=None, after=item) for item in rest]
    return found, sorted([*told, *rest], key=lambda item: item.raised_at or 0)


def _alike(one: Episode, other: Episode) -> bool:
    """The same alarm but for less than a second here or there: nobody need be told."""
    if (one.demoted, one.level, one.witnesses) != (other.demoted, other.level, other.witnesses):
        return False
    pairs = ((one.raised_at, other.raised_at), (one.hold_start, other.hold_start), (one.cleared_at, other.cleared_at))
    return all(a == b or (a is not None and b is not None and abs(a - b) < TOLD_MS) for a, b in pairs)


def _overlap(one: Episode, other: Episode) -> bool:
    if one.raised_at is None or other.raised_at is None:
        return one.raised_at is other.raised_at
    starts_before_end = other.cleared_at is None or one.raised_at <= other.cleared_at
    return starts_before_end and (one.cleared_at is None or other.raised_at <= one.cleared_at)
