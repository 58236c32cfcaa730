"""The time limits of a rescue: what a city may set, and the presets it may start from. Pure: values in, values out.

A city's setting `dispatch_limits` is a preset and what differs from it: `{"preset": "hangzhou-2024", "accept_s": 90}`.
Every limit is in seconds and runs from what its comment says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

SETTING: Final = "dispatch_limits"
LONGEST_S: Final = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Where no other source is named, the figure is hoistway's own."""

    acknowledge_s: int = 60  # from opening: nobody at the desk has taken it, the supervisor is called
    voice_s: int = 60  # from opening: an alarm call that nobody answered is treated as an entrapment
    confirm_first_s: int = (
        0  # from opening: the desk may confirm by voice before level 1 is sent; then it goes out anyway
    )
    accept_s: int = 180  # from sending: 3-minute response rate of 96333 centres
    accept_station_s: int = 180  # the same for a station of level 2
    set_out_s: int = 0  # from acceptance: not on the way yet; 0: not watched
    arrive_urban_s: int = 1_800  # from the first dispatch: TSG T5002-2017
    arrive_elsewhere_s: int = 3_600  # the same outside the urban area
    arrive_again_s: int = 900  # for each further level
    call_119_s: int = 60  # from level 3: the call to 119 is not ticked
    release_s: int = 1_800  # from arrival: still not released
    send_again_s: int = 60  # from the moment that the last unit was stood down


PRESETS: Final[Mapping[str, Limits]] = {
    "national": Limits(),
    "hangzhou-2011": Limits(),
    "hangzhou-2024": Limits(
        accept_s=60, accept_station_s=60, set_out_s=300, arrive_urban_s=900, arrive_elsewhere_s=1_800
    ),
}
"""national: TSG T5002-2017 and the indicators of 96333 centres. hangzhou-2011: order 263, article 27 (30 min in the urban area,
60 min elsewhere). hangzhou-2024: draft of the city's rescue standard (answer in 1 min, set out in 5, there in 15 or 30)."""

MOST: Final[Mapping[str, int]] = {"confirm_first_s": 60}
"""A person who is trapped does not wait longer for a confirmation."""
MAY_BE_ZERO: Final = frozenset({"confirm_first_s", "set_out_s"})
NAMES: Final = tuple(field.name for field in fields(Limits))


def limits_of(setting: Mapping[str, Any] | None) -> tuple[Limits, tuple[str, ...]]:
    """The limits of a city's setting, and what of it cannot be used, in words. What cannot be used does not count."""
    given = dict(setting or {})
    preset = given.pop("preset", "national")
    troubles = [] if preset in PRESETS else [f"preset: {preset!r}; expected one of {', '.join(PRESETS)}"]
    found: dict[str, int] = {}
    for name, value in given.items():
        trouble = _trouble(name, value)
        if trouble is None:
            found[name] = value
        else:
            troubles.append(trouble)
    return replace(PRESETS.get(preset, PRESETS["national"]), **found), tuple(troubles)


def _trouble(name: str, value: object) -> str | None:
    if name not in NAMES:
        return f"{name}: no such limit; there are: {', '.join(NAMES)}"
    low, high = (0 if name in MAY_BE_ZERO else 1), MOST.get(name, LONGEST_S)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        return f"{name}: {value!r}; expected whole seconds from {low} to {high}"
    return None
