"""What ingest reads from: a source of messages with a handle to acknowledge them. MQTT is the first kind.

Knows nothing of payloads, engine or database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.overload import Load


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came in. An object per message, never per reading."""

    topic: str
    payload: bytes
    received_ms: int  # server clock when it was read from the network
    handle: object = None  # the source's own; None for messages that nobody acknowledges (replays)
    retained: bool = False  # the broker's copy of an earlier word, not said now


class Source(Protocol):
    """A durable feed: what is not acknowledged comes again."""

    @property
    def deaf(self) -> bool:
        """True while some message may be waiting elsewhere: not connected, or a backlog is still coming in."""

    @property
    def urgent(self) -> bool:
        """Whether an event waits."""

    def take(self, *, samples: int, bytes_: int) -> list[Message]:
        """Messages in order of arrival, events before samples, at most about that many messages and bytes. Beside events only few samples."""

    def oldest_ms(self) -> int | None:
        """Receive time of the oldest message not yet taken."""

    def load(self) -> Load:
        """What waits of the samples."""

    def acknowledge(self, messages: Sequence[Message]) -> int:
        """Acknowledge in the given order; answers how many went out (others were of a connection that is gone)."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Send to a device, at most once."""

    async def wait(self, timeout_s: float) -> None:
        """Return when something can be taken, or after the time."""

    async def gather(self, time_s: float) -> None:
        """Let more come for so long, so that one commit serves many; an event ends the wait."""
