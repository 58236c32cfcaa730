"""The records of a batch in the order in which they fold: by lift and, within a lift, as they came; and which codes are reported after each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alarms.compiled import NEVER, Compiled
from alarms.machine import running_max
from alarms.signals import EVENT_INDEX, Batch, Bools, Ints, Rows, hits
from alarms.state import State
from hoistway.model import AUTOMATIC, MODE_CODES


@dataclass(kw_only=True)
class Sorted:
    """The batch's records by slot and, within a slot, in the order in which they fold."""

    batch: Batch
    record: Ints  # position in contacts, then events, then samples
    slot: Ints
    received: Ints
    at: Ints  # never decreases within a slot; of a link message without meaning
    first: Bools  # first record of its slot
    lifts: Rows | None = None  # of distinct samples in the order of the batch: their lifts before it
    reported: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # event bits after the record

    @property
    def row(self) -> Ints:
        """Where the record's conditions stand: events first, then samples; negative for link messages."""
        return self.record - len(self.batch.contacts)

    @property
    def sample(self) -> Bools:
        return self.record >= len(self.batch.contacts) + len(self.batch.events)


def order(state: State, batch: Batch, *, past: bool) -> Sorted:
    if not len(batch.contacts) and not len(batch.events):
        slots, received, at = batch.samples["slot"].astype(np.int64), batch.samples["received"], batch.samples["at"]
        if _distinct(slots):
            lifts, every = state.lifts(slots), np.arange(len(slots))
            at = np.maximum(at, lifts["clock"])
            return Sorted(
                batch=batch, record=every, slot=slots, received=received.copy(), at=at, first=every >= 0, lifts=lifts
            )
    else:
        parts = (batch.contacts, batch.events, batch.samples)
        slots = np.concatenate([part["slot"] for part in parts]).astype(np.int64)
        received = np.concatenate([part["received"] for part in parts])
        timed = np.concatenate([batch.events["at"], batch.samples["at"]])
        # A link message has no time of its own: the earliest of the batch moves nobody's clock.
        at = np.concatenate([np.full(len(batch.contacts), timed.min(initial=NEVER)), timed])
    arrival = np.argsort(at if past else received, kind="stable")
    key = np.sort((slots[arrival] << 32) | np.arange(len(slots)))
    record = arrival[key & 0xFFFFFFFF]
    slot = key >> 32
    first = np.empty(len(slot), bool)
    first[0] = True
    np.not_equal(slot[1:], slot[:-1], out=first[1:])
    known = np.maximum(at[record], state.clock[slot])
    at = known if first.all() else running_max(known, np.cumsum(first) - 1)
    return Sorted(batch=batch, record=record, slot=slot, received=received[record], at=at, first=first)


def _distinct(slots: Ints) -> bool:
    inorder = np.sort(slots)
    return not (inorder[1:] == inorder[:-1]).any()


def report(state: State, ordered: Sorted) -> None:
    """Which codes are reported after each record: events in rounds, then carried on to the records that follow."""
    bits = state.reported[ordered.slot] if ordered.lifts is None else ordered.lifts["reported"].copy()
    ordered.reported = bits
    if not len(ordered.batch.events):
        return
    event = (ordered.row >= 0) & ~ordered.sample
    places = hits(event)
    rows = ordered.batch.events[ordered.row[places]]
    bit = np.int64(1) << rows["code"].astype(np.int64)
    raised = rows["active"] == 1
    opening = hits(np.diff(ordered.slot[places], prepend=-1) != 0)
    rank = np.arange(len(places)) - np.repeat(opening, np.diff(np.append(opening, len(places))))
    after = bits[places]
    for level in range(int(rank.max(initial=0)) + 1):
        mine = hits(rank == level)
        before = after[mine - 1] if level else after[mine]
        after[mine] = _reported(before, bit[mine], raised[mine])
    latest = np.maximum.accumulate(np.where(event, np.arange(len(event)), -1))
    inside = latest >= np.maximum.accumulate(np.where(ordered.first, np.arange(len(event)), 0))
    number = np.cumsum(event) - 1
    ordered.reported = np.where(inside, after[np.maximum(number, 0)], bits)


_MODES: Final = sum(1 << EVENT_INDEX[code] for code in MODE_CODES)
_AUTOMATIC: Final = 1 << EVENT_INDEX[AUTOMATIC]


def _reported(before: Ints, bit: Ints, raised: Bools) -> Ints:
    """The codes after one event of each slot. Of the modes one is reported at a time, and after its end it is automatic operation."""
    mode = (bit & _MODES) != 0
    up = np.where(mode, before & ~_MODES, before) | bit
    down = before & ~bit
    down |= np.where(mode & ((before & bit & ~_AUTOMATIC) != 0), _AUTOMATIC, 0)
    return np.where(raised, up, down)


def silences_between(rules: Compiled, ordered: Sorted) -> Ints:
    """For each record of the batch after how many possible silences of its slot within the batch it comes. What silence settles, lasting
    conditions must know before they are asked."""
    parts = np.zeros(len(ordered.slot), np.int64)
    if ordered.first.all():
        return parts
    link = ordered.row < 0
    apart = np.diff(ordered.received, prepend=ordered.received[0]) >= rules.briefest_silence
    apart |= link
    apart[1:] |= link[:-1]
    number = np.cumsum(apart)
    opening = np.maximum.accumulate(np.where(ordered.first, np.arange(len(number)), 0))
    parts[ordered.record] = number - number[opening]
    return parts


def part_of(batch: Batch, those: Bools) -> Batch:
    """Some of the batch's records."""
    events = len(batch.contacts) + len(batch.events)
    contacts = those[: len(batch.contacts)]
    return Batch(
        samples=batch.samples[those[events:]],
        events=batch.events[those[len(contacts) : events]],
        contacts=batch.contacts[contacts],
    )
