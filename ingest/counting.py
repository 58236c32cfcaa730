"""What a committed batch adds to the counters."""

from __future__ import annotations

from collections.abc import Sequence

from ingest import metrics
from ingest.assembled import Assembled
from ingest.source import Message


def count_batch(batch: Assembled, messages: Sequence[Message], now: int) -> None:
    """Records by outcome, refusals, faults of fields, and how long the oldest message waited."""
    metrics.MESSAGES.inc(len(messages))
    for (_, leaf), count in batch.tally.received.items():
        metrics.RECEIVED.labels(leaf).inc(count)
    for outcome, counts in batch.tally.outcomes.items():
        for (_, leaf), count in counts.items():
            metrics.RECORDS.labels(leaf, outcome.value).inc(count)
    metrics.ASIDE.labels("late").inc(batch.late)
    metrics.ASIDE.labels("unplaced").inc(sum(row.records for row in batch.unplaced()))
    for refusal in batch.refusals:
        metrics.REFUSED.labels(refusal.reason).inc()
    for event in (*batch.security, *batch.reused):
        metrics.SECURITY.labels(event.kind).inc()
    metrics.NOT_COMPARED.inc(batch.not_compared)
    for (_, _, fault), (times, _) in batch.faults.items():
        metrics.FIELD_FAULTS.labels(fault).inc(times)
    if messages:
        metrics.BATCH_SECONDS.observe(max(0, now - min(message.received_ms for message in messages)) / 1_000)
