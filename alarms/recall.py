"""What remembers earlier records, one batch at a time: the functions changed, age, count, rate and since_reported (docs/rules.md,
section 3), and lasting conditions. Here what `in_order` and `lone` share: memory taken out of the rows and put back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np

from alarms.program import Lasted, Truth
from alarms.signals import Bools, Column, Ints, Rows
from alarms.state import State, kept

Memory = dict[str, Any]
"""What one term keeps of each slot of the batch, by name; written through to the rows."""


class Recall(ABC):
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

    @abstractmethod
    def lasting(self, true: Bools, false: Bools) -> Lasted:
        """For how long each lasting condition has lasted at each record; a hold, but for what the alarm does to it. Kept are distances
        from the slot's clock, which is the time of its last record: how long, and how long ago it was last true."""

    def keep(self) -> None:
        """Once every term has been asked."""
        self._state.memory.view(self._lump)[self._slots] = self._memory.view(self._lump)


def plain(value: Any) -> Column:
    """A condition as 1, 0 and -1; anything else as it is."""
    if not isinstance(value, Truth):
        return np.asarray(value)
    return value.true.astype(np.int8) - (~(value.true | value.false)).astype(np.int8)


LASTED_MOST: Final = 2**32 - 2 - 2**30
"""The most that is kept of how long a condition has lasted, ms; as much as PASSED_MOST can be added."""
PASSED_MOST: Final = 2**30
