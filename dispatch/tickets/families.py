"""Which faults of one lift are one ticket: those that one visit to one part mends. Pure data; a rule that is not named stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "door": ("door-held-open", "door-close-failure", "door-open-failure", "door-reversals"),
    "door-lock": ("door-open-while-running", "landing-door-open"),
    "over-travel": ("top-overtravel", "bottom-overtravel"),
    "sensors": (
        "signals-implausible", "signals-often-implausible", "person-sensor-stuck", "door-zone-stuck", "door-contact-stuck",
    ),
    "terminal": ("offline-long", "self-test-missed", "terminal-battery-low", "clock-frozen"),
}  # fmt: skip
_FAMILY: Final = {rule: family for family, rules in FAMILIES.items() for rule in rules}


def family_of(rule_id: str) -> str:
    """The family of a rule's fault: its own id where no other rule shares the work."""
    return _FAMILY.get(rule_id, rule_id)
