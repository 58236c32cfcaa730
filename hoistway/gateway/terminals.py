"""What a gateway makes of its terminals' bytes: records for one device, and answers to send back. No socket, no clock: time is an argument.

A terminal tells its whole state about twice a second. A sample goes out when it differs from the last one of its lift, or when that one
is a third of a heartbeat old. Faults go out at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.limits import HEARTBEAT_S
from ingest.adapters.adapter import Adapter, Reported, Told
from ingest.adapters.framing import BEGIN, END, Framer
from ingest.adapters.reading import Entry
from ingest.adapters.spec import Format
from simulators.device import Device

QUIET_MS: Final = HEARTBEAT_S * 1_000 // 3
"""An unchanged state is sent again after this long."""
PING_EVERY_MS: Final = 30_000
"""How often the server pings a terminal (a public platform does)."""
SILENT_MS: Final = 180_000
"""A terminal that says nothing for this long is disconnected (a public platform does)."""
LOGIN_EVERY_MS: Final = 10_000
"""How often a terminal without a name is asked to log in (the firmware's own waiting time)."""
ODD_NAMES: Final = 200
"""Odd fields that are counted by name; further names, which anybody can make up, count as "other"."""
_NUMBERS: Final = frozenset({"ts", "boot", "seq"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What goes back to a terminal."""

    frames: tuple[bytes, ...] = ()
    close: str = ""  # why the connection ends; empty: it stays


@dataclass(kw_only=True, slots=True)
class Counts:
    """What has come in since the start."""

    samples: int = 0  # of terminals
    passed: int = 0  # samples that went out
    events: int = 0
    bad: Counter[str] = field(default_factory=Counter)  # messages left out, by the field that is wrong
    odd: Counter[tuple[str, str]] = field(default_factory=Counter)  # by field and what is odd


class Gateway:
    """One device of the contract that speaks for many terminals."""

    def __init__(self, spec: Format, device: Device, lifts: Mapping[str, str]) -> None:
        self.spec, self.device, self.lifts = spec, device, lifts
        self.counts = Counts()
        self.reported = Reported(resumed=True)
        self._last: dict[str, tuple[dict[str, Any], int]] = {}  # by lift: what was sent, and when

    def terminal(self, now: int) -> Terminal:
        """A terminal that has just connected."""
        return Terminal(self, now)

    def take(self, told: Told, now: int) -> None:
        """Records of a terminal become the device's."""
        counts = self.counts
        for odd in told.odd:
            key = odd.field, odd.fault
            counts.odd[key if key in counts.odd or len(counts.odd) < ODD_NAMES else ("other", odd.fault)] += 1
        counts.bad.update(error.where for error in told.bad)
        for event in told.events:
            counts.events += 1
            self.device.report(event["code"], event["active"], event["ts"], event.get("data"), lift=event["lift"])
        for sample in told.samples:
            counts.samples += 1
            self._sample({name: value for name, value in sample.items() if name not in _NUMBERS}, sample["ts"], now)

    def _sample(self, values: dict[str, Any], ts: int, now: int) -> None:
        sent, at = self._last.get(values["lift"], ({}, 0))
        if sent == values and now - at < QUIET_MS:
            return
        self._last[values["lift"]] = values, now
        self.counts.passed += 1
        self.device.sample(values, ts)


class Terminal:
    """One connection of a terminal."""

    def __init__(self, gateway: Gateway, now: int) -> None:
        self._gateway = gateway
        self._framer = Framer()
        self._adapter = Adapter(gateway.spec, boot=gateway.device.boot, lifts=gateway.lifts, reported=gateway.reported)
        self._heard = self._pinged = now
        self._asked = now - LOGIN_EVERY_MS

    def feed(self, received: bytes, now: int) -> Answer:
        """What bytes of the terminal lead to."""
        self._heard = now
        try:
            texts = self._framer.feed(received)
        except BadInput as error:
            self._gateway.counts.bad[error.where] += 1
            return Answer(close=str(error))
        unnamed = stranger = ""
        for text in texts:
            told = self._adapter.line(Entry(line=1, message=BEGIN + text + END, received_ms=now))
            self._gateway.take(told, now)
            for left_out in told.bad:
                unnamed = unnamed or (str(left_out) if left_out.where == "connection" else "")
                stranger = stranger or (str(left_out) if left_out.where == "lifts" else "")
        if stranger:
            return Answer(close=stranger)
        return Answer(frames=self._ask(now) if unnamed else ())

    def tick(self, now: int) -> Answer:
        """What time alone leads to."""
        if now - self._heard >= SILENT_MS:
            return Answer(close=f"silent for {SILENT_MS // 1_000} s")
        if now - self._pinged < PING_EVERY_MS:
            return Answer()
        self._pinged = now
        return Answer(frames=(frame("ping"),))

    def _ask(self, now: int) -> tuple[bytes, ...]:
        if now - self._asked < LOGIN_EVERY_MS:
            return ()
        self._asked = now
        return (frame("need_login"),)


def frame(kind: str) -> bytes:
    """A message of the server."""
    return f"{BEGIN}{json.dumps({'type': kind})}{END}".encode()
