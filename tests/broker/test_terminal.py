"""The reference terminal on each kind of broker: connects, keeps its events over a power cut, sets its clock, and passes the check."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoistway import wire
from ingest.conformance.heard import Watch
from ingest.conformance.judge import judge
from ingest.conformance.observer import Observer
from simulators.device import Device
from simulators.terminal import Terminal
from tests.support.brokers import Client, Rig, until
from tests.support.firmware import FACTS, FULL, LIFT

SHARD = 5
BEHIND_MS = 86_400_000


class Sensors:
    """Reads the same at every look, and presses the button when told to."""

    def __init__(self) -> None:
        self.press = False
        self._sampled = False

    def __call__(self, device: Device, now: int) -> None:
        if not self._sampled and device.offset_ms:
            device.sample(FULL, device.stamp(now))
            self._sampled = True
        if self.press:
            device.report("90", True, device.stamp(now))
            device.report("90", False, device.stamp(now))
            self.press = False


def slow_clock() -> int:
    return time.time_ns() // 1_000_000 - BEHIND_MS


@contextmanager
def running(rig: Rig, name: str, memory: Path, sense: Sensors) -> Iterator[Terminal]:
    prefix = wire.topic(SHARD, name, "")
    terminal = Terminal(name, rig.address(name), prefix=prefix, memory=memory, sense=sense, now_ms=slow_clock)
    stop = threading.Event()
    thread = threading.Thread(target=terminal.run, args=(stop,))
    thread.start()
    try:
        yield terminal
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def records(platform: Client, leaf: str) -> list[dict[str, Any]]:
    read = [json.loads(got.payload) for got in list(platform.got) if got.topic.endswith(f"/{leaf}")]
    return [record for item in read for record in (item if isinstance(item, list) else [item])]


async def acknowledge(platform: Client, name: str, boot: int, *, event: int, state: int) -> None:
    ack = wire.Ack(boot=boot, event=event, state=state, ts=time.time_ns() // 1_000_000)
    await platform.publish(wire.topic(SHARD, name, "ack"), wire.encode(ack))


async def test_a_terminal_lives_through_a_power_cut(rig: Rig, tmp_path: Path) -> None:
    """What was not acknowledged comes again under its own boot after a restart; the clock is the server's; the check finds nothing."""
    name, memory = rig.device(), tmp_path / "memory.json"
    platform = await rig.client("ingest", client_id=f"stand-in-{name}")
    await platform.subscribe(*(wire.topic(SHARD, name, leaf) for leaf in wire.UP))
    began = time.time_ns() // 1_000_000
    with Observer(rig.address("ingest"), name, now_ms=lambda: time.time_ns() // 1_000_000) as observer:
        sense = Sensors()
        with running(rig, name, memory, sense):
            await until(lambda: len(records(platform, "link")) == 1, "the link message")
            await acknowledge(platform, name, 1, event=0, state=0)
            await until(lambda: len(records(platform, "state")) == 1, "the first sample")
            sense.press = True
            await until(lambda: len(records(platform, "event")) >= 2, "the button")
        await until(lambda: records(platform, "link")[-1]["online"] is False, "the goodbye")
        pressed = records(platform, "event")[:2]
        assert abs(pressed[0]["ts"] - time.time_ns() // 1_000_000) < 60_000, "set by the first ack"
        with running(rig, name, memory, Sensors()) as terminal:
            await until(lambda: len(records(platform, "event")) >= 4, "the events of the boot before")
            assert terminal.device.boot == 2
            assert records(platform, "event")[2:4] == pressed
            await acknowledge(platform, name, 1, event=2, state=1)
            await acknowledge(platform, name, 2, event=0, state=0)
            await until(lambda: list(terminal.device.events) == [2], "the acknowledgement")
            await until(lambda: json.loads(memory.read_bytes())["events"] == {}, "the memory without them")
            await until(lambda: len(records(platform, "state")) >= 2, "a sample of the new boot")
        heard = observer.heard()
    facts = replace(FACTS, device=name, shard=SHARD, lifts=(replace(LIFT, self_test_ms=began),))
    result = judge(heard, facts, Watch(from_ms=began, to_ms=time.time_ns() // 1_000_000))
    assert result.findings == ()
    await platform.close()


async def test_a_broken_line_brings_the_will_and_the_next_connection(rig: Rig, tmp_path: Path) -> None:
    """Another client with its name takes the session; the terminal comes back with a higher number. mosquitto sends the will."""
    name = rig.device()
    platform = await rig.client("ingest", client_id=f"stand-in-{name}")
    await platform.subscribe(wire.topic(SHARD, name, "link"))

    def said() -> list[tuple[bool, int]]:
        return [(link["online"], link["conn"]) for link in records(platform, "link")]

    with running(rig, name, tmp_path / "memory.json", Sensors()):
        await until(lambda: (True, 1) in said(), "the link message")
        thief = await rig.client(name)
        if rig.server.kind == "mosquitto":  # nats-server sends none when a session is taken over
            await until(lambda: (False, 1) in said(), "the will")
        await thief.close()
        await until(lambda: any(online and conn > 1 for online, conn in said()), "the next connection")
    await platform.close()
