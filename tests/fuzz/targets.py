"""What must hold for any bytes, one function a reader; a failed assertion or an undeclared error is a find. And what each begins from.

A target takes bytes and answers nothing. Knows no fuzzer: the plain tests run each over its seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from hoistway.errors import BadInput, RefusedMessage
from hoistway.gateway.terminals import Gateway
from hoistway.limits import BOOT_MAX, MESSAGE_BYTES, SEQ_MAX, TS_MAX_MS
from hoistway.wire import DOWN, REASONS, UP, parse_topic
from ingest.adapters.adapter import Adapter
from ingest.adapters.framing import Framer
from ingest.adapters.reading import entries
from ingest.adapters.spec import shipped, shipped_format
from ingest.decode import Decoded, decode_events, decode_link, decode_samples, storable_data, to_columns
from ingest.frames import PUBLISH, Frames, MalformedFrame, publish_of
from simulators.device import Device
from tests.support.feed import event, sample

DATA: Final = Path(__file__).parents[1] / "data"
NOW: Final = 1_795_521_600_000
FORMATS: Final = {name: shipped_format(name) for name in shipped()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One reader."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[str, ...] = ()  # what the fuzzer may paste in


def storable(text: str) -> bool:
    """Whether PostgreSQL takes it: UTF-8 without NUL."""
    return "\x00" not in text and text == text.encode("utf-8", "replace").decode("utf-8")


# --- payloads of the contract ---


def samples(data: bytes) -> None:
    """Records within the limits and columns of them, or a refusal with a reason of the contract."""
    decoded = _decoded(decode_samples, data)
    if decoded is not None:
        rows, faults = to_columns(decoded.records, lambda label: len(label) if label else -1)
        assert len(rows) == len(decoded.records)
        assert all(fault.fault == "out-of-range" and 0 <= index < len(rows) for index, fault in faults)


def events(data: bytes) -> None:
    """The same for events; what they carry besides can be stored."""
    decoded = _decoded(decode_events, data)
    for record in decoded.records if decoded else ():
        text = storable_data(record.data)
        assert storable(text)
        assert isinstance(json.loads(text), dict)


def link(data: bytes) -> None:
    """A link message within the limits, or a refusal."""
    try:
        found = decode_link(data)
    except RefusedMessage as refused:
        assert refused.reason in REASONS
        return
    assert 0 <= found.boot <= BOOT_MAX
    assert 0 <= found.conn <= SEQ_MAX


def _decoded(decode: Callable[[bytes], Decoded], data: bytes) -> Decoded | None:
    try:
        decoded = decode(data)
    except RefusedMessage as refused:
        assert refused.reason in REASONS
        assert refused.detail
        return None
    assert decoded.records
    for record in decoded.records:
        assert type(record.ts) is type(record.boot) is type(record.seq) is int
        assert 0 <= record.ts <= TS_MAX_MS
        assert 0 <= record.boot <= BOOT_MAX
        assert 1 <= record.seq <= SEQ_MAX
        assert record.lift is None or isinstance(record.lift, str)
    for fault in decoded.faults:
        assert storable(fault.field)
        assert storable(fault.value)
    return decoded


# --- MQTT packets ---


def packets(data: bytes) -> None:
    """A stream gives the same packets however it is torn; each PUBLISH is taken apart, or the connection is given up."""
    cut, stream = (data[0], data[1:]) if data else (0, b"")
    torn, whole = _fed(stream[:cut], stream[cut:]), _fed(stream)
    if torn is None or whole is None:
        assert whole is None  # torn, the packets before the bad one may have come out already
        return
    assert torn == whole
    for first, body in whole:
        if first & 0xF0 == PUBLISH:
            _taken_apart(first, body)


def _fed(*pieces: bytes) -> list[tuple[int, bytes]] | None:
    frames, found = Frames(), []
    try:
        for piece in pieces:
            found += frames.feed(piece)
    except MalformedFrame:
        return None
    assert frames.waiting <= sum(map(len, pieces))
    return found


def _taken_apart(first: int, body: bytes) -> None:
    for mqtt5 in (False, True):
        try:
            found = publish_of(first, body, mqtt5=mqtt5)
        except MalformedFrame:
            continue
        assert body.endswith(found.payload)
        assert 0 <= found.mid <= 0xFFFF
        topic = parse_topic(found.topic.decode("utf-8", "replace"))
        assert topic is None or topic.leaf in (*UP, *DOWN)


# --- foreign formats ---


def terminals(data: bytes) -> None:
    """A terminal's bytes, torn as the first byte says, become records that the contract's own reader takes, and short answers."""
    device = Device("gw-1", boot=3)
    device.up(NOW)
    gateway = Gateway(FORMATS["json-tcp"], device, {"mx_1": "310115", "mx_2": "310116"})
    terminal, size = gateway.terminal(NOW), data[0] + 1 if data else 1
    framer, torn = Framer(), Framer()
    texts = [str(text) for text in framer.feed(data[1:])]  # a frame that is too long is a fault
    assert [str(text) for piece in _pieces(data[1:], size) for text in torn.feed(piece)] == texts
    assert framer.skipped == torn.skipped
    for number, piece in enumerate(_pieces(data[1:], size)):
        answer = terminal.feed(piece, NOW + number)
        assert sum(map(len, answer.frames)) < 1_000
    for message in device.outgoing(NOW + 60_000):
        _accepted(message.leaf, message.payload)


def adapters(data: bytes) -> None:
    """A file of a foreign format, named by its first byte: each record is one that the contract's own reader takes."""
    names = sorted(FORMATS)
    spec = FORMATS[names[data[0] % len(names)]] if data else FORMATS[names[0]]
    adapter = Adapter(spec, boot=1, received_ms=NOW)
    for entry in entries(data[1:]):
        told = adapter.line(entry)
        for leaf, records in (("state", told.samples), ("event", told.events)):
            for record in records:
                _accepted(leaf, msgspec.json.encode(record))
        assert all(isinstance(error, BadInput) for error in told.bad)
        assert all(storable(odd.field) for odd in told.odd)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _accepted(leaf: str, payload: bytes) -> None:
    if leaf == "link":
        decode_link(payload)
        return
    decoded = (decode_samples if leaf == "state" else decode_events)(payload)
    assert len(payload) <= MESSAGE_BYTES
    assert [fault for fault in decoded.faults if fault.fault == "bad-type"] == []


# --- what they begin from ---


def _samples() -> Iterator[bytes]:
    one = sample(1, NOW, passenger=True, door_status=2, speed=0.5, load=75.0, car_position="B1", temperature=21.5)
    yield from (
        json.dumps(what).encode() for what in (one, [one, sample(2, NOW, lift="310115")], {**one, "speed": "fast"})
    )


def _events() -> Iterator[bytes]:
    one = event(1, NOW, "90")
    yield from (
        json.dumps(what).encode() for what in (one, [one, event(2, NOW, "self-test")], {**one, "data": {"a": [1]}})
    )


def _links() -> Iterator[bytes]:
    one = {"online": True, "boot": 1, "conn": 2, "ts": NOW}
    yield json.dumps(one).encode()
    yield json.dumps({**one, "gone": {"state": [[1, 4]], "event": [[2, 2]]}}).encode()


def _packets() -> Iterator[bytes]:
    lines = (DATA / "mqtt_packets.jsonl").read_text("utf-8").splitlines()
    found = [bytes.fromhex(json.loads(line)["hex"]) for line in lines]
    yield from (b"\x05" + packet for packet in found)
    yield b"\x40" + b"".join(found)


def _terminals() -> Iterator[bytes]:
    said = [
        {"type": "login", "eid": "mx_1"},
        {"type": "info", "data": {"door": 0, "haspeople": 1, "inposition": 1, "fault": ["困人"]}},
        {"type": "heartbeat"},
    ]
    framed = [b"#10#" + json.dumps(what, ensure_ascii=False).encode() + b"#13#" for what in said]
    yield b"\xff" + b"".join(framed)
    yield b"\x06" + framed[0] + b"noise" + framed[1]
    yield from (b"\x20" + line for line in (DATA / "foreign/json-tcp.jsonl").read_bytes().splitlines())


def _adapters() -> Iterator[bytes]:
    yield b'\x03{"type": "info", "mess\\ud800age": 1}'  # found: a field's name that cannot be printed
    for number, name in enumerate(sorted(FORMATS)):
        content = (DATA / f"foreign/{name}.jsonl").read_bytes()
        yield bytes([number]) + content
        yield from (bytes([number]) + line for line in content.splitlines())


_RECORD_WORDS: Final = (
    '"ts":',
    '"boot":',
    '"seq":',
    '"lift":',
    "null",
    "true",
    "1e999",
    "9007199254740993",
    "\\ud800",
    "\\u0000",
)
TARGETS: Final = {
    "samples": Target(run=samples, seeds=_samples, words=_RECORD_WORDS),
    "events": Target(run=events, seeds=_events, words=(*_RECORD_WORDS, '"code":', '"active":', '"data":')),
    "link": Target(run=link, seeds=_links, words=('"online":', '"conn":', '"gone":', "[[1,2]]", "-1", "null")),
    "packets": Target(run=packets, seeds=_packets),
    "terminals": Target(run=terminals, seeds=_terminals, words=("#10#", "#13#", '"type":', '"data":', '"fault":')),
    "adapters": Target(
        run=adapters, seeds=_adapters, words=("null", "1e999", "-1", '""', "[]", "{}", "\\ud800", "#10#")
    ),
}
