"""Messages to records with what cannot be used in them, read by the platform's own decoders. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from hoistway import wire
from hoistway.errors import RefusedMessage
from hoistway.model import EVENT_CODE, SIGNALS, Kind
from ingest.conformance.findings import Notes
from ingest.conformance.heard import Facts, Heard, LiftFacts
from ingest.decode import Decoded, FieldFault, decode_events, decode_link, decode_samples, to_columns

_RULE_OF: Final = {"bad-type": "field-type", "out-of-range": "field-range", "extra": "field-unknown"}
UNDER_WAY_MS: Final = 10_000
"""What left the device before it had read what was sent to it may still come so long after."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One sample or event, each time that it came."""

    leaf: str
    boot: int
    seq: int
    ts: int
    lift: str  # rescue code that the record names; empty: the terminal's own lift
    at_ms: int
    value: Any  # as decoded
    content: bytes  # everything but the number, in one form: what must not differ when it is sent again


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkHeard:
    link: wire.Link
    at_ms: int
    retained: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AckHeard:
    ack: wire.Ack
    at_ms: int


@dataclass(kw_only=True, slots=True)
class Told:
    """What was heard, sorted by kind, each in order of arrival."""

    records: list[Record] = field(default_factory=list)
    links: list[LinkHeard] = field(default_factory=list)
    acks: list[AckHeard] = field(default_factory=list)
    resends: list[tuple[int, wire.Command]] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # of each live message of the device

    @property
    def boot(self) -> int | None:
        """The device's present boot: what its last link message said, else the highest heard of."""
        named = [item.link.boot for item in self.links if item.link.gone is None]
        return named[-1] if named else max((record.boot for record in self.records), default=None)


def read(heard: list[Heard], facts: Facts, notes: Notes) -> Told:
    """Read every message; what cannot be used is noted."""
    told = Told()
    refused: dict[str, int] = {}
    for message in heard:
        topic = wire.parse_topic(message.topic)
        if topic is None or topic.device != facts.device:
            continue
        if topic.leaf in wire.DOWN:
            _down(message, topic.leaf, told, refused)
            continue
        if not message.retained:
            told.times.append(message.at_ms)
        _form(message, topic.leaf, notes)
        digest = _digest(message.payload)
        if message.at_ms - refused.get(digest, message.at_ms) > UNDER_WAY_MS:
            notes.note("refused-again", message.at_ms, topic=topic.leaf, sha256_8=digest)
        try:
            _up(message, topic, told, facts, notes)
        except RefusedMessage as why:
            notes.note("unreadable", message.at_ms, subject=why.reason, topic=topic.leaf, detail=why.detail)
    return told


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).digest()[:8].hex()


def _form(message: Heard, leaf: str, notes: Notes) -> None:
    if message.qos == 0:
        notes.note("qos", message.at_ms, subject=leaf, topic=leaf)
    if message.retained and leaf != "link":
        notes.note("retained", message.at_ms, subject=leaf, topic=leaf)


def _down(message: Heard, leaf: str, told: Told, refused: dict[str, int]) -> None:
    try:
        if leaf == "ack":
            ack = wire.decode_ack(message.payload)
            told.acks.append(AckHeard(ack=ack, at_ms=message.at_ms))
            for one in ack.refused:
                refused.setdefault(one.sha256_8, message.at_ms)
        else:
            command = wire.decode_command(message.payload)
            if command.cmd == "resend":
                told.resends.append((message.at_ms, command))
    except msgspec.MsgspecError:
        return  # not the device's fault


def _up(message: Heard, topic: wire.Topic, told: Told, facts: Facts, notes: Notes) -> None:
    leaf = topic.leaf
    if topic.shard != facts.shard:
        raise RefusedMessage("wrong-shard", f"shard {topic.shard}, enrolled in {facts.shard}")
    if leaf == "link":
        link = decode_link(message.payload)
        told.links.append(LinkHeard(link=link, at_ms=message.at_ms, retained=message.retained))
        return
    decoded = decode_samples(message.payload) if leaf == "state" else decode_events(message.payload)
    lifts = [_lift_of(facts, record.lift) for record in decoded.records]
    for fault in _faults(decoded, leaf):
        notes.note(_RULE_OF[fault.fault], message.at_ms, subject=fault.field, field=fault.field, value=fault.value)
    if message.retained:
        return
    for value, lift in zip(decoded.records, lifts, strict=True):
        _equipment(value, leaf, lift, message.at_ms, notes)
        told.records.append(
            Record(
                leaf=leaf,
                boot=value.boot,
                seq=value.seq,
                ts=value.ts,
                lift=value.lift or "",
                at_ms=message.at_ms,
                value=value,
                content=wire.encode(value),
            )
        )


def _lift_of(facts: Facts, named: str | None) -> LiftFacts:
    if facts.gateway and named is None:
        raise RefusedMessage("lift-missing", f"gateway {facts.device!r} must name the lift of each record")
    lift = facts.lift(named)
    if lift is None:
        raise RefusedMessage("foreign-lift", f"lift {str(named)[:20]!r} is not of device {facts.device!r}")
    return lift


def _faults(decoded: Decoded, leaf: str) -> list[FieldFault]:
    if leaf == "event":
        return decoded.faults
    return [*decoded.faults, *(fault for _, fault in to_columns(decoded.records, _label_id)[1])]


def _label_id(label: str) -> int:
    """Any number for a floor that can be displayed, -1 for one that cannot."""
    return 0 if 1 <= len(label) <= 4 and label.isprintable() else -1


def fields_of(value: Any) -> frozenset[str]:
    """The signals that a sample knows."""
    return frozenset(signal.name for signal in SIGNALS if getattr(value, signal.name) is not None)


def _equipment(value: Any, leaf: str, lift: LiftFacts, at_ms: int, notes: Notes) -> None:
    """What only the other kind of equipment has."""
    kind = Kind.ESCALATOR if lift.escalator else Kind.LIFT
    if leaf == "event":
        if EVENT_CODE[value.code].kind is not kind:
            notes.note("equipment", at_ms, subject=value.code, field=value.code, kind=kind)
        return
    for signal in SIGNALS:
        if signal.kind not in (None, kind) and getattr(value, signal.name) is not None:
            notes.note("equipment", at_ms, subject=signal.name, field=signal.name, kind=kind)
