"""What a record, a deadline and silence do to the holds and alarms of some slots. Slots in one call are distinct.

Everything works on matrices (slots, columns) of the few slots where something happens. The meaning is on the page docs/rules.md;
conditions come from `compiled`, columns from `state`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alarms.compiled import NEVER, Compiled, Conditions
from alarms.groups import Groups, join
from alarms.signals import BY_RULE, CLEAR, PROMOTE, RAISE, TRANSITION_DTYPE, Bools, Ints, Rows, Transitions
from alarms.state import ACTIVE, ARMED, DEMOTED, HELD, JUDGED, OFF, SHIELDED, TRUE, State
from hoistway.limits import MAX_GAP_MS


class Sink:
    """Collects transitions of columns; rows of a later stage happened later in the same slot."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []
        self._stages: list[int] = []
        self._stage = 0

    def add(self, kind: int, slots: Ints, columns: Ints, at: Ints, start: Ints, demoted: Bools | bool) -> None:
        if len(slots):
            rows = np.empty(len(slots), TRANSITION_DTYPE)
            rows["slot"], rows["rule"], rows["kind"], rows["at"] = slots, columns, kind, at
            rows["hold_start"], rows["demoted"], rows["level"], rows["witnesses"] = start, demoted, 0, BY_RULE
            self._parts.append(rows)
            self._stages.append(self._stage)

    def later(self) -> None:
        self._stage += 1

    def transitions(self, rules: Compiled, groups: Groups) -> Transitions:
        """All transitions of rules by time; of one slot in the order in which they happened, even where its two clocks disagree."""
        if not self._parts:
            return Transitions(rows=np.zeros(0, TRANSITION_DTYPE))
        rows = np.concatenate(self._parts)
        stage = np.repeat(self._stages, [len(part) for part in self._parts])
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


def apply(state: State, rules: Compiled, records: Records, found: Conditions, sink: Sink) -> None:
    """Evaluate every column with a hold at one record of each slot."""
    slots = records.slots
    flags, times = state.read(slots), state.times(slots)
    start, true_at = times
    now = np.maximum(records.at, state.settled[slots])[:, None]
    held, active, demoted = flags[:, HELD], flags[:, ACTIVE], flags[:, DEMOTED]
    gap = records.sample & (records.at - state.last_at[slots] > MAX_GAP_MS)
    held &= rules.timeless | ~(gap[:, None] | (now - true_at > MAX_GAP_MS))
    said = _said(state, rules, records, found, flags)

    was_active = active & rules.hold
    ended = _hold(held, was_active, said.clear, said.clear_false, start, true_at, now) & (now - start >= rules.clear_ms)
    _emit(sink, CLEAR, slots, ended, now, start, demoted)
    active &= ~ended
    held &= ~ended
    demoted &= ~ended
    promoted = was_active & active & demoted & ~said.unless
    _emit(sink, PROMOTE, slots, promoted, now, np.broadcast_to(now, start.shape), np.zeros_like(demoted))
    demoted &= ~promoted

    when, when_false = _condition(rules, said, held, active)
    complete = _hold(held, ~active & rules.hold, when, when_false, start, true_at, now)
    complete &= now - start >= state.hold_ms(slots)
    raised = complete & (rules.loud | ~said.unless)
    _emit(sink, RAISE, slots, raised, now, start, said.unless)
    active |= raised
    held &= ~raised
    demoted |= raised & said.unless

    flags[:, ARMED] = held & np.where(active, said.clear, when & (rules.loud | ~said.unless))
    flags[:, TRUE], flags[:, SHIELDED] = when, said.unless
    state.write(slots, flags, times)


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What the conditions of all columns say at one record of each slot, as (slots, columns)."""

    when: Bools
    when_false: Bools
    unless: Bools  # or shielded
    clear: Bools
    clear_false: Bools
    until: Bools
    until_false: Bools


def _said(state: State, rules: Compiled, records: Records, found: Conditions, flags: Bools) -> _Said:
    lines = found.lines[:, records.rows].T
    off = flags[:, OFF]
    fits = rules.fits[state.escalator[records.slots].astype(np.int8)] & ~off
    unless = lines[:, rules.unless_true]
    shielded = rules.shielded(flags[:, ACTIVE])
    return _Said(
        when=lines[:, rules.when_true] & fits,
        when_false=lines[:, rules.when_false] | off,
        unless=unless if shielded is None else unless | shielded,
        clear=lines[:, rules.clear_true] | (off & rules.hold),
        clear_false=lines[:, rules.clear_false] & ~off,
        until=lines[:, rules.until_true],
        until_false=lines[:, rules.until_false],
    )


def _condition(rules: Compiled, said: _Said, held: Bools, active: Bools) -> tuple[Bools, Bools]:
    """What the raise holds live by: `when`, or of a sequence that `until` has not come."""
    if not rules.sequence.size:
        return said.when, said.when_false
    when, when_false, own = said.when.copy(), said.when_false.copy(), rules.sequence
    running = held[:, own] & ~active[:, own]
    when[:, own] = said.until_false[:, own] & (said.when[:, own] | running)
    when_false[:, own] = said.until[:, own]
    return when, when_false


def _hold(held: Bools, mine: Bools, true: Bools, false: Bools, start: Ints, true_at: Ints, now: Ints) -> Bools:
    """Start, keep or drop the holds of the rules in `mine`; where the condition is true now the hold may be complete."""
    held &= ~(mine & false)
    true = true & mine
    new = true & ~held
    np.copyto(start, now, where=new)
    np.copyto(true_at, now, where=true)
    held |= true
    return true


def _emit(sink: Sink, kind: int, slots: Ints, chosen: Bools, at: Ints, start: Ints, demoted: Bools) -> None:
    row, column = np.nonzero(chosen)
    if len(row):
        sink.add(kind, slots[row], column, at[row, 0], start[row, column], demoted[row, column])


def extend(state: State, slots: Ints, at: Ints, rules: Compiled) -> None:
    """The last record was repeated, unchanged and without a gap, until `at`: what is true stayed true, what is unknown aged."""
    flags, times = state.read(slots), state.times(slots)
    now = np.maximum(at, state.settled[slots])[:, None]
    held, active = flags[:, HELD], flags[:, ACTIVE]
    aged = now - times[1] > MAX_GAP_MS
    # Of a raise hold TRUE says whether the condition is true now; of a clear hold ARMED does.
    true = held & np.where(active, flags[:, ARMED], flags[:, TRUE])
    np.copyto(times[1], now, where=true)
    held &= true | ~aged | rules.timeless
    state.write(slots, flags, times)


def deadlines(state: State, rules: Compiled, slots: Ints, flags: Bools) -> Ints:
    """When each armed hold completes, NEVER where it does not by itself."""
    length = np.where(flags[:, ACTIVE], rules.clear_ms, state.hold_ms(slots))
    at = state.times(slots)[0] + length
    valid = flags[:, ARMED] & (rules.timeless | (at <= state.horizon(slots)[:, None]))
    return np.where(valid, at, NEVER)


def silences(state: State, rules: Compiled, slots: Ints, flags: Bools) -> Ints:
    """When each silent rule is to be judged, NEVER where it has been or does not fit; (slots, silent rules)."""
    contact, lost = state.contact[slots, None], state.lost_at[slots, None]
    at = contact + rules.silent_ms
    at = np.where(lost == NEVER, at, np.minimum(at, np.maximum(lost, contact) + rules.lost_ms))
    fits = rules.fits[state.escalator[slots].astype(np.int8)][:, rules.silent]
    closed = (flags[:, JUDGED] | flags[:, ACTIVE] | flags[:, OFF])[:, rules.silent]
    open_ = fits & state.alive[slots, None] & ~closed
    return np.where(open_, at, NEVER)


def schedule(state: State, rules: Compiled, slots: Ints) -> None:
    """Note when time alone will next change something in these slots."""
    flags = state.read(slots)
    hold = deadlines(state, rules, slots, flags).min(axis=1, initial=NEVER)
    state.due[slots] = np.minimum(hold, silences(state, rules, slots, flags).min(axis=1, initial=NEVER))


def advance(state: State, rules: Compiled, slots: Ints, until: Ints, received: Ints, sink: Sink) -> None:
    """Let time pass: complete holds up to `until` (device time), judge silence up to `received` (server time), in order of time."""
    while len(slots):
        flags = state.read(slots)
        hold_at, silent_at = deadlines(state, rules, slots, flags), silences(state, rules, slots, flags)
        next_hold, next_silence = hold_at.min(axis=1, initial=NEVER), silent_at.min(axis=1, initial=NEVER)
        judge = next_silence <= received
        hold_first = next_hold <= np.where(judge, next_silence, until)
        silent_first = judge & ~hold_first
        if (rows := np.flatnonzero(hold_first)).size:
            _complete(state, rules, slots[rows], flags[rows], hold_at[rows].argmin(axis=1), next_hold[rows], sink)
        if (rows := np.flatnonzero(silent_first)).size:
            column = rules.silent[silent_at[rows].argmin(axis=1)]
            _judge(state, rules, slots[rows], flags[rows], column, next_silence[rows], sink)
        going = np.flatnonzero(hold_first | silent_first)
        slots, until, received = slots[going], until[going], received[going]
        sink.later()


def _complete(state: State, rules: Compiled, slots: Ints, flags: Bools, column: Ints, at: Ints, sink: Sink) -> None:
    """The hold of one column in each slot is over at `at`: raise, or clear and perhaps hold again."""
    row = np.arange(len(slots))
    times = state.times(slots)
    start = times[0][row, column]
    clears = flags[row, ACTIVE, column]
    shielded = flags[row, SHIELDED, column]
    for kind, chosen, demoted in ((CLEAR, clears, flags[row, DEMOTED, column]), (RAISE, ~clears, shielded)):
        sink.add(kind, slots[chosen], column[chosen], at[chosen], start[chosen], demoted[chosen])
    again = clears & flags[row, TRUE, column]
    flags[row, ACTIVE, column] = ~clears
    flags[row, DEMOTED, column] = ~clears & shielded
    flags[row, HELD, column] = again
    flags[row, ARMED, column] = again & (rules.loud[column] | ~shielded)
    for item in times:
        item[row[again], column[again]] = at[again]
    state.settled[slots] = np.maximum(state.settled[slots], at)
    state.write(slots, flags, times)


def _judge(state: State, rules: Compiled, slots: Ints, flags: Bools, column: Ints, at: Ints, sink: Sink) -> None:
    """One silent column in each slot has waited long enough at `at`."""
    row = np.arange(len(slots))
    holding = rules.holding(flags[:, HELD] & ~flags[:, ACTIVE])
    view = state.view(slots, rules.silence_signals, holding=holding, link_lost=state.lost_at[slots] != NEVER, now=at)
    when, unless = rules.silence(view, column)
    if (shielded := rules.shielded(flags[:, ACTIVE])) is not None:
        unless |= shielded[row, column]
    raised = when & (rules.loud[column] | ~unless)
    flags[row, JUDGED, column] = True
    flags[row, ACTIVE, column] = raised
    flags[row, DEMOTED, column] = raised & unless
    sink.add(RAISE, slots[raised], column[raised], at[raised], state.contact[slots[raised]], unless[raised])
    state.write(slots, flags)


def hear(state: State, rules: Compiled, slots: Ints, received: Ints, sink: Sink) -> None:
    """A sign of life of slots that had been judged silent: their silent alarms clear."""
    flags = state.read(slots)
    flags[:, JUDGED] = False
    ended = flags[:, ACTIVE] & ~rules.hold
    now = received[:, None]
    _emit(sink, CLEAR, slots, ended, now, np.broadcast_to(now, ended.shape), flags[:, DEMOTED])
    flags[:, ACTIVE] &= ~ended
    flags[:, DEMOTED] &= ~ended
    state.write(slots, flags)
