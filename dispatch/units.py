"""Who goes: the nearest capable unit by distance and load, with the reasons. Pure: no I/O, no clock.

A roster is the units that are on duty at one moment, with the orders that each has. It counts up as orders are given out, so
that one round does not send the same crew twice.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from hoistway.model import UnitKind

LOAD_METRES: Final = 2_000
"""An order that a unit has already counts like so many metres more on the way (hoistway)."""
FRESH_POSITION_S: Final = 1_800
"""An older report of where a unit is does not count; its base does (hoistway)."""
SHOWN: Final = 5
"""Units that are named in the reasons, the chosen one among them."""
LISTED: Final = 20
_METRES_PER_DEGREE: Final = 111_195.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A unit on duty."""

    unit_id: int
    kind: UnitKind
    firm_id: int | None
    lift_kinds: frozenset[str]
    crews: int  # orders that it can work on at once
    load: int  # orders that it has
    lon: float | None  # where it is: reported not long ago, else its base
    lat: float | None
    position_age_s: int | None  # None: its base
    exercise: bool


_Entry = tuple[float, int, int, Unit, float | None]
"""Score, load, id, unit, metres: compared in this order, and no two have one id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a case asks of a unit."""

    lift_kind: str
    lon: float | None
    lat: float | None
    exercise: bool
    without: frozenset[int]  # units that had an order of this case already


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The unit that goes, and why."""

    unit_id: int
    firm_id: int | None
    reasons: dict[str, Any]


class Roster:
    """The units on duty at one moment. `take` counts an order that was given out."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._teams: dict[int, list[Unit]] = defaultdict(list)
        self._stations: list[Unit] = []
        self._load: dict[int, int] = {}
        for unit in units:
            self._load[unit.unit_id] = unit.load
            if unit.kind is UnitKind.STATION:
                self._stations.append(unit)
            elif unit.firm_id is not None:
                self._teams[unit.firm_id].append(unit)

    def take(self, unit_id: int) -> None:
        """An order went to this unit."""
        self._load[unit_id] = self._load.get(unit_id, 0) + 1

    def has_free_station(self) -> bool:
        return any(self._load[unit.unit_id] < unit.crews for unit in self._stations)

    def team(self, firm_id: int, need: Need) -> Choice | None:
        """The firm's team that goes. A busy one too: the contract binds it."""
        return self._best(self._teams.get(firm_id, ()), need, busy_too=True)

    def station(self, need: Need) -> Choice | None:
        """The nearest station with a free crew."""
        return self._best(self._stations, need, busy_too=False)

    def stations(self, need: Need) -> list[dict[str, Any]]:
        """Stations with a free crew that could go, the best first; at most `LISTED`."""
        found, _ = self._ranked(self._stations, need, busy_too=False)
        return [_reasons(entry) for entry in found]

    def _best(self, units: Iterable[Unit], need: Need, *, busy_too: bool) -> Choice | None:
        found, passed = self._ranked(units, need, busy_too=busy_too)
        if not found:
            return None
        unit = found[0][3]
        reasons = {**_reasons(found[0]), "next": [_next(entry) for entry in found[1:SHOWN]], "passed_over": passed}
        del reasons["unit_id"]
        return Choice(unit_id=unit.unit_id, firm_id=unit.firm_id, reasons=reasons)

    def _ranked(self, units: Iterable[Unit], need: Need, *, busy_too: bool) -> tuple[list[_Entry], dict[str, int]]:
        """The best of those who could go, the best first, and how many were passed over, by why."""
        found: list[_Entry] = []
        passed = {"busy": 0, "not-capable": 0, "had-it": 0}
        far = _ruler(need)
        for unit in units:
            load = self._load[unit.unit_id]
            if unit.exercise is not need.exercise:
                continue
            if unit.unit_id in need.without:
                passed["had-it"] += 1
            elif need.lift_kind not in unit.lift_kinds:
                passed["not-capable"] += 1
            elif not busy_too and load >= unit.crews:
                passed["busy"] += 1
            else:
                distance = far(unit)
                score = (math.inf if distance is None else distance) + LOAD_METRES * load
                found.append((score, load, unit.unit_id, unit, distance))
        return heapq.nsmallest(LISTED, found), {why: count for why, count in passed.items() if count}


def _ruler(need: Need) -> Callable[[Unit], float | None]:
    """How far a unit is from the place; None where either place is unknown. Good to a percent within a city."""
    lon, lat = need.lon, need.lat
    if lon is None or lat is None:
        return lambda _unit: None
    narrow = math.cos(math.radians(lat))

    def far(unit: Unit) -> float | None:
        if unit.lon is None or unit.lat is None:
            return None
        return math.hypot((unit.lon - lon) * narrow, unit.lat - lat) * _METRES_PER_DEGREE

    return far


def _reasons(entry: _Entry) -> dict[str, Any]:
    _, load, _, unit, far = entry
    return {
        "unit_id": unit.unit_id,
        "metres": None if far is None else round(far),
        "load": load,
        "crews": unit.crews,
        "position_age_s": unit.position_age_s,
    }


def _next(entry: _Entry) -> dict[str, Any]:
    return {name: value for name, value in _reasons(entry).items() if name in {"unit_id", "metres", "load"}}
