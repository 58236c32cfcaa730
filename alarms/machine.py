"""What a record, a deadline and silence do to the holds and alarms of some slots. Slots in one call are distinct.

Whether is told by sets of columns, a row a slot; since when by the cells of the running holds. The meaning is on the page docs/rules.md;
conditions come from `compiled`, the fleet is `state`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alarms.compiled import CLEAR as CLEAR_PLANE
from alarms.compiled import CLEAR_FALSE, NEVER, UNLESS, UNTIL, UNTIL_FALSE, WHEN, WHEN_FALSE, Compiled, Conditions
from alarms.groups import Groups, join
from alarms.holds import Cells, Fresh
from alarms.signals import BY_RULE, CLEAR, PROMOTE, RAISE, TRANSITION_DTYPE, Bools, Ints, Rows, Transitions, hits
from alarms.state import ACTIVE, ARMED, DEMOTED, HELD, SHIELDED, TRUE, State
from alarms.words import Words, chosen, listed, some
from hoistway.limits import MAX_GAP_MS

Sets = npt.NDArray[np.uint64]
"""Several sets a place: (flags, words, places)."""


class Sink:
    """Collects transitions of columns; rows of a later stage happened later in the same slot."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []
        self._stages: list[int] = []
        self._said: list[tuple[int, int, int, int, int, int, int, int]] = []
        self._said_at: list[int] = []
        self._stage = 0

    def add(self, kind: int, slots: Ints, columns: Ints, at: Ints, start: Ints, demoted: Bools | bool) -> None:
        if len(slots):
            rows = np.empty(len(slots), TRANSITION_DTYPE)
            rows["slot"], rows["rule"], rows["kind"], rows["at"] = slots, columns, kind, at
            rows["hold_start"], rows["demoted"], rows["level"], rows["witnesses"] = start, demoted, 0, BY_RULE
            self._parts.append(rows)
            self._stages.append(self._stage)

    def say(self, slot: int, column: int, kind: int, at: int, start: int, *, demoted: bool) -> None:
        """One transition of a column."""
        self._said.append((slot, column, kind, at, start, demoted, 0, BY_RULE))
        self._said_at.append(self._stage)

    def later(self) -> None:
        self._stage += 1

    def transitions(self, rules: Compiled, groups: Groups) -> Transitions:
        """All transitions of rules by time; of one slot in the order in which they happened, even where its two clocks disagree."""
        if not self._parts and not self._said:
            return Transitions(rows=np.zeros(0, TRANSITION_DTYPE))
        rows = np.concatenate([*self._parts, np.array(self._said, TRANSITION_DTYPE)])
        stage = np.concatenate([np.repeat(self._stages, [len(part) for part in self._parts]), self._said_at])
        causal = np.lexsort((_KIND_ORDER[rows["kind"]], rows["rule"], stage, rows["slot"]))
        rows = join(rows[causal], rules, groups)
        if not len(rows):
            return Transitions(rows=rows)
        latest = running_max(
            rows["at"].astype(np.int64), np.cumsum(np.diff(rows["slot"], prepend=rows["slot"][0]) != 0)
        )
        return Transitions(rows=rows[np.lexsort((np.arange(len(rows)), rows["slot"], latest))])


_KIND_ORDER = np.zeros(4, np.int8)
_KIND_ORDER[[CLEAR, PROMOTE, RAISE]] = (0, 1, 2)


def running_max(values: Ints, group: Ints) -> Ints:
    """The largest value so far within each group; groups are numbered upward and stand together."""
    if not len(values):
        return values
    low = int(values.min())
    span = int(values.max()) - low + 1
    if span * (int(group[-1]) + 1) < NEVER:
        lifted = np.maximum.accumulate(values - low + group * span)
        return np.asarray(lifted - group * span + low)
    levels, level = np.unique(values, return_inverse=True)
    return np.asarray(levels[running_max(level.astype(np.int64), group)])


@dataclass(frozen=True, kw_only=True)
class Records:
    """At most one sample or event a slot, in parallel arrays; `rows` says where their conditions stand."""

    slots: Ints
    at: Ints
    rows: Ints
    sample: Bools

    def some(self, places: Ints) -> Records:
        return Records(slots=self.slots[places], at=self.at[places], rows=self.rows[places], sample=self.sample[places])


def apply(state: State, rules: Compiled, records: Records, found: Conditions, sink: Sink) -> Ints:
    """Evaluate every column with a hold at one record of each slot. Answers when the next armed hold completes, NEVER where none does by
    itself; of a lift with holds of its own, ask `schedule`."""
    wide = state.holds.wide(records.slots)
    if not wide.any() or wide.all():
        return _apply(state, rules, records, found, sink)
    due = np.empty(len(wide), np.int64)
    for part in (hits(~wide), hits(wide)):
        due[part] = _apply(state, rules, records.some(part), found, sink)
    return due


def _apply(state: State, rules: Compiled, records: Records, found: Conditions, sink: Sink) -> Ints:
    slots, bit = records.slots, rules.bit
    flags, cells = state.sets(slots), state.holds.cells(slots)
    now = np.maximum(records.at, state.settled[slots])
    gap = records.sample & (records.at - state.last_at[slots] > MAX_GAP_MS)
    over = (gap | (now - cells.true_at > MAX_GAP_MS)) & ~rules.timeless[cells.column]
    said = _said(state, rules, records, found, flags)
    held, active, demoted = flags[HELD] & ~cells.united(over), flags[ACTIVE], flags[DEMOTED]
    loud_enough = rules.louds | ~said.unless

    mine = active & rules.holds
    clears = mine & said.clear
    held &= ~(mine & said.clear_false)
    fresh = clears & ~held
    complete = cells.member(clears & held) & (now - cells.start >= rules.clear_ms[cells.column])
    ended = cells.united(complete) | (fresh & rules.clears_at_once)
    _emit(sink, CLEAR, slots, ended, now, (cells, fresh, bit), demoted)
    active, demoted = active & ~ended, demoted & ~ended
    held = (held | fresh) & ~ended
    promoted = mine & active & demoted & ~said.unless
    _emit(sink, PROMOTE, slots, promoted, now, (cells, promoted, bit), np.zeros_like(demoted))
    demoted &= ~promoted

    quiet = ~active & rules.holds
    running = held & quiet
    # A hold that runs goes on, also of a lasting condition that is no longer ripe because the lift's own hold has become longer.
    lasts = said.clear_false & running & rules.lasting_set
    when = lasts | (said.when & ~rules.sequences) | (rules.sequences & said.until_false & (said.when | running))
    when_false = (said.when_false & ~rules.sequences) | (rules.sequences & said.until)
    held &= ~(quiet & when_false)
    raises = quiet & when
    begun = raises & ~held
    length = _raise_length(state, rules, slots, cells)
    complete = cells.member(raises & held) & (now - cells.start >= length)
    raised = (cells.united(complete) | (begun & _at_once(state, rules, slots))) & loud_enough
    fresh = (fresh & ~ended) | begun
    _emit(sink, RAISE, slots, raised, now, (cells, begun, bit), said.unless)
    active |= raised
    held = (held | begun) & ~raised
    demoted |= raised & said.unless

    np.copyto(cells.true_at, now, where=cells.member(clears | raises))
    flags[HELD], flags[ACTIVE], flags[DEMOTED] = held, active, demoted
    flags[ARMED] = held & ((active & said.clear) | (~active & when & loud_enough))
    flags[TRUE], flags[SHIELDED] = when, said.unless
    new = _new_holds(rules, records, found, now, (fresh & held, begun))
    kept = cells.member(held & ~fresh)
    state.holds.put(slots, cells, kept, new)
    state.write(slots, flags)
    horizon = np.where(records.sample, records.at, state.last_at[slots]) + MAX_GAP_MS
    return _first_end(rules, flags, (cells, kept, length), new, horizon)


def _new_holds(rules: Compiled, records: Records, found: Conditions, now: Ints, sets: tuple[Words, Words]) -> Fresh:
    """The holds that begin now, `sets[0]`; of them those of lasting conditions, if they are raise holds, `sets[1]`, began long ago."""
    row, column = listed(sets[0])
    starts = now[row]
    lasting = hits((rules.lasting_of[column] >= 0) & some(sets[1][:, row] & rules.bit[:, column]))
    starts[lasting] = found.starts(records.rows[row[lasting]])[
        rules.lasting_of[column[lasting]], np.arange(len(lasting))
    ]
    return row, column, starts, now[row]


def _first_end(rules: Compiled, flags: Sets, old: tuple[Cells, Bools, Ints], new: Fresh, horizon: Ints) -> Ints:
    """When the first hold of each slot completes by itself. `old`: cells, which of them go on, and the length of their raise holds."""
    cells, kept, length = old
    ends = cells.start + np.where(cells.member(flags[ACTIVE]), rules.clear_ms[cells.column], length)
    valid = kept & cells.member(flags[ARMED]) & (rules.timeless[cells.column] | (ends <= horizon))
    due = np.where(valid, ends, NEVER).min(axis=0)
    row, column, starts, _ = new
    bit = rules.bit[:, column]
    ends = starts + np.where(some(flags[ACTIVE][:, row] & bit), rules.clear_ms[column], rules.for_ms[column])
    ends[~some(flags[ARMED][:, row] & bit) | ~(rules.timeless[column] | (ends <= horizon[row]))] = NEVER
    np.minimum.at(due, row, ends)
    return np.asarray(due)


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What the conditions say at one record of each slot, as sets of columns."""

    when: Words
    when_false: Words
    unless: Words  # or shielded
    clear: Words
    clear_false: Words
    until: Words
    until_false: Words


def _said(state: State, rules: Compiled, records: Records, found: Conditions, flags: Sets) -> _Said:
    words, off = found.words[:, :, records.rows], state.off(records.slots)
    unless = words[UNLESS]
    if rules.shields:
        unless = unless | rules.shielded(flags[ACTIVE])
    return _Said(
        when=words[WHEN] & ~off,
        when_false=words[WHEN_FALSE] | off,
        unless=unless,
        clear=words[CLEAR_PLANE] | (off & rules.holds),
        clear_false=words[CLEAR_FALSE] & ~off,
        until=words[UNTIL],
        until_false=words[UNTIL_FALSE],
    )


def _raise_length(state: State, rules: Compiled, slots: Ints, cells: Cells) -> Ints:
    length = rules.for_ms[cells.column]
    for row in hits(state.special[slots]).tolist():
        length[:, row] = state.hold_ms(int(slots[row]))[cells.column[:, row]]
    return length


def _at_once(state: State, rules: Compiled, slots: Ints) -> Words:
    """The columns whose raise hold needs no time."""
    special = hits(state.special[slots])
    if not special.size:
        return rules.at_once
    found = np.repeat(rules.at_once, len(slots), axis=1)
    for row in special.tolist():
        found[:, row] = chosen(state.hold_ms(int(slots[row]))[:-1] == 0)[:, 0]
    return found


def _emit(
    sink: Sink, kind: int, slots: Ints, those: Words, at: Ints, starts: tuple[Cells, Words, Words], demoted: Words
) -> None:
    """`starts`: the cells of the holds, and the columns whose hold begins now."""
    if not those.any():
        return
    cells, fresh, bit = starts
    row, column = listed(those)
    begun = some(bit[:, column] & fresh[:, row])
    cell = (cells.column[:, row] == column).argmax(axis=0)
    start = np.where(begun, at[row], cells.start[cell, row])
    sink.add(kind, slots[row], column, at[row], start, some(bit[:, column] & demoted[:, row]))


def extend(state: State, slots: Ints, at: Ints, rules: Compiled) -> None:
    """The last record was repeated, unchanged and without a gap, until `at`: what is true stayed true, what is unknown aged."""
    for slots_, at_ in _apart(state, slots, at):
        flags, cells = state.sets(slots_), state.holds.cells(slots_)
        now = np.maximum(at_, state.settled[slots_])
        held, active = flags[HELD], flags[ACTIVE]
        # Of a raise hold TRUE says whether the condition is true now; of a clear hold ARMED does.
        true = held & ((active & flags[ARMED]) | (~active & flags[TRUE]))
        stays = cells.member(true)
        aged = (now - cells.true_at > MAX_GAP_MS) & ~stays & ~rules.timeless[cells.column]
        np.copyto(cells.true_at, now, where=stays)
        flags[HELD] = held & ~cells.united(aged)
        state.holds.put(slots_, cells, (cells.column >= 0) & ~aged, (_NOBODY, _NOBODY, _NOBODY, _NOBODY))
        state.write(slots_, flags)


_NOBODY = np.zeros(0, np.int64)


def _apart(state: State, slots: Ints, *others: Ints) -> list[tuple[Ints, ...]]:
    """The slots with small rows of holds, and those with wide ones."""
    wide = state.holds.wide(slots)
    if not wide.any():
        return [(slots, *others)]
    return [tuple(item[part] for item in (slots, *others)) for part in (~wide, wide) if part.any()]


def deadlines(state: State, rules: Compiled, slots: Ints, flags: Sets) -> tuple[Ints, Ints]:
    """For each slot when its next armed hold completes, NEVER where none does by itself, and that hold's column."""
    wide = state.holds.wide(slots)
    if wide.any() and not wide.all():
        at, column = np.empty(len(slots), np.int64), np.empty(len(slots), np.int64)
        for part in (~wide, wide):
            at[part], column[part] = _deadlines(state, rules, slots[part], flags[:, :, part])
        return at, column
    return _deadlines(state, rules, slots, flags)


def _deadlines(state: State, rules: Compiled, slots: Ints, flags: Sets) -> tuple[Ints, Ints]:
    cells = state.holds.cells(slots)
    clearing = cells.member(flags[ACTIVE])
    at = cells.start + np.where(clearing, rules.clear_ms[cells.column], _raise_length(state, rules, slots, cells))
    valid = cells.member(flags[ARMED])
    valid &= rules.timeless[cells.column] | (at <= state.horizon(slots))
    key = np.where(valid, (at << _COLUMN_BITS) | np.maximum(cells.column, 0), NEVER).min(axis=0)
    return np.where(key == NEVER, NEVER, key >> _COLUMN_BITS), key & (2**_COLUMN_BITS - 1)


_COLUMN_BITS = 12
"""Deadlines are compared by time, then by column; 50 bits are left for the time, enough until the year 37000."""


def silences(state: State, rules: Compiled, slots: Ints, flags: Sets) -> Ints:
    """When each silent rule is to be judged, NEVER where it has been or does not fit; (slots, silent columns)."""
    contact, lost = state.contact[slots, None], state.lost_at[slots, None]
    at = contact + rules.silent_ms
    at = np.where(lost == NEVER, at, np.minimum(at, np.maximum(lost, contact) + rules.lost_ms))
    fits = rules.fits[state.escalator[slots].astype(np.int8)][:, rules.silent]
    shut = (flags[HELD] | flags[ACTIVE] | state.off(slots))[:, :, None] & rules.bit[:, None, rules.silent]
    return np.where(fits & state.alive[slots, None] & ~shut.any(axis=0), at, NEVER)


def schedule(state: State, rules: Compiled, slots: Ints) -> None:
    """Note when time alone will next change something in these slots."""
    flags = state.sets(slots)
    hold = np.full(len(slots), NEVER)
    held = hits(state.holds.row[slots])
    if held.size:
        hold[held], _ = deadlines(state, rules, slots[held], flags[:, :, held])
    silence = rules.shortest_silence[state.escalator[slots].astype(np.int8)]
    due = np.where(state.alive[slots], state.contact[slots] + silence, NEVER)
    told = some((flags[HELD] | flags[ACTIVE] | state.off(slots)) & ~rules.holds)
    odd = hits(told | (state.lost_at[slots] != NEVER))
    if odd.size:
        due[odd] = silences(state, rules, slots[odd], flags[:, :, odd]).min(axis=1, initial=NEVER)
    state.due[slots] = np.minimum(hold, due)


def advance(state: State, rules: Compiled, slots: Ints, until: Ints, received: Ints, sink: Sink) -> None:
    """Let time pass: complete holds up to `until` (device time), judge silence up to `received` (server time), in order of time."""
    while len(slots):
        flags = state.sets(slots)
        next_hold, column = deadlines(state, rules, slots, flags)
        silent_at = silences(state, rules, slots, flags)
        next_silence = silent_at.min(axis=1, initial=NEVER)
        judge = next_silence <= received
        hold_first = next_hold <= np.where(judge, next_silence, until)
        silent_first = judge & ~hold_first
        if (rows := hits(hold_first)).size:
            _complete(state, rules, slots[rows], column[rows], next_hold[rows], sink)
        if (rows := hits(silent_first)).size:
            silent = rules.silent[silent_at[rows].argmin(axis=1)]
            _judge(state, rules, slots[rows], silent, next_silence[rows], sink)
        going = hits(hold_first | silent_first)
        slots, until, received = slots[going], until[going], received[going]
        sink.later()


def _complete(state: State, rules: Compiled, slots: Ints, column: Ints, at: Ints, sink: Sink) -> None:
    """The hold of one column in each slot is over at `at`: raise, or clear and perhaps hold again."""
    for slots_, column_, at_ in _apart(state, slots, column, at):
        flags, cells, bit = state.sets(slots_), state.holds.cells(slots_), rules.bit[:, column_]
        mine = cells.column == column_
        start = cells.start[mine.argmax(axis=0), np.arange(len(slots_))]
        clears, shielded, demoted, true = (some(flags[plane] & bit) for plane in (ACTIVE, SHIELDED, DEMOTED, TRUE))
        for kind, chosen_, down in ((CLEAR, clears, demoted), (RAISE, ~clears, shielded)):
            sink.add(kind, slots_[chosen_], column_[chosen_], at_[chosen_], start[chosen_], down[chosen_])
        again = clears & true
        for plane, up in (
            (ACTIVE, ~clears),
            (DEMOTED, ~clears & shielded),
            (HELD, again),
            (ARMED, again & (rules.loud[column_] | ~shielded)),
        ):
            flags[plane] = np.where(up, flags[plane] | bit, flags[plane] & ~bit)
        restarted = mine & again
        np.copyto(cells.start, at_, where=restarted)
        np.copyto(cells.true_at, at_, where=restarted)
        cell, row = np.nonzero(restarted)
        kept = (cells.column >= 0) & ~mine
        state.holds.put(slots_, cells, kept, (row, cells.column[cell, row], at_[row], at_[row]))
        state.settled[slots_] = np.maximum(state.settled[slots_], at_)
        state.write(slots_, flags)


def _judge(state: State, rules: Compiled, slots: Ints, column: Ints, at: Ints, sink: Sink) -> None:
    """One silent column in each slot has waited long enough at `at`."""
    flags, bit = state.sets(slots), rules.bit[:, column]
    holding = rules.holding(flags[HELD], flags[ACTIVE])
    view = state.view(slots, rules.silence_signals, holding=holding, link_lost=state.lost_at[slots] != NEVER, now=at)
    when, unless = rules.silence(view, column)
    if rules.shields:
        unless |= some(rules.shielded(flags[ACTIVE]) & bit)
    raised = when & (rules.loud[column] | ~unless)
    flags[HELD] |= bit
    flags[ACTIVE] |= bit * raised
    flags[DEMOTED] |= bit * (raised & unless)
    sink.add(RAISE, slots[raised], column[raised], at[raised], state.contact[slots[raised]], unless[raised])
    state.write(slots, flags)


def hear(state: State, rules: Compiled, slots: Ints, received: Ints, sink: Sink) -> None:
    """A sign of life of slots that had been judged silent: their silent alarms clear."""
    flags = state.sets(slots)
    flags[HELD] &= rules.holds
    ended = flags[ACTIVE] & ~rules.holds
    row, column = listed(ended)
    demoted = some(rules.bit[:, column] & flags[DEMOTED][:, row])
    sink.add(CLEAR, slots[row], column, received[row], received[row], demoted)
    flags[ACTIVE] &= ~ended
    flags[DEMOTED] &= ~ended
    state.write(slots, flags)
