"""What an act has around it: the machines, the network, the truth, its machine and its luck; and how it waits.

An act is a generator: it does something, yields when it wants to go on, and opens and closes its line of the truth.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final

from simulators.columns.cars import Phase
from simulators.columns.hands import Hands
from simulators.columns.machines import Machines
from simulators.faults.catalogue import Entry
from simulators.faults.truth import Book, Line
from simulators.network.carrier import Carrier

Script = Generator[int, None, None]

POLL_MS: Final = 1_000
GIVE_UP_MS: Final = 30 * 60_000
"""A fault that does not come about within half an hour is not played."""


@dataclass(kw_only=True, slots=True)
class Scene:
    """An act's surroundings."""

    machines: Machines
    carrier: Carrier
    book: Book
    entry: Entry
    slot: int
    lasts_ms: int
    cause: int | None
    rng: random.Random
    mates: tuple[int, ...] = ()  # the machines of the same estate, for what takes them all
    rescue_after_ms: int | None = None  # a story's own; else drawn
    button_after_ms: int | None = None
    begun: bool = False

    @property
    def now(self) -> int:
        return self.machines.now

    @property
    def hands(self) -> Hands:
        return self.machines.hands

    @property
    def phase(self) -> Phase:
        return self.hands.phase(self.slot)

    def option(self, name: str, default: Any = None) -> Any:
        return self.entry.options.get(name, default)

    def begin(self, at: int | None = None, *, slot: int | None = None, **more: Any) -> Line:
        where = self.slot if slot is None else slot
        self.begun = True
        if self.lasts_ms < self.entry.lasts_ms[0]:  # shorter than what a rule is asked to see
            more = {"expects": [], "allows": [*self.entry.expects, *self.entry.allows]} | more
        return self.book.begin(self.entry, where, self.now if at is None else at, cause=self.cause, **more)

    def tell(self, *codes: str, active: bool) -> None:
        for code in codes:
            self.machines.tell(self.slot, code, active)

    def lot(self, of: tuple[float, float]) -> int:
        """A draw from a log-normal law, ms."""
        return int(of[0] * math.exp(of[1] * self.rng.gauss(0, 1)))


Act = Callable[[Scene], Script]


def wait(scene: Scene, holds: Callable[[], bool], limit_ms: int = GIVE_UP_MS) -> Generator[int, None, bool]:
    """Until it holds; False when it does not in time."""
    until = scene.now + limit_ms
    while not holds():
        if scene.now >= until:
            return False
        yield scene.now + POLL_MS
    return True


def riding(
    scene: Scene, holds: Callable[[], bool], *, empty: bool = False, target: int | None = None
) -> Generator[int, None, bool]:
    """The same; a lift with nothing to do is called, from another floor when the car is to come empty."""
    until = scene.now + GIVE_UP_MS
    hands, slot = scene.hands, scene.slot
    while not holds():
        if scene.now >= until:
            return False
        if hands.idle(slot):
            here = int(scene.machines.cars.floor[slot])
            low, far = hands.ends(slot)
            goal = far if target is None else target
            if empty:
                hands.call(slot, far, low)
            elif here != goal:
                hands.call(slot, here, goal, scene.rng.choice((1, 1, 2, 3)))
            else:
                hands.call(slot, low if low != goal else far, goal)
        yield scene.now + POLL_MS
    return True
