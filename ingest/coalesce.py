"""What is shed of a flood of samples: one that says nothing that the last stored one of its lift had not said. Pure.

A change of a discrete signal is never shed, nor a number that moved by more than its band, nor any sample of a lift with a hold or
an alarm. What is shed leaves a hole in its stream, so no `ack` covers it and the device keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from alarms.signals import MOVING_M_S
from hoistway.limits import COALESCE_WITHIN_MS
from hoistway.model import SIGNALS, SignalType

BANDS: Final[dict[str, float]] = {
    "speed": 0.02, "load": 30, "people": 0, "temperature": 0.5, "vibration": 0.05, "signal": 6, "battery": 2,
    "running_hours": 1, "runs": 0, "door_cycles": 0, "handrail_left": 0.02, "handrail_right": 0.02,
}  # fmt: skip
"""How far a number may move from the stored one and still say the same, in its own unit: about the resolution of the sensors in use.
A threshold that is crossed by less may be noticed up to `COALESCE_WITHIN_MS` late."""

discrete: Final = attrgetter(*(item.name for item in SIGNALS if item.type is not SignalType.NUMBER))
"""The discrete signals of a decoded sample, in order."""
_numbers: Final = attrgetter(*BANDS)
_bands: Final = tuple(BANDS.values())


@dataclass(frozen=True, slots=True)
class _Kept:
    """The last stored sample of a lift."""

    device_id: int
    boot: int
    seq: int
    ts: int
    received: int
    unusable: int
    discrete: tuple[Any, ...]
    numbers: tuple[float | None, ...]


class Coalescer:
    """Remembers the last stored sample of each lift while an overload lasts: at most one a lift of the fleet.

    `busy`: whether a lift has a hold or an alarm, by the batches before this one. So of a lift that changed in this one nothing is shed.
    """

    def __init__(self, busy: Callable[[int], bool]) -> None:
        self._busy = busy
        self._kept: dict[int, _Kept] = {}
        self._changed: set[int] = set()  # lifts that changed in this batch
        self._shared: set[int] = (
            set()
        )  # lifts that several devices speak of: whose word is the last depends on more than arrival
        self._on = False

    @property
    def on(self) -> bool:
        """Whether samples may be shed now."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        self._on = on
        self._kept.clear()
        self._shared.clear()

    def next_batch(self) -> None:
        """All that was stored so far has been folded."""
        self._changed.clear()

    def sheds(self, device_id: int, lift_id: int, record: Any, *, received: int, unusable: int) -> bool:
        """Whether a new sample, received at `received` ms, is one that may go unstored."""
        kept = self._kept.get(lift_id)
        return (
            kept is not None
            and kept.device_id == device_id
            and kept.boot == record.boot
            and kept.seq < record.seq
            and 0 <= record.ts - kept.ts < COALESCE_WITHIN_MS
            and 0 <= received - kept.received < COALESCE_WITHIN_MS
            and kept.unusable == unusable
            and kept.discrete == discrete(record)
            and _alike(kept.numbers, _numbers(record))
            and lift_id not in self._changed
            and lift_id not in self._shared
            and not self._busy(lift_id)
        )

    def stored(self, device_id: int, lift_id: int, record: Any, *, received: int, unusable: int, told: bool) -> None:
        """A sample goes to the store; `told`: in its place, as the newest that its lift has told."""
        before = self._kept.get(lift_id)
        if before is not None and before.device_id != device_id:
            self._shared.add(lift_id)
        elif before is not None and before.boot == record.boot and record.ts < before.ts:
            return  # an older one that was sent again
        if not told:
            self._kept.pop(lift_id, None)
            return
        said, numbers = discrete(record), _numbers(record)
        if before is None or before.discrete != said or not _alike(before.numbers, numbers):
            self._changed.add(lift_id)
        self._kept[lift_id] = _Kept(device_id, record.boot, record.seq, record.ts, received, unusable, said, numbers)


def _alike(one: tuple[float | None, ...], two: tuple[float | None, ...]) -> bool:
    """Whether numbers say the same: unknown both, or within their bands; a speed on the same side of standing still."""
    if one == two:
        return True
    for was, now, band in zip(one, two, _bands, strict=True):
        if was != now and (was is None or now is None or abs(now - was) > band):
            return False
    was, now = one[0], two[0]
    return was is None or now is None or bool(abs(was) > MOVING_M_S) == bool(abs(now) > MOVING_M_S)
