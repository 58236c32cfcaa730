"""The device half of the contract keeps every promise it makes."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from hoistway import wire
from simulators.device import RECORDS_A_MESSAGE, RESEND_FIRST_MS, RESEND_MOST_MS, Device, Message, ranges


class Server:
    """The server's half as the contract tells it: accepts records once, answers with the ack."""

    def __init__(self) -> None:
        self.accepted: dict[str, dict[int, bytes]] = {"event": {}, "state": {}}
        self.gone: dict[str, set[int]] = {"event": set(), "state": set()}
        self.order: list[int] = []

    def take(self, leaf: str, payload: bytes) -> None:
        if leaf == "link":
            link = wire.decode_link(payload)
            for name in ("event", "state"):
                for first, last in getattr(link.gone, name) if link.gone else []:
                    self.gone[name].update(range(first, last + 1))
            return
        read = json.loads(payload)
        for record in read if isinstance(read, list) else [read]:
            text = json.dumps(record).encode()
            known = self.accepted[leaf].setdefault(record["seq"], text)
            assert known == text, "the same number never carries another content"
            if leaf == "event" and record["seq"] not in self.order:
                self.order.append(record["seq"])

    def upto(self, leaf: str) -> int:
        seq = 0
        while seq + 1 in self.accepted[leaf] or seq + 1 in self.gone[leaf]:
            seq += 1
        return seq

    def missing(self, leaf: str) -> wire.Ranges:
        top = max(self.accepted[leaf], default=0)
        here = self.accepted[leaf].keys() | self.gone[leaf]
        return ranges(seq for seq in range(1, top) if seq not in here)

    def ack(self, boot: int = 1, **more: object) -> bytes:
        missing = wire.Missing(state=self.missing("state"), event=self.missing("event"))
        return wire.encode(
            wire.Ack(boot=boot, event=self.upto("event"), state=self.upto("state"), ts=0, missing=missing, **more)
        )


def connected(device: Device, now: int = 0) -> Device:
    device.connecting(now)
    device.up(now)
    return device


steps = st.lists(
    st.tuples(st.sampled_from(["event", "sample", "up", "down", "wait"]), st.booleans(), st.booleans()), max_size=60
)


@settings(deadline=None)
@given(steps)
def test_whatever_is_lost_on_the_way_every_record_is_accepted_once_or_declared_gone(story):
    """Lost messages, lost acks and broken connections in any pattern: in the end all is acknowledged, nothing twice or altered."""
    device, server, now = Device("d", boot=1, ring=8), Server(), 0
    for what, arrives, ack_arrives in story:
        now += 700
        if what == "event":
            device.report("90", True, now)
        elif what == "sample":
            device.sample({"door_zone": True}, now)
        elif what == "up" and not device.connected:
            connected(device, now)
        elif what == "down":
            device.down()
        else:
            now += RESEND_MOST_MS
        for message in device.outgoing(now):
            if arrives:
                server.take(message.leaf, message.payload)
        if ack_arrives and device.connected:
            device.receive("ack", server.ack(), now)
    connected(device, now)
    device.sample({}, now)  # a heartbeat shows the server what is missing before it
    for _ in range(4):
        now += RESEND_MOST_MS
        for message in device.outgoing(now):
            server.take(message.leaf, message.payload)
        device.receive("ack", server.ack(), now)
    assert server.upto("event") == device.event.seq == device.event.acked
    assert server.upto("state") == device.state.seq == device.state.acked
    assert not device.event.kept
    assert not device.state.kept
    assert set(server.accepted["event"]) == set(range(1, device.event.seq + 1)), "no event is ever given up"


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_events_arrive_in_order_when_messages_do(lost_acks):
    """With acks lost at will but messages delivered, the server sees the events first in the order they happened."""
    device, server = connected(Device("d", boot=1)), Server()
    for index, lost in enumerate(lost_acks):
        device.report("90", index % 2 == 0, index * 1_000)
        for message in device.outgoing(index * 1_000):
            server.take(message.leaf, message.payload)
        if not lost:
            device.receive("ack", server.ack(), index * 1_000)
    assert server.order == list(range(1, len(lost_acks) + 1))


def test_an_event_is_sent_again_with_growing_pauses_until_it_is_acknowledged():
    """Unacknowledged, the same bytes go out after 5, 10, 20, 40 and then every 60 s; acknowledged, never again."""
    device = connected(Device("d", boot=1))
    device.report("90", True, 0)
    sent = [
        (now, message.payload)
        for now in range(0, 300_001, 500)
        for message in device.outgoing(now)
        if message.leaf == "event"
    ]
    assert [now for now, _ in sent] == [0, 5_000, 15_000, 35_000, 75_000, 135_000, 195_000, 255_000]
    assert len({payload for _, payload in sent}) == 1
    assert RESEND_FIRST_MS == 5_000
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=1, state=0, ts=0)), 300_000)
    assert device.outgoing(10_000_000) == []


def test_an_overflowing_ring_declares_what_it_gave_up():
    """A ring of 10 that took 25 samples while away names the 15 oldest as gone, then sends the rest in one array."""
    device = Device("d", boot=4, ring=10)
    for index in range(25):
        device.sample({"load": index}, index)
    (link,) = connected(device).outgoing(100)
    (state,) = device.outgoing(RESEND_FIRST_MS)
    read = wire.decode_link(link.payload)
    assert link.retain
    assert read.online
    assert read.gone is not None
    assert read.gone.state == [(1, 15)]
    assert [record["seq"] for record in json.loads(state.payload)] == list(range(16, 26))
    assert device.state.dropped == 15


def test_a_backlog_goes_in_arrays_within_the_contract():
    """A long backlog is cut into arrays of at most 200 records, oldest first, and no more messages than there is room for."""
    device = Device("d", boot=1)
    for index in range(650):
        device.sample({}, index)
    assert [message.leaf for message in connected(device).outgoing(0)] == ["link"]
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=0, ts=0)), 1)
    first = device.outgoing(1, room=2)
    rest = device.outgoing(1, room=10)
    assert {message.leaf for message in first + rest} == {"state"}
    sizes = [len(json.loads(message.payload)) for message in first + rest]
    assert sizes == [RECORDS_A_MESSAGE] * 3 + [50]


def seqs(messages: list[Message]) -> list[int]:
    """The numbers of the samples in these messages, in order."""
    read = [json.loads(message.payload) for message in messages if message.leaf == "state"]
    return [record["seq"] for records in read for record in (records if isinstance(records, list) else [records])]


def test_an_overloaded_server_gets_new_samples_and_no_old_ones():
    """While acks ask for longer intervals, neither the backlog nor what is missing is sent; the first ack without it brings both."""
    device = Device("d", boot=1)
    for index in range(5):
        device.sample({"load": index}, index)
    connected(device).outgoing(0)
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=1, ts=0, slow_s=30)), 1)
    device.sample({"load": 5}, 5)
    missing = wire.Missing(state=[(2, 3)])
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=1, ts=0, missing=missing, slow_s=30)), 2)
    assert device.slow_s == 30
    assert seqs(device.outgoing(2) + device.outgoing(10 * RESEND_FIRST_MS)) == [6]
    device.down()
    connected(device, 11 * RESEND_FIRST_MS)
    assert seqs(device.outgoing(20 * RESEND_FIRST_MS)) == []
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=1, ts=0)), 21 * RESEND_FIRST_MS)
    assert seqs(device.outgoing(21 * RESEND_FIRST_MS)) == [2, 3, 4, 5, 6]


def test_a_refused_message_is_given_up_and_not_sent_for_ever():
    """A refusal by hash drops that message's records, counts it, and declares them gone so that the ack can move on."""
    device = connected(Device("d", boot=1))
    device.report("90", True, 0)
    link, event = device.outgoing(0)
    name = hashlib.sha256(event.payload).digest()[:8].hex()
    refused = [wire.Refused(sha256_8=name, reason="bad-code")]
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=0, ts=0, refused=refused)), 10)
    (again,) = device.outgoing(1_000_000)
    read = wire.decode_link(again.payload)
    assert link.leaf == again.leaf == "link"
    assert read.gone is not None
    assert read.gone.event == [(1, 1)]
    assert device.refused == 1


def test_missing_records_are_sent_again_or_declared_gone():
    """What the server misses goes out again from the ring; what the ring no longer holds is declared gone."""
    device = Device("d", boot=1, ring=3)
    connected(device)
    for index in range(5):
        device.sample({}, index)
        device.outgoing(index)
    missing = wire.Missing(state=[(1, 3)])
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=0, ts=0, missing=missing)), 9)
    link, state = device.outgoing(10)
    read = wire.decode_link(link.payload)
    assert read.gone is not None
    assert read.gone.state == [(1, 2)]
    assert json.loads(state.payload)["seq"] == 3


def test_an_ack_of_another_boot_or_beyond_what_was_sent_changes_nothing():
    """An ack for an earlier boot, and one for numbers never given out, are not believed."""
    device = connected(Device("d", boot=2))
    device.report("90", True, 0)
    for ack in (wire.Ack(boot=1, event=1, state=0, ts=0), wire.Ack(boot=2, event=7, state=9, ts=0)):
        device.receive("ack", wire.encode(ack), 1)
    assert list(device.event.kept) == [1]


def test_connections_are_numbered_and_the_will_carries_the_number():
    """Each connection's will and its own link message carry the same, growing number."""
    device = Device("d", boot=1)
    for number in (1, 2, 3):
        will = wire.decode_link(device.connecting(5).payload)
        device.up(6)
        online = wire.decode_link(device.outgoing(6)[0].payload)
        assert (will.conn, online.conn) == (number, number)
        assert (will.online, online.online) == (False, True)
        device.down()


def test_a_restart_takes_the_next_boot_and_starts_both_streams_at_one():
    """The snapshot is enough for a restarted device to use a new boot number."""
    device = connected(Device("d", boot=7))
    again = Device.restarted("d", json.loads(json.dumps(device.snapshot())))
    again.sample({}, 1)
    assert (again.boot, again.state.seq) == (8, 1)
    assert Device.restarted("d", None).boot == 1


def test_only_monitoring_commands_are_followed_and_each_only_once():
    """selftest and resend are carried out once per id; what a device cannot do, anything else, and garbage is counted and ignored."""

    def selftest(tested: Device, now: int) -> None:
        for active in (True, False):
            tested.report("self-test", active, tested.stamp(now))

    device = connected(Device("d", boot=1, on_selftest=selftest))
    for command in ("soothe", "selftest", "selftest", "open-doors"):
        device.receive("cmd", wire.encode(wire.Command(id=command, cmd=command)), 5)
    device.receive("cmd", b"\xff{", 5)
    device.receive("ack", b"[]", 5)
    assert [json.loads(record)["active"] for record in device.event.kept.values()] == [True, False]
    assert device.ignored == 4
    device.outgoing(5)
    device.receive("cmd", wire.encode(wire.Command(id="again", cmd="resend", event=[(1, 1)])), 6)
    (message,) = device.outgoing(6)
    assert json.loads(message.payload)["seq"] == 1


def test_a_device_that_cannot_test_itself_reports_no_test():
    """A self-test that nobody made would tell the firm that button, voice line and battery work."""
    device = connected(Device("d", boot=1))
    device.receive("cmd", wire.encode(wire.Command(id="1", cmd="selftest")), 5)
    assert (device.event.kept, device.ignored) == ({}, 1)


def test_samples_of_an_earlier_connection_go_again_as_the_ack_tells():
    """After a reconnect the ack to `link` says from where on samples are sent again; without one all of them go after a while."""
    device = connected(Device("d", boot=1))
    for index in range(4):
        device.sample({}, index)
    device.outgoing(0)
    device.down()
    connected(device, 10_000)
    assert [message.leaf for message in device.outgoing(10_000)] == ["link"]
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=0, state=2, ts=10_000)), 10_100)
    (again,) = device.outgoing(10_100)
    assert [record["seq"] for record in json.loads(again.payload)] == [3, 4]
    device.down()
    connected(device, 20_000)
    assert [message.leaf for message in device.outgoing(20_000)] == ["link"]
    (again,) = device.outgoing(20_000 + RESEND_FIRST_MS)
    assert [record["seq"] for record in json.loads(again.payload)] == [3, 4]
