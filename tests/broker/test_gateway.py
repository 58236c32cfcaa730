"""The gateway on a real broker: a terminal's TCP frames arrive as records of the contract, and survive a broker that goes away."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hoistway import wire
from hoistway.errors import BadInput
from hoistway.gateway.serve import Memory, Plan, serve
from hoistway.mqtt_url import MqttAddress
from ingest.adapters.spec import shipped_format
from simulators.memory import restarted
from tests.support.brokers import Client, embedded, until

NAME, SHARD = "gw-1", 7
LIFTS = {"mx_1": "310115"}


def framed(message: dict[str, Any]) -> bytes:
    return b"#10#" + json.dumps(message).encode() + b"#13#"


def info(**data: Any) -> bytes:
    return framed({"type": "info", "data": {"door": 0, "haspeople": 1, "inposition": 0, "fault": [], **data}})


@asynccontextmanager
async def running(address: MqttAddress, home: Path) -> AsyncIterator[int]:
    """A gateway; gives the port for terminals."""
    plan = Plan(
        spec=shipped_format("json-tcp"), device=NAME, shard=SHARD, lifts=LIFTS, address=address, host="127.0.0.1", port=0,
        state=home / "gateway.json",
    )  # fmt: skip
    stop: asyncio.Event = asyncio.Event()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(plan, stop, listening=listening))
    try:
        yield await listening
    finally:
        stop.set()
        assert await task == 0


class Watcher:
    """Stands where ingest stands."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def records(self, leaf: str) -> list[dict[str, Any]]:
        topic = wire.topic(SHARD, NAME, leaf)
        read = [json.loads(got.payload) for got in list(self.client.got) if got.topic == topic]
        return [record for item in read for record in (item if isinstance(item, list) else [item])]

    def raised(self) -> set[tuple[str, str, int]]:
        return {(row["lift"], row["code"], row["seq"]) for row in self.records("event") if row["active"]}


@asynccontextmanager
async def broker_with_watcher(kind: str, home: Path, *, port: int = 0) -> AsyncIterator[tuple[Watcher, int]]:
    broker = embedded(kind, home, port=port)
    await broker.set_devices({NAME: "a password"})
    await broker.start()
    watcher = Watcher(Client(MqttAddress.parse(broker.url), client_id="watcher"))
    await watcher.client.connect()
    await watcher.client.subscribe(*(f"lift/v1/+/+/{leaf}" for leaf in wire.UP))
    try:
        yield watcher, broker.port
    finally:
        await watcher.client.close()
        await broker.stop()


async def test_frames_arrive_as_records_and_outlive_the_broker(kind: str, home: Path) -> None:
    """Link, samples and events under the gateway's prefix; what no ack has covered comes again, with what happened meanwhile."""
    async with AsyncExitStack() as stack:
        async with broker_with_watcher(kind, home) as (watcher, mqtt_port):
            address = MqttAddress(host="127.0.0.1", port=mqtt_port, user=NAME, password="a password")
            port = await stack.enter_async_context(running(address, home))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(info())
            assert b"need_login" in await reader.readuntil(b"#13#")
            writer.write(framed({"type": "login", "eid": "mx_1"}) + info(fault=[1])[:30])
            await writer.drain()
            writer.write(info(fault=[1])[30:])
            await until(lambda: bool(watcher.raised() and watcher.records("state")), "the terminal's records")
            assert [(row["lift"], row["door_zone"]) for row in watcher.records("state")] == [("310115", False)]
            (first,) = watcher.raised()
            assert first[:2] == ("310115", "entrapment")
        writer.write(info(fault=[1, 3]))
        await writer.drain()
        async with broker_with_watcher(kind, home, port=mqtt_port) as (watcher, _port):
            await until(lambda: len(watcher.raised()) == 2, "both events after the broker's return")
            assert {code for _, code, _ in watcher.raised()} == {"entrapment", "door-open-running"}
            assert first in watcher.raised()
            await stack.aclose()
            await until(lambda: [row["online"] for row in watcher.records("link")][-1:] == [False], "the goodbye")


def test_each_start_is_a_boot_of_its_own(tmp_path: Path) -> None:
    """The number is on disk before anything is sent."""
    state = tmp_path / "gateway.json"
    for boot in (1, 2, 3):
        device = restarted(NAME, state)
        Memory(device, state)
        assert device.boot == boot
        assert json.loads(state.read_text("utf-8"))["boot"] == boot


def test_an_event_is_on_disk_before_it_is_published(tmp_path: Path) -> None:
    """A kill between the two loses nothing: the next start sends it again, under its own number."""
    state = tmp_path / "gateway.json"
    device = restarted(NAME, state)
    memory = Memory(device, state)
    device.report("90", True, 5, lift="310115")
    memory.keep_events()
    again = restarted(NAME, state)
    assert [json.loads(record)["seq"] for record in again.events[1].kept.values()] == [1]
    device.receive("ack", wire.encode(wire.Ack(boot=1, event=1, state=0, ts=5)), 5)
    memory.keep_all()
    assert list(restarted(NAME, state).events) == [2]


def test_a_full_disk_stops_no_event(tmp_path: Path) -> None:
    """What cannot be written is said and counted, and written as soon as it can be."""
    folder = tmp_path / "state"
    folder.mkdir()
    device = restarted(NAME, folder / "gateway.json")
    memory = Memory(device, folder / "gateway.json")
    shutil.rmtree(folder)
    device.report("90", True, 5, lift="310115")
    memory.keep_events()
    assert memory.failures == 1
    folder.mkdir()
    memory.keep_all()
    assert list(restarted(NAME, folder / "gateway.json").events[1].kept) == [1]


@pytest.mark.parametrize("damaged", ["{", "[]", '{"boot": "x"}', '{"boot": 1, "events": {"1": {}}}'])
def test_a_boot_number_that_cannot_be_read_is_not_guessed(damaged: str, tmp_path: Path) -> None:
    """Starting again from 1 would make old records of new ones; the file is named."""
    state = tmp_path / "gateway.json"
    state.write_text(damaged, "utf-8")
    with pytest.raises(BadInput, match=r"gateway\.json.*boot number"):
        restarted(NAME, state)
