"""The engines of one partition: the live rules and, beside them, the rules in shadow, fed the same records and ticks.

Looks like one engine from outside. What the shadow says is kept until `take_shadow`: it is written, and nothing follows from it. Late
records are folded again by the live rules only.
Knows rule sets as values; no database, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from alarms.engine import Engine
from alarms.language.times import UTC, Zone
from alarms.records import Records
from alarms.rules import RuleSet
from alarms.signals import CHANGE, CLEAR, PROMOTE, RAISE, Batch, Bools, Transitions
from alarms.window import Window
from hoistway.rulebook import Published

_WORD: Final = {RAISE: "raise", CLEAR: "clear", PROMOTE: "promote", CHANGE: "change"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowLine:
    """One transition of a rule in shadow. Times are ms since 1970 UTC."""

    rule_set: int
    rule_id: str
    version: str
    lift_id: int
    kind: str  # raise, clear, promote, change
    at_ms: int
    hold_start_ms: int
    demoted: bool
    level: int


class Folding:
    """Live engine and shadow engine as one."""

    def __init__(self, rules: RuleSet, *, capacity: int, zone: Zone = UTC) -> None:
        self.zone = zone
        self.window = Window(rules, capacity=capacity, zone=zone)
        self.rule_set: int | None = None  # the number of the set; None: rules of no set
        self._shadow: Engine | None = None
        self._shadow_ids: frozenset[str] = frozenset()
        self._said: list[ShadowLine] = []

    @property
    def live(self) -> Engine:
        return self.window.live

    @property
    def rules(self) -> RuleSet:
        return self.live.rules

    # --- rules ---

    def begin_with(self, published: Published) -> None:
        """The rules of a fresh engine, before anything was folded or restored."""
        self.window = Window(published.live, capacity=1_024, zone=self.zone)
        self.rule_set, self._shadow_ids = published.number, published.shadow_ids
        self._shadow = Engine(published.shadow, capacity=1_024, zone=self.zone) if self._shadow_ids else None

    def replace_rules(self, published: Published) -> Transitions:
        """Go on with another set: answers the CLEARs of alarms whose rule is gone or another, with indexes of the old set."""
        shadow = published.shadow  # parsed first: nothing is changed when it cannot run
        ended = self.window.replace_rules(published.live)
        if self._shadow is not None:
            rules = self._shadow.rules
            self._note(self._shadow.replace_rules(shadow), rules)
        elif published.shadow_ids:
            self._shadow = Engine(shadow, capacity=1, zone=self.zone)
            self._shadow.restore(self.live.snapshot(), shadow)
        self.rule_set, self._shadow_ids = published.number, published.shadow_ids
        if not self._shadow_ids:
            self._shadow = None
        return ended

    # --- what an engine does ---

    def set_fleet(self, *values: Any, **options: Any) -> None:
        """As the engine's."""
        self.window.set_fleet(*values, **options)
        if self._shadow is not None:
            self._shadow.set_fleet(*values, **options)

    def listening(self, since: int) -> None:
        """As the engine's."""
        self.live.listening(since)
        if self._shadow is not None:
            self._shadow.listening(since)

    def is_late(self, records: Records) -> tuple[Bools, Bools]:
        """As the window's."""
        return self.window.is_late(records)

    def is_busy(self, lift_id: int) -> bool:
        """Whether a lift has a hold or an alarm, of a live rule or of one in shadow, by what was folded so far."""
        states = [self.live.state] if self._shadow is None else [self.live.state, self._shadow.state]
        return any(lift_id < state.size and bool(state.busy[lift_id]) for state in states)

    def step(self, batch: Batch, now: int, records: Records) -> Transitions:
        """As the window's: `records` are the samples and events of `batch` with their keys."""
        found = self.window.step(batch, now, records)
        if self._shadow is not None:
            self._note(self._shadow.step(batch, now), self._shadow.rules)
        return found

    def tick(self, now: int) -> Transitions:
        """As the engine's."""
        found = self.window.tick(now)
        if self._shadow is not None:
            self._note(self._shadow.tick(now), self._shadow.rules)
        return found

    def evidence(self, slot: int, rule_index: int) -> dict[str, Any]:
        """As the live engine's."""
        return self.live.evidence(slot, rule_index)

    # --- the shadow ---

    def take_shadow(self) -> tuple[ShadowLine, ...]:
        """What the rules in shadow said since the last call."""
        said, self._said = tuple(self._said), []
        return said

    def _note(self, transitions: Transitions, rules: RuleSet) -> None:
        for row in transitions:
            rule = rules[row.rule]
            if rule.id in self._shadow_ids:
                self._said.append(
                    ShadowLine(
                        rule_set=self.rule_set or 0,
                        rule_id=rule.id,
                        version=rule.version,
                        lift_id=row.slot,
                        kind=_WORD[row.kind],
                        at_ms=row.at,
                        hold_start_ms=row.hold_start,
                        demoted=row.demoted,
                        level=row.level,
                    )
                )

    # --- checkpoints ---

    def snapshot(self) -> tuple[bytes, bytes | None]:
        """The states of the live engine and of the one in shadow."""
        return self.live.snapshot(), self._shadow.snapshot() if self._shadow is not None else None

    def restore(self, live: bytes, shadow: bytes | None) -> tuple[tuple[int, str], ...]:
        """Take over both states; answers (lift, rule id) of active alarms that no live rule keeps any more."""
        lapsed = self.window.restore(live)
        if self._shadow is not None:
            self._shadow.restore(shadow or live)
        return lapsed
