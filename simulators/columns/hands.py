"""What a person, a mechanic or a fault does to one car: the verbs that fault acts are made of. One slot at a time, in plain Python.

Works on the columns of `cars`; a verb that does not fit what the car does at the moment answers False and changes nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from hoistway.model import Power, ServiceMode
from simulators.columns.cars import BEYOND_M, CREEP_M_S, Arm, Cars, Phase
from simulators.columns.runs import profiles
from simulators.columns.traffic import FAR
from simulators.life.motion import Limits, Travel
from simulators.life.physics import CLOSING_MS, OPENING_MS, WINDING

PRY_MS: Final = 4_000
CREEP_MOST_M: Final = 1.0
"""Unintended movement ends within 1.20 m (EN 81-20)."""


class Hands:
    """Verbs on the cars. `now` is the cars' own."""

    def __init__(self, cars: Cars) -> None:
        self.cars = cars
        cars.meet = self._meet

    # --- looking ---

    def phase(self, slot: int) -> Phase:
        return Phase(int(self.cars.phase[slot]))

    def aboard(self, slot: int) -> int:
        """People in the car, a mechanic included."""
        return int(self.cars.aboard[slot] + self.cars.extra[slot])

    def stands(self, slot: int) -> bool:
        return self.phase(slot) is Phase.STALLED

    def in_zone(self, slot: int) -> bool:
        one = np.array([slot])
        position, _ = self.cars.where(one, self.cars.now)
        shafts = self.cars.shafts
        return bool(shafts.in_zone(one, position, shafts.nearest(one, position))[0])

    def idle(self, slot: int) -> bool:
        """Shut at a landing, nobody in it, nothing to do."""
        cars = self.cars
        return self.phase(slot) is Phase.IDLE and not self.aboard(slot) and not cars.blocked[slot]

    # --- people ---

    def call(self, slot: int, origin: int, target: int, size: int = 1) -> None:
        """A party calls this very car."""
        cars = self.cars
        if origin == target or cars.blocked[slot] or cars.mode[slot] != ServiceMode.NORMAL:
            return
        one, at = np.array([slot]), np.array([cars.now])
        from_, to = np.array([origin], np.int16), np.array([target], np.int16)
        cars.queue(one, from_, to, np.array([size]))
        cars.answer(one, at, from_, to)

    def ends(self, slot: int) -> tuple[int, int]:
        """The two served floors that are farthest from each other: from the one next to the car."""
        top = int(self.cars.shafts.floors[slot]) - 1
        return (0, top) if self.cars.floor[slot] <= top // 2 else (top, 0)

    def hold(self, slot: int, until_ms: int) -> None:
        """Somebody keeps the doors open."""
        self.cars.held_until[slot] = until_ms

    def reverse(self, slot: int, until_ms: int) -> None:
        """Every closing is interrupted."""
        self.cars.reversing_until[slot] = until_ms

    # --- the machine ---

    def arm(self, slot: int, arm: Arm) -> None:
        """The next run, or arrival, that fits brings it."""
        self.cars.arm[slot] = arm

    def stick(self, slot: int, until_ms: int, *, closing: bool) -> bool:
        """The moving door stops where it is and goes on at `until_ms`."""
        if self.phase(slot) is not (Phase.CLOSING if closing else Phase.OPENING):
            return False
        self._set(slot, Phase.STUCK_CLOSING if closing else Phase.STUCK_OPENING, until_ms)
        return True

    def creep(self, slot: int) -> bool:
        """The car leaves the landing with open doors, downwards unless it stands at the bottom."""
        cars = self.cars
        if self.phase(slot) is not Phase.DWELL:
            return False
        cars.run_origin[slot], cars.run_from[slot] = cars.position_m[slot], cars.now
        cars.brake_speed[slot] = CREEP_M_S if cars.floor[slot] == 0 else -CREEP_M_S
        cars.dest[slot], cars.aboard[slot] = -1, 0  # whoever stood in the door has jumped
        cars.arrow[slot] = int(np.sign(cars.brake_speed[slot]))
        self._set(slot, Phase.CREEP, cars.now + int(CREEP_MOST_M / CREEP_M_S * 1_000))
        return True

    def go_on(self, slot: int) -> None:
        """A car that stopped by itself goes on to where it was going."""
        cars = self.cars
        cars.blocked[slot], cars.arm[slot] = False, Arm.NOTHING
        cars.depart(np.array([slot]), np.array([cars.now]), cars.run_target[[slot]])
        cars.touched[slot] = True

    def wind(self, slot: int, to_m: float, limits: Limits = WINDING) -> None:
        """The car moves slowly to this height, by hand or in inspection; afterwards its phase is WOUND."""
        cars = self.cars
        way = to_m - float(cars.position_m[slot])
        if abs(way) < 0.005:
            self._set(slot, Phase.WOUND, FAR)
            return
        run = profiles(
            *(np.array([v]) for v in (abs(way), limits.speed_m_s, limits.acceleration_m_s2, limits.jerk_m_s3))
        )
        for column, values in zip(cars.run, run, strict=True):
            column[slot] = values[0]
        cars.run_origin[slot], cars.run_sign[slot], cars.run_from[slot] = cars.position_m[slot], np.sign(way), cars.now
        cars.run_jerk[slot], cars.arrow[slot] = limits.jerk_m_s3, int(np.sign(way))
        self._set(slot, Phase.WIND, cars.now + int(np.ceil(run.total_s[0] * 1_000)))

    def landing_m(self, slot: int) -> float:
        """Height of the served landing next to the car."""
        cars, shafts = self.cars, self.cars.shafts
        stops = shafts.nth(np.full(int(shafts.served[slot]), slot), np.arange(int(shafts.served[slot])))
        heights = stops * float(shafts.floor_m[slot])
        return float(heights[np.abs(heights - cars.position_m[slot]).argmin()])

    def between_m(self, slot: int) -> float:
        """Height of the middle between the landing where the car is and the one above (below, at the top)."""
        cars, shafts = self.cars, self.cars.shafts
        floor, height = int(cars.floor[slot]), float(shafts.floor_m[slot])
        return (floor - 0.5 if floor == shafts.floors[slot] - 1 else floor + 0.5) * height

    def pry(self, slot: int) -> None:
        """The doors are opened by hand; people leave."""
        self._set(slot, Phase.PRYING, self.cars.now + PRY_MS)

    def open(self, slot: int) -> None:
        """The doors open by themselves and let everybody out."""
        cars = self.cars
        cars.dest[slot] = np.where(cars.dest[slot] >= 0, cars.floor[slot], -1)
        cars.door_cycles[slot] += 1
        cars.blocked[slot], cars.arm[slot] = False, Arm.NOTHING
        self._set(slot, Phase.OPENING, cars.now + OPENING_MS)

    def back(self, slot: int) -> None:
        """Doors closed, and the lift runs again."""
        cars = self.cars
        cars.mode[slot], cars.blocked[slot], cars.arm[slot] = ServiceMode.NORMAL, False, Arm.NOTHING
        cars.extra[slot], cars.beyond[slot] = 0, False
        self._set(slot, Phase.CLOSING, cars.now + CLOSING_MS)

    def park(self, slot: int, mode: ServiceMode) -> None:
        """Another mode: no calls are taken, who is aboard rides to the end first."""
        cars = self.cars
        cars.mode[slot], cars.touched[slot] = mode, True
        cars.wait_from[slot] = -1

    def unpark(self, slot: int) -> None:
        """Normal again."""
        self.park(slot, ServiceMode.NORMAL)

    def cut_power(self, slot: int) -> None:
        """The mains fail: brake; doors stay as they are, and who stands in an open door walks out."""
        cars = self.cars
        cars.power[slot], cars.blocked[slot], cars.wait_from[slot] = Power.OUT, True, -1
        cars.touched[slot] = True
        phase = self.phase(slot)
        if phase in {Phase.RUN, Phase.WIND}:
            cars.brake(np.array([slot]), np.array([cars.now]))
        elif phase in {Phase.OPENING, Phase.DWELL, Phase.CLOSING, Phase.TURNING}:
            cars.dest[slot], cars.aboard[slot] = -1, 0
            self._set(slot, Phase.PRIED, FAR)
        elif phase is not Phase.BRAKE:
            self._set(slot, Phase.STALLED, FAR)

    def restore_power(self, slot: int) -> None:
        """The mains are back."""
        self.cars.power[slot] = Power.MAINS
        self.cars.touched[slot] = True

    def _set(self, slot: int, phase: Phase, until_ms: int) -> None:
        cars = self.cars
        cars.phase[slot], cars.until[slot], cars.touched[slot] = phase, until_ms, True

    def _meet(self, slot: int) -> None:
        """A car departs that is armed: does this run bring it?"""
        cars, arm = self.cars, Arm(int(self.cars.arm[slot]))
        if arm in {Arm.STOP_WITH, Arm.STOP_EMPTY} and (arm is Arm.STOP_WITH) == bool(self.aboard(slot)):
            self._stop_between(slot)
        top = int(cars.shafts.floors[slot]) - 1
        if (arm is Arm.ABOVE and cars.run_target[slot] == top) or (arm is Arm.BELOW and cars.run_target[slot] == 0):
            cars.beyond[slot] = True
            self._longer(slot, BEYOND_M)

    def _stop_between(self, slot: int) -> None:
        """This run ends in the middle between two landings on its way."""
        cars, shafts = self.cars, self.cars.shafts
        height = float(shafts.floor_m[slot])
        origin, target = float(cars.run_origin[slot]), float(cars.run_target[slot]) * height
        low, high = sorted((origin, target))
        gaps = [(at + 0.5) * height for at in range(int(shafts.floors[slot]) - 1)]
        inside = [gap for gap in gaps if low + 0.3 < gap < high - 0.3]
        if not inside:
            return
        limits = Limits(
            speed_m_s=float(shafts.speed[slot]),
            acceleration_m_s2=float(shafts.acceleration[slot]),
            jerk_m_s3=float(shafts.jerk[slot]),
        )
        travel = Travel.between(start_ms=int(cars.run_from[slot]), origin_m=origin, target_m=target, limits=limits)
        at = travel.brake_to_rest_at(inside[len(inside) // 2])
        cars.brake_at[slot] = cars.until[slot] = at

    def _longer(self, slot: int, more_m: float) -> None:
        cars, shafts = self.cars, self.cars.shafts
        target = float(cars.run_target[slot]) * float(shafts.floor_m[slot])
        distance = abs(target - float(cars.run_origin[slot])) + more_m
        drive = (shafts.speed[slot], shafts.acceleration[slot], shafts.jerk[slot])
        run = profiles(np.array([distance]), *(np.array([value]) for value in drive))
        for column, values in zip(cars.run, run, strict=True):
            column[slot] = values[0]
        cars.until[slot] = cars.run_from[slot] + int(np.ceil(run.total_s[0] * 1_000))
