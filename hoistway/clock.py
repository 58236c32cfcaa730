"""The server's one clock for receive times and ticks: wall time that never goes back. And a device's, which no step moves.

Forward steps of the wall clock (a machine that slept, NTP at start) are followed; a step back is not: time goes on with the
monotonic clock until the wall has caught up, so that no hold, tick or silence stands still. Thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

STEP_MS = 1_000
"""A difference from the wall clock beyond this is a step, and is counted."""


class ServerClock:
    """Milliseconds since 1970 UTC, never decreasing."""

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns, self._monotonic_ns = wall_ns, monotonic_ns
        self._lock = threading.Lock()
        self._base_ms = wall_ns() // 1_000_000
        self._base_monotonic_ns = monotonic_ns()
        self.behind_ms = 0  # how far the wall clock is behind this one
        self._stepped_ms = 0  # by how much the wall clock went forward more than time passed, not yet asked for

    def now_ms(self) -> int:
        with self._lock:
            return self._now()

    def not_before(self, ms: int) -> None:
        """Go on from `ms` at least: what was stored before a restart is the past."""
        with self._lock:
            if ms > self._now():
                self._set(ms)

    def take_step(self) -> int:
        """By how much this clock was set forward since the last call, in ms: the wall clock was set, or the machine slept."""
        with self._lock:
            self._now()
            taken, self._stepped_ms = self._stepped_ms, 0
            return taken

    def _now(self) -> int:
        running = self._base_ms + (self._monotonic_ns() - self._base_monotonic_ns) // 1_000_000
        wall = self._wall_ns() // 1_000_000
        self.behind_ms = max(0, running - wall)
        if wall > running:
            if wall - running > STEP_MS:
                self._stepped_ms += wall - running
            self._set(wall)
            return wall
        return running

    def _set(self, ms: int) -> None:
        self._base_ms, self._base_monotonic_ns = ms, self._monotonic_ns()


class SteadyClock:
    """The wall clock as it was at the start, and from there the time that passes: ms since 1970 UTC that no step of the wall clock moves.

    For a device's shell: what it waits for must neither stand still nor come at once because somebody set the machine's clock. A wall clock
    that was wrong at the start is put right by the server's time in `ack` (`simulators.device`, `stamp`).
    """

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._ahead_ns = wall_ns() - monotonic_ns()

    def now_ms(self) -> int:
        return (self._ahead_ns + self._monotonic_ns()) // 1_000_000
