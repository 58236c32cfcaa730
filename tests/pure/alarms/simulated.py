"""A simulated fleet through the engine with the shipped rules: messages decoded as ingest does, folded second by second."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alarms.engine import Engine
from alarms.language.reader import default_rules
from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, EVENT_INDEX, RAISE, Batch
from hoistway.limits import TICK_SETTLE_MS
from hoistway.model import Kind
from ingest.decode import decode_events, decode_link, decode_samples, to_columns
from simulators.city import make_city
from simulators.scenario import Scenario
from simulators.world import play

BATCH_MS = 1_000


@dataclass
class Hour:
    """What the rules said of each device, what went wrong in truth, and how much was read."""

    raised: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    truths: dict[int, dict[str, Any]] = field(default_factory=dict)
    samples: int = 0

    def spoke(self) -> set[str]:
        return set().union(*self.raised.values())


class Fleet:
    """Devices as slots of an engine; records are kept back until their batch is full."""

    def __init__(self, scenario: Scenario) -> None:
        self.rows = make_city(lifts=scenario.lifts, escalators=scenario.escalators, seed=scenario.seed)
        self.slots = {row.device: slot for slot, row in enumerate(self.rows)}
        self.labels: dict[str, int] = {}
        self.rules = default_rules()
        self.engine = Engine(self.rules, capacity=len(self.rows))
        self.hour = Hour()
        ends = [(self.label(row.floors[0]), self.label(row.floors[-1])) for row in self.rows]
        escalators = [row.kind is Kind.ESCALATOR for row in self.rows]
        speeds = [row.rated_speed_m_s for row in self.rows]
        self.engine.set_fleet(list(self.slots.values()), escalators, speeds, {}, floors=ends)
        self._clear()

    def label(self, text: str) -> int:
        return self.labels.setdefault(text, len(self.labels))

    def take(self, received: int, device: str, leaf: str, payload: bytes) -> None:
        slot = self.slots[device]
        if leaf == "link":
            self.contacts.append((slot, received, int(decode_link(payload).online)))
        elif leaf == "event":
            for record in decode_events(payload).records:
                self.events.append((slot, record.ts, received, EVENT_INDEX[record.code], record.active))
        else:
            records = decode_samples(payload).records
            self.samples += records
            self.places += [(slot, record.ts, received) for record in records]

    def fold(self, now: int) -> None:
        rows, faults = to_columns(self.samples, self.label)
        assert faults == []
        for name, column in zip(("slot", "at", "received"), zip(*self.places, strict=True), strict=False):
            rows[name] = column
        rows["clock_error"] = 0.0 if len(rows) else rows["clock_error"]
        self.hour.samples += len(rows)
        batch = Batch.of(rows, np.array(self.events, EVENT_DTYPE), np.array(self.contacts, CONTACT_DTYPE))
        for row in (*self.engine.step(batch, now), *self.engine.tick(now - TICK_SETTLE_MS)):
            if row.kind == RAISE:
                self.hour.raised[self.rows[row.slot].device].add(self.rules[row.rule].id)
        self._clear()

    def _clear(self) -> None:
        self.samples: list[Any] = []
        self.places: list[tuple[int, int, int]] = []
        self.events: list[tuple[int, int, int, int, bool]] = []
        self.contacts: list[tuple[int, int, int]] = []


def played(scenario: Scenario, *, until_ms: int | None = None) -> Hour:
    """The whole story, folded."""
    fleet, due = Fleet(scenario), None
    tell = fleet.hour.truths
    for received, device, leaf, payload in play(
        scenario, fleet.rows, tell=lambda line: tell.update({line["id"]: line}), until_ms=until_ms
    ):
        due = received + BATCH_MS if due is None else due
        while received >= due:
            fleet.fold(due)
            due += BATCH_MS
        fleet.take(received, device, leaf, payload)
    fleet.fold((due or 0) + BATCH_MS)
    return fleet.hour
