"""A story without its messages: what the sensors say, as plain values, gathered over a stretch of virtual time.

For runs that are too long to write and read JSON for. The device half of the contract is left out, so the network is perfect except for
links that a script takes down; then records wait in the terminal and come together on return, as over MQTT. Pure; no clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from simulators.device import KEPT_EVENTS, RING_SAMPLES, Device
from simulators.faults.scripts import Unit
from simulators.life.physics import Lift
from simulators.world import DELAY_MS, World

SLAB_MS: Final = 60_000
STEP_MS: Final = 1_000
"""How closely it is seen that a link went down or came back."""
SELF_TEST_EVERY_MS: Final = 24 * 3_600_000
"""A terminal makes its test call by itself each day: here is no server that asks for it."""

Shape = tuple[str, ...]
Sample = tuple[int, int, int, tuple[Any, ...]]
"""Unit, time it was taken, time it was received, values in the order of the shape's names."""


@dataclass(kw_only=True, slots=True)
class Slab:
    """What was received up to `until_ms`. Units are numbered in the order of the fleet."""

    until_ms: int
    samples: dict[Shape, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    events: list[tuple[int, int, int, str, bool]] = field(default_factory=list)  # unit, at, received, code, active
    links: list[tuple[int, int, bool]] = field(default_factory=list)  # unit, received, online


class _Tap:
    """Stands where the terminal's device half would, and passes on what it is told."""

    slow_s = 0

    def __init__(self, name: str, number: int, unit: Unit, sink: _Sink) -> None:
        self.name, self.online = name, False
        self._number, self._unit, self._sink = number, unit, sink
        self._samples: list[tuple[Shape, int, tuple[Any, ...]]] = []
        self._events: list[tuple[int, str, bool]] = []

    def sample(self, values: Mapping[str, Any], ts: int) -> None:
        shape, row = tuple(values), tuple(values.values())
        if self.online and self._unit.link_up:
            self._sink.slab.samples[shape].append((self._number, ts + DELAY_MS, ts + DELAY_MS, row))
        else:
            self._samples.append((shape, ts, row))
            del self._samples[:-RING_SAMPLES]

    def report(self, code: str, active: bool, ts: int, data: object = None, *, lift: str | None = None) -> None:
        del data, lift
        if self.online and self._unit.link_up:
            self._sink.slab.events.append((self._number, ts + DELAY_MS, ts + DELAY_MS, code, active))
        else:
            self._events.append((ts, code, active))
            del self._events[:-KEPT_EVENTS]

    def look(self, now: int) -> None:
        """The link as it is now; on return everything that waited is there at once."""
        if self._unit.link_up is self.online:
            return
        self.online, slab, received = self._unit.link_up, self._sink.slab, now + DELAY_MS
        slab.links.append((self._number, received, self.online))
        if self.online:
            for shape, ts, row in self._samples:
                slab.samples[shape].append((self._number, ts + DELAY_MS, received, row))
            slab.events += [(self._number, ts + DELAY_MS, received, code, active) for ts, code, active in self._events]
            self._samples, self._events = [], []


@dataclass(kw_only=True, slots=True)
class _Sink:
    slab: Slab


def slabs(world: World, *, until_ms: int, slab_ms: int = SLAB_MS) -> Iterator[Slab]:
    """Everything up to `until_ms`, a stretch at a time. The world's devices are replaced."""
    sink = _Sink(slab=Slab(until_ms=world.now))
    taps: dict[str, _Tap] = {}
    tests: list[tuple[int, Unit]] = []
    for number, (name, unit) in enumerate(world.units.items()):
        tap = taps[name] = _Tap(name, number, unit, sink)
        unit.device = cast("Device", tap)
        if isinstance(unit.machine, Lift):
            tests.append((world.now + 1 + number * SELF_TEST_EVERY_MS // len(world.units), unit))
    tests.reverse()
    begin = world.now
    while begin < until_ms:
        end = min(until_ms, begin + slab_ms)
        sink.slab = Slab(until_ms=end)
        _test_calls(tests, end)
        for now in range(begin, end, STEP_MS):
            world.advance(min(now + STEP_MS, end))
            for name in world.changed:
                taps[name].look(world.now)
            world.changed.clear()
        yield sink.slab
        begin = end


def _test_calls(tests: list[tuple[int, Unit]], until_ms: int) -> None:
    """The daily test calls that are due; `tests` is ordered, the next one last."""
    again = []
    while tests and tests[-1][0] <= until_ms:
        at, unit = tests.pop()
        for active in (True, False):
            unit.device.report("self-test", active, at)
        again.append((at + SELF_TEST_EVERY_MS, unit))
    tests[:0] = reversed(again)
