"""Random record streams, and the two engines run over them. For the property tests in this folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from alarms.engine import Engine
from alarms.rules import Rule, RuleSet
from alarms.signals import (
    BY_DEVICE,
    BY_RULE,
    CHANGE,
    CLEAR,
    CONTACT_DTYPE,
    EVENT_DTYPE,
    EVENT_INDEX,
    PROMOTE,
    RAISE,
    Batch,
    Transitions,
    unknown_samples,
)
from tests.pure.alarms.made_up_rules import own_numbers
from tests.pure.slow_engine.city import City, Record, plain_rules, plain_values
from tests.pure.slow_engine.hours import UTC, Zone
from tests.pure.slow_engine.lift import Lift, Said

START = 1_700_000_000_000
"""A Tuesday, 22:13:20 UTC."""
KINDS = {RAISE: "RAISE", CLEAR: "CLEAR", PROMOTE: "PROMOTE", CHANGE: "CHANGE"}
WITNESSES = {BY_RULE: ("rule",), BY_DEVICE: ("device",), BY_RULE | BY_DEVICE: ("device", "rule")}
FLEET: dict[int, tuple[bool, float, dict[str, float], tuple[int, int]]] = {
    0: (False, 1.75, {}, (1, 5)),
    3: (False, float("nan"), {"limit": 0.5}, (-1, -1)),
    7: (True, 0.5, {}, (-1, -1)),
    12: (False, 4.0, {}, (2, -1)),
}
"""slot: (escalator, rated speed, own parameters, labels of the lowest and the highest floor)."""
ZONES: tuple[Zone, ...] = (
    UTC,
    ((-(2**62), 28_800_000),),
    ((-(2**62), 28_800_000), (START + 130_000, 32_400_000)),
    ((-(2**62), 28_800_000), (START + 70_000, 25_200_000), (START + 310_000, 28_800_000)),
)
"""UTC, eight hours east, and clocks that are put forward and back."""

CODES = ("90", "41", "04", "entrapment", "62", "44", "40")


def new_engine(rules: RuleSet, stream: Stream, capacity: int = 4) -> Engine:
    """The fast engine with the fleet of the stream; a restored one needs only the zone."""
    engine = Engine(rules, capacity=capacity, zone=stream.zone)
    engine.listening(START)
    engine.set_fleet(
        list(FLEET), [fleet[0] for fleet in FLEET.values()], [fleet[1] for fleet in FLEET.values()],
        {slot: {**fleet[2], **stream.own.get(slot, {})} for slot, fleet in FLEET.items()},
        floors=[fleet[3] for fleet in FLEET.values()],
    )  # fmt: skip
    return engine


@dataclass(frozen=True, kw_only=True)
class Stream:
    records: tuple[Record, ...]  # also ("listen", since)
    ticks: tuple[int, ...]  # latest tick allowed after record i
    end: int
    own: dict[int, dict[str, float]] = field(default_factory=dict)  # by slot, beside the fleet's
    zone: Zone = UTC

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:  # how hypothesis shows it
        last = f"end {self.end - START} own {self.own} zone {[(since - START, offset) for since, offset in self.zone]}"
        printer.text("\n".join(["", *(_told(record) for record in self.records), last]))


def _told(record: Record) -> str:
    *rest, last = (value - START if isinstance(value, int) and value > START - 10**9 else value for value in record)
    if record[0] == "sample":
        last = {name: value for name, value in plain_values(last[0]).items() if value is not None}
    return f"{rest} {last}"


_STEPS = (
    0, 0, 1, 10, 999, 1_000, 1_000, 2_000, 5_000, 10_000, 10_000, 20_000, 30_000, 45_000, 60_000, 89_999, 90_000, 90_001, 181_000,
)  # fmt: skip
_yes_no = st.sampled_from((1, 1, 0, 0, -1))


@st.composite
def _palette(draw: st.DrawFn) -> Any:
    row = unknown_samples(1)
    if draw(st.booleans()):  # near the interesting place: somebody stands in a stopped lift
        fixed = {
            "passenger": draw(st.sampled_from((1, 1, -1))),
            "car_status": 0,
            "door_zone": draw(_yes_no),
            "door_closed": 1,
        }
        fixed["service_mode"] = draw(st.sampled_from((1, 2, 2, -1)))
        fixed["load"] = draw(st.sampled_from((0, 140, 151.5)))
        for name, value in fixed.items():
            row[name] = value
        return row
    for name in ("passenger", "car_status", "door_zone", "door_closed", "brake"):
        row[name] = draw(_yes_no)
    row["door_status"] = draw(st.sampled_from((-1, -1, 0, 2, 4, 5)))
    row["service_mode"] = draw(st.sampled_from((1, 1, 2, 3, 7, -1)))
    row["power"] = draw(st.sampled_from((1, 2, -1)))
    row["speed"] = draw(st.sampled_from((0.0, 0.05, 0.06, -2.5, 2.1, float("nan"), float("nan"))))
    row["load"], row["people"] = draw(st.sampled_from(((140, 2), (150, 2), (10, 0), (float("nan"), 1))))
    row["car_position"] = draw(st.sampled_from((-1, 1, 2, 5)))
    row["field_faults"] = draw(st.sampled_from((0, 0, 0, 2)))
    row["clock_error"] = draw(st.sampled_from((float("nan"), -3.0, 0.5)))
    return row


_VARIANTS = (
    ("passenger", (1, 0, -1)), ("passenger", (1, 0)), ("service_mode", (1, 2, 7)), ("door_zone", (0, 1, -1)), ("car_position", (1, 2, 5, -1)),
    ("door_status", (2, 4, 0)), ("speed", (0.0, 0.3, -2.5)), ("load", (140, 151.5, float("nan"))), ("brake", (0, 1)), ("field_faults", (0, 1)),
)  # fmt: skip


def _variant(draw: st.DrawFn, row: Any) -> Any:
    """The same sample but for one signal."""
    row = row.copy()
    name, values = draw(st.sampled_from(_VARIANTS))
    row[name] = draw(st.sampled_from(values))
    return row


def _parts(kind: str, wait: int, choice: int) -> list[tuple[int, int]]:
    """Pauses, and which of the palette comes: one record; a run of heartbeats, then another value; a quick to and fro; one value
    again and again; or a value, another one, and the first again as old as a value may be, or a millisecond older."""
    if kind == "run":
        return [(wait, 0), *[(30_000, 0)] * (1 + choice % 6), (10_000, 1)]
    if kind == "burst":
        return [(wait, 0), *[(1_000 + 700 * (choice % 3), step % 2) for step in range(1, 3 + choice % 6)]]
    if kind == "beat":
        return [(wait, 0), *[(2_500, 0)] * (2 + choice)]
    return [(wait, 0), (1_000, 1), (89_000 + choice % 2, 0)] if kind == "echo" else [(wait, 0)]


@st.composite
def streams(draw: st.DrawFn, most: int = 40, lifts: tuple[int, ...] = (0, 0, 0, 3, 3, 12, 7)) -> Stream:
    """A few lifts, one clock: samples, events, link messages, deafness; late device times, ties, gaps, bursts."""
    palette = [draw(_palette())]
    for _ in range(draw(st.integers(1, 3))):
        palette.append(_variant(draw, palette[-1]) if draw(st.booleans()) else draw(_palette()))
    slots = draw(st.lists(st.sampled_from(lifts), min_size=1, max_size=3))
    what = st.sampled_from(
        ("sample",) * 4
        + (
            "run",
            "burst",
            "burst",
            "beat",
            "echo",
            "echo",
            "event",
            "event",
            "event",
            "event",
            "link",
            "listen",
            "wave",
        )
    )
    step = st.tuples(
        st.sampled_from(_STEPS),
        st.sampled_from(slots),
        what,
        st.integers(0, 11),
        st.sampled_from((0, 0, 0, 0, 5, 3_000, 40_000)),
    )
    now, records, times = START, [], []
    for wait, slot, kind, choice, lag in [
        item for _ in range(3) for item in draw(st.lists(step, min_size=1, max_size=most // 3))
    ]:
        for pause, change in _parts(kind, wait, choice):
            now += pause
            for each in sorted(set(lifts)) if kind == "wave" else (slot,):
                records.append(_record(kind, each, now - lag, now, choice + change, palette))
                times.append(now if kind in {"link", "listen"} else now - lag)
    order = {"listen": -1, "link": 0, "event": 1, "sample": 2}
    place = sorted(range(len(records)), key=lambda i: (_received(records[i]), order[records[i][0]], i))
    records, times = [records[i] for i in place], [times[i] for i in place]
    for index, record in enumerate(records):
        if record[0] == "listen":  # nobody ticks while the server is deaf: from the record before
            times[index] = max(map(_received, records[:index]), default=START)
    end = now + draw(st.sampled_from((0, 100_000, 400_000)))
    later = [min(times[index + 1 :], default=end) for index in range(len(times))]
    own = {slot: draw(own_numbers()) for slot in sorted(set(slots)) if draw(st.booleans())}
    return Stream(records=tuple(records), ticks=tuple(later), end=end, own=own, zone=draw(st.sampled_from(ZONES)))


def _received(record: Record) -> int:
    return int(record[{"listen": 1, "link": 2}.get(record[0], 3)])


def _record(kind: str, slot: int, at: int, now: int, choice: int, palette: list[Any]) -> Record:
    if kind in {"sample", "run", "burst", "beat", "echo", "wave"}:
        return ("sample", slot, at, now, palette[choice % len(palette)])
    if kind == "event":
        return ("event", slot, at, now, CODES[choice // 2 % len(CODES)], choice % 2 == 0)
    return ("link", slot, now, (True, False, None)[choice % 3]) if kind == "link" else ("listen", now)


Answers = dict[int, tuple[list[Said], list[Said]]]
"""By slot what the rules with a hold said and what the silent rules said: each in its order, on its own clock."""


def in_order(said: list[Said], rules: RuleSet) -> tuple[list[Said], list[Said]]:
    silent = {rule.id for rule in rules if rule.silent_for_ms is not None}
    return [item for item in said if item.rule not in silent], [item for item in said if item.rule in silent]


def slow(rules: RuleSet, stream: Stream) -> Answers:
    """What the plain engine says, with a tick only at the end and when the server falls deaf."""
    plain = plain_rules(rules)
    city = City(
        {
            slot: Lift(
                plain,
                escalator=escalator,
                rated_speed=None if np.isnan(rated) else rated,
                parameters={**own, **stream.own.get(slot, {})},
                enrolled=START,
                floors=(None if low < 0 else low, None if high < 0 else high),
                zone=stream.zone,
            )
            for slot, (escalator, rated, own, (low, high)) in FLEET.items()
        }
    )
    for index, record in enumerate(stream.records):
        if record[0] == "listen":
            city.tick(stream.ticks[index - 1] if index else START)
            for lift in city.lifts.values():
                lift.listening(record[1])
        elif record[0] == "sample":
            city.feed((*record[:4], plain_values(record[4][0])))
        else:
            city.feed(record)
    city.tick(stream.end)
    return {slot: in_order(said, rules) for slot, said in city.said().items()}


def batch_of(records: Sequence[Record]) -> Batch:
    samples = [_stamped(record) for record in records if record[0] == "sample"]
    events = [(r[1], r[2], r[3], EVENT_INDEX[r[4]], int(r[5])) for r in records if r[0] == "event"]
    links = [(r[1], r[2], -1 if r[3] is None else int(r[3])) for r in records if r[0] == "link"]
    return Batch(
        samples=np.concatenate([unknown_samples(0), *samples]),
        events=np.array(events, EVENT_DTYPE),
        contacts=np.array(links, CONTACT_DTYPE),
    )


def _stamped(record: Record) -> Any:
    row = record[4].copy()
    row["slot"], row["at"], row["received"] = record[1:4]
    return row


def fast(rules: RuleSet, stream: Stream, *, cuts: set[int], ticks: set[int], restarts: set[int]) -> Answers:
    """What the engine says when batches end after the records in `cuts`; a tick or a restart may follow there."""
    engine = new_engine(rules, stream)
    said: dict[int, list[Said]] = defaultdict(list)
    waiting: list[Record] = []

    def flush(now: int) -> None:
        if waiting:
            note(said, rules, engine.step(batch_of(waiting), now))
            waiting.clear()

    for index, record in enumerate(stream.records):
        if record[0] == "listen":
            flush(record[1])
            note(said, rules, engine.tick(stream.ticks[index - 1] if index else START))
            engine.listening(record[1])
        else:
            waiting.append(record)
        if index in cuts | ticks | restarts:
            flush(START)
        if index in ticks:
            note(said, rules, engine.tick(stream.ticks[index]))
        if index in restarts:
            blob, engine = engine.snapshot(), Engine(rules, capacity=1, zone=stream.zone)
            assert engine.restore(blob) == ()
    flush(stream.end)
    note(said, rules, engine.tick(stream.end))
    return {slot: in_order(said.get(slot, []), rules) for slot in FLEET}


def note(said: dict[int, list[Said]], rules: Sequence[Rule] | RuleSet, transitions: Transitions) -> None:
    for slot, rule, kind, at, start, demoted, level, witnesses in transitions:
        said[slot].append(Said(rules[rule].id, KINDS[kind], at, start, demoted, level, WITNESSES[witnesses]))
