"""Durations as people write them in stories: `90s`, `12min`, `4min 30s`, `1.5h`, `250ms`, `30d`."""

from __future__ import annotations

import re
from typing import Final

from hoistway.errors import BadInput

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART: Final = r"\d+(?:\.\d+)?\s*(?:ms|s|min|h|d)"
_WHOLE: Final = re.compile(rf"{_PART}(?:\s+{_PART})*")
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")


def duration_ms(text: str, *, where: str) -> int:
    """The text in ms. Raises BadInput, which names `where` it stood."""
    if _WHOLE.fullmatch(text.strip()) is None:
        raise BadInput(
            f"duration {text!r}", where=where, expected="a number with ms, s, min, h or d, such as 90s or 12min"
        )
    return sum(round(float(number) * _UNITS_MS[unit]) for number, unit in _PIECE.findall(text))


def said(ms: int) -> str:
    """The shortest of the same: `90000` is `1min 30s`."""
    parts, rest = [], ms
    for unit in ("d", "h", "min", "s", "ms"):
        count, rest = divmod(rest, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
