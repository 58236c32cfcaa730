"""A city of terminals that all lose their broker at once and come back. Blocking; answers an `Outcome`.

Each terminal is a bare MQTT connection, because a client with threads each would be what is measured. They reconnect with a random pause,
say `link`, send what they had kept as one array and wait for the platform's own `ack`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.common import percentiles
from hoistway.embedded.credentials import device_password
from hoistway.store import connect_url
from hoistway.up.state import State
from tests.chaos.driver import Rig
from tests.chaos.outages import Outcome, account, judged
from tests.chaos.run import traffic
from tests.support.feed import FREED
from tests.support.ledger import stored
from tests.support.mqtt_bytes import frame, text
from tests.support.system import wait_for

KEPT = 20  # samples that a terminal had kept: ten minutes of heartbeats
SPREAD_S = 60.0  # the random pause before a terminal connects again
AGAIN_S = 10.0  # without an ack everything is said again, as the contract has it
BACK_S = 120.0
ALARM_MS = 10_000
SPARE = 500  # files that a process needs beside its connections


@dataclass(slots=True)
class Terminal:
    """One connection after the other."""

    name: str
    number: int
    password: str
    conn: int = 0
    boot: int = 1
    acked: float = 0.0  # when the last ack came, monotonic
    state: int = 0  # the number it named

    @property
    def prefix(self) -> str:
        return f"lift/v1/{self.number % 64}/{self.name}"


class Crowd(threading.Thread):
    """All terminals, in a thread and event loop of their own."""

    def __init__(self, port: int, terminals: list[Terminal]) -> None:
        super().__init__(daemon=True)
        self._port, self.terminals = port, terminals
        self._ended = threading.Event()
        self._spread_s = len(terminals) / 500  # to begin with
        self.up = 0

    def stop(self) -> None:
        """Close every connection."""
        self._ended.set()
        self.join()

    def storm(self) -> None:
        """From now on they come back within `SPREAD_S`."""
        self._spread_s = SPREAD_S

    def back_since(self, at: float) -> int:
        """How many had an ack after that moment."""
        return sum(terminal.acked > at for terminal in self.terminals)

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        tasks = [asyncio.create_task(self._live(terminal)) for terminal in self.terminals]
        await asyncio.to_thread(self._ended.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, terminal: Terminal) -> None:
        rng = random.Random(terminal.number)
        while True:
            await asyncio.sleep(rng.random() * self._spread_s)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, AssertionError, TimeoutError):
                await self._once(terminal)

    async def _once(self, terminal: Terminal) -> None:
        """Connect, say everything, read acks until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        terminal.conn += 1
        try:
            writer.write(_connect(terminal))
            answer = await asyncio.wait_for(reader.readexactly(4), 30)
            assert answer[3] == 0
            self.up += 1
            writer.write(frame(0x82, struct.pack(">H", 1) + text(f"{terminal.prefix}/ack") + b"\0"))
            before, kept = terminal.acked, _kept(terminal)
            reading = asyncio.create_task(self._read(terminal, reader))
            try:
                while terminal.acked == before and not reading.done():
                    writer.write(_publish(f"{terminal.prefix}/state", 2, kept))
                    link = {"online": True, "boot": terminal.boot, "conn": terminal.conn}
                    writer.write(_publish(f"{terminal.prefix}/link", 3, json.dumps(link).encode()))
                    await asyncio.wait([reading], timeout=AGAIN_S * (0.5 + terminal.number % 100 / 100))
                await reading
            finally:
                reading.cancel()
        finally:
            self.up -= 1
            writer.close()

    async def _read(self, terminal: Terminal, reader: asyncio.StreamReader) -> None:
        """Acks until the connection ends."""
        while True:
            topic, payload = await _packet(reader)
            if topic.endswith("/ack"):
                terminal.acked, terminal.state = time.monotonic(), json.loads(payload)["state"]


def _kept(terminal: Terminal) -> bytes:
    """The last ten minutes, as heartbeats that were not acknowledged."""
    first, now = (terminal.conn - 1) * KEPT, time.time_ns() // 1_000_000
    return json.dumps(
        [
            {"ts": now - (KEPT - index) * 500, "boot": terminal.boot, "seq": first + index + 1, **FREED}
            for index in range(KEPT)
        ]
    ).encode()


def _connect(terminal: Terminal) -> bytes:
    body = text("MQTT") + bytes([4, 0b11000010]) + struct.pack(">H", 600)
    return frame(0x10, body + text(terminal.name) + text(terminal.name) + text(terminal.password))


def _publish(topic: str, mid: int, payload: bytes) -> bytes:
    return frame(0x32, text(topic) + struct.pack(">H", mid) + payload)


async def _packet(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Topic and payload of the next packet; an empty topic when it is no message."""
    kind, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            break
    body = await reader.readexactly(length)
    if kind >> 4 != 3:
        return "", b""
    size = struct.unpack(">H", body[:2])[0]
    return body[2 : 2 + size].decode(), body[2 + size + (2 if kind & 6 else 0) :]


async def _enrol(rig: Rig, count: int) -> list[Terminal]:
    key = State(rig.system.home).secret("device-key").encode()
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=5, command_timeout_s=120)
    await connection.execute(
        "with made as (insert into lift (kind, name, exercise) select 'lift', 'crowd-' || n, true"
        " from generate_series(0, $1 - 1) n returning id, name)"
        " insert into device (device, shard, lift_id) select name, split_part(name, '-', 2)::int % 64, id from made",
        count,
    )
    await connection.close()
    return [Terminal(f"crowd-{number}", number, device_password(key, f"crowd-{number}")) for number in range(count)]


def room() -> int:
    """How many connections one process may hold here: asked for as many as the machine allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (100_000, 100_000))
        hard = 100_000
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(100, hard - SPARE)


def reconnect(broker: str, *, terminals: int = 20_000) -> Outcome:
    """Everybody is connected; the broker is ended with kill -9; all of them come back to the one that the supervisor starts."""
    count = min(terminals, room())
    with traffic(broker) as (rig, ledger):
        crowd = Crowd(rig.system.mqtt_port, asyncio.run(_enrol(rig, count)))
        wait_for(
            lambda: _accounts(rig, broker).stat().st_size > count * 40,
            limit_s=120,
            what="the broker knows the terminals",
        )
        crowd.start()
        try:
            wait_for(lambda: crowd.back_since(0) == count, limit_s=300, what=f"all connected, {crowd.up} are")
            crowd.storm()
            rig.system.kill("broker")
            over = time.monotonic()
            wait_for(lambda: crowd.back_since(over) == count, limit_s=300, what="all are back")
            back_s = time.monotonic() - over
            waits = ledger.waits(over, time.monotonic())
        finally:
            crowd.stop()
        found = account(rig, ledger, since=over, only="led-")
        missing = asyncio.run(_lost(rig, crowd.terminals))
    worst = float(np.percentile(waits, 99)) if waits else float("inf")
    wrong: dict[str, object] = {"acknowledged and not stored": missing} if missing else {}
    return judged(found, wrong=wrong, over_ms=(("all back s", back_s, BACK_S), ("alarms p99 ms", worst, ALARM_MS)), more=[
        ("terminals", f"{count} (asked for {terminals}; one process may hold {room() + SPARE} files here)"),
        ("broker ended: until every terminal had its ack again", f"{back_s:.0f} s, with random pauses of up to {SPREAD_S:.0f} s"),
        ("samples that they brought along", str(count * KEPT)),
        ("events meanwhile: to the ack, p50 / p99 / worst ms", f"{percentiles(waits)} (bound of p99 {ALARM_MS})"),
    ])  # fmt: skip


def _accounts(rig: Rig, broker: str) -> Path:
    folder = rig.system.home / "broker" / broker
    return folder / ("passwords" if broker == "mosquitto" else "accounts.conf")


async def _lost(rig: Rig, terminals: list[Terminal]) -> int:
    """Samples that an ack named and the store lacks."""
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=10, command_timeout_s=300)
    there = set(await stored(connection))
    await connection.close()
    return sum(
        (terminal.name, terminal.boot, "state", seq) not in there
        for terminal in terminals
        for seq in range(1, terminal.state + 1)
    )
