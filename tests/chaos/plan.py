"""The schedule of a run, from its seed alone: the same seed and size give the same schedule. No clock, no process, no I/O."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.chaos.taps import Moment

KILLS = (
    ("ingest",),
    ("broker",),
    ("backend",),
    ("postgres",),
    ("supervisor",),
    ("ingest", "broker"),
    ("ingest", "postgres"),
    ("broker", "postgres"),
    ("supervisor", "ingest", "broker", "postgres", "dispatch", "api"),
    ("ingest",),
    ("ingest",),
    ("backend",),
)
"""One deck of kills: every part alone, in pairs, and all at once."""

TROUBLES = (
    ("stop", "ingest"),
    ("stop", "broker"),
    ("stop", "postgres"),
    ("stop", "supervisor"),
    ("cut", "postgres"),
    ("cut", "broker"),
    ("stall", "postgres"),
    ("stall", "broker"),
    ("delay", "postgres"),
    ("delay", "broker"),
    ("restart", "ingest"),
    ("restart", "broker"),
    ("restart", "postgres"),
    ("restart", "backend"),
    ("restart", "terminals"),
)
"""One deck of what is not a kill: SIGSTOP and SIGCONT, links, parts told to end, terminals that lose their power."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """kill -9 of all `parts` at once, at a moment of a batch."""

    parts: tuple[str, ...]
    moment: Moment

    def __str__(self) -> str:
        return f"kill {' + '.join(self.parts)} {self.moment.value}"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that passes by itself."""

    kind: str  # stop, cut, stall, delay, restart
    part: str  # a process, a link by its server's name, or the terminals
    seconds: float  # how long; a restart takes what it takes

    def __str__(self) -> str:
        return f"{self.kind} {self.part}" + ("" if self.kind == "restart" else f" {self.seconds:.1f} s")


@dataclass(frozen=True, kw_only=True)
class Trapped:
    """From here on these lifts' samples say that somebody is trapped."""

    lifts: tuple[int, ...]

    def __str__(self) -> str:
        return f"trapped in lifts {', '.join(map(str, self.lifts))}"


Card = TypeVar("Card")
BRIEF_S = 4.0
LONG_S = 18.0
"""Longer than a commit is waited for (15 s) and than a transaction may idle (10 s)."""
Step = Kill | Trouble | Trapped


def plan(seed: int, *, kills: int, lifts: int, longest_s: float = BRIEF_S) -> list[Step]:
    """Kills from shuffled decks and moments in turn, a trouble after every third kill, entrapments at three places.

    A trouble lasts 1 to 4 s, one in four of them `longest_s`.
    """
    dice = random.Random(seed)
    parts = _deal(dice, KILLS, kills)
    moments = _deal(dice, tuple(Moment), kills)
    troubles = iter(_deal(dice, TROUBLES, kills // 3))
    trapped = dice.sample(range(lifts), lifts // 2)
    groups = {0: trapped[::3], kills // 3: trapped[1::3], 2 * kills // 3: trapped[2::3]}
    steps: list[Step] = []
    for number in range(kills):
        if groups.get(number):
            steps.append(Trapped(lifts=tuple(sorted(groups[number]))))
        steps.append(Kill(parts=parts[number], moment=moments[number]))
        if number % 3 == 2:
            kind, part = next(troubles)
            brief = [round(dice.uniform(1.0, BRIEF_S), 1) for _ in range(3)]
            steps.append(Trouble(kind=kind, part=part, seconds=dice.choice((*brief, longest_s))))
    return steps


def _deal(dice: random.Random, deck: Sequence[Card], count: int) -> list[Card]:
    dealt: list[Card] = []
    while len(dealt) < count:
        dealt += dice.sample(deck, len(deck))
    return dealt[:count]
