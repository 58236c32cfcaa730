"""What ingest remembers of each device and boot: which records it has (duplicates, holes) and how far its clock is off.

Pure and rebuilt by replay. A record's key is (device, boot, incarnation, stream, seq). A boot number that comes again with
newer time stamps is a device that lost its memory: a new incarnation, processed and counted, because a live alarm must
never be taken for a duplicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

from hoistway.limits import (
    ACK_MISSING_RANGES,
    BOOTS_AT_HAND,
    BOOTS_REMEMBERED,
    BOOTS_REMEMBERED_MS,
    CAPPED_STAMPS,
    EVENT_HOLES,
)
from hoistway.wire import Ranges
from ingest.device_clock import Clock, Track, learn, learn_run

FORMAT: Final = 5
_READABLE: Final = (4, FORMAT)  # what came with 5 has defaults


class Verdict(IntEnum):
    NEW = 0
    DUPLICATE = 1
    NEW_INCARNATION = 2


class Stream(msgspec.Struct, array_like=True):
    """One numbered stream of one boot: up to `contiguous` all are accepted, and `above` holds what came past a hole."""

    contiguous: int = 0
    above: set[int] = msgspec.field(default_factory=set)
    latest_ts: int = -1
    track: Track = msgspec.field(default_factory=Track)
    capped: dict[int, int] = msgspec.field(default_factory=dict)  # stamps that no clock could show yet, by number

    def has(self, seq: int) -> bool:
        return 0 < seq <= self.contiguous or seq in self.above

    def accept(self, seq: int, ts: int, *, said: int = -1) -> tuple[int, int] | None:
        """Take `seq` in; answers a hole that had to be given up because too much stood above it.

        `ts` is the stamp to remember, `said` the one that the record bears: later than `ts` when that was wild.
        """
        self.latest_ts = max(self.latest_ts, ts)
        self.track.note(seq, ts)
        if said > ts:
            self._note_capped(seq, said)
        if seq <= self.contiguous:
            return None
        self.above.add(seq)
        self._close()
        if len(self.above) <= EVENT_HOLES:
            return None
        given_up = (self.contiguous + 1, min(self.above) - 1)
        self.contiguous = given_up[1]
        self._close()
        return given_up

    def follow_on(self, count: int, ts: int) -> None:
        """Take so many in that follow `contiguous`; nothing stands above it. `ts`: the newest of their stamps."""
        self.contiguous += count
        self.latest_ts = max(self.latest_ts, ts)
        self.track.note(self.contiguous, ts)

    def counts_anew(self, seq: int, ts: int) -> bool:
        """Whether a number that it has was given to another record since; the same one sent again bears the same stamp."""
        return ts > self.latest_ts and self.capped.get(seq) != ts

    def give_up(self, first: int, last: int) -> Ranges:
        """The device no longer has `first..last`: count them as seen. Answers the ranges that really were missing."""
        last = min(last, max(self.track.top, self.contiguous))
        missing = [
            (max(low, first), min(high, last))
            for low, high in self.missing(most=EVENT_HOLES)
            if low <= last and high >= first
        ]
        for low, high in missing:
            if low == self.contiguous + 1:
                self.contiguous = high
                self._close()
            else:
                room = max(0, EVENT_HOLES - len(self.above))
                self.above.update(range(low, min(high, low + room - 1) + 1))
        return missing

    def missing(self, most: int = ACK_MISSING_RANGES) -> Ranges:
        """The holes below the highest number seen, lowest first, as closed ranges."""
        holes, expected = [], self.contiguous + 1
        for seq in sorted(self.above):
            if seq > expected:
                holes.append((expected, seq - 1))
                if len(holes) >= most:
                    break
            expected = seq + 1
        return holes

    def _note_capped(self, seq: int, said: int) -> None:
        """The oldest is forgotten first; one that the stream has passed says nothing any more."""
        for passed in [number for number, stamp in self.capped.items() if stamp <= self.latest_ts]:
            del self.capped[passed]
        while len(self.capped) >= CAPPED_STAMPS:
            del self.capped[next(iter(self.capped))]
        self.capped[seq] = said

    def _close(self) -> None:
        while self.contiguous + 1 in self.above:
            self.contiguous += 1
            self.above.discard(self.contiguous)


class Boot(msgspec.Struct, array_like=True):
    """One start of one device."""

    incarnation: int = 0
    clock: Clock = msgspec.field(default_factory=Clock)
    state: Stream = msgspec.field(default_factory=Stream)
    event: Stream = msgspec.field(default_factory=Stream)
    codes: dict[str, int] = msgspec.field(default_factory=dict)  # highest event number seen, by code
    was_live: bool = False  # heard as the device's present boot: its clock is known
    heard: int = 0  # when its last record was received

    @property
    def latest_ts(self) -> int:
        return max(self.state.latest_ts, self.event.latest_ts)

    def stream(self, leaf: str) -> Stream:
        return self.state if leaf == "state" else self.event


class _Saved(msgspec.Struct, array_like=True):
    format: int
    devices: dict[int, dict[int, Boot]]
    links: dict[int, tuple[int, int, bool]]
    alive: set[int]
    server_stepped_ms: int
    packed: dict[int, dict[int, bytes]] = msgspec.field(default_factory=dict)


class Memory:
    """All devices. Keys are database ids."""

    def __init__(self) -> None:
        self._devices: dict[int, dict[int, Boot]] = {}
        self._packed: dict[
            int, dict[int, bytes]
        ] = {}  # boots that are no longer at hand, whole, in a tenth of the room
        self._unpacked: tuple[int, int, Boot] | None = None  # the last one looked at: records of one boot come in a row
        self._links: dict[int, tuple[int, int, bool]] = {}
        self.alive: set[int] = set()  # lifts that ever gave a sign of life
        self.incarnations = 0
        self.clock_steps = 0
        self.server_stepped_ms = 0  # by how much the server's clock was ever set forward while it ran

    # --- boots ---

    def look(self, device_id: int, boot: int) -> Boot:
        """The memory of one boot, or an empty one; not kept. A duplicate changes nothing, so it may not make room for itself."""
        return self.known(device_id, boot) or Boot()

    def boot(self, device_id: int, boot: int, received: int = 0) -> Boot:
        """The memory of the boot of a record that is taken in, made when new. Only some boots of a device are at hand, the others packed."""
        boots = self._devices.get(device_id)
        if boots is None:
            boots = self._devices[device_id] = {}
        found = boots.get(boot)
        if found is None:
            found = self.look(device_id, boot)
            while len(boots) >= BOOTS_AT_HAND:
                self._pack(device_id, boots)
            self._packed.get(device_id, {}).pop(boot, None)
            self._unpacked = None
            boots[boot] = found
        found.heard = max(found.heard, received)
        return found

    def known(self, device_id: int, boot: int) -> Boot | None:
        """What is remembered of a boot. To change it, take it to hand with `boot`."""
        found = self._devices.get(device_id, {}).get(boot)
        return self._unpack(device_id, boot) if found is None else found

    def _pack(self, device_id: int, boots: dict[int, Boot]) -> None:
        """Put aside the boot that was heard of longest ago, never the one of the device's link. Those packed for too long are forgotten."""
        present = self._links.get(device_id, (None,))[0]
        number = min((number for number in boots if number != present), key=lambda number: boots[number].heard)
        packed = self._packed.setdefault(device_id, {})
        packed[number] = msgspec.msgpack.encode(boots.pop(number))
        self._unpacked = None
        heard = {number: _unpacked(body).heard for number, body in packed.items()}  # 0: the checkpoint did not say
        long_ago = max(boot.heard for boot in boots.values()) - BOOTS_REMEMBERED_MS
        for number in sorted(packed, key=lambda number: heard[number]):
            if len(packed) > BOOTS_REMEMBERED - BOOTS_AT_HAND or 0 < heard[number] < long_ago:
                del packed[number]

    def _unpack(self, device_id: int, boot: int) -> Boot | None:
        body = self._packed.get(device_id, {}).get(boot)
        if body is None:
            return None
        if self._unpacked is None or self._unpacked[:2] != (device_id, boot):
            self._unpacked = (device_id, boot, _unpacked(body))
        return self._unpacked[2]

    def latest_boot(self, device_id: int) -> int | None:
        return next(reversed(self._devices.get(device_id, {})), None)

    def is_live(self, device_id: int, boot: int, ts: int) -> bool:
        """Whether a boot is the device's present one, rather than an earlier one whose ring is still being sent.

        The device's last link message says so; without one, the boot heard of last, or whichever has the newest stamps.
        In doubt a record counts as live: taking the present for the past would be silence.
        """
        boots = self._devices.get(device_id, {})
        link = self._links.get(device_id)
        if link is not None and boot >= link[0]:
            return True
        if link is None and self.latest_boot(device_id) == boot:
            return True
        rivals = boots.items() if link is None else [(link[0], boots[link[0]])] if link[0] in boots else []
        return all(ts >= other.latest_ts for number, other in rivals if number != boot)

    def judge(self, memory: Boot, leaf: str, seq: int, ts: int) -> Verdict:
        """Whether a record is new. Does not take it in."""
        stream = memory.stream(leaf)
        if not stream.has(seq):
            return Verdict.NEW
        return Verdict.NEW_INCARNATION if stream.counts_anew(seq, ts) else Verdict.DUPLICATE

    def take_run(
        self, device_id: int, boot: int, leaf: str, seq: int, stamps: Sequence[int], received: int
    ) -> Boot | None:
        """Take in records numbered `seq` and on, received at once, whose stamps do not go back, as one after the other would be; None, and
        nothing taken in, when they do not simply go on where their stream stood."""
        memory = self._devices.get(device_id, {}).get(boot)
        if memory is None or not memory.was_live:
            return None
        stream = memory.stream(leaf)
        if stream.above or seq != stream.contiguous + 1:
            return None
        if not learn_run(
            memory.clock, stream.track, seq=seq, stamps=stamps, received=received, stepped_ms=self.server_stepped_ms
        ):
            return None
        memory.heard = max(memory.heard, received)
        stream.follow_on(len(stamps), stamps[-1])
        return memory

    def reincarnate(self, device_id: int, boot: int, received: int = 0, incarnation: int | None = None) -> Boot:
        """The device counts anew under a boot number it had used: an empty memory, now the one heard of last.

        What its link said counts anew as well: its connections may.
        """
        old = self.boot(device_id, boot, received)
        fresh = Boot(incarnation=old.incarnation + 1 if incarnation is None else incarnation, heard=old.heard)
        boots = self._devices[device_id]
        del boots[boot]
        boots[boot] = fresh
        if self._links.get(device_id, (None,))[0] == boot:
            del self._links[device_id]
        self.incarnations += 1
        return fresh

    # --- time ---

    def note_clock(self, memory: Boot, stream: Stream, *, seq: int, ts: int, received: int) -> Clock:
        """Learn from one record how far its device's clock is off; answers the clock to correct it with."""
        before = memory.clock
        memory.clock, clock = learn(
            before,
            stream.track,
            seq=seq,
            ts=ts,
            received=received,
            live=memory.was_live,
            stepped_ms=self.server_stepped_ms,
        )
        self.clock_steps += memory.clock.number != before.number
        return clock

    def server_stepped(self, ms: int) -> None:
        """The server's own clock was set forward: differences that rise by as much say nothing about a device."""
        self.server_stepped_ms += ms

    # --- events and links ---

    def event_is_newest(self, device_id: int, memory: Boot, *, live: bool, code: str, seq: int) -> bool:
        """Whether no newer word about this code was heard: an old "over" must not end a new alarm, nor the other way round."""
        if seq <= memory.codes.get(code, 0):
            return False
        others = self._devices.get(device_id, {}).values()
        return live or not any(code in other.codes for other in others if other is not memory)

    def link_is_old(self, device_id: int, boot: int, conn: int) -> bool:
        """Whether a link message is of an earlier connection than the last one of its boot."""
        known = self._links.get(device_id)
        return known is not None and known[0] == boot and conn < known[1]

    def note_link(self, device_id: int, boot: int, conn: int, *, online: bool) -> bool:
        """Whether a link message says something new: not an older connection, not the retained copy of what is known."""
        if self.link_is_old(device_id, boot, conn) or self._links.get(device_id) == (boot, conn, online):
            return False
        self._links[device_id] = (boot, conn, online)
        return True

    # --- the store ---

    def replayed(
        self, *, device_id: int, boot: int, incarnation: int, leaf: str, seq: int, ts: int, received: int, live: bool
    ) -> Boot:
        """Take in a stored record after a restart. `live`: its time was known, because its boot is or was the present one."""
        memory = self.boot(device_id, boot, received)
        if incarnation > memory.incarnation:
            memory = self.reincarnate(device_id, boot, received, incarnation)
        memory.was_live |= live
        stream = memory.stream(leaf)
        clock = self.note_clock(memory, stream, seq=seq, ts=ts, received=received)
        stream.accept(seq, clock.stamp_now(ts, received), said=ts)
        return memory

    def snapshot(self) -> bytes:
        saved = _Saved(FORMAT, self._devices, self._links, self.alive, self.server_stepped_ms, self._packed)
        return msgspec.msgpack.encode(saved)

    def restore(self, blob: bytes) -> None:
        """Raises `ValueError` for another format."""
        saved = msgspec.msgpack.decode(blob, type=_Saved)
        if saved.format not in _READABLE:
            raise ValueError(f"device memory of format {saved.format}, expected {FORMAT}")
        self._devices, self._packed = saved.devices, saved.packed
        self._links, self.alive, self._unpacked = saved.links, saved.alive, None
        self.server_stepped_ms = saved.server_stepped_ms


def _unpacked(body: bytes) -> Boot:
    return msgspec.msgpack.decode(body, type=Boot)
