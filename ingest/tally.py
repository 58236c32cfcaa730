"""What became of all that was received, by device and class: received = stored + duplicates + quarantined + cut. Values only.

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


class Tally:
    """The counts of one batch. Device None: nobody that is enrolled."""

    def __init__(self) -> None:
        self.received: Counter[tuple[int | None, str]] = Counter()
        self.outcomes: dict[Outcome, Counter[tuple[int | None, str]]] = {outcome: Counter() for outcome in Outcome}

    def receive(self, device_id: int | None, leaf: str, count: int = 1) -> None:
        self.received[device_id, leaf] += count

    def note(self, outcome: Outcome, device_id: int | None, leaf: str) -> None:
        self.outcomes[outcome][device_id, leaf] += 1

    def total(self, outcome: Outcome) -> int:
        return self.outcomes[outcome].total()

    def rows(self) -> list[tuple[int, str, int, int, int, int, int]]:
        """Device, class, received and the outcomes in their order, of devices that are enrolled."""
        keys = sorted((device_id, leaf) for device_id, leaf in self.received if device_id is not None)
        stored, duplicates, quarantined, cut = self.outcomes.values()
        return [
            (*key, self.received[key], stored[key], duplicates[key], quarantined[key], cut[key]) for key in keys
        ]  # fmt: skip


def class_of(leaf: str | None) -> str:
    """The class of a message by its topic's last word."""
    return leaf if leaf in CLASSES else OTHER
