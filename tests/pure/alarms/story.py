"""One unit told in seconds: samples as changes to a quiet one, events, link messages, ticks; answers of one rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alarms.engine import Engine
from alarms.language.reader import default_rules
from alarms.rules import RuleSet
from alarms.signals import (
    CHANGE,
    CLEAR,
    CONTACT_DTYPE,
    EVENT_DTYPE,
    EVENT_INDEX,
    PROMOTE,
    RAISE,
    Batch,
    Rows,
    Transition,
    Transitions,
    unknown_samples,
)  # fmt: skip
from hoistway.model import Kind

START = 1_700_000_000_000
LIFT, ESCALATOR = 2, 5
BOTTOM, TOP = 0, 9
"""Labels of the lift's lowest and highest floor."""
QUIET = {
    "service_mode": 1, "car_status": 0, "speed": 0.0, "door_zone": 1, "door_closed": 1, "door_status": 2, "passenger": 0, "power": 1,
}  # fmt: skip
"""A lift that stands closed and empty at a landing."""
QUIET_ESCALATOR = {
    "service_mode": 1, "operation_status": 1, "operation_direction": 1, "speed": 0.5, "handrail_left": 0.5, "handrail_right": 0.5,
    "step_missing": 0, "power": 1, "safety_chain": 0,
}  # fmt: skip
"""An escalator that runs up."""
KINDS = {RAISE: "raise", CLEAR: "clear", PROMOTE: "promote", CHANGE: "change"}

Told = tuple[str, float] | tuple[str, float, str]


class Story:
    def __init__(
        self,
        rules: RuleSet | None = None,
        *,
        kind: Kind = Kind.LIFT,
        rated: float | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> None:
        self.rules = rules or default_rules()
        self.slot = ESCALATOR if kind is Kind.ESCALATOR else LIFT
        self.quiet: dict[str, Any] = QUIET_ESCALATOR if kind is Kind.ESCALATOR else QUIET
        self.engine = Engine(self.rules, capacity=8)
        self.engine.listening(START)
        speeds = [rated or 1.75, rated or 0.5]
        own = {self.slot: dict(parameters or {})}
        self.engine.set_fleet([LIFT, ESCALATOR], [False, True], speeds, own, floors=[(BOTTOM, TOP), (-1, -1)])
        self._said: list[tuple[str, Told, Transition]] = []

    def sample(self, second: float, slot: int | None = None, *, lag: float = 0, **changes: Any) -> None:
        """A sample stamped `second`, received `lag` seconds later."""
        self._step(self._row(second, slot, lag, changes), second + lag)

    def samples(self, first: float, last: float, every: float, **changes: Any) -> None:
        """Samples from `first` to `last`, both included when the steps hit it; in one batch."""
        count = int(round((last - first) / every, 6)) + 1
        if count < 1:
            return
        rows = [self._row(first + index * every, None, 0, changes) for index in range(count)]
        self._step(np.concatenate(rows), first + (count - 1) * every)

    def event(self, second: float, code: str, *, active: bool = True) -> None:
        row = np.array([(self.slot, _ms(second), _ms(second), EVENT_INDEX[code], active)], EVENT_DTYPE)
        self._note(self.engine.step(Batch.of(events=row), _ms(second)))

    def link(self, second: float, *, online: bool) -> None:
        row = np.array([(self.slot, _ms(second), online)], CONTACT_DTYPE)
        self._note(self.engine.step(Batch.of(contacts=row), _ms(second)))

    def tick(self, second: float) -> None:
        self._note(self.engine.tick(_ms(second)))

    def restart(self) -> None:
        blob, self.engine = self.engine.snapshot(), Engine(self.rules, capacity=8)
        assert self.engine.restore(blob) == ()

    def said(self, rule: str) -> list[Told]:
        """What the unit's rule said so far: ("raise", second), with a third word "demoted" where it was."""
        return [told for name, told, _ in self._said if name == rule]

    def spoke(self) -> set[str]:
        """The rules that said anything."""
        return {name for name, _, _ in self._said}

    def starts(self, rule: str) -> list[float]:
        return [(row.hold_start - START) / 1_000 for name, _, row in self._said if name == rule]

    def levels(self, rule: str) -> list[int]:
        """The level with each thing the rule said."""
        return [row.level for name, _, row in self._said if name == rule]

    def witnesses(self, rule: str) -> list[int]:
        """Who had seen it with each thing the rule said: BY_RULE, BY_DEVICE or both."""
        return [row.witnesses for name, _, row in self._said if name == rule]

    def _row(self, second: float, slot: int | None, lag: float, changes: Mapping[str, Any]) -> Rows:
        row = unknown_samples(1)
        row["slot"] = self.slot if slot is None else slot
        row["at"], row["received"] = _ms(second), _ms(second + lag)
        for name, value in {**self.quiet, **changes}.items():
            row[name] = value
        return row

    def _step(self, rows: Rows, now: float) -> None:
        self._note(self.engine.step(Batch.of(samples=rows), _ms(now)))

    def _note(self, transitions: Transitions) -> None:
        for row in transitions:
            if row.slot == self.slot:
                told = (KINDS[row.kind], (row.at - START) / 1_000)
                self._said.append((self.rules[row.rule].id, (*told, "demoted") if row.demoted else told, row))


def _ms(second: float) -> int:
    return START + round(second * 1_000)
