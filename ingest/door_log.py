"""What the broker's log says about the door: who was turned away, whose connection was taken over. Text in, events out; no client.

Written for mosquitto 2.0. Of a refused login 2.0.11 does not say the name, later ones may. The lines are no promise: what is
lost while nobody listens is lost, and a stranger may cause as many as he likes, so they are only counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ingest.assembled import SecurityEvent
from ingest.directory import Device, Directory
from ingest.door import Door
from ingest.source import Message

TOPICS: Final = ("$SYS/broker/log/N", "$SYS/broker/log/E")
LINES: Final = 10_000
"""Lines looked at in one turn; the others wait at the broker."""

_TAKEN: Final = re.compile(r"Client (\S+) already connected, closing old connection")
_NO_CERTIFICATE: Final = re.compile(r"OpenSSL Error\[\d+\]: .*(certificate verify failed|did not return a certificate)")
_REFUSED: Final = re.compile(r"Client (\S+)(?: \[\S*\])? disconnected[,:] not authori[sz]ed")


class DoorLog:
    """Turns log lines into security events, one for each kind and name in a turn of reading."""

    def __init__(self, directory: Directory) -> None:
        self._directory, self._door = directory, Door()
        self._waiting: dict[tuple[str, str], SecurityEvent] = {}
        self.refused = 0

    def hear(self, lines: Sequence[Message]) -> None:
        """Take in what the broker's log said since the last time."""
        for line in lines:
            text = line.payload.decode("utf-8", "replace")
            if found := _TAKEN.search(text):
                name = found.group(1)
                self._note(*self._door.taken_over(name, self._directory.devices.get(name), line.received_ms))
            elif found := _NO_CERTIFICATE.search(text):
                self.refused += 1
                self._note(_turned_away(found.group(1), line.received_ms))
            elif found := _REFUSED.search(text):
                self.refused += 1
                self._note(_refused(found.group(1), self._directory, line.received_ms))

    def take(self) -> list[SecurityEvent]:
        """What is to be stored."""
        waiting, self._waiting = self._waiting, {}
        return list(waiting.values())

    def _note(self, *events: SecurityEvent) -> None:
        for event in events:
            self._waiting[event.kind, event.device] = event


def _turned_away(why: str, at: int) -> SecurityEvent:
    """Somebody without a certificate that is good: before TLS is done nobody has a name."""
    return SecurityEvent(kind="login-refused", device="", lift_id=None, detail=f"at the broker: {why}", at=at)


def _refused(name: str, directory: Directory, at: int) -> SecurityEvent:
    """A refused login: of a revoked device by name, of others only that it was. The name is the stranger's own word."""
    revoked: Device | None = directory.revoked.get(name)
    if revoked is not None:
        detail = "the broker refused its login"
        return SecurityEvent(kind="revoked-key", device=name, lift_id=revoked.first_lift, detail=detail, at=at)
    known = directory.devices.get(name)
    return SecurityEvent(
        kind="login-refused", device=name if known else "", lift_id=None, detail="at the broker", at=at
    )
