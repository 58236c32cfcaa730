"""The engine. (signatures first)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alarms.rules import RuleSet
from alarms.signals import Batch, Transitions


class Engine:
    def __init__(self, rules: RuleSet, *, capacity: int) -> None: ...
    def set_fleet(self, slots: Sequence[int], kind_is_escalator: Sequence[bool], rated_speed: Sequence[float],
                  parameters: Mapping[int, Mapping[str, float]], *, enrolled: int | None = None) -> None:
        """rated_speed NaN = unknown. `enrolled`: server ms from which silence counts; None = the newest `now` seen."""
    def step(self, batch: Batch, now: int) -> Transitions: raise NotImplementedError
    def tick(self, now: int) -> Transitions: raise NotImplementedError
    def listening(self, since: int) -> None: ...
    def snapshot(self) -> bytes: raise NotImplementedError
    def restore(self, blob: bytes) -> None: ...
    def replace_rules(self, rules: RuleSet) -> Transitions: raise NotImplementedError
    def evidence(self, slot: int, rule_index: int) -> dict[str, Any]: raise NotImplementedError
