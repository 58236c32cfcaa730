"""A batch folded into the state: order of records, what was reported when, runs of equal records, rounds of distinct slots.

All conditions are evaluated once for the whole batch. A run of samples of one slot that say the same to every rule is applied as one
record that lasts; what remains goes in rounds, the k-th record of every slot in round k, so that no slot occurs twice in an
assignment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alarms import machine
from alarms.alone import Alone
from alarms.compiled import CLEAR, NEVER, UNTIL_FALSE, WHEN, Compiled, Conditions
from alarms.in_order import InOrder, Timeline
from alarms.lone import Lone, Mixed
from alarms.machine import Records, Sink, running_max
from alarms.program import View
from alarms.recall import Recall
from alarms.signals import EVENT_INDEX, Batch, Bools, Ints, Rows, columns, hits, pick, put, unknown_samples
from alarms.state import ACTIVE, HELD, State
from alarms.words import some
from hoistway.limits import MAX_GAP_MS
from hoistway.model import AUTOMATIC, MODE_CODES


@dataclass(kw_only=True)
class _Sorted:
    """The batch's records by slot and, within a slot, in the order in which they fold."""

    batch: Batch
    record: Ints  # position in contacts, then events, then samples
    slot: Ints
    received: Ints
    at: Ints  # never decreases within a slot; of a link message without meaning
    first: Bools  # first record of its slot
    reported: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # event bits after the record

    @property
    def row(self) -> Ints:
        """Where the record's conditions stand: events first, then samples; negative for link messages."""
        return self.record - len(self.batch.contacts)

    @property
    def sample(self) -> Bools:
        return self.record >= len(self.batch.contacts) + len(self.batch.events)


def fold(state: State, rules: Compiled, batch: Batch, sink: Sink) -> None:
    """Apply every record of the batch."""
    if not (len(batch.samples) or len(batch.events) or len(batch.contacts)):
        return
    ordered = _order(state, batch, past=rules.past)
    _report(state, ordered)
    found = _evaluate(state, rules, ordered)
    if ordered.first.all():
        every = np.arange(len(ordered.slot))
        _round(state, rules, ordered, found, every, every, sink)
        return
    head = ordered.first | ~_repeats(state, rules, ordered, found)
    heads = hits(head)
    ends = np.append(heads[1:], len(head)) - 1
    opening = hits(ordered.first[heads])
    rank = np.arange(len(heads)) - np.repeat(opening, np.diff(np.append(opening, len(heads))))
    by_rank = np.argsort(rank, kind="stable")
    position = 0
    counts = np.bincount(rank)
    rounds = _rounds(counts)
    for count in counts[:rounds].tolist():
        chosen = by_rank[position : position + count]
        _round(state, rules, ordered, found, heads[chosen], ends[chosen], sink)
        position += count
    if rounds < len(counts):
        for head in heads[by_rank[position : position + int(counts[rounds])]].tolist():
            _alone(state, rules, ordered, found, head, sink)


def _rounds(counts: Ints) -> int:
    """How many rounds of so many slots to go before the slots that are left are cheaper one by one."""
    left = np.cumsum(counts[::-1])[::-1]
    to_go = np.arange(len(counts), 0, -1)
    cheaper = to_go * ALONE > left + counts * ALONE
    return int(cheaper.argmax()) if cheaper.any() else len(counts)


FEW: Final = 4
"""So few slots that they are evaluated one by one."""
ALONE: Final = 20
"""What a round costs, and to take a slot out and put it back, in records of a slot alone."""


def _alone(state: State, rules: Compiled, ordered: _Sorted, found: Conditions, head: int, sink: Sink) -> None:
    """The records of one slot from `head` to its last, one by one."""
    after = hits(ordered.first[head + 1 :])
    end = head + 1 + int(after[0]) if after.size else len(ordered.slot)
    row, at, received = ordered.row[head:end], ordered.at[head:end].tolist(), ordered.received[head:end].tolist()
    sample = ordered.sample[head:end].tolist()
    link = (row < 0).tolist()
    lift = Alone(state, rules, int(ordered.slot[head]), found, row)
    kept = head  # from here on the records are not yet in the state
    for place in range(end - head):
        if not link[place] and lift.can(received[place]):
            lift.fold(place, at[place], received[place], sample=sample[place], sink=sink)
            continue
        lift.store()
        one = np.array([head + place])
        _keep_values(state, ordered, np.arange(kept, head + place))
        _round(state, rules, ordered, found, one, one, sink)
        kept = head + place + 1
        lift.load()
    lift.store()
    _keep_values(state, ordered, np.arange(kept, end))


def _keep_values(state: State, ordered: _Sorted, records: Ints) -> None:
    """The last sample and the reported codes of some records of one slot."""
    if records.size:
        state.reported[ordered.slot[records[-1]]] = ordered.reported[records[-1]]
    samples = records[ordered.sample[records]]
    if samples.size:
        rows = ordered.row[samples[-1:]] - len(ordered.batch.events)
        put(state.last, ordered.slot[samples[-1:]], pick(ordered.batch.samples, rows))


def _order(state: State, batch: Batch, *, past: bool) -> _Sorted:
    if not len(batch.contacts) and not len(batch.events):
        slots, received, at = batch.samples["slot"].astype(np.int64), batch.samples["received"], batch.samples["at"]
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
    return _Sorted(batch=batch, record=record, slot=slot, received=received[record], at=at, first=first)


def _report(state: State, ordered: _Sorted) -> None:
    """Which codes are reported after each record: events in rounds, then carried on to the records that follow."""
    bits = state.reported[ordered.slot]
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


def _evaluate(state: State, rules: Compiled, ordered: _Sorted) -> Conditions:
    batch = ordered.batch
    valued = ordered.row >= 0
    rows = ordered.row[valued]
    size = len(batch.events) + len(batch.samples)
    slots, reported, at = (np.empty(size, np.int64) for _ in range(3))
    slots[rows], reported[rows], at[rows] = ordered.slot[valued], ordered.reported[valued], ordered.at[valued]
    samples = batch.samples
    if len(batch.events):
        samples = np.concatenate([_values_at_events(state, ordered), samples])
    recall = _recall(state, rules, ordered, slots, at)
    view = View(
        size=size,
        values=columns(samples, rules.signals),
        reported=reported,
        rated_speed=state.rated_speed[slots] if rules.needs_rated_speed else state.rated_speed[:0],
        parameters={name: column[slots] for name, column in state.parameters.items()},
        at=at,
        now=np.maximum(at, state.settled[slots]),
        zone=rules.zone,
        floors=state.floors(slots) if rules.needs_floors else {},
        recall=recall,
    )
    special = (
        {row: state.hold_ms(int(slots[row])) for row in hits(state.special[slots]).tolist()} if rules.lasting else {}
    )
    found = rules.evaluate(view, state.escalator[slots], special)
    if recall is not None:
        recall.keep()
    return found


def _recall(state: State, rules: Compiled, ordered: _Sorted, slots: Ints, at: Ints) -> Recall | None:
    if not (rules.remembering or rules.lasting) or not len(slots):
        return None
    if len(slots) == len(ordered.batch.samples) and ordered.first.all():
        return Lone(state, slots, at)
    valued = hits(ordered.row >= 0)
    opening = hits(np.diff(ordered.slot[valued], prepend=-1) != 0)
    alone = np.zeros(len(valued), bool)
    alone[opening] = np.diff(np.append(opening, len(valued))) == 1
    alone &= ordered.sample[valued]
    if alone.all():
        return Lone(state, slots, at)
    theirs = ordered.row[valued[~alone]]
    if len(theirs) * 2 > len(valued):
        return InOrder(state, _timeline(ordered, valued, ordered.row[valued]))
    mine, place = ordered.row[valued[alone]], np.empty(len(valued), np.int64)
    place[theirs] = np.arange(len(theirs))
    others = InOrder(state, _timeline(ordered, valued[~alone], place[theirs]))
    return Mixed(Lone(state, slots[mine], at[mine]), mine, others, theirs)


def _timeline(ordered: _Sorted, records: Ints, row: Ints) -> Timeline:
    """Some records, whole slots of them, as the remembering functions see it; `row` is where their values will stand."""
    slot, sample = ordered.slot[records], ordered.sample[records]
    code = np.full(len(records), -1, np.int64)
    event = hits(~sample)
    events = ordered.batch.events[ordered.row[records[event]]]
    code[event] = np.where(events["active"] == 1, events["code"], -1)
    opening = hits(np.diff(slot, prepend=-1) != 0)
    return Timeline(slot=slot, at=ordered.at[records], row=row, sample=sample, code=code, opening=opening)


def _values_at_events(state: State, ordered: _Sorted) -> Rows:
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


def _repeats(state: State, rules: Compiled, ordered: _Sorted, found: Conditions) -> Bools:
    """Samples that tell every rule what the slot's sample before them told, soon enough that nothing could happen in between."""
    same = np.zeros(len(ordered.slot), bool)
    sample = ordered.sample
    place = hits(~ordered.first[1:] & sample[1:] & sample[:-1]) + 1
    soon = (ordered.at[place] - ordered.at[place - 1] <= MAX_GAP_MS) & (
        ordered.received[place] - ordered.received[place - 1] < rules.briefest_silence
    )
    place = place[soon]
    row, before = ordered.row[place], ordered.row[place - 1]
    words = found.words[:, :, row]
    equal = ~some((words ^ found.words[:, :, before]).reshape(words.shape[0] * words.shape[1], len(place)))
    raises = words[WHEN] | (words[UNTIL_FALSE] & rules.sequences)
    equal &= ~some(raises & words[CLEAR] & rules.overlapping)
    if rules.shields and place.size:
        equal &= ~_shields_move(state, rules, ordered, found, place)
    same[place] = equal
    return same


def _shields_move(state: State, rules: Compiled, ordered: _Sorted, found: Conditions, place: Ints) -> Bools:
    """Which of some records are of slots in which a shielding alarm is up or may come up: what it does is seen at every record."""
    group = np.cumsum(ordered.first) - 1
    several = np.zeros(int(group[-1]) + 1, bool)
    several[group[place]] = True
    mine = hits(several[group] & (ordered.row >= 0))
    flags = state.sets(ordered.slot[mine])
    now = some((found.words[WHEN][:, ordered.row[mine]] | flags[HELD] | flags[ACTIVE]) & rules.shielding)
    moving = np.zeros(len(several), bool)
    moving[group[mine[now]]] = True
    return np.asarray(moving[group[place]])


def _round(
    state: State, rules: Compiled, ordered: _Sorted, found: Conditions, heads: Ints, ends: Ints, sink: Sink
) -> None:
    """One record, or one run of equal samples, of each slot."""
    slot, at, received = ordered.slot[heads], ordered.at[heads], ordered.received[heads]
    sample, row = ordered.sample[heads], ordered.row[heads]
    link = row < 0
    sink.later()
    late = hits(state.due[slot] <= np.maximum(at, received))
    if late.size:
        until = np.where(link[late], -NEVER, at[late])
        machine.advance(state, rules, slot[late], until, received[late], sink)
    sink.later()
    _contact(state, rules, ordered, heads, sink)
    sink.later()
    busy = state.busy[slot]
    judged = hits(~link)
    judged = judged[busy[judged] | found.any_when[row[judged]]]
    completes = np.full(len(slot), NEVER)
    if judged.size:
        records = Records(slots=slot[judged], at=at[judged], rows=row[judged], sample=sample[judged])
        if judged.size <= FEW:
            completes[judged] = [
                Alone(state, rules, int(slot[place]), found, row[place : place + 1]).judge(
                    int(at[place]), sample=bool(sample[place]), sink=sink
                )
                for place in judged.tolist()
            ]
        else:
            completes[judged] = machine.apply(state, rules, records, found, sink)
    _remember(state, ordered, heads, ends)
    longer = hits((ends > heads) & state.busy[slot])
    if longer.size:
        sink.later()  # after the records
        until, heard = ordered.at[ends[longer]], ordered.received[ends[longer]]
        machine.advance(state, rules, slot[longer], until, heard, sink)
        machine.extend(state, slot[longer], until, rules)
    silence = rules.shortest_silence[state.escalator[slot].astype(np.int8)]
    state.due[slot] = np.minimum(np.where(state.alive[slot], state.contact[slot] + silence, NEVER), completes)
    timed = hits((link | (ends > heads) | state.special[slot]) & (link | busy | state.busy[slot]))
    if timed.size:
        machine.schedule(state, rules, slot[timed])


def _contact(state: State, rules: Compiled, ordered: _Sorted, heads: Ints, sink: Sink) -> None:
    """Who was heard, and whose link is lost. That a link is lost is no sign of life."""
    slot, received = ordered.slot[heads], ordered.received[heads]
    heard = np.ones(len(heads), bool)
    link = hits(ordered.row[heads] < 0)
    if link.size:
        online = ordered.batch.contacts["online"][ordered.record[heads[link]]]
        heard[link[online == 0]] = False
        lost = slot[link[online == 0]]
        state.lost_at[lost] = np.minimum(state.lost_at[lost], received[link[online == 0]])
        silent_about_it = np.zeros(len(heads), bool)
        silent_about_it[link[online < 0]] = True
        found = slot[heard & ~silent_about_it]
    else:
        found = slot
    state.lost_at[found] = NEVER
    if rules.silent.size:
        waiting = hits(heard & state.busy[slot])
        waiting = waiting[some(state.plane(slot[waiting], HELD) & ~rules.holds)]
        if waiting.size:
            machine.hear(state, rules, slot[waiting], received[waiting], sink)
    slot, received = slot[heard], received[heard]
    state.contact[slot] = np.maximum(state.contact[slot], received)


def _remember(state: State, ordered: _Sorted, heads: Ints, ends: Ints) -> None:
    """Clocks, codes and last values after the round."""
    valued = heads if not len(ordered.batch.contacts) else heads[ordered.row[heads] >= 0]
    ends = ends if not len(ordered.batch.contacts) else ends[ordered.row[heads] >= 0]
    state.clock[ordered.slot[valued]] = ordered.at[ends]
    if len(ordered.batch.events):
        state.reported[ordered.slot[valued]] = ordered.reported[ends]
    ends = ends[ordered.sample[valued]]
    slot = ordered.slot[ends]
    state.last_at[slot] = ordered.at[ends]
    state.contact[slot] = np.maximum(state.contact[slot], ordered.received[ends])
    put(state.last, slot, pick(ordered.batch.samples, ordered.row[ends] - len(ordered.batch.events)))
