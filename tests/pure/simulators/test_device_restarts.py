"""The reference library over restarts: no record is lost, renumbered or altered, whatever happens to acks, messages and power."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hoistway import wire
from hoistway.limits import CLOCK_STEP_MS, HEARTBEAT_S
from simulators.device import RESEND_MOST_MS, Device, Message, ranges

Key = tuple[int, str]
RING = 6


class Server:
    """Accepts per boot and stream, answers each message with an ack of its boot."""

    def __init__(self) -> None:
        self.accepted: dict[Key, dict[int, Any]] = defaultdict(dict)
        self.gone: dict[Key, set[int]] = defaultdict(set)

    def take(self, message: Message, now: int) -> bytes:
        read = json.loads(message.payload)
        if message.leaf == "link":
            for leaf, pairs in read.get("gone", {}).items():
                self.gone[read["boot"], leaf].update(seq for first, last in pairs for seq in range(first, last + 1))
            return self.ack(read["boot"], now)
        for record in read if isinstance(read, list) else [read]:
            known = self.accepted[record["boot"], message.leaf].setdefault(record["seq"], record)
            assert known == record, "a number never carries other content"
            boot = record["boot"]
        return self.ack(boot, now)

    def ack(self, boot: int, now: int) -> bytes:
        upto, missing = {}, {}
        for leaf in ("state", "event"):
            have, seq = self.accepted[boot, leaf].keys() | self.gone[boot, leaf], 0
            while seq + 1 in have:
                seq += 1
            upto[leaf] = seq
            missing[leaf] = ranges(set(range(seq + 1, max(self.accepted[boot, leaf], default=0))) - have)
        return wire.encode(wire.Ack(boot=boot, ts=now, missing=wire.Missing(**missing), **upto))


class Rig:
    """A device, the server, and the line between them with acks that wait."""

    def __init__(self) -> None:
        self.device, self.server, self.now = Device("d", boot=1, ring=RING), Server(), 1_000
        self.made: dict[Key, dict[int, Any]] = defaultdict(dict)
        self.first_sent: dict[Key, list[int]] = defaultdict(list)
        self.waiting: list[bytes] = []
        self.dropped = 0

    def event(self) -> None:
        self.device.report("90", True, self.now)
        seq = self.device.event.seq
        self.made[self.device.boot, "event"][seq] = json.loads(self.device.event.kept[seq])

    def sample(self) -> None:
        before = list(self.device.state.kept)
        self.device.sample({"load": self.now}, self.now)
        seq = self.device.state.seq
        self.made[self.device.boot, "state"][seq] = json.loads(self.device.state.kept[seq])
        if len(before) == RING:
            self.dropped += 1
            assert list(self.device.state.kept) == [*before[1:], seq], "only the oldest goes"
        assert self.device.state.dropped == self.dropped, "and is counted"

    def restart(self) -> None:
        self.device = Device.restarted("d", json.loads(json.dumps(self.device.snapshot())), ring=RING)
        self.dropped = 0

    def connect(self) -> None:
        self.device.connecting(self.now)
        self.device.up(self.now)

    def exchange(self, *, arrives: bool = True, ack: str = "now") -> None:
        """Send what is due; each answer comes now, later, twice or never."""
        for message in self.device.outgoing(self.now):
            self.note(message)
            if not arrives:
                continue
            answer = self.server.take(message, self.now)
            if ack in ("now", "twice"):
                self.device.receive("ack", answer, self.now)
            if ack in ("later", "twice"):
                self.waiting.append(answer)

    def late_acks(self, pick: int) -> None:
        """One of the acks that waited comes, in any order."""
        if self.waiting:
            self.device.receive("ack", self.waiting.pop(pick % len(self.waiting)), self.now)

    def note(self, message: Message) -> None:
        if message.leaf == "link":
            return
        read = json.loads(message.payload)
        records = read if isinstance(read, list) else [read]
        assert [record["seq"] for record in records] == sorted(record["seq"] for record in records)
        for record in records:
            key = (record["boot"], message.leaf)
            assert record == self.made[key][record["seq"]], "sent again as it was made"
            if record["seq"] not in self.first_sent[key]:
                assert record["seq"] > max(self.first_sent[key], default=0), "in the order of seq"
                self.first_sent[key].append(record["seq"])

    def nothing_lost(self) -> None:
        """An event leaves the ring only when the server has it."""
        for (boot, leaf), made in self.made.items():
            if leaf == "event":
                stream = self.device.events.get(boot)
                assert (
                    made.keys() - (stream.kept.keys() if stream else set()) <= self.server.accepted[boot, leaf].keys()
                )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.booleans(), st.sampled_from(["now", "later", "twice", "never"])),
        st.tuples(st.just("sample"), st.booleans(), st.sampled_from(["now", "later", "twice", "never"])),
        st.tuples(st.just("wait"), st.booleans(), st.sampled_from(["now", "later", "twice", "never"])),
        st.tuples(st.sampled_from(["connect", "down", "restart"]), st.booleans(), st.just("never")),
        st.tuples(st.just("late ack"), st.booleans(), st.just("never")),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(STEPS, st.integers(0, 1_000))
def test_every_record_is_sent_again_until_it_is_acknowledged(steps: list[tuple[str, bool, str]], pick: int) -> None:
    """Acks lost, late, doubled, reordered, restarts at any time: no event is lost, nothing is renumbered, order is kept."""
    rig = Rig()
    for number, (what, arrives, ack) in enumerate(steps):
        rig.now += 900
        if what == "event":
            rig.event()
        elif what == "sample":
            rig.sample()
        elif what == "connect" and not rig.device.connected:
            rig.connect()
        elif what == "down":
            rig.device.down()
        elif what == "restart":
            rig.restart()
        elif what == "late ack":
            rig.late_acks(pick + number)
        else:
            rig.now += RESEND_MOST_MS
        rig.exchange(arrives=arrives, ack=ack)
        rig.nothing_lost()
    rig.connect()
    rig.sample()  # shows the server what is missing before it
    for _ in range(5):
        rig.now += RESEND_MOST_MS
        rig.exchange()
        rig.nothing_lost()
    for key, made in rig.made.items():
        if key[1] == "event":
            assert rig.server.accepted[key] == made
    assert list(rig.device.events) == [rig.device.boot], "nothing of earlier boots is left"
    assert not rig.device.event.kept
    assert rig.device.state.acked == rig.device.state.seq


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_events_beyond_their_bound_go_oldest_first_and_are_declared(reports: list[int]) -> None:
    """With room for five events over all boots the newest five stay; each one that went is counted and declared gone."""
    device, made = Device("d", boot=1, events=5), []
    for number, count in enumerate(reports):
        if number:
            device = Device.restarted("d", json.loads(json.dumps(device.snapshot())), events=5)
        for _ in range(count):
            device.report("90", True, 1)
            made.append((device.boot, device.event.seq))
    kept = [(boot, seq) for boot, stream in device.events.items() for seq in stream.kept]
    assert kept == made[-5:]
    device.connecting(1)
    device.up(1)
    links = [json.loads(message.payload) for message in device.outgoing(1) if message.leaf == "link"]
    gone = [
        (link["boot"], seq)
        for link in links
        for first, last in link.get("gone", {}).get("event", [])
        for seq in range(first, last + 1)
    ]
    assert gone == made[:-5]
    assert sum(stream.dropped for stream in device.events.values()) == len(made[:-5])
    assert links[-1]["boot"] == device.boot, "the last word, which the broker keeps, is of the present boot"


def test_a_server_that_forgot_an_old_boot_is_answered() -> None:
    """The server names as missing what it had accepted long ago: declared gone, and the event above is taken."""
    device = Device("d", boot=1)
    for _ in range(3):
        device.report("90", True, 1)
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=2, state=0, ts=1)), 1)
    device = Device.restarted("d", device.snapshot())
    device.connecting(1)
    device.up(1)
    device.outgoing(1)
    missing = wire.Missing(event=[(1, 2)])
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=0, ts=1, missing=missing)), 2)
    links = [json.loads(message.payload) for message in device.outgoing(3)]
    assert links[0]["gone"] == {"event": [[1, 2]]}
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=3, state=0, ts=1)), 4)
    assert list(device.events) == [2]


def test_the_clock_goes_by_the_server_s() -> None:
    """The first ack sets a clock that begins at 1970; small differences are the network's; stamps stand rather than go back."""
    device, server = Device("d", boot=1), 1_795_406_400_000
    assert device.stamp(2_000) == 2_000
    device.receive("ack", wire.encode(wire.Ack(boot=0, event=0, state=0, ts=server)), 3_000)
    assert device.stamp(3_000) == server
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=0, ts=server + 1_500)), 5_000)
    assert device.stamp(5_000) == server + 2_000, "half a second is the network's"
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=0, ts=server + 4_000)), 8_000)
    assert device.stamp(8_000) == server + 5_000, "exactly one second is as well"
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=0, ts=server + 3_900)), 8_900)
    assert device.stamp(8_900) == server + 5_000, "two seconds ahead: it stands until the server has caught up"
    assert device.stamp(11_000) == server + 6_000
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=0, ts=server - CLOCK_STEP_MS)), 12_000)
    assert device.stamp(12_000) == server - CLOCK_STEP_MS, "far ahead it is set back at once"


def test_an_event_is_never_waited_for_longer_than_two_heartbeats() -> None:
    """The longest pause between two tries of an event keeps to the rhythm of the platform."""
    assert RESEND_MOST_MS <= 2 * HEARTBEAT_S * 1_000
