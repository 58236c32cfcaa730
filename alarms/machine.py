"""What a record, a deadline and silence do to the holds and alarms of some slots. Slots in one call are distinct.

Everything works on matrices (slots, rules) of the few slots where something happens. The meaning is on the page docs/rules.md;
conditions come from `compiled`, columns from `state`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alarms.compiled import NEVER, Compiled, Conditions, matrix
from alarms.signals import CLEAR, PROMOTE, RAISE, TRANSITION_DTYPE, Bools, Ints, Rows, Transitions
from alarms.state import ACTIVE, ARMED, DEMOTED, HELD, JUDGED, SHIELDED, TRUE, State
from hoistway.limits import MAX_GAP_MS


class Sink:
    """Collects transitions; rows of a later stage happened later in the same slot."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []
        self._stages: list[int] = []
        self._stage = 0

    def add(self, kind: int, slots: Ints, rules: Ints, at: Ints, start: Ints, demoted: Bools | bool) -> None:
        if len(slots):
            rows = np.empty(len(slots), TRANSITION_DTYPE)
            rows["slot"], rows["rule"], rows["kind"], rows["at"] = slots, rules, kind, at
            rows["hold_start"], rows["demoted"] = start, demoted
            self._parts.append(rows)
            self._stages.append(self._stage)

    def later(self) -> None:
        self._stage += 1

    def transitions(self) -> Transitions:
        """All rows by time; of one slot in the order in which they happened, even where its two clocks disagree."""
        if not self._parts:
            return Transitions(rows=np.zeros(0, TRANSITION_DTYPE))
        rows = np.concatenate(self._parts)
        stage = np.repeat(self._stages, [len(part) for part in self._parts])
        causal = np.lexsort((_KIND_ORDER[rows["kind"]], rows["rule"], stage, rows["slot"]))
        rows = rows[causal]
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
    """Evaluate every rule with a hold at one record of each slot."""
    slots = records.slots
    flags = state.read(slots)
    now = np.maximum(records.at, state.settled[slots])[:, None]
    start, true_at = state.start[slots], state.true_at[slots]
    held, active, demoted = flags[:, HELD], flags[:, ACTIVE], flags[:, DEMOTED]
    gap = records.sample & (records.at - state.last_at[slots] > MAX_GAP_MS)
    held &= rules.timeless | ~(gap[:, None] | (now - true_at > MAX_GAP_MS))
    unless = matrix(found.unless, records.rows, true=True)
    when, when_false = (matrix(found.when, records.rows, true=true) for true in (True, False))
    clear, clear_false = (matrix(found.clear, records.rows, true=true) for true in (True, False))

    was_active = active & rules.hold
    ended = _hold(held, was_active, clear, clear_false, start, true_at, now) & (now - start >= rules.clear_ms)
    _emit(sink, CLEAR, slots, ended, now, start, demoted)
    active &= ~ended
    held &= ~ended
    demoted &= ~ended
    promoted = was_active & active & demoted & ~unless
    _emit(sink, PROMOTE, slots, promoted, now, np.broadcast_to(now, start.shape), np.zeros_like(demoted))
    demoted &= ~promoted

    complete = _hold(held, ~active & rules.hold, when, when_false, start, true_at, now) & (now - start >= rules.for_ms)
    raised = complete & (rules.loud | ~unless)
    _emit(sink, RAISE, slots, raised, now, start, unless)
    active |= raised
    held &= ~raised
    demoted |= raised & unless

    flags[:, ARMED] = held & np.where(active, clear, when & (rules.loud | ~unless))
    flags[:, TRUE], flags[:, SHIELDED] = when, unless
    state.start[slots], state.true_at[slots] = start, true_at
    state.write(slots, flags)


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
    row, rule = np.nonzero(chosen)
    if len(row):
        sink.add(kind, slots[row], rule, at[row, 0], start[row, rule], demoted[row, rule])


def extend(state: State, slots: Ints, at: Ints, rules: Compiled) -> None:
    """The last record was repeated, unchanged and without a gap, until `at`: what is true stayed true, what is unknown aged."""
    flags = state.read(slots)
    now = np.maximum(at, state.settled[slots])[:, None]
    held, active = flags[:, HELD], flags[:, ACTIVE]
    aged = now - state.true_at[slots] > MAX_GAP_MS
    # Of a raise hold TRUE says whether the condition is true now; of a clear hold ARMED does.
    true = held & np.where(active, flags[:, ARMED], flags[:, TRUE])
    true_at = state.true_at[slots]
    np.copyto(true_at, now, where=true)
    state.true_at[slots] = true_at
    held &= true | ~aged | rules.timeless
    state.write(slots, flags)


def deadlines(state: State, rules: Compiled, slots: Ints, flags: Bools) -> Ints:
    """When each armed hold completes, NEVER where it does not by itself."""
    length = np.where(flags[:, ACTIVE], rules.clear_ms, rules.for_ms)
    at = state.start[slots] + length
    valid = flags[:, ARMED] & (rules.timeless | (at <= state.horizon(slots)[:, None]))
    return np.where(valid, at, NEVER)


def silences(state: State, rules: Compiled, slots: Ints, flags: Bools) -> Ints:
    """When each silent rule is to be judged, NEVER where it has been or does not fit; (slots, silent rules)."""
    contact, lost = state.contact[slots, None], state.lost_at[slots, None]
    at = contact + rules.silent_ms
    at = np.where(lost == NEVER, at, np.minimum(at, np.maximum(lost, contact) + rules.lost_ms))
    fits = rules.fits[state.escalator[slots].astype(np.int8)][:, rules.silent]
    open_ = fits & state.alive[slots, None] & ~(flags[:, JUDGED] | flags[:, ACTIVE])[:, rules.silent]
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
            rule = rules.silent[silent_at[rows].argmin(axis=1)]
            _judge(state, rules, slots[rows], flags[rows], rule, next_silence[rows], sink)
        going = np.flatnonzero(hold_first | silent_first)
        slots, until, received = slots[going], until[going], received[going]
        sink.later()


def _complete(state: State, rules: Compiled, slots: Ints, flags: Bools, rule: Ints, at: Ints, sink: Sink) -> None:
    """The hold of one rule in each slot is over at `at`: raise, or clear and perhaps hold again."""
    row = np.arange(len(slots))
    start = state.start[slots, rule]
    clears = flags[row, ACTIVE, rule]
    shielded = flags[row, SHIELDED, rule]
    for kind, chosen, demoted in ((CLEAR, clears, flags[row, DEMOTED, rule]), (RAISE, ~clears, shielded)):
        sink.add(kind, slots[chosen], rule[chosen], at[chosen], start[chosen], demoted[chosen])
    again = clears & flags[row, TRUE, rule]
    flags[row, ACTIVE, rule] = ~clears
    flags[row, DEMOTED, rule] = ~clears & shielded
    flags[row, HELD, rule] = again
    flags[row, ARMED, rule] = again & (rules.loud[rule] | ~shielded)
    state.start[slots[again], rule[again]] = at[again]
    state.true_at[slots[again], rule[again]] = at[again]
    state.settled[slots] = np.maximum(state.settled[slots], at)
    state.write(slots, flags)


def _judge(state: State, rules: Compiled, slots: Ints, flags: Bools, rule: Ints, at: Ints, sink: Sink) -> None:
    """One silent rule in each slot has waited long enough at `at`."""
    row = np.arange(len(slots))
    holding = rules.holding(flags[:, HELD] & ~flags[:, ACTIVE])
    view = state.view(slots, rules.silence_signals, holding=holding, link_lost=state.lost_at[slots] != NEVER)
    when, unless = rules.silence(view, rule)
    raised = when & (rules.loud[rule] | ~unless)
    flags[row, JUDGED, rule] = True
    flags[row, ACTIVE, rule] = raised
    flags[row, DEMOTED, rule] = raised & unless
    sink.add(RAISE, slots[raised], rule[raised], at[raised], state.contact[slots[raised]], unless[raised])
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
