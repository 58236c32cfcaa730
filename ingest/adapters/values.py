"""Single foreign values: their words to ours, times with their zone, numbers that came as text. Knows no format and no record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.limits import TS_MAX_MS, TS_MIN_MS
from hoistway.model import Signal, SignalType

WORD_CHARS: Final = 64
LABEL_CHARS: Final = 4


class TimeForm(StrEnum):
    """How a format writes a moment."""

    LOCAL = "local"  # yyyy-MM-dd HH:mm:ss without a zone
    RFC3339 = "rfc3339"
    UNIX_S = "unix-s"
    UNIX_MS = "unix-ms"


def word(value: Any, *, chars: int = WORD_CHARS) -> str:
    """A value as a table's key has it: `true`, `1`, `OPENED`. 1, 1.0 and "1" are the same word. Always storable text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)[:chars].strip()
    return text.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def absent(value: Any) -> bool:
    """Nothing was said: null, or an empty text where a value belongs."""
    return value is None or (isinstance(value, str) and not value.strip())


def moment_ms(value: Any, form: TimeForm, zone_minutes: int, *, where: str) -> int:
    """A moment as milliseconds UTC. Raises BadInput."""
    try:
        ms = _moment_ms(value, form, zone_minutes)
    except (ValueError, TypeError, OverflowError):
        raise BadInput(f"time {str(value)[:40]!r}", where=where, expected=_EXPECTED[form]) from None
    if not TS_MIN_MS <= ms <= TS_MAX_MS:
        raise BadInput(f"time {str(value)[:40]!r}", where=where, expected="a moment from 1970 to 2100")
    return ms


_EXPECTED: Final = {
    TimeForm.LOCAL: "local time as yyyy-MM-dd HH:mm:ss",
    TimeForm.RFC3339: "RFC 3339 with its zone, as 2026-11-24T08:00:00Z",
    TimeForm.UNIX_S: "seconds since 1970 UTC",
    TimeForm.UNIX_MS: "milliseconds since 1970 UTC",
}


def _moment_ms(value: Any, form: TimeForm, zone_minutes: int) -> int:
    if form in {TimeForm.UNIX_S, TimeForm.UNIX_MS}:
        if isinstance(value, bool):
            raise ValueError(value)
        number = float(value)
        return round(number * 1_000) if form is TimeForm.UNIX_S else round(number)
    if not isinstance(value, str):
        raise TypeError(value)
    if form is TimeForm.LOCAL:
        zone = timezone(timedelta(minutes=zone_minutes))
        found = datetime.strptime(value.strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
    else:
        found = datetime.fromisoformat(value.strip())
        if found.tzinfo is None:
            raise ValueError(value)
    return round((found.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def signal_value(signal: Signal, value: Any, *, scale: float) -> bool | int | float | str | None:
    """A plain value as the signal wants it, or None when it does not fit."""
    match signal.type:
        case SignalType.BOOL:
            return {"true": True, "false": False}.get(word(value).lower())
        case SignalType.LABEL:
            label = word(value)
            return label if 1 <= len(label) <= LABEL_CHARS and label.isprintable() else None
        case SignalType.ENUM:
            return _enum(signal, value)
        case SignalType.NUMBER:
            return _number(signal, value, scale)


def _enum(signal: Signal, value: Any) -> int | None:
    try:
        number = int(word(value))
    except ValueError:
        return None
    known = {int(item) for item in signal.values or ()}
    return number if number in known else None


def _number(signal: Signal, value: Any, scale: float) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value) * scale
    except (ValueError, TypeError, OverflowError):
        return None
    low, high = signal.low, signal.high
    inside = (low is None or low <= number) and (high is None or number <= high)
    return round(number, 6) if inside else None
