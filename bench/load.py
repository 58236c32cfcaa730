"""A fleet that only sends: thousands of MQTT connections in one thread, each message at its own time, cheap enough not to be measured.

Bare sockets: CONNECT, PUBLISH at QoS 1, PUBACKs counted. What devices do beside (rings, resending, link messages) is the simulator's.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.support.mqtt_bytes import frame, text

QUIET: Final = (
    b'"service_mode":1,"car_status":0,"car_direction":0,"door_zone":true,"car_position":"%d","door_status":2,"door_closed":true,'
    b'"passenger":false,"speed":0.0,"power":1,"temperature":24.5}'
)
BOARDING: Final = (
    b'"service_mode":1,"car_status":0,"car_direction":0,"door_zone":true,"car_position":"%d","door_status":4,"door_closed":false,'
    b'"passenger":true,"speed":0.0,"power":1,"temperature":24.5}'
)
RUNNING: Final = (
    b'"service_mode":1,"car_status":1,"car_direction":1,"door_zone":false,"car_position":"%d","door_status":2,"door_closed":true,'
    b'"passenger":true,"speed":1.75,"power":1,"temperature":24.5}'
)
LIFE: Final = (QUIET, QUIET, QUIET, BOARDING, RUNNING, BOARDING, QUIET, QUIET)
"""What a lift says one sample after the other: it stands, somebody boards, rides and gets out. Nothing in it is an alarm."""


@dataclass(slots=True)
class Sender:
    """One device: its connection, its numbers, its lifts (none named: a terminal)."""

    shard: int
    name: str
    password: str
    boot: int
    lifts: Sequence[str] = ()
    seq: int = 0
    events: int = 0
    mid: int = 0
    sent: int = 0
    confirmed: int = 0
    socket: socket.socket | None = None
    unsent: bytes = b""
    topic: bytes = field(default=b"")

    def __post_init__(self) -> None:
        self.topic = f"lift/v1/{self.shard}/{self.name}/".encode()

    def samples(self, count: int, ts: int) -> bytes:
        """A PUBLISH with so many samples; more than one is an array."""
        rows = []
        for _ in range(count):
            self.seq += 1
            where = b'"lift":"%s",' % self.lifts[self.seq % len(self.lifts)].encode() if self.lifts else b""
            # Each lift of a gateway lives on by one step for each of its own samples.
            turn = self.seq // max(1, len(self.lifts)) + self.boot
            life = LIFE[turn % len(LIFE)] % (turn % 17 + 1)
            rows.append(b'{"ts":%d,"boot":%d,"seq":%d,%s%s' % (ts, self.boot, self.seq, where, life))
        return self._publish(b"state", rows[0] if count == 1 else b"[" + b",".join(rows) + b"]")

    def event(self, code: bytes, ts: int, *, active: bool) -> bytes:
        self.events += 1
        row = b'{"ts":%d,"boot":%d,"seq":%d,"code":"%s","active":%s}' % (
            ts, self.boot, self.events, code, b"true" if active else b"false",
        )  # fmt: skip
        return self._publish(b"event", row)

    def _publish(self, leaf: bytes, payload: bytes) -> bytes:
        self.mid = self.mid % 65_535 + 1
        self.sent += 1
        topic = self.topic + leaf
        return frame(0x32, len(topic).to_bytes(2, "big") + topic + self.mid.to_bytes(2, "big") + payload)


class Fleet:
    """Senders, read in one place. `connect` once, then `run`."""

    def __init__(self, port: int, senders: Sequence[Sender]) -> None:
        self.port, self.senders = port, senders
        self._epoll = select.epoll()
        self._by_number: dict[int, Sender] = {}
        self._blocked: list[Sender] = []
        self.late_ms = 0.0  # the most that a message left after its time

    def connect(self, at_once: int = 200) -> None:
        """All connections, so many at a time."""
        for first in range(0, len(self.senders), at_once):
            part = self.senders[first : first + at_once]
            for sender in part:
                sender.socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)
                sender.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                body = text("MQTT") + bytes([4, 0b11000010]) + (0).to_bytes(2, "big")
                sender.socket.sendall(frame(0x10, body + text(sender.name) + text(sender.name) + text(sender.password)))
            for sender in part:
                assert sender.socket is not None
                answer = sender.socket.recv(4)
                if len(answer) < 4 or answer[3] != 0:
                    raise RuntimeError(f"the broker refused {sender.name}: {answer!r}")
                sender.socket.setblocking(False)
                self._by_number[sender.socket.fileno()] = sender
                self._epoll.register(sender.socket.fileno(), select.EPOLLIN)

    def send(self, sender: Sender, data: bytes) -> None:
        assert sender.socket is not None
        if sender.unsent:
            sender.unsent += data
            return
        try:
            done = sender.socket.send(data)
        except BlockingIOError:
            done = 0
        if done < len(data):
            sender.unsent = data[done:]
            self._blocked.append(sender)

    def poll(self, wait_s: float) -> None:
        """Take the PUBACKs that have come, and send on what did not go out."""
        for number, _ in self._epoll.poll(wait_s):
            sender = self._by_number[number]
            assert sender.socket is not None
            data = sender.socket.recv(4_096)
            if not data:
                raise RuntimeError(f"the broker has closed the connection of {sender.name}")
            sender.confirmed += len(data) // 4  # nothing but PUBACKs comes: nobody has subscribed
        blocked, self._blocked = self._blocked, []
        for sender in blocked:
            rest, sender.unsent = sender.unsent, b""
            self.send(sender, rest)

    def run(self, schedule: Iterator[tuple[float, Callable[[int], tuple[Sender, bytes]]]]) -> float:
        """Send each message at its time, seconds from now; the message is made with the stamp of its time. Answers how long it took."""
        begin = time.monotonic()
        offset_ms = time.time() * 1_000 - begin * 1_000
        for number, (at, make) in enumerate(schedule):
            due = begin + at
            if number % 100 == 0:
                self.poll(0)
            while (left := due - time.monotonic()) > 0:
                self.poll(min(left, 0.002))
            self.late_ms = max(self.late_ms, -left * 1_000)
            sender, data = make(int(due * 1_000 + offset_ms))
            self.send(sender, data)
        until = time.monotonic() + 30
        while time.monotonic() < until and any(sender.confirmed < sender.sent for sender in self.senders):
            self.poll(0.05)
        return time.monotonic() - begin

    def close(self) -> None:
        for sender in self.senders:
            if sender.socket is not None:
                sender.socket.close()
        self._epoll.close()
