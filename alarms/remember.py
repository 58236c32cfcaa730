"""Functions of the rule language that remember earlier records: changed, age, count, rate, since_reported (docs/rules.md, section 3).

Each is worked out for a whole batch at once, record by record of a slot as if one by one, and brings its state up to date. `Timeline`
says how the batch's samples and events follow each other; values come and go in the order of the batch's rows (events, then samples).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alarms.compiled import NEVER
from alarms.language.checker import COUNT_STEPS, Term, Type
from alarms.program import Truth
from alarms.signals import Bools, Column, Ints, Rows, columns, pick
from alarms.state import State
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


class Recall:
    """The remembering terms of one batch, in the order of `Compiled.remembering`. One method an operation, named after it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, number: int, value: Any) -> Any:
        term, memory = self._state.rules.remembering[number], self._state.remembered[number]
        return getattr(self, term.op)(term, memory, value)


class InOrder(Recall):
    """A batch in which records of one slot follow each other."""

    def __init__(self, state: State, line: Timeline) -> None:
        super().__init__(state)
        self._line = line
        line_of = np.zeros(len(line.slot), np.int64)
        line_of[line.opening] = 1
        self._group = np.cumsum(line_of) - 1  # which slot of the batch, counted from 0
        self._slots = line.slot[line.opening]
        self._last = np.append(line.opening[1:], len(line.slot)) - 1  # where each slot ends, inclusive
        self._index = np.arange(len(line.slot))
        self._before, self._gap = self._earlier_samples()

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

    def changed(self, term: Term, _: dict[str, Column], value: Any) -> Truth:
        state, line = self._state, self._line
        here = self._ordered(_plain(value))
        there = here[self._before]
        alone = np.flatnonzero(self._before < 0)
        rows: Rows = pick(state.last, line.slot[alone])
        name = str(term.parts[0].value)
        there[alone] = columns(rows, (name,))[name]
        if term.parts[0].type is Type.NUMBER:
            unknown, differs = np.isnan(here) | np.isnan(there), here != there
        else:
            unknown, differs = (here < 0) | (there < 0), here != there
        known = ~unknown & ~self._gap & line.sample
        return Truth(self._in_rows(known & differs), self._in_rows(known & ~differs))

    def age(self, _: Term, memory: dict[str, Column], value: Truth) -> Column:
        true, false = self._known(value)
        line, since = self._line, memory["since"]
        opens = false | self._gap
        opens[line.opening] = True
        starts = np.flatnonzero(opens)
        segment = np.cumsum(opens) - 1
        first_true = np.minimum.reduceat(np.where(true, self._index, len(true)), starts)
        carried = np.full(len(starts), NEVER)
        kept = np.zeros(len(starts), bool)
        kept[segment[line.opening]] = ~(false | self._gap)[line.opening]
        carried[kept] = since[line.slot[starts[kept]]]
        began = np.where(first_true < len(true), line.at[np.minimum(first_true, len(true) - 1)], NEVER)
        began = np.where(carried != NEVER, carried, began)
        since[self._slots] = began[segment[self._last]]
        seconds = ((line.at - began[segment]) / 1_000).astype(np.float32)
        return self._in_rows(
            np.where(true, seconds, np.where(false, np.float32(0), np.float32(np.nan))).astype(np.float32)
        )

    def count(self, term: Term, memory: dict[str, Column], value: Truth) -> Column:
        true, false = self._known(value)
        edge = self._rises(true, false, memory["was"])
        length = _window(term) // COUNT_STEPS
        step = self._line.at // length
        self._stop_counting(memory, edge, step)
        stored = np.asarray(memory["counts"][self._slots].any(axis=1))
        if not edge.any() and not stored.any():
            return np.zeros(len(edge), np.float32)
        total = self._inside(edge, step)
        places = np.flatnonzero(stored[self._group])
        if places.size:
            total[places] += self._stored(memory, places, step)
        self._keep_counts(memory, edge, step, stored, length)
        return self._in_rows(total.astype(np.float32))

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
        earlier = np.where(opening & ~first_gap, was[line.slot], -1)
        before = np.where(inside, true[previous], earlier)
        last = self._last
        ends = latest[last] >= segment_start[last]
        was[self._slots] = np.where(ends, true[latest[last]], earlier[last])
        return np.asarray(true & (before == 0))

    def _stop_counting(self, memory: dict[str, Column], edge: Bools, step: Ints) -> None:
        """Rises beyond what a step counts are none."""
        rises = np.flatnonzero(edge)
        if not rises.size:
            return
        slot, mine = self._line.slot[rises], step[rises]
        opening = np.flatnonzero((np.diff(slot, prepend=-1) != 0) | (np.diff(mine, prepend=-1) != 0))
        ordinal = np.arange(len(rises)) - np.repeat(opening, np.diff(np.append(opening, len(rises))))
        before = np.where(_steps(memory["step"][slot]) == mine[:, None], memory["counts"][slot], 0).sum(
            axis=1, dtype=np.int64
        )
        edge[rises[before + ordinal >= COUNT_MOST]] = False

    def _inside(self, edge: Bools, step: Ints) -> Ints:
        """Rises within this batch, in the step of each record and the nine before it."""
        total = np.concatenate([np.array([0]), np.cumsum(edge)])
        low = int(step.min())
        span = int(step.max()) - low + COUNT_STEPS + 1
        key = self._group * span + (step - low)
        first = np.searchsorted(key, np.maximum(key - (COUNT_STEPS - 1), self._group * span))
        return np.asarray(total[self._index + 1] - total[first])

    def _stored(self, memory: dict[str, Column], places: Ints, step: Ints) -> Ints:
        slots = self._line.slot[places]
        steps = _steps(memory["step"][slots])
        recent = steps > (step[places] - COUNT_STEPS)[:, None]
        return np.asarray(np.where(recent, memory["counts"][slots], 0).sum(axis=1, dtype=np.int64))

    def _keep_counts(self, memory: dict[str, Column], edge: Bools, step: Ints, stored: Bools, length: int) -> None:
        touched = stored.copy()
        touched[self._group[edge]] = True
        groups = np.flatnonzero(touched)
        slots, latest = self._slots[groups], step[self._last[groups]]
        counts = np.where(_steps(memory["step"][slots]) > (latest - COUNT_STEPS)[:, None], memory["counts"][slots], 0)
        counts = counts.astype(np.int64)
        place = np.zeros(len(self._slots), np.int64)
        place[groups] = np.arange(len(groups))
        rises = np.flatnonzero(edge)
        rises = rises[step[rises] > step[self._last[self._group[rises]]] - COUNT_STEPS]
        np.add.at(counts, (place[self._group[rises]], step[rises] % COUNT_STEPS), 1)
        _keep(memory, slots, counts, latest, length)

    def rate(self, term: Term, memory: dict[str, Column], value: Column) -> Column:
        line, window = self._line, _window(term)
        here = self._ordered(value).astype(np.float32)
        result = np.full(len(here), np.nan, np.float32)
        known = np.flatnonzero(line.sample & ~np.isnan(here))
        if known.size:
            result[known] = self._slopes(memory, known, here[known], line.at[known] // window)
        return self._in_rows(result)

    def _slopes(self, memory: dict[str, Column], known: Ints, value: Column, step: Ints) -> Column:
        """The anchors of a slot are the two that it remembers, then the first known sample of each new step."""
        slot, at = self._line.slot[known], self._line.at[known]
        opens = np.flatnonzero(np.diff(self._group[known], prepend=-1) != 0)
        group = np.cumsum(np.isin(np.arange(len(known)), opens)) - 1
        previous = np.concatenate([np.array([0]), step[:-1]])
        previous[opens] = memory["step"][slot[opens], 1]
        anchor = step != previous
        number = np.cumsum(anchor)
        within = number - (number[opens] - anchor[opens])[group]  # anchors of this batch up to here, in this slot
        places = np.flatnonzero(anchor)
        steps, times, values = (memory[name][slot[opens]] for name in ("step", "at", "value"))

        def of(back: int, kept: Column, fresh: Column) -> Column:
            """The anchor `back` before the latest one, at each record."""
            index = within - back
            found: Column = kept[group, np.clip(index + 1, 0, 1)]
            mine = index >= 1
            found[mine] = fresh[places[(number - back)[mine] - 1]]
            return found

        old_step, old_at, old_value = of(1, steps, step), of(1, times, at), of(1, values, value)
        with np.errstate(all="ignore"):
            slope = (value - old_value) / ((at - old_at) / 1_000).astype(np.float32)
        ends = np.append(opens[1:], len(known)) - 1
        latest_slots = slot[ends]
        for name, kept, fresh in (("step", steps, step), ("at", times, at), ("value", values, value)):
            memory[name][latest_slots] = np.stack([of(1, kept, fresh)[ends], of(0, kept, fresh)[ends]], axis=1)
        return np.asarray(np.where((old_step == step - 1) & np.isfinite(slope), slope, np.float32(np.nan)))

    def since_reported(self, term: Term, memory: dict[str, Column], _: object) -> Column:
        line, kept = self._line, memory["at"]
        new = kept[self._slots] == -NEVER
        kept[self._slots[new]] = line.at[line.opening[new]]
        raised = np.where(line.code == term.value, self._index, -1)
        latest = np.maximum.accumulate(raised)
        inside = latest >= line.opening[self._group]
        at = np.where(inside, line.at[latest], kept[line.slot])
        kept[self._slots] = at[self._last]
        return self._in_rows(((line.at - at) / 1_000).astype(np.float32))


class Mixed(Recall):
    """A batch of which most slots have one sample only: these are `Lone`, the others `InOrder`."""

    def __init__(self, state: State, lone: Lone, mine: Ints, others: InOrder, theirs: Ints) -> None:
        super().__init__(state)
        self._parts: tuple[tuple[Recall, Ints], ...] = ((lone, mine), (others, theirs))
        self._size = len(mine) + len(theirs)

    def __call__(self, number: int, value: Any) -> Any:
        answers = [(rows, part(number, _some(value, rows, self._size))) for part, rows in self._parts]
        if isinstance(answers[0][1], Truth):
            found = Truth(np.empty(self._size, bool), np.empty(self._size, bool))
            for rows, answer in answers:
                found.true[rows], found.false[rows] = answer
            return found
        numbers = np.empty(self._size, np.float32)
        for rows, answer in answers:
            numbers[rows] = answer
        return numbers


def _some(value: Any, rows: Ints, size: int) -> Any:
    """The values of some rows."""
    if value is None:
        return None
    if isinstance(value, Truth):
        return Truth(*(np.broadcast_to(side, (size,))[rows] for side in value))
    return np.broadcast_to(value, (size,))[rows]


class Lone(Recall):
    """The remembering terms of a batch of samples of distinct slots: nothing in it comes before anything else.

    Works in the order of the rows; says the same as `InOrder`, with a tenth of the steps.
    """

    def __init__(self, state: State, slots: Ints, at: Ints) -> None:
        super().__init__(state)
        self._slots, self._at = slots, at
        self._gap = at - state.last_at[slots] > MAX_GAP_MS
        self._gaps = bool(self._gap.any())
        self._before: Rows | None = None

    def changed(self, term: Term, _: dict[str, Column], value: Any) -> Truth:
        if self._before is None:
            self._before = pick(self._state.last, self._slots)
        name, here = str(term.parts[0].value), _plain(value)
        there = columns(self._before, (name,))[name]
        if term.parts[0].type is Type.NUMBER:
            known = ~(np.isnan(here) | np.isnan(there) | self._gap)
        else:
            known = (here >= 0) & (there >= 0) & ~self._gap
        differs = here != there
        return Truth(known & differs, known & ~differs)

    def age(self, _: Term, memory: dict[str, Column], value: Truth) -> Column:
        true, false = self._all(value)
        since = memory["since"][self._slots]
        since[false | self._gap] = NEVER
        np.copyto(since, self._at, where=true & (since == NEVER))
        memory["since"][self._slots] = since
        seconds = ((self._at - since) / 1_000).astype(np.float32)
        seconds[~true] = np.nan
        seconds[false] = 0
        return seconds

    def _all(self, value: Truth) -> tuple[Bools, Bools]:
        """One truth a record, also of a constant."""
        size = (len(self._slots),)
        return np.broadcast_to(value.true, size), np.broadcast_to(value.false, size)

    def count(self, term: Term, memory: dict[str, Column], value: Truth) -> Column:
        true, false = self._all(value)
        was = memory["was"][self._slots]
        if self._gaps:
            was[self._gap] = -1
        edge = true & (was == 0)
        was[true] = 1
        was[false] = 0
        memory["was"][self._slots] = was
        total = memory["total"][self._slots].astype(np.float32)
        touched = np.flatnonzero(edge | (self._at >= memory["until"][self._slots]))
        if touched.size:
            slots, length = self._slots[touched], _window(term) // COUNT_STEPS
            step = self._at[touched] // length
            counts = memory["counts"][slots]
            counts = np.where(_steps(memory["step"][slots]) > (step - COUNT_STEPS)[:, None], counts, 0).astype(np.int64)
            counts[np.arange(len(touched)), step % COUNT_STEPS] += edge[touched]
            _keep(memory, slots, counts, step, length)
            total[touched] = memory["total"][slots]
        return total

    def rate(self, term: Term, memory: dict[str, Column], value: Column) -> Column:
        here = np.broadcast_to(np.asarray(value, np.float32), (len(self._slots),))
        known = np.flatnonzero(~np.isnan(here))
        slots, at, step = self._slots[known], self._at[known], self._at[known] // _window(term)
        steps, times, values = (memory[name][slots] for name in ("step", "at", "value"))
        new = steps[:, 1] != step
        for kept, fresh in ((steps, step), (times, at), (values, here[known])):
            kept[new, 0] = kept[new, 1]
            kept[new, 1] = fresh[new]
        memory["step"][slots], memory["at"][slots], memory["value"][slots] = steps, times, values
        with np.errstate(all="ignore"):
            slope = (here[known] - values[:, 0]) / ((at - times[:, 0]) / 1_000).astype(np.float32)
        found = np.full(len(here), np.nan, np.float32)
        found[known] = np.where((steps[:, 0] == step - 1) & np.isfinite(slope), slope, np.float32(np.nan))
        return found

    def since_reported(self, _: Term, memory: dict[str, Column], __: object) -> Column:
        kept = memory["at"][self._slots]
        new = kept == -NEVER
        if new.any():
            kept[new] = self._at[new]
            memory["at"][self._slots] = kept
        return ((self._at - kept) / 1_000).astype(np.float32)


def _plain(value: Any) -> Column:
    """A condition as 1, 0 and -1; anything else as it is."""
    if not isinstance(value, Truth):
        return np.asarray(value)
    return value.true.astype(np.int8) - (~(value.true | value.false)).astype(np.int8)


def _window(term: Term) -> int:
    return int(str(term.value))


def _keep(memory: dict[str, Column], slots: Ints, counts: Ints, step: Ints, length: int) -> None:
    """Counts by step, the latest step, their total, and the time at which the oldest of them falls out."""
    counts = np.minimum(counts, COUNT_MOST)
    oldest = np.where(counts > 0, _steps(step), NEVER).min(axis=1)
    memory["counts"][slots], memory["step"][slots] = counts, step
    memory["total"][slots] = counts.sum(axis=1, dtype=np.int64)
    memory["until"][slots] = np.where(oldest == NEVER, NEVER, (oldest + COUNT_STEPS) * length)


COUNT_MOST = 255
"""A step counts so far."""


def _steps(latest: Column) -> Ints:
    """Of ten counts kept by step modulo ten, which step each belongs to, when the latest is known."""
    latest = latest.astype(np.int64)
    return np.asarray(latest[:, None] - (latest[:, None] - np.arange(COUNT_STEPS)) % COUNT_STEPS)
