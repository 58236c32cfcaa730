"""What looks like an intruder, without a broker: clones, refusals, and the lines of the broker's log."""

from __future__ import annotations

import pytest

from alarms.language.reader import default_rules
from hoistway.errors import RefusedMessage
from hoistway.limits import CLONE_TAKEOVERS, CLONE_WITHIN_MS, DOOR_DEVICES
from hoistway.wire import Topic
from ingest.assemble import Assembler
from ingest.directory import Device, Directory
from ingest.door import Door, refused_at_door
from ingest.door_log import DoorLog
from ingest.folding import Folding
from ingest.memory import Memory
from ingest.source import Message

TERMINAL = Device(1, "t-1", 3, 11)
GATEWAY = Device(2, "g-1", 3, None, {"310116": 22, "310115": 21})


def directory() -> Directory:
    found = Directory()
    found.devices, found.revoked = {"t-1": TERMINAL}, {"gone": Device(3, "gone", 3, 13)}
    return found


def line(text: str, at: int = 0) -> Message:
    return Message("$SYS/broker/log/N", f"1795601065: {text}".encode(), at)


def kinds(door_log: DoorLog) -> dict[tuple[str, str], int | None]:
    return {(event.kind, event.device): event.lift_id for event in door_log.take()}


@pytest.mark.parametrize(
    ("boots", "clones"),
    [((1, 2, 3, 4), 0), ((1, 2, 1), 0), ((1, 1, 1, 1), 0), ((5, 1, 5, 1, 5), 1), ((9, 1, 2, 3, 1, 2, 3), 0)],
)
def test_boots_that_change_places(boots: tuple[int, ...], clones: int) -> None:
    """Counting up, or starting over once, is one device; two boots that keep changing places are two."""
    door = Door()
    found = [event for at, boot in enumerate(boots) for event in door.connected(TERMINAL, boot, at)]
    assert [event.kind for event in found] == ["clone"] * clones


def test_changes_far_apart_are_no_clone() -> None:
    """What happens every ten minutes is a device under repair."""
    door = Door()
    assert [door.connected(TERMINAL, 1 + n % 2, n * CLONE_WITHIN_MS) for n in range(20)] == [[]] * 20


def test_a_gateway_is_told_under_its_first_lift() -> None:
    """The desk hears of a gateway under one of its lifts, always the same."""
    (event,) = Door().counted_anew(GATEWAY, 4, 0)
    assert (event.kind, event.lift_id) == ("boot-reused", 21)


def test_the_door_forgets_the_oldest() -> None:
    """However many names try, what is remembered has a limit."""
    door = Door()
    for number in range(DOOR_DEVICES + 10):
        door.taken_over(f"n-{number}", None, 0)
    assert len(door._signs) == DOOR_DEVICES


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("foreign-lift", "foreign-lift"),
        ("wrong-shard", "foreign-topic"),
        ("revoked-device", "revoked-key"),
        ("unknown-device", "unknown-device"),
        ("not-json", None),
        ("bad-ts", None),
        ("lift-missing", None),
    ],
)
def test_refusals_of_identity_are_events(reason: str, kind: str | None) -> None:
    """Who says it makes an intruder; how badly it is written does not."""
    found = refused_at_door(RefusedMessage(reason, "why"), Topic(3, "t-1", "event"), TERMINAL, 5)
    assert [(event.kind, event.lift_id, event.at) for event in found] == ([(kind, 11, 5)] if kind else [])


@pytest.mark.parametrize(("retained", "events"), [(False, ["revoked-key"]), (True, [])])
def test_the_broker_s_copy_is_no_attempt(retained: bool, events: list[str]) -> None:
    """What a revoked device left retained at the broker is refused as well, but nobody tries anything."""
    message = Message("lift/v1/3/gone/link", b'{"online": true, "boot": 1, "conn": 1}', 0, retained=retained)
    batch = Assembler(directory(), Memory(), Folding(default_rules(), capacity=16).is_late).assemble([message])
    assert [refusal.reason for refusal in batch.refusals] == ["revoked-device"]
    assert [event.kind for event in batch.security] == events


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Client <unknown> disconnected, not authorised.", {("login-refused", ""): None}),
        ("Client t-1 disconnected, not authorised.", {("login-refused", "t-1"): None}),
        ("Client gone [192.0.2.1:4711] disconnected: not authorised.", {("revoked-key", "gone"): 13}),
        ("Client made-up disconnected, not authorised.", {("login-refused", ""): None}),
        ("Client t-1 already connected, closing old connection.", {("takeover", "t-1"): 11}),
        ("New client connected from 127.0.0.1:39588 as t-1 (p2, c1, k60, u't-1').", {}),
        ("Client t-1 disconnected.", {}),
    ],
)
def test_lines_of_the_broker_s_log(text: str, expected: dict[tuple[str, str], int | None]) -> None:
    """Each line that matters becomes one event; a name that nobody enrolled is not kept."""
    door_log = DoorLog(directory())
    door_log.hear([line(text)])
    assert kinds(door_log) == expected
    assert kinds(door_log) == {}


def test_a_flood_of_refusals_is_one_event() -> None:
    """A stranger who tries ten thousand times fills nothing: one event a turn, and a count."""
    door_log = DoorLog(directory())
    door_log.hear([line("Client <unknown> disconnected, not authorised.", at) for at in range(10_000)])
    assert len(door_log.take()) == 1
    assert door_log.refused == 10_000


def test_taken_over_again_and_again_is_a_clone() -> None:
    """So many takeovers within ten minutes are two devices; the same number over hours is a bad network."""
    quick, slow = DoorLog(directory()), DoorLog(directory())
    for number in range(CLONE_TAKEOVERS):
        quick.hear([line("Client t-1 already connected, closing old connection.", number)])
        slow.hear([line("Client t-1 already connected, closing old connection.", number * CLONE_WITHIN_MS)])
    assert ("clone", "t-1") in kinds(quick)
    assert ("clone", "t-1") not in kinds(slow)


@pytest.mark.parametrize(
    "text",
    [
        "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed",
        "OpenSSL Error[1]: error:0A0000C7:SSL routines::peer did not return a certificate",
    ],
)
def test_a_certificate_that_is_not_good_is_a_refused_login(text: str) -> None:
    """Of whoever has no good certificate the broker knows no name; that somebody tried is noted and counted."""
    heard = DoorLog(directory())
    heard.hear([line(text), line("OpenSSL Error[0]: error:0A000126:SSL routines::unexpected eof while reading")])
    (event,) = heard.take()
    assert (event.kind, event.device, event.lift_id, heard.refused) == ("login-refused", "", None, 1)
