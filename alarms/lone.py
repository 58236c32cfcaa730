"""Remembering in a batch, or the part of one, in which every slot has one sample only: the terms of one function all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alarms.compiled import NEVER
from alarms.counts import aged, note_over, over_at, risen, total
from alarms.in_order import InOrder
from alarms.language.checker import Term, Type, window_ms
from alarms.program import LASTING_BIAS, LASTING_NONE, Lasted, Truth
from alarms.recall import LASTED_MOST, PASSED_MOST, Memory, Recall, plain
from alarms.signals import Bools, Column, Ints, Rows, Values, columns_at
from alarms.state import AGO_MOST, State, memory_field
from hoistway.limits import MAX_GAP_MS


class Lone(Recall):
    """The remembering terms of a batch of samples of distinct slots: nothing in it comes before anything else.

    Works in the order of the rows; says the same as `InOrder`, with a tenth of the steps.
    """

    def __init__(self, state: State, slots: Ints, at: Ints, lifts: Rows) -> None:
        """`lifts`: their rows before the batch."""
        super().__init__(state, slots)
        self._at, self._lifts = at, lifts
        self._gap = at - lifts["last_at"] > MAX_GAP_MS
        self._gaps = bool(self._gap.any())
        self._before: Values | None = None

    def changed(self, term: Term, _: Memory, value: Any) -> Truth:
        if self._before is None:
            names = [str(item.parts[0].value) for item in self._state.rules.remembering if item.op == "changed"]
            self._before = columns_at(self._state.last, self._slots, names)
        here, there = plain(value), self._before[str(term.parts[0].value)]
        if term.parts[0].type is Type.NUMBER:
            known = ~(np.isnan(here) | np.isnan(there) | self._gap)
        else:
            known = (here >= 0) & (there >= 0) & ~self._gap
        differs = here != there
        return Truth(known & differs, known & ~differs)

    def ages(self, _: list[Term], places: slice, values: tuple[Truth, ...]) -> Column:
        true, false = self._all(values)
        field = self._memory["age.since"]
        since = np.ascontiguousarray(field[:, places].T)
        np.copyto(since, NEVER, where=false | self._gap if self._gaps else false)
        np.copyto(since, self._at, where=true & (since == NEVER))
        field[:, places] = since.T
        seconds = ((self._at - since) / 1_000).astype(np.float32)
        np.copyto(seconds, np.float32(np.nan), where=~true)
        np.copyto(seconds, np.float32(0), where=false)
        return np.asarray(seconds)

    def lasting(self, true: Bools, false: Bools) -> Lasted:
        passed = np.minimum(self._at - self._lifts["clock"], PASSED_MOST).astype(np.int32)
        ahead = np.clip(self._lifts["settled"] - self._at, 0, PASSED_MOST).astype(np.int32)
        lasted = np.ascontiguousarray(self._memory["lasting.start"].T)
        ago = np.ascontiguousarray(self._memory["lasting.true"].T)
        none = (lasted == LASTING_NONE) | false
        np.minimum(lasted, LASTED_MOST, out=lasted)
        lasted += passed.view(np.uint32)
        np.minimum(ago, AGO_MOST, out=ago)
        ago += passed
        none |= ago + ahead > MAX_GAP_MS
        far = ahead == PASSED_MOST
        if self._gaps:
            none |= self._gap
        np.copyto(lasted, LASTING_NONE, where=none | far)
        np.copyto(lasted, (LASTING_BIAS - ahead).view(np.uint32), where=none & true & ~far)
        np.copyto(ago, -ahead, where=true)
        self._memory["lasting.start"], self._memory["lasting.true"] = lasted.T, ago.T
        return np.asarray(lasted)

    def _all(self, values: tuple[Truth, ...]) -> tuple[Bools, Bools]:
        """Truths as (terms, records), also of constants."""
        true, false = (np.empty((len(values), len(self._slots)), bool) for _ in range(2))
        for place, value in enumerate(values):
            true[place], false[place] = value
        return true, false

    def counts(self, _: list[Term], places: slice, values: tuple[Truth, ...]) -> Column:
        true, false = self._all(values)
        kept_was = self._memory["count.was"][:, places]
        was = np.ascontiguousarray(kept_was.T)
        if self._gaps:
            was[:, self._gap] = -1
        edge = true & (was == 0)
        np.copyto(was, 1, where=true)
        np.copyto(was, 0, where=false)
        kept_was[:] = was.T
        touched = edge.copy()
        touched[:, self._memory["count.over"] <= self._at] = True
        place, row = np.nonzero(touched)
        if row.size:
            self._count(place + places.start, row, edge[place, row])
        return np.ascontiguousarray(self._memory["count.total"][:, places].T).astype(np.float32)

    def _count(self, place: Ints, row: Ints, edge: Bools) -> None:
        """Where something has risen, or a count of the lift has grown too old."""
        fields = (self._memory[memory_field("count", name)] for name in ("packed", "latest", "total"))
        packed, latest, total_ = fields
        over, step_ms, at = self._memory["count.over"], self._state.rules.count_step_ms[place], self._at[row]
        step = at // step_ms
        now = risen(aged(packed[row, place], latest[row, place].astype(np.int64), step), edge)
        packed[row, place], latest[row, place], total_[row, place] = now, step, total(now)
        # That a lift is looked at too early does no harm: then it is worked out anew.
        np.minimum.at(over, row, over_at(now, step, step_ms))
        early = row[over[row] <= at]
        if early.size:
            note_over(self._memory, early, self._state.rules.count_step_ms)

    def rates(self, terms: list[Term], places: slice, values: tuple[Column, ...]) -> Column:
        here = np.empty((len(values), len(self._slots)), np.float32)
        for place, value in enumerate(values):
            here[place] = value
        known = ~np.isnan(here)
        window = np.array([[window_ms(term)] for term in terms])
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


class Mixed(Recall):
    """A batch of which most slots have one sample only: these are `Lone`, the others `InOrder`."""

    def __init__(self, lone: Lone, mine: Ints, others: InOrder, theirs: Ints) -> None:
        self._parts: tuple[tuple[Recall, Ints], ...] = ((lone, mine), (others, theirs))
        self._size = len(mine) + len(theirs)

    def keep(self) -> None:
        for part, _ in self._parts:
            part.keep()

    def lasting(self, true: Bools, false: Bools) -> Lasted:
        found = np.empty(true.shape, np.uint32)
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
