"""Several lifts, rule sets of the product translated for this engine, and rows of the product's arrays read as plain values."""

from __future__ import annotations

import math
from typing import Any

from alarms.rules import RuleSet
from alarms.signals import Rows
from hoistway.model import EVENT_CODES, SIGNALS, SignalType
from tests.pure.slow_engine.lift import Lift, Said
from tests.pure.slow_engine.rule import PlainLevel, PlainRule

Record = tuple[Any, ...]
"""("sample", slot, at, received, values) | ("event", slot, at, received, code, active) | ("link", slot, received, online)."""


def plain_rules(rules: RuleSet) -> list[PlainRule]:
    return [
        PlainRule(
            id=rule.id, kind=rule.kind.value if rule.kind else "any", when=rule.when, until=rule.until, length=rule.for_ms,
            unless=rule.unless, shielded_by=rule.shielded_by, clear=rule.clear, clear_length=rule.clear_for_ms,
            witness=rule.witness, silent=rule.silent_for_ms, silent_lost=rule.silent_for_link_lost_ms,
            opens=rule.opens.value, enabled=rule.enabled,
            levels=tuple(
                PlainLevel(when=level.when, length=level.for_ms, opens=level.opens.value) for level in rule.levels
            ),
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
    error = row["clock_error"].item()
    return {**values, "field_faults": row["field_faults"].item(), "clock_error": None if math.isnan(error) else error}


def code_of(index: int) -> str:
    return EVENT_CODES[index].code
