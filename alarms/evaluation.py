"""What the conditions say at every record of a batch, and what remembers is told of all of them."""

from __future__ import annotations

from typing import Final

import numpy as np

from alarms.compiled import Compiled, Conditions
from alarms.glance import Glance
from alarms.in_order import InOrder, Timeline
from alarms.lone import Lone, Mixed
from alarms.program import View
from alarms.recall import Recall
from alarms.signals import Ints, Rows, columns, hits, pick, put, unknown_samples
from alarms.sorting import Sorted
from alarms.state import State
from hoistway.limits import MAX_GAP_MS

GLANCE_FROM: Final = 2_000
"""So many records are worth a first look."""
GLANCE_BUSY: Final = 3
"""Unless one in so many has something to be judged anyway."""


def evaluate(state: State, rules: Compiled, ordered: Sorted, *, lone: bool) -> Conditions | Glance:
    batch = ordered.batch
    size = len(batch.events) + len(batch.samples)
    if ordered.lifts is not None:
        slots, reported, at, lifts = ordered.slot, ordered.reported, ordered.at, ordered.lifts
    else:
        valued = ordered.row >= 0
        rows = ordered.row[valued]
        slots, reported, at = (np.empty(size, np.int64) for _ in range(3))
        slots[rows], reported[rows], at[rows] = ordered.slot[valued], ordered.reported[valued], ordered.at[valued]
        lifts = state.lifts(slots)
    samples = batch.samples
    if len(batch.events):
        samples = np.concatenate([_values_at_events(state, ordered), samples])
    recall = _recall(state, rules, ordered, (slots, at, lifts))
    view = View(
        size=size,
        values=columns(samples, rules.signals),
        reported=reported,
        rated_speed=lifts["rated_speed"],
        parameters={name: column[slots] for name, column in state.parameters.items()},
        at=at,
        now=np.maximum(at, lifts["settled"]),
        zone=rules.zone,
        floors={"top_floor": lifts["top"], "bottom_floor": lifts["bottom"]},
        recall=recall,
    )
    special = {row: state.hold_ms(int(slots[row])) for row in hits(lifts["special"]).tolist()} if rules.lasting else {}
    glance = lone and size >= GLANCE_FROM and lifts["busy"].sum() * GLANCE_BUSY <= size
    escalator = lifts["escalator"].copy()
    found = Glance(rules, view, escalator, special) if glance else rules.evaluate(view, escalator, special)
    if recall is not None:
        recall.keep()
    return found


def _recall(state: State, rules: Compiled, ordered: Sorted, records: tuple[Ints, Ints, Rows]) -> Recall | None:
    """`records`: slots, times and lifts in the order of the rows."""
    slots, at, lifts = records
    if not (rules.remembering or rules.lasting) or not len(slots):
        return None
    if len(slots) == len(ordered.batch.samples) and ordered.first.all():
        return Lone(state, slots, at, lifts)
    valued = hits(ordered.row >= 0)
    opening = hits(np.diff(ordered.slot[valued], prepend=-1) != 0)
    alone = np.zeros(len(valued), bool)
    alone[opening] = np.diff(np.append(opening, len(valued))) == 1
    alone &= ordered.sample[valued]
    if alone.all():
        return Lone(state, slots, at, lifts)
    theirs = ordered.row[valued[~alone]]
    if len(theirs) * 2 > len(valued):
        return InOrder(state, _timeline(ordered, valued, ordered.row[valued]))
    mine, place = ordered.row[valued[alone]], np.empty(len(valued), np.int64)
    place[theirs] = np.arange(len(theirs))
    others = InOrder(state, _timeline(ordered, valued[~alone], place[theirs]))
    return Mixed(Lone(state, slots[mine], at[mine], lifts[mine]), mine, others, theirs)


def _timeline(ordered: Sorted, records: Ints, row: Ints) -> Timeline:
    """Some records, whole slots of them, as the remembering functions see it; `row` is where their values will stand."""
    slot, sample = ordered.slot[records], ordered.sample[records]
    code = np.full(len(records), -1, np.int64)
    event = hits(~sample)
    events = ordered.batch.events[ordered.row[records[event]]]
    code[event] = np.where(events["active"] == 1, events["code"], -1)
    opening = hits(np.diff(slot, prepend=-1) != 0)
    return Timeline(slot=slot, at=ordered.at[records], row=row, sample=sample, code=code, opening=opening)


def _values_at_events(state: State, ordered: Sorted) -> Rows:
    """For each event the sample that is valid at its time; all unknown where that is too old."""
    places = hits((ordered.row >= 0) & ~ordered.sample)
    opening = np.maximum.accumulate(np.where(ordered.first, np.arange(len(ordered.slot)), 0))[places]
    before = np.maximum.accumulate(np.where(ordered.sample, np.arange(len(ordered.slot)), -1))[places]
    inside = before >= opening
    slots = ordered.slot[places]
    rows = pick(state.last, slots)
    last_at = np.where(inside, ordered.at[before], state.last_at[slots])
    events = len(ordered.batch.events)
    put(rows, hits(inside), pick(ordered.batch.samples, ordered.row[before[inside]] - events))
    stale = ordered.at[places] - last_at > MAX_GAP_MS
    put(rows, hits(stale), unknown_samples(int(stale.sum())))
    return pick(rows, np.argsort(ordered.row[places]))
