"""One escalator: steps, handrails, riders, slow running while nobody rides, rest at night. Event driven like the lift.

Pure; time is an argument in ms UTC. Knows nothing of sensors, messages or rules.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from hoistway.model import OperationDirection, OperationStatus, Power, ServiceMode
from simulators.life.demand import DAY_MS, HOUR_MS, ZONE_MS, Use, arrivals

REDUCED_M_S: Final = 0.2
EMPTY_BEFORE_SLOW_MS: Final = 30_000
OPENS_HOUR: Final = 6
CLOSES_HOUR: Final = 23
FAR: Final = 2**62


class Escalator:
    """An inclined row of steps."""

    def __init__(
        self,
        *,
        rated_speed_m_s: float,
        rise_m: float,
        upward: bool,
        use: Use,
        rng: random.Random,
        start_ms: int,
        shift_ms: int = 0,
    ) -> None:
        self.rated_speed_m_s, self.upward = rated_speed_m_s, upward
        self.now = start_ms
        self.mode = ServiceMode.NORMAL
        self.power = Power.MAINS
        self.events: list[tuple[str, bool]] = []
        self.running_ms = 0
        self._ride_ms = int(rise_m / 0.5 / rated_speed_m_s * 1000)  # inclined 30 degrees
        self._shift_ms = shift_ms
        self._last_off = start_ms
        self._following: Callable[[int], int] = arrivals(use, use.riders_a_day, rng, shift_ms)
        self._arrival_at = self._following(start_ms)
        self._slow = True

    @property
    def open(self) -> bool:
        """Within opening hours."""
        hour = (self.now + self._shift_ms + ZONE_MS) % DAY_MS // HOUR_MS
        return OPENS_HOUR <= hour < CLOSES_HOUR

    @property
    def occupied(self) -> bool:
        return self.now < self._last_off and self.running

    @property
    def running(self) -> bool:
        return self.open and self.power is Power.MAINS and self.mode is ServiceMode.NORMAL

    @property
    def status(self) -> OperationStatus:
        return OperationStatus.RUNNING if self.running else OperationStatus.STOPPED

    @property
    def speed_m_s(self) -> float:
        """Signed: up is positive."""
        if not self.running:
            return 0.0
        return (REDUCED_M_S if self._slow else self.rated_speed_m_s) * (1 if self.upward else -1)

    @property
    def direction(self) -> OperationDirection:
        if not self.running:
            return OperationDirection.ENERGY_SAVING_STOP
        if self.upward:
            return OperationDirection.UP_REDUCED if self._slow else OperationDirection.UP
        return OperationDirection.DOWN_REDUCED if self._slow else OperationDirection.DOWN

    def next_at(self) -> int:
        until_hour = self.now + HOUR_MS - (self.now + self._shift_ms) % HOUR_MS
        due = min(self._arrival_at, until_hour)
        if self.now < self._last_off:
            due = min(due, self._last_off)
        elif not self._slow:
            due = min(due, self._last_off + EMPTY_BEFORE_SLOW_MS)
        return due

    def advance(self, ms: int) -> None:
        while (due := self.next_at()) <= ms:
            self._step(due)
        self._step(ms)

    def cut_power(self) -> None:
        self.power = Power.OUT
        self.events.append(("41", True))

    def restore_power(self) -> None:
        self.power = Power.MAINS
        self.events.append(("41", False))

    def _step(self, ms: int) -> None:
        if self.running:
            self.running_ms += ms - self.now
        self.now = ms
        if self._arrival_at <= ms:
            self._arrival_at = self._following(ms)
            if self.running:
                self._last_off, self._slow = ms + self._ride_ms, False
        if ms >= self._last_off + EMPTY_BEFORE_SLOW_MS:
            self._slow = True
