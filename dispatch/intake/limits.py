"""The time limits of intake that a city may set. Pure: values in, values out. The figures are hoistway's own.

The setting `intake_limits` names what differs: `{"answer_s": 259200, "caller_days": 14}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

SETTING: Final = "intake_limits"


@dataclass(frozen=True, kw_only=True, slots=True)
class IntakeLimits:
    """Seconds from what the comment says; days of `caller_days` from the call."""

    receive_s: int = 86_400  # from the first call: nobody has received the complaint, the supervisor is told
    answer_s: int = 432_000  # from the first call: nobody has answered it
    again_s: int = 86_400  # from each of these notices: and still not
    caller_days: int = 30  # a caller's name and number are erased, but not while the case or complaint is open


MOST: Final[Mapping[str, int]] = {
    "receive_s": 31_622_400,
    "answer_s": 31_622_400,
    "again_s": 31_622_400,
    "caller_days": 3_650,
}
NAMES: Final = tuple(field.name for field in fields(IntakeLimits))


def intake_limits_of(setting: Mapping[str, Any] | None) -> tuple[IntakeLimits, tuple[str, ...]]:
    """The limits of a city's setting, and what of it cannot be used, in words. What cannot be used does not count."""
    found: dict[str, int] = {}
    troubles = []
    for name, value in (setting or {}).items():
        if name not in NAMES:
            troubles.append(f"{name}: no such limit; there are: {', '.join(NAMES)}")
        elif not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST[name]:
            troubles.append(f"{name}: {value!r}; expected a whole number from 1 to {MOST[name]}")
        else:
            found[name] = value
    return IntakeLimits(**found), tuple(troubles)
