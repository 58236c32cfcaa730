"""The judging core: what was heard in some minutes -> what the device does wrong. Pure; the shell is `observer`."""

from __future__ import annotations

from typing import Final

from ingest.conformance.conduct import conduct
from ingest.conformance.findings import Notes, Result
from ingest.conformance.heard import Facts, Heard, Watch
from ingest.conformance.numbering import number
from ingest.conformance.reading import read
from ingest.conformance.timing import time
from ingest.conformance.words import RULES

NEED_ACKS: Final = ("resend-acked", "missing-ignored", "time-sync-ignored", "refused-again", "slow-ignored")
NEED_RECORDS: Final = ("clock-off", "clock-frozen", "seq-jump", "ts-backwards")


def judge(heard: list[Heard], facts: Facts, watch: Watch) -> Result:
    """Findings in the order of the rules, and the rules that could not be judged: in doubt nothing is claimed."""
    notes = Notes()
    told = read(heard, facts, notes)
    runs = number(told, watch, notes)
    time(told, runs, watch, notes)
    unjudged = conduct(told, runs, facts, watch, notes)
    if not told.acks:
        unjudged += NEED_ACKS
    if not told.records:
        unjudged += NEED_RECORDS
    if not any(record.leaf == "event" for record in told.records):
        unjudged.append("event-end")
    return Result(
        findings=notes.in_order(RULES),
        unjudged=tuple(rule for rule in RULES if rule in unjudged),
        messages=len(told.times),
        records=len(told.records),
    )
