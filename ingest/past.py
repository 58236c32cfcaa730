"""When the window of late records lets go of its oldest ones: a second's worth at a time, so that no batch waits for it. Time is an argument."""

from __future__ import annotations

from typing import Final

from alarms.window import Window
from hoistway.limits import LATE_WINDOW_MS
from ingest import metrics

EVERY_MS: Final = 1_000


class Past:
    """One a window's owner."""

    def __init__(self) -> None:
        self._next_ms = 0

    def let_go(self, window: Window, now_ms: int) -> None:
        """When a second of the server's clock has passed."""
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + EVERY_MS
        window.settle(now_ms)
        metrics.LATE_WINDOW.set(min(now_ms - window.base_at, LATE_WINDOW_MS) / 1_000)
