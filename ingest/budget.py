"""What one device's garbage may cost: so much is read with care and so much is kept in each stretch of time; the rest is cut and counted.

A message that can be read at the first go is never touched by this. A cut message is not accepted and not named as refused, so a
device that keeps to the contract sends it again. Events and samples are budgets of their own: garbage samples cost no event.
Time is the receive time of messages; no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from hoistway.limits import (
    CAREFUL_BYTES,
    CAREFUL_MESSAGES,
    GARBAGE_WINDOW_MS,
    QUARANTINE_BYTES,
    QUARANTINE_DEVICE_BYTES,
    QUARANTINE_DEVICE_MESSAGES,
)
from ingest.source import Message


@dataclass(slots=True)
class _Spent:
    """Of one device and class in this stretch of time."""

    read: int = 0
    read_bytes: int = 0
    kept: int = 0
    kept_bytes: int = 0


class Budget:
    """The budgets of all devices. Those that are not enrolled share one."""

    def __init__(self) -> None:
        self._window = -1
        self._spent: dict[tuple[int | None, str], _Spent] = {}
        self._said: set[int] = set()

    def read(self, device_id: int | None, leaf: str, message: Message) -> bool:
        """Whether the message may be read with care, field by field."""
        spent = self._of(device_id, leaf, message)
        if spent.read >= CAREFUL_MESSAGES or spent.read_bytes >= CAREFUL_BYTES:
            return False
        spent.read += 1
        spent.read_bytes += len(message.payload)
        return True

    def keep(self, device_id: int | None, leaf: str, message: Message) -> bool:
        """Whether the refused message may be kept."""
        spent = self._of(device_id, leaf, message)
        if spent.kept >= QUARANTINE_DEVICE_MESSAGES or spent.kept_bytes >= QUARANTINE_DEVICE_BYTES:
            return False
        spent.kept += 1
        spent.kept_bytes += min(len(message.payload), QUARANTINE_BYTES)
        return True

    def says(self, lift_id: int, message: Message) -> bool:
        """Whether the desk is told once more that an event of this lift could not be read: once in each stretch."""
        self._turn(message)
        if lift_id in self._said:
            return False
        self._said.add(lift_id)
        return True

    def _of(self, device_id: int | None, leaf: str, message: Message) -> _Spent:
        self._turn(message)
        return self._spent.setdefault((device_id, leaf), _Spent())

    def _turn(self, message: Message) -> None:
        window = message.received_ms // GARBAGE_WINDOW_MS
        if window > self._window:
            self._window = window
            self._spent.clear()
            self._said.clear()
