"""What a sample says to the rules, as docs/rules.md section 2 tells it: a dictionary by name, None for unknown."""

from __future__ import annotations

import math
import struct
from typing import Any

from hoistway.model import SIGNALS, DoorStatus

NAMES = frozenset(item.name for item in SIGNALS) | {
    "moving", "top_floor", "bottom_floor", "implausible", "clock_error", "clock_lag",
}  # fmt: skip
"""Every signal of a sample that a rule may name; `rated_speed` belongs to the lift."""

Floors = tuple[int | None, int | None]
"""Labels of the lowest and the highest floor."""


def single(value: float) -> float | None:
    """The number in single precision; None where it is not finite."""
    try:
        rounded = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return None
    return rounded if math.isfinite(rounded) else None


def seconds(milliseconds: int) -> float | None:
    return single(milliseconds / 1_000)


def unknown() -> dict[str, Any]:
    return {**dict.fromkeys(item.name for item in SIGNALS), "clock_error": None, "clock_lag": None, "field_faults": 0}


def effective(values: dict[str, Any], floors: Floors = (None, None)) -> dict[str, Any]:
    """The sample without the standard's own words for unknown, and with what is derived from it."""
    found = dict(values)
    for item in SIGNALS:
        if item.unknown_value is not None and found[item.name] == item.unknown_value:
            found[item.name] = None
    status, speed = found["car_status"], found["speed"]
    by_status = None if status is None else status == 1
    by_speed = None if speed is None else abs(speed) > (single(0.05) or 0)
    found["moving"] = agreed(by_status, by_speed)
    door, flag = found["door_status"], found["door_closed"]
    by_flag = None if flag is None else bool(flag)
    by_door = None if door is None else DoorStatus(door) in {DoorStatus.CLOSED, DoorStatus.LOCKED}
    found["door_closed"] = agreed(by_flag, by_door)
    contradiction = contradict(by_flag, by_door) or contradict(by_status, by_speed)
    found["implausible"] = contradiction or found["field_faults"] > 0
    for name, floor in zip(("bottom_floor", "top_floor"), floors, strict=True):
        here = found["car_position"]
        found[name] = None if here is None or floor is None else here == floor
    return found


def contradict(a: bool | None, b: bool | None) -> bool:
    return a is not None and b is not None and a != b


def agreed(a: bool | None, b: bool | None) -> bool | None:
    if a is None or b is None:
        return b if a is None else a
    return a if a == b else None
