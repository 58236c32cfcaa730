"""The fleet of a run: which unit is which slot of the engine, and what the register says of it. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alarms.engine import Engine
from alarms.rules import RuleSet
from hoistway.model import Kind
from hoistway.zone import zone_table
from ingest.directory import Device, Directory, Lift
from simulators.city import Equipment

ZONE: Final = "Asia/Shanghai"
"""The simulated city's."""


class Fleet:
    """The units of a run, numbered in the order of its register."""

    def __init__(self, rows: Sequence[Equipment]) -> None:
        self.rows = tuple(rows)
        self.number = {row.device: number for number, row in enumerate(self.rows)}
        self._by_code = {row.rescue_code: number for number, row in enumerate(self.rows)}
        self._labels: dict[int, str] = {}
        self.directory = Directory()
        self.directory.lifts = {number: _lift(number, row) for number, row in enumerate(self.rows)}
        self.directory.devices = {
            row.device: Device(number, row.device, row.shard, number, {row.rescue_code: number})
            for number, row in enumerate(self.rows)
        }
        self.directory.devices_by_id = {device.id: device for device in self.directory.devices.values()}

    @property
    def lifts(self) -> int:
        return sum(row.kind is Kind.LIFT for row in self.rows)

    def code(self, number: int) -> str:
        return self.rows[number].rescue_code

    def number_of_code(self, code: str) -> int:
        return self._by_code[code]

    def label(self, number: int) -> str:
        """The displayed floor of this number."""
        if number not in self._labels:
            self._labels.update(self.directory.fresh_labels())
        return self._labels.get(number, "?")

    def labels(self) -> dict[str, int]:
        """The number of every displayed floor of the register."""
        return {text: self.directory.label_id(text) for row in self.rows for text in row.floors} | {
            text: self.directory.label_id(text) for text in ("1", "2")
        }

    def engine(self, rules: RuleSet, *, now: int) -> Engine:
        """An engine that knows every unit from `now` on."""
        engine = Engine(rules, capacity=len(self.rows), zone=zone_table(ZONE))
        lifts = [self.directory.lifts[number] for number in range(len(self.rows))]
        engine.set_fleet(
            [lift.id for lift in lifts],
            [lift.escalator for lift in lifts],
            [lift.rated_speed_m_s or float("nan") for lift in lifts],
            {},
            enrolled=now,
            floors=[self.directory.ends(lift) for lift in lifts],
        )
        return engine


def _lift(number: int, row: Equipment) -> Lift:
    return Lift(
        id=number,
        rescue_code=row.rescue_code,
        escalator=row.kind is Kind.ESCALATOR,
        rated_speed_m_s=row.rated_speed_m_s,
        exercise=True,
        parameters={},
        floors=row.floors,
    )
