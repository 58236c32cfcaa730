"""The numbers of one device's records, however many and in whatever order they are read: what is there, what is twice, what is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_NOTHING: Final = np.zeros((0, 2), np.int64)


class Line(NamedTuple):
    """A stream of one boot and incarnation."""

    leaf: str  # state, event
    boot: int
    incarnation: int


@dataclass(slots=True)
class Told:
    """What is stored of one line. `received` in any unit."""

    runs: Ints = field(
        default_factory=lambda: _NOTHING
    )  # first and last of each run of numbers, whenever they were received
    inside: Ints = field(default_factory=lambda: _NOTHING)  # the same of what was received in the stretch
    stored: int = 0  # records received in the stretch
    first_received: int = 2**63 - 1
    last_received: int = -(2**63)

    @property
    def doubled(self) -> int:
        """Records of the stretch whose number another one has too."""
        return self.stored - int((self.inside[:, 1] - self.inside[:, 0] + 1).sum())

    def holes(self, *, from_first: bool) -> Iterator[tuple[int, int]]:
        """Runs of numbers below the highest of the stretch that no record has; `from_first`: and above its lowest."""
        lowest, highest = int(self.inside[0, 0]), int(self.inside[-1, 1])
        before = 0
        for first, last in self.runs.tolist():
            if first > before + 1 and first <= highest and (not from_first or first > lowest):
                yield before + 1, first - 1
            before = last


class Numbers:
    """All lines of a device."""

    def __init__(self, since: int | None, until: int | None) -> None:
        """The stretch is what was received from `since` until before `until`."""
        self._since, self._until = since, until
        self._lines: dict[Line, Told] = {}

    def add(self, leaf: str, boot: Ints, incarnation: Ints, seq: Ints, received: Ints) -> None:
        """Some more records."""
        for number, again in np.unique(np.stack([boot, incarnation], axis=1), axis=0).tolist():
            mine = (boot == number) & (incarnation == again)
            self._add(Line(leaf, number, again), seq[mine], received[mine])

    def _add(self, line: Line, seq: Ints, received: Ints) -> None:
        told = self._lines.setdefault(line, Told())
        told.runs = _with(told.runs, seq)
        inside = np.ones(len(seq), bool)
        if self._since is not None:
            inside &= received >= self._since
        if self._until is not None:
            inside &= received < self._until
        if inside.any():
            told.inside = _with(told.inside, seq[inside])
            told.stored += int(inside.sum())
            told.first_received = min(told.first_received, int(received[inside].min()))
            told.last_received = max(told.last_received, int(received[inside].max()))

    def lines(self) -> list[tuple[Line, Told]]:
        """Lines of which something was received in the stretch, the oldest first."""
        found = [(line, told) for line, told in self._lines.items() if told.stored]
        return sorted(found, key=lambda item: (item[1].first_received, item[0]))


def _with(runs: Ints, seq: Ints) -> Ints:
    """Runs of numbers with some more numbers."""
    numbers = np.unique(seq).astype(np.int64)
    edges = np.flatnonzero(np.diff(numbers) != 1)
    fresh = np.stack([numbers[np.append(0, edges + 1)], numbers[np.append(edges, len(numbers) - 1)]], axis=1)
    both: Any = np.concatenate([runs, fresh])
    both = both[np.argsort(both[:, 0], kind="stable")]
    reach = np.maximum.accumulate(both[:, 1])
    starts = np.flatnonzero(np.append(True, both[1:, 0] > reach[:-1] + 1))
    return np.stack([both[starts, 0], reach[np.append(starts[1:] - 1, len(both) - 1)]], axis=1)
