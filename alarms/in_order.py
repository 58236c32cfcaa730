"""Remembering in a batch in which records of one slot follow each other: worked out for the whole batch at once, record by record of a slot
as if one by one. `Timeline` says how samples and events follow each other; values come and go in the order of the batch's rows (events,
then samples).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alarms.compiled import NEVER
from alarms.counts import aged, in_step, note_over, repacked, total, unpacked
from alarms.language.checker import COUNT_MOST, COUNT_STEPS, Term, Type, window_ms
from alarms.program import LASTING_BIAS, LASTING_NONE, Lasted, Truth
from alarms.recall import LASTED_MOST, PASSED_MOST, Memory, Recall, plain
from alarms.signals import Bools, Column, Ints, Rows, columns, hits, pick
from alarms.state import AGO_MOST, State
from hoistway.limits import MAX_GAP_MS


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The samples and events of a batch by slot and, within a slot, in the order in which they fold."""

    slot: Ints
    at: Ints  # never decreases within a slot
    row: Ints  # where the record's values stand
    sample: Bools
    code: Ints  # of an event that raises: its code, else -1
    opening: Ints  # where each slot begins


class InOrder(Recall):
    """A batch in which records of one slot follow each other."""

    def __init__(self, state: State, line: Timeline) -> None:
        super().__init__(state, line.slot[line.opening])
        self._line = line
        line_of = np.zeros(len(line.slot), np.int64)
        line_of[line.opening] = 1
        self._group = np.cumsum(line_of) - 1  # which slot of the batch, counted from 0
        self._last = np.append(line.opening[1:], len(line.slot)) - 1  # where each slot ends, inclusive
        self._index = np.arange(len(line.slot))
        self._before, self._gap = self._earlier_samples()

    def keep(self) -> None:
        if len(self._state.rules.count_step_ms):
            note_over(self._memory, np.arange(len(self._slots)), self._state.rules.count_step_ms)
        super().keep()

    def _earlier_samples(self) -> tuple[Ints, Bools]:
        """For each record the sample before it in the batch, -1 for none; and which samples come after a gap."""
        line = self._line
        before = np.full(len(line.slot), -1, np.int64)
        if len(before) > len(line.opening):
            latest = np.maximum.accumulate(np.where(line.sample, self._index, -1))
            before[1:] = latest[:-1]
            before[before < line.opening[self._group]] = -1
        last_at = np.where(before >= 0, line.at[before], self._state.last_at[line.slot])
        return before, line.sample & (line.at - last_at > MAX_GAP_MS)

    def _ordered(self, value: Column) -> Column:
        """Values of rows in the order of the timeline; a constant stands for all."""
        return np.broadcast_to(value, (len(self._line.row),))[self._line.row]

    def _known(self, truth: Truth) -> tuple[Bools, Bools]:
        return self._ordered(truth.true), self._ordered(truth.false)

    def _in_rows(self, value: Column) -> Column:
        """The opposite of `_ordered`."""
        found = np.empty_like(value)
        found[self._line.row] = value
        return found

    def changed(self, term: Term, _: Memory, value: Any) -> Truth:
        state, line = self._state, self._line
        here = self._ordered(plain(value))
        there = here[self._before]
        alone = hits(self._before < 0)
        rows: Rows = pick(state.last, line.slot[alone])
        name = str(term.parts[0].value)
        there[alone] = columns(rows, (name,))[name]
        if term.parts[0].type is Type.NUMBER:
            unknown, differs = np.isnan(here) | np.isnan(there), here != there
        else:
            unknown, differs = (here < 0) | (there < 0), here != there
        known = ~unknown & ~self._gap & line.sample
        return Truth(self._in_rows(known & differs), self._in_rows(known & ~differs))

    def age(self, _: Term, memory: Memory, value: Truth) -> Column:
        true, false = self._known(value)
        line, since = self._line, memory["since"]
        opens = false | self._gap
        opens[line.opening] = True
        starts = hits(opens)
        segment = np.cumsum(opens) - 1
        first_true = np.minimum.reduceat(np.where(true, self._index, len(true)), starts)
        carried = np.full(len(starts), NEVER)
        kept = np.zeros(len(starts), bool)
        kept[segment[line.opening]] = ~(false | self._gap)[line.opening]
        carried[kept] = since[self._group[starts[kept]]]
        began = np.where(first_true < len(true), line.at[np.minimum(first_true, len(true) - 1)], NEVER)
        began = np.where(carried != NEVER, carried, began)
        since[:] = began[segment[self._last]]
        seconds = ((line.at - began[segment]) / 1_000).astype(np.float32)
        return self._in_rows(
            np.where(true, seconds, np.where(false, np.float32(0), np.float32(np.nan))).astype(np.float32)
        )

    def lasting(self, true: Bools, false: Bools) -> Lasted:
        line, start, true_ago = self._line, self._memory["lasting.start"], self._memory["lasting.true"]
        now = np.maximum(line.at, self._state.settled[line.slot])
        clock = self._state.clock[self._slots]
        found = np.empty(true.shape, np.uint32)
        for place in range(len(true)):
            kept = np.where(
                start[:, place] == LASTING_NONE, NEVER, clock + LASTING_BIAS - start[:, place].astype(np.int64)
            )
            starts, true_at = self._last_as_hold(
                self._ordered(true[place]), self._ordered(false[place]), now, kept, clock - true_ago[:, place]
            )
            lasted = np.clip(line.at + LASTING_BIAS - starts, 0, LASTED_MOST)
            lasted[(starts == NEVER) | (now - line.at >= PASSED_MOST)] = LASTING_NONE
            found[place] = self._in_rows(lasted.astype(np.uint32))
            start[:, place] = lasted[self._last]
            true_ago[:, place] = np.clip(line.at[self._last] - true_at, -PASSED_MOST, AGO_MOST)
        return found

    def _last_as_hold(self, true: Bools, false: Bools, now: Ints, start: Ints, true_at: Ints) -> tuple[Ints, Ints]:
        """Since when, at each record; and when last true, of each slot. `start`, `true_at`: of each slot before the batch."""
        line = self._line
        latest = np.maximum.accumulate(np.where(true, self._index, -1))
        before = np.concatenate([np.array([-1]), latest[:-1]])
        mine = before >= line.opening[self._group]
        last_true = np.where(mine, now[before], true_at[self._group])
        ends = false | self._gap | (now - last_true > MAX_GAP_MS)
        opens = ends.copy()
        opens[line.opening] = True
        firsts = hits(opens)
        segment = np.cumsum(opens) - 1
        first_true = np.minimum.reduceat(np.where(true, self._index, len(true)), firsts)
        carried = np.full(len(firsts), NEVER)
        goes_on = line.opening[~ends[line.opening]]
        carried[segment[goes_on]] = start[self._group[goes_on]]
        began = np.where(first_true < len(true), now[np.minimum(first_true, len(true) - 1)], NEVER)
        began = np.where(carried != NEVER, carried, began)[segment]
        began[(carried[segment] == NEVER) & (first_true[segment] > self._index)] = NEVER
        end = latest[self._last]
        return began, np.where(end >= line.opening, now[np.maximum(end, 0)], true_at)

    def count(self, term: Term, memory: Memory, value: Truth) -> Column:
        true, false = self._known(value)
        edge = self._rises(true, false, memory["was"])
        length = window_ms(term) // COUNT_STEPS
        step = self._line.at // length
        self._stop_counting(memory, edge, step)
        stored = np.asarray(memory["packed"] != 0)
        if not edge.any() and not stored.any():
            return np.zeros(len(edge), np.float32)
        found = self._inside(edge, step)
        places = hits(stored[self._group])
        if places.size:
            found[places] += self._stored(memory, places, step)
        self._keep_counts(memory, edge, step, stored)
        return self._in_rows(found.astype(np.float32))

    def _rises(self, true: Bools, false: Bools, was: Column) -> Bools:
        """Records at which the condition is true and was false when last known; keeps what is known now."""
        line = self._line
        forgets = self._gap.copy()
        forgets[line.opening] = True
        segment_start = np.maximum.accumulate(np.where(forgets, self._index, 0))
        known = np.where(true | false, self._index, -1)
        latest = np.maximum.accumulate(known)
        previous = np.concatenate([np.array([-1]), latest[:-1]])
        inside = previous >= segment_start
        opening = segment_start == line.opening[self._group]
        first_gap = self._gap[line.opening][self._group]
        earlier = np.where(opening & ~first_gap, was[self._group], -1)
        before = np.where(inside, true[previous], earlier)
        last = self._last
        ends = latest[last] >= segment_start[last]
        was[:] = np.where(ends, true[latest[last]], earlier[last])
        return np.asarray(true & (before == 0))

    def _stop_counting(self, memory: Memory, edge: Bools, step: Ints) -> None:
        """Rises beyond what a step counts are none."""
        rises = hits(edge)
        if not rises.size:
            return
        group, mine = self._group[rises], step[rises]
        opening = hits((np.diff(group, prepend=-1) != 0) | (np.diff(mine, prepend=-1) != 0))
        ordinal = np.arange(len(rises)) - np.repeat(opening, np.diff(np.append(opening, len(rises))))
        before = in_step(memory["packed"][group], memory["latest"][group].astype(np.int64) - mine)
        edge[rises[before + ordinal >= COUNT_MOST]] = False

    def _inside(self, edge: Bools, step: Ints) -> Ints:
        """Rises within this batch, in the step of each record and the nine before it."""
        before = np.concatenate([np.array([0]), np.cumsum(edge)])
        low = int(step.min())
        span = int(step.max()) - low + COUNT_STEPS + 1
        key = self._group * span + (step - low)
        first = np.searchsorted(key, np.maximum(key - (COUNT_STEPS - 1), self._group * span))
        return np.asarray(before[self._index + 1] - before[first])

    def _stored(self, memory: Memory, places: Ints, step: Ints) -> Ints:
        """Of some records the kept rises in the step of the record and the nine before it."""
        upto = unpacked(memory["packed"]).cumsum(axis=1)
        groups = self._group[places]
        reach = COUNT_STEPS - 1 - (step[places] - memory["latest"][groups].astype(np.int64))
        return np.where(reach >= 0, upto[groups, np.clip(reach, 0, COUNT_STEPS - 1)], 0)

    def _keep_counts(self, memory: Memory, edge: Bools, step: Ints, stored: Bools) -> None:
        touched = stored.copy()
        touched[self._group[edge]] = True
        groups = hits(touched)
        latest = step[self._last[groups]]
        counts = unpacked(aged(memory["packed"][groups], memory["latest"][groups].astype(np.int64), latest))
        place = np.zeros(len(self._slots), np.int64)
        place[groups] = np.arange(len(groups))
        rises = hits(edge)
        back = step[self._last[self._group[rises]]] - step[rises]
        rises, back = rises[back < COUNT_STEPS], back[back < COUNT_STEPS]
        np.add.at(counts, (place[self._group[rises]], back), 1)
        packed = repacked(counts)
        memory["packed"][groups], memory["latest"][groups], memory["total"][groups] = packed, latest, total(packed)

    def rate(self, term: Term, memory: Memory, value: Column) -> Column:
        line, window = self._line, window_ms(term)
        here = self._ordered(value).astype(np.float32)
        result = np.full(len(here), np.nan, np.float32)
        known = hits(line.sample & ~np.isnan(here))
        if known.size:
            result[known] = self._slopes(memory, known, here[known], window)
        return self._in_rows(result)

    def _slopes(self, memory: Memory, known: Ints, value: Column, window: int) -> Column:
        """The anchors of a slot are the two that it remembers, then the first known sample of each new step."""
        owner, at = self._group[known], self._line.at[known]
        step = at // window
        opens = hits(np.diff(owner, prepend=-1) != 0)
        group = np.cumsum(np.isin(np.arange(len(known)), opens)) - 1
        previous = np.concatenate([np.array([0]), step[:-1]])
        previous[opens] = memory["at"][owner[opens], 1] // window
        anchor = step != previous
        number = np.cumsum(anchor)
        within = number - (number[opens] - anchor[opens])[group]  # anchors of this batch up to here, in this slot
        places = hits(anchor)
        times, values = (memory[name][owner[opens]] for name in ("at", "value"))

        def of(back: int, stored: Column, fresh: Column) -> Column:
            """The anchor `back` before the latest one, at each record."""
            index = within - back
            found: Column = stored[group, np.clip(index + 1, 0, 1)]
            mine = index >= 1
            found[mine] = fresh[places[(number - back)[mine] - 1]]
            return found

        old_at, old_value = of(1, times, at), of(1, values, value)
        with np.errstate(all="ignore"):
            slope = (value - old_value) / ((at - old_at) / 1_000).astype(np.float32)
        ends = np.append(opens[1:], len(known)) - 1
        for name, stored, fresh in (("at", times, at), ("value", values, value)):
            memory[name][owner[ends]] = np.stack([of(1, stored, fresh)[ends], of(0, stored, fresh)[ends]], axis=1)
        return np.asarray(np.where((old_at // window == step - 1) & np.isfinite(slope), slope, np.float32(np.nan)))

    def since_reported(self, term: Term, memory: Memory, _: object) -> Column:
        line, kept = self._line, memory["at"]
        new = kept == -NEVER
        kept[new] = line.at[line.opening[new]]
        raised = np.where(line.code == term.value, self._index, -1)
        latest = np.maximum.accumulate(raised)
        inside = latest >= line.opening[self._group]
        at = np.where(inside, line.at[latest], kept[self._group])
        kept[:] = at[self._last]
        return self._in_rows(((line.at - at) / 1_000).astype(np.float32))
