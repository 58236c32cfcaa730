"""Several lifts, rule sets of the product translated for this engine, and rows of the product's arrays read as plain values."""

from __future__ import annotations

import math
from typing import Any

from alarms.rules import RuleSet
from alarms.signals import Rows
from hoistway.model import EVENT_CODES, SIGNALS, SignalType
from tests.pure.slow_engine.lift import Lift, PlainRule, Said

Record = tuple[Any, ...]
"""("sample", slot, at, received, values) | ("event", slot, at, received, code, active) | ("link", slot, received, online)."""


def plain_rules(rules: RuleSet) -> list[PlainRule]:
    return [
        PlainRule(
            id=rule.id, kind=rule.kind.value if rule.kind else "any", when=rule.when, length=rule.for_ms, unless=rule.unless,
            clear=rule.clear, clear_length=rule.clear_for_ms, silent=rule.silent_for_ms,
            silent_lost=rule.silent_for_link_lost_ms, opens=rule.opens.value,
        )
        for rule in rules
    ]  # fmt: skip


class City:
    def __init__(self, lifts: dict[int, Lift]) -> None:
        self.lifts = lifts

    def feed(self, record: Record) -> None:
        what, slot, *rest = record
        lift = self.lifts[slot]
        {"sample": lift.sample, "event": lift.event, "link": lift.link}[what](*rest)

    def tick(self, now: int) -> None:
        for lift in self.lifts.values():
            lift.tick(now)

    def said(self) -> dict[int, list[Said]]:
        return {slot: lift.said for slot, lift in self.lifts.items()}


def plain_values(row: Rows) -> dict[str, Any]:
    """One sample row as a dictionary with None for unknown."""
    values: dict[str, Any] = {}
    for item in SIGNALS:
        value = row[item.name].item()
        if item.type is SignalType.NUMBER:
            values[item.name] = None if math.isnan(value) else value
        else:
            values[item.name] = None if value < 0 else bool(value) if item.type is SignalType.BOOL else value
    return values


def code_of(index: int) -> str:
    return EVENT_CODES[index].code
