"""Messages of a story as ingest would take them, in memory: its own decoding, clocks, duplicates and late records; no transaction.

What ingest leaves to the job that reads the store (records older than the window) is counted and not folded.
"""

from __future__ import annotations

import numpy as np

from alarms.corrections import CorrectionKind
from alarms.rules import RuleSet
from alarms.signals import CLEAR, RAISE, TRANSITION_DTYPE, Batch, Transitions
from hoistway import wire
from hoistway.limits import CHECKPOINT_EVERY_S, TICK_MS, TICK_SETTLE_MS
from hoistway.trial.fleet import ZONE, Fleet
from hoistway.trial.said import Said
from hoistway.zone import zone_table
from ingest.assemble import Assembler
from ingest.assembled import IN_ORDER
from ingest.folding import Folding
from ingest.late import sort_late
from ingest.memory import Memory
from ingest.source import Message


class Wire:
    """Ingest's way of a message between its arrival and its transaction, a batch a second."""

    def __init__(self, fleet: Fleet, said: Said, rules: RuleSet, *, now: int) -> None:
        self._fleet, self._said = fleet, said
        self._folding = Folding(rules, capacity=len(fleet.rows), zone=zone_table(ZONE))
        self._folding.listening(now)
        self._memory = Memory()
        self._assembler = Assembler(fleet.directory, self._memory, self._folding.is_late, self._folding.is_busy)
        self._waiting: list[Message] = []
        self._settle_at = now + CHECKPOINT_EVERY_S * 1_000
        self.too_old = self.refused = 0

    def take(self, received: int, device: str, leaf: str, payload: bytes) -> None:
        shard = self._fleet.rows[self._fleet.number[device]].shard
        self._waiting.append(Message(wire.topic(shard, device, leaf), payload, received))

    def fold(self, now: int) -> Batch:
        """Everything received up to `now`, and what time itself says."""
        messages, self._waiting = self._waiting, []
        found = self._assembler.assemble(messages, now_ms=now)
        self._meet(found.lifts() - self._memory.alive)
        batch = found.for_engine()
        self._note(self._folding.step(batch, now, found.records(IN_ORDER)), now)
        self.too_old += len(sort_late(self._folding, found))
        self.refused += len(found.refusals)
        self._note(self._folding.tick((now - TICK_SETTLE_MS) // TICK_MS * TICK_MS), now)
        self._refold(now)
        if now >= self._settle_at:
            self._folding.window.settle(now)
            self._settle_at = now + CHECKPOINT_EVERY_S * 1_000
        return Batch(samples=found.samples, events=batch.events, contacts=batch.contacts)

    def _note(self, transitions: Transitions, now: int) -> None:
        """What is known more than two seconds after it was true is late."""
        late = {row.slot: now for row in transitions if now - row.at > 2 * TICK_MS}
        self._said.note(transitions, late)

    def _meet(self, new: set[int]) -> None:
        lifts = [self._fleet.directory.lifts[number] for number in sorted(new)]
        self._memory.alive |= new
        if lifts:
            self._folding.set_fleet(
                [lift.id for lift in lifts],
                [lift.escalator for lift in lifts],
                [lift.rated_speed_m_s or float("nan") for lift in lifts],
                {},
                floors=[self._fleet.directory.ends(lift) for lift in lifts],
            )

    def _refold(self, now: int) -> None:
        """Late records in their place: an alarm that nobody had seen counts from now on; one that is contradicted had been said."""
        window = self._folding.window
        if not window.waiting:
            return
        for item in window.refold(window.ticked).corrections:
            after = item.after
            if item.kind is CorrectionKind.LATE and after is not None:
                self._raise(item.slot, item.rule, now, after.hold_start or now, demoted=after.demoted)
            if item.kind is CorrectionKind.CONTRADICTED or (after is not None and after.cleared_at is not None):
                self._one(item.slot, item.rule, CLEAR, now, now, demoted=False)

    def _raise(self, slot: int, rule: int, now: int, hold_start: int, *, demoted: bool) -> None:
        self._one(slot, rule, RAISE, now, hold_start, demoted=demoted)

    def _one(self, slot: int, rule: int, kind: int, at: int, hold_start: int, *, demoted: bool) -> None:
        self._said.note(
            Transitions(rows=np.array([(slot, rule, kind, at, hold_start, demoted, 0, 1)], TRANSITION_DTYPE))
        )
