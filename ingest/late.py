"""Late records on their way: which wait for the window, which are too old for it, and what folding again has changed. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hoistway.limits import REFOLD_LIFTS
from ingest.assembled import LATE, TOO_OLD, Assembled
from ingest.correction_rows import Corrected, corrected
from ingest.directory import Directory
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
    spans: dict[int, tuple[int, int]] = {}
    for row in (*records.samples[samples], *records.events[events]):
        lift, at = int(row["slot"]), int(row["at"])
        first, last = spans.get(lift, (at, at))
        spans[lift] = min(first, at), max(last, at)
    return [(lift, *span) for lift, span in sorted(spans.items())]


def refold(engine: Folding, directory: Directory, now: int) -> Refold | None:
    """Fold again the lifts that wait, at a tick; None when nothing is another than it was."""
    if not engine.window.waiting:
        return None
    found = engine.window.refold(now, most=REFOLD_LIFTS)
    if not found.corrections and not len(found.lifts):
        return None
    return Refold(
        corrections=corrected(found.corrections, engine.rules, directory), state=engine.live.lift_states(found.lifts)
    )
