"""What one batch is made of: rows for the transaction, columns for the engine. Values only; how they come about is `assemble`'s."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.records import KEY_DTYPE, Records
from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, SAMPLE_DTYPE, Batch
from hoistway.model import EVENT_CODES
from hoistway.wire import Link
from ingest.directory import Device
from ingest.pack import KEYS_DTYPE
from ingest.tally import Tally, class_of

UNPLACED, IN_ORDER, LATE, TOO_OLD = 0, 1, 2, 3
"""What became of a record: kept for history because its time is not known; folded in order; folded again in its place; folded by the job
that reads the store."""
_CODE_INDEX: Final = {item.code: index for index, item in enumerate(EVENT_CODES)}


@dataclass(frozen=True, slots=True)
class EventRow:
    device_id: int
    lift_id: int
    boot: int
    incarnation: int
    seq: int
    ts: int
    at: int
    received: int
    folded: int  # IN_ORDER, LATE, TOO_OLD or UNPLACED
    at_once: bool  # not in order, and yet the newest word about its code: told to the engine now as well
    code: str
    active: bool
    data: str


@dataclass(frozen=True, slots=True)
class LinkRow:
    device_id: int
    lift_ids: tuple[int, ...]
    link: Link
    received: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message for the quarantine."""

    topic: str
    device: str | None
    device_id: int | None
    lift_id: int | None
    shard: int | None
    reason: str
    detail: str
    payload: bytes
    received: int
    leaf: str | None

    @property
    def sha256_8(self) -> str:
        return hashlib.sha256(self.payload).digest()[:8].hex()


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityEvent:
    """Something that looks like an intruder."""

    kind: str  # as in the table `security_event`
    device: str  # empty: nobody says who it was
    lift_id: int | None  # whose desk notice it becomes
    detail: str
    at: int  # ms, our clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeat:
    """A record whose number was accepted before, to be compared with what was accepted under it."""

    device: Device
    lift_id: int
    incarnation: int
    record: Any  # as decoded
    at: int  # ms, the device's time corrected
    received: int


@dataclass(frozen=True, slots=True)
class Gap:
    device_id: int
    stream: str
    boot: int
    incarnation: int
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Records of one lift whose time is not known: of a boot that was never heard live. Times are the device's, ms."""

    lift_id: int
    device_id: int
    boot: int
    records: int
    first: int
    last: int


@dataclass(slots=True)
class Assembled:
    """One batch, ready for the engine and the transaction."""

    samples: NDArray[np.void] = field(default_factory=lambda: np.empty(0, SAMPLE_DTYPE))
    keys: NDArray[np.void] = field(default_factory=lambda: np.empty(0, KEYS_DTYPE))
    events: list[EventRow] = field(default_factory=list)
    links: list[LinkRow] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    said: set[int] = field(
        default_factory=set
    )  # lifts of unreadable events that are worth a line at the desk, also a repeated one
    unheard: dict[int, Refusal] = field(default_factory=dict)  # by lift, the first event message of it that was cut
    faults: dict[tuple[int, str, str], tuple[int, str]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    late: int = 0
    boots: set[tuple[int, str, int]] = field(default_factory=set)  # device_id, leaf, boot: to be acknowledged
    arrays: set[int] = field(default_factory=set)  # devices that sent arrays: they are draining
    coalesced: set[int] = field(default_factory=set)  # devices of which samples were shed
    messages: int = 0
    security: list[SecurityEvent] = field(default_factory=list)
    repeated_events: list[Repeat] = field(default_factory=list)
    repeated_samples: list[Repeat] = field(default_factory=list)
    repeated_columns: NDArray[np.void] = field(
        default_factory=lambda: np.empty(0, SAMPLE_DTYPE)
    )  # what the samples say
    not_compared: int = 0  # repeats beyond the limit
    reused: Sequence[SecurityEvent] = ()  # of the repeats, found in the transaction
    only_probe: bool = False  # events of the probe lift and nothing else

    def refuse(self, refusal: Refusal) -> None:
        """Into the quarantine, and into the count."""
        key = (refusal.device_id, class_of(refusal.leaf))
        self.refusals.append(refusal)
        self.tally.received[key] += 1
        self.tally.quarantined[key] += 1

    def cut(self, refusal: Refusal) -> None:
        """Over its device's budget: counted, not kept. That an event was not read is said at the desk all the same."""
        key = (refusal.device_id, class_of(refusal.leaf))
        self.tally.received[key] += 1
        self.tally.cut[key] += 1
        if refusal.leaf == "event" and refusal.lift_id is not None:
            self.unheard.setdefault(refusal.lift_id, refusal)

    def unreadable(self) -> list[Refusal]:
        """Event messages of known lifts that nobody could read: the desk must hear of them."""
        return [row for row in self.refusals if row.leaf == "event" and row.lift_id is not None] + list(
            self.unheard.values()
        )

    def lifts(self) -> set[int]:
        """Every lift that this batch is a sign of life of."""
        linked = {lift for row in self.links for lift in row.lift_ids}
        return linked | set(self.samples["slot"].tolist()) | {row.lift_id for row in self.events}

    def unplaced(self) -> list[Unplaced]:
        """By lift, the records that are kept for history only."""
        places = np.flatnonzero(self.keys["folded"] == UNPLACED)
        keys = self.keys[places]
        found = list(zip(self.samples["slot"][places].tolist(), keys["device_id"].tolist(), keys["boot"].tolist(),
            keys["ts"].tolist(), strict=True))  # fmt: skip
        found += [(row.lift_id, row.device_id, row.boot, row.ts) for row in self.events if row.folded == UNPLACED]
        by_lift: dict[int, list[tuple[int, int, int, int]]] = {}
        for item in found:
            by_lift.setdefault(item[0], []).append(item)
        return [
            Unplaced(*rows[0][:3], len(rows), min(row[3] for row in rows), max(row[3] for row in rows))
            for rows in by_lift.values()
        ]

    def for_engine(self) -> Batch:
        """The part that the engine folds: samples in order, events, link messages."""
        records = self.records(IN_ORDER)
        told = [row for row in self.events if row.folded == IN_ORDER or row.at_once]
        contacts = [(lift, row.received, row.link.online) for row in self.links for lift in row.lift_ids]
        return Batch(samples=records.samples, events=event_rows(told), contacts=np.array(contacts, CONTACT_DTYPE))

    def records(self, folded: int) -> Records:
        """The samples and events that are in order, or late, with their keys."""
        samples = self.keys["folded"] == folded
        return records_of(
            self.samples[samples], self.keys[samples], [row for row in self.events if row.folded == folded]
        )


def records_of(samples: NDArray[np.void], keys: NDArray[np.void], rows: Sequence[EventRow]) -> Records:
    """Samples and events as the window takes them."""
    event_keys = np.empty(len(rows), KEY_DTYPE)
    for index, row in enumerate(rows):
        event_keys[index] = (row.device_id, row.boot, row.seq)
    sample_keys = np.empty(len(samples), KEY_DTYPE)
    for name, source in (("device", "device_id"), ("boot", "boot"), ("seq", "seq")):
        sample_keys[name] = keys[source]
    return Records(samples=samples, sample_keys=sample_keys, events=event_rows(rows), event_keys=event_keys)


def event_rows(rows: Sequence[EventRow]) -> NDArray[np.void]:
    """Events as the engine takes them."""
    events = np.empty(len(rows), EVENT_DTYPE)
    for index, row in enumerate(rows):
        events[index] = (row.lift_id, row.at, row.received, _CODE_INDEX[row.code], row.active)
    return events
