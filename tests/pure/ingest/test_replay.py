"""What is remembered of devices after a replay is what was remembered before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.records import Records
from hoistway.samples import of_copy
from ingest.assemble import Assembler
from ingest.assembled import Assembled
from ingest.directory import Device, Directory
from ingest.memory import Memory, _Saved, _unpacked
from ingest.pack import pack_samples
from ingest.recovery import _Run
from ingest.source import Message
from tests.support.feed import event, message, sample

T0 = 1_800_000_000_000
OFF = (0, -40, -800, -9_000, -400_000, 9_000, 3_600_000, -3_600_000, -T0)


def known(memory: Memory) -> tuple[Any, ...]:
    """Everything that a snapshot keeps, with the order in which boots were heard."""
    saved = msgspec.msgpack.decode(memory.snapshot(), type=_Saved)
    order = {device: list(boots) for device, boots in saved.devices.items()}
    packed = {device: {boot: _unpacked(body) for boot, body in boots.items()} for device, boots in saved.packed.items()}
    return saved.devices, packed, order, saved.links, saved.server_stepped_ms


def some_late(records: Records) -> Any:
    return records.samples["at"] % 2 == 1, np.zeros(len(records.events), bool)


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)


def stored(batch: Assembled) -> _Run:
    """A batch as the store gives it back."""
    names = ("device_id", "lift_id", "boot", "incarnation", "seq", "ts", "folded", "at_once", "code", "active")
    events = [
        {"batch_no": 1, "at": moment(row.at), "received": moment(row.received)}
        | {name: getattr(row, name) for name in names}
        for row in batch.events
    ]
    contacts = [
        {"batch_no": 1, "device_id": row.device_id, "boot": row.link.boot, "conn": row.link.conn}
        | {"online": row.link.online, "lift_ids": list(row.lift_ids), "received": moment(row.received)}
        for row in batch.links
    ]
    gaps = [
        {"batch_no": 1, "device_id": row.device_id, "stream": row.stream, "boot": row.boot}
        | {"incarnation": row.incarnation, "first_seq": row.first, "last_seq": row.last}
        for row in batch.gaps
    ]
    rows = of_copy(pack_samples(batch.samples, batch.keys, partition=0, batch_no=1))
    return _Run(rows, events, contacts, gaps)


def record(name: str, leaf: str, boot: int, seq: int, ts: int, received: int) -> Message:
    said: dict[str, Any] = {"online": seq % 2 == 0, "boot": boot, "conn": seq % 5}
    if leaf == "gone":
        leaf, said = "link", {**said, "gone": {"state": [[seq, seq + 3]], "event": [[seq, seq + 1]]}}
    elif leaf == "event":
        said = event(seq, ts, ("90", "41")[seq % 2], boot=boot, active=seq % 3 > 0)
    elif leaf == "state":
        said = sample(seq, ts, boot=boot)
    return message(leaf, said, device=name, received=received)


RECORDS = st.tuples(
    st.sampled_from(("one", "two")),
    st.sampled_from(("state", "state", "state", "event", "event", "link", "gone")),
    st.integers(1, 20),
    st.integers(1, 30),
    st.sampled_from(OFF),
    st.sampled_from((0, 1, 300, 5_000, 40_000)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(RECORDS, min_size=1, max_size=12), max_size=12), st.integers(0, 12))
def test_memory_after_a_replay_is_memory_before_it(batches: Sequence[Sequence[tuple[Any, ...]]], cut: int) -> None:
    """Whatever devices send and wherever the checkpoint lies: same numbers, holes, boots, links and clocks."""
    directory = Directory()
    directory.devices = {
        name: Device(id=number, device=name, shard=0, lift_id=number, lifts={str(number): number})
        for number, name in enumerate(("one", "two"), 1)
    }
    live, again = Memory(), Memory()
    assembler = Assembler(directory, live, some_late)
    received = T0
    for number, rows in enumerate(batches):
        if number == cut:
            again.restore(live.snapshot())
        messages = []
        for name, leaf, boot, seq, off, passed in rows:
            received += passed
            messages.append(record(name, leaf, boot, seq, max(0, received + off), received))
        batch = assembler.assemble(messages)
        if number >= cut:
            stored(batch).batch(1, again)
    if cut < len(batches):
        assert known(again) == known(live)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(OFF), st.integers(0, 20_000)), max_size=200))
def test_one_boot_in_order_leaves_the_same_bytes(said: Sequence[tuple[int, int]]) -> None:
    """A stream without holes is remembered in the same bytes, cut into batches or not."""
    directory = Directory()
    directory.devices = {"one": Device(id=1, device="one", shard=0, lift_id=1, lifts={"1": 1})}
    live, again = Memory(), Memory()
    assembler = Assembler(directory, live, some_late)
    received = T0
    for seq, (off, passed) in enumerate(said, 1):
        received += passed
        batch = assembler.assemble([record("one", "state", 1, seq, max(0, received + off), received)])
        stored(batch).batch(1, again)
    assert again.snapshot() == live.snapshot()
