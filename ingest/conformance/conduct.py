"""What is wrong with what the device says: its link and will, complete samples, plausible units, events and their ends. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from typing import Final

from hoistway.limits import SELF_TEST_S
from hoistway.model import MODE_CODES
from ingest.conformance.findings import NEVER, Notes
from ingest.conformance.heard import Facts, LiftFacts, Watch
from ingest.conformance.numbering import Run
from ingest.conformance.reading import LinkHeard, Record, Told, fields_of

WILL_MS: Final = 90_000
"""A will comes at the latest one and a half keep-alives of 60 s after the line broke (MQTT 3.1.1, 3.1.2.10).

A device that is back sooner takes over its own half-open session, and not every broker sends the will then (nats-server does not)."""
MOMENTARY: Final = ("90", "self-test")
"""Codes that end by themselves within minutes."""
MOMENTARY_MS: Final = 300_000
PARTIAL_SAMPLES: Final = 10
"""Fewer samples of a lift do not show whether they are complete."""
TIMES_RATED: Final = 2.0
"""A speed or load beyond this many times the rated one is a wrong unit and no lift."""


def conduct(told: Told, runs: list[Run], facts: Facts, watch: Watch, notes: Notes) -> list[str]:
    """Judge what the device says; answers the rules that there was no occasion to judge."""
    unjudged = _will(told, watch, notes)
    if told.records and not told.links:
        notes.note("no-link", told.records[0].at_ms)
    for run in runs:
        if run.leaf == "event":
            _ends(run, watch, notes)
        else:
            _complete(run, notes)
            _units(run, facts, notes)
    return [*unjudged, *_self_test(told, facts, watch, notes)]


def _will(told: Told, watch: Watch, notes: Notes) -> list[str]:
    """A connection that another one followed after a silence of `WILL_MS` must have been said to have ended."""
    judged = False
    ends: dict[tuple[int, int], int] = {}  # when the will of a connection came first
    for item in told.links:
        if not item.link.online:
            ends.setdefault(_number(item), item.at_ms)
    for before, after in pairwise(_connections(told.links)):
        if ends.get(_number(before), after.at_ms + WILL_MS + 1) <= after.at_ms + WILL_MS:
            judged = True
        elif watch.to_ms >= after.at_ms + WILL_MS and _silence_ms(told, after.at_ms) >= WILL_MS:
            judged = True
            notes.note("no-will", after.at_ms, boot=before.link.boot, conn=before.link.conn)
    return [] if judged or ends else ["no-will"]


def _silence_ms(told: Told, until_ms: int) -> int:
    """For how long nothing had come from the device; 0 when nothing had come at all."""
    before = bisect_left(told.times, until_ms)
    return until_ms - told.times[before - 1] if before else 0


def _connections(links: list[LinkHeard]) -> list[LinkHeard]:
    """The first word of each connection. One of an older number, which may declare records gone, is none."""
    found: list[LinkHeard] = []
    for item in links:
        if item.link.online and (not found or _number(item) > _number(found[-1])):
            found.append(item)
    return found


def _number(item: LinkHeard) -> tuple[int, int]:
    return item.link.boot, item.link.conn


def _complete(run: Run, notes: Notes) -> None:
    """Samples that mostly lack half of what their lift can tell carry only what changed."""
    by_lift: dict[str, list[Record]] = defaultdict(list)
    for record in run.in_order():
        by_lift[record.lift].append(record)
    for lift, records in by_lift.items():
        told = [fields_of(record.value) for record in records]
        everything = frozenset().union(*told)
        partial = sum(2 * len(fields) <= len(everything) for fields in told)
        if len(told) >= PARTIAL_SAMPLES and 2 * partial >= len(told):
            notes.note(
                "partial", records[0].at_ms, subject=lift, lift=lift, partial=partial, samples=len(told),
                fields=len(everything),
            )  # fmt: skip


def _units(run: Run, facts: Facts, notes: Notes) -> None:
    for record in run.first.values():
        lift = facts.lift(record.lift or None)
        if lift is None:
            continue
        for name, rated, expected in (("speed", lift.rated_speed_m_s, "m/s"), ("load", lift.rated_load_kg, "kg")):
            value = getattr(record.value, name)
            if rated and value is not None and abs(value) > TIMES_RATED * rated:
                notes.note("unit", record.at_ms, subject=name, field=name, value=value, expected=expected)


def _ends(run: Run, watch: Watch, notes: Notes) -> None:
    """Raised twice without an end between, or a momentary code that never ends. A number that may still come excuses."""
    raised: dict[tuple[str, str], Record] = {}
    previous = None
    for record in run.in_order():
        if previous is not None and record.seq != previous + 1:
            raised.clear()
        previous = record.seq
        key = (record.lift, record.value.code)
        if record.value.code in MODE_CODES:
            continue
        if not record.value.active:
            raised.pop(key, None)
        elif key in raised:
            _endless(record, notes)
        else:
            raised[key] = record
    for (_, code), record in raised.items():
        if code in MOMENTARY and watch.to_ms - record.at_ms > MOMENTARY_MS:
            _endless(record, notes)


def _endless(record: Record, notes: Notes) -> None:
    notes.note("event-end", record.at_ms, subject=record.value.code, code=record.value.code, seq=record.seq)


def _self_test(told: Told, facts: Facts, watch: Watch, notes: Notes) -> list[str]:
    """The automatic test call of each lift; escalators have none. A device that is new has still time for its first."""
    lifts = [lift for lift in facts.lifts if not lift.escalator]
    if lifts and watch.to_ms - facts.enrolled_ms < SELF_TEST_S * 1_000:
        return ["self-test"]
    heard: dict[LiftFacts | None, int] = {}
    for record in told.records:
        if record.leaf == "event" and record.value.code == "self-test":
            heard[facts.lift(record.lift or None)] = record.at_ms
    for lift in lifts:
        last_ms = max(lift.self_test_ms or 0, heard.get(lift, 0))
        if watch.to_ms - last_ms > SELF_TEST_S * 1_000:
            hours = (watch.to_ms - last_ms) // 3_600_000 if last_ms else NEVER
            name = lift.rescue_code or ""
            notes.note("self-test", watch.to_ms, subject=name, lift=name, hours=hours)
    return []
