"""What an older story's fault must raise, and what it may: such a truth file says only what happened.

Stories that carry `expects`, `alike` and `allows` are read as they say and never come here. The least durations are what the catalogue
promises (docs/rules.md), written down here by hand so that a rule that is made slower does not excuse itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MARGIN_MS: Final = 35_000
"""A heartbeat and a little: what is over sooner than a promise and this cannot be asked for."""


@dataclass(frozen=True, slots=True)
class _Must:
    rule: str
    after_s: int  # what the catalogue promises
    sensor: bool | None = None  # only with (False: without) a person sensor
    escalator: bool = False


_MUST: Final[dict[str, tuple[_Must, ...]]] = {
    "entrapment-between-floors": (
        _Must("entrapment-between-floors", 20, sensor=True),
        _Must("entrapment-possible", 45, sensor=False),
    ),
    "entrapment-at-landing": (_Must("entrapment-at-landing", 60, sensor=True),),
    "stopped-outside-zone": (_Must("stopped-outside-zone", 45),),
    "door-held-open": (_Must("door-held-open", 300),),
    "door-reversing": (_Must("door-reversals", 120),),
    "door-open-running": (_Must("door-open-while-running", 1),),
    "link-loss": (_Must("offline", 180),),
    "power-cut": (_Must("power-lost", 10), _Must("escalator-power-lost", 10, escalator=True)),
}
_TRAPPED: Final = frozenset(
    {"entrapment-between-floors", "entrapment-at-landing", "entrapment-possible", "entrapment-door-ajar", "alarm-button"}
    | {"entrapment-reported", "entrapment-suspected", "stopped-outside-zone"}
)  # fmt: skip
_MAY: Final[dict[str, frozenset[str]]] = {
    "entrapment-between-floors": _TRAPPED,
    "entrapment-at-landing": _TRAPPED,
    "stopped-outside-zone": frozenset({"stopped-outside-zone", "entrapment-possible"}),
    "door-held-open": frozenset({"door-held-open"}),
    "door-reversing": frozenset({"door-reversals"}),
    "door-open-running": frozenset({"door-open-while-running"}),
    "link-loss": frozenset({"offline", "entrapment-suspected"}),
    "power-cut": _TRAPPED | {"power-lost", "escalator-power-lost", "emergency-power-operation", "car-light-out"},
}
IMMEDIATE_S: Final = 5
"""A promise of so little is asked for however short the fault was."""


def expected_by(fault: str, lasts_ms: int, *, sensor: bool, escalator: bool) -> tuple[str, ...]:
    """The rules that must alarm because of a fault of this length."""
    return tuple(
        must.rule
        for must in _MUST.get(fault, ())
        if must.escalator is (escalator and fault == "power-cut")
        and must.sensor in {None, sensor}
        and (must.after_s <= IMMEDIATE_S or lasts_ms >= must.after_s * 1_000 + MARGIN_MS)
    )


def allowed_by(fault: str) -> frozenset[str]:
    """The rules that may alarm because of it."""
    return _MAY.get(fault, frozenset())
