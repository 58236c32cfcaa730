"""A gateway's terminals, without a socket: what goes on to the contract, and what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway import wire
from hoistway.clock import SteadyClock
from hoistway.gateway.terminals import (
    LOGIN_EVERY_MS,
    ODD_NAMES,
    PING_EVERY_MS,
    QUIET_MS,
    SILENT_MS,
    Gateway,
    Terminal,
    frame,
)
from hoistway.limits import FRAME_BYTES
from ingest.adapters.spec import shipped_format
from simulators.device import Device

NOW = 1_795_521_600_000
LIFTS = {"mx_1": "310115", "mx_2": "310116"}


def framed(message: dict[str, Any]) -> bytes:
    return b"#10#" + json.dumps(message).encode() + b"#13#"


def login(name: str) -> bytes:
    return framed({"type": "login", "eid": name})


def info(**data: Any) -> bytes:
    return framed({"type": "info", "data": {"door": 0, "haspeople": 0, "inposition": 1, "fault": [], **data}})


class Site:
    """A gateway whose device is connected."""

    def __init__(self) -> None:
        self.device = Device("gw-1", boot=3)
        self.device.up(NOW)
        self.gateway = Gateway(shipped_format("json-tcp"), self.device, LIFTS)

    def named(self, name: str) -> Terminal:
        terminal = self.gateway.terminal(NOW)
        terminal.feed(login(name), NOW)
        return terminal

    def published(self, leaf: str, now: int = NOW) -> list[dict[str, Any]]:
        """The records that the device sends now."""
        read = [json.loads(message.payload) for message in self.device.outgoing(now) if message.leaf == leaf]
        return [record for item in read for record in (item if isinstance(item, list) else [item])]


def test_terminals_become_one_device_that_names_the_lifts() -> None:
    """Numbers run over the gateway, in its boot; each record carries the rescue code of the terminal that logged in."""
    site = Site()
    one, two = site.named("mx_1"), site.named("mx_2")
    one.feed(info(), NOW)
    two.feed(info()[:9], NOW)
    two.feed(info()[9:], NOW + 5)
    assert [(row["lift"], row["boot"], row["seq"], row["ts"] - NOW) for row in site.published("state")] == [
        ("310115", 3, 1, 0),
        ("310116", 3, 2, 5),
    ]


def test_an_unchanged_state_is_sent_a_few_times_a_heartbeat() -> None:
    """Twice a second comes in; a change goes out at once and the rest only so often that nothing becomes unknown."""
    site = Site()
    terminal = site.named("mx_1")
    for step in range(2 * QUIET_MS // 500 + 1):
        terminal.feed(info(), NOW + step * 500)
    terminal.feed(info(haspeople=1), NOW + 2 * QUIET_MS + 500)
    assert [row["ts"] - NOW for row in site.published("state")] == [0, QUIET_MS, 2 * QUIET_MS, 2 * QUIET_MS + 500]
    assert (site.gateway.counts.samples, site.gateway.counts.passed) == (2 * QUIET_MS // 500 + 2, 4)


def test_the_first_state_after_a_restart_ends_what_is_over() -> None:
    """What the process before had reported is unknown: what holds is raised, every other code that a terminal can report is over."""
    site = Site()
    terminal = site.named("mx_1")
    terminal.feed(info(fault=[1]), NOW)
    first = {(row["code"], row["active"]) for row in site.published("event")}
    assert first == {("entrapment", True)} | {
        (code, False) for code in ("04", "05", "door-open-running", "overspeed", "top-overtravel", "bottom-overtravel")
    }
    again = site.named("mx_1")
    again.feed(info(fault=[1]), NOW + 1)
    assert site.published("event", NOW + 1) == []
    again.feed(info(), NOW + 2)
    assert [(row["code"], row["active"], row["lift"]) for row in site.published("event", NOW + 2)] == [
        ("entrapment", False, "310115")
    ]


def test_who_has_no_name_is_asked_for_it() -> None:
    """Its states are left out and counted; it is asked every ten seconds, whatever it says meanwhile, and has to go after a minute."""
    site = Site()
    terminal = site.gateway.terminal(NOW)
    assert terminal.feed(info(), NOW + 100).frames == (frame("need_login"),)
    assert terminal.feed(info(), NOW + 500).frames == ()
    asked = [second for second in range(1, 60) if frame("need_login") in terminal.tick(NOW + second * 1_000).frames]
    assert asked == [11, 21, 31, 41, 51]
    assert "no login" in terminal.tick(NOW + 61_000).close
    assert site.gateway.counts.bad == {"connection": 2}
    assert site.published("state") == []


def test_who_only_pings_is_asked_too() -> None:
    """A terminal that sends no state has no name either."""
    terminal = Site().gateway.terminal(NOW)
    assert terminal.feed(framed({"type": "cping"}), NOW).frames == ()
    assert terminal.tick(NOW + LOGIN_EVERY_MS - 1).frames == ()
    assert terminal.tick(NOW + LOGIN_EVERY_MS).frames == (frame("need_login"),)


def test_a_stranger_is_disconnected_at_its_login() -> None:
    """A terminal that the list of lifts does not have speaks for nobody."""
    site = Site()
    terminal = site.gateway.terminal(NOW)
    assert "mx_9" in terminal.feed(login("mx_9") + info(fault=[1]), NOW).close
    assert site.published("state") == site.published("event") == []


@pytest.mark.parametrize("step_ms", [-3_600_000, 200_000])
def test_a_step_of_the_machine_s_clock_moves_nothing(step_ms: int) -> None:
    """Set back an hour, states go on as ever; set forward 200 s, nobody counts as silent. The stamps are the server's time."""
    hands = {"wall": NOW, "monotonic": 0}
    clock = SteadyClock(wall_ns=lambda: hands["wall"] * 1_000_000, monotonic_ns=lambda: hands["monotonic"] * 1_000_000)
    site = Site()
    terminal = site.named("mx_1")
    terminal.feed(info(), clock.now_ms())
    hands["wall"] += step_ms
    closed, pings = "", 0
    for _ in range(60):
        hands["wall"], hands["monotonic"] = hands["wall"] + 1_000, hands["monotonic"] + 1_000
        terminal.feed(info(), clock.now_ms())
        due = terminal.tick(clock.now_ms())
        closed, pings = closed or due.close, pings + len(due.frames)
    assert (closed, pings) == ("", 2)
    assert [row["ts"] - NOW for row in site.published("state")] == [step * QUIET_MS for step in range(7)]


def test_the_server_s_time_is_in_the_stamps() -> None:
    """A machine whose clock is wrong stamps right as soon as an ack has told it the time."""
    site = Site()
    site.device.receive("ack", wire.encode(wire.Ack(boot=3, event=0, state=0, ts=NOW + 60_000)), NOW)
    site.named("mx_1").feed(info(), NOW)
    assert [row["ts"] - NOW for row in site.published("state")] == [60_000]


def test_slow_s_holds_samples_back_and_no_event() -> None:
    """Between two samples of a lift there is as much time as the server asks for; the newest state then counts."""
    site = Site()
    terminal = site.named("mx_1")
    terminal.feed(info(), NOW)
    site.device.receive("ack", wire.encode(wire.Ack(boot=3, event=7, state=0, ts=NOW, slow_s=10)), NOW)
    for step in range(1, 21):
        terminal.feed(info(floor=step, fault=[3] if step > 10 else []), NOW + step * 500)
    assert [json.loads(record)["code"] for record in site.device.event.kept.values()] == ["door-open-running"]
    rows = site.published("state")
    assert [(row["ts"] - NOW, row.get("car_position")) for row in rows] == [(0, None), (10_000, "20")]


def test_a_broken_message_harms_no_other() -> None:
    """What cannot be read is counted; the terminal and its neighbours go on."""
    site = Site()
    terminal = site.named("mx_1")
    answer = terminal.feed(framed({"type": "what"}) + b"#10#{#13#" + info(), NOW)
    assert (answer.close, len(site.published("state"))) == ("", 1)
    assert site.gateway.counts.bad == {"type": 1, "frame": 1}


def test_a_frame_without_an_end_ends_the_connection() -> None:
    """Nobody fills the gateway's memory."""
    assert "frame" in Site().named("mx_1").feed(b"#10#" + b"x" * (FRAME_BYTES + 4), NOW).close


def test_what_is_in_no_frame_is_counted() -> None:
    """Noise between frames, and a frame that the end of the connection cuts off."""
    site = Site()
    terminal = site.named("mx_1")
    terminal.feed(b"noise" + info() + b"#10#{", NOW)
    terminal.ended()
    assert (site.gateway.counts.skipped, site.gateway.counts.bad) == (6, {"frame": 1})


def test_a_silent_terminal_is_pinged_and_then_disconnected() -> None:
    """Every 30 s a ping; after 180 s without a byte the connection ends."""
    terminal = Site().named("mx_1")
    assert terminal.tick(NOW + PING_EVERY_MS - 1).frames == ()
    assert terminal.tick(NOW + PING_EVERY_MS).frames == (frame("ping"),)
    assert terminal.tick(NOW + PING_EVERY_MS + 1).frames == ()
    assert terminal.tick(NOW + SILENT_MS - 1).close == ""
    assert "silent" in terminal.tick(NOW + SILENT_MS).close


def test_made_up_fields_fill_no_memory() -> None:
    """Names beyond the first few hundred are counted together."""
    site = Site()
    terminal = site.named("mx_1")
    terminal.feed(b"".join(info(**{f"field-{number}": 1}) for number in range(ODD_NAMES + 50)), NOW)
    assert site.gateway.counts.odd["other", "extra"] == 50
    assert len(site.gateway.counts.odd) == ODD_NAMES + 1


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"#10#", b"#13#", login("mx_1"), info()]), max_size=12))
def test_no_bytes_bring_a_gateway_down(pieces: list[bytes]) -> None:
    """Whatever a terminal sends is answered, and a well-behaved one beside it is heard."""
    site = Site()
    terminal = site.gateway.terminal(NOW)
    for index, piece in enumerate(pieces):
        terminal.feed(piece, NOW + index)
    site.named("mx_2").feed(info(), NOW + 20)
    assert "310116" in {row["lift"] for row in site.published("state", NOW + 20)}
