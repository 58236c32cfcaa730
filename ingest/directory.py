"""Who may speak for which lift, as columns and dictionaries in memory; read from the register and read again when it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hoistway.limits import FLOOR_LABELS, UNKNOWN_DEVICE_MS
from hoistway.store import Database, queries

SQL: Final = queries("ingest", "sql/directory.sql")


@dataclass(frozen=True, slots=True)
class Device:
    id: int
    device: str
    shard: int
    lift_id: int | None  # None: a gateway
    lifts: Mapping[str, int] = field(default_factory=dict)  # by rescue code: a gateway's lifts, or the terminal's own

    @property
    def first_lift(self) -> int | None:
        """The lift under which the desk hears of the device itself."""
        return self.lift_id if self.lift_id is not None else min(self.lifts.values(), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lift:
    id: int
    rescue_code: str | None
    escalator: bool
    rated_speed_m_s: float | None
    exercise: bool
    parameters: Mapping[str, float]
    floors: Sequence[str] = ()  # displayed floors from the bottom
    probe: bool = False  # the platform's own


class Directory:
    """The register as ingest needs it."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        self.revoked: dict[str, Device] = {}
        self.devices_by_id: dict[int, Device] = {}
        self.lifts: dict[int, Lift] = {}
        self.probes: frozenset[int] = frozenset()  # lifts of the platform itself
        self._labels: dict[str, int] = {}
        self._fresh: list[tuple[int, str]] = []
        self._stamp: tuple[Any, ...] | None = None
        self._looked_ms = 0
        self._looked_for: set[str] = set()  # unknown names, since `_looked_ms`

    async def refresh(self, database: Database) -> bool:
        """Read the register again when it changed; answers whether it had."""
        stamp = tuple((await database.fetch(SQL["stamp"]))[0])
        if stamp == self._stamp:
            return False
        lifts = {row["id"]: _lift(row) for row in await database.fetch(SQL["lifts"])}
        lifts_of: dict[int, dict[str, int]] = {}
        for row in await database.fetch(SQL["device_lifts"]):
            lifts_of.setdefault(row["device_id"], {})[row["rescue_code"]] = row["lift_id"]
        rows = await database.fetch(SQL["devices"])
        labels = self._labels or {row["label"]: row["id"] for row in await database.fetch(SQL["labels"])}
        # all at once, after the last word of the database: half a register would refuse the other half of the city
        self.devices, self.revoked = {}, {}
        for row in rows:
            device = Device(row["id"], row["device"], row["shard"], row["lift_id"], lifts_of.get(row["id"], {}))
            (self.revoked if row["revoked"] else self.devices)[device.device] = device
        self.devices_by_id = {device.id: device for device in self.devices.values()}
        self.lifts, self._labels, self._stamp = lifts, labels, stamp
        self.probes = frozenset(lift.id for lift in lifts.values() if lift.probe)
        return True

    def worth_a_look(self, device: str, now_ms: int) -> bool:
        """Whether the register may hold this name by now: it is unknown, and was not looked for within the last second."""
        if device in self.devices or device in self.revoked:
            return False
        if not 0 <= now_ms - self._looked_ms < UNKNOWN_DEVICE_MS:
            self._looked_ms = now_ms
            self._looked_for.clear()
        if device in self._looked_for:
            return False
        self._looked_for.add(device)
        return True

    def ends(self, lift: Lift) -> tuple[int, int]:
        """The labels of a lift's lowest and highest floor; -1 where the register has no floor table."""
        return (self.label_id(lift.floors[0]), self.label_id(lift.floors[-1])) if lift.floors else (-1, -1)

    def label_id(self, label: str) -> int:
        """The number of a displayed floor; a new one is noted for the next transaction. -1: not 1 to 4 characters, or too many."""
        number = self._labels.get(label)
        if number is not None:
            return number
        storable = (
            1 <= len(label) <= 4 and label.isprintable() and not any("\ud800" <= sign <= "\udfff" for sign in label)
        )
        if not storable or len(self._labels) >= FLOOR_LABELS:
            return -1
        number = len(self._labels)
        self._labels[label] = number
        self._fresh.append((number, label))
        return number

    def fresh_labels(self) -> list[tuple[int, str]]:
        """Labels that no committed transaction holds yet."""
        return list(self._fresh)

    def labels_stored(self, stored: list[tuple[int, str]]) -> None:
        self._fresh = [label for label in self._fresh if label not in stored]

    def forget_labels(self) -> None:
        """Read the labels from the store at the next refresh (after a transaction that was given up)."""
        self._labels, self._fresh, self._stamp = {}, [], None


def _lift(row: Any) -> Lift:
    return Lift(
        id=row["id"],
        rescue_code=row["rescue_code"],
        escalator=row["kind"] == "escalator",
        rated_speed_m_s=row["rated_speed_m_s"],
        exercise=row["exercise"],
        probe=row["probe"],
        floors=tuple(row["floors"]),
        parameters={name: float(value) for name, value in row["parameters"].items() if isinstance(value, int | float)},
    )
