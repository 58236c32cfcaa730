"""Lasting conditions that cannot be remembered any longer as what they were: a lift's own numbers have changed, or the rules have.

Where the alarm of such a rule can no longer wait for its hold to become ripe, what is remembered becomes an ordinary hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alarms.compiled import Compiled
from alarms.program import LASTING_BIAS, LASTING_NONE
from alarms.signals import Ints, hits
from alarms.state import ACTIVE, ARMED, HELD, TRUE, State
from alarms.words import Words, listed, mask, some


@dataclass(frozen=True, slots=True)
class Own:
    """What a lift has of its own that lasting conditions do not know of."""

    off: Words
    hold_ms: Ints


def own(state: State, slots: Ints) -> dict[int, Own]:
    """Of those of the slots that have anything of their own."""
    if not state.rules.lasting:
        return {}
    special = slots[state.special[slots]]
    return {slot: _own(state, slot) for slot in special.tolist()}


def _own(state: State, slot: int) -> Own:
    return Own(state.off(np.array([slot])), state.hold_ms(slot) if slot in state.own else state.rules.for_ms)


def follow(state: State, slots: Ints, before: dict[int, Own]) -> None:
    """After a change of what lifts have of their own; `before` is what `own` said of the slots.

    A rule that was or is switched off remembers nothing. Where a hold has become longer or shorter, it goes on as an ordinary one.
    """
    after = own(state, slots)
    plain = Own(np.zeros_like(state.rules.lasting_set), state.rules.for_ms)
    for slot in sorted(before.keys() | after.keys()):
        was, is_ = before.get(slot, plain), after.get(slot, plain)
        switched = (was.off ^ is_.off) & state.rules.lasting_set
        columns = listed(switched)[1]
        state.memory["lasting.start"][slot, state.rules.lasting_of[columns]] = LASTING_NONE
        changed = hits(was.hold_ms != is_.hold_ms)
        changed = changed[state.rules.lasting_of[changed] >= 0]
        if changed.size:
            start, true_at = remembered(state, np.array([slot]))
            places = state.rules.lasting_of[changed]
            become_holds(state, np.array([slot]), changed, start[:, places], true_at[:, places])


def remembered(state: State, slots: Ints) -> tuple[Ints, Ints]:
    """Since when the lasting conditions of some slots have lasted, -1 not at all, and when they were last true: (slots, conditions)."""
    memory = state.memory
    return since(memory["lasting.start"][slots], memory["lasting.true"][slots], state.clock[slots, None])


def since(start: Ints, ago: Ints, clock: Ints) -> tuple[Ints, Ints]:
    """Kept distances from the clocks as times."""
    return np.where(start == LASTING_NONE, -1, clock + LASTING_BIAS - start.astype(np.int64)), clock - ago


def become_holds(state: State, slots: Ints, columns: Ints, start: Ints, true_at: Ints) -> None:
    """Lay a hold where a condition of one of the columns has lasted; `start` (negative: has not) and `true_at` are (slots, columns).

    It may end by time alone where nothing could excuse it; elsewhere the next record tells.
    """
    flags = state.sets(slots)
    fits = state.rules.fits[state.escalator[slots].astype(np.int8)][:, columns]
    taken = some((flags[HELD] | flags[ACTIVE] | state.off(slots))[:, :, None] & state.rules.bit[:, None, columns])
    row, place = np.nonzero((start >= 0) & fits & ~taken)
    if not row.size:
        return
    column, true = columns[place], true_at[row, place] >= state.clock[slots[row]]
    free = ~excused(state.rules)[column]
    old = state.holds.listed(slots)
    new = (row, column, start[row, place], true_at[row, place])
    state.holds.lay(slots, *(np.concatenate(pair) for pair in zip(old, new, strict=True)))
    for flag, those in ((HELD, row >= 0), (TRUE, true), (ARMED, true & free)):
        for at, which in zip(row[those].tolist(), column[those].tolist(), strict=True):
            flags[flag][:, at] |= mask([which], state.rules.count)[:, 0]
    state.write(slots, flags)


def excused(rules: Compiled) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which columns have an `unless` or a shield and are not loud."""
    shielded = {index for index, _ in rules.shields}
    return np.array(
        [
            (plan.unless is not None or index in shielded) and not rules.loud[index]
            for index, plan in enumerate(rules.columns)
        ],
        bool,
    )
