"""What ingest remembers of each device and boot: which records it has (duplicates, holes) and how far its clock is off.

Pure and rebuilt by replay. A record's key is (device, boot, incarnation, stream, seq). A boot number that comes again with
newer time stamps is a device that lost its memory: a new incarnation, processed and counted, because a live alarm must
never be taken for a duplicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import msgspec

from hoistway.limits import ACK_MISSING_RANGES, BOOTS_REMEMBERED, EVENT_HOLES

FORMAT: Final = 1


class Verdict(IntEnum):
    NEW = 0
    DUPLICATE = 1
    NEW_INCARNATION = 2


class Stream(msgspec.Struct, array_like=True):
    """One numbered stream of one boot: `first..contiguous` are accepted, and `above` holds what came past a hole."""

    contiguous: int = 0
    above: set[int] = msgspec.field(default_factory=set)
    latest_ts: int = -1
    top: int = 0  # highest number seen

    def has(self, seq: int) -> bool:
        return 0 < seq <= self.contiguous or seq in self.above

    def accept(self, seq: int, ts: int) -> tuple[int, int] | None:
        """Take `seq` in; answers a hole that had to be given up because too much stood above it."""
        self.latest_ts = max(self.latest_ts, ts)
        self.top = max(self.top, seq)
        if seq <= self.contiguous:
            return None
        self.above.add(seq)
        given_up = None
        if len(self.above) > EVENT_HOLES:
            given_up = (self.contiguous + 1, min(self.above) - 1)
            self.contiguous = given_up[1]
        self._close()
        return given_up

    def give_up(self, first: int, last: int) -> None:
        """The device no longer has `first..last`: count them as seen."""
        last = min(last, max(self.top, self.contiguous))
        if first <= self.contiguous + 1:
            self.contiguous = max(self.contiguous, last)
            self.above = {seq for seq in self.above if seq > self.contiguous}
        else:
            room = max(0, EVENT_HOLES - len(self.above))
            self.above.update(range(first, min(last, first + room - 1) + 1))
        self._close()

    def missing(self, most: int = ACK_MISSING_RANGES) -> list[tuple[int, int]]:
        """The holes below the highest number seen, lowest first, as closed ranges."""
        holes, expected = [], self.contiguous + 1
        for seq in sorted(self.above):
            if seq > expected:
                holes.append((expected, seq - 1))
                if len(holes) >= most:
                    break
            expected = seq + 1
        return holes

    def _close(self) -> None:
        while self.contiguous + 1 in self.above:
            self.contiguous += 1
            self.above.discard(self.contiguous)


class Boot(msgspec.Struct, array_like=True):
    """One start of one device."""

    incarnation: int = 0
    offset_ms: int | None = None  # server time - device time: the minimum of received - ts
    state: Stream = msgspec.field(default_factory=Stream)
    event: Stream = msgspec.field(default_factory=Stream)

    @property
    def latest_ts(self) -> int:
        return max(self.state.latest_ts, self.event.latest_ts)

    def stream(self, leaf: str) -> Stream:
        return self.state if leaf == "state" else self.event


class _Saved(msgspec.Struct, array_like=True):
    format: int
    devices: dict[int, dict[int, Boot]]
    lifts: dict[int, int]
    links: dict[int, tuple[int, int, bool]]


class Memory:
    """All devices. Keys are database ids."""

    def __init__(self) -> None:
        self._devices: dict[int, dict[int, Boot]] = {}
        self._lifts: dict[int, int] = {}
        self._links: dict[int, tuple[int, int, bool]] = {}
        self.incarnations = 0

    def boot(self, device_id: int, boot: int) -> Boot:
        """The memory of one boot, made when new; only the last few boots of a device are kept."""
        boots = self._devices.get(device_id)
        if boots is None:
            boots = self._devices[device_id] = {}
        found = boots.get(boot)
        if found is None:
            while len(boots) >= BOOTS_REMEMBERED:
                del boots[next(iter(boots))]
            found = boots[boot] = Boot()
        return found

    def known(self, device_id: int, boot: int) -> Boot | None:
        return self._devices.get(device_id, {}).get(boot)

    def is_live(self, device_id: int, boot: int, ts: int) -> bool:
        """Whether a boot is the device's present one, rather than an earlier one whose ring is still being sent.

        The device's last link message says so; without one, the boot heard of last, or whichever has the newest stamps.
        In doubt a record counts as live: taking the present for the past would be silence.
        """
        boots = self._devices.get(device_id, {})
        link = self._links.get(device_id)
        if link is not None and boot >= link[0]:
            return True
        if link is None and boots and next(reversed(boots)) == boot:
            return True
        rivals = boots.items() if link is None else [(link[0], boots[link[0]])] if link[0] in boots else []
        return all(ts >= other.latest_ts for number, other in rivals if number != boot)

    def latest_boot(self, device_id: int) -> tuple[int, Boot] | None:
        boots = self._devices.get(device_id)
        return next(reversed(boots.items())) if boots else None

    def judge(self, memory: Boot, leaf: str, seq: int, ts: int) -> Verdict:
        """Whether a record is new. Does not take it in."""
        stream = memory.stream(leaf)
        if not stream.has(seq):
            return Verdict.NEW
        return Verdict.NEW_INCARNATION if ts > stream.latest_ts else Verdict.DUPLICATE

    def reincarnate(self, device_id: int, boot: int) -> Boot:
        """The device counts anew under a boot number it had used: start an empty memory one incarnation on."""
        old = self.boot(device_id, boot)
        fresh = Boot(incarnation=old.incarnation + 1)
        boots = self._devices[device_id]
        del boots[boot]
        boots[boot] = fresh  # now the one heard of last
        self.incarnations += 1
        return fresh

    def note_clock(self, memory: Boot, *, ts: int, received: int) -> None:
        """A record cannot be received before it was stamped: the smallest difference is the best offset."""
        difference = received - ts
        if memory.offset_ms is None or difference < memory.offset_ms:
            memory.offset_ms = difference

    def lift_at(self, lift_id: int) -> int:
        return self._lifts.get(lift_id, -(2**62))

    def note_lift(self, lift_id: int, at: int) -> None:
        if at > self._lifts.get(lift_id, -(2**62)):
            self._lifts[lift_id] = at

    def note_link(self, device_id: int, boot: int, conn: int, *, online: bool) -> bool:
        """Whether a link message says something new: not an older connection, not the retained copy of what is known."""
        known = self._links.get(device_id)
        if known is not None and known[0] == boot and (conn < known[1] or known == (boot, conn, online)):
            return False
        self._links[device_id] = (boot, conn, online)
        return True

    def boots(self) -> Iterator[tuple[int, int, Boot]]:
        for device_id, boots in self._devices.items():
            for boot, memory in boots.items():
                yield device_id, boot, memory

    def replayed(
        self, *, device_id: int, boot: int, incarnation: int, leaf: str, seq: int, ts: int, received: int
    ) -> Boot:
        """Take in a stored record after a restart."""
        memory = self.boot(device_id, boot)
        if incarnation > memory.incarnation:
            memory = Boot(incarnation=incarnation)
            self._devices[device_id][boot] = memory
        self.note_clock(memory, ts=ts, received=received)
        memory.stream(leaf).accept(seq, ts)
        return memory

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(_Saved(FORMAT, self._devices, self._lifts, self._links))

    def restore(self, blob: bytes) -> None:
        """Raises `ValueError` for another format."""
        saved = msgspec.msgpack.decode(blob, type=_Saved)
        if saved.format != FORMAT:
            raise ValueError(f"device memory of format {saved.format}, expected {FORMAT}")
        self._devices, self._lifts, self._links = saved.devices, saved.lifts, saved.links
