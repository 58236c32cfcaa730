"""Whether ingest gets more than it can carry, judged by what waits, with hysteresis. Time is an argument; no I/O.

Samples are judged, not events: events have a session of their own and are never shed. What follows from overload is decided
elsewhere: `coalesce` (what is shed), `acks` (what devices are asked), `service` (smaller batches).
"""

from __future__ import annotations

from dataclasses import dataclass

from hoistway import limits


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What waits of the samples, before a batch is taken."""

    unacknowledged: int = 0  # messages read from the network and not acknowledged to the broker
    bytes_: int = 0  # of those that wait to be taken
    oldest_ms: int | None = None  # receive time of the oldest that waits


class Overload:
    """Begins when too much waits for a while, ends when little has waited for a longer while."""

    def __init__(self) -> None:
        self.since_ms: int | None = None  # None: there is none
        self._other_ms: int | None = None  # since when the load has called for the other state

    @property
    def on(self) -> bool:
        """Whether there is one."""
        return self.since_ms is not None

    def look(self, load: Load, now_ms: int) -> bool:
        """Judge the load of now; answers whether an overload has just begun or ended."""
        if not (_calm(load, now_ms) if self.on else _heavy(load, now_ms)):
            self._other_ms = None
            return False
        if self._other_ms is None:
            self._other_ms = now_ms
        if now_ms - self._other_ms < (limits.OVERLOAD_CALM_MS if self.on else limits.OVERLOAD_AFTER_MS):
            return False
        self.since_ms, self._other_ms = (None if self.on else now_ms), None
        return True


def _heavy(load: Load, now_ms: int, parts: int = 1) -> bool:
    """Whether any measure is at its limit, or at a part of it."""
    age_ms = 0 if load.oldest_ms is None else now_ms - load.oldest_ms
    return (
        load.unacknowledged * parts >= limits.OVERLOAD_UNACKNOWLEDGED
        or load.bytes_ * parts >= limits.OVERLOAD_BYTES
        or age_ms * parts >= limits.OVERLOAD_AGE_MS
    )


def _calm(load: Load, now_ms: int) -> bool:
    return not _heavy(load, now_ms, limits.OVERLOAD_CALM_PARTS)
