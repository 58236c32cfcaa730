"""Lengths of time and hours of the week as they are written in rules: text to whole numbers. No clock, no time zone data.

A zone is a table of (UTC ms from which it holds, offset in ms), oldest first, given by the shell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from alarms.signals import Bools, Ints

Zone = tuple[tuple[int, int], ...]
UTC: Final[Zone] = ((-(2**62), 0),)

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
DURATION_MAX_MS: Final = 30 * 24 * 3_600_000
_DURATION: Final = re.compile(r"(\d{1,12})(ms|s|m|h)")
_DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000
_FIRST_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday
_SPAN: Final = re.compile(r"(?:(?P<days>[a-z,\- ]+?) +)?(?P<from>\d\d):(?P<from_m>\d\d)-(?P<to>\d\d):(?P<to_m>\d\d)")


def duration_ms(text: str) -> int | None:
    """The length in ms of "20s", "10m", "720h" or "500ms"; None where it is not one."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _UNIT_MS[match[2]] if match else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Hours of some days of the week, in minutes of local time."""

    days: tuple[bool, ...]  # Monday first: the day on which the span begins
    first: int  # inclusive
    last: int  # exclusive; not after `first`: on the next day


def spans(text: str) -> tuple[Span, ...] | None:
    """The spans of "mon-fri 07:30-17:00; 22:00-06:00"; None where the text is not of that shape."""
    found = [_span(part.strip()) for part in text.split(";")]
    return None if None in found else tuple(item for item in found if item)


def _span(text: str) -> Span | None:
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    days = _days(match["days"])
    first, last = (int(match[name]) * 60 + int(match[f"{name}_m"]) for name in ("from", "to"))
    proper = all(int(match[name]) < 60 for name in ("from_m", "to_m")) and first < 1_440 and last <= 1_440
    return Span(days=days, first=first, last=last) if days and proper and first != last else None


def _days(text: str | None) -> tuple[bool, ...] | None:
    if text is None:
        return (True,) * 7
    found = [False] * 7
    for part in text.replace(" ", "").split(","):
        ends = part.split("-")
        if len(ends) > 2 or not all(end in DAYS for end in ends):
            return None
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        for day in range(first, last + 1 if last >= first else last + 8):
            found[day % 7] = True
    return tuple(found)


def within(at: Ints, wanted: tuple[Span, ...], zone: Zone) -> Bools:
    """Which of the UTC times in ms lie in one of the spans of local time."""
    starts = np.array([row[0] for row in zone], np.int64)
    offsets = np.array([row[1] for row in zone], np.int64)
    local = at + offsets[np.maximum(np.searchsorted(starts, at, side="right") - 1, 0)]
    day, minute = local // _DAY_MS, local % _DAY_MS // _MINUTE_MS
    weekday = (day + _FIRST_WEEKDAY) % 7
    found = np.zeros(len(at), bool)
    for span in wanted:
        days = np.array(span.days)
        if span.first < span.last:
            found |= days[weekday] & (minute >= span.first) & (minute < span.last)
        else:
            found |= days[weekday] & (minute >= span.first)
            found |= days[(weekday - 1) % 7] & (minute < span.last)
    return found
