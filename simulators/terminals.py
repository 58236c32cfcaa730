"""A story on the fleet in columns, seen as terminals that speak MQTT: the face that `simulators.world` has too, for the shell `simulators.fleet`.

Links, restarts, clocks, lags and floods are played on the devices; delay, loss and doubles are the real network's, and numbers that start again
under the same boot are played in memory only. Pure.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from simulators.city import Equipment
from simulators.device import Device
from simulators.records import values_of
from simulators.scenario import Scenario
from simulators.stage import Stage, Tell


@dataclass(kw_only=True, slots=True)
class Terminal:
    """One machine's terminal."""

    row: Equipment
    device: Device
    link_up: bool = True


class Terminals:
    """`advance(ms)` moves the story; afterwards the devices hold what they want to send."""

    def __init__(
        self,
        scenario: Scenario,
        rows: Sequence[Equipment] | None = None,
        *,
        start_ms: int,
        seed: int | None = None,
        boots: Mapping[str, Mapping[str, Any]] | None = None,
        tell: Tell | None = None,
    ) -> None:
        self.scenario, self.start_ms = scenario, start_ms
        self.stage = Stage(scenario, rows, start_ms=start_ms, seed=seed, tell=tell)
        self.units: dict[str, Terminal] = {}
        for row in self.stage.rows:
            device = Device.restarted(row.device, (boots or {}).get(row.device))
            self.units[row.device] = Terminal(row=row, device=device)
        self._units = list(self.units.values())
        self._starts, self._boot = self.stage.carrier.starts.copy(), self.stage.carrier.boot.copy()
        self._up = self.stage.carrier.up.copy()
        self._later: list[tuple[int, int, int, dict[str, Any], int]] = []
        self._order = count()
        self.changed = set(self.units)

    @property
    def now(self) -> int:
        return self.stage.now

    @property
    def ended(self) -> bool:
        return self.stage.ended

    def advance(self, ms: int) -> None:
        """Let everything happen up to `ms`, in whole steps of the stage."""
        while self.stage.now + self.stage.step_ms <= ms and not self.ended:
            self._step()

    def _step(self) -> None:
        stage, carrier = self.stage, self.stage.carrier
        rows, events = stage.life(stage.now + stage.step_ms)
        self._links()
        for event in events:
            if carrier.off_until[event.slot] <= stage.now:
                unit = self._units[event.slot]
                unit.device.report(event.code, event.active, self._clock(event.slot, event.ms))
                self.changed.add(unit.row.device)
        slots = rows["slot"].tolist()
        kinds = [stage.machines.kinds[slot] for slot in slots]
        for slot, values in zip(slots, values_of(rows, kinds, stage.machines.labels), strict=True):
            if carrier.off_until[slot] <= stage.now:
                due, ts = stage.now + int(carrier.lag_ms[slot]), self._clock(slot, stage.now)
                heapq.heappush(self._later, (due, next(self._order), slot, values, ts))
            stage.machines.slow_ms[slot] = self._units[slot].device.slow_s * 1_000
        while self._later and self._later[0][0] <= stage.now:
            _, _, slot, values, ts = heapq.heappop(self._later)
            unit = self._units[slot]
            for _ in range(int(carrier.flood[slot])):
                unit.device.sample(values, ts)
            self.changed.add(unit.row.device)

    def _clock(self, slot: int, ms: int) -> int:
        carrier = self.stage.carrier
        frozen = int(carrier.frozen_ms[slot])
        return frozen if frozen >= 0 else ms + int(carrier.offset_ms[slot])

    def _links(self) -> None:
        """Cut, joined and restarted terminals since the last step."""
        carrier = self.stage.carrier
        if (self._starts != carrier.starts).any():
            for slot in (self._starts != carrier.starts).nonzero()[0].tolist():
                unit = self._units[slot]
                forgets = carrier.boot[slot] == self._boot[slot]
                before = unit.device
                unit.device = (
                    Device(before.name, boot=before.boot)
                    if forgets
                    else Device.restarted(before.name, before.snapshot())
                )
                self.changed.add(unit.row.device)
            self._starts, self._boot = carrier.starts.copy(), carrier.boot.copy()
        if (self._up != carrier.up).any():
            for slot in (self._up != carrier.up).nonzero()[0].tolist():
                self._units[slot].link_up = bool(carrier.up[slot])
                self.changed.add(self._units[slot].row.device)
            self._up = carrier.up.copy()
