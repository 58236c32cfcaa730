"""A transition of the engine as the rows of the store need it, and small helpers of set-based statements. No SQL, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any


class ChangeKind(IntEnum):
    RAISE = 1
    CLEAR = 2
    PROMOTE = 3
    CHANGE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One transition of the engine with what its rows need. Times are ms since 1970 UTC."""

    kind: ChangeKind
    lift_id: int
    rule_id: str
    rule_version: str
    severity: str
    opens: str
    at_ms: int
    hold_start_ms: int
    demoted: bool
    evidence: str  # JSON
    witnesses: tuple[str, ...] = ()  # who saw it: "rule", "device"
    with_its_rule: bool = False  # a CLEAR because the rule is another now, or gone: the lift has said nothing
    confirm_s: int = 0  # a voice check at most this long before somebody is sent

    @property
    def key(self) -> tuple[int, str]:
        return self.lift_id, self.rule_id


def when(ms: int) -> datetime:
    """Milliseconds since 1970 UTC as a time stamp."""
    return datetime.fromtimestamp(ms / 1_000, UTC)


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes."""
    return [[row[index] for row in rows] for index in range(width)]
