"""Samples and events of any lifts with the keys that tell them apart. Values; nothing is known here of what is done with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alarms.signals import EVENT_DTYPE, Batch, Bools, Ints, Rows, unknown_samples

KEY_DTYPE: Final = np.dtype([("device", "<i4"), ("boot", "<i4"), ("seq", "<i8")])
"""What tells records of the same time apart, whatever their order of arrival."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """Samples and events with their keys."""

    samples: Rows = field(default_factory=lambda: unknown_samples(0))
    sample_keys: Rows = field(default_factory=lambda: np.zeros(0, KEY_DTYPE))
    events: Rows = field(default_factory=lambda: np.zeros(0, EVENT_DTYPE))
    event_keys: Rows = field(default_factory=lambda: np.zeros(0, KEY_DTYPE))

    def __len__(self) -> int:
        return len(self.samples) + len(self.events)

    def slots(self) -> Ints:
        """Every lift named, once."""
        return np.unique(np.concatenate([self.samples["slot"], self.events["slot"]])).astype(np.int64)

    def some(self, samples: Bools, events: Bools) -> Records:
        return Records(
            samples=self.samples[samples], sample_keys=self.sample_keys[samples],
            events=self.events[events], event_keys=self.event_keys[events],
        )  # fmt: skip

    @classmethod
    def join(cls, parts: Iterable[Records]) -> Records:
        """Several lots as one."""
        parts = list(parts)
        names = ("samples", "sample_keys", "events", "event_keys")
        empty = cls()
        return cls(**{name: np.concatenate([getattr(item, name) for item in (empty, *parts)]) for name in names})

    def as_batch(self) -> Batch:
        """As they came."""
        return Batch.of(samples=self.samples, events=self.events)

    def in_time(self) -> Batch:
        """As a batch of the past: by corrected time, then by key."""
        return Batch.of(
            samples=self.samples[_by_time(self.samples, self.sample_keys)],
            events=self.events[_by_time(self.events, self.event_keys)],
        )


def _by_time(rows: Rows, keys: Rows) -> Ints:
    return np.lexsort((keys["seq"], keys["boot"], keys["device"], rows["at"]))
