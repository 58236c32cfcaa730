"""A simulated city on a real broker: one MQTT client per device, all of them on one asyncio loop.

The shell of `simulators.world`: it reads the clock, moves bytes, writes the truth file. What is sent, kept and sent again is decided in
`simulators.device`. paho's own threads are not used: sockets are watched by the loop, `loop_misc` runs once a second per client, and
only the connecting itself (name look-up, TCP, TLS) happens in a few worker threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from hoistway import wire
from hoistway.errors import ServiceUnavailable
from hoistway.mqtt_url import MqttAddress, configure
from simulators.city import Equipment
from simulators.faults import Unit
from simulators.scenario import Scenario
from simulators.world import World

KEEPALIVE_S: Final = 30
CONNECTING_AT_ONCE: Final = 8
CONNACK_WITHIN_S: Final = 10
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MOST_S: Final = 30.0
WINDOW: Final = 20
"""QoS 1 messages of one device under way; the rest waits in the device, which is bounded."""
STEP_S: Final = 0.05
"""The world is moved on this often while something happens."""
MISC_EVERY_S: Final = 1.0

PasswordOf = Callable[[str], str]


@dataclass(kw_only=True, slots=True)
class Totals:
    """What a run has done so far."""

    connected: int = 0
    connections: int = 0
    failures: int = 0
    messages: int = 0
    bytes: int = 0
    faults: int = 0


class Connection:
    """One device's MQTT client. All its callbacks run in the loop's thread, except while `_open` has it in a worker."""

    def __init__(self, fleet: Fleet, unit: Unit) -> None:
        self._fleet, self._unit, self._device = fleet, unit, unit.device
        self._base = wire.topic(unit.row.shard, unit.row.device, "")
        self._socket: Any = None
        self._opening = False
        self._pending = 0
        self._deadline = 0.0
        self._backoff_s = BACKOFF_FIRST_S
        self._rng = random.Random(unit.row.device)
        self._try_at = time.monotonic() + self._rng.random() * min(5.0, 0.01 * len(fleet.world.units))
        self._client = self._new_client()

    # --- driven by the fleet ---

    def tend(self, now: float) -> None:
        """Once a second and at every news: connect, cut or keep alive as the story wants it, and send what is due."""
        if self._opening:
            return
        if self._socket is None:
            if self._unit.link_up and now >= self._try_at:
                self._opening = True
                self._fleet.start(self._open())
        elif not self._unit.link_up:
            self._drop()
        elif not self._device.connected and now > self._deadline:
            self._fleet.totals.failures += 1
            self._drop()
        else:
            self._client.loop_misc()
            self.pump()

    def pump(self) -> None:
        """Publish what the device wants to send, as far as the window allows."""
        if not self._device.connected or self._opening:
            return
        for message in self._device.outgoing(self._fleet.now(), WINDOW - self._pending):
            self._publish(message.leaf, message.payload, retain=message.retain)

    def leave(self) -> None:
        """Say goodbye and close."""
        if self._socket is not None and not self._opening:
            if self._device.connected:
                farewell = self._device.farewell(self._fleet.now())
                self._publish(farewell.leaf, farewell.payload, retain=True)
            self._client.disconnect()
            self._client.loop_write()

    # --- connecting ---

    def _new_client(self) -> mqtt.Client:
        """A client without a past: what was under way when a connection broke is the device's business, not paho's."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self._device.name, protocol=mqtt.MQTTv311, clean_session=True
        )
        configure(client, self._fleet.address)
        client.username_pw_set(self._device.name, self._fleet.password_of(self._device.name))
        client.max_inflight_messages_set(WINDOW)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_no_write
        return client

    async def _open(self) -> None:
        fleet = self._fleet
        will = self._device.connecting(fleet.now())
        self._client = self._new_client()
        self._client.will_set(self._base + "link", will.payload, qos=1, retain=True)
        self._pending = 0
        try:
            async with fleet.opening:
                await fleet.loop.run_in_executor(fleet.workers, self._connect)
        except (OSError, ValueError):
            self._fleet.totals.failures += 1
            self._socket = None
            self._later()
            return
        finally:
            self._opening = False
        if self._socket is None or self._socket.fileno() < 0:
            self._socket = None
            self._later()
            return
        self._deadline = time.monotonic() + CONNACK_WITHIN_S
        fleet.loop.add_reader(self._socket, self._readable)
        if self._client.want_write():
            fleet.loop.add_writer(self._socket, self._writable)

    def _connect(self) -> None:
        self._client.connect(self._fleet.address.host, self._fleet.address.port, keepalive=KEEPALIVE_S)

    def _later(self) -> None:
        self._try_at = time.monotonic() + self._backoff_s * (0.5 + self._rng.random())
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_MOST_S)

    def _drop(self) -> None:
        """Cut the connection without a word, as a dead line does: the broker then publishes the will."""
        held = self._socket
        if held is not None:
            # Both halves are shut before paho sees it, so that no DISCONNECT can leave.
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            self._went_down()
            self._client.loop_read()

    def _went_down(self) -> None:
        if self._device.connected:
            self._fleet.totals.connected -= 1
            self._device.down()

    # --- paho's callbacks ---

    def _on_socket_open(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        self._socket = sock

    def _on_socket_close(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if not self._opening:
            self._fleet.loop.remove_reader(sock)
            self._fleet.loop.remove_writer(sock)
        self._socket = None

    def _on_want_write(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if not self._opening:
            self._fleet.loop.add_writer(sock, self._writable)

    def _on_no_write(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if not self._opening:
            self._fleet.loop.remove_writer(sock)

    def _readable(self) -> None:
        self._client.loop_read()

    def _writable(self) -> None:
        self._client.loop_write()

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._fleet.totals.failures += 1
            return
        client.subscribe([(self._base + "ack", 0), (self._base + "cmd", 1)])
        self._backoff_s = BACKOFF_FIRST_S
        self._fleet.totals.connected += 1
        self._fleet.totals.connections += 1
        self._device.up(self._fleet.now())
        self.pump()

    def _on_disconnect(self, _client: mqtt.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        self._went_down()
        self._later()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._device.receive(message.topic.removeprefix(self._base), bytes(message.payload), self._fleet.now())
        self.pump()

    def _on_publish(self, _client: mqtt.Client, _data: Any, _mid: int, _reason: Any, _properties: Any) -> None:
        self._pending = max(0, self._pending - 1)

    def _publish(self, leaf: str, payload: bytes, *, retain: bool) -> None:
        info = self._client.publish(self._base + leaf, payload, qos=1, retain=retain)
        self._pending += 1
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._fleet.totals.messages += 1
            self._fleet.totals.bytes += len(payload)


class Fleet:
    """All connections and the world they speak for."""

    def __init__(
        self, world: World, *, address: MqttAddress, password_of: PasswordOf, speed: float, totals: Totals
    ) -> None:
        self.world, self.address, self.password_of, self.totals = world, address, password_of, totals
        self.loop = asyncio.get_running_loop()
        self.opening = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self.workers = ThreadPoolExecutor(CONNECTING_AT_ONCE, thread_name_prefix="connect")
        self._speed, self._began = speed, time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble: BaseException | None = None
        self.connections = {name: Connection(self, unit) for name, unit in world.units.items()}

    def now(self) -> int:
        """The virtual ms: real time since the start times the speed, counted from the story's start."""
        return self.world.start_ms + int((time.monotonic() - self._began) * 1000 * self._speed)

    def start(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._trouble = task.exception()

    async def run(self, stop: asyncio.Event) -> None:
        """Until the story ends or `stop` is set. A fleet that never gets through to the broker keeps trying."""
        tend_at = 0.0
        try:
            while not stop.is_set() and not self.world.ended:
                if self._trouble is not None:
                    raise self._trouble
                self.world.advance(self.now())
                now = time.monotonic()
                for name in self.world.changed:
                    self.connections[name].tend(now)
                self.world.changed.clear()
                if time.monotonic() >= tend_at:
                    tend_at = time.monotonic() + MISC_EVERY_S
                    await self._tend()
                await _pause(stop, STEP_S)
        finally:
            await self._close()

    async def _tend(self) -> None:
        now = time.monotonic()
        for at, connection in enumerate(self.connections.values()):
            connection.tend(now)
            if at % 100 == 99:
                await asyncio.sleep(0)

    async def _close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CONNACK_WITHIN_S)
        for connection in self.connections.values():
            connection.leave()
        await asyncio.sleep(0.2)  # the goodbyes leave the sockets
        for task in self._tasks:
            task.cancel()
        self.workers.shutdown(wait=False, cancel_futures=True)


async def run_scenario(
    scenario: Scenario,
    rows: Sequence[Equipment],
    *,
    address: MqttAddress,
    password_of: PasswordOf,
    speed: float = 1.0,
    seed: int | None = None,
    truth_path: Path | None = None,
    state_path: Path | None = None,
    stop: asyncio.Event | None = None,
    totals: Totals | None = None,
) -> Totals:
    """Play a story over MQTT. Device clocks start at the real time and run `speed` times as fast; live alarms need speed 1."""
    totals = totals or Totals()
    boots = _read_state(state_path)
    truth = _open_truth(truth_path)

    def tell(line: dict[str, Any]) -> None:
        totals.faults += line["to"] is None
        if truth is not None:
            truth.write(json.dumps(line, ensure_ascii=False) + "\n")
            truth.flush()

    world = World(scenario, rows, start_ms=time.time_ns() // 1_000_000, seed=seed, boots=boots, tell=tell)
    _write_state(state_path, world)
    try:
        fleet = Fleet(world, address=address, password_of=password_of, speed=speed, totals=totals)
        await fleet.run(stop or asyncio.Event())
    finally:
        if truth is not None:
            truth.close()
    _write_state(state_path, world)
    return totals


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _open_truth(path: Path | None) -> IO[str] | None:
    if path is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")


def _read_state(path: Path | None) -> Mapping[str, Mapping[str, Any]]:
    """The devices' last boot numbers. A file that cannot be read must not silently start them at 1 again."""
    if path is None or not path.exists():
        return {}
    try:
        read: Mapping[str, Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServiceUnavailable(
            f"the devices' memory {path} cannot be read ({error}); remove it to start afresh"
        ) from error
    return read


def _write_state(path: Path | None, world: World) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({name: unit.device.snapshot() for name, unit in world.units.items()}), encoding="utf-8")
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(path)
