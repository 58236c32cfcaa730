"""The fleet as columns, one slot a lift: last sample, clocks, reported codes, holds and active alarms. No rule is judged here.

Flags are kept as bits, one a rule: a lift costs some 150 bytes and 16 a rule. Times are milliseconds; NEVER is "not at all".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from alarms.compiled import NEVER
from alarms.program import View
from alarms.signals import Bools, Column, Ints, columns, pick, unknown_samples
from hoistway.limits import MAX_GAP_MS

HELD: Final = 0  # a hold runs: of `when` while inactive, of `clear` while active
ACTIVE: Final = 1  # the alarm is raised
DEMOTED: Final = 2  # raised as a notice, because `unless` was true
ARMED: Final = 3  # the hold may complete by time alone
TRUE: Final = 4  # `when` was true at the last record
SHIELDED: Final = 5  # `unless` was true at the last record
JUDGED: Final = 6  # a silent rule has been judged since the last contact
FLAGS: Final = 7


class State:
    """Columns over the fleet; `size` slots are there, more come by `grow`."""

    def __init__(self, *, size: int, rules: int, parameters: set[str]) -> None:
        self.size = 0
        self.rules = rules
        self.own: dict[int, dict[str, float]] = {}
        self.parameters: dict[str, Column] = {name: np.zeros(0, np.float32) for name in parameters}
        self.last = unknown_samples(0)
        self.clock, self.last_at, self.settled, self.contact = (np.zeros(0, np.int64) for _ in range(4))
        self.lost_at, self.due, self.reported = (np.zeros(0, np.int64) for _ in range(3))
        self.alive, self.escalator, self.busy = (np.zeros(0, bool) for _ in range(3))
        self.rated_speed = np.zeros(0, np.float32)
        self.flags = np.zeros((0, FLAGS, max(1, (rules + 7) // 8)), np.uint8)
        self.start, self.true_at = (np.zeros((0, rules), np.int64) for _ in range(2))
        self.grow(size)

    def grow(self, size: int) -> None:
        """Make room for slots below `size`."""
        more = size - self.size
        if more <= 0:
            return
        self.last = np.concatenate([self.last, unknown_samples(more)])
        for name, value in _EMPTY.items():
            setattr(self, name, _longer(getattr(self, name), more, value))
        for name, column in self.parameters.items():
            self.parameters[name] = _longer(column, more, np.nan)
        self.size = size

    def read(self, slots: Ints) -> Bools:
        """The flags of some slots as (slots, FLAGS, rules)."""
        return np.unpackbits(self.flags[slots], axis=2, count=self.rules, bitorder="little").view(np.bool_)

    def write(self, slots: Ints, flags: Bools) -> None:
        """The opposite of `read`; a slot without hold, alarm or judgement is not busy."""
        self.flags[slots] = np.packbits(flags, axis=2, bitorder="little")
        self.busy[slots] = flags[:, [HELD, ACTIVE, JUDGED]].any(axis=(1, 2))

    def view(self, slots: Ints, signals: tuple[str, ...], *, holding: Mapping[str, Bools], link_lost: Bools) -> View:
        """The last known values of some slots, however old."""
        return View(
            size=len(slots),
            values=columns(pick(self.last, slots), signals),
            reported=self.reported[slots],
            rated_speed=self.rated_speed[slots],
            parameters={name: column[slots] for name, column in self.parameters.items()},
            link_lost=link_lost,
            holding=holding,
        )

    def horizon(self, slots: Ints) -> Ints:
        """Until when the last samples of some slots are valid."""
        return np.asarray(self.last_at[slots] + MAX_GAP_MS)


_EMPTY: Final[dict[str, float]] = {
    "clock": -NEVER, "last_at": -NEVER, "settled": -NEVER, "contact": 0, "lost_at": NEVER, "due": NEVER, "reported": 0,
    "alive": 0, "escalator": 0, "busy": 0, "rated_speed": np.nan, "flags": 0, "start": 0, "true_at": 0,
}  # fmt: skip
COLUMNS: Final = tuple(_EMPTY)


def _longer(column: npt.NDArray[np.generic], more: int, value: float) -> npt.NDArray[np.generic]:
    return np.concatenate([column, np.full((more, *column.shape[1:]), value, column.dtype)])
