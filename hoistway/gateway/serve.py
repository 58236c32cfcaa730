"""The gateway's process: a TCP server for terminals, one MQTT connection, the boot number on disk. Reads the clock; decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from hoistway.clock import SteadyClock
from hoistway.errors import CannotStart
from hoistway.gateway.terminals import Answer, Gateway, Terminal
from hoistway.gateway.uplink import Uplink
from hoistway.mqtt_url import MqttAddress
from ingest.adapters.spec import Format
from simulators.device import Device
from simulators.memory import remember, restarted

CONNECTIONS: Final = 2_000
"""Terminals at once; a further one is turned away and counted."""
RING_SAMPLES: Final = 200_000
"""Samples kept until acknowledged: ten minutes of 2,000 lifts at rest, because that is how often samples are acknowledged."""
RING_EVENTS: Final = 20_000
"""Events kept until acknowledged."""
READ_BYTES: Final = 65_536
TICK_S: Final = 1.0

log: Final = structlog.get_logger("gateway")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a gateway is told."""

    spec: Format
    device: str  # its name at the broker
    shard: int
    lifts: dict[str, str]  # terminal's name: rescue code
    address: MqttAddress  # of the broker
    host: str  # to listen on
    port: int  # 0: any
    state: Path  # file that keeps the boot number and the events that are not acknowledged


class Memory:
    """What outlives a restart: the boot number, and the events that the platform does not have yet."""

    def __init__(self, device: Device, path: Path) -> None:
        self._device, self._path = device, path
        self._events = 0  # on disk
        self._saved: object = None
        self.failures = 0
        self.keep_all()
        if self.failures:
            raise CannotStart(f"the gateway cannot write its memory {path}")

    def keep_events(self) -> None:
        """Write when an event is new: before it is published."""
        if self._device.event.seq > self._events:
            self.keep_all()

    def keep_all(self) -> None:
        """Write when anything is new, what was acknowledged too. A disk that is full stops no event: it is said, and counted."""
        fresh = self._device.snapshot()
        if fresh == self._saved:
            return
        self._events = self._device.event.seq
        try:
            remember(self._path, fresh)
        except OSError as error:
            self.failures += 1
            if self._saved is not None or self.failures == 1:  # once; the next beat tries again
                log.error("the gateway's memory was not written", path=str(self._path), error=str(error))
            self._saved = None
        else:
            self._saved = fresh


class Server:
    """The TCP side."""

    def __init__(self, gateway: Gateway, uplink: Uplink, now: Callable[[], int]) -> None:
        self._gateway, self._uplink, self._now = gateway, uplink, now
        self.open = 0
        self.turned_away = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One terminal, from its connect to its end."""
        peer = str(writer.get_extra_info("peername"))
        if self.open >= CONNECTIONS:
            self.turned_away += 1
            log.warning("too many terminals", peer=peer, limit=CONNECTIONS, turned_away=self.turned_away)
            writer.close()
            return
        self.open += 1
        terminal = self._gateway.terminal(self._now())
        try:
            why = await self._talk(terminal, reader, writer)
            log.info("terminal left", peer=peer, why=why)
        except OSError as error:
            log.info("terminal left", peer=peer, why=str(error))
        finally:
            terminal.ended()
            self.open -= 1
            writer.close()

    async def _talk(self, terminal: Terminal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        while True:
            answer = Answer()
            try:
                async with asyncio.timeout(TICK_S):
                    received = await reader.read(READ_BYTES)
            except TimeoutError:
                pass
            else:
                if not received:
                    return "it closed the connection"
                answer = terminal.feed(received, self._now())
                self._uplink.pump()
            due = terminal.tick(self._now())
            writer.writelines((*answer.frames, *due.frames))
            if answer.close or due.close:
                return answer.close or due.close
            await writer.drain()


async def serve(plan: Plan, stop: asyncio.Event, *, listening: asyncio.Future[int] | None = None) -> int:
    """Run until `stop` is set; answers the exit code. `listening` gets the port."""
    device = restarted(plan.device, plan.state, ring=RING_SAMPLES, events=RING_EVENTS)
    memory, clock = Memory(device, plan.state), SteadyClock()  # the boot number is on disk before anything is sent
    gateway = Gateway(plan.spec, device, plan.lifts)
    uplink = Uplink(device, shard=plan.shard, address=plan.address, now=clock.now_ms, keep=memory.keep_events)
    server = Server(gateway, uplink, clock.now_ms)
    try:
        tcp = await asyncio.start_server(server.connection, plan.host, plan.port)
    except OSError as error:
        raise CannotStart(f"the gateway cannot listen on {plan.host}:{plan.port} ({error.strerror})") from error
    port = int(tcp.sockets[0].getsockname()[1])
    log.info("listening", host=plan.host, port=port, format=plan.spec.id, lifts=len(plan.lifts), boot=device.boot)
    if listening is not None:
        listening.set_result(port)
    beat = asyncio.create_task(_beat(gateway, uplink, memory))
    try:
        await uplink.run(stop)
    finally:
        beat.cancel()
        tcp.close()
        with contextlib.suppress(asyncio.CancelledError):
            await beat
        memory.keep_all()
    return 0


async def _beat(gateway: Gateway, uplink: Uplink, memory: Memory) -> None:
    """Events that no ack has covered are due again by time alone; once a minute the counts are logged."""
    beats = 0
    while True:
        await asyncio.sleep(TICK_S)
        memory.keep_all()  # while the broker is away too
        uplink.pump()
        beats += 1
        if beats % 60 == 0:
            counts = gateway.counts
            log.info(
                "counts", samples=counts.samples, passed=counts.passed, events=counts.events, left_out=dict(counts.bad),
                skipped_bytes=counts.skipped, resent=gateway.device.resent, ignored=gateway.device.ignored, not_written=memory.failures,
                refused=gateway.device.refused, lost=gateway.device.event.dropped + gateway.device.state.dropped,
                odd={" ".join(key): count for key, count in counts.odd.items()},
            )  # fmt: skip
