"""The gateway's MQTT connection: connects again for ever, and gives the device to the asyncio loop.

paho's network thread only hands things to the loop; what a connection is stands in `simulators.line`, and what is sent, kept and sent
again is decided in `simulators.device`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import structlog

from hoistway import wire
from hoistway.mqtt_url import MqttAddress
from simulators.device import Device
from simulators.line import CONNACK_WITHIN_S, Backoff, Hand, Line

WINDOW: Final = 100
"""QoS 1 messages under way: a gateway speaks for many lifts."""

log: Final = structlog.get_logger("gateway")


class Uplink:
    """One device's connection. Everything but paho's callbacks runs in the loop's thread. `keep` is called before anything is published:
    what has to outlive a power cut is on disk before the broker has it."""

    def __init__(
        self, device: Device, *, shard: int, address: MqttAddress, now: Callable[[], int], keep: Callable[[], None]
    ) -> None:
        self._device, self._address, self._now, self._keep = device, address, now, keep
        self._prefix = wire.topic(shard, device.name, "")
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._stands, self._ended = asyncio.Event(), asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, and connect again after each end, until `stop` is set."""
        backoff = Backoff()
        while not stop.is_set():
            if await self._once(stop):
                backoff.stood()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), backoff.pause_s())

    def pump(self) -> None:
        """Publish what the device wants to send, as far as the window allows."""
        if self._line is not None and self._device.connected:
            self._keep()
            self._line.pump()

    async def _once(self, stop: asyncio.Event) -> bool:
        """One connection, from CONNECT to its end; whether it stood at all."""
        self._stands.clear()
        self._ended.clear()
        line = self._line = self._new_line()
        try:
            await asyncio.to_thread(line.connect)
        except (OSError, ValueError) as error:
            log.warning("no broker", address=str(self._address), error=str(error))
            self._line = None
            return False
        line.client.loop_start()
        try:
            stood = await self._until_up(stop)
            await _first(stop, self._ended)
            await self._leave(line)
        finally:
            self._line = None
            self._device.down()
            await asyncio.to_thread(line.client.loop_stop)
        return stood

    async def _until_up(self, stop: asyncio.Event) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNACK_WITHIN_S):
                await _first(stop, self._ended, self._stands)
        if not self._stands.is_set():
            self._ended.set()
        return self._stands.is_set()

    async def _leave(self, line: Line) -> None:
        farewell = None if self._ended.is_set() else line.farewell()
        if farewell is not None:
            with contextlib.suppress(RuntimeError, ValueError):
                await asyncio.to_thread(farewell.wait_for_publish, 2)
        line.client.disconnect()

    def _new_line(self) -> Line:
        mine: list[Line] = []

        def hand(call: Callable[..., None], *arguments: Any) -> None:
            """From paho's thread into the loop, unless the loop is gone."""
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(take, call, arguments)

        def take(call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
            """Unless the line is one of an earlier connection."""
            if mine and mine[0] is self._line:
                call(*arguments)

        into_loop: Hand = hand
        mine.append(
            Line(
                self._device, self._address, self._prefix, now=self._now, told=self._told, window=WINDOW, hand=into_loop
            )
        )
        return mine[0]

    def _told(self) -> None:
        """The line stands, has ended, or something came."""
        line = self._line
        if line is None:
            return
        if line.ended:
            if line.refused:
                log.warning("the broker refused", reason=line.refused)
            self._ended.set()
            return
        if self._device.connected and not self._stands.is_set():
            log.info("connected", address=str(self._address))
            self._stands.set()
        self.pump()


async def _first(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
