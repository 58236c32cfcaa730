"""The whole fleet as columns: cars, escalators, their terminals, and who of them speaks now.

`step(to_ms)` is all there is: the samples that the terminals would send, each complete, and the events. Nothing here depends on a clock or on the size of
the fleet: a machine's life is the same alone and among a hundred thousand, except that the cars of one group share their calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hoistway.model import Kind
from simulators.city import Equipment
from simulators.columns.cars import MOVING, Cars, Phase
from simulators.columns.chance import keys_of, uniform
from simulators.columns.hands import Hands
from simulators.columns.overlay import Overlay
from simulators.columns.sense import LiftSensors, StairSensors
from simulators.columns.shafts import Shafts
from simulators.columns.stairs import Stairs
from simulators.columns.traffic import Traffic
from simulators.life.demand import DAY_MS, ZONE_MS
from simulators.life.vendors import VENDORS
from simulators.records import Event, Rows, blank, joined, taken

Column = npt.NDArray[Any]

SELF_TEST_EVERY_MS: Final = DAY_MS
STARTING_MS: Final = 5_000
"""Terminals do not start in the same instant."""
_BUSY_DOORS: Final = np.isin(
    np.arange(len(Phase)),
    (Phase.OPENING, Phase.CLOSING, Phase.TURNING, Phase.PRYING, Phase.STUCK_OPENING, Phase.STUCK_CLOSING),
)
_ACTIVE: Final = MOVING | _BUSY_DOORS
_LOOK: Final = (
    "service_mode", "car_status", "car_direction", "door_zone", "door_status", "door_closed", "passenger", "landing_door_locked",
    "power", "safety_chain", "brake", "light", "operation_status", "operation_direction", "step_missing", "occupied",
)  # fmt: skip
"""A change of one of these, or of the floor, is worth a sample; each fits into three bits and a sign."""


class Machines:
    """Slots 0.. are the lifts of the register in its order, then come the escalators."""

    def __init__(
        self,
        rows: Sequence[Equipment],
        *,
        seed: int,
        start_ms: int,
        time_of_day_ms: int | None = None,
        flow: bool = True,
        busy: float = 1.0,
        every_ms: int | None = None,
    ) -> None:
        """`flow`: do people come by themselves; `busy` times as many; `every_ms`: all terminals at this fixed rate instead of their own habits."""
        lifts = [row for row in rows if row.kind is Kind.LIFT]
        stairs = [row for row in rows if row.kind is Kind.ESCALATOR]
        self.rows, self.kinds = [*lifts, *stairs], [Kind.LIFT] * len(lifts) + [Kind.ESCALATOR] * len(stairs)
        self.slot_of = {row.device: slot for slot, row in enumerate(self.rows)}
        self.lifts, self.count, self.now = len(lifts), len(rows), start_ms
        self.shift_ms = 0 if time_of_day_ms is None else time_of_day_ms - (start_ms + ZONE_MS) % DAY_MS
        self.shafts = Shafts(lifts, seed)
        self.cars = Cars(
            self.shafts,
            Traffic(self.shafts, seed, start_ms, shift_ms=self.shift_ms, busy=busy, flow=flow),
            seed,
            start_ms,
        )
        self.stairs = Stairs(stairs, seed, start_ms, shift_ms=self.shift_ms, flow=flow)
        self.hands, self.overlay = Hands(self.cars), Overlay(self.cars, self.stairs)
        self._lift_sensors = LiftSensors(self.cars, seed)
        self._stair_sensors = StairSensors(self.stairs, self.lifts, seed)
        self.labels = self._lift_sensors.labels
        self.events: list[Event] = []  # since the last step
        self._every_ms, self._start_ms = every_ms, start_ms
        keys = keys_of([row.device for row in self.rows], "terminal", seed)
        self._speak_at = start_ms + 1 + (uniform(keys, np.uint64(1)) * STARTING_MS).astype(np.int64)
        self.test_at = start_ms + (uniform(keys, np.uint64(2)) * SELF_TEST_EVERY_MS).astype(np.int64)
        self.slow_ms = np.zeros(self.count, np.int64)  # the server asks for longer intervals
        self._told = np.full(self.count, -1, np.int64)
        self._place = np.full(self.count, -1, np.int64)
        vendor = self.shafts.vendor
        by_change = np.array([vendor.by_change for vendor in VENDORS])[vendor]
        active = np.array([vendor.active_s for vendor in VENDORS])[vendor] * 1_000
        rest = np.array([vendor.heartbeat_s for vendor in VENDORS])[vendor] * 1_000
        self._by_change = np.concatenate([by_change, np.ones(len(stairs), np.bool_)])
        self._active_ms = np.concatenate([active, np.full(len(stairs), 1_000)])
        self._rest_ms = np.concatenate([rest, np.full(len(stairs), 30_000)])
        self._starting = True

    def step(self, to_ms: int) -> Rows:
        """Let everything happen up to `to_ms` and answer what the terminals say then, by slot; `events` holds the codes."""
        self.cars.advance(to_ms)
        self.stairs.advance(to_ms)
        self.now = to_ms
        self._test_calls()
        if self._every_ms is not None:
            turn = (to_ms - self._start_ms) % self._every_ms == 0
            rows = self._see(np.arange(self.lifts), np.arange(self.stairs.count)) if turn else blank(0)
        else:
            rows = self._spoken(to_ms)
        self.cars.touched[:] = False
        self.stairs.touched[:] = False
        return rows

    def tell(self, slot: int, code: str, active: bool) -> None:
        """A terminal has a code to report."""
        self.events.append(Event(self.now, slot, code, active))

    def ask(self, slot: int) -> None:
        """A terminal that has just started speaks at once."""
        self._speak_at[slot] = self.now

    def taken_events(self) -> list[Event]:
        """The events since the last call, in order."""
        events, self.events = self.events, []
        return events

    # --- terminals ---

    def _spoken(self, now: int) -> Rows:
        due = now >= self._speak_at
        if self.overlay.fresh:
            fresh = np.array(sorted(self.overlay.fresh))
            due[fresh] |= self._by_change[fresh]
            self.overlay.fresh.clear()
        asked = due.copy()
        asked[: self.lifts] |= self.cars.touched
        asked[self.lifts :] |= self.stairs.touched
        asked[self.overlay.slots] = True
        if self._starting:
            asked &= due | (self._told >= 0)
            self._starting = bool((self._told < 0).any())
        slots = np.flatnonzero(asked)
        if not len(slots):
            return blank(0)
        first = int(np.searchsorted(slots, self.lifts))
        rows = self._see(slots[:first], slots[first:] - self.lifts)
        look = self._look(rows)
        speaks = due[slots] | (self._by_change[slots] & (look != self._told[slots]))
        slots, rows = slots[speaks], taken(rows, speaks)
        self._told[slots] = look[speaks]
        lifts = slots[slots < self.lifts]
        pause = self._rest_ms[slots].copy()
        active = _ACTIVE[self.cars.phase[lifts]]
        pause[: len(lifts)] = np.where(active, self._active_ms[lifts], pause[: len(lifts)])
        self._speak_at[slots] = now + np.maximum(pause, self.slow_ms[slots])
        return rows

    def _see(self, lifts: Column, stairs: Column) -> Rows:
        parts = [part for part in (
            self._lift_sensors.see(lifts, self.now) if len(lifts) else None,
            self._stair_sensors.see(stairs, self.now) if len(stairs) else None,
        ) if part is not None]  # fmt: skip
        if not parts:
            return blank(0)
        rows = joined(parts)
        if len(self.overlay.slots):
            slots = rows["slot"]
            self._place[slots] = np.arange(len(slots))
            self.overlay.lay(rows, self._place)
            self._place[slots] = -1
        return rows

    @staticmethod
    def _look(rows: Rows) -> Column:
        packed = rows["car_position"].astype(np.int64) + 1
        for name in _LOOK:
            packed = (packed << 3) | (rows[name].astype(np.int64) & 7)
        return packed & 0x7FFF_FFFF_FFFF_FFFF

    def _test_calls(self) -> None:
        due = np.flatnonzero(self.test_at[: self.lifts] <= self.now)
        for slot in due.tolist():
            self.tell(slot, "self-test", active=True)
            self.tell(slot, "self-test", active=False)
        self.test_at[due] += SELF_TEST_EVERY_MS
