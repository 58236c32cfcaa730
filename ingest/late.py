"""Late records on their way: which wait for the window, which are too old for it, and what folding again has changed. No I/O.

What a replay cannot fold, because its window begins at the checkpoint, is left to the job that reads the store (`Unfolded`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alarms.records import KEY_DTYPE, Records
from alarms.signals import Bools, Ints, Rows
from hoistway.limits import REFOLD_LIFTS
from ingest.assembled import LATE, TOO_OLD, Assembled
from ingest.correction_rows import Corrected, corrected
from ingest.folding import Folding

Span = tuple[int, int, int]
"""Lift, and from when to when, in ms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refold:
    """What a refold has to write."""

    corrections: Sequence[Corrected]
    state: bytes  # what the lifts concerned are afterwards


def sort_late(engine: Folding, batch: Assembled) -> list[Span]:
    """Hand the late records of a batch to the window. What is too old for it is marked so, and answered by lift."""
    records = batch.records(LATE)
    if not len(records):
        return []
    samples, events = engine.window.late(records)
    places = np.flatnonzero(batch.keys["folded"] == LATE)[samples]
    batch.keys["folded"][places] = TOO_OLD
    late = [index for index, row in enumerate(batch.events) if row.folded == LATE]
    for index, old in zip(late, events.tolist(), strict=True):
        if old:
            batch.events[index] = replace(batch.events[index], folded=TOO_OLD)
    return spans_of(records.some(samples, events))


def spans_of(records: Records) -> list[Span]:
    """From when to when there is something, by lift."""
    spans: dict[int, tuple[int, int]] = {}
    for row in (*records.samples, *records.events):
        lift, at = int(row["slot"]), int(row["at"])
        first, last = spans.get(lift, (at, at))
        spans[lift] = min(first, at), max(last, at)
    return [(lift, *span) for lift, span in sorted(spans.items())]


def left_to_the_job(records: Records) -> dict[str, Any]:
    """Records that the job from the store has to fold, as an entry `backfill` keeps them: parts of `Work`."""
    head = len(records.samples).to_bytes(4, "big")
    state = head + records.sample_keys.tobytes() + records.event_keys.tobytes()
    return {"too_old": spans_of(records), "state": state}


def unpack_keys(state: bytes) -> tuple[Rows, Rows]:
    """The keys of the samples and of the events that `left_to_the_job` was given."""
    keys, samples = np.frombuffer(state, KEY_DTYPE, offset=4), int.from_bytes(state[:4], "big")
    return keys[:samples], keys[samples:]


class Unfolded:
    """The late records of a replay that its window could not fold and no refold before the crash had folded."""

    def __init__(self) -> None:
        self._found: list[Records] = []

    def add(self, late: Records, refused: tuple[Bools, Bools]) -> None:
        found = late.some(*refused)
        if len(found):
            self._found.append(found)

    def folded(self, lifts: Ints) -> None:
        """A refold has folded these lifts."""
        self._found = [
            part.some(~np.isin(part.samples["slot"], lifts), ~np.isin(part.events["slot"], lifts))
            for part in self._found
        ]

    def clear(self) -> None:
        """They were all folded, or are noted for the job."""
        self._found = []

    def records(self) -> Records:
        return Records.join(self._found)


def refold(engine: Folding) -> Refold | None:
    """Fold again lifts that wait, up to the last tick; None when nothing is another than it was."""
    if not engine.window.waiting:
        return None
    found = engine.window.refold(engine.window.ticked, most=REFOLD_LIFTS)
    if not found.corrections and not len(found.lifts):
        return None
    return Refold(corrections=corrected(found.corrections, engine.rules), state=engine.live.lift_states(found.lifts))
