"""A time zone as a table of offsets, for cores that know no time zone data: (UTC ms from which, offset in ms), oldest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hoistway.errors import BadInput

_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2060, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@cache
def zone_table(name: str) -> tuple[tuple[int, int], ...]:
    """The offsets of an IANA zone from 2000 to 2060. Raises BadInput for a name that the machine's data does not have."""
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(f"{name!r}", where="HOISTWAY_TIME_ZONE", expected="an IANA zone, as Asia/Shanghai") from error
    found = [(-(2**62), _offset(_FIRST, zone))]
    day = _FIRST
    while day < _LAST:
        if _offset(day + _DAY, zone) != found[-1][1]:
            moment = _change(day, day + _DAY, zone)
            found.append((int(moment.timestamp()) * 1_000, _offset(moment, zone)))
        day += _DAY
    return tuple(found)


def _offset(moment: datetime, zone: ZoneInfo) -> int:
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    return int(offset.total_seconds()) * 1_000


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first second in (low, high] with the offset of `high`."""
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        low, high = (middle, high) if _offset(middle, zone) == _offset(low, zone) else (low, middle)
    return high
