"""How often something rose in each of the ten steps of a window, as one number a term and lift: six bits a step, the newest lowest.

So that ageing is a shift and counting an addition, for thousands of lifts at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from alarms.compiled import NEVER
from alarms.language.checker import COUNT_MOST, COUNT_STEPS
from alarms.signals import Bools, Ints, Rows

Packed = npt.NDArray[np.uint64]

_BITS: Final = COUNT_MOST.bit_length()
_ONE: Final = np.uint64(COUNT_MOST)
_ALL: Final = np.uint64(2 ** (_BITS * COUNT_STEPS) - 1)
_PAIR: Final = 2 * _BITS
_EVEN: Final = np.uint64(sum(COUNT_MOST << _PAIR * pair for pair in range(COUNT_STEPS // 2)))
_SUM: Final = np.uint64(sum(1 << _PAIR * pair for pair in range(COUNT_STEPS // 2)))
_TOP: Final = np.uint64(_PAIR * (COUNT_STEPS // 2 - 1))
_SHIFTS: Final = np.arange(COUNT_STEPS, dtype=np.uint64) * np.uint64(_BITS)


def aged(packed: Packed, latest: Ints, step: Ints) -> Packed:
    """What was counted up to the step `latest`, as of `step`: what is ten steps old or older is over."""
    passed = np.minimum(np.maximum(step - latest, 0), COUNT_STEPS).astype(np.uint64)
    return np.asarray((packed << (passed * np.uint64(_BITS))) & _ALL)


def risen(packed: Packed, edge: Bools) -> Packed:
    """One more in the newest step where something rose; a step counts to COUNT_MOST."""
    return np.asarray(packed + (edge & ((packed & _ONE) < _ONE)))


def total(packed: Packed) -> Packed:
    """All ten steps together: neighbours added in pairs, the pairs added by one multiplication."""
    pairs = (packed & _EVEN) + ((packed >> np.uint64(_BITS)) & _EVEN)
    return np.asarray(((pairs * _SUM) >> _TOP) & np.uint64(2**_PAIR - 1))


def in_step(packed: Packed, back: Ints) -> Ints:
    """The count so many steps before the newest; 0 outside the window."""
    inside = (back >= 0) & (back < COUNT_STEPS)
    shift = np.where(inside, back, 0).astype(np.uint64) * np.uint64(_BITS)
    return np.where(inside, (packed >> shift) & _ONE, 0).astype(np.int64)


def unpacked(packed: Packed) -> Ints:
    """The counts of the ten steps, newest first: (places, steps)."""
    return np.asarray((packed[:, None] >> _SHIFTS) & _ONE).astype(np.int64)


def repacked(counts: Ints) -> Packed:
    """The opposite of `unpacked`; more than a step counts is cut."""
    found: Packed = (np.minimum(counts, COUNT_MOST).astype(np.uint64) << _SHIFTS).sum(axis=1, dtype=np.uint64)
    return found


def over_at(packed: Packed, latest: Ints, step_ms: Ints) -> Ints:
    """When the oldest step that counts anything will be too old, ms; NEVER where nothing counts. Now and then a step too early."""
    back = (np.frexp(packed.astype(np.float64))[1].astype(np.int64) - 1) // _BITS  # rounded up where all bits are set
    ends = (latest + (COUNT_STEPS - np.minimum(back, COUNT_STEPS - 1))) * step_ms
    return np.where(packed == 0, NEVER, ends)


def note_over(memory: Rows, rows: Ints, step_ms: Ints) -> None:
    """Note when the first of the counts of these rows of memory will be too old; `step_ms` is the length of a step of each count."""
    latest = memory["count.latest"][rows].astype(np.int64)
    memory["count.over"][rows] = over_at(memory["count.packed"][rows], latest, step_ms).min(axis=1)
