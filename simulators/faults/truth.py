"""The truth as lines: what is wrong where, from when to when, was somebody inside, and which rules must, may and must not speak of it.

The format is docs/simulators.md's. A line is told when its fault begins, with `to` null, and again when it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.columns.machines import Machines
from simulators.faults.catalogue import Entry

Tell = Callable[[dict[str, Any]], None]


@dataclass(kw_only=True, slots=True)
class Line:
    """One fault that has begun."""

    facts: dict[str, Any]
    tell: Tell

    def end(self, at: int, **more: Any) -> None:
        """It is over."""
        self.facts |= {"to": at, "to_ms": at, **more}
        self.tell(dict(self.facts))


class Book:
    """Numbers the faults of one run."""

    def __init__(self, machines: Machines, tell: Tell, *, reserve: bool = False) -> None:
        self._machines, self._tell, self._reserve = machines, tell, reserve
        self.written = 0
        self.begun: dict[str, int] = {}  # faults by the entry's name

    def begin(self, entry: Entry, slot: int, at: int, *, cause: int | None = None, **more: Any) -> Line:
        """The fault is there."""
        machines = self._machines
        self.written += 1
        self.begun[entry.name] = self.begun.get(entry.name, 0) + 1
        lift = slot < machines.lifts
        people = machines.hands.aboard(slot) if lift else 0
        sensor = bool(machines.shafts.person_sensor[slot]) if lift else False
        row = machines.rows[slot]
        facts: dict[str, Any] = {
            "id": self.written,
            "fault": entry.name,
            "device": row.device,
            "rescue_code": row.rescue_code,
            "from": at,
            "to": None,
            "person_inside": people > 0,
            "people": people,
            "person_sensor": sensor,
            "floor": row.floors[int(machines.cars.floor[slot])] if lift and len(row.floors) > 1 else None,
            "kind": entry.kind,
            "lift": row.rescue_code,
            "from_ms": at,
            "to_ms": None,
            "person": people > 0 if lift else None,
            "cause": cause,
            "expects": list(entry.expects if sensor or not lift else entry.without),
            "alike": list(entry.alike),
            "allows": list(entry.allows),
            "severity": entry.severity,
            **({"reserve": True} if self._reserve else {}),
            **more,
        }
        self._tell(dict(facts))
        return Line(facts=facts, tell=self._tell)
