"""When the window of late records lets go of its oldest ones: a second's worth at a time, so that no batch waits for it. Time is an argument."""

from __future__ import annotations

from typing import Final

from alarms.window import Window
from hoistway.limits import LATE_WINDOW_MS
from ingest import metrics

EVERY_S: Final = 1.0


class Past:
    """One a window's owner."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def let_go(self, window: Window, *, now_s: float, now_ms: int) -> None:
        """When a second has passed; `now_s` of a monotonic clock."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        window.settle(now_ms)
        metrics.LATE_WINDOW.set(min(now_ms - window.base_at, LATE_WINDOW_MS) / 1_000)
