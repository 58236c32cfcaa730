"""Runs of consecutive days as one: a campaign that is taken up at any day. Pure.

Each day begins anew: what lasted over midnight is cut there. A fault that was still there at the end of its day counts with that end, unless
it had begun so late that nobody had to speak yet; then it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hoistway.errors import BadInput
from simulators.score.records import NEVER, Run

LATE_MS: Final = 15 * 60_000
"""A fault that begins so shortly before the end of its day and lasts beyond it is left out."""


def merged(runs: Sequence[Run]) -> Run:
    """One run of the same fleet and rules over all days. Raises BadInput for runs that do not go together."""
    first = runs[0]
    if any((run.name, run.lifts, run.rules) != (first.name, first.lifts, first.rules) for run in runs):
        raise BadInput("another story, fleet or rules", where=first.name, expected="days of one campaign")
    parts = [_closed(run, number) for number, run in enumerate(runs)]
    lasted = sum(run.to_ms - run.from_ms for run in runs)
    return replace(
        first,
        to_ms=first.from_ms + lasted,
        truths=[truth for part in parts for truth in part.truths],
        alarms=[alarm for part in parts for alarm in part.alarms],
        sent=[item for part in parts for item in part.sent],
    )


def _closed(run: Run, number: int) -> Run:
    """A day by itself: its records are told apart from those of other days, and nothing lasts beyond its end."""
    end = run.to_ms
    return replace(
        run,
        truths=[
            replace(truth, id=f"{number}-{truth.id}", to_ms=min(truth.to_ms, end))
            for truth in run.truths
            if truth.to_ms != NEVER or truth.from_ms + LATE_MS <= end
        ],
        alarms=[replace(item, id=f"{number}-{item.id}", cleared_ms=min(item.cleared_ms, end)) for item in run.alarms],
        sent=[replace(item, over_ms=min(item.over_ms, end)) for item in run.sent],
    )
