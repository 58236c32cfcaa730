"""Functions of the rule language that remember earlier records: changed, age, count, rate, since_reported (docs/rules.md, section 3).

Each is worked out for a whole batch at once, record by record of a slot as if one by one, and brings its state up to date. `Timeline`
says how the batch's samples and events follow each other; values come and go in the order of the batch's rows (events, then samples).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

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

    @property
    def last(self) -> Ints:
        """Where each slot ends, inclusive."""
        return np.append(self.opening[1:], len(self.slot)) - 1


class Recall:
    """The remembering terms of one batch, in the order of `Compiled.remembering`."""

    def __init__(self, state: State, line: Timeline) -> None:
        self._state, self._line = state, line
        line_of = np.zeros(len(line.slot), np.int64)
        line_of[line.opening] = 1
        self._group = np.cumsum(line_of) - 1  # which slot of the batch, counted from 0
        self._slots = line.slot[line.opening]
        self._index = np.arange(len(line.slot))
        self._before, self._gap = self._earlier_samples()

    def __call__(self, number: int, value: Any) -> Any:
        term, memory = self._state.rules.remembering[number], self._state.remembered[number]
        return _WORK[term.op](self, term, memory, value)

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
        since[self._slots] = began[segment[line.last]]
        seconds = ((line.at - began[segment]) / 1_000).astype(np.float32)
        return self._in_rows(
            np.where(true, seconds, np.where(false, np.float32(0), np.float32(np.nan))).astype(np.float32)
        )

    def count(self, term: Term, memory: dict[str, Column], value: Truth) -> Column:
        true, false = self._known(value)
        edge = self._rises(true, false, memory["was"])
        step = self._line.at // (_window(term) // COUNT_STEPS)
        stored = np.asarray(memory["counts"][self._slots].any(axis=1))
        if not edge.any() and not stored.any():
            return np.zeros(len(edge), np.float32)
        before = np.zeros(len(edge), np.int64)
        for group in np.flatnonzero(stored).tolist():
            before[self._line.opening[group] : self._line.last[group] + 1] = 1
        total = self._inside(edge, step)
        places = np.flatnonzero(before)
        if places.size:
            total[places] += self._stored(memory, places, step)
        self._keep_counts(memory, edge, step, stored)
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
        last = line.last
        ends = latest[last] >= segment_start[last]
        was[self._slots] = np.where(ends, true[latest[last]], earlier[last])
        return np.asarray(true & (before == 0))

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

    def _keep_counts(self, memory: dict[str, Column], edge: Bools, step: Ints, stored: Bools) -> None:
        touched = stored.copy()
        touched[self._group[edge]] = True
        groups = np.flatnonzero(touched)
        slots, latest = self._slots[groups], step[self._line.last[groups]]
        counts = np.where(_steps(memory["step"][slots]) > (latest - COUNT_STEPS)[:, None], memory["counts"][slots], 0)
        counts = counts.astype(np.int64)
        place = np.zeros(len(self._slots), np.int64)
        place[groups] = np.arange(len(groups))
        rises = np.flatnonzero(edge)
        rises = rises[step[rises] > step[self._line.last[self._group[rises]]] - COUNT_STEPS]
        np.add.at(counts, (place[self._group[rises]], step[rises] % COUNT_STEPS), 1)
        memory["counts"][slots] = np.minimum(counts, np.iinfo(np.uint16).max)
        memory["step"][slots] = latest

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
        kept[self._slots] = at[line.last]
        return self._in_rows(((line.at - at) / 1_000).astype(np.float32))


def _plain(value: Any) -> Column:
    """A condition as 1, 0 and -1; anything else as it is."""
    if not isinstance(value, Truth):
        return np.asarray(value)
    return value.true.astype(np.int8) - (~(value.true | value.false)).astype(np.int8)


def _window(term: Term) -> int:
    return int(str(term.value))


def _steps(latest: Ints) -> Ints:
    """Of ten counts kept by step modulo ten, which step each belongs to, when the latest is known."""
    return np.asarray(latest[:, None] - (latest[:, None] - np.arange(COUNT_STEPS)) % COUNT_STEPS)


_WORK: Final[dict[str, Callable[[Recall, Term, dict[str, Column], Any], Any]]] = {
    "changed": Recall.changed,
    "age": Recall.age,
    "count": Recall.count,
    "rate": Recall.rate,
    "since_reported": Recall.since_reported,
}
