"""The probe's terminal: a device of the contract with an account of its own, over real MQTT at QoS 1. The watcher's one door to paho.

Each client is a boot of the terminal; one that did not bring a probe through is left behind with all that it had under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hoistway import wire
from hoistway.errors import OurFault
from hoistway.limits import BOOT_MAX
from hoistway.model import PROBE_CODE
from hoistway.mqtt_url import MqttAddress, configure

log: Final = structlog.get_logger("watch")

KEEPALIVE_S: Final = 10


class Terminal:
    """The probe lift's terminal. Everything but paho's callbacks runs in the loop's thread."""

    def __init__(self, address: MqttAddress, *, prefix: str, now_ms: Callable[[], int]) -> None:
        self._address, self._prefix, self._now_ms = address, prefix, now_ms
        self._loop = asyncio.get_running_loop()
        self._client: paho.Client | None = None
        self._boot = self._seq = self._acked = 0
        self._changed = asyncio.Event()
        self._connected = False

    def begin(self) -> None:
        """Connect anew, as another boot."""
        self.leave()
        self._boot = min(max(self._boot + 1, self._now_ms() // 1_000), BOOT_MAX)
        self._seq, self._acked, self._connected = 0, 0, False
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=wire.PROBE_DEVICE, protocol=paho.MQTTv311, clean_session=True
        )
        configure(client, self._address)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        client.reconnect_delay_set(1, 2)
        self._client = client
        client.connect_async(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
        client.loop_start()

    def leave(self) -> None:
        """Let the client go; its thread ends by itself, and nobody waits for a broker that does not answer."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            threading.Thread(target=client.loop_stop, daemon=True).start()

    @property
    def stands(self) -> bool:
        """Whether it is connected as far as its keep-alive tells."""
        return self._connected

    async def connected(self) -> None:
        """Wait until `ack` is subscribed."""
        await self._until(lambda: self._connected)

    async def say(self, *, active: bool) -> None:
        """Publish the probe's event, and wait until the platform has accepted it."""
        if self._client is None:
            raise OurFault("the probe says something before it began")
        self._seq += 1
        record = {"ts": self._now_ms(), "boot": self._boot, "seq": self._seq, "code": PROBE_CODE, "active": active}
        self._client.publish(f"{self._prefix}event", msgspec.json.encode(record), qos=1)
        await self._until(lambda: self._acked >= self._seq)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    # --- paho's callbacks, in its thread ---

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker refused the probe", reason=str(reason))
        else:
            client.subscribe(f"{self._prefix}ack", 0)

    def _on_subscribe(self, client: paho.Client, *_rest: Any) -> None:
        self._hand(client, self._note, True)

    def _on_disconnect(self, client: paho.Client, *_rest: Any) -> None:
        self._hand(client, self._note, False)

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._hand(client, self._take, bytes(message.payload))

    def _hand(self, client: paho.Client, call: Callable[..., None], *arguments: Any) -> None:
        if client is self._client:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call, *arguments)

    # --- the same, in the loop ---

    def _note(self, connected: bool) -> None:
        self._connected = connected
        self._changed.set()

    def _take(self, payload: bytes) -> None:
        try:
            ack = wire.decode_ack(payload)
        except msgspec.MsgspecError as error:
            log.warning("an ack that cannot be read", error=str(error))
            return
        if ack.refused:
            log.error("the probe's message was refused", reason=ack.refused[0].reason)
        if ack.boot == self._boot:
            self._acked = max(self._acked, ack.event)
            self._changed.set()
