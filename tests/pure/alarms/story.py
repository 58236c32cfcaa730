"""One lift told in seconds: samples as changes to a quiet lift, events, link messages, ticks; answers of one rule."""

from __future__ import annotations

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
    Transitions,
    unknown_samples,
)  # fmt: skip

START = 1_700_000_000_000
LIFT, ESCALATOR = 2, 5
QUIET = {
    "service_mode": 1, "car_status": 0, "speed": 0.0, "door_zone": 1, "door_closed": 1, "door_status": 2, "passenger": 0, "power": 1,
}  # fmt: skip
"""A lift that stands closed and empty at a landing."""
KINDS = {RAISE: "raise", CLEAR: "clear", PROMOTE: "promote", CHANGE: "change"}

Told = tuple[str, float] | tuple[str, float, str]


class Story:
    def __init__(self, rules: RuleSet | None = None) -> None:
        self.rules = rules or default_rules()
        self.engine = Engine(self.rules, capacity=8)
        self.engine.listening(START)
        self.engine.set_fleet([LIFT, ESCALATOR], [False, True], [1.75, 0.5], {})
        self._said: list[tuple[str, Told, float]] = []

    def sample(self, second: float, slot: int = LIFT, **changes: Any) -> None:
        row = unknown_samples(1)
        row["slot"], row["at"], row["received"] = slot, _ms(second), _ms(second)
        for name, value in {**QUIET, **changes}.items():
            row[name] = value
        self._note(self.engine.step(Batch.of(samples=row), _ms(second)))

    def samples(self, first: float, last: float, every: float, **changes: Any) -> None:
        """Samples from `first` to `last`, both included when the steps hit it."""
        for index in range(int(round((last - first) / every, 6)) + 1):
            self.sample(first + index * every, **changes)

    def event(self, second: float, code: str, *, active: bool = True) -> None:
        row = np.array([(LIFT, _ms(second), _ms(second), EVENT_INDEX[code], active)], EVENT_DTYPE)
        self._note(self.engine.step(Batch.of(events=row), _ms(second)))

    def link(self, second: float, *, online: bool) -> None:
        row = np.array([(LIFT, _ms(second), online)], CONTACT_DTYPE)
        self._note(self.engine.step(Batch.of(contacts=row), _ms(second)))

    def tick(self, second: float) -> None:
        self._note(self.engine.tick(_ms(second)))

    def restart(self) -> None:
        blob, self.engine = self.engine.snapshot(), Engine(self.rules, capacity=8)
        assert self.engine.restore(blob) == ()

    def said(self, rule: str) -> list[Told]:
        """What the lift's rule said so far: ("raise", second), with a third word "demoted" where it was."""
        return [told for name, told, _ in self._said if name == rule]

    def starts(self, rule: str) -> list[float]:
        return [start for name, _, start in self._said if name == rule]

    def _note(self, transitions: Transitions) -> None:
        for slot, rule, kind, at, start, demoted, *_ in transitions:
            if slot == LIFT:
                told = (KINDS[kind], (at - START) / 1_000)
                self._said.append(
                    (self.rules[rule].id, (*told, "demoted") if demoted else told, (start - START) / 1_000)
                )


def _ms(second: float) -> int:
    return START + round(second * 1_000)
