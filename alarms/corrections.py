"""What late records have changed: the alarms of one lift before and after, episode by episode. Pure values, no state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from alarms.signals import CLEAR, PROMOTE, RAISE, Transition


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


Corrections = tuple[Correction, ...]


def compare(before: Sequence[Transition], after: Sequence[Transition]) -> list[Correction]:
    """How one lift's transitions differ; both begin with the same alarms active. In order of time, then of rules."""
    found: list[Correction] = []
    for rule in sorted({item.rule for item in (*before, *after)}):
        slot = next(item.slot for item in (*before, *after) if item.rule == rule)
        old, new = episodes(before, rule), episodes(after, rule)
        if old != new:
            found += _pairs(slot, rule, old, new)
    return sorted(found, key=_when)


def _when(item: Correction) -> tuple[int, int]:
    episode = item.after or item.before
    return (episode.raised_at or 0) if episode else 0, item.rule


def episodes(said: Iterable[Transition], rule: int) -> list[Episode]:
    """The alarms of one rule, in order of time."""
    found: list[Episode] = []
    for item in said:
        if item.rule != rule:
            continue
        if item.kind == RAISE:
            found.append(
                Episode(
                    raised_at=item.at, hold_start=item.hold_start, cleared_at=None, demoted=item.demoted,
                    level=item.level, witnesses=item.witnesses,
                )
            )  # fmt: skip
            continue
        if not found:
            found.append(Episode(raised_at=None, hold_start=None, cleared_at=None, demoted=False, level=0, witnesses=0))
        last = replace(found[-1], level=item.level, witnesses=item.witnesses)
        found[-1] = replace(last, cleared_at=item.at) if item.kind == CLEAR else last
        if item.kind == PROMOTE:
            found[-1] = replace(found[-1], demoted=False)
    return found


def _pairs(slot: int, rule: int, old: list[Episode], new: list[Episode]) -> list[Correction]:
    """Episodes that share a moment are one and the same alarm; an alarm from before can still be the one it was."""
    found: list[Correction] = []
    carried = [next((item for item in side if item.raised_at is None), None) for side in (old, new)]
    if any(carried) and not all(carried):
        still = Episode(raised_at=None, hold_start=None, cleared_at=None, demoted=False, level=0, witnesses=0)
        (old if carried[0] is None else new).insert(0, still)
    rest = list(new)
    for was in old:
        same = next((item for item in rest if _overlap(was, item)), None)
        if same is None:
            found.append(Correction(kind=CorrectionKind.CONTRADICTED, slot=slot, rule=rule, before=was, after=None))
            continue
        rest.remove(same)
        if same != was:
            found.append(Correction(kind=CorrectionKind.AMENDED, slot=slot, rule=rule, before=was, after=same))
    found += [Correction(kind=CorrectionKind.LATE, slot=slot, rule=rule, before=None, after=item) for item in rest]
    return found


def _overlap(one: Episode, other: Episode) -> bool:
    if one.raised_at is None or other.raised_at is None:
        return one.raised_at is other.raised_at
    starts_before_end = other.cleared_at is None or one.raised_at <= other.cleared_at
    return starts_before_end and (one.cleared_at is None or other.raised_at <= one.cleared_at)
