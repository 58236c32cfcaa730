"""One lift: car, doors, people, and the collective control that serves them. Event driven on a virtual clock.

`next_at()` says when something will happen by itself, `advance(ms)` lets it happen; between two events everything is a formula, so
an idle lift costs nothing. Time is an argument in ms UTC, randomness a seeded stream of the lift's own. Knows nothing of sensors,
messages or rules. Faults are done to it from outside through the methods under "What can go wrong".
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hoistway.model import CarDirection, DoorStatus, Power, ServiceMode
from simulators.life.demand import Use, arrivals
from simulators.life.motion import Limits, Travel

UNLOCKING_ZONE_M: Final = 0.2
LEVELLING_M: Final = 0.005
PERSON_KG: Final = 75
WAITING_MOST: Final = 30
"""More people than this at one lift take the stairs."""
WINDING: Final = Limits(speed_m_s=0.25, acceleration_m_s2=0.3, jerk_m_s3=0.6)
"""A mechanic winds the car by hand; a lift that re-levels by itself is as slow."""
OPENING_MS: Final = 2_400
CLOSING_MS: Final = 3_000
DWELL_MS: Final = 2_500
STEP_MS: Final = 900
"""One person's way through the door."""
OBSTRUCTED: Final = 0.02
"""Share of closings that somebody interrupts."""
FAR: Final = 2**62


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    origin: int  # floor index from the bottom
    target: int

    @property
    def heading(self) -> int:
        return 1 if self.target > self.origin else -1


class Lift:
    """A car in its shaft."""

    def __init__(
        self,
        *,
        levels_m: Sequence[float],
        labels: Sequence[str],
        rated: Limits,
        capacity: int,
        use: Use,
        journey: Callable[[int], tuple[int, int]],
        rng: random.Random,
        start_ms: int,
        shift_ms: int = 0,
        main: int = 0,
    ) -> None:
        self.levels_m, self.labels, self.rated, self.capacity = tuple(levels_m), tuple(labels), rated, capacity
        self.now = start_ms
        self.mode = ServiceMode.NORMAL
        self.power = Power.MAINS
        self.door = DoorStatus.CLOSED
        self.aboard: list[Person] = []
        self.waiting: list[Person] = []
        self.runs = self.door_cycles = self.running_ms = 0
        self.events: list[tuple[str, bool]] = []  # (code, active) since the last look
        self.stalled_at: int | None = None  # standing after a breakdown since
        self.alone = False  # no passengers of its own come (a script owns the car)
        self._rng, self._journey = rng, journey
        self._following = arrivals(use, use.trips_a_day, rng, shift_ms)
        self._arrival_at = self._following(start_ms)
        self._position_m = self.levels_m[rng.choice((main, rng.randrange(len(levels_m))))]
        self._travel: Travel | None = None
        self._marks: list[int] = []  # instants on the way worth a look, last first
        self._main: tuple[int, Callable[[], None]] | None = None
        self._heading = 0
        self._dead = False
        self._breakdown: bool | None = None  # armed: with somebody aboard?
        self._doors_stuck = self._evacuate = False
        self._held_until = self._reversing_until = 0
        self._open_door_run = False

    # --- what can be seen from outside ---

    @property
    def position_m(self) -> float:
        return self._travel.at(self.now)[0] if self._travel else self._position_m

    @property
    def speed_m_s(self) -> float:
        return self._travel.at(self.now)[1] if self._travel else 0.0

    @property
    def moving(self) -> bool:
        return self._travel is not None

    @property
    def direction(self) -> CarDirection:
        if self._travel is None:
            return CarDirection.NONE
        return CarDirection.UP if self._travel.target_m > self._travel.origin_m else CarDirection.DOWN

    @property
    def floor(self) -> int:
        """Index of the nearest landing."""
        return self._nearest(self.position_m)

    @property
    def in_zone(self) -> bool:
        position = self.position_m
        return abs(self.levels_m[self._nearest(position)] - position) <= UNLOCKING_ZONE_M

    @property
    def people(self) -> int:
        return len(self.aboard)

    @property
    def dead(self) -> bool:
        return self._dead

    @property
    def idle(self) -> bool:
        """Doors closed at a landing, nobody in it, nothing to do."""
        return self._main is None and not self._dead and not self.aboard and not self.waiting

    # --- the clock ---

    def next_at(self) -> int:
        return min(self._main[0] if self._main else FAR, self._marks[-1] if self._marks else FAR, self._arrival_at)

    def advance(self, ms: int) -> None:
        """Let everything happen that is due up to `ms`."""
        while (due := self.next_at()) <= ms:
            self.now = max(self.now, due)
            while self._marks and self._marks[-1] <= due:
                self._marks.pop()
            if self._main and self._main[0] <= due:
                action = self._main[1]
                self._main = None
                action()
            if self._arrival_at <= due:
                self._arrival_at = self._following(due)
                if not self.alone:
                    self.call(Person(**dict(zip(("origin", "target"), self._journey(due), strict=True))))
        self.now = max(self.now, ms)

    # --- people and control ---

    def call(self, person: Person) -> None:
        """Somebody presses the button at `person.origin`."""
        if self._dead or self.mode is not ServiceMode.NORMAL or len(self.waiting) >= WAITING_MOST:
            return
        self.waiting.append(person)
        if self._travel is not None:
            self._retarget(person)
        elif self.door is DoorStatus.CLOSING and self.floor == person.origin and self._boarding():
            self._open()
        elif self._main is None:
            self._then(300, self._decide)

    def _then(self, delay_ms: int, action: Callable[[], None]) -> None:
        self._main = (self.now + delay_ms, action)

    def _decide(self) -> None:
        here = self.floor
        if not self.aboard and any(person.origin == here for person in self.waiting):
            self._open()
            return
        target = self._next_stop(here)
        if target is None:
            self._heading = 0
        else:
            self._depart(target)

    def _next_stop(self, here: int) -> int | None:
        """Collective control: go on in the same direction as long as somebody wants something there."""
        stops = {person.target for person in self.aboard} - {here}
        halls = {p.origin for p in self.waiting} - {here} if self.people < self.capacity else set[int]()
        wanted = stops | halls
        if not wanted:
            return None
        if not any((floor - here) * self._heading > 0 for floor in wanted):
            nearest = min(stops or wanted, key=lambda floor: (abs(floor - here), floor))
            self._heading = 1 if nearest > here else -1
        ahead = {floor for floor in wanted if (floor - here) * self._heading > 0}
        with_us = {p.origin for p in self.waiting if p.heading == self._heading} & halls
        on_the_way = ahead & (stops | with_us)
        return min(on_the_way or {self._farthest(ahead)}, key=lambda floor: abs(floor - here))

    def _farthest(self, floors: set[int]) -> int:
        return max(floors, key=lambda floor: floor * self._heading)

    def _retarget(self, person: Person) -> None:
        """A call on the way is served when the car can still stop for it without another speed profile."""
        travel = self._travel
        if (
            travel is None
            or person.heading != self._heading
            or self.people >= self.capacity
            or self._breakdown is not None
        ):
            return
        if self._main is None or self._main[1] != self._arrive or travel.origin_m == self.levels_m[person.origin]:
            return
        sign = 1 if travel.target_m > travel.origin_m else -1
        level = self.levels_m[person.origin]
        if not (travel.origin_m * sign < level * sign < travel.target_m * sign):
            return
        shorter = Travel.between(start_ms=travel.start_ms, origin_m=travel.origin_m, target_m=level, limits=self.rated)
        if shorter.peak_m_s == travel.peak_m_s and self.now < shorter.braking_from_ms:
            self._set_travel(shorter, self._arrive)

    def _depart(self, target: int) -> None:
        level = self.levels_m[target] + self._rng.uniform(-LEVELLING_M, LEVELLING_M)
        travel = Travel.between(start_ms=self.now, origin_m=self._position_m, target_m=level, limits=self.rated)
        self.runs += 1
        if self._breakdown is not None and self._breakdown == bool(self.aboard):
            self._break_down(travel)
        else:
            self._set_travel(travel, self._arrive)
            if self._open_door_run:
                self._then_swing_open(travel)

    def _set_travel(self, travel: Travel, at_end: Callable[[], None]) -> None:
        self._travel = travel
        self._main = (travel.end_ms, at_end)
        sign = 1 if travel.target_m > travel.origin_m else -1
        low, high = sorted((travel.origin_m, travel.target_m))
        points = [travel.origin_m + sign * UNLOCKING_ZONE_M * 1.05, travel.target_m - sign * UNLOCKING_ZONE_M * 0.95]
        points += [(a + b) / 2 for a, b in zip(self.levels_m, self.levels_m[1:], strict=False)]
        marks = {travel.passes(point) for point in points if low < point < high}
        self._marks = sorted((mark for mark in marks if mark > self.now), reverse=True)

    def _rest(self) -> None:
        if self._travel is not None:
            self._position_m = self._travel.at(self.now)[0]
            self.running_ms += self.now - self._travel.start_ms
        self._travel, self._marks = None, []

    def _arrive(self) -> None:
        self._rest()
        if self._doors_stuck and self.aboard:
            self._stall()
        else:
            self._then(400, self._open)

    # --- doors ---

    def _open(self) -> None:
        self.door = DoorStatus.OPENING
        self.door_cycles += 1
        self._then(OPENING_MS, self._opened)

    def _opened(self) -> None:
        self.door = DoorStatus.OPEN
        self._then(STEP_MS, self._alight)

    def _alight(self) -> None:
        floor = self.floor
        self.aboard = [] if self._evacuate else [p for p in self.aboard if p.target != floor]
        self._evacuate = False
        self._then(STEP_MS, self._board)

    def _boarding(self) -> list[Person]:
        """Who steps in now: those that go our way, as many as find room."""
        floor = self.floor
        here = [person for person in self.waiting if person.origin == floor]
        onward = any((person.target - floor) * self._heading > 0 for person in self.aboard)
        heading = self._heading if onward else here[0].heading if here else 0
        return [person for person in here if person.heading == heading][: max(0, self.capacity - self.people)]

    def _board(self) -> None:
        for person in self._boarding():
            self.waiting.remove(person)
            self.aboard.append(person)
            self._heading = person.heading
        self._then(DWELL_MS, self._close)

    def _close(self) -> None:
        if self.now < self._held_until:
            self._main = (self._held_until, self._close)
            return
        if self._boarding():
            self._board()
            return
        self.door = DoorStatus.CLOSING
        if self.now < self._reversing_until or self._rng.random() < OBSTRUCTED:
            self._then(CLOSING_MS * 6 // 10, self._open)
        else:
            self._then(CLOSING_MS, self._closed)

    def _closed(self) -> None:
        self.door = DoorStatus.CLOSED
        self._then(600, self._decide)

    # --- what can go wrong ---

    def arm_breakdown(self, *, with_person: bool) -> None:
        """The next run with (or without) somebody aboard ends between two landings."""
        self._breakdown = with_person

    def arm_stuck_doors(self) -> None:
        """The next time the car arrives with somebody aboard, its doors stay shut."""
        self._doors_stuck = True

    def arm_open_door_run(self) -> None:
        """On the next run the car door swings open on the way and the (bridged) safety chain does not notice."""
        self._open_door_run = True

    def hold_doors(self, until_ms: int) -> None:
        """Somebody keeps the doors open."""
        self._held_until = until_ms

    def flap_doors(self, until_ms: int) -> None:
        """Every closing is interrupted and the doors open again."""
        self._reversing_until = until_ms

    def cut_power(self) -> None:
        """The mains fail: brake, doors stay as they are, whoever stands in an open door walks out."""
        self.power = Power.OUT
        self.events.append(("41", True))
        self.waiting.clear()
        self._dead, self._main, self._breakdown = True, None, None
        if self._travel is not None:
            self._brake(self._stall)
        elif self.door is not DoorStatus.CLOSED:
            self.door = DoorStatus.HELD if self.door is not DoorStatus.OPEN else self.door
            self.aboard.clear()

    def restore_power(self) -> None:
        """The mains are back: the car re-levels by itself, opens and lets everybody out."""
        self.power = Power.MAINS
        self.events.append(("41", False))
        self._evacuate = True
        self._then(15_000, self._level_again)

    def wind_to_landing(self) -> None:
        """A mechanic switches to inspection and winds the car to the nearest landing (`levelled` tells when it is there)."""
        self.mode = ServiceMode.INSPECTION
        self.events.append(("43", True))
        if not self.in_zone:
            self._wind(self._rest)

    def open_by_hand(self) -> None:
        """The mechanic opens the doors and people leave."""
        self.door = DoorStatus.OPENING
        self._then(4_000, self._opened_by_hand)

    def back_to_service(self) -> None:
        """The mechanic closes the doors and lets the lift run again."""
        self.mode = ServiceMode.NORMAL
        self.events += [("43", False), ("40", True)]
        self._heal()
        self._close()

    def _break_down(self, travel: Travel) -> None:
        """Run as far as the middle of a gap between landings, then brake."""
        low, high = sorted((travel.origin_m, travel.target_m))
        gaps = [(a + b) / 2 for a, b in zip(self.levels_m, self.levels_m[1:], strict=False)]
        inside = [gap for gap in gaps if low < gap < high]
        rest_m = inside[len(inside) // 2]
        self._set_travel(travel, self._arrive)
        self._main = (travel.brake_to_rest_at(rest_m), lambda: self._brake(self._stall))

    def _brake(self, at_end: Callable[[], None]) -> None:
        position, speed = self.position_m, self.speed_m_s
        self._rest()
        if abs(speed) < 0.01:
            at_end()
        else:
            self._set_travel(Travel.braking(start_ms=self.now, position_m=position, speed_m_s=speed), at_end)

    def _stall(self) -> None:
        self._rest()
        self._dead, self.stalled_at = True, self.now
        self.waiting.clear()

    def _level_again(self) -> None:
        if self.in_zone:
            self._heal()
            self._open()
        else:
            self._wind(self._levelled)

    def _levelled(self) -> None:
        self._rest()
        self._heal()
        self._open()

    def _wind(self, at_end: Callable[[], None]) -> None:
        level = self.levels_m[self.floor]
        travel = Travel.between(start_ms=self.now, origin_m=self._position_m, target_m=level, limits=WINDING)
        self._set_travel(travel, at_end)

    def _opened_by_hand(self) -> None:
        self.door = DoorStatus.OPEN
        self._then(2_000, self.aboard.clear)

    def _heal(self) -> None:
        self._dead, self.stalled_at, self._breakdown = False, None, None
        self._doors_stuck = self._open_door_run = False

    def _then_swing_open(self, travel: Travel) -> None:
        self._open_door_run = False
        opens_at = travel.start_ms + (travel.end_ms - travel.start_ms) * 4 // 10

        def swing() -> None:
            self.door = DoorStatus.HELD
            self._main = (travel.end_ms, self._arrive)

        self._main = (opens_at, swing)

    def _nearest(self, position_m: float) -> int:
        above = bisect_left(self.levels_m, position_m)
        if above == 0:
            return 0
        if above == len(self.levels_m):
            return above - 1
        below_m, above_m = self.levels_m[above - 1], self.levels_m[above]
        return above if above_m - position_m < position_m - below_m else above - 1
