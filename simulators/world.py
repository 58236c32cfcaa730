"""The simulated city on its virtual clock: machines, terminals and fault scripts, stepped event by event.

`World.advance(ms)` is all there is: afterwards the devices hold what they want to send. Two shells move it: `play` below, in memory and
deterministic to the byte, and `simulators.fleet`, over MQTT. Pure; knows no MQTT client and no clock.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, count
from typing import Any, Final

from hoistway import wire
from hoistway.errors import BadInput
from hoistway.limits import ACK_SAMPLES_EVERY_S, HEARTBEAT_S
from hoistway.model import Kind
from simulators.city import Equipment, make_city
from simulators.device import Device, Message
from simulators.faults.scripts import SCRIPTS, Fault, Scene, Script, Unit
from simulators.life import demand
from simulators.life.demand import DAY_MS, USES, ZONE_MS, building_type
from simulators.life.escalator import Escalator
from simulators.life.motion import Limits
from simulators.life.physics import PERSON_KG, Lift
from simulators.scenario import Scenario
from simulators.sensors import Machine, Reporter, profile

DEFAULT_START_MS: Final = 1_772_409_600_000
"""2 March 2026, 08:00 in Hangzhou, a Monday: where a story without a live clock begins."""
DELAY_MS: Final = 50
"""From device to server in memory."""
PLAY_STEP_MS: Final = 100

Tell = Callable[[dict[str, Any]], None]


class World:
    """A fleet, its terminals and its troubles."""

    def __init__(
        self,
        scenario: Scenario,
        rows: Sequence[Equipment] | None = None,
        *,
        start_ms: int = DEFAULT_START_MS,
        seed: int | None = None,
        boots: Mapping[str, Mapping[str, Any]] | None = None,
        tell: Tell | None = None,
    ) -> None:
        if scenario.in_columns:
            raise BadInput(
                f"{scenario.name} needs the fleet in columns", where="simulators.world", expected="simulators.playing"
            )
        self.scenario, self.seed = scenario, scenario.seed if seed is None else seed
        self.start_ms = self.now = start_ms
        self._tell = tell or (lambda _: None)
        rows = make_city(lifts=scenario.lifts, escalators=scenario.escalators, seed=self.seed) if rows is None else rows
        shift_ms = 0
        if scenario.time_of_day_ms is not None:
            shift_ms = scenario.time_of_day_ms - (start_ms + ZONE_MS) % DAY_MS
        self.units = {row.device: self._unit(row, shift_ms, (boots or {}).get(row.device)) for row in rows}
        self._lifts = [unit for unit in self.units.values() if isinstance(unit.machine, Lift)]
        self._heap: list[tuple[int, int, Unit | tuple[Scene, Script]]] = []
        self._order, self._truth_ids = count(), count(1)
        self._rng = random.Random(f"{self.seed}:faults")
        self._due: dict[str, int] = {}
        self.changed = set(self.units)  # devices with something new, or another link, since the last look
        for unit in self.units.values():
            self._schedule(unit)
        for fault in scenario.faults:
            self._plan(fault, start_ms + fault.at_ms)

    @property
    def ended(self) -> bool:
        return self.scenario.duration_ms is not None and self.now >= self.start_ms + self.scenario.duration_ms

    def next_at(self) -> int:
        return self._heap[0][0]

    def advance(self, ms: int) -> None:
        """Let everything happen up to `ms`."""
        while self._heap and self._heap[0][0] <= ms:
            at, _, item = heapq.heappop(self._heap)
            self.now = max(self.now, at)
            if isinstance(item, Unit):
                if self._due.get(item.row.device) == at:
                    del self._due[item.row.device]
                    self._look(item)
            else:
                self._go_on(*item)
        self.now = max(self.now, ms)

    # --- machines and terminals ---

    def _unit(self, row: Equipment, shift_ms: int, boot: Mapping[str, int] | None) -> Unit:
        rng = random.Random(f"{self.seed}:{row.device}")
        fitted = profile(seed=self.seed, device=row.device, year=int(row.installed_on[:4] or 0) or None)
        machine = make_machine(row, rng, self.start_ms, shift_ms, traffic=self.scenario.traffic)
        reporter = Reporter(
            machine, fitted, start_ms=self.start_ms, first_after_ms=rng.randrange(1, 5_000)
        )  # terminals do not start in the same instant
        device = Device.restarted(row.device, boot)
        device.on_selftest = _test_call if isinstance(machine, Lift) else None
        return Unit(row=row, machine=machine, fitted=fitted, reporter=reporter, device=device)

    def _schedule(self, unit: Unit) -> None:
        at = min(unit.machine.next_at(), unit.reporter.next_at())
        if self._due.get(unit.row.device) != at:
            self._due[unit.row.device] = at
            heapq.heappush(self._heap, (at, next(self._order), unit))

    def _look(self, unit: Unit) -> None:
        machine, device = unit.machine, unit.device
        machine.advance(self.now)
        while machine.events:
            code, active = machine.events.pop(0)
            device.report(code, active, self.now)
            self.changed.add(device.name)
        unit.reporter.slow_ms = device.slow_s * 1_000
        sample = unit.reporter.look(self.now)
        if sample is not None:
            device.sample(sample, self.now)
            self.changed.add(device.name)
        self._schedule(unit)

    # --- faults ---

    def _plan(self, fault: Fault, at: int) -> None:
        scene = Scene(now=at, fault=fault, units=(), tell=self._tell, next_id=lambda: next(self._truth_ids))
        heapq.heappush(self._heap, (at, next(self._order), (scene, self._script(scene))))

    def _script(self, scene: Scene) -> Script:
        """A fault's whole life: find its units, play it, let them go; a repeating one plans its next time first."""
        if scene.fault.every_ms is not None:
            self._plan(scene.fault, scene.now + max(1_000, int(self._rng.expovariate(1) * scene.fault.every_ms)))
        while not (units := self._choose(scene.fault)):
            yield scene.now + 10_000
        scene.units = units
        for unit in units:
            unit.busy = True
            unit.machine.advance(scene.now)
        yield from SCRIPTS[scene.fault.kind](scene)
        for unit in units:
            unit.busy = False

    def _choose(self, fault: Fault) -> list[Unit]:
        """The units of a fault; empty when every candidate is busy with another one."""
        if fault.device is not None:
            if fault.device not in self.units:
                raise BadInput(
                    f"device {fault.device!r}", where=f"fault {fault.kind}", expected="a device of the fleet"
                )
            chosen = self.units[fault.device]
        elif fault.lift is not None:
            if fault.lift >= len(self._lifts):
                raise BadInput(f"lift {fault.lift}", where=f"fault {fault.kind}", expected=f"0..{len(self._lifts) - 1}")
            chosen = self._lifts[fault.lift]
        else:
            sensor = fault.person_sensor
            free = [u for u in self._lifts if not u.busy and (sensor is None or u.fitted.person_sensor is sensor)]
            if not free:
                return []
            chosen = self._rng.choice(free)
        if fault.kind == "power-cut":
            estate = chosen.row.estate
            return [unit for unit in self.units.values() if unit.row.estate == estate and not unit.busy]
        return [] if chosen.busy else [chosen]

    def _go_on(self, scene: Scene, script: Script) -> None:
        scene.now = self.now
        for unit in scene.units:
            unit.machine.advance(self.now)
        again = next(script, None)
        for unit in scene.units:
            self._look(unit)
            self.changed.add(unit.row.device)  # its link may have changed
        if again is not None:
            heapq.heappush(self._heap, (max(again, self.now + 1), next(self._order), (scene, script)))


def _test_call(device: Device, now: int) -> None:
    """Button, voice line and battery of a simulated terminal are always good."""
    for active in (True, False):
        device.report("self-test", active, now)


def make_machine(row: Equipment, rng: random.Random, start_ms: int, shift_ms: int, *, traffic: bool = True) -> Machine:
    """A lift or an escalator as its row of the register describes it."""
    building = building_type(row.estate, row.name)
    use = USES[building]
    if row.kind is Kind.ESCALATOR:
        return Escalator(
            rated_speed_m_s=row.rated_speed_m_s,
            rise_m=use.floor_height_m,
            upward=rng.random() < 0.5,
            use=use,
            rng=rng,
            start_ms=start_ms,
            shift_ms=shift_ms,
        )
    labels = row.floors if len(row.floors) > 1 else ("1", "2")
    main = labels.index("1") if "1" in labels else 0
    lift = Lift(
        levels_m=list(accumulate([use.floor_height_m] * (len(labels) - 1), initial=0.0)),
        labels=labels,
        rated=Limits(speed_m_s=row.rated_speed_m_s, acceleration_m_s2=0.7 if row.rated_speed_m_s < 1.2 else 1.0),
        capacity=max(2, (row.rated_load_kg or 1_000) // PERSON_KG),
        use=use,
        journey=lambda ms: demand.journey(building, ms + shift_ms, len(labels), main, rng),
        rng=rng,
        start_ms=start_ms,
        shift_ms=shift_ms,
        main=main,
    )
    lift.alone = not traffic
    return lift


class _Server:
    """The least a server does for a device: acknowledges what came without a hole."""

    def __init__(self) -> None:
        self.upto = {"event": 0, "state": 0}
        self.acked_at = 0

    def answer(self, device: Device, message: Message, now: int) -> None:
        stream = {"event": device.event, "state": device.state}.get(message.leaf)
        if stream is not None:
            self.upto[message.leaf] = stream.seq if not stream.unsent else min(stream.unsent) - 1
        if message.leaf != "state" or now - self.acked_at >= ACK_SAMPLES_EVERY_S * 1_000:
            self.acked_at = now
            ack = wire.Ack(boot=device.boot, event=self.upto["event"], state=self.upto["state"], ts=now)
            device.receive("ack", wire.encode(ack), now)


def play(
    scenario: Scenario,
    rows: Sequence[Equipment] | None = None,
    *,
    start_ms: int = DEFAULT_START_MS,
    seed: int | None = None,
    tell: Tell | None = None,
    until_ms: int | None = None,
) -> Iterator[tuple[int, str, str, bytes]]:
    """The whole story without MQTT: (virtual receive ms, device, leaf, payload), in order, the same bytes for the same seed.

    The network is perfect except for scripted link losses. An endless story needs `until_ms`.
    """
    world = World(scenario, rows, start_ms=start_ms, seed=seed, tell=tell)
    servers = {name: _Server() for name in world.units}
    end = until_ms if until_ms is not None else start_ms + (scenario.duration_ms or HEARTBEAT_S * 1_000)
    now = start_ms
    while now < end:
        now = min(end, max(now + PLAY_STEP_MS, world.next_at()))
        world.advance(now)
        for name in sorted(world.changed):
            unit = world.units[name]
            device = unit.device
            if unit.link_up and not device.connected:
                device.connecting(now)
                device.up(now)
            elif device.connected and not unit.link_up:
                device.down()
                yield now + DELAY_MS, name, "link", device.farewell(now).payload  # the broker publishes the will
            for message in device.outgoing(now):
                servers[name].answer(device, message, now + DELAY_MS)
                yield now + DELAY_MS, name, message.leaf, message.payload
        world.changed.clear()
