"""Which values signals that speak of one thing can have together: `moving`, `door_closed` and `implausible` and what they are made of.

The table is made by the code that derives them (`alarms.signals.columns`), one row for each combination of what a device may send.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any, Final

import numpy as np

from alarms.language.static.numbers import Numbers, between, single
from alarms.signals import MOVING_M_S, Bools, Rows, columns, unknown_samples
from hoistway.model import DoorStatus

_DERIVED: Final = ("moving", "door_closed", "implausible")
_SLOW: Final = between(-float(MOVING_M_S), float(MOVING_M_S), unknown=False)
_SPEEDS: Final = (float("nan"), 0.0, 1.0)
"""One speed of each class: unknown, slow, fast."""


def agree(domains: Mapping[str, Any]) -> bool:
    """Whether some sample has all of these signals in their domains, as far as derived signals and their witnesses are concerned."""
    if not any(name in domains for name in _DERIVED):
        return True
    fits = np.ones(len(_rows()), bool)
    for name, column in _table().items():
        if name in domains:
            fits &= np.isin(column, _codes(domains[name]))
    if "speed" in domains:
        fits &= np.isin(_classes(), _speed_classes(domains["speed"]))
    return bool(fits.any())


def _codes(domain: Any) -> list[int]:
    """Truth values and words as a column holds them."""
    return [-1 if value is None else int(value) for value in domain]


def _speed_classes(domain: Numbers) -> list[int]:
    fast = any(low < single(-float(MOVING_M_S)) or high > float(MOVING_M_S) for low, high in domain.spans)
    return [number for number, open_ in enumerate((domain.unknown, bool((domain & _SLOW).spans), fast)) if open_]


@cache
def _rows() -> Rows:
    """Every combination of what stands behind the derived signals."""
    doors = [-1, *(int(word) for word in DoorStatus)]
    combinations = list(product((-1, 0, 1), _SPEEDS, (-1, 0, 1), doors, (0, 1)))
    rows = unknown_samples(len(combinations))
    for name, column in zip(
        ("car_status", "speed", "door_closed", "door_status", "field_faults"),
        zip(*combinations, strict=True),
        strict=True,
    ):
        rows[name] = column
    return rows


@cache
def _table() -> dict[str, Any]:
    return columns(_rows(), (*_DERIVED, "car_status", "door_status"))


@cache
def _classes() -> Any:
    speed = _rows()["speed"]
    slow: Bools = np.abs(speed) <= MOVING_M_S
    return np.where(np.isnan(speed), 0, np.where(slow, 1, 2))
