"""A story on the fleet in columns: machines, what happens to them, the network, second by second on a virtual clock.

`step()` is all there is: what reached the server in that second. The same seed gives the same bytes. Two shells move it: `play`, in memory,
and `simulators.fleet` over MQTT (by `simulators.terminals`). Pure; knows no MQTT client and no clock.
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final

from hoistway import wire
from hoistway.errors import BadInput
from simulators.city import Equipment, make_city
from simulators.columns.machines import Machines
from simulators.faults.acts import ACTS
from simulators.faults.catalogue import BY_THE_CATALOGUE, Entry, entries
from simulators.faults.plan import Planned, Planner
from simulators.faults.scene import Scene, Script
from simulators.faults.scripts import Fault
from simulators.faults.truth import Book
from simulators.life.demand import DAY_MS, ZONE_MS
from simulators.network.acts import NETWORK_ACTS
from simulators.network.carrier import Carrier, Delivery
from simulators.records import Event, Rows, payload, values_of
from simulators.scenario import Scenario

STEP_MS: Final = 1_000
AGAIN_MS: Final = 10 * 60_000
LATE_MOST_MS: Final = 6 * 3_600_000
"""A planned fault whose machine is busy with another one is tried again, for so long; then it is left out, counted."""
RESERVED: Final = 0x5EED
"""Added to the seed of a story that says `reserve`: seeds nobody tunes a threshold with."""

Tell = Callable[[dict[str, Any]], None]


class Stage:
    """One run of a story."""

    def __init__(
        self,
        scenario: Scenario,
        rows: Sequence[Equipment] | None = None,
        *,
        start_ms: int,
        seed: int | None = None,
        tell: Tell | None = None,
        step_ms: int = STEP_MS,
        every_ms: int | None = None,
    ) -> None:
        """`every_ms`: all terminals speak at this rate instead of by their own habits."""
        self.scenario, self.seed = scenario, scenario.seed if seed is None else seed
        self.start_ms = self.now = start_ms
        self.step_ms = step_ms
        self.left_out = 0  # planned and not played: the machine was busy, or what it waited for did not come about
        luck = self.seed + (RESERVED if scenario.rates.reserve else 0)
        rows = make_city(lifts=scenario.lifts, escalators=scenario.escalators, seed=self.seed) if rows is None else rows
        self.machines = Machines(
            rows, seed=luck, start_ms=start_ms, time_of_day_ms=scenario.time_of_day_ms, flow=scenario.traffic,
            busy=scenario.busy, every_ms=every_ms,
        )  # fmt: skip
        self.carrier = Carrier([row.device for row in self.machines.rows], scenario.weather, luck, start_ms)
        self.book = Book(self.machines, tell or (lambda _: None), reserve=scenario.rates.reserve)
        self._planner = Planner(self.machines, luck)
        self._rng = random.Random(f"{luck}:stage")
        self._heap: list[tuple[int, int, Planned | Fault | tuple[Scene, Script]]] = []
        self._order = count()
        self._busy: set[int] = set()
        self._day = self._local_day(start_ms) - 1
        self._areas: dict[tuple[str, str], list[int]] = defaultdict(list)
        for slot, row in enumerate(self.machines.rows):
            self._areas["estate", row.estate].append(slot)
            self._areas["district", row.district].append(slot)
        for fault in scenario.faults:
            self._push(start_ms + fault.at_ms, fault)

    @property
    def rows(self) -> Sequence[Equipment]:
        """The register in order of the slots."""
        return self.machines.rows

    @property
    def ended(self) -> bool:
        return self.scenario.duration_ms is not None and self.now >= self.start_ms + self.scenario.duration_ms

    def step(self) -> Delivery:
        """One second on: what reached the server."""
        rows, events = self.life(self.now + self.step_ms)
        return self.carrier.carry(rows, events, self.now)

    def life(self, to_ms: int) -> tuple[Rows, list[Event]]:
        """The same before the network: what the terminals say."""
        self._plan(to_ms)
        while self._heap and self._heap[0][0] <= self.now:  # what is due by now; it acts from here on
            _, _, item = heapq.heappop(self._heap)
            if isinstance(item, Planned):
                self._begin(item)
            elif isinstance(item, Fault):
                self._told(item)
            else:
                self._go_on(*item)
        rows = self.machines.step(to_ms)
        self.now = to_ms
        return rows, self.machines.taken_events()

    # --- what happens ---

    def _local_day(self, ms: int) -> int:
        return (ms + ZONE_MS + self.machines.shift_ms) // DAY_MS

    def _plan(self, to_ms: int) -> None:
        rates = self.scenario.rates
        while (rates.causes or rates.alikes) and self._day < self._local_day(to_ms):
            self._day += 1
            wanted = [entry for entry in entries().values() if not rates.only or entry.name in rates.only]
            for one in self._planner.day(self._day, wanted, cause_times=rates.causes, alike_times=rates.alikes):
                if one.at_ms >= self.start_ms:
                    self._push(one.at_ms, one)

    def _push(self, at: int, item: Planned | Fault | tuple[Scene, Script]) -> None:
        heapq.heappush(self._heap, (at, next(self._order), item))

    def _begin(self, one: Planned) -> None:
        if one.slot in self._busy:
            if self.now - one.at_ms < LATE_MOST_MS:
                self._push(max(self.now, one.at_ms) + AGAIN_MS, one)
            else:
                self.left_out += 1
            return
        self._play(self._scene(one.entry, one.slot, one.lasts_ms, one.cause, random.Random(one.luck)))

    def _told(self, fault: Fault) -> None:
        """A fault that the story names."""
        if fault.every_ms is not None:
            self._push(self.now + max(1_000, int(self._rng.expovariate(1) * fault.every_ms)), fault)
        entry = entries()[BY_THE_CATALOGUE.get(fault.kind, fault.kind)]
        for _ in range(fault.count):
            slot = self._choose(fault, entry)
            if slot is None:
                self._push(self.now + 10_000, replace(fault, count=1, every_ms=None))
                continue
            codes, weights = [code for code, _ in entry.causes], [weight for _, weight in entry.causes]
            cause = self._rng.choices(codes, weights)[0] if codes else None
            lasts = fault.lasts_ms if fault.lasts_ms is not None else self._rng.randint(*entry.lasts_ms)
            scene = self._scene(entry, slot, lasts, cause, random.Random(self._rng.random()))
            scene.rescue_after_ms, scene.button_after_ms = fault.rescue_after_ms, fault.alarm_button_after_ms
            self._play(scene)

    def _choose(self, fault: Fault, entry: Entry) -> int | None:
        """The machine of a fault; None while every one that fits is busy with another."""
        machines = self.machines
        if fault.device is not None:
            if fault.device not in machines.slot_of:
                raise BadInput(
                    f"device {fault.device!r}", where=f"fault {fault.kind}", expected="a device of the fleet"
                )
            slot = machines.slot_of[fault.device]
            return None if slot in self._busy else slot
        if fault.lift is not None:
            if fault.lift >= machines.lifts:
                raise BadInput(f"lift {fault.lift}", where=f"fault {fault.kind}", expected=f"0..{machines.lifts - 1}")
            return None if fault.lift in self._busy else fault.lift
        sensor = fault.person_sensor
        fitting = self._planner.slots(entry).tolist()
        if sensor is not None:
            fitting = [
                slot
                for slot in fitting
                if slot < machines.lifts and bool(machines.shafts.person_sensor[slot]) is sensor
            ]
        if not fitting:
            raise BadInput(
                f"nothing fits {entry.name}",
                where=f"fault {fault.kind}",
                expected=f"a fleet with {entry.per}, {entry.needs or 'any'}",
            )
        free = [slot for slot in fitting if slot not in self._busy]
        return self._rng.choice(free) if free else None

    def _scene(self, entry: Entry, slot: int, lasts_ms: int, cause: int | None, rng: random.Random) -> Scene:
        return Scene(
            machines=self.machines, carrier=self.carrier, book=self.book, entry=entry, slot=slot, lasts_ms=lasts_ms,
            cause=cause, rng=rng, mates=self._mates(entry, slot),
        )  # fmt: skip

    def _mates(self, entry: Entry, slot: int) -> tuple[int, ...]:
        if entry.act not in {"power", "outage"} or entry.options.get("alone"):
            return (slot,)
        area, row = entry.options.get("area", "estate"), self.machines.rows[slot]
        if area == "all":
            slots = list(range(self.machines.count))
        elif area == "gateway":
            size = self.scenario.weather.gateway or 20
            first = slot - slot % size
            slots = list(range(first, min(first + size, self.machines.count)))
        else:
            slots = self._areas[area, row.district if area == "district" else row.estate]
        return tuple(one for one in slots if one not in self._busy)

    def _play(self, scene: Scene) -> None:
        self._busy.update(scene.mates)
        act = ACTS.get(scene.entry.act) or NETWORK_ACTS[scene.entry.act]
        self._go_on(scene, act(scene))

    def _go_on(self, scene: Scene, script: Script) -> None:
        again = next(script, None)
        if again is None:
            self.left_out += not scene.begun
            self._busy.difference_update(scene.mates)
        else:
            self._push(max(again, self.now + 1), (scene, script))


def play(
    scenario: Scenario,
    rows: Sequence[Equipment] | None = None,
    *,
    start_ms: int,
    seed: int | None = None,
    tell: Tell | None = None,
    until_ms: int | None = None,
) -> Iterator[tuple[int, str, str, bytes]]:
    """The whole story as messages: (virtual receive ms, device, leaf, payload), in order, the same bytes for the same seed."""
    stage = Stage(scenario, rows, start_ms=start_ms, seed=seed, tell=tell)
    end = until_ms if until_ms is not None else start_ms + (scenario.duration_ms or 30_000)
    while stage.now < end:
        yield from messages(stage, stage.step())


def messages(stage: Stage, delivery: Delivery) -> list[tuple[int, str, str, bytes]]:
    """A delivery as the wire has it, in order of arrival; at the same ms links first, then events, then samples."""
    machines = stage.machines
    found: list[tuple[int, int, str, str, bytes]] = []
    for link in delivery.links:
        word = wire.Link(online=link.online, boot=link.boot, conn=link.conn, ts=link.received, gone=None)
        found.append((link.received, 0, machines.rows[link.slot].device, "link", wire.encode(word)))
    for event in delivery.events:
        values = {"code": event.code, "active": event.active}
        text = payload(values, ts=event.ts, boot=event.boot, seq=event.seq)
        found.append((event.received, 1, machines.rows[event.slot].device, "event", text))
    rows = delivery.rows
    slots = rows["slot"].tolist()
    kinds = [machines.kinds[slot] for slot in slots]
    numbers = zip(
        rows["received"].tolist(), rows["ts"].tolist(), rows["boot"].tolist(), rows["seq"].tolist(), strict=True
    )
    for slot, (received, ts, boot, seq), values in zip(
        slots, numbers, values_of(rows, kinds, machines.labels), strict=True
    ):
        found.append((received, 2, machines.rows[slot].device, "state", payload(values, ts=ts, boot=boot, seq=seq)))
    found.sort(key=lambda message: message[:2])
    return [(received, device, leaf, text) for received, _, device, leaf, text in found]
