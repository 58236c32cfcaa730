"""What is wrong with the times: the clock, the heartbeat, the rate, the pauses that the server asked for. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import groupby, pairwise
from typing import Final

from hoistway.limits import (
    CLOCK_FROZEN_MS,
    CLOCK_STEP_MS,
    CLOCK_STRETCH_MS,
    HEARTBEAT_S,
    MAX_GAP_MS,
    SAMPLES_A_MINUTE,
)
from ingest.coalesce import discrete
from ingest.conformance.findings import Notes
from ingest.conformance.heard import Watch
from ingest.conformance.numbering import Run
from ingest.conformance.reading import UNDER_WAY_MS, AckHeard, Record, Told

HEARTBEAT_LATE_MS: Final = 2_000
"""A timer of the heartbeat may be late by this much."""
RECORDS_FOR_A_CLOCK: Final = 3
TIME_SYNC_MS: Final = 60_000
"""After an `ack` a clock is right within this time."""
DAY_MS: Final = 86_400_000


def time(told: Told, runs: list[Run], watch: Watch, notes: Notes) -> None:
    """Judge the times of the device's present boot; of older boots only the backlog comes."""
    live = [run for run in runs if run.boot == told.boot]
    records = sorted((record for run in live for record in run.first.values()), key=lambda record: record.at_ms)
    if not _in_seconds(records, notes):
        _clock(records, told, notes)
    for run in live:
        _frozen(run, notes)
        if run.leaf == "state":
            _heartbeat(run, told, notes)
            _rate(run, notes)
            _slow(run, told.acks, notes)
    _silence(records, told, watch, notes)


def _in_seconds(records: list[Record], notes: Notes) -> bool:
    """A stamp in seconds is read as a day of January 1970."""
    wrong = [record for record in records if abs(record.ts * 1_000 - record.at_ms) < DAY_MS]
    for record in wrong:
        notes.note("unit", record.at_ms, subject="ts", field="ts", value=record.ts, expected="ms")
    return bool(wrong)


def _clock(records: list[Record], told: Told, notes: Notes) -> None:
    if not records:
        return
    last = records[-1].at_ms
    recent = [record for record in records if record.at_ms >= last - CLOCK_STRETCH_MS]
    if len(recent) < RECORDS_FOR_A_CLOCK:
        recent = records[-RECORDS_FOR_A_CLOCK:]
    off_ms = min(record.at_ms - record.ts for record in recent)
    if len(recent) < RECORDS_FOR_A_CLOCK or abs(off_ms) <= CLOCK_STEP_MS:
        return
    notes.note("clock-off", recent[0].at_ms, off_s=round(off_ms / 1_000, 1))
    after = [item for item in told.acks if item.at_ms <= last - TIME_SYNC_MS]
    if after:
        since = [record for record in records if record.at_ms >= after[0].at_ms + TIME_SYNC_MS]
        still = min((record.at_ms - record.ts for record in since), default=0)
        if len(since) >= RECORDS_FOR_A_CLOCK and abs(still) > CLOCK_STEP_MS:
            notes.note("time-sync-ignored", since[0].at_ms, off_s=round(still / 1_000, 1), acks=len(after))


def _frozen(run: Run, notes: Notes) -> None:
    for ts, same in groupby(run.in_order(), key=lambda record: record.ts):
        arrivals = [record.at_ms for record in same]
        stood_ms = max(arrivals) - min(arrivals)
        if stood_ms > CLOCK_FROZEN_MS:
            notes.note("clock-frozen", min(arrivals), ts=ts, stood_s=round(stood_ms / 1_000, 1), records=len(arrivals))


def _by_lift(run: Run) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in run.in_order():
        found[record.lift].append(record)
    return found


def _heartbeat(run: Run, told: Told, notes: Notes) -> None:
    """Two samples of a lift too far apart by both clocks, and no number between them that might still come."""
    most_ms = max([HEARTBEAT_S, *(item.ack.slow_s or 0 for item in told.acks)]) * 1_000 + HEARTBEAT_LATE_MS
    for lift, records in _by_lift(run).items():
        for one, two in pairwise(records):
            gap_ms = min(two.ts - one.ts, two.at_ms - one.at_ms)
            if gap_ms > most_ms and all(seq in run.first for seq in range(one.seq + 1, two.seq)):
                notes.note("heartbeat", two.at_ms, subject=lift, lift=lift, gap_s=round(gap_ms / 1_000, 1))


def _silence(records: list[Record], told: Told, watch: Watch, notes: Notes) -> None:
    """A device that is connected, or never said so, and from which no sample comes."""
    if told.links and not told.links[-1].link.online:
        return
    samples = [record.at_ms for record in records if record.leaf == "state"]
    since = max([watch.from_ms, *samples])
    if watch.to_ms - since > MAX_GAP_MS:
        notes.note("silent", since, quiet_s=(watch.to_ms - since) // 1_000, samples=len(samples))


def _rate(run: Run, notes: Notes) -> None:
    """More samples of a lift than `SAMPLES_A_MINUTE` within a minute of its own clock; a backlog keeps its own times. The evidence is the
    busiest minute."""
    for lift, records in _by_lift(run).items():
        ordered = sorted(records, key=lambda record: record.ts)
        stamps = [record.ts for record in ordered]
        count, first = max(
            (at - first + 1, first) for at, ts in enumerate(stamps) for first in [bisect_right(stamps, ts - 60_000)]
        )
        if count > SAMPLES_A_MINUTE:
            notes.note(
                "rate", ordered[first].at_ms, subject=lift, lift=lift, samples=count, most=SAMPLES_A_MINUTE,
                seq=ordered[first].seq,
            )  # fmt: skip


def _slow(run: Run, acks: list[AckHeard], notes: Notes) -> None:
    """Samples that say the same and are closer together than the last ack had asked for."""
    times = [item.at_ms for item in acks]
    asked = [item.ack.slow_s or 0 for item in acks]
    for records in _by_lift(run).values():
        for one, two in pairwise(records):
            known = bisect_right(times, one.at_ms - UNDER_WAY_MS)
            asked_s = asked[known - 1] if known else 0
            if asked_s and two.ts - one.ts < asked_s * 1_000 - HEARTBEAT_LATE_MS:
                later = asked[known : bisect_right(times, two.at_ms)]
                if min(later, default=asked_s) >= asked_s and discrete(one.value) == discrete(two.value):
                    notes.note("slow-ignored", two.at_ms, asked_s=asked_s, gap_s=round((two.ts - one.ts) / 1_000, 1))
