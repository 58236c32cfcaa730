"""The time limits of tickets: what a city may set, by severity where the fault decides. Pure: values in, values out.

A city's setting `ticket_limits` holds what differs: `{"promise_major_s": 43200}`. Every limit is in seconds and runs from what its
comment says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from hoistway.model import Severity

SETTING: Final = "ticket_limits"
LONGEST_S: Final = 90 * 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketLimits:
    """Where no other source is named, the figure is hoistway's own."""

    promise_critical_s: int = 4 * 3_600  # from opening or reopening: it may hurt somebody; within the half shift
    promise_major_s: int = 86_400  # the same: the lift stands, or will
    promise_minor_s: int = 3 * 86_400  # the same: it runs, and worse
    promise_notice_s: int = 15 * 86_400  # the same: the next regular visit is due within 15 days (TSG T5002-2017)
    accept_critical_s: int = (
        1_800  # from opening or reopening: the firm has not accepted; and as long again, the supervisor
    )
    accept_major_s: int = 2 * 3_600  # the same
    accept_minor_s: int = 86_400  # the same: the next working day
    accept_notice_s: int = 3 * 86_400  # the same
    climb_s: int = 4 * 3_600  # from the promised time: the firm was told and it is still not done, the supervisor is
    climb_again_s: int = 86_400  # from then on: and again
    verify_s: int = 3 * 86_400  # from done: nobody has verified, the supervisor is told
    reopen_within_s: int = 86_400  # from done: the fault again reopens the ticket and is counted; later it is a new one

    def promise_s(self, severity: Severity) -> int:
        found: int = getattr(self, f"promise_{severity.value}_s")
        return found

    def accept_s(self, severity: Severity) -> int:
        found: int = getattr(self, f"accept_{severity.value}_s")
        return found


NAMES: Final = tuple(field.name for field in fields(TicketLimits))


def ticket_limits_of(setting: Mapping[str, Any] | None) -> tuple[TicketLimits, tuple[str, ...]]:
    """The limits of a city's setting, and what of it cannot be used, in words. What cannot be used does not count."""
    found: dict[str, int] = {}
    troubles: list[str] = []
    for name, value in (setting or {}).items():
        if name not in NAMES:
            troubles.append(f"{name}: no such limit; there are: {', '.join(NAMES)}")
        elif not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LONGEST_S:
            troubles.append(f"{name}: {value!r}; expected whole seconds from 1 to {LONGEST_S}")
        else:
            found[name] = value
    return replace(TicketLimits(), **found), tuple(troubles)
