"""The device half of the MQTT contract, as a reference for terminal makers: calls in, messages out, time is an argument.

Rules it keeps (docs/device-guide.md): every record carries boot and its stream's seq from 1; samples wait in a bounded ring until the
server acknowledges them; events are sent again until it does, over restarts as well; what is lost for good is declared `gone`; the
clock goes by the server's. Knows no MQTT client, no clock, no lift, no engine: whoever has bytes to move can use it (`terminal`).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hoistway import wire
from hoistway.limits import BOOT_MAX, CLOCK_SLOW_MS, CLOCK_STEP_MS, GONE_RANGES

RING_SAMPLES: Final = 4_096
"""Samples kept until acknowledged; beyond it the oldest are given up and declared gone."""
KEPT_EVENTS: Final = 1_000
"""Events kept until acknowledged, of all boots together; beyond it the oldest are given up and declared gone."""
RECORDS_A_MESSAGE: Final = 200
RESEND_FIRST_MS: Final = 5_000
RESEND_MOST_MS: Final = 60_000
REMEMBERED: Final = (
    256  # hashes of sent messages and ids of commands, to know what a refusal or a repeated command means
)


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish with QoS 1."""

    leaf: str  # state, event or link
    payload: bytes
    retain: bool = False


class Stream:
    """One of the two record streams of one boot."""

    def __init__(self, most: int, *, over: bool = False) -> None:
        self.most, self.over = most, over  # over: of an earlier boot, nothing is added
        self.seq = 0  # last one given out
        self.acked = 0
        self.kept: OrderedDict[int, bytes] = OrderedDict()
        self.unsent: set[int] = set()
        self.gone: set[int] = set()  # above `acked`
        self.dropped = 0

    def add(self, boot: int, ts: int, values: Mapping[str, Any]) -> bool:
        """Number a record and keep it; True when an older one had to go for it."""
        self.seq += 1
        self.kept[self.seq] = wire.encode({"ts": ts, "boot": boot, "seq": self.seq, **values})
        self.unsent.add(self.seq)
        return len(self.kept) > self.most and self.drop([next(iter(self.kept))])

    def drop(self, seqs: Iterable[int]) -> bool:
        """Give records up for good: counted, and to be declared."""
        for seq in seqs:
            if self.kept.pop(seq, None) is not None:
                self.dropped += 1
            self.unsent.discard(seq)
            if self.acked < seq <= self.seq:
                self.gone.add(seq)
        return True

    def acknowledge(self, upto: int) -> bool:
        """Everything up to `upto` is safe; True when that is news. A number never given out is not believed."""
        if not self.acked < upto <= self.seq:
            self.gone = {seq for seq in self.gone if not self.acked == upto >= seq}
            return False
        for seq in range(self.acked + 1, upto + 1):
            self.kept.pop(seq, None)
        self.acked = upto
        self.unsent = {seq for seq in self.unsent if seq > upto}
        self.gone = {seq for seq in self.gone if seq > upto}
        return True

    def ask_again(self, ranges: wire.Ranges) -> bool:
        """Send the named records again; True when some of them are gone. Of an old boot the server may have forgotten the start."""
        lost, least = False, 1 if self.over else self.acked + 1
        for first, last in ranges:
            for seq in range(max(first, least), min(last, self.seq) + 1):
                if seq in self.kept:
                    self.unsent.add(seq)
                else:
                    self.gone.add(seq)
                    lost = True
        return lost

    def take(self) -> tuple[list[int], bytes]:
        """The oldest unsent records as one payload: an object, or an array of several."""
        seqs = sorted(self.unsent)[:RECORDS_A_MESSAGE]
        self.unsent.difference_update(seqs)
        records = [self.kept[seq] for seq in seqs]
        return seqs, records[0] if len(records) == 1 else b"[" + b",".join(records) + b"]"

    def saved(self) -> dict[str, Any]:
        kept = {str(seq): record.decode() for seq, record in self.kept.items()}
        return {"seq": self.seq, "acked": self.acked, "kept": kept, "gone": ranges(self.gone), "dropped": self.dropped}

    @classmethod
    def of_the_past(cls, saved: Mapping[str, Any]) -> Stream:
        """A stream of an earlier boot, all of it to be sent again."""
        stream = cls(len(saved["kept"]), over=True)
        stream.seq, stream.acked, stream.dropped = saved["seq"], saved["acked"], saved["dropped"]
        stream.kept.update((int(seq), record.encode()) for seq, record in saved["kept"].items())
        stream.gone = {seq for first, last in saved["gone"] for seq in range(first, last + 1)}
        return stream


class Device:
    """One terminal between two starts. `on_selftest` does the command `selftest`: it tests, and reports `self-test` of what is good."""

    def __init__(
        self, name: str, *, boot: int, ring: int = RING_SAMPLES, events: int = KEPT_EVENTS, on_selftest: SelfTest | None = None
    ) -> None:  # fmt: skip
        self.name, self.boot, self.conn, self.connected = name, boot, 0, False
        self.state, self.event = Stream(ring), Stream(events)
        self.events = {boot: self.event}  # by boot, oldest first; those of boots before until the server has them
        self.offset_ms, self._stamped = 0, 0  # server time minus our clock; the last stamp
        self.on_selftest = on_selftest
        self.refused = self.resent = self.ignored = 0  # ignored: not to be read, and commands that cannot be followed
        self.slow_s = 0  # the server is overloaded: no old samples, and new ones so far apart unless something changed
        self._link_due, self._retry_ms, self._retry_at = False, RESEND_FIRST_MS, 0
        self._doubtful, self._doubt_until = set[int](), 0  # samples of before this connection: they wait for an ack
        self._sent, self._commands = OrderedDict[str, tuple[Stream, list[int]]](), OrderedDict[str, None]()

    def snapshot(self) -> dict[str, Any]:
        """For non-volatile memory: after a start, each event, each `ack`. Samples are not in it: a ring of them wears a flash out."""
        events = {str(boot): stream.saved() for boot, stream in self.events.items() if stream.kept or stream.gone}
        return {"boot": self.boot, "conn": self.conn, "events": events}

    @classmethod
    def restarted(
        cls, name: str, snapshot: Mapping[str, Any] | None, *, ring: int = RING_SAMPLES, events: int = KEPT_EVENTS
    ) -> Device:
        """The device after a restart: the next boot, no samples, and the events that the server does not have yet."""
        boot = 1 if snapshot is None else min(snapshot["boot"] + 1, BOOT_MAX)
        device = cls(name, boot=boot, ring=ring, events=events)
        saved = (snapshot or {}).get("events", {})
        device.events = {int(boot): Stream.of_the_past(stream) for boot, stream in saved.items()}
        device.events[device.boot] = device.event
        return device

    def stamp(self, now: int) -> int:
        """The `ts` of what happens at `now` of our own clock, ms. It never goes back, unless the clock was far ahead."""
        ts = now + self.offset_ms
        self._stamped = ts if ts < self._stamped - CLOCK_STEP_MS else max(ts, self._stamped)
        return self._stamped

    def sample(self, values: Mapping[str, Any], ts: int) -> None:
        """A complete sample."""
        self._link_due |= self.state.add(self.boot, ts, values)

    def report(
        self, code: str, active: bool, ts: int, data: Mapping[str, Any] | None = None, *, lift: str | None = None
    ) -> None:
        """An event, raised or cleared; a gateway names the lift."""
        more = {name: value for name, value in (("lift", lift), ("data", data or None)) if value is not None}
        self._link_due |= self.event.add(self.boot, ts, {"code": code, "active": active, **more})
        while sum(len(stream.kept) for stream in self.events.values()) > self.event.most:
            oldest = next(stream for stream in self.events.values() if stream.kept)
            self._link_due |= oldest.drop([next(iter(oldest.kept))])

    def connecting(self, now: int) -> Message:
        """A new connection is tried: its will, to be given to the broker with CONNECT."""
        self.conn += 1
        self.connected = False
        return self._link(online=False, now=now)

    def up(self, now: int) -> None:
        """The connection stands: say so, send all events that are not acknowledged, and samples once the next ack has told."""
        self.connected = self._link_due = True
        self._retry_ms, self._retry_at = RESEND_FIRST_MS, now
        self._doubtful, self._doubt_until = set(self.state.kept), now + RESEND_FIRST_MS
        self.state.unsent.clear()
        for stream in self.events.values():
            stream.unsent.update(stream.kept)

    def down(self) -> None:
        self.connected = False

    def farewell(self, now: int) -> Message:
        """Said before leaving on purpose (a clean disconnect withholds the will)."""
        return self._link(online=False, now=now)

    def outgoing(self, now: int, room: int = 1_000) -> list[Message]:
        """At most `room` messages to publish now: link first, then events, then samples, oldest first."""
        if not self.connected:
            return []
        messages: list[Message] = []
        if self._link_due and room > 0:
            self._link_due = False
            messages += [self._gone_of(boot) for boot in self.events if boot != self.boot and self.events[boot].gone]
            messages.append(self._link(online=True, now=now))  # the last word, which is retained, is of this boot
        if now >= self._doubt_until:
            self._settle()
        samples = [] if self._doubtful and not self.slow_s else [("state", self.state)]
        if any(stream.kept for stream in self.events.values()) and now >= self._retry_at:
            for stream in self.events.values():
                again = stream.kept.keys() - stream.unsent
                self.resent += len(again)
                stream.unsent.update(again)
            self._retry_at = now + self._retry_ms
            self._retry_ms = min(self._retry_ms * 2, RESEND_MOST_MS)
        for leaf, stream in (*(("event", stream) for stream in self.events.values()), *samples):
            while stream.unsent and len(messages) < room:
                seqs, payload = stream.take()
                self._remember(payload, stream, seqs)
                messages.append(Message(leaf, payload))
        return messages

    def receive(self, leaf: str, payload: bytes, now: int) -> None:
        """An `ack` or a `cmd`. Anything unreadable is counted and changes nothing."""
        try:
            if leaf == "ack":
                self._on_ack(wire.decode_ack(payload), now)
            elif leaf == "cmd":
                self._on_command(wire.decode_command(payload), now)
        except msgspec.MsgspecError:
            self.ignored += 1

    def _on_ack(self, ack: wire.Ack, now: int) -> None:
        if abs(ack.ts - now - self.offset_ms) > CLOCK_SLOW_MS:
            self.offset_ms = ack.ts - now
        for refused in ack.refused:
            stream, seqs = self._sent.pop(refused.sha256_8, (None, []))
            if stream is not None:
                self.refused += 1
                stream.drop(seqs)
                self._link_due = True
        stream, missing = self.events.get(ack.boot), ack.missing or wire.Missing()
        if stream is None:
            return
        if stream.acknowledge(ack.event):
            self._retry_ms = RESEND_FIRST_MS
        self._link_due |= stream.ask_again(missing.event)
        if ack.boot == self.boot:
            self.slow_s = max(0, ack.slow_s or 0)
            self.state.acknowledge(ack.state)
            self._settle()
            self._link_due |= not self.slow_s and self.state.ask_again(missing.state)
        elif not stream.kept and not stream.gone:
            del self.events[ack.boot]

    def _settle(self) -> None:
        """What is older than this connection and not acknowledged goes now, unless the server is overloaded."""
        if not self.slow_s:
            self.state.unsent |= self._doubtful & self.state.kept.keys()
            self._doubtful = set()

    def _on_command(self, command: wire.Command, now: int) -> None:
        if command.id in self._commands:
            return
        self._commands[command.id] = None
        while len(self._commands) > REMEMBERED:
            self._commands.popitem(last=False)
        if command.cmd == "selftest" and self.on_selftest is not None:
            self.on_selftest(self, now)
        elif command.cmd == "resend":
            self._link_due |= self.state.ask_again(command.state) | self.event.ask_again(command.event)
        else:
            self.ignored += 1  # no loudspeaker here; and monitoring only: nothing moves or stops a lift

    def _remember(self, payload: bytes, stream: Stream, seqs: list[int]) -> None:
        self._sent[hashlib.sha256(payload).digest()[:8].hex()] = (stream, seqs)
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _link(self, *, online: bool, now: int) -> Message:
        gone = None
        if online and (self.state.gone or self.event.gone):
            gone = wire.Missing(state=ranges(self.state.gone), event=ranges(self.event.gone))
        link = wire.Link(online=online, boot=self.boot, conn=self.conn, ts=now, gone=gone)
        return Message("link", wire.encode(link), retain=True)

    def _gone_of(self, boot: int) -> Message:
        gone = wire.Missing(event=ranges(self.events[boot].gone))
        return Message("link", wire.encode(wire.Link(online=True, boot=boot, conn=0, gone=gone)), retain=True)


SelfTest = Callable[[Device, int], None]
"""Called with the device and its own clock, ms."""


def ranges(seqs: Iterable[int]) -> wire.Ranges:
    """Numbers as closed ranges, in order, the first `GONE_RANGES` of them."""
    result: wire.Ranges = []
    for seq in sorted(seqs):
        if result and result[-1][1] == seq - 1:
            result[-1] = (result[-1][0], seq)
        elif len(result) == GONE_RANGES:
            break
        else:
            result.append((seq, seq))
    return result
