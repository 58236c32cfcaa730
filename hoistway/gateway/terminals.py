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
from ingest.adapters.reading import REPLACED, Entry
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
LOGIN_ASKS: Final = 6
"""After so many questions without an answer, a minute, the connection ends."""
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
    skipped: int = 0  # bytes in no frame
    bad: Counter[str] = field(default_factory=Counter)  # messages left out, by the field that is wrong
    odd: Counter[tuple[str, str]] = field(default_factory=Counter)  # by field and what is odd


class Gateway:
    """One device of the contract that speaks for many terminals."""

    def __init__(self, spec: Format, device: Device, lifts: Mapping[str, str]) -> None:
        self.spec, self.device, self.lifts = spec, device, lifts
        self.counts = Counts()
        self.reported = Reported(resumed=True)
        self._last: dict[str, tuple[dict[str, Any], int | None]] = {}  # by lift: what was sent, and when

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
        sent, at = self._last.get(values["lift"], ({}, None))
        pause_ms = max(self.device.slow_s * 1_000, QUIET_MS if sent == values else 0)
        if at is not None and now - at < pause_ms:
            return  # what changed meanwhile stands in the next state, half a second later
        self._last[values["lift"]] = values, now
        self.counts.passed += 1
        self.device.sample(values, ts)


class Terminal:
    """One connection of a terminal. `now` is a clock that no step moves (`hoistway.clock.SteadyClock`)."""

    def __init__(self, gateway: Gateway, now: int) -> None:
        self._gateway = gateway
        self._framer = Framer()
        self._adapter = Adapter(gateway.spec, boot=gateway.device.boot, lifts=gateway.lifts, reported=gateway.reported)
        self._heard = self._pinged = self._asked = now
        self._asks = self._skipped = 0

    def feed(self, received: bytes, now: int) -> Answer:
        """What bytes of the terminal lead to."""
        self._heard = now
        unnamed = False
        for text in self._framed(received):
            if isinstance(text, BadInput):
                self._gateway.counts.bad[text.where] += 1
                return Answer(close=str(text))
            ts = self._gateway.device.stamp(now)
            told = self._adapter.line(Entry(line=1, message=text, received_ms=ts, replaced=text.count(REPLACED)))
            self._gateway.take(told, now)
            name = self._adapter.speaker
            if name is not None and name not in self._gateway.lifts:
                return Answer(close=f"terminal {name!r} is not in the list of lifts")
            unnamed = unnamed or any(left_out.where == "connection" for left_out in told.bad)
        return self._ask(now) if unnamed and self._asks == 0 else Answer()

    def tick(self, now: int) -> Answer:
        """What time alone leads to."""
        if now - self._heard >= SILENT_MS:
            return Answer(close=f"silent for {SILENT_MS // 1_000} s")
        if self._adapter.speaker is None and now - self._asked >= LOGIN_EVERY_MS:
            return self._ask(now)
        if now - self._pinged < PING_EVERY_MS:
            return Answer()
        self._pinged = now
        return Answer(frames=(frame("ping"),))

    def ended(self) -> None:
        """The connection is over: what it left unfinished is counted."""
        if self._framer.rest() is not None:
            self._gateway.counts.bad["frame"] += 1
        self._framed(b"")

    def _framed(self, received: bytes) -> list[str | BadInput]:
        """Its messages; what is in none of them is counted."""
        found = self._framer.feed(received)
        self._gateway.counts.skipped += self._framer.skipped - self._skipped
        self._skipped = self._framer.skipped
        return found

    def _ask(self, now: int) -> Answer:
        """For the name; whoever never says it has to go."""
        if self._asks == LOGIN_ASKS:
            return Answer(close=f"no login after {LOGIN_ASKS} questions")
        self._asks, self._asked = self._asks + 1, now
        return Answer(frames=(frame("need_login"),))


def frame(kind: str) -> bytes:
    """A message of the server."""
    return f"{BEGIN}{json.dumps({'type': kind})}{END}".encode()
