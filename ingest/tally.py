"""What became of all that was received, by device and class: received = stored + duplicates + quarantined + cut + coalesced.
Values only.

The unit is the record. A message that could not be read counts as one, because nobody knows how many records it holds; so does a
link message. `received` is counted where a message is read or refused, the outcomes where they come about.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

OTHER: Final = "other"
CLASSES: Final = ("state", "event", "link", OTHER)
"""By the last word of the topic; `other` is everything that no device may write."""


class Outcome(StrEnum):
    """What became of it; stored as columns of `device_counter`."""

    STORED = "stored"
    DUPLICATE = "duplicates"
    QUARANTINED = "quarantined"
    CUT = "cut"
    COALESCED = "coalesced"


class Tally:
    """The counts of one batch, by device and class. Device None: nobody that is enrolled. A counter each, because records are many."""

    def __init__(self) -> None:
        self.received: Counter[tuple[int | None, str]] = Counter()
        self.stored: Counter[tuple[int | None, str]] = Counter()
        self.duplicates: Counter[tuple[int | None, str]] = Counter()
        self.quarantined: Counter[tuple[int | None, str]] = Counter()
        self.cut: Counter[tuple[int | None, str]] = Counter()
        self.coalesced: Counter[tuple[int | None, str]] = Counter()

    @property
    def outcomes(self) -> dict[Outcome, Counter[tuple[int | None, str]]]:
        return {outcome: getattr(self, outcome.value) for outcome in Outcome}

    def total(self, outcome: Outcome) -> int:
        return self.outcomes[outcome].total()

    def rows(self) -> list[tuple[int, str, int, int, int, int, int, int]]:
        """Device, class, received and the outcomes in their order, of devices that are enrolled."""
        keys = sorted((device_id, leaf) for device_id, leaf in self.received if device_id is not None)
        return [
            (
                *key,
                self.received[key],
                self.stored[key],
                self.duplicates[key],
                self.quarantined[key],
                self.cut[key],
                self.coalesced[key],
            )
            for key in keys
        ]


def class_of(leaf: str | None) -> str:
    """The class of a message by its topic's last word."""
    return leaf if leaf in CLASSES else OTHER
