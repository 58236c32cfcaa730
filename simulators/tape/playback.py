"""A tape played again by the devices that it is of: each record goes out under a new boot and number, as new traffic. Pure; time is an argument.

Stands where `simulators.world.World` stands for the fleet over MQTT: `advance` lets everything happen that the tape has up to a moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hoistway.errors import BadInput
from simulators.device import Device
from simulators.tape.file import Item

DEVICES_MOST: Final = 20_000
ITEMS_MOST: Final = 20_000_000
DRAIN_MS: Final = 60_000
"""After the last record; then what nobody has acknowledged is given up."""
_NUMBERS: Final = frozenset({"ts", "boot", "seq"})


@dataclass(frozen=True, slots=True)
class Row:
    """Who a device is for its connection."""

    device: str
    shard: int


@dataclass(kw_only=True, slots=True)
class Player:
    """One device of the tape."""

    row: Row
    device: Device
    link_up: bool = True


class Playback:
    """All devices of a tape on one virtual clock."""

    def __init__(
        self,
        items: Iterable[Item],
        *,
        start_ms: int,
        original: bool = False,
        boots: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """`original`: records keep their stamps, and the clock begins where the tape does; else both begin at `start_ms`."""
        self._items = sorted(_checked(items), key=lambda item: item.at_ms)
        first = self._items[0].at_ms if self._items else start_ms
        self.start_ms = first if original else start_ms
        self.later_ms = self.start_ms - first
        self.now, self._next = self.start_ms, 0
        names = {item.device: item.shard for item in self._items}
        if len(names) > DEVICES_MOST:
            raise BadInput(f"{len(names)} devices", where="tape", expected=f"at most {DEVICES_MOST}")
        self.units = {
            name: Player(row=Row(name, shard), device=Device.restarted(name, (boots or {}).get(name)))
            for name, shard in names.items()
        }
        self._last = {item.device: place for place, item in enumerate(self._items) if item.leaf != "link"}
        self.changed = set(self.units)
        self.played = self.left_out = 0

    @property
    def ended(self) -> bool:
        """All of it is played, and sent and acknowledged as far as events go; or nobody has answered for a while."""
        if self._next < len(self._items):
            return False
        waits = any(unit.device.state.unsent or unit.device.event.kept for unit in self.units.values())
        return not waits or self.now >= self.start_ms + self.lasts_ms + DRAIN_MS

    @property
    def lasts_ms(self) -> int:
        return self._items[-1].at_ms + self.later_ms - self.start_ms if self._items else 0

    def advance(self, ms: int) -> None:
        """Let everything happen up to `ms`."""
        while self._next < len(self._items) and self._items[self._next].at_ms + self.later_ms <= ms:
            self._play(self._items[self._next])
            self._next += 1
        self.now = max(self.now, ms)

    def _play(self, item: Item) -> None:
        unit = self.units[item.device]
        self.changed.add(item.device)
        try:
            value = json.loads(item.payload)
        except ValueError:
            self.left_out += 1
            return
        if item.leaf == "link":
            goes = isinstance(value, dict) and value.get("online") is False
            unit.link_up = not goes or self._next > self._last.get(
                item.device, -1
            )  # a goodbye is not played: all must be sent first
            return
        for record in value if isinstance(value, list) else [value]:
            self._record(unit.device, item, record)

    def _record(self, device: Device, item: Item, record: Any) -> None:
        ts = record.get("ts") if isinstance(record, dict) else None
        if not isinstance(ts, int):
            self.left_out += 1
            return
        values = {key: value for key, value in record.items() if key not in _NUMBERS}
        if item.leaf == "state":
            device.sample(values, ts + self.later_ms)
        elif isinstance(values.get("code"), str):
            data = values.get("data") if isinstance(values.get("data"), dict) else None
            active = values.get("active") is not False
            device.report(values["code"], active, ts + self.later_ms, data, lift=values.get("lift"))
        else:
            self.left_out += 1
            return
        self.played += 1


def _checked(items: Iterable[Item]) -> Iterable[Item]:
    for number, item in enumerate(items, 1):
        if number > ITEMS_MOST:
            raise BadInput("too many messages", where="tape", expected=f"at most {ITEMS_MOST}; a part of it")
        yield item
