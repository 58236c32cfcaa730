"""A foreign file as the city sends it, through an adapter, the contract's own decoder and the engine; answers in seconds and rule names."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from alarms.engine import Engine
from alarms.language.reader import default_rules
from alarms.signals import CLEAR, EVENT_DTYPE, EVENT_INDEX, RAISE, Batch
from ingest.adapters.adapter import Adapter
from ingest.adapters.reading import entries
from ingest.adapters.spec import shipped_format
from ingest.decode import decode_events, decode_samples, to_columns

FILES = Path(__file__).parents[1] / "data" / "foreign"
START = int(datetime(2026, 11, 24, 8, tzinfo=UTC).timestamp() * 1_000)
KINDS = {RAISE: "raise", CLEAR: "clear"}


@dataclass
class Ride:
    """What a file became."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)  # line, error
    odd: list[tuple[str, str]] = field(default_factory=list)  # field, what is odd
    said: set[tuple[str, str, float]] = field(default_factory=set)  # rule, raise or clear, second


def adapted(name: str) -> Ride:
    """The records of a file, each read back by the contract's decoder."""
    ride, adapter = Ride(), Adapter(shipped_format(name), boot=1)
    for entry in entries((FILES / f"{name}.jsonl").read_bytes()):
        told = adapter.line(entry)
        ride.samples += told.samples
        ride.events += told.events
        ride.bad += [(entry.line, str(error)) for error in told.bad]
        ride.odd += [(odd.field, odd.fault) for odd in told.odd]
    return ride


def ridden(name: str, *, until: float, escalators: tuple[str, ...] = ()) -> Ride:
    """The file folded record by record, then time up to `until` seconds."""
    ride = adapted(name)
    ride.said = told_by_engine(ride.samples, ride.events, until=until, escalators=escalators)
    return ride


def told_by_engine(
    samples: list[dict[str, Any]], events: list[dict[str, Any]], *, until: float, escalators: tuple[str, ...] = ()
) -> set[tuple[str, str, float]]:
    """What the shipped rules say of records in order of time: rule, what, second."""
    units = sorted({record.get("lift", "") for record in samples + events})
    rules, labels = default_rules(), dict[str, int]()
    engine = Engine(rules, capacity=len(units))
    engine.listening(START)
    engine.set_fleet(range(len(units)), [unit in escalators for unit in units], [1.75] * len(units), {})
    stream = [(row["ts"], 0, row) for row in events] + [(row["ts"], 1, row) for row in samples]
    told = []
    for ts, leaf, row in sorted(stream, key=lambda item: item[:2]):
        slot = units.index(row.get("lift", ""))
        told += engine.tick(ts - 1)
        told += engine.step(_event(row, slot) if leaf == 0 else _sample(row, slot, labels), ts)
        told += engine.tick(ts)
    told += engine.tick(START + round(until * 1_000))
    return {(rules[one.rule].id, KINDS.get(one.kind, "change"), (one.at - START) / 1_000) for one in told}


def _sample(row: dict[str, Any], slot: int, labels: dict[str, int]) -> Batch:
    decoded = decode_samples(msgspec.json.encode(row))
    rows, faults = to_columns(decoded.records, lambda text: labels.setdefault(text, len(labels)))
    assert (decoded.faults, faults) == ([], [])
    rows["slot"], rows["at"], rows["received"] = slot, row["ts"], row["ts"]
    return Batch.of(samples=rows)


def _event(row: dict[str, Any], slot: int) -> Batch:
    decoded = decode_events(msgspec.json.encode(row))
    assert decoded.faults == []
    return Batch.of(
        events=np.array([(slot, row["ts"], row["ts"], EVENT_INDEX[row["code"]], row["active"])], EVENT_DTYPE)
    )
