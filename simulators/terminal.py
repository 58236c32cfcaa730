"""One terminal on a real broker: the thin shell around `simulators.device`, as a pattern for firmware. One thread, one loop.

It moves bytes, reads the clock and keeps the non-volatile memory (a file); what is sent, kept and sent again is decided in the core.
The simulated city has a shell of its own for thousands of devices (`simulators.fleet`); what a connection is, both share (`line`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from paho.mqtt.enums import MQTTErrorCode

from hoistway.clock import SteadyClock
from hoistway.mqtt_url import MqttAddress
from simulators.device import Device, SelfTest
from simulators.line import CONNACK_WITHIN_S, Backoff, Line
from simulators.memory import remember, restarted

TURN_S: Final = 0.1

Sense = Callable[[Device, int], None]
"""Called each turn with our own clock, ms: reads the sensors, calls `device.sample` and `device.report`."""


class Terminal:
    """Runs until `stop` is set: `Terminal(...).run(stop)`, in a thread of its own or as the whole program. `selftest` tries button, voice
    line and battery when the platform asks for it, and reports `self-test` if they are good."""

    def __init__(
        self, name: str, address: MqttAddress, *, prefix: str, memory: Path, sense: Sense, selftest: SelfTest | None = None,
        now_ms: Callable[[], int] | None = None,
    ) -> None:  # fmt: skip
        self._address, self._prefix, self._memory, self._sense = address, prefix, memory, sense
        self._now = now_ms or SteadyClock().now_ms
        self.device = restarted(name, memory)
        self.device.on_selftest = selftest
        self._saved: dict[str, Any] = {}
        self._remember()  # the boot number, before the first record

    def run(self, stop: threading.Event) -> None:
        """Connect, talk, and connect again with growing random pauses; says goodbye at the end."""
        backoff = Backoff()
        while not stop.is_set():
            if self._talk(stop):
                backoff.stood()
            self.device.down()
            pause = time.monotonic() + backoff.pause_s()
            while time.monotonic() < pause and not stop.wait(TURN_S):
                self._look()

    def _talk(self, stop: threading.Event) -> bool:
        """One connection until it breaks; answers whether the broker took it."""
        line = Line(self.device, self._address, self._prefix, now=self._now, told=_nothing)
        try:
            line.connect()
        except (OSError, ValueError):
            return False
        deadline, taken = time.monotonic() + CONNACK_WITHIN_S, False
        while line.client.loop(TURN_S) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._look()
            taken |= self.device.connected
            if stop.is_set():
                line.farewell()
                line.client.disconnect()
                line.client.loop(TURN_S)
                break
            if not self.device.connected and time.monotonic() > deadline:
                break
            line.pump()
        return taken

    def _look(self) -> None:
        """The sensors, connected or not; what came is remembered before it is sent."""
        self._sense(self.device, self._now())
        self._remember()

    def _remember(self) -> None:
        """Write what has to outlive a power cut, when it changed."""
        fresh = self.device.snapshot()
        if fresh != self._saved:
            remember(self._memory, fresh)
            self._saved = fresh


def _nothing() -> None:
    """The loop looks by itself."""
