"""The device half of the MQTT contract, as a reference for terminal makers: calls in, messages out, time is an argument.

Rules it keeps (docs/mqtt.md): every record carries boot and its stream's seq from 1; samples wait in a bounded ring until the server
acknowledges them; events are sent again until it does; what is lost for good is declared `gone`. Knows no MQTT client, no clock, no
lift: whoever has bytes to move and a clock can use it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hoistway import wire
from hoistway.limits import BOOT_MAX, HEARTBEAT_S

RING_SAMPLES: Final = 4_096
"""Samples kept until acknowledged; beyond it the oldest are given up and declared gone."""
KEPT_EVENTS: Final = 1_000
"""Events kept until acknowledged; beyond it the oldest are given up and declared gone."""
RECORDS_A_MESSAGE: Final = 200
RESEND_FIRST_MS: Final = 5_000
RESEND_MOST_MS: Final = 60_000
REMEMBERED: Final = 256
"""Hashes of sent messages and ids of commands kept, to know what a refusal or a repeated command means."""
GONE_RANGES: Final = 256
"""Ranges named in one link message; further ones follow when these are acknowledged."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish with QoS 1."""

    leaf: str  # state, event or link
    payload: bytes
    retain: bool = False


class Stream:
    """One of the two record streams of one boot."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.seq = 0  # last one given out
        self.acked = 0
        self.kept: OrderedDict[int, bytes] = OrderedDict()
        self.unsent: set[int] = set()
        self.gone: set[int] = set()  # above `acked`
        self.dropped = 0

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def keep(self, seq: int, record: bytes) -> bool:
        """Take a record; True when an older one had to go for it."""
        self.kept[seq] = record
        self.unsent.add(seq)
        if len(self.kept) <= self.most:
            return False
        self.drop([next(iter(self.kept))])
        return True

    def drop(self, seqs: Iterable[int]) -> None:
        """Give records up for good."""
        for seq in seqs:
            if self.kept.pop(seq, None) is not None:
                self.dropped += 1
            self.unsent.discard(seq)
            if self.acked < seq <= self.seq:
                self.gone.add(seq)

    def acknowledge(self, upto: int) -> bool:
        """Everything up to `upto` is safe; True when that is news. A number never given out is not believed."""
        if not self.acked < upto <= self.seq:
            return False
        for seq in range(self.acked + 1, upto + 1):
            self.kept.pop(seq, None)
        self.acked = upto
        self.unsent = {seq for seq in self.unsent if seq > upto}
        self.gone = {seq for seq in self.gone if seq > upto}
        return True

    def ask_again(self, ranges: wire.Ranges) -> bool:
        """Send the named records again; True when some of them are gone."""
        lost = False
        for first, last in ranges:
            for seq in range(max(first, self.acked + 1), min(last, self.seq) + 1):
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


class Device:
    """One terminal between two starts."""

    def __init__(self, name: str, *, boot: int, ring: int = RING_SAMPLES, events: int = KEPT_EVENTS) -> None:
        self.name, self.boot, self.conn = name, boot, 0
        self.connected = False
        self.state, self.event = Stream(ring), Stream(events)
        self.refused = self.resent = self.soothed = self.bad_messages = 0
        self.slow_s = 0  # longest interval the server asks for; 0 = none
        self._link_due = False
        self._retry_ms, self._retry_at = RESEND_FIRST_MS, 0
        self._sent: OrderedDict[str, tuple[Stream, list[int]]] = OrderedDict()
        self._commands: OrderedDict[str, None] = OrderedDict()

    # --- what has to outlive a restart ---

    def snapshot(self) -> dict[str, int]:
        return {"boot": self.boot, "conn": self.conn}

    @classmethod
    def restarted(cls, name: str, snapshot: Mapping[str, int] | None, **sizes: int) -> Device:
        """The device after a restart: the next boot, an empty memory."""
        boot = 1 if snapshot is None else min(snapshot["boot"] + 1, BOOT_MAX)
        return cls(name, boot=boot, **sizes)

    # --- from the sensors ---

    def sample(self, values: Mapping[str, Any], ts: int) -> None:
        """A complete sample."""
        seq = self.state.next_seq()
        if self.state.keep(seq, wire.encode({"ts": ts, "boot": self.boot, "seq": seq, **values})):
            self._link_due = True

    def report(
        self, code: str, active: bool, ts: int, data: Mapping[str, Any] | None = None, *, lift: str | None = None
    ) -> None:
        """An event, raised or cleared; a gateway names the lift."""
        seq = self.event.next_seq()
        record: dict[str, Any] = {"ts": ts, "boot": self.boot, "seq": seq, "code": code, "active": active}
        if lift is not None:
            record["lift"] = lift
        if data:
            record["data"] = data
        if self.event.keep(seq, wire.encode(record)):
            self._link_due = True

    # --- the connection ---

    def connecting(self, now: int) -> Message:
        """A new connection is tried: its will, to be given to the broker with CONNECT."""
        self.conn += 1
        self.connected = False
        return self._link(online=False, now=now)

    def up(self, now: int) -> None:
        """The connection stands: say so, and send every unacknowledged event at once."""
        self.connected = self._link_due = True
        self._retry_ms, self._retry_at = RESEND_FIRST_MS, now
        self.event.unsent.update(self.event.kept)

    def down(self) -> None:
        self.connected = False

    def farewell(self, now: int) -> Message:
        """Said before leaving on purpose (a clean disconnect withholds the will)."""
        return self._link(online=False, now=now)

    # --- to the broker ---

    def outgoing(self, now: int, room: int = 1_000) -> list[Message]:
        """At most `room` messages to publish now: link first, then events, then samples, oldest first."""
        if not self.connected:
            return []
        messages: list[Message] = []
        if self._link_due and room > 0:
            self._link_due = False
            messages.append(self._link(online=True, now=now))
        if self.event.kept and now >= self._retry_at:
            again = self.event.kept.keys() - self.event.unsent
            self.resent += len(again)
            self.event.unsent.update(again)
            self._retry_at = now + self._retry_ms
            self._retry_ms = min(self._retry_ms * 2, RESEND_MOST_MS)
        for leaf, stream in (("event", self.event), ("state", self.state)):
            while stream.unsent and len(messages) < room:
                seqs, payload = stream.take()
                self._remember(payload, stream, seqs)
                messages.append(Message(leaf, payload))
        return messages

    def next_at(self) -> int | None:
        """When un-acknowledged events are due again."""
        return self._retry_at if self.connected and self.event.kept else None

    # --- from the server ---

    def receive(self, leaf: str, payload: bytes, now: int) -> None:
        """An `ack` or a `cmd`. Anything unreadable is counted and changes nothing."""
        try:
            if leaf == "ack":
                self._on_ack(wire.decode_ack(payload))
            elif leaf == "cmd":
                self._on_command(wire.decode_command(payload), now)
        except msgspec.MsgspecError:
            self.bad_messages += 1

    def _on_ack(self, ack: wire.Ack) -> None:
        for refused in ack.refused:
            stream, seqs = self._sent.pop(refused.sha256_8, (None, []))
            if stream is not None:
                self.refused += 1
                stream.drop(seqs)
                self._link_due = True
        if ack.boot != self.boot:
            return
        if self.event.acknowledge(ack.event):
            self._retry_ms = RESEND_FIRST_MS
        self.state.acknowledge(ack.state)
        self.slow_s = max(0, ack.slow_s or 0)
        if ack.missing is not None:
            self._again(ack.missing.state, ack.missing.event)

    def _on_command(self, command: wire.Command, now: int) -> None:
        if command.id in self._commands:
            return
        self._commands[command.id] = None
        while len(self._commands) > REMEMBERED:
            self._commands.popitem(last=False)
        if command.cmd == "soothe":
            self.soothed += 1  # the calming announcement plays in the car
        elif command.cmd == "selftest":
            self.report("self-test", True, now)
            self.report("self-test", False, now)
        elif command.cmd == "resend":
            self._again(command.state, command.event)
        else:
            self.bad_messages += 1  # monitoring only: nothing here moves or stops a lift

    def _again(self, state: wire.Ranges, event: wire.Ranges) -> None:
        lost = self.state.ask_again(state)
        lost |= self.event.ask_again(event)
        self._link_due |= lost

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


assert RESEND_MOST_MS <= 2 * HEARTBEAT_S * 1_000  # noqa: S101  (an event is never waited for longer than two heartbeats)
