"""Lifts of which records came late: their part of the stream once more, in the order in which things happened, as corrections fold it.

A late record is met while the stream is read in order of arrival. What the ordinary fold said of its lift is then replaced by a fold of
all its records by corrected time, on both sides; only silence, which is judged by what comes in order, stays as it was. So lifts without
late records cost nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from alarms.engine import Engine
from alarms.language.times import Zone
from alarms.rules import RuleSet
from alarms.signals import EVENT_DTYPE, EVENT_INDEX, Batch, Rows, Transitions
from hoistway import samples
from ingest.backtest.episodes import Segment
from ingest.backtest.fold import Number, Plans
from ingest.backtest.stream import SQL, Lift, Range, ms, when
from ingest.pack import Selection

GROUP: Final = 64
"""Lifts read and folded at once: a day of theirs is half a million samples."""
_KEYS: Final = ("device_id", "boot", "seq")


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The part of one partition's stream that is folded. Times are ms since 1970 UTC."""

    partition: int
    since: datetime
    end_ms: int
    last_batch: int
    first: Number
    turns: tuple[tuple[int, Number], ...]  # when the rules changed, and to which set

    @classmethod
    def of(cls, partition: int, since: datetime, end_ms: int, first: Number, ranges: Sequence[Range]) -> Stretch:
        turns = tuple((ms(item.clock), item.rule_set) for item in ranges if item.kind == "rules")
        last = max((item.last for item in ranges), default=0)
        return cls(partition=partition, since=since, end_ms=end_ms, last_batch=last, first=first, turns=turns)


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What some lifts were once everything was in its place."""

    lifts: frozenset[int]
    segments: tuple[list[Segment], list[Segment]]  # of both runs
    samples: int  # late ones
    events: int


async def late_lifts(connection: Any, stretch: Stretch, lifts: Sequence[int] | None) -> set[int]:
    """Lifts of which an event came late."""
    wanted = None if lifts is None else list(lifts)
    bounds = (stretch.partition, stretch.last_batch, stretch.since, when(stretch.end_ms))
    return {row["lift_id"] for row in await connection.fetch(SQL["late_event_lifts"], *bounds, wanted)}


async def mend(
    connection: Any, stretch: Stretch, found: Sequence[int], *, plans: Plans, lifts: Mapping[int, Lift], zone: Zone
) -> Mended:
    """Fold these lifts again."""
    known = sorted(set(found) & lifts.keys())
    selection = Selection(plans.signals())
    whole = Mended(lifts=frozenset(known), segments=([], []), samples=0, events=0)
    for start in range(0, len(known), GROUP):
        group = [lifts[number] for number in known[start : start + GROUP]]
        part = await _read(connection, stretch, group, selection)
        said = await asyncio.to_thread(_fold_both, stretch, group, part, plans, zone)
        whole = Mended(
            lifts=whole.lifts,
            segments=(whole.segments[0] + said[0], whole.segments[1] + said[1]),
            samples=whole.samples + part.late_samples,
            events=whole.events + part.late_events,
        )
    return whole


def without(segments: Sequence[Segment], lifts: frozenset[int]) -> list[Segment]:
    """What a run said, but for what was folded again of these lifts: of them silence alone is left."""
    return list(_kept(segments, lifts, silent=True)) if lifts else list(segments)


def _kept(segments: Sequence[Segment], lifts: frozenset[int], *, silent: bool) -> Iterator[Segment]:
    numbers = np.array(sorted(lifts), np.int64)
    for segment in segments:
        rows = segment.transitions.rows
        of_silence = np.array([rule.silent for rule in segment.rules], bool)[rows["rule"]]
        keep = (of_silence if silent else ~of_silence) | ~np.isin(rows["slot"], numbers)
        if keep.any():
            yield Segment(rules=segment.rules, transitions=Transitions(rows=rows[keep]))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The records of a group by corrected time; the slot is the lift's place in the group."""

    before: Rows  # the last word of each event code when the fold begins
    samples: Rows
    events: Rows
    late_samples: int
    late_events: int

    def between(self, low: int, high: int) -> Batch:
        """What happened from `low` until before `high`."""
        parts = [rows[slice(*np.searchsorted(rows["at"], [low, high]))] for rows in (self.samples, self.events)]
        return Batch.of(samples=parts[0], events=parts[1])


async def _read(connection: Any, stretch: Stretch, group: Sequence[Lift], selection: Selection) -> _Part:
    numbers = [lift.id for lift in group]
    wanted = samples.Wanted(
        lifts=numbers,
        partition=stretch.partition,
        batches=(0, stretch.last_batch),
        at=(stretch.since, when(stretch.end_ms)),
    )
    names = tuple(dict.fromkeys((*selection.columns, *_KEYS)))
    async with samples.snapshot(connection) as store:
        rows = samples.joined([part async for part in store.of_lifts(wanted, names)], names)
    rows = rows[rows["folded"] > 0]
    rows = rows[np.lexsort([rows[name] for name in ("seq", "boot", "device_id", "at")])]
    place = np.array(numbers, np.int64)
    told = selection.samples(rows)
    told["slot"] = np.searchsorted(place, rows["lift_id"])
    bounds = (stretch.partition, numbers, stretch.last_batch, stretch.since)
    events = await connection.fetch(SQL["events_in_time"], *bounds, when(stretch.end_ms))
    before = await connection.fetch(SQL["words_in_time"], *bounds)
    return _Part(
        before=_events(before, place, received=ms(stretch.since)),
        samples=told,
        events=_events(events, place),
        late_samples=int((rows["folded"] > 1).sum()),
        late_events=sum(row["late"] for row in events),
    )


def _events(rows: Sequence[Any], place: Any, *, received: int | None = None) -> Rows:
    return np.array(
        [
            (
                int(np.searchsorted(place, row["lift_id"])),
                ms(row["at"]),
                ms(row["received"]) if received is None else received,
                EVENT_INDEX[row["code"]],
                row["active"],
            )
            for row in rows
            if row["code"] in EVENT_INDEX
        ],
        EVENT_DTYPE,
    )


def _fold_both(
    stretch: Stretch, group: Sequence[Lift], part: _Part, plans: Plans, zone: Zone
) -> tuple[list[Segment], list[Segment]]:
    return (
        _fold(stretch, group, part, plans.baseline, zone),
        _fold(stretch, group, part, plans.other, zone),
    )


def _fold(
    stretch: Stretch, group: Sequence[Lift], part: _Part, sets: Mapping[Number, RuleSet], zone: Zone
) -> list[Segment]:
    engine = Engine(sets[stretch.first], capacity=len(group), zone=zone, past=True)
    slots = list(range(len(group)))
    engine.set_fleet(
        slots,
        [lift.escalator for lift in group],
        [lift.rated_speed for lift in group],
        {slot: lift.parameters for slot, lift in enumerate(group) if lift.parameters},
        enrolled=ms(stretch.since),
        floors=[lift.ends for lift in group],
    )
    found: list[Segment] = []
    numbers = np.array([lift.id for lift in group], np.int64)

    def note(rules: RuleSet, said: Transitions) -> None:
        if len(said):
            rows = said.rows.copy()
            rows["slot"] = numbers[rows["slot"]]
            found.append(Segment(rules=rules, transitions=Transitions(rows=rows)))

    note(engine.rules, engine.step(Batch.of(events=part.before), ms(stretch.since)))
    low = -(2**62)
    for at, number in stretch.turns:
        note(engine.rules, engine.step(part.between(low, at), at))
        note(engine.rules, engine.tick(at))
        before = engine.rules
        note(before, engine.replace_rules(sets[number]))
        low = at
    note(engine.rules, engine.step(part.between(low, 2**62), stretch.end_ms))
    note(engine.rules, engine.tick(stretch.end_ms))
    return list(_kept(found, frozenset(lift.id for lift in group), silent=False))
