"""A simulated city on a real broker: one MQTT client per device, all of them on one asyncio loop.

The shell of `simulators.world`: it reads the clock, moves bytes, writes the truth file. What is sent, kept and sent again is decided in
`simulators.device`. paho's own threads are not used: sockets are watched by the loop, `loop_misc` runs once a second per client, and
only the connecting itself (name look-up, TCP, TLS) happens in a few worker threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final, Protocol

import paho.mqtt.client as mqtt

from hoistway import wire
from hoistway.mqtt_url import MqttAddress
from simulators.city import Equipment
from simulators.device import Device
from simulators.line import CONNACK_WITHIN_S, Backoff, Line
from simulators.memory import recall, remember
from simulators.scenario import Scenario
from simulators.terminals import Terminals
from simulators.world import World

CONNECTING_AT_ONCE: Final = 8
STEP_S: Final = 0.05
"""The world is moved on this often while something happens."""
MISC_EVERY_S: Final = 1.0

PasswordOf = Callable[[str], str]


class Unit(Protocol):
    """One machine's terminal, as the shell sees it; a restart gives it another device."""

    row: Equipment
    device: Device
    link_up: bool


@dataclass(kw_only=True, slots=True)
class Totals:
    """What a run has done so far."""

    connected: int = 0
    connections: int = 0
    failures: int = 0
    messages: int = 0
    bytes: int = 0
    faults: int = 0
    open: dict[int, str] = field(default_factory=dict)  # what is wrong now, by the number in the truth
    kinds: dict[str, int] = field(default_factory=dict)  # faults by name

    def sent(self, size: int) -> None:
        """A message of so many bytes went out."""
        self.messages += 1
        self.bytes += size

    def told(self, line: dict[str, Any]) -> None:
        """A line of the truth."""
        if line["to"] is None:
            self.faults += line["id"] not in self.open
            self.kinds[line["fault"]] = self.kinds.get(line["fault"], 0) + (line["id"] not in self.open)
            self.open[line["id"]] = line["fault"]
        else:
            self.open.pop(line["id"], None)


class Connection:
    """One device's connections, one line after the other. All callbacks run in the loop's thread, except while `_open` has it in a worker."""

    def __init__(self, fleet: Fleet, unit: Unit) -> None:
        self._fleet, self._unit = fleet, unit
        self._prefix = wire.topic(unit.row.shard, unit.row.device, "")
        self._line: Line | None = None
        self._socket: Any = None
        self._opening = self._stood = False
        self._deadline = 0.0
        rng = random.Random(unit.row.device)
        self._backoff = Backoff(rng)
        self._try_at = time.monotonic() + rng.random() * min(5.0, 0.01 * len(fleet.world.units))

    @property
    def _device(self) -> Device:
        return self._unit.device

    # --- driven by the fleet ---

    def tend(self, now: float) -> None:
        """Once a second and at every news: connect, cut or keep alive as the story wants it, and send what is due."""
        if self._opening:
            return
        if self._socket is None or self._line is None:
            if self._unit.link_up and now >= self._try_at:
                self._opening = True
                self._fleet.start(self._open())
        elif not self._unit.link_up:
            self._drop()
        elif not self._device.connected and now > self._deadline:
            self._fleet.totals.failures += 1
            self._drop()
        else:
            self._line.client.loop_misc()
            self._line.pump()

    def leave(self) -> None:
        """Say goodbye and close."""
        if self._socket is not None and self._line is not None and not self._opening:
            self._line.farewell()
            self._line.client.disconnect()
            self._line.client.loop_write()

    # --- connecting ---

    async def _open(self) -> None:
        fleet = self._fleet
        address = replace(fleet.address, user=self._device.name, password=fleet.password_of(self._device.name))
        line = self._line = Line(
            self._device, address, self._prefix, now=fleet.now, told=self._told, sent=fleet.totals.sent
        )
        line.client.on_socket_open = self._on_socket_open
        line.client.on_socket_close = self._on_socket_close
        line.client.on_socket_register_write = self._on_want_write
        line.client.on_socket_unregister_write = self._on_no_write
        try:
            async with fleet.opening:
                await fleet.loop.run_in_executor(fleet.workers, line.connect)
        except (OSError, ValueError):
            fleet.totals.failures += 1
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
        fleet.loop.add_reader(self._socket, line.client.loop_read)
        if line.client.want_write():
            fleet.loop.add_writer(self._socket, line.client.loop_write)

    def _later(self) -> None:
        self._try_at = time.monotonic() + self._backoff.pause_s()

    def _drop(self) -> None:
        """Cut the connection without a word, as a dead line does: the broker then publishes the will."""
        held, line = self._socket, self._line
        if held is not None and line is not None:
            # Both halves are shut before paho sees it, so that no DISCONNECT can leave.
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
            self._device.down()
            line.client.loop_read()

    def _told(self) -> None:
        """What the line has to say: it stands, something came, or it has ended."""
        line, totals = self._line, self._fleet.totals
        if line is None or self._opening:
            return
        if self._device.connected and not self._stood:
            self._backoff.stood()
            totals.connected += 1
            totals.connections += 1
        totals.connected -= self._stood and not self._device.connected
        self._stood = self._device.connected
        if line.ended:
            totals.failures += bool(line.refused)
            self._line = None
            self._later()
        else:
            line.pump()

    # --- paho's callbacks about its socket ---

    def _on_socket_open(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        self._socket = sock

    def _on_socket_close(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if not self._opening:
            self._fleet.loop.remove_reader(sock)
            self._fleet.loop.remove_writer(sock)
        self._socket = None

    def _on_want_write(self, client: mqtt.Client, _data: Any, sock: Any) -> None:
        if not self._opening:
            self._fleet.loop.add_writer(sock, client.loop_write)

    def _on_no_write(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if not self._opening:
            self._fleet.loop.remove_writer(sock)


class Fleet:
    """All connections and the world they speak for."""

    def __init__(
        self, world: World | Terminals, *, address: MqttAddress, password_of: PasswordOf, speed: float, totals: Totals
    ) -> None:
        self.world, self.address, self.password_of, self.totals = world, address, password_of, totals
        self.loop = asyncio.get_running_loop()
        self.opening = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self.workers = ThreadPoolExecutor(CONNECTING_AT_ONCE, thread_name_prefix="connect")
        self._speed, self._began = speed, time.monotonic()
        self._paused_at: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble: BaseException | None = None
        self.connections = {name: Connection(self, unit) for name, unit in world.units.items()}

    def now(self) -> int:
        """The virtual ms: real time since the start times the speed, counted from the story's start."""
        until = time.monotonic() if self._paused_at is None else self._paused_at
        return self.world.start_ms + int((until - self._began) * 1000 * self._speed)

    def pause(self, on: bool) -> None:
        """Stop the story's clock, or let it go on where it stopped; connections stay."""
        if on and self._paused_at is None:
            self._paused_at = time.monotonic()
        elif not on and self._paused_at is not None:
            self._began += time.monotonic() - self._paused_at
            self._paused_at = None

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
    began: Callable[[Fleet], None] | None = None,
) -> Totals:
    """Play a story over MQTT; `began` gets the fleet, to look at it and to pause it. Device clocks start at the real time and run `speed` times as fast; live alarms need speed 1."""
    totals = totals or Totals()
    boots: Mapping[str, Mapping[str, Any]] = recall(state_path) or {}
    truth = _open_truth(truth_path)

    def tell(line: dict[str, Any]) -> None:
        totals.told(line)
        if truth is not None:
            truth.write(json.dumps(line, ensure_ascii=False) + "\n")
            truth.flush()

    make = Terminals if scenario.in_columns else World
    world = make(scenario, rows, start_ms=time.time_ns() // 1_000_000, seed=seed, boots=boots, tell=tell)
    _write_state(state_path, world)
    try:
        fleet = Fleet(world, address=address, password_of=password_of, speed=speed, totals=totals)
        if began is not None:
            began(fleet)
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


def _write_state(path: Path | None, world: World | Terminals) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        remember(path, {name: unit.device.snapshot() for name, unit in world.units.items()})
