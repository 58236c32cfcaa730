"""The gateway's MQTT connection: moves bytes between the device half of the contract and a broker, and connects again for ever.

The one place of the gateway that knows paho. Its network thread only hands things to the asyncio loop; what is sent, kept and sent
again is decided in `simulators.device`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from hoistway import wire
from hoistway.mqtt_url import MqttAddress, configure
from simulators.device import Device

KEEPALIVE_S: Final = 30
CONNACK_WITHIN_S: Final = 10.0
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MOST_S: Final = 30.0
WINDOW: Final = 100
"""QoS 1 messages under way; the rest waits in the device, which is bounded."""

log: Final = structlog.get_logger("gateway")


class Uplink:
    """One device's connection. Everything but paho's callbacks runs in the loop's thread."""

    def __init__(self, device: Device, *, shard: int, address: MqttAddress, now: Callable[[], int]) -> None:
        self._device, self._address, self._now = device, address, now
        self._base = wire.topic(shard, device.name, "")
        self._loop = asyncio.get_running_loop()
        self._client = self._new_client()
        self._pending = 0
        self._stands, self._ended = asyncio.Event(), asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, and connect again after each end, until `stop` is set."""
        wait_s = BACKOFF_FIRST_S
        while not stop.is_set():
            if await self._once(stop):
                wait_s = BACKOFF_FIRST_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)
            wait_s = min(wait_s * 2, BACKOFF_MOST_S)

    def pump(self) -> None:
        """Publish what the device wants to send, as far as the window allows."""
        for message in self._device.outgoing(self._now(), WINDOW - self._pending):
            self._pending += 1
            self._client.publish(self._base + message.leaf, message.payload, qos=1, retain=message.retain)

    async def _once(self, stop: asyncio.Event) -> bool:
        """One connection, from CONNECT to its end; whether it stood at all."""
        self._client, self._pending = self._new_client(), 0
        self._stands.clear()
        self._ended.clear()
        will = self._device.connecting(self._now())
        self._client.will_set(self._base + "link", will.payload, qos=1, retain=True)
        address = self._address
        try:
            await asyncio.to_thread(self._client.connect, address.host, address.port, KEEPALIVE_S)
        except OSError as error:
            log.warning("no broker", address=str(address), error=str(error))
            return False
        self._client.loop_start()
        try:
            stood = await self._until_up(stop)
            await _first(stop, self._ended)
            await self._leave()
        finally:
            self._device.down()
            await asyncio.to_thread(self._client.loop_stop)
        return stood

    async def _until_up(self, stop: asyncio.Event) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNACK_WITHIN_S):
                await _first(stop, self._ended, self._stands)
        if not self._stands.is_set():
            self._ended.set()
        return self._stands.is_set()

    async def _leave(self) -> None:
        """Say goodbye, if there still is somebody to say it to."""
        if self._device.connected and not self._ended.is_set():
            farewell = self._device.farewell(self._now())
            info = self._client.publish(self._base + farewell.leaf, farewell.payload, qos=1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):
                await asyncio.to_thread(info.wait_for_publish, 2)
        self._client.disconnect()

    def _new_client(self) -> mqtt.Client:
        """A client without a past: what was under way when a connection broke is the device's business, not paho's."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self._device.name, protocol=mqtt.MQTTv311, clean_session=True
        )
        configure(client, self._address)
        client.max_inflight_messages_set(WINDOW)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    # --- paho's callbacks, in its thread ---

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker refused", reason=str(reason))
            self._hand(client, self._ended.set)
            return
        client.subscribe([(self._base + "ack", 0), (self._base + "cmd", 1)])
        self._hand(client, self._up)

    def _on_disconnect(self, client: mqtt.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        self._hand(client, self._ended.set)

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._hand(client, self._received, message.topic.removeprefix(self._base), bytes(message.payload))

    def _on_publish(self, client: mqtt.Client, _data: Any, _mid: int, _reason: Any, _properties: Any) -> None:
        self._hand(client, self._published)

    def _hand(self, client: mqtt.Client, call: Callable[..., None], *arguments: Any) -> None:
        """Into the loop, unless the client is one of an earlier connection or the loop is gone."""
        if client is self._client:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call, *arguments)

    # --- the same, in the loop ---

    def _up(self) -> None:
        log.info("connected", address=str(self._address))
        self._device.up(self._now())
        self._stands.set()
        self.pump()

    def _received(self, leaf: str, payload: bytes) -> None:
        self._device.receive(leaf, payload, self._now())
        self.pump()

    def _published(self) -> None:
        self._pending = max(0, self._pending - 1)
        self.pump()


async def _first(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
