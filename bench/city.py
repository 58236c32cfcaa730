"""Samples of a fleet at rush hour, made at once for many lifts: what the engine's benchmarks feed on. Not a simulator: no physics.

Every lift goes through a little life, one step a sample: it stands closed and empty, opens, somebody boards, it runs, arrives and
opens again. One in twenty units is an escalator, one lift in five has no person sensor, one in a thousand stops between floors with
somebody inside for a minute or more.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from alarms.signals import unknown_samples

IDLE, BOARDING, RUNNING, ARRIVING, STUCK = range(5)
_NEXT: Final = np.array(
    [
        [0.93, 0.07, 0.00, 0.00, 0.00],
        [0.00, 0.30, 0.70, 0.00, 0.00],
        [0.00, 0.00, 0.60, 0.399, 0.001],
        [0.45, 0.25, 0.30, 0.00, 0.00],
        [0.00, 0.00, 0.00, 0.10, 0.90],
    ]
).cumsum(axis=1)
"""How a step of about ten seconds follows the one before it."""


class RushHour:
    """A fleet and where each of its lifts is in its life."""

    def __init__(self, lifts: int, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        self.lifts = lifts
        self.state = self._rng.choice(4, lifts, p=[0.7, 0.1, 0.1, 0.1])
        self.escalator = np.arange(lifts) % 20 == 7
        self._blind = np.arange(lifts) % 5 == 3
        self._floor = self._rng.integers(0, 30, lifts)

    def samples(self, count: int, at: int, step_us: float = 50.0) -> Any:
        """`count` samples of lifts drawn by chance, in order of arrival, `step_us` apart."""
        return self.of(self._rng.integers(0, self.lifts, count), at, step_us)

    def round(self, at: int, step_us: float = 50.0) -> Any:
        """One sample of every lift, in an order of chance."""
        return self.of(self._rng.permutation(self.lifts), at, step_us)

    def of(self, slots: Any, at: int, step_us: float = 50.0) -> Any:
        """One sample of each of the slots, in this order."""
        rng, count = self._rng, len(slots)
        state = (rng.random(count)[:, None] > _NEXT[self.state[slots]]).sum(axis=1).clip(0, 4)
        self.state[slots] = state
        rows = unknown_samples(count)
        rows["slot"] = slots
        rows["received"] = at + (np.arange(count) * step_us / 1_000).astype(np.int64)
        rows["at"] = rows["received"] - rng.integers(0, 50, count)
        rows["clock_error"] = 0.2
        escalator = self.escalator[slots]
        self._lifts(rows, np.flatnonzero(~escalator), slots, state)
        self._escalators(rows, np.flatnonzero(escalator))
        return rows

    def _lifts(self, rows: Any, mine: Any, slots: Any, state: Any) -> None:
        rng, count = self._rng, len(mine)
        slot, state = slots[mine], state[mine]
        running, stuck, open_ = state == RUNNING, state == STUCK, (state == BOARDING) | (state == ARRIVING)
        floor = np.where(running, rng.integers(0, 30, count), self._floor[slot])
        self._floor[slot] = floor
        values = {
            "service_mode": np.where(slot % 200 == 11, 2, 1),
            "car_status": running,
            "car_direction": np.where(running, 1 + slot % 2, 0),
            "door_zone": ~stuck & ~(running & (rng.random(count) < 0.8)),
            "car_position": floor,
            "door_status": np.where(open_, 4, 2),
            "door_closed": ~open_,
            "passenger": np.where(self._blind[slot], -1, running | stuck | (open_ & (rng.random(count) < 0.7))),
            "speed": np.where(running, np.where(slot % 2 == 0, 1.7, -1.7), 0.0),
            "power": 1,
            "safety_chain": open_,
            "brake": running,
            "temperature": 24 + slot % 10,
            "vibration": np.where(running, 0.08, 0.01),
            "light": 1,
        }
        for name, value in values.items():
            rows[name][mine] = value

    def _escalators(self, rows: Any, mine: Any) -> None:
        values = {
            "service_mode": 1, "operation_status": 1, "operation_direction": 1, "speed": 0.5, "handrail_left": 0.5,
            "handrail_right": 0.5, "step_missing": 0, "occupied": 1, "power": 1, "safety_chain": 0,
        }  # fmt: skip
        for name, value in values.items():
            rows[name][mine] = value
