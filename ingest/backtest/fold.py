"""The two folds of a backtest over one partition's pieces: the baseline, and of the candidate only what it changes. Pure.

Rules that the candidate leaves alone say the same in both runs, so they are folded once; and only those that open rescue cases, unless
everything is asked for. Ticks need not be folded again one by one:
their number changes no alarm; where listening began or the rules changed, time first passes up to what had been received.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alarms.engine import Engine
from alarms.language.times import Zone
from alarms.rule_sets import difference, lay_over
from alarms.rules import LOUD, RuleSet
from alarms.signals import DERIVED_FROM, Batch, Ints, Transitions
from hoistway.limits import TICK_MS
from hoistway.rulebook.reach import LEAST_MS, closure, memory_ms, named
from ingest.backtest.episodes import Alarm, Segment, alarms_of
from ingest.backtest.stream import Lift, Piece

WARM_UP_MOST_MS: Final = 2 * 3_600_000
"""A backtest begins at most so long before its period, unless it is asked to."""
Number = int | None
"""Of a rule set; None: the product's rules, of a stream from before there were sets."""


@dataclass(frozen=True, kw_only=True)
class Plans:
    """The rules of both runs, by the set that was live."""

    baseline: Mapping[Number, RuleSet]  # the rules that are folded
    candidate: Mapping[Number, RuleSet]  # whole
    other: Mapping[Number, RuleSet]  # of the candidate only what it changes, with the rules that those name
    changed: tuple[str, ...]  # ids that the candidate changes or adds
    affected: frozenset[str]  # those, and the rules that name one of them

    @classmethod
    def of(cls, sets: Mapping[Number, RuleSet], files: Sequence[tuple[str, str]], *, everything: bool = False) -> Plans:
        """Raises RuleError for a candidate that does not go with one of the sets."""
        candidate = {number: lay_over(rules, files) for number, rules in sets.items()}
        changed: dict[str, None] = {}
        for number, rules in sets.items():
            found = difference(rules, candidate[number])
            changed |= dict.fromkeys([*found.changed, *found.added])
        affected = frozenset(changed)
        for rules in (*sets.values(), *candidate.values()):
            affected |= _who_name(rules, affected)
        other = {number: closure(rules, affected) for number, rules in candidate.items()}
        return cls(
            baseline={
                number: rules if everything else closure(rules, affected | _loud(rules))
                for number, rules in sets.items()
            },
            candidate=candidate,
            other=other,
            changed=tuple(sorted(changed)),
            affected=affected,
        )

    def signals(self) -> frozenset[str]:
        """The raw columns that the rules of both runs need."""
        terms = [
            term
            for rules in (*self.baseline.values(), *self.other.values())
            for item in rules.terms
            for term in item.all()
        ]
        names = {str(part.value) for term in terms for part in term.walk() if part.op == "signal"}
        raw = {source for name in names for source in DERIVED_FROM.get(name, (name,))}
        return frozenset(raw | ({"car_position"} if names & {"top_floor", "bottom_floor"} else set()))

    def warm_up_ms(self) -> int:
        """How long before its period the fold begins."""
        rules = [*self.baseline.values(), *self.other.values()]
        return min(WARM_UP_MOST_MS, max((memory_ms(item) for item in rules if len(item)), default=LEAST_MS))


def _loud(rules: RuleSet) -> frozenset[str]:
    """The rules whose alarms open a rescue case, at any level."""
    return frozenset(rule.id for rule in rules if rule.loud or any(level.opens in LOUD for level in rule.levels))


def _who_name(rules: RuleSet, ids: frozenset[str]) -> frozenset[str]:
    """The rules that name one of `ids`, directly or by another."""
    found: set[str] = set()
    while True:
        more = {rule.id for rule in rules if rule.id not in found and set(named(rules, rule.id)) & (ids | found)}
        if not more:
            return frozenset(found)
        found |= more


class Fold:
    """One partition folded with both sets of rules."""

    def __init__(self, plans: Plans, first: Number, lifts: Mapping[int, Lift], zone: Zone) -> None:
        self._plans, self._lifts = plans, lifts
        capacity = max(lifts, default=0) + 1
        self._both = [
            _Run(Engine(rules[first], capacity=capacity, zone=zone)) for rules in (plans.baseline, plans.other)
        ]
        self._met = np.zeros(capacity, bool)
        self._known = np.zeros(capacity, bool)
        self._known[list(lifts)] = True
        self._heard = 0
        self.samples = self.events = 0

    def heard_of(self, late: frozenset[int]) -> int:
        """How many lifts gave a sign of life, those included whose records came late."""
        return int(self._met.sum()) + sum(not self._met[lift] for lift in late)

    def prime(self, piece: Piece) -> None:
        """Fold what was known before the first piece; it does not count."""
        self.take(piece)
        self.samples = self.events = 0

    def take(self, piece: Piece) -> None:
        """Fold one piece."""
        if piece.kind == "batch":
            self._step(piece.batch, piece.clock_ms)
            return
        if self._heard:
            self._tick(self._heard - self._heard % TICK_MS)
        for run, rules in zip(self._both, (self._plans.baseline, self._plans.other), strict=True):
            if piece.kind == "listening":
                run.engine.listening(piece.clock_ms)
            else:
                run.replace(rules[piece.rule_set])

    def end(self, until_ms: int) -> None:
        """Let time pass up to the end of the period, or of the stream where that comes first."""
        self._tick(max(self._heard, until_ms))

    @property
    def segments(self) -> tuple[list[Segment], list[Segment]]:
        """What both runs said."""
        return self._both[0].segments, self._both[1].segments

    def alarms(self, said: tuple[list[Segment], list[Segment]] | None = None) -> tuple[list[Alarm], list[Alarm]]:
        """What both runs raised; `said`: what counts in place of what they said."""
        baseline, other = said or self.segments
        affected = self._plans.affected
        untouched = [Segment(rules=item.rules, transitions=item.transitions, without=affected) for item in baseline]
        mine = [Segment(rules=item.rules, transitions=item.transitions, ids=affected) for item in other]
        candidate = sorted(
            [*alarms_of(untouched), *alarms_of(mine)], key=lambda alarm: (alarm.raised_at, alarm.lift_id, alarm.rule_id)
        )
        return alarms_of(baseline), candidate

    def _tick(self, at: int) -> None:
        for run in self._both:
            run.note(run.engine.tick(at))

    def _step(self, batch: Batch, clock: int) -> None:
        batch = self._of_known(batch)
        parts = [part for part in (batch.samples, batch.events, batch.contacts) if len(part)]
        if not parts:
            return
        slots = np.concatenate([part["slot"] for part in parts])
        received = np.concatenate([part["received"] for part in parts])
        self._meet(slots, received)
        for run in self._both:
            run.note(run.engine.step(batch, clock))
        self._heard = max(self._heard, int(received.max()))
        self.samples += len(batch.samples)
        self.events += len(batch.events)

    def _of_known(self, batch: Batch) -> Batch:
        """Without records of lifts that are no longer in the register, or that nobody asked for."""
        parts = []
        for part in (batch.samples, batch.events, batch.contacts):
            good = part["slot"] < len(self._known)
            if len(part):
                good &= self._known[np.where(good, part["slot"], 0)]
            parts.append(part if good.all() else part[good])
        return Batch(samples=parts[0], events=parts[1], contacts=parts[2])

    def _meet(self, slots: Ints, received: Ints) -> None:
        """Tell the engines of lifts when they first speak, as the live run did."""
        fresh = ~self._met[slots]
        if not fresh.any():
            return
        slots, received = slots[fresh], received[fresh]
        order = np.argsort(received, kind="stable")
        first, place = np.unique(slots[order], return_index=True)
        times = received[order][place] // TICK_MS * TICK_MS
        self._met[first] = True
        for time in np.unique(times).tolist():
            lifts = [self._lifts[slot] for slot in first[times == time].tolist()]
            for run in self._both:
                run.engine.set_fleet(
                    [lift.id for lift in lifts],
                    [lift.escalator for lift in lifts],
                    [lift.rated_speed for lift in lifts],
                    {lift.id: lift.parameters for lift in lifts if lift.parameters},
                    enrolled=time,
                    floors=[lift.ends for lift in lifts],
                )


class _Run:
    """One engine and what it said, by the rules that said it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.segments: list[Segment] = []

    def note(self, transitions: Transitions) -> None:
        if len(transitions):
            self.segments.append(Segment(rules=self.engine.rules, transitions=transitions))

    def replace(self, rules: RuleSet) -> None:
        before = self.engine.rules
        ended = self.engine.replace_rules(rules)
        if len(ended):
            self.segments.append(Segment(rules=before, transitions=ended))
