"""Overload: when it begins and ends, what is shed meanwhile, and that no alarm, no ack and no count suffers from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.language.reader import default_rules
from alarms.signals import Transition
from hoistway import wire
from hoistway.limits import (
    COALESCE_WITHIN_MS,
    EVENT_HOLES,
    MAX_GAP_MS,
    OVERLOAD_AFTER_MS,
    OVERLOAD_AGE_MS,
    OVERLOAD_BYTES,
    OVERLOAD_CALM_MS,
    OVERLOAD_UNACKNOWLEDGED,
    SLOW_ACKS,
    SLOW_S,
)
from hoistway.model import SIGNALS, SignalType
from ingest.acks import Acks
from ingest.assemble import Assembler
from ingest.assembled import IN_ORDER, Assembled, Gap
from ingest.coalesce import BANDS
from ingest.directory import Device, Directory
from ingest.folding import Folding
from ingest.memory import Memory
from ingest.overload import Load, Overload
from ingest.source import Message
from ingest.tally import Outcome
from tests.support.feed import FREED, TRAPPED, event, message, sample

T0 = 1_800_000_000_000
RULES = default_rules()
CALM = Load()


# --- when ---


def looks(overload: Overload, load: Load, *, since: int, until: int, every: int = 500) -> list[int]:
    """Look at the same load for a while; answers when an overload began or ended."""
    return [now for now in range(since, until + 1, every) if overload.look(load, now)]


@pytest.mark.parametrize(
    "load",
    [
        Load(unacknowledged=OVERLOAD_UNACKNOWLEDGED),
        Load(bytes_=OVERLOAD_BYTES),
        Load(oldest_ms=T0 - OVERLOAD_AGE_MS),
    ],
    ids=("messages", "bytes", "age"),
)
def test_an_overload_begins_when_any_measure_is_high_for_a_while(load: Load) -> None:
    """Not at the first look, and not when it was low in between."""
    overload = Overload()
    assert looks(overload, load, since=T0, until=T0 + 1_000) == []
    assert looks(overload, CALM, since=T0 + 1_500, until=T0 + 1_500) == []
    begin = T0 + 2_000
    assert looks(overload, load, since=begin, until=begin + 10_000) == [begin + OVERLOAD_AFTER_MS]
    assert overload.on
    assert overload.since_ms == begin + OVERLOAD_AFTER_MS


def test_an_overload_ends_when_all_measures_are_low_for_longer() -> None:
    """Between a quarter of a limit and the limit nothing changes, in either state."""
    overload, middle = Overload(), Load(unacknowledged=OVERLOAD_UNACKNOWLEDGED // 2)
    assert looks(overload, middle, since=T0, until=T0 + 100_000) == []
    looks(overload, Load(bytes_=OVERLOAD_BYTES), since=T0, until=T0 + OVERLOAD_AFTER_MS)
    assert looks(overload, middle, since=T0 + 10_000, until=T0 + 100_000) == []
    calm = T0 + 110_000
    assert looks(overload, CALM, since=calm, until=calm + 100_000) == [calm + OVERLOAD_CALM_MS]
    assert not overload.on


# --- what is shed ---


class City:
    """Two lifts with a terminal each, and one with two; assembler, engine and acks as the service uses them."""

    def __init__(self, *, shed: bool) -> None:
        self.directory, self.memory = Directory(), Memory()
        lifts = {"one": 1, "two": 2, "three": 3, "three-b": 3}
        self.directory.devices = {
            name: Device(id=number, device=name, shard=0, lift_id=lift)
            for number, (name, lift) in enumerate(lifts.items(), 1)
        }
        self.directory.devices_by_id = {device.id: device for device in self.directory.devices.values()}
        self.engine = Folding(RULES, capacity=8)
        self.assembler = Assembler(self.directory, self.memory, self.engine.is_late, self.engine.is_busy)
        self.assembler.coalescer.on = shed
        self.acks = Acks(self.directory, self.memory)
        self.said: list[Transition] = []
        self.stored: list[tuple[int, int]] = []  # device and seq
        self.gaps: list[Gap] = []
        self.received = self.counted = 0
        self.met: set[int] = set()

    def take(self, messages: Sequence[Message], now: int, *, overload: bool = True) -> list[wire.Ack]:
        """One batch, a tick behind it, and the acks that it called for."""
        batch = self.assembler.assemble(messages)
        self._meet(batch)
        acks = [wire.decode_ack(body) for _, body in self.acks.plan(batch, now_ms=now, overload=overload)]
        self.said += self.engine.step(batch.for_engine(), now, batch.records(IN_ORDER))
        self.said += self.engine.tick(now - now % 1_000)
        self.stored += zip(batch.keys["device_id"].tolist(), batch.keys["seq"].tolist(), strict=True)
        self.gaps += batch.gaps
        self.received += batch.tally.received.total()
        self.counted += sum(batch.tally.total(outcome) for outcome in Outcome)
        return acks

    def _meet(self, batch: Assembled) -> None:
        if new := batch.lifts() - self.met:
            self.met |= new
            lifts = sorted(self.met)
            self.engine.set_fleet(lifts, [False] * len(lifts), [1.75] * len(lifts), {})


def says(seq: int, at: int, *, device: str = "one", late_ms: int = 0, **values: Any) -> Message:
    return message("state", sample(seq, at - late_ms, **{**FREED, **values}), device=device, received=at)


def flood(city: City, seqs: Iterable[int], *, every_ms: int = 1_000, **values: Any) -> list[wire.Ack]:
    """One sample a batch; answers the acks."""
    return [ack for seq in seqs for ack in city.take([says(seq, T0 + seq * every_ms, **values)], T0 + seq * every_ms)]


def test_of_equal_samples_one_a_heartbeat_is_stored() -> None:
    """A minute and a half of the same, once a second: three are stored."""
    city = City(shed=True)
    flood(city, range(1, 91))
    within = COALESCE_WITHIN_MS // 1_000
    assert city.stored == [(1, 1), (1, 1 + within), (1, 1 + 2 * within)]
    assert city.received == city.counted == 90


def test_without_overload_nothing_is_shed() -> None:
    """The same stream with calm queues is stored whole."""
    city = City(shed=False)
    flood(city, range(1, 91))
    assert len(city.stored) == 90


@pytest.mark.parametrize("name", [item.name for item in SIGNALS if item.type is not SignalType.NUMBER and item.kind])
def test_a_change_of_a_discrete_signal_is_stored(name: str) -> None:
    """Each of them by itself, and the way back; also from and to unknown."""
    signal = next(item for item in SIGNALS if item.name == name)
    values = {SignalType.BOOL: (True, False), SignalType.ENUM: (1, 0), SignalType.LABEL: ("B1", "2")}[signal.type]
    city = City(shed=True)
    for seq, value in enumerate((values[0], values[0], values[1], values[1], values[0], None, None, values[1]), 1):
        city.take([says(seq, T0 + seq, **{name: value})], T0 + seq)
    assert {1, 3, 5, 6, 8} <= {seq for _, seq in city.stored}


@pytest.mark.parametrize("name", sorted(BANDS))
def test_a_number_that_moves_beyond_its_band_is_stored(name: str) -> None:
    """Counted from the stored sample, so that many small steps add up; unknown is another value."""
    band, city = BANDS[name], City(shed=True)
    steps = [1.0, 1.0 + band * 0.6, 1.0 + band * 1.2 + 0.001, 1.0 + band * 1.2 + 0.001, None]
    for seq, value in enumerate(steps, 1):
        city.take([says(seq, T0 + seq, **{name: value})], T0 + seq)
    assert {1, 3, 5} <= {seq for _, seq in city.stored}


def test_a_crawl_that_counts_as_moving_is_stored() -> None:
    """From just below to just above standing still is a change, however small."""
    city = City(shed=True)
    for seq, speed in enumerate((0.045, 0.055, 0.045), 1):
        city.take([says(seq, T0 + seq, speed=speed)], T0 + seq)
    assert len(city.stored) == 3


def test_a_lift_with_a_hold_or_an_alarm_is_never_shed() -> None:
    """From the one on that began the hold every sample is stored, through the alarm."""
    city = City(shed=True)
    flood(city, range(1, 61), **TRAPPED)
    assert [seq for _, seq in city.stored] == list(range(1, 61))
    assert any(RULES[row.rule].opens == "rescue" for row in city.said)


def test_what_is_old_or_of_another_terminal_is_stored() -> None:
    """A sample sent again, a backlog, a new boot and the second terminal of a lift are no repetition."""
    city = City(shed=True)
    city.take([says(5, T0)], T0)
    city.take([says(4, T0 + 10, late_ms=20), says(3, T0 + 10, late_ms=60_000)], T0 + 10)
    city.take([message("state", sample(1, T0 + 20, boot=2, **FREED), device="one", received=T0 + 20)], T0 + 20)
    city.take([says(1, T0 + 30, device="three"), says(1, T0 + 40, device="three-b")], T0 + 40)
    city.take([says(2, T0 + 50, device="three")], T0 + 50)
    assert city.received == 7
    assert len(city.stored) == 7


def test_a_shed_sample_is_covered_only_when_its_hole_was_given_up_on_record() -> None:
    """With too much above it the hole is given up, as any hole: a gap with a reason in the store, and the ack goes on."""
    city = City(shed=True)
    for seq in (1, 2):
        city.take([says(seq, T0 + seq)], T0 + seq)
    memory = city.memory.known(1, 1)
    assert memory is not None
    floors = [says(seq, T0 + seq, car_position=f"F{seq % 90}") for seq in range(3, EVENT_HOLES + 3)]
    city.take(floors, T0 + EVENT_HOLES)
    assert memory.state.contiguous == 1
    city.take([says(EVENT_HOLES + 3, T0 + EVENT_HOLES + 3, car_position="1")], T0 + EVENT_HOLES + 3)
    assert memory.state.contiguous == EVENT_HOLES + 3
    assert [(gap.first, gap.last, gap.reason) for gap in city.gaps] == [(2, 2, "given-up")]


# --- acks ---


def test_an_ack_covers_nothing_that_was_shed_and_asks_for_it_when_the_overload_is_over() -> None:
    """Meanwhile the device is asked for heartbeats and for nothing that is missing; then the holes are named, without `slow_s`."""
    city = City(shed=True)
    acks = flood(city, range(1, 100))
    assert [ack.slow_s for ack in acks] == [SLOW_S] * len(acks)
    assert {ack.state for ack in acks} == {1}
    assert {ack.missing for ack in acks} == {None}
    city.assembler.coalescer.on = False
    (over,) = city.take([says(100, T0 + 100_000)], T0 + 100_000, overload=False)
    assert over.slow_s is None
    assert over.state == 1
    assert over.missing is not None
    assert over.missing.state == [(2, 30), (32, 60), (62, 90), (92, 99)]


def test_events_that_are_missing_are_asked_for_during_an_overload() -> None:
    """Events are never slowed."""
    city = City(shed=True)
    (ack,) = city.take([message("event", event(2, T0, "41"), device="one", received=T0)], T0)
    assert ack.missing is not None
    assert ack.missing.event == [(1, 1)]


def test_only_so_many_acks_a_batch_begin_or_end_the_asking() -> None:
    """A fleet of 300 hears of it in two batches, and of the end in two."""
    city = City(shed=True)
    names = [f"d-{number}" for number in range(300)]
    city.directory.devices = {
        name: Device(id=number, device=name, shard=0, lift_id=number) for number, name in enumerate(names, 10)
    }
    city.directory.devices_by_id = {device.id: device for device in city.directory.devices.values()}

    def all_say(seq: int, *, overload: bool) -> int:
        at = T0 + seq * 1_000
        return len(city.take([says(seq, at, device=name) for name in names], at, overload=overload))

    assert all_say(1, overload=False) == 300  # the first of a boot
    assert [all_say(seq, overload=True) for seq in (2, 3, 4)] == [SLOW_ACKS, 300 - SLOW_ACKS, 0]
    city.assembler.coalescer.on = False
    assert [all_say(seq, overload=False) for seq in (5, 6, 7)] == [SLOW_ACKS, 300 - SLOW_ACKS, 0]


# --- any stream ---

PALETTE: tuple[dict[str, Any], ...] = (
    FREED,
    TRAPPED,
    {**TRAPPED, "passenger": None},
    {**FREED, "car_status": 1, "speed": 1.5, "door_status": 5, "door_closed": True, "door_zone": False},
    {**FREED, "car_status": 1, "speed": 2.4, "door_status": 4, "door_zone": False},
    {**FREED, "power": 2, "temperature": 48.0},
    {**FREED, "load": 900.0, "safety_chain": 1},
)
QUIET_MS = MAX_GAP_MS - COALESCE_WITHIN_MS
"""The documented tolerance: a lift that is silent for longer may count as silent up to a heartbeat earlier."""
STEP = st.tuples(
    st.sampled_from(("one", "one", "two", "three", "three-b")),
    st.sampled_from(range(len(PALETTE))),
    st.integers(1, 12),  # how often it is said
    st.sampled_from((100, 1_000, 3_000, 10_000, 29_000)),
    st.integers(1, 12),  # messages a batch
)


def play(city: City, story: Sequence[tuple[str, int, int, int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
    """Everything of a story in batches; every lift is heard often enough. Answers what was sent, by device and seq."""
    now, seqs, sent = T0, dict.fromkeys(city.directory.devices, 0), {}
    last = dict.fromkeys(city.directory.devices, 0)  # of the palette
    heard = dict.fromkeys(city.directory.devices, T0)
    covered = dict.fromkeys(city.directory.devices_by_id, 0)

    def tell(name: str) -> Message:
        seqs[name], heard[name] = seqs[name] + 1, now
        sent[city.directory.devices[name].id, seqs[name]] = PALETTE[last[name]]
        return message("state", sample(seqs[name], now, **PALETTE[last[name]]), device=name, received=now)

    for name, choice, times, every, together in story:
        last[name], waiting = choice, list[Message]()
        for number in range(times):
            now += every
            waiting += [tell(other) for other in heard if other != name and now - heard[other] >= QUIET_MS - 29_000]
            waiting.append(tell(name))
            if len(waiting) >= together or number == times - 1:
                city.take(waiting, now)
                waiting = []
    for (device_id, boot), memory in ((key, city.memory.known(*key)) for key in [(id_, 1) for id_ in covered]):
        top = 0 if memory is None else memory.state.contiguous
        assert all((device_id, seq) in city.stored for seq in range(1, top + 1)), (device_id, boot)
    return sent


@settings(deadline=None, max_examples=500 if os.environ.get("HOISTWAY_LONG") else 20)
@given(st.lists(STEP, min_size=1, max_size=6))
def test_alarms_of_what_is_left_are_the_alarms_of_everything(story: list[tuple[str, int, int, int, int]]) -> None:
    """Same transitions at the same times; every change is stored; no ack could cover what was shed; the books add up."""
    whole, shed = City(shed=False), City(shed=True)
    sent = play(whole, story)
    assert play(shed, story) == sent
    assert shed.received == shed.counted == len(sent)
    stored = set(shed.stored)
    for device_id, seq in sent:
        if (device_id, seq - 1) in sent and sent[device_id, seq] != sent[device_id, seq - 1]:
            assert (device_id, seq) in stored
    assert sorted(shed.said) == sorted(whole.said)
