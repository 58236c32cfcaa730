"""A batch folded into the state: order of records, what was reported when, runs of equal records, rounds of distinct slots.

All conditions are evaluated once for the whole batch. A run of samples of one slot that say the same to every rule is applied as one
record that lasts; what remains goes in rounds, the k-th record of every slot in round k, so that no slot occurs twice in an
assignment.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from alarms import machine
from alarms.alone import Alone
from alarms.compiled import CLEAR, NEVER, UNTIL_FALSE, WHEN, Compiled, Conditions
from alarms.evaluation import evaluate
from alarms.glance import Glance
from alarms.machine import Records, Sink
from alarms.signals import Batch, Bools, Ints, hits, pick, put
from alarms.sorting import Sorted, order, part_of, report, silences_between
from alarms.state import ACTIVE, HELD, State
from alarms.words import some
from hoistway.limits import MAX_GAP_MS


def fold(state: State, rules: Compiled, batch: Batch, sink: Sink) -> None:
    """Apply every record of the batch."""
    if not (len(batch.samples) or len(batch.events) or len(batch.contacts)):
        return
    ordered = order(state, batch, past=rules.past)
    if rules.lasting and (parts := silences_between(rules, ordered)).any():
        for part in range(int(parts.max()) + 1):
            fold(state, rules, part_of(batch, parts == part), sink)
        return
    report(state, ordered)
    _settle(state, rules, ordered, sink)
    lone = bool(ordered.first.all())
    found = evaluate(state, rules, ordered, lone=lone)
    if lone or isinstance(found, Glance):
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


def _settle(state: State, rules: Compiled, ordered: Sorted, sink: Sink) -> None:
    """Let time pass up to the first record of each slot: what its conditions see may depend on it."""
    opening = hits(ordered.first)
    if _pass(state, rules, ordered, opening, sink) and ordered.lifts is not None:
        ordered.lifts = state.lifts(ordered.slot)


def _pass(state: State, rules: Compiled, ordered: Sorted, heads: Ints, sink: Sink) -> bool:
    """Let time pass up to some records, at most one a slot; whether that changed anything."""
    slot, at, received = ordered.slot[heads], ordered.at[heads], ordered.received[heads]
    sink.later()
    late = hits(state.due[slot] <= np.maximum(at, received))
    if late.size:
        until = np.where(ordered.row[heads[late]] < 0, -NEVER, at[late])
        machine.advance(state, rules, slot[late], until, received[late], sink)
    return bool(late.size)


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


def _alone(state: State, rules: Compiled, ordered: Sorted, found: Conditions, head: int, sink: Sink) -> None:
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


def _keep_values(state: State, ordered: Sorted, records: Ints) -> None:
    """The last sample and the reported codes of some records of one slot."""
    if records.size:
        state.reported[ordered.slot[records[-1]]] = ordered.reported[records[-1]]
    samples = records[ordered.sample[records]]
    if samples.size:
        rows = ordered.row[samples[-1:]] - len(ordered.batch.events)
        put(state.last, ordered.slot[samples[-1:]], pick(ordered.batch.samples, rows))


def _repeats(state: State, rules: Compiled, ordered: Sorted, found: Conditions) -> Bools:
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


def _shields_move(state: State, rules: Compiled, ordered: Sorted, found: Conditions, place: Ints) -> Bools:
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
    state: State, rules: Compiled, ordered: Sorted, found: Conditions | Glance, heads: Ints, ends: Ints, sink: Sink
) -> None:
    """One record, or one run of equal samples, of each slot."""
    slot, at = ordered.slot[heads], ordered.at[heads]
    sample, row = ordered.sample[heads], ordered.row[heads]
    link = row < 0
    if not ordered.first[heads[0]]:  # what lies before the first records has passed already
        _pass(state, rules, ordered, heads, sink)
    sink.later()
    _contact(state, rules, ordered, heads, sink)
    sink.later()
    busy = state.busy[slot]
    judged = hits(~link)
    judged = judged[busy[judged] | found.any_when[row[judged]]]
    completes = np.full(len(slot), NEVER)
    if judged.size:
        conditions, rows = found.details(row[judged])
        if judged.size <= FEW:
            completes[judged] = [
                Alone(state, rules, int(slot[place]), conditions, rows[number : number + 1]).judge(
                    int(at[place]), sample=bool(sample[place]), sink=sink
                )
                for number, place in enumerate(judged.tolist())
            ]
        else:
            records = Records(slots=slot[judged], at=at[judged], rows=rows, sample=sample[judged])
            completes[judged] = machine.apply(state, rules, records, conditions, sink)
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


def _contact(state: State, rules: Compiled, ordered: Sorted, heads: Ints, sink: Sink) -> None:
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


def _remember(state: State, ordered: Sorted, heads: Ints, ends: Ints) -> None:
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
