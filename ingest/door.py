"""What looks like an intruder: refusals that no honest device earns, and one key in two hands. Pure; time comes with the messages.

Kept in memory only: after a restart a clone is noticed again as soon as it goes on.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from hoistway.errors import RefusedMessage
from hoistway.limits import CLONE_BOOTS, CLONE_TAKEOVERS, CLONE_WITHIN_MS, DOOR_DEVICES
from hoistway.wire import Topic
from ingest.assembled import SecurityEvent
from ingest.directory import Device

OF_REFUSAL: Final = {
    "foreign-lift": "foreign-lift",
    "wrong-shard": "foreign-topic",
    "unknown-device": "unknown-device",
    "revoked-device": "revoked-key",
}
"""Refusals that are security events, by reason: identity, never content."""


def refused_at_door(refused: RefusedMessage, topic: Topic, device: Device | None, at: int) -> list[SecurityEvent]:
    """The security event of a refused message, if it is one."""
    kind = OF_REFUSAL.get(refused.reason)
    if kind is None:
        return []
    lift_id = device.first_lift if device else None
    return [SecurityEvent(kind=kind, device=topic.device, lift_id=lift_id, detail=refused.detail, at=at)]


class Door:
    """Remembers, for each device, the boots it connected with and what speaks for two devices behind one name."""

    def __init__(self) -> None:
        self._boots: dict[int, tuple[int, int]] = {}  # device id -> the boot of its last connection, and the one before
        self._signs: dict[tuple[str, str], deque[int]] = {}  # kind and device -> when, newest last

    def connected(self, device: Device, boot: int, at: int) -> list[SecurityEvent]:
        """A device says which boot it is in. One that comes back once has lost its memory; again and again, it is two devices."""
        now, before = self._boots.get(device.id, (-1, -1))
        if boot == now:
            return []
        _make_room(self._boots)
        self._boots[device.id] = (boot, now)
        if boot != before or not self.often("boots", device.device, at, times=CLONE_BOOTS):
            return []
        return [_event("clone", device, f"boots {now} and {boot} take turns", at)]

    def counted_anew(self, device: Device, boot: int, at: int) -> list[SecurityEvent]:
        """A boot number was used again with newer records: a device that lost its memory, or two that count side by side."""
        found = [_event("boot-reused", device, f"boot {boot} counts anew", at)]
        if self.often("boot-reused", device.device, at, times=CLONE_BOOTS):
            found.append(_event("clone", device, f"boot {boot} counted anew {CLONE_BOOTS} times within 10 min", at))
        return found

    def taken_over(self, name: str, device: Device | None, at: int) -> list[SecurityEvent]:
        """The broker closed a connection because another one came with the same key: a bad network, or two devices."""
        lift_id = device.first_lift if device else None
        detail = "a second connection ended the first"
        found = [SecurityEvent(kind="takeover", device=name, lift_id=lift_id, detail=detail, at=at)]
        if self.often("takeover", name, at, times=CLONE_TAKEOVERS):
            detail = f"{CLONE_TAKEOVERS} connections taken over within 10 min"
            found.append(SecurityEvent(kind="clone", device=name, lift_id=lift_id, detail=detail, at=at))
        return found

    def often(self, kind: str, name: str, at: int, *, times: int) -> bool:
        """Whether this is the `times`-th such sign of late; counting then begins anew."""
        key = (kind, name)
        if key not in self._signs:
            _make_room(self._signs)
        signs = self._signs.setdefault(key, deque(maxlen=times))
        signs.append(at)
        if len(signs) < times or at - signs[0] > CLONE_WITHIN_MS:
            return False
        signs.clear()
        return True


def _event(kind: str, device: Device, detail: str, at: int) -> SecurityEvent:
    return SecurityEvent(kind=kind, device=device.device, lift_id=device.first_lift, detail=detail, at=at)


def _make_room(remembered: dict[Any, Any]) -> None:
    while len(remembered) >= DOOR_DEVICES:
        del remembered[next(iter(remembered))]
