"""Messages to one batch: who sent it, is it new, when was it, what could not be used. No I/O and no clock.

Answers everything that one transaction must write and that the engine must see. Updates `Memory` on the way; when the
transaction is given up, memory and engine are rebuilt from the store (`recovery`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import le
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.records import Records
from hoistway import limits
from hoistway.errors import OverBudget, RefusedMessage
from hoistway.model import PROBE_CODE
from hoistway.wire import Link, Ranges, Topic, parse_topic
from ingest.assembled import (
    IN_ORDER,
    LATE,
    UNPLACED,
    Assembled,
    EventRow,
    Gap,
    LinkRow,
    Refusal,
    Repeat,
    records_of,
)
from ingest.budget import Budget
from ingest.coalesce import Coalescer
from ingest.decode import (
    Decoded,
    FieldFault,
    decode_events,
    decode_link,
    decode_samples,
    storable_data,
    to_columns,
)
from ingest.device_clock import Clock
from ingest.directory import Device, Directory
from ingest.door import Door, refused_at_door
from ingest.memory import Boot, Memory, Verdict
from ingest.quarantine import refusal_of
from ingest.sample_rows import Origin, SampleRows
from ingest.source import Message
from ingest.tally import class_of

Behind = Callable[[Records], tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""Which samples and which events are older than what their lift has told."""
Stored = dict[tuple[str, int, int], list[tuple[int, int]]]
"""By stream, boot and seq of records of one device: incarnation and stamp of those that the store holds under that number."""
RUN_RECORDS: Final = 4
"""Arrays of fewer are taken in record by record."""
Busy = Callable[[int], bool]
"""Whether a lift has a hold or an alarm."""


def _nobody(_lift_id: int) -> bool:
    return False


class Assembler:
    """Builds batches from messages; keeps the topic cache."""

    def __init__(self, directory: Directory, memory: Memory, behind: Behind, busy: Busy = _nobody) -> None:
        self.directory, self.memory, self.behind = directory, memory, behind
        self.coalescer = Coalescer(busy)
        self.budget = Budget()
        self.door = Door()
        self._topics: dict[str, Topic | None] = {}

    def assemble(self, messages: Sequence[Message], *, stored: Stored | None = None, now_ms: int = 0) -> Assembled:
        """One batch. `stored`: the messages come from the quarantine; what the store holds of their records decides what is new.

        When they were received, and not `now_ms`, says when their records were; `now_ms` is only when the store received them.
        """
        self.coalescer.next_batch()
        work = _Work(self, Assembled(messages=len(messages)), stored, now_ms)
        for message in sorted(messages, key=_turn):
            try:
                work.message(message)
            except RefusedMessage as refused:
                work.refuse(message, refused)
            except OverBudget as over:
                work.cut(message, RefusedMessage("not-read", str(over)))
        return work.finish()

    def worth_a_look(self, messages: Sequence[Message]) -> bool:
        """Whether the register should be read again, because of a name that it did not hold."""
        topics = ((self.topic(message.topic), message.received_ms) for message in messages)
        return any(topic is not None and self.directory.worth_a_look(topic.device, at) for topic, at in topics)

    def topic(self, text: str) -> Topic | None:
        if text not in self._topics:
            if len(self._topics) > 2_000_000:
                self._topics.clear()
            self._topics[text] = parse_topic(text)
        return self._topics[text]


@dataclass(slots=True)
class _Accepted:
    """An accepted event, on its way to a row: corrected time is set once every clock of the batch is known."""

    record: Any
    device: Device
    lift_id: int
    incarnation: int
    clock: Clock
    received: int
    placed: bool  # its time is known well enough to put it in its place
    newest: bool  # no newer word about its code was heard


class _Work:
    """One batch in the making."""

    def __init__(self, assembler: Assembler, out: Assembled, stored: Stored | None, now_ms: int) -> None:
        self._assembler, self.out, self._stored, self._now_ms = assembler, out, stored, now_ms
        self._directory, self._memory, self._door = assembler.directory, assembler.memory, assembler.door
        self._coalescer = assembler.coalescer
        self._reading: tuple[int, str, Message]
        self._may = self._may_read_with_care
        self._samples = SampleRows()
        self._events: list[_Accepted] = []
        self._gone: list[tuple[int, int, Sequence[tuple[str, Ranges]]]] = []  # after the records, as in a replay

    def message(self, message: Message) -> None:
        topic = self._assembler.topic(message.topic)
        if topic is None:
            raise RefusedMessage("unknown-device", "the topic is not of the contract's shape")
        device = self._directory.devices.get(topic.device)
        if device is None:
            if topic.device in self._directory.revoked:
                raise RefusedMessage("revoked-device", f"the key of device {topic.device!r} was revoked")
            raise RefusedMessage("unknown-device", f"device {topic.device!r} is not enrolled")
        if device.shard != topic.shard:
            raise RefusedMessage("wrong-shard", f"shard {topic.shard}, enrolled in {device.shard}")
        self._reading = (device.id, topic.leaf, message)
        if topic.leaf == "state":
            self._records(message, device, "state", decode_samples(message.payload, self._may))
        elif topic.leaf == "event":
            self._records(message, device, "event", decode_events(message.payload, self._may))
        elif topic.leaf == "link":
            self._link(message, device, decode_link(message.payload))
        else:
            raise RefusedMessage("unknown-device", f"{topic.leaf!r} is not a topic that devices write")

    def _may_read_with_care(self) -> bool:
        return self._stored is not None or self._assembler.budget.read(*self._reading)

    def _records(self, message: Message, device: Device, leaf: str, decoded: Decoded) -> None:
        lifts = [_lift_of(device, record.lift) for record in decoded.records]  # all or none: identity refuses whole
        self._check_probe(leaf, decoded, lifts)
        self.out.tally.received[device.id, leaf] += len(decoded.records)
        if len(decoded.records) > 1:
            self.out.arrays.add(device.id)
        for fault in decoded.faults:
            self._note_fault(device.id, fault)
        if leaf == "state" and self._run(message, device, decoded, lifts):
            return
        order = sorted(range(len(lifts)), key=lambda index: (decoded.records[index].boot, decoded.records[index].seq))
        for index in order:
            unusable = decoded.unusable.get(index, 0)
            self._record(message, device, leaf, decoded.records[index], lifts[index], unusable)

    def _run(self, message: Message, device: Device, decoded: Decoded, lifts: list[int]) -> bool:
        """Take in at once the samples of an array that simply go on where their stream stood; False: one after the other."""
        records, unusable, received = decoded.records, decoded.unusable, message.received_ms
        if self._stored is not None or not _go_on(records):
            return False
        told = [
            (record, lift, unusable.get(index, 0))
            for index, (record, lift) in enumerate(zip(records, lifts, strict=True))
        ]
        coalescer = self._coalescer
        if coalescer.on and any(
            coalescer.sheds(device.id, lift, record, received=received, unusable=fields)
            for record, lift, fields in told
        ):
            return False
        boot, stamps = records[0].boot, [record.ts for record in records]
        memory = self._memory.take_run(device.id, boot, "state", records[0].seq, stamps, received)
        if memory is None:
            return False
        self.out.boots.add((device.id, "state", boot))
        self.out.tally.stored[device.id, "state"] += len(records)
        origin = Origin(device.id, memory.incarnation, memory.clock, received, placed=True)
        self._samples.add(origin, records, lifts, unusable)
        for record, lift, fields in told if coalescer.on else ():
            coalescer.stored(device.id, lift, record, received=received, unusable=fields, told=True)
        return True

    def _check_probe(self, leaf: str, decoded: Decoded, lifts: Sequence[int]) -> None:
        """The probe lift says its own code and nothing else, and nobody else says it."""
        probes = self._directory.probes
        of_probe = not probes.isdisjoint(lifts)
        said = [record.code == PROBE_CODE for record in decoded.records] if leaf == "event" else []
        if (of_probe or any(said)) and not (said and all(said) and probes.issuperset(lifts)):
            raise RefusedMessage("bad-code", f"{PROBE_CODE!r} is for the probe lift, and the probe lift is for it")

    def _record(self, message: Message, device: Device, leaf: str, record: Any, lift_id: int, unusable: int) -> None:
        memory = self._memory.look(device.id, record.boot)
        verdict = self._memory.judge(memory, leaf, record.seq, record.ts)
        if self._stored is not None:
            held = self._stored.get((leaf, record.boot, record.seq), [])
            verdict = _from_store(verdict, held, memory.incarnation, record.ts)
        self.out.boots.add((device.id, leaf, record.boot))
        if verdict is Verdict.DUPLICATE:
            self.out.tally.duplicates[device.id, leaf] += 1
            if self._stored is None:
                self._repeat(message, device, leaf, record, lift_id, memory)
            return
        if leaf == "state" and verdict is Verdict.NEW and self._shed(message, device, record, lift_id, unusable):
            return
        received = message.received_ms
        if verdict is Verdict.NEW_INCARNATION:
            memory = self._memory.reincarnate(device.id, record.boot, received)
            self.out.security += self._door.counted_anew(device, record.boot, received)
        else:
            memory = self._memory.boot(device.id, record.boot, received)
        stream = memory.stream(leaf)
        live = self._memory.is_live(device.id, record.boot, record.ts)
        memory.was_live |= live
        clock = self._memory.note_clock(memory, stream, seq=record.seq, ts=record.ts, received=received)
        newest = True
        if leaf == "event":
            newest = self._memory.event_is_newest(device.id, memory, live=live, code=record.code, seq=record.seq)
            memory.codes[record.code] = max(record.seq, memory.codes.get(record.code, 0))
        if hole := stream.accept(record.seq, clock.stamp_now(record.ts, received), said=record.ts):
            self.out.gaps.append(Gap(device.id, leaf, record.boot, memory.incarnation, hole[0], hole[1], "given-up"))
        self.out.tally.stored[device.id, leaf] += 1
        if self._stored is not None:
            self._stored.setdefault((leaf, record.boot, record.seq), []).append((memory.incarnation, record.ts))
        if leaf == "state":
            origin = Origin(device.id, memory.incarnation, clock, received, memory.was_live)
            self._samples.add(origin, [record], [lift_id], {0: unusable} if unusable else {})
        else:
            self._events.append(
                _Accepted(record, device, lift_id, memory.incarnation, clock, received, memory.was_live, newest)
            )
        if leaf == "state" and self._coalescer.on:
            told = memory.was_live
            self._coalescer.stored(device.id, lift_id, record, received=received, unusable=unusable, told=told)

    def _shed(self, message: Message, device: Device, record: Any, lift_id: int, unusable: int) -> bool:
        """Whether the sample was shed: counted, and otherwise as if it had never come."""
        if not self._coalescer.on or self._stored is not None:
            return False
        received = message.received_ms
        if not self._coalescer.sheds(device.id, lift_id, record, received=received, unusable=unusable):
            return False
        self.out.tally.coalesced[device.id, "state"] += 1
        self.out.coalesced.add(device.id)
        return True

    def _repeat(self, message: Message, device: Device, leaf: str, record: Any, lift_id: int, memory: Boot) -> None:
        event = leaf == "event"
        repeats = self.out.repeated_events if event else self.out.repeated_samples
        if len(repeats) >= (limits.REPEATED_EVENTS if event else limits.REPEATED_SAMPLES):
            self.out.not_compared += 1
            return
        repeats.append(
            Repeat(
                device=device,
                lift_id=lift_id,
                incarnation=memory.incarnation,
                record=record,
                at=memory.clock.corrected(record.ts, message.received_ms),
                received=message.received_ms,
            )
        )

    def _link(self, message: Message, device: Device, link: Link) -> None:
        if link.online and not message.retained:
            self.out.security += self._door.connected(device, link.boot, message.received_ms)
        said_now = not message.retained and self._stored is None
        if link.gone is not None and said_now and not self._memory.link_is_old(device.id, link.boot, link.conn):
            self._gone.append((device.id, link.boot, (("state", link.gone.state), ("event", link.gone.event))))
        self.out.boots.add((device.id, "link", link.boot))
        self.out.tally.received[device.id, "link"] += 1
        if self._stored is not None:
            self.out.tally.duplicates[device.id, "link"] += 1  # an old word about a connection is no news of it
            return
        if not self._memory.note_link(device.id, link.boot, link.conn, online=link.online):
            self.out.tally.duplicates[device.id, "link"] += 1
            return
        self.out.tally.stored[device.id, "link"] += 1
        lifts = (device.lift_id,) if device.lift_id is not None else tuple(device.lifts.values())
        self.out.links.append(LinkRow(device.id, lifts, link, message.received_ms))

    def _give_up(self, device_id: int, boot: int, gone: Sequence[tuple[str, Ranges]]) -> None:
        """The device no longer has some records; of a boot that nobody heard of none is missing."""
        memory = self._memory.known(device_id, boot)
        if memory is None:
            return
        gaps = [
            Gap(device_id, leaf, boot, memory.incarnation, low, high, "gone")
            for leaf, ranges in gone
            for first, last in ranges
            for low, high in memory.stream(leaf).give_up(first, last)
        ]
        if gaps:
            self._memory.boot(device_id, boot)  # to hand, because it has changed
            self.out.gaps += gaps

    def refuse(self, message: Message, refused: RefusedMessage) -> None:
        refusal = self._refusal(message, refused)
        self._say(message, refusal)
        keep = self._assembler.budget.keep(refusal.device_id, class_of(refusal.leaf), message)
        (self.out.refuse if keep or self._stored is not None else self.out.cut)(refusal)

    def cut(self, message: Message, refused: RefusedMessage) -> None:
        refusal = self._refusal(message, refused)
        self._say(message, refusal)
        self.out.cut(refusal)

    def _say(self, message: Message, refusal: Refusal) -> None:
        lift_id = refusal.lift_id
        if refusal.leaf == "event" and lift_id is not None and self._assembler.budget.says(lift_id, message):
            self.out.said.add(lift_id)

    def _refusal(self, message: Message, refused: RefusedMessage) -> Refusal:
        topic = self._assembler.topic(message.topic)
        device = self._directory.devices.get(topic.device) if topic else None
        if topic is not None and not message.retained:
            known = device or self._directory.revoked.get(topic.device)
            self.out.security += refused_at_door(refused, topic, known, message.received_ms)
        return refusal_of(message, topic, device, refused)

    def _note_fault(self, device_id: int, fault: FieldFault) -> None:
        key = (device_id, fault.field, fault.fault)
        times, _ = self.out.faults.get(key, (0, ""))
        if times or len(self.out.faults) < 10_000:
            self.out.faults[key] = (times + 1, fault.value)

    def finish(self) -> Assembled:
        for gone in self._gone:
            self._give_up(*gone)
        self._finish_samples()
        self._finish_events()
        self._put_in_place()
        self.out.only_probe = self._is_only_probe()
        if repeats := self.out.repeated_samples:
            self.out.repeated_columns, _ = to_columns([item.record for item in repeats], self._directory.label_id)
        return self.out

    def _is_only_probe(self) -> bool:
        out, probes = self.out, self._directory.probes
        if not out.events or len(out.samples) or out.links or out.refusals:
            return False
        return all(row.lift_id in probes for row in out.events)

    def _put_in_place(self) -> None:
        """What is older than something that its lift has told came late."""
        out = self.out
        placed = out.keys["folded"] == IN_ORDER
        rows = [row for row in out.events if row.folded == IN_ORDER]
        samples, events = self._assembler.behind(records_of(out.samples[placed], out.keys[placed], rows))
        out.keys["folded"][np.flatnonzero(placed)[samples]] = LATE
        late = {id(row) for row, behind in zip(rows, events.tolist(), strict=True) if behind}
        out.events = [replace(row, folded=LATE, at_once=True) if id(row) in late else row for row in out.events]
        out.late = int((out.keys["folded"] != IN_ORDER).sum()) + sum(row.folded != IN_ORDER for row in out.events)

    def _row_received(self, item: _Accepted) -> int:
        return item.received if self._stored is None else self._now_ms

    def _finish_events(self) -> None:
        for item in self._events:
            at = item.clock.corrected(item.record.ts, item.received)
            self.out.events.append(
                EventRow(
                    item.device.id,
                    item.lift_id,
                    item.record.boot,
                    item.incarnation,
                    item.record.seq,
                    item.record.ts,
                    at,
                    self._row_received(item),
                    _place(item),
                    item.newest and not item.placed,
                    item.record.code,
                    item.record.active,
                    storable_data(item.record.data),
                )
            )

    def _finish_samples(self) -> None:
        received = None if self._stored is None else self._now_ms
        self.out.samples, self.out.keys = self._samples.finish(
            self._directory.label_id, self._note_fault, folded=(UNPLACED, IN_ORDER), received=received
        )


def _turn(message: Message) -> int:
    """Links, then events, then samples, as a replay takes them: what is learned of a device must not depend on who reads its records."""
    return 2 if message.topic.endswith("/state") else int(message.topic.endswith("/event"))


def _go_on(records: Sequence[Any]) -> bool:
    """Whether they are several of one boot, numbered one after the other, whose stamps do not go back."""
    boot, first, stamps = records[0].boot, records[0].seq, [record.ts for record in records]
    return (
        len(records) >= RUN_RECORDS
        and [record.seq for record in records] == list(range(first, first + len(records)))
        and all(record.boot == boot for record in records)
        and all(map(le, stamps, islice(stamps, 1, None)))
    )


def _place(item: _Accepted) -> int:
    """An event whose code was heard of since is late, whatever its time says."""
    if not item.placed:
        return UNPLACED
    return IN_ORDER if item.newest else LATE


def _from_store(verdict: Verdict, held: Sequence[tuple[int, int]], incarnation: int, ts: int) -> Verdict:
    """Whether a record of the quarantine is new: a number may count as had because its hole was given up, or be forgotten with its boot.

    The same stamp under the same number is the same record, in whatever life of its device it was stored.
    """
    if any(stamp == ts for _, stamp in held):
        return Verdict.DUPLICATE
    if any(number == incarnation for number, _ in held):
        return Verdict.DUPLICATE if verdict is Verdict.NEW else verdict
    return Verdict.NEW


def _lift_of(device: Device, named: str | None) -> int:
    if device.lift_id is not None:
        if named is not None and device.lifts.get(named) != device.lift_id:
            raise RefusedMessage("foreign-lift", f"lift {named[:20]!r} is not of device {device.device!r}")
        return device.lift_id
    if named is None:
        raise RefusedMessage("lift-missing", f"gateway {device.device!r} must name the lift of each record")
    lift_id = device.lifts.get(named)
    if lift_id is None:
        raise RefusedMessage("foreign-lift", f"lift {named[:20]!r} is not of gateway {device.device!r}")
    return lift_id
