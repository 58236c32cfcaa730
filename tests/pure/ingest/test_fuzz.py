"""Whatever comes in: only the declared errors, only rows that the contract allows, and a word for everything that is refused."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.client import MQTTMessage

from alarms.language.reader import default_rules
from alarms.records import Records
from hoistway.errors import BadInput, RefusedMessage
from hoistway.limits import BOOT_MAX, MESSAGE_BYTES, SEQ_MAX, SHARDS, TS_MAX_MS
from hoistway.model import EVENT_CODE, SIGNALS, Signal, SignalType
from hoistway.mqtt_url import MqttAddress
from hoistway.registry.importer import prepare
from hoistway.registry.mapping import ColumnMapping, read_mapping, shipped, shipped_mapping
from hoistway.registry.report import REFUSED, Report
from hoistway.registry.rows import Entry, RowReader
from hoistway.registry.table import records
from hoistway.wire import DEVICE, REASONS, decode_ack
from ingest.acks import Acks
from ingest.assemble import Assembler
from ingest.assembled import IN_ORDER, Assembled
from ingest.changes import when
from ingest.decode import decode_events, decode_link, decode_samples
from ingest.directory import Device, Directory
from ingest.folding import Folding
from ingest.frames import PUBLISH
from ingest.late import sort_late
from ingest.memory import Memory
from ingest.pack import pack_samples
from ingest.session import Session
from ingest.source import Message
from ingest.tally import Outcome
from ingest.transaction import _quarantined
from tests.support.mutation import T0, payloads, tables

LONG = bool(os.environ.get("HOISTWAY_LONG"))
DATA = Path(__file__).parents[2] / "data"
LEAVES = ("state", "event", "link")


def examples(short: int, long: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """So many examples in every change, so many in the long run."""
    return settings(
        max_examples=long if LONG else short,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def storable(text: str) -> bool:
    """Whether PostgreSQL takes it: UTF-8 without NUL."""
    return "\x00" not in text and text == text.encode("utf-8").decode("utf-8")


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    for inner in value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else ():
        yield from texts(inner)


# --- one message ---


@pytest.mark.timeout(3_600 if LONG else 60)
@examples(300, 20_000)
@given(st.sampled_from(LEAVES).flatmap(lambda leaf: st.tuples(st.just(leaf), payloads(leaf))))
def test_a_decoder_reads_or_refuses_and_says_why(said: tuple[str, bytes]) -> None:
    """Records within the limits, or a refusal with one of the contract's reasons and a detail; nothing else ever."""
    leaf, payload = said
    try:
        if leaf == "link":
            link = decode_link(payload)
            assert 0 <= link.boot <= BOOT_MAX
            return
        decoded = (decode_samples if leaf == "state" else decode_events)(payload)
    except RefusedMessage as refused:
        assert refused.reason in REASONS
        assert refused.detail
        return
    assert decoded.records
    for record in decoded.records:
        assert type(record.ts) is type(record.boot) is type(record.seq) is int
        assert (0 <= record.ts <= TS_MAX_MS, 0 <= record.boot <= BOOT_MAX, 1 <= record.seq <= SEQ_MAX) == (True,) * 3
        assert record.lift is None or isinstance(record.lift, str)
    for fault in decoded.faults:
        assert fault.fault in ("bad-type", "out-of-range", "extra")
        assert storable(fault.field)
        assert storable(fault.value)


@pytest.mark.timeout(3_600 if LONG else 60)
@examples(100, 10_000)
@given(st.binary(max_size=200) | st.integers(0, MESSAGE_BYTES).map(lambda depth: b"[" * depth))
def test_bytes_that_are_no_records_are_refused(payload: bytes) -> None:
    """Random bytes and the deepest nesting end in a refusal, never in an error of the reader."""
    for decode in (decode_samples, decode_events, decode_link):
        with pytest.raises(RefusedMessage) as refused:
            decode(payload)
        assert refused.value.reason in REASONS


# --- a batch, from the topic to the bytes for the store ---

TOPICS = (
    "lift/v1/0/one/{}",
    "lift/v1/0/one/{}",
    "lift/v1/0/gate/{}",
    "lift/v1/0/gate/{}",
    "lift/v1/9/one/{}",
    "lift/v1/0/who/{}",
)
ODD_TOPICS = (
    "",
    "lift",
    "lift/v1/00/one/state",
    "lift/v1/0/one/ack",
    "lift/v1/0/one/state/more",
    "\x00",
    "\ud800",
    "a\x1b[2J" * 99,
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    leaf = draw(st.sampled_from(LEAVES))
    topic = draw(st.sampled_from(TOPICS)).format(leaf)
    if draw(st.sampled_from((False,) * 14 + (True,))):
        topic = draw(st.sampled_from(ODD_TOPICS))
    return Message(topic, draw(payloads(leaf)), T0 + draw(st.integers(0, 60_000)))


def in_order(rows: Records) -> Any:
    return np.zeros(len(rows.samples), bool), np.zeros(len(rows.events), bool)


def directory() -> Directory:
    found = Directory()
    terminal = Device(id=1, device="one", shard=0, lift_id=1, lifts={"310115": 1})
    gateway = Device(id=2, device="gate", shard=0, lift_id=None, lifts={"310115": 2, "310116": 3})
    found.devices = {"one": terminal, "gate": gateway}
    found.devices_by_id = {1: terminal, 2: gateway}
    return found


def check_signal(signal: Signal, column: Any, labels: int) -> None:
    """Every value is one of the contract, or unknown."""
    if signal.type is SignalType.NUMBER:
        known = column[~np.isnan(column)]
        high = math.inf if signal.high is None else np.float32(signal.high)
        assert ((known >= np.float32(signal.low or 0.0)) & (known <= high)).all(), signal.name
    elif signal.type is SignalType.LABEL:
        assert ((column >= -1) & (column < labels)).all(), signal.name
    else:
        allowed = {-1, 0, 1} if signal.values is None else {-1, *(int(value) for value in signal.values)}
        assert set(column.tolist()) <= allowed, signal.name


def check_rows(batch: Assembled, labels: int) -> None:
    """What goes to the store is within the contract, and its lifts are those of its device."""
    for signal in SIGNALS:
        check_signal(signal, batch.samples[signal.name], labels)
    lifts = {1: {1}, 2: {2, 3}}
    for key, slot in zip(batch.keys, batch.samples["slot"].tolist(), strict=True):
        assert 0 <= key["ts"] <= TS_MAX_MS
        assert slot in lifts[int(key["device_id"])]
    for row in batch.events:
        assert row.code in EVENT_CODE
        assert row.lift_id in lifts[row.device_id]
        assert storable(row.data)
        assert isinstance(json.loads(row.data), dict)
        assert all(storable(text) for text in texts(json.loads(row.data)))
    for at in (*batch.samples["at"].tolist(), *[row.at for row in batch.events]):
        assert when(at).year < 2200
    assert pack_samples(batch.samples, batch.keys, partition=0, batch_no=1)


def check_refusals(batch: Assembled) -> None:
    """Each has a reason of the contract, a detail, and a row that the store takes."""
    for refusal in batch.refusals:
        assert refusal.reason in REASONS
        assert refusal.detail
        assert all(storable(value) for value in _quarantined(refusal) if isinstance(value, str))
    for (_, field, fault), (times, value) in batch.faults.items():
        assert fault in ("bad-type", "out-of-range", "extra")
        assert times > 0
        assert storable(field)
        assert storable(value)


def check_books(batch: Assembled) -> None:
    """Received is the sum of the outcomes, and the outcomes are the rows."""
    tally = batch.tally
    for key, count in tally.received.items():
        assert count == sum(counts[key] for counts in tally.outcomes.values())
    stored = tally.outcomes[Outcome.STORED]
    by_leaf = [sum(count for (_, leaf), count in stored.items() if leaf == name) for name in LEAVES]
    assert by_leaf == [len(batch.samples), len(batch.events), len(batch.links)]
    assert tally.total(Outcome.QUARANTINED) == len(batch.refusals)


@pytest.mark.timeout(3_600 if LONG else 90)
@examples(100, 2_500)
@given(st.lists(st.lists(messages(), max_size=8), max_size=4))
def test_a_batch_of_anything_becomes_rows_refusals_and_books_that_add_up(batches: list[list[Message]]) -> None:
    """From topics and bytes to the columns of the engine, the bytes for the store and the acks, over several batches."""
    register, memory = directory(), Memory()
    engine = Folding(RULES, capacity=8)
    assembler, acks = Assembler(register, memory, engine.is_late), Acks(register, memory)
    engine.set_fleet([1, 2, 3], [False, True, False], [1.75, 0.5, float("nan")], {}, floors=[(-1, -1)] * 3)
    now = T0 + 60_000
    for said in batches:
        batch = assembler.assemble(said)
        check_rows(batch, len(register.fresh_labels()))
        check_refusals(batch)
        check_books(batch)
        for _, payload in acks.plan(batch, now_ms=now):
            assert {item.reason for item in decode_ack(payload).refused} <= REASONS.keys()
        engine.step(batch.for_engine(), now, batch.records(IN_ORDER))
        assert all(lift in (1, 2, 3) and first <= last for lift, first, last in sort_late(engine, batch))
        now += 1_000
    memory.restore(memory.snapshot())


RULES = default_rules()


def publishes() -> list[tuple[bytes, bytes]]:
    """Topic and payload of the PUBLISH packets among the seeds."""
    found = []
    for line in (DATA / "mqtt_packets.jsonl").read_text("utf-8").splitlines():
        packet = bytes.fromhex(json.loads(line)["hex"])
        if packet[0] >> 4 != PUBLISH >> 4:
            continue
        start = 1 + next(index for index in range(1, 5) if packet[index] < 0x80)
        size = int.from_bytes(packet[start : start + 2], "big")
        topic_end = start + 2 + size
        found.append((packet[start + 2 : topic_end], packet[topic_end + (2 if packet[0] & 6 else 0) :]))
    return found


SEEDS = publishes()


@pytest.mark.timeout(3_600 if LONG else 60)
@examples(100, 5_000)
@given(st.lists(st.tuples(st.sampled_from(SEEDS), st.binary(max_size=4), st.integers(0, 40)), max_size=10))
def test_a_publish_with_any_topic_goes_its_way(said: list[tuple[tuple[bytes, bytes], bytes, int]]) -> None:
    """Topics that are not UTF-8 or not ours end in the quarantine; the network thread never sees an error."""
    session = Session(
        MqttAddress.parse("mqtt://127.0.0.1:1"),
        client_id="x",
        subscriptions=(),
        mqtt5=False,
        wake=lambda: None,
        now_ms=lambda: T0,
    )
    for (topic, payload), more, place in said:
        session._on_message(session._client, None, publish(topic[:place] + more + topic[place:], payload + more))
    assert session.callback_errors == 0
    taken = session.take(messages=99, bytes_=10**6)
    batch = Assembler(directory(), Memory(), in_order).assemble(taken)
    assert len(batch.refusals) == len(said) == len(taken)
    check_refusals(batch)


def publish(topic: bytes, payload: bytes) -> MQTTMessage:
    message = MQTTMessage(mid=1, topic=topic)
    message.payload = payload
    return message


# --- the register's tables ---

OWN = (
    "device,kind,rescue_code,register_code,name,lon,lat,crs,floors,rated_speed_m_s,rated_load_kg,urban,installed_on,shard,firm,gateway\n"
    "t-1,lift,310115,31013301002012030001,Lift 1,120.15,30.25,GCJ-02,B1|1|2,1.75,1000,true,2012-03-05,7,安达电梯,\n"
    "t-2,escalator,310116,31013301002012030002,二号,,,,,0.5,,false,,8,,g-1\n"
    ',lift,310117,,"a ""name"", or so",120.1,30.2,WGS-84,1|2,2.5,630,,2020/1/2,,,g-1\n'
).encode()
SOURCES: list[tuple[ColumnMapping | None, bytes]] = [(None, OWN)] + [
    (shipped_mapping(name), (DATA / file).read_bytes())
    for name, file in (
        ("db-2018", "db_elevators_tech.csv"),
        ("fasta", "fasta_facilities.csv"),
        ("nyc", "nyc_elevators.csv"),
    )
]


def check_entry(entry: Entry) -> None:
    """What the register's table demands of a row."""
    assert entry.rescue_code is None or (len(entry.rescue_code) == 6 and entry.rescue_code.isdecimal())
    assert entry.register_code is None or (len(entry.register_code) == 20 and entry.register_code.isdecimal())
    assert entry.key
    assert (entry.lon is None) == (entry.lat is None)
    assert entry.lon is None or -180 <= entry.lon <= 180
    assert entry.lat is None or -90 <= entry.lat <= 90
    assert entry.rated_speed_m_s is None or 0 < entry.rated_speed_m_s <= 20
    assert entry.rated_load_kg is None or 0 < entry.rated_load_kg <= 20_000
    assert entry.shard is None or 0 <= entry.shard < SHARDS
    assert len(entry.firm) <= 200
    for name in (entry.device, entry.gateway):
        assert name is None or DEVICE.fullmatch(name)


@pytest.mark.timeout(3_600 if LONG else 60)
@examples(300, 15_000)
@given(st.sampled_from(SOURCES).flatmap(lambda source: st.tuples(st.just(source[0]), tables(source[1]))))
def test_a_table_is_read_or_refused_line_by_line(said: tuple[ColumnMapping | None, bytes]) -> None:
    """A file that cannot be an import says so; every line of any other becomes an entry within the register's limits, or a refusal with a reason."""
    mapping, raw = said
    try:
        table, mapping = prepare(raw, name="file.csv", mapping=mapping)
    except BadInput as bad:
        assert bad.what
        assert bad.expected
        return
    report = Report(file="", mapping="", encoding="", delimiter="", exercise=False, dry_run=False)
    for row in RowReader(table.header, mapping, today=date(2026, 1, 31)).read(records(table)):
        report.count(row.findings)
        if row.entry is not None:
            check_entry(row.entry)
        else:
            assert any(found.verdict == REFUSED and found.why and found.expected for found in row.findings)
    assert report.lines == report.accepted + report.repaired + report.refused


MAPPINGS = [
    (Path(__file__).parents[3] / "hoistway/registry/mappings" / f"{name}.toml").read_text("utf-8") for name in shipped()
]


@pytest.mark.timeout(3_600 if LONG else 60)
@examples(100, 10_000)
@given(
    st.sampled_from(MAPPINGS),
    st.lists(st.tuples(st.integers(0, 400), st.text(max_size=6), st.integers(0, 12)), max_size=3),
)
def test_a_mapping_is_read_or_refused(text: str, changes: list[tuple[int, str, int]]) -> None:
    """A mapping with parts cut out and others put in is used, or refused with what was expected."""
    for place, more, less in changes:
        text = text[:place] + more + text[place + less :]
    try:
        assert read_mapping(text, name="m.toml").name
    except BadInput as bad:
        assert bad.expected
