"""The gateway's process: a TCP server for terminals, one MQTT connection, the boot number on disk. Reads the clock; decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from hoistway.errors import BadInput, CannotStart
from hoistway.gateway.terminals import Answer, Gateway, Terminal
from hoistway.gateway.uplink import Uplink
from hoistway.mqtt_url import MqttAddress
from ingest.adapters.spec import Format
from simulators.device import Device

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
    state: Path  # file that keeps the boot number


class Server:
    """The TCP side."""

    def __init__(self, gateway: Gateway, uplink: Uplink) -> None:
        self._gateway, self._uplink = gateway, uplink
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
        try:
            why = await self._talk(self._gateway.terminal(clock_ms()), reader, writer)
            log.info("terminal left", peer=peer, why=why)
        except OSError as error:
            log.info("terminal left", peer=peer, why=str(error))
        finally:
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
                answer = terminal.feed(received, clock_ms())
                self._uplink.pump()
            due = terminal.tick(clock_ms())
            writer.writelines((*answer.frames, *due.frames))
            if answer.close or due.close:
                return answer.close or due.close
            await writer.drain()


async def serve(plan: Plan, stop: asyncio.Event, *, listening: asyncio.Future[int] | None = None) -> int:
    """Run until `stop` is set; answers the exit code. `listening` gets the port."""
    device = next_boot(plan.device, plan.state)
    gateway = Gateway(plan.spec, device, plan.lifts)
    uplink = Uplink(device, shard=plan.shard, address=plan.address, now=clock_ms)
    server = Server(gateway, uplink)
    try:
        tcp = await asyncio.start_server(server.connection, plan.host, plan.port)
    except OSError as error:
        raise CannotStart(f"the gateway cannot listen on {plan.host}:{plan.port} ({error.strerror})") from error
    port = int(tcp.sockets[0].getsockname()[1])
    log.info("listening", host=plan.host, port=port, format=plan.spec.id, lifts=len(plan.lifts), boot=device.boot)
    if listening is not None:
        listening.set_result(port)
    beat = asyncio.create_task(_beat(gateway, uplink))
    try:
        await uplink.run(stop)
    finally:
        beat.cancel()
        tcp.close()
        with contextlib.suppress(asyncio.CancelledError):
            await beat
    return 0


async def _beat(gateway: Gateway, uplink: Uplink) -> None:
    """Events that no ack has covered are due again by time alone; once a minute the counts are logged."""
    beats = 0
    while True:
        await asyncio.sleep(TICK_S)
        uplink.pump()
        beats += 1
        if beats % 60 == 0:
            counts = gateway.counts
            log.info(
                "counts", samples=counts.samples, passed=counts.passed, events=counts.events, left_out=dict(counts.bad),
                refused=gateway.device.refused, lost=gateway.device.event.dropped + gateway.device.state.dropped,
                odd={" ".join(key): count for key, count in counts.odd.items()},
            )  # fmt: skip


def next_boot(name: str, state: Path) -> Device:
    """The device of this start; its boot number is on disk before anything is sent."""
    try:
        known = json.loads(state.read_text("utf-8")) if state.exists() else None
        device = Device.restarted(name, known, ring=RING_SAMPLES, events=RING_EVENTS)
        fresh = state.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(device.snapshot(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(state)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(str(error), where=str(state), expected="a file that keeps the boot number") from error
    return device


def clock_ms() -> int:
    """The wall clock: terminals have none, so a record counts from when it was received."""
    return time.time_ns() // 1_000_000
