"""All cars as columns: doors, runs, people and collective control, moved from event to event. The times and formulas of `physics`.

`advance` lets everything happen up to an instant, each event at its own ms. Knows nothing of sensors, messages or rules. What a fault
does to one car stands in `hands`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hoistway.model import DoorStatus, Power, ServiceMode
from simulators.columns.chance import Chance, keys_of
from simulators.columns.runs import Profile, profiles, state_at
from simulators.columns.shafts import ABOARD_MOST, Shafts
from simulators.columns.traffic import FAR, Traffic, send
from simulators.life.motion import BRAKE_M_S2
from simulators.life.physics import CLOSING_MS, DWELL_MS, OBSTRUCTED, OPENING_MS, STEP_MS

Column = npt.NDArray[Any]

WAITING_MOST: Final = 12
DECIDE_MS: Final = 600
ARRIVED_MS: Final = 400
TURN_MS: Final = CLOSING_MS * 6 // 10
CREEP_M_S: Final = 0.12
BEYOND_M: Final = 0.45
"""How far a car passes the last landing before the buffer or the final switch holds it."""


class Phase(IntEnum):
    """What a car does."""

    IDLE = 0
    DECIDE = 1
    RUN = 2
    ARRIVED = 3
    OPENING = 4
    DWELL = 5
    CLOSING = 6
    TURNING = 7  # a closing that somebody interrupts
    BRAKE = 8
    STALLED = 9
    WIND = 10  # slow, by hand or by itself
    WOUND = 11
    PRYING = 12  # the doors are opened by hand
    PRIED = 13
    STUCK_OPENING = 14
    STUCK_CLOSING = 15
    CREEP = 16  # moves with open doors, and should not


MOVING: Final = np.isin(np.arange(len(Phase)), (Phase.RUN, Phase.BRAKE, Phase.WIND, Phase.CREEP))
DOORS: Final = np.array(
    [
        {
            Phase.OPENING: DoorStatus.OPENING, Phase.DWELL: DoorStatus.OPEN, Phase.CLOSING: DoorStatus.CLOSING,
            Phase.TURNING: DoorStatus.CLOSING, Phase.PRYING: DoorStatus.OPENING, Phase.PRIED: DoorStatus.OPEN,
            Phase.STUCK_OPENING: DoorStatus.OPENING, Phase.STUCK_CLOSING: DoorStatus.CLOSING, Phase.CREEP: DoorStatus.OPEN,
        }.get(phase, DoorStatus.CLOSED)
        for phase in Phase
    ],
    np.int8,
)  # fmt: skip
"""Door status of each phase."""


class Arm(IntEnum):
    """What the next run, or the next arrival, brings."""

    NOTHING = 0
    STOP_WITH = 1  # stops between floors with somebody aboard
    STOP_EMPTY = 2
    SHUT = 3  # arrives with somebody aboard and the doors stay shut
    ABOVE = 4  # passes the top landing
    BELOW = 5


class Cars:
    """Columns over the lifts."""

    def __init__(self, shafts: Shafts, traffic: Traffic, seed: int, start_ms: int) -> None:
        count = shafts.count
        self.shafts, self.traffic, self.now = shafts, traffic, start_ms
        self._chance = Chance(keys_of([row.device for row in shafts.rows], "cars", seed))
        every = np.arange(count)
        at_main = self._chance.uniform(every) < 0.5
        number = self._chance.below(every, shafts.served)
        self.phase = np.zeros(count, np.int8)
        self.until = np.full(count, FAR, np.int64)
        self.floor = np.where(at_main, shafts.main, shafts.nth(every, number)).astype(np.int16)
        self.heading = np.zeros(count, np.int8)
        self.arrow = np.zeros(count, np.int8)  # shown direction: 1 up, -1 down
        self.position_m = shafts.level_m(every, self.floor)
        self.dest = np.full((count, ABOARD_MOST), -1, np.int16)
        self.wait_from = np.full((count, WAITING_MOST), -1, np.int16)
        self.wait_to = np.full((count, WAITING_MOST), -1, np.int16)
        self.aboard = np.zeros(count, np.int16)
        self.extra = np.zeros(
            count, np.int16
        )  # people that no call brought: a mechanic, somebody who just stands there
        self.left_ms = np.full(count, -FAR, np.int64)  # when the last person left
        self.mode = np.full(count, ServiceMode.NORMAL, np.int8)
        self.power = np.full(count, Power.MAINS, np.int8)
        self.blocked = np.zeros(count, np.bool_)  # takes no calls
        self.arm = np.zeros(count, np.int8)
        self.held_until = np.zeros(count, np.int64)
        self.reversing_until = np.zeros(count, np.int64)
        self.runs, self.door_cycles = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.running_ms = np.zeros(count, np.int64)
        self.touched = np.ones(count, np.bool_)  # something changed since the last look
        self.run_from = np.zeros(count, np.int64)  # ms
        self.run_origin = np.zeros(count)
        self.run_sign = np.ones(count)
        self.run_jerk = np.full(count, 1.4)
        self.run_target = self.floor.copy()
        self.run = Profile(*(np.ones(count) for _ in Profile._fields))
        self.brake_speed = np.zeros(count)
        self.beyond = np.zeros(count, np.bool_)  # this run ends past the last landing
        self.brake_at = np.full(count, FAR, np.int64)  # when the safety brake ends this run
        self._actions: tuple[tuple[int, Callable[[Column, Column], None]], ...] = (
            (int(Phase.DECIDE), self._decide),
            (int(Phase.RUN), self._arrived),
            (int(Phase.ARRIVED), self._open),
            (int(Phase.OPENING), self._opened),
            (int(Phase.DWELL), self._close),
            (int(Phase.CLOSING), self._closed),
            (int(Phase.TURNING), self._open),
            (int(Phase.BRAKE), self._stall),
            (int(Phase.WIND), self._wound),
            (int(Phase.PRYING), self._pried),
            (int(Phase.CREEP), self._stall),
            (int(Phase.STUCK_OPENING), self._opened),
            (int(Phase.STUCK_CLOSING), self._closed),
            *((int(phase), self._rest) for phase in (Phase.IDLE, Phase.STALLED, Phase.WOUND, Phase.PRIED)),
        )
        self.meet: Callable[[int], None] = lambda _: None  # told of a car that departs armed (`hands`)

    # --- the clock ---

    def advance(self, to_ms: int) -> None:
        """Everything up to `to_ms`."""
        while len(slots := self.traffic.due(to_ms)):
            self.arrive(*self.traffic.parties(slots), slots)
        while len(slots := np.flatnonzero(self.until <= to_ms)):
            self._happen(slots)
        self.now = to_ms

    def _happen(self, slots: Column) -> None:
        phase, at = self.phase[slots], self.until[slots]
        self.touched[slots] = True
        here = np.bincount(phase, minlength=len(Phase))
        for kind, action in self._actions:
            if here[kind] == len(slots):
                action(slots, at)
            elif here[kind]:
                mine = phase == kind
                action(slots[mine], at[mine])

    def _rest(self, slots: Column, _at: Column) -> None:
        self.until[slots] = FAR

    def where(self, slots: Column, ms: int | Column) -> tuple[Column, Column]:
        """Position and signed speed of these cars."""
        position, speed = self.position_m[slots].copy(), np.zeros(len(slots))
        phase = self.phase[slots]
        running = np.flatnonzero((phase == Phase.RUN) | (phase == Phase.WIND))
        if len(running):
            mine = slots[running]
            second = ((ms if isinstance(ms, int) else ms[running]) - self.run_from[mine]) / 1_000
            way, fast = state_at(Profile(*(column[mine] for column in self.run)), self.run_jerk[mine], second)
            position[running] = self.run_origin[mine] + self.run_sign[mine] * way
            speed[running] = self.run_sign[mine] * fast
        slow = np.flatnonzero((phase == Phase.BRAKE) | (phase == Phase.CREEP))
        if len(slow):
            mine = slots[slow]
            second = np.maximum(0.0, ((ms if isinstance(ms, int) else ms[slow]) - self.run_from[mine]) / 1_000)
            first = self.brake_speed[mine]
            braking = phase[slow] == Phase.BRAKE
            second = np.where(braking, np.minimum(second, np.abs(first) / BRAKE_M_S2), second)
            pull = np.where(braking, BRAKE_M_S2 * np.sign(first), 0.0)
            position[slow] = self.run_origin[mine] + first * second - pull * second * second / 2
            speed[slow] = first - pull * second
        return position, speed

    # --- people ---

    def arrive(self, at: Column, origin: Column, target: Column, size: Column, slots: Column) -> None:
        """Parties press the button; the group's best car takes them."""
        can = ~self.blocked & (self.mode == ServiceMode.NORMAL) & (self.power == Power.MAINS)
        busy = self.phase != Phase.IDLE
        cars = send(self.shafts, slots, origin, self.floor, busy, can)
        taken = np.flatnonzero((cars >= 0) & (origin != target))
        while len(taken):
            _, first = np.unique(cars[taken], return_index=True)
            mine = taken[first]
            self.queue(cars[mine], origin[mine], target[mine], size[mine])
            self.answer(cars[mine], at[mine], origin[mine], target[mine])
            taken = np.delete(taken, first)

    def queue(self, cars: Column, origin: Column, target: Column, size: Column) -> None:
        for more in range(int(size.max(initial=0))):
            wanting = cars[size > more]
            free = self.wait_from[wanting] < 0
            place = free.argmax(axis=1)
            room = free[np.arange(len(wanting)), place]
            self.wait_from[wanting[room], place[room]] = origin[size > more][room]
            self.wait_to[wanting[room], place[room]] = target[size > more][room]

    def answer(self, cars: Column, at: Column, origin: Column, target: Column) -> None:
        phase = self.phase[cars]
        idle = cars[phase == Phase.IDLE]
        self.phase[idle] = Phase.DECIDE
        self.until[idle] = at[phase == Phase.IDLE] + 300
        self.touched[idle] = True
        turning = (phase == Phase.CLOSING) & (self.floor[cars] == origin) & (at < self.until[cars])
        self.phase[cars[turning]] = Phase.TURNING
        self.until[cars[turning]] = np.minimum(self.until[cars[turning]], at[turning] + 200)
        runs = np.flatnonzero(phase == Phase.RUN)
        if len(runs):
            self._retarget(cars[runs], at[runs], origin[runs], target[runs])

    def _retarget(self, cars: Column, at: Column, origin: Column, target: Column) -> None:
        """A call on the way is served when the car can still stop for it without another speed profile."""
        sign = self.run_sign[cars]
        distance = (self.shafts.level_m(cars, origin) - self.run_origin[cars]) * sign
        full = (self.shafts.level_m(cars, self.run_target[cars]) - self.run_origin[cars]) * sign
        fits = (distance > 0.1) & (distance < full - 0.1) & (np.sign(target - origin) == sign)
        fits &= (self.aboard[cars] < self.shafts.capacity[cars]) & (self.arm[cars] == Arm.NOTHING)
        cars, at, origin, distance = cars[fits], at[fits], origin[fits], distance[fits]
        if not len(cars):
            return
        shafts = self.shafts
        short = profiles(distance, shafts.speed[cars], shafts.acceleration[cars], shafts.jerk[cars])
        second = (at - self.run_from[cars]) / 1_000
        same = np.isclose(short.peak_m_s, self.run.peak_m_s[cars])
        same &= second < short.total_s - (2 * short.jerk_s + short.steady_s)
        cars, origin = cars[same], origin[same]
        self._set_run(cars, self.run_from[cars], Profile(*(column[same] for column in short)), origin)

    def _boarding(self, slots: Column) -> tuple[Column, Column]:
        """Which of the waiting step in now, and where they head: those that go our way, as many as find room."""
        here = self.floor[slots]
        onward = (
            (self.dest[slots] >= 0) & ((self.dest[slots] - here[:, None]) * self.heading[slots][:, None] > 0)
        ).any(axis=1)
        at_door = self.wait_from[slots] == here[:, None]
        way = np.sign(self.wait_to[slots] - self.wait_from[slots])
        first = way[np.arange(len(slots)), at_door.argmax(axis=1)]
        heading = np.where(onward, self.heading[slots], np.where(at_door.any(axis=1), first, 0)).astype(np.int8)
        going = at_door & (way == heading[:, None])
        room = np.maximum(0, self.shafts.capacity[slots] - self.aboard[slots])
        return going & (np.cumsum(going, axis=1) <= room[:, None]), heading

    def _step_in(self, slots: Column, going: Column, heading: Column) -> Column:
        """They do; answers how many."""
        count = going.sum(axis=1)
        here = count > 0
        mine, going = slots[here], going[here]
        if len(mine):
            entering = np.where(going, self.wait_to[mine], -1)
            both = np.concatenate([self.dest[mine], entering.astype(np.int16)], axis=1)
            self.dest[mine] = -np.sort(-both, axis=1)[:, :ABOARD_MOST]
            self.wait_from[mine] = np.where(going, -1, self.wait_from[mine])
            self.aboard[mine] += count[here].astype(np.int16)
            self.heading[mine] = heading[here]
        return np.asarray(count)

    # --- control ---

    def _decide(self, slots: Column, at: Column) -> None:
        """Collective control: go on in the same direction as long as somebody wants something there."""
        here = self.floor[slots].astype(np.int32)
        blocked = self.blocked[slots]
        waiting = (self.wait_from[slots] == here[:, None]).any(axis=1)
        opens = waiting & (self.aboard[slots] == 0) & ~blocked
        self._open(slots[opens], at[opens])
        rest = ~opens
        slots, at, here, blocked = slots[rest], at[rest], here[rest], blocked[rest]
        if not len(slots):
            return
        target, heading, wanted = self._next_stop(slots, here)
        goes = wanted & ~blocked
        stays = slots[~goes]
        self.phase[stays], self.until[stays], self.heading[stays] = Phase.IDLE, FAR, 0
        self.heading[slots[goes]] = heading[goes]
        self.depart(slots[goes], at[goes], target[goes].astype(np.int16))

    def _next_stop(self, slots: Column, here: Column) -> tuple[Column, Column, Column]:
        dest, source = self.dest[slots].astype(np.int32), self.wait_from[slots].astype(np.int32)
        room = (self.aboard[slots] < self.shafts.capacity[slots])[:, None]
        floors = np.concatenate([dest, source], axis=1)
        stop = np.concatenate([dest >= 0, np.zeros(source.shape, np.bool_)], axis=1)
        hall = np.concatenate([np.zeros(dest.shape, np.bool_), (source >= 0) & room], axis=1)
        valid = (stop | hall) & (floors != here[:, None])
        away = floors - here[:, None]
        heading = self.heading[slots].astype(np.int32)
        lost = ~(valid & (away * heading[:, None] > 0)).any(axis=1)
        first = np.where(((stop & valid).any(axis=1))[:, None], stop & valid, valid)
        nearest = np.where(first, np.abs(away) * 1_000 + floors, 10**9).argmin(axis=1)
        rows = np.arange(len(slots))
        heading = np.where(lost, np.sign(away[rows, nearest]), heading)
        ahead = valid & (away * heading[:, None] > 0)
        way = np.sign(self.wait_to[slots].astype(np.int32) - source)
        with_us = np.concatenate([np.zeros(dest.shape, np.bool_), way == heading[:, None]], axis=1)
        on_the_way = ahead & (stop | with_us)
        near = np.where(on_the_way, np.abs(away), 10**6).argmin(axis=1)
        far = np.where(ahead, np.abs(away), -1).argmax(axis=1)
        target = np.where(on_the_way.any(axis=1), floors[rows, near], floors[rows, far])
        return target, heading.astype(np.int8), valid.any(axis=1)

    def depart(self, slots: Column, at: Column, target: Column) -> None:
        if not len(slots):
            return
        shafts = self.shafts
        way = shafts.level_m(slots, target) - self.position_m[slots]
        self.run_origin[slots] = self.position_m[slots]
        self.run_sign[slots] = np.sign(way)
        self.arrow[slots] = np.sign(way)
        self.run_jerk[slots] = shafts.jerk[slots]
        self.phase[slots] = Phase.RUN
        self.runs[slots] += 1
        distance = np.maximum(np.abs(way), 0.01)
        self._set_run(
            slots, at, profiles(distance, shafts.speed[slots], shafts.acceleration[slots], shafts.jerk[slots]), target
        )
        for slot in slots[self.arm[slots] != Arm.NOTHING].tolist():
            self.meet(slot)

    def _set_run(self, slots: Column, from_ms: Column, run: Profile, target: Column) -> None:
        for column, values in zip(self.run, run, strict=True):
            column[slots] = values
        self.run_from[slots], self.run_target[slots] = from_ms, target
        self.until[slots] = from_ms + np.ceil(run.total_s * 1_000).astype(np.int64)

    def _arrived(self, slots: Column, at: Column) -> None:
        braking = self.brake_at[slots] <= at
        if braking.any():
            self.brake(slots[braking], at[braking])
            slots, at = slots[~braking], at[~braking]
        beyond = self.beyond[slots]
        self.position_m[slots] = self.shafts.level_m(slots, self.run_target[slots]) + np.where(
            beyond, self.run_sign[slots] * BEYOND_M, 0.0
        )
        self.floor[slots] = self.run_target[slots]
        self.running_ms[slots] += at - self.run_from[slots]
        shut = (self.arm[slots] == Arm.SHUT) & (self.aboard[slots] > 0)
        self._stall_here(slots[shut | beyond], at[shut | beyond], arrow=beyond[shut | beyond])
        fine = ~(shut | beyond)
        self.phase[slots[fine]], self.until[slots[fine]] = Phase.ARRIVED, at[fine] + ARRIVED_MS
        self.arrow[slots[fine]] = 0

    # --- doors ---

    def _open(self, slots: Column, at: Column) -> None:
        self.phase[slots], self.until[slots] = Phase.OPENING, at + OPENING_MS
        self.door_cycles[slots] += 1

    def _opened(self, slots: Column, at: Column) -> None:
        here = self.floor[slots]
        leaving = self.dest[slots] == here[:, None]
        count = leaving.sum(axis=1)
        gone = slots[count > 0]
        self.dest[gone] = np.where(leaving[count > 0], -1, self.dest[gone])
        self.aboard[gone] -= count[count > 0].astype(np.int16)
        self.left_ms[gone] = at[count > 0]
        going, heading = self._boarding(slots)
        blocked = self.blocked[slots]
        going[blocked] = False
        count += self._step_in(slots, going, heading)
        self.phase[slots], self.until[slots] = Phase.DWELL, at + STEP_MS * np.maximum(1, count) + DWELL_MS

    def _close(self, slots: Column, at: Column) -> None:
        held = self.held_until[slots] > at
        self.until[slots[held]] = self.held_until[slots[held]]
        slots, at = slots[~held], at[~held]
        going, heading = self._boarding(slots)
        going[self.blocked[slots]] = False
        count = self._step_in(slots, going, heading)
        more = count > 0
        self.until[slots[more]] = at[more] + STEP_MS * count[more] + DWELL_MS
        slots, at = slots[~more], at[~more]
        turns = (at < self.reversing_until[slots]) | (self._chance.uniform(slots) < OBSTRUCTED)
        self.phase[slots] = np.where(turns, Phase.TURNING, Phase.CLOSING)
        self.until[slots] = at + np.where(turns, TURN_MS, CLOSING_MS)

    def _closed(self, slots: Column, at: Column) -> None:
        self.phase[slots], self.until[slots] = Phase.DECIDE, at + DECIDE_MS

    # --- standing still ---

    def brake(self, slots: Column, at: Column) -> None:
        """The safety brake acts now."""
        position, speed = self.where(slots, at)
        self.running_ms[slots] += at - self.run_from[slots]
        self.run_origin[slots], self.brake_speed[slots], self.run_from[slots] = position, speed, at
        self.phase[slots], self.brake_at[slots] = Phase.BRAKE, FAR
        self.until[slots] = at + np.ceil(np.abs(speed) / BRAKE_M_S2 * 1_000).astype(np.int64)
        self.touched[slots] = True

    def _stall(self, slots: Column, at: Column) -> None:
        self.position_m[slots], _ = self.where(slots, at)
        self.running_ms[slots] += at - self.run_from[slots]
        self.floor[slots] = self.shafts.nearest(slots, self.position_m[slots])
        self._stall_here(slots, at, arrow=np.zeros(len(slots), np.bool_))

    def _stall_here(self, slots: Column, at: Column, *, arrow: Column) -> None:
        self.phase[slots], self.until[slots] = Phase.STALLED, FAR
        self.blocked[slots] = True
        self.arrow[slots] = np.where(arrow, self.arrow[slots], 0)
        self.wait_from[slots] = -1
        self.run_from[slots] = at  # since when it stands

    def _wound(self, slots: Column, at: Column) -> None:
        self.position_m[slots], _ = self.where(slots, at)
        self.floor[slots] = self.shafts.nearest(slots, self.position_m[slots])
        self.phase[slots], self.until[slots] = Phase.WOUND, FAR
        self.arrow[slots] = 0

    def _pried(self, slots: Column, at: Column) -> None:
        self.phase[slots], self.until[slots] = Phase.PRIED, FAR
        self.left_ms[slots] = np.where(self.aboard[slots] > 0, at, self.left_ms[slots])
        self.dest[slots], self.aboard[slots] = -1, 0
