"""`during`: hours of the city's local time, as docs/rules.md section 3 tells it. Times are milliseconds since 1970, UTC."""

from __future__ import annotations

Zone = tuple[tuple[int, int], ...]
"""From when on (UTC) which offset counts (local time less UTC); the first row counts since ever."""

UTC: Zone = ((-(2**62), 0),)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MS = 86_400_000


def within(hours: str, time: int, zone: Zone) -> bool:
    """Whether the time lies in one of the spans, e.g. "mon-fri 07:30-17:00; 22:00-06:00"."""
    offset = next(offset for since, offset in reversed(zone) if since <= time)
    date, of_day = divmod(time + offset, _DAY_MS)
    return any(_in_span(part.split(), date, of_day) for part in hours.split(";"))


def _in_span(words: list[str], date: int, of_day: int) -> bool:
    start, end = (_milliseconds(clock) for clock in words[-1].split("-"))
    days = _weekdays(words[0]) if len(words) == 2 else set(range(7))
    today, yesterday = ((date + 3 - back) % 7 in days for back in (0, 1))  # the first of January 1970 was a Thursday
    if start < end:
        return today and start <= of_day < end
    return (today and of_day >= start) or (yesterday and of_day < end)


def _weekdays(text: str) -> set[int]:
    found = set()
    for part in text.split(","):
        first, last = (_DAYS.index(day) for day in (part.split("-") * 2)[:2])
        found |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    return found


def _milliseconds(clock: str) -> int:
    hour, minute = clock.split(":")
    return (int(hour) * 60 + int(minute)) * 60_000
