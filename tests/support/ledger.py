"""Virtual terminals with a ledger: what each sent, what the platform accepted, compared with what the store holds.

They keep the device half of the contract with the reference device of `simulators`, over paho in a thread each.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hoistway import wire
from hoistway.samples import Log
from simulators.device import Device
from tests.support.feed import FREED, TRAPPED

Key = tuple[str, int, str, int]  # device, boot, stream, seq


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class LedgerDevice:
    """One terminal of one lift: samples without end, of a trapped person or of a lift at rest, and events that come and go."""

    def __init__(
        self, name: str, shard: int, password: str, port: int, *, every_s: float = 0.05, trapped: bool = True
    ) -> None:
        self.name, self._shard, self._every_s = name, shard, every_s
        self.trapped = trapped
        self.silent = False
        self.forgotten: set[Key] = set()  # un-acknowledged at a restart: they may be stored or not
        self._device = Device(name, boot=1)
        self._lock = threading.Lock()
        self._sent: dict[tuple[int, str], int] = {}  # boot and stream: last seq given out
        self._acked: dict[tuple[int, str], int] = {}  # boot and stream: last seq that an ack named
        self._said: dict[tuple[int, int], float] = {}  # event by boot and seq: when it happened
        self.waits: list[tuple[float, float]] = []  # of each event: when it happened, seconds to the ack that named it
        self._stopped = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
        self._client.username_pw_set(name, password)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._port = port
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._client.connect_async("127.0.0.1", self._port, keepalive=10)
        self._client.loop_start()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def sent(self) -> set[Key]:
        with self._lock:
            return self._keys(self._sent)

    @property
    def acked(self) -> set[Key]:
        with self._lock:
            return self._keys(self._acked)

    @property
    def accepted(self) -> int:
        """How many records acks have named."""
        with self._lock:
            return sum(self._acked.values())

    @property
    def last_event(self) -> tuple[int, int]:
        """Boot and seq of the newest event."""
        with self._lock:
            return self._device.boot, self._device.event.seq

    @property
    def acked_event(self) -> tuple[int, int]:
        """Boot and seq up to which events are acknowledged."""
        with self._lock:
            return self._device.boot, self._device.event.acked

    @property
    def unacked_events(self) -> int:
        with self._lock:
            return len(self._device.event.kept)

    @property
    def unacked(self) -> int:
        with self._lock:
            return len(self._device.event.kept) + len(self._device.state.kept)

    def press(self) -> None:
        """One more event; its ack also says which samples are missing."""
        with self._lock:
            self._device.report("41", self._device.event.seq % 2 == 0, now_ms())
            self._note("event", self._device.event.seq)
            self._said[self._device.boot, self._device.event.seq] = time.monotonic()

    def restart(self) -> None:
        """The terminal loses its power: the next boot, an empty memory, a connection that breaks without a word."""
        with self._lock:
            old = self._device
            for leaf, stream in (("state", old.state), ("event", old.event)):
                self.forgotten |= {(self.name, old.boot, leaf, seq) for seq in stream.kept}
            self._device = Device.restarted(self.name, old.snapshot())
        if (connection := self._client.socket()) is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    # --- the terminal's own loop ---

    def _run(self) -> None:
        turn = 0
        while not self._stopped.wait(self._every_s):
            turn += 1
            if not self.silent:
                with self._lock:
                    self._device.sample(TRAPPED if self.trapped else FREED, now_ms())
                    self._note("state", self._device.state.seq)
                if turn % 4 == 0:
                    self.press()
            with self._lock:
                messages = self._device.outgoing(now_ms(), room=50)
            for message in messages:
                self._client.publish(
                    wire.topic(self._shard, self.name, message.leaf), message.payload, 1, message.retain
                )

    def _note(self, leaf: str, seq: int) -> None:
        self._sent[self._device.boot, leaf] = seq

    def _keys(self, upto: Mapping[tuple[int, str], int]) -> set[Key]:
        return {(self.name, boot, leaf, seq) for (boot, leaf), last in upto.items() for seq in range(1, last + 1)}

    def _on_connect(self, client: paho.Client, *_arguments: Any) -> None:
        client.subscribe(wire.topic(self._shard, self.name, "ack"), 0)
        with self._lock:
            self._device.connecting(now_ms())
            self._device.up(now_ms())
            self._device.state.unsent.update(self._device.state.kept)

    def _on_disconnect(self, *_arguments: Any) -> None:
        with self._lock:
            self._device.down()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        ack = wire.decode_ack(message.payload)
        with self._lock:
            for leaf, upto in (("state", ack.state), ("event", ack.event)):
                self._acked[ack.boot, leaf] = max(upto, self._acked.get((ack.boot, leaf), 0))
            now = time.monotonic()
            for key in [key for key in self._said if key[0] == ack.boot and key[1] <= ack.event]:
                at = self._said.pop(key)
                self.waits.append((at, now - at))
            self._device.receive("ack", message.payload, now_ms())


class Ledger:
    """All terminals of one run."""

    def __init__(self, devices: Mapping[str, tuple[int, str]], port: int, **habits: Any) -> None:
        self.devices = [
            LedgerDevice(name, shard, password, port, **habits) for name, (shard, password) in devices.items()
        ]

    def start(self) -> None:
        for device in self.devices:
            device.start()

    def stop(self) -> None:
        for device in self.devices:
            device.stop()

    @property
    def sent(self) -> set[Key]:
        return set().union(*(device.sent for device in self.devices))

    @property
    def acked(self) -> set[Key]:
        return set().union(*(device.acked for device in self.devices))

    @property
    def forgotten(self) -> set[Key]:
        return set().union(*(device.forgotten for device in self.devices))

    @property
    def accepted(self) -> int:
        return sum(device.accepted for device in self.devices)

    def waits(self, since: float, until: float = float("inf")) -> list[float]:
        """Milliseconds from each event that happened in this stretch of the monotonic clock to its ack."""
        return [wait * 1_000 for device in self.devices for at, wait in device.waits if since <= at < until]

    @property
    def unacked_events(self) -> int:
        return sum(device.unacked_events for device in self.devices)

    @property
    def unacked(self) -> int:
        return sum(device.unacked for device in self.devices)

    def drain(self, *, limit_s: float) -> bool:
        """No new samples; one event a second until everything sent is acknowledged. False when the time is over."""
        for device in self.devices:
            device.silent = True
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            for device in self.devices:
                if device.unacked:
                    device.press()
            time.sleep(1.0)
            if not any(device.unacked for device in self.devices):
                return True
        return False


async def stored(connection: Any) -> list[Key]:
    """Every accepted record in the store, one entry a record, whatever form it is in; the platform's own probe is nobody's record."""
    names = {row["id"]: row["device"] for row in await connection.fetch("select id, device from device")}
    keys: list[Key] = []
    for row in await connection.fetch("select partition, max(batch_no) as last from ingest_batch group by 1"):
        log = Log(connection, row["partition"], after=0, columns=("device_id", "boot", "seq"))
        samples = await log.upto(row["last"])
        keys += [
            (names[device], boot, "state", seq)
            for device, boot, seq in zip(
                *(samples[name].tolist() for name in ("device_id", "boot", "seq")), strict=True
            )
        ]
    events = await connection.fetch("select device_id, boot, seq from event where code <> 'platform-probe'")
    return [*keys, *((names[row["device_id"]], row["boot"], "event", row["seq"]) for row in events)]
