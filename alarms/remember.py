"""Functions of the rule language that remember earlier records: changed, age, count, rate, since_reported (docs/rules.md, section 3).

Each is worked out for a whole batch at once, record by record of a slot as if one by one, and brings its state up to date. `Timeline`
says how the batch's samples and events follow each other; values come and go in the order of the batch's rows (events, then samples).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from alarms.compiled import NEVER
from alarms.language.checker import COUNT_STEPS, Term, Type
from alarms.program import Truth
from alarms.signals import Bools, Column, Ints, Rows, columns, hits, pick
from alarms.state import REMEMBERED, State, kept, memory_field
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


Memory = dict[str, Any]
"""What one term keeps of each slot of the batch, by name; written through to the rows."""


class Recall:
    """The remembering terms of one batch, in the order of `Compiled.remembering`. One method a function, named after it, for one term;
    or, in the plural, for all terms that are asked together.

    The rows of memory are taken out at the start, one a slot, and put back by `keep`.
    """

    def __init__(self, state: State, slots: Ints) -> None:
        self._state, self._slots = state, slots
        self._lump = np.dtype((np.void, state.memory.dtype.itemsize))
        self._memory: Rows = state.memory.view(self._lump)[slots].view(state.memory.dtype)

    def __call__(self, numbers: tuple[int, ...], values: tuple[Any, ...]) -> Sequence[Any]:
        """The values of these terms, all of one function."""
        rules = self._state.rules
        terms = [rules.remembering[number] for number in numbers]
        together = getattr(self, f"{terms[0].op}s", None)
        if together is not None:
            places = slice(rules.place[numbers[0]], rules.place[numbers[-1]] + 1)
            return cast("Sequence[Any]", together(terms, places, values))
        return [
            getattr(self, term.op)(term, kept(self._memory, rules, number), value)
            for number, term, value in zip(numbers, terms, values, strict=True)
        ]

    def lasting(self, true: Bools, false: Bools) -> Ints:
        """Since when each lasting condition has lasted at each record; a hold, but for what the alarm does to it."""
        raise NotImplementedError

    def _lasted(self) -> tuple[Ints, Ints]:
        """Of each slot since when its lasting conditions have lasted and when they were last true, as (conditions, slots); NEVER not at
        all. They are kept as distances from the slot's clock, which takes half the room."""
        clock, back = self._state.clock[self._slots], self._memory["lasting.start"].T
        start = clock + _BIAS - back
        start[back == _NONE] = NEVER
        return start, clock - self._memory["lasting.true"].T

    def _keep_lasting(self, start: Ints, true_at: Ints, clock: Ints) -> None:
        """`clock`: of each slot after its last record."""
        back = np.minimum(np.maximum(clock + _BIAS - start, 0), _NONE - 1)
        back[start == NEVER] = _NONE
        self._memory["lasting.start"] = back.T
        self._memory["lasting.true"] = np.minimum(clock - true_at, 2**31 - 1).T

    def keep(self) -> None:
        """Once every term has been asked."""
        self._state.memory.view(self._lump)[self._slots] = self._memory.view(self._lump)


_NONE: Final = 2**32 - 1
_BIAS: Final = 2**30
"""A hold may have begun after its slot's clock, where time alone went on: by up to 12 days. 37 days are left for its age."""


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
        here = self._ordered(_plain(value))
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

    def lasting(self, true: Bools, false: Bools) -> Ints:
        line = self._line
        now = np.maximum(line.at, self._state.settled[line.slot])
        kept_start, kept_true = self._lasted()
        found = np.empty(true.shape, np.int64)
        for place in range(len(true)):
            starts, true_at = self._last_as_hold(
                self._ordered(true[place]), self._ordered(false[place]), now, kept_start[place], kept_true[place]
            )
            found[place] = self._in_rows(starts)
            kept_start[place], kept_true[place] = starts[self._last], true_at
        self._keep_lasting(kept_start, kept_true, line.at[self._last])
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
        length = _window(term) // COUNT_STEPS
        step = self._line.at // length
        self._stop_counting(memory, edge, step)
        stored = np.asarray(memory["counts"].any(axis=1))
        if not edge.any() and not stored.any():
            return np.zeros(len(edge), np.float32)
        total = self._inside(edge, step)
        places = hits(stored[self._group])
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
        before = np.where(_steps(_latest(memory, group)) == mine[:, None], memory["counts"][group], 0).sum(
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

    def _stored(self, memory: Memory, places: Ints, step: Ints) -> Ints:
        """Of some records the kept rises in the step of the record and the nine before it."""
        latest = _latest(memory, np.arange(len(self._slots)))
        newest_first = (latest[:, None] - np.arange(COUNT_STEPS)) % COUNT_STEPS
        total = np.take_along_axis(memory["counts"], newest_first, axis=1).cumsum(axis=1, dtype=np.int16)
        groups = self._group[places]
        reach = COUNT_STEPS - 1 - (step[places] - latest[groups])
        return np.where(reach >= 0, total[groups, np.clip(reach, 0, COUNT_STEPS - 1)], 0)

    def _keep_counts(self, memory: Memory, edge: Bools, step: Ints, stored: Bools) -> None:
        touched = stored.copy()
        touched[self._group[edge]] = True
        groups = hits(touched)
        latest = step[self._last[groups]]
        counts = _fading(memory, groups, latest).astype(np.int64)
        place = np.zeros(len(self._slots), np.int64)
        place[groups] = np.arange(len(groups))
        rises = hits(edge)
        rises = rises[step[rises] > step[self._last[self._group[rises]]] - COUNT_STEPS]
        np.add.at(counts, (place[self._group[rises]], step[rises] % COUNT_STEPS), 1)
        _keep(memory, groups, np.minimum(counts, COUNT_MOST).astype(np.uint8), latest)

    def rate(self, term: Term, memory: Memory, value: Column) -> Column:
        line, window = self._line, _window(term)
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


class Mixed(Recall):
    """A batch of which most slots have one sample only: these are `Lone`, the others `InOrder`."""

    def __init__(self, lone: Lone, mine: Ints, others: InOrder, theirs: Ints) -> None:
        self._parts: tuple[tuple[Recall, Ints], ...] = ((lone, mine), (others, theirs))
        self._size = len(mine) + len(theirs)

    def keep(self) -> None:
        for part, _ in self._parts:
            part.keep()

    def lasting(self, true: Bools, false: Bools) -> Ints:
        found = np.empty(true.shape, np.int64)
        for part, rows in self._parts:
            found[:, rows] = part.lasting(true[:, rows], false[:, rows])
        return found

    def __call__(self, numbers: tuple[int, ...], values: tuple[Any, ...]) -> Sequence[Any]:
        answers = [
            (rows, part(numbers, tuple(_some(value, rows, self._size) for value in values)))
            for part, rows in self._parts
        ]
        return [self._joined([(rows, found[place]) for rows, found in answers]) for place in range(len(numbers))]

    def _joined(self, answers: list[tuple[Ints, Any]]) -> Any:
        if isinstance(answers[0][1], Truth):
            truth = Truth(np.empty(self._size, bool), np.empty(self._size, bool))
            for rows, answer in answers:
                truth.true[rows], truth.false[rows] = answer
            return truth
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
        super().__init__(state, slots)
        self._at = at
        self._gap = at - state.last_at[slots] > MAX_GAP_MS
        self._gaps = bool(self._gap.any())
        self._before: Rows | None = None

    def changed(self, term: Term, _: Memory, value: Any) -> Truth:
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

    def ages(self, _: list[Term], places: slice, values: tuple[Truth, ...]) -> Column:
        true, false = self._all(values)
        field = self._memory[memory_field("age", "since")]
        since = np.ascontiguousarray(field[:, places].T)
        np.copyto(since, NEVER, where=false | self._gap if self._gaps else false)
        np.copyto(since, self._at, where=true & (since == NEVER))
        field[:, places] = since.T
        seconds = ((self._at - since) / 1_000).astype(np.float32)
        np.copyto(seconds, np.float32(np.nan), where=~true)
        np.copyto(seconds, np.float32(0), where=false)
        return np.asarray(seconds)

    def lasting(self, true: Bools, false: Bools) -> Ints:
        now = np.maximum(self._at, self._state.settled[self._slots])
        start, true_at = self._lasted()
        np.copyto(start, NEVER, where=false | self._gap | (now - true_at > MAX_GAP_MS))
        np.copyto(start, now, where=true & (start == NEVER))
        np.copyto(true_at, now, where=true)
        self._keep_lasting(start, true_at, self._at)
        return start

    def _all(self, values: tuple[Truth, ...]) -> tuple[Bools, Bools]:
        """Truths as (terms, records), also of constants."""
        true, false = (np.empty((len(values), len(self._slots)), bool) for _ in range(2))
        for place, value in enumerate(values):
            true[place], false[place] = value
        return true, false

    def counts(self, terms: list[Term], places: slice, values: tuple[Truth, ...]) -> Column:
        true, false = self._all(values)
        kept_was, oldest, total = (
            self._memory[memory_field("count", name)][:, places] for name in ("was", "oldest", "total")
        )
        was = kept_was.T.copy()
        if self._gaps:
            was[:, self._gap] = -1
        edge = true & (was == 0)
        np.copyto(was, 1, where=true)
        np.copyto(was, 0, where=false)
        kept_was[:] = was.T
        length = np.array([[_window(term) // COUNT_STEPS] for term in terms])
        over = (oldest.T.astype(np.int64) + COUNT_STEPS) * length <= self._at
        place, row = np.nonzero(edge | over)
        if row.size:
            self._count(place + places.start, row, edge[place, row], self._at[row] // length[place, 0])
        return total.T.astype(np.float32)

    def _count(self, place: Ints, row: Ints, edge: Bools, step: Ints) -> None:
        """Where something has risen, or a count has grown too old."""
        memory = {name: self._memory[memory_field("count", name)] for name in REMEMBERED["count"]}
        here = row, place
        counts = _fading(memory, here, step)
        rises = hits(edge)
        cell = step[rises] % COUNT_STEPS
        counts[rises, cell] += counts[rises, cell] < COUNT_MOST
        _keep(memory, here, counts, step)

    def rates(self, terms: list[Term], places: slice, values: tuple[Column, ...]) -> Column:
        here = np.empty((len(values), len(self._slots)), np.float32)
        for place, value in enumerate(values):
            here[place] = value
        known = ~np.isnan(here)
        window = np.array([[_window(term)] for term in terms])
        times, numbers = (self._memory[memory_field("rate", name)][:, places] for name in ("at", "value"))
        at, value = (np.ascontiguousarray(kept_.transpose(2, 1, 0)) for kept_ in (times, numbers))
        step = self._at // window
        new = known & (at[1] // window != step)
        if new.any():
            for stored, fresh in ((at, self._at), (value, here)):
                np.copyto(stored[0], stored[1], where=new)
                np.copyto(stored[1], fresh, where=new)
            times[:], numbers[:] = at.transpose(2, 1, 0), value.transpose(2, 1, 0)
        with np.errstate(all="ignore"):
            slope = (here - value[0]) / ((self._at - at[0]) / 1_000).astype(np.float32)
        usable = known & (at[0] // window == step - 1) & np.isfinite(slope)
        return np.asarray(np.where(usable, slope, np.float32(np.nan)))

    def since_reported(self, _: Term, memory: Memory, __: object) -> Column:
        kept = memory["at"]
        new = kept == -NEVER
        if new.any():
            kept[new] = self._at[new]
        return np.asarray((self._at - kept) / 1_000, np.float32)


def _plain(value: Any) -> Column:
    """A condition as 1, 0 and -1; anything else as it is."""
    if not isinstance(value, Truth):
        return np.asarray(value)
    return value.true.astype(np.int8) - (~(value.true | value.false)).astype(np.int8)


def _window(term: Term) -> int:
    return int(str(term.value))


def _keep(memory: Memory, rows: Ints | tuple[Ints, Ints], counts: Column, step: Ints) -> None:
    """Counts by step, the oldest step that counts, how far the latest is from it, and the total."""
    back = np.where(counts > 0, _BACK[step % COUNT_STEPS], np.int8(-1)).max(axis=1)
    memory["oldest"][rows] = np.where(back < 0, NO_STEP, step - back)
    memory["lead"][rows] = np.maximum(back, 0)
    memory["counts"][rows] = counts
    memory["total"][rows] = counts.sum(axis=1, dtype=np.uint16)


def _fading(memory: Memory, rows: Ints | tuple[Ints, Ints], step: Ints) -> Column:
    """The kept counts as of a step: those of steps too long ago are over."""
    counts, latest = memory["counts"][rows], _latest(memory, rows)
    passed = np.clip(step - latest, 0, COUNT_STEPS).astype(np.int8)
    counts[_BACK[latest % COUNT_STEPS] + passed[:, None] >= COUNT_STEPS] = 0
    return np.asarray(counts)


def _latest(memory: Memory, rows: Ints | tuple[Ints, Ints]) -> Ints:
    """The step in which each was counted last; of no meaning where there is no count."""
    return np.asarray(memory["oldest"][rows].astype(np.int64) + memory["lead"][rows])


NO_STEP = 2**32 - 1
COUNT_MOST = 255
"""A step counts so far."""


_BACK: Final = ((np.arange(COUNT_STEPS)[:, None] - np.arange(COUNT_STEPS)) % COUNT_STEPS).astype(np.int8)
"""How many steps before a step, modulo ten, each of the ten kept counts lies."""


def _steps(latest: Column) -> Ints:
    """Of ten counts kept by step modulo ten, which step each belongs to, when the latest is known."""
    latest = latest.astype(np.int64)
    return np.asarray(latest[:, None] - (latest[:, None] - np.arange(COUNT_STEPS)) % COUNT_STEPS)
