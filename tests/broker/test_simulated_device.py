"""A simulated fleet on a real broker: the device half of the contract as bytes on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoistway import wire
from hoistway.embedded.credentials import device_password
from hoistway.mqtt_url import MqttAddress
from simulators.city import Equipment, make_city
from simulators.fleet import Totals, run_scenario
from simulators.scenario import Scenario, parse
from tests.support.brokers import Client, embedded, until
from tests.support.folders import temporary_home

SECRET = b"a secret of this test"
SEED_OF_A_LATE_FIRST_SAMPLE = 25
"""With it the second lift's terminal sees its first sample 4.8 s after the start."""


def story(*faults: str) -> Scenario:
    head = 'title = {zh = "测试", en = "test"}\nstory = "of a test"\nduration = "endless"\n'
    return parse(head + "".join(f"[[fault]]\n{fault}\n" for fault in faults), name="test")


class Watcher:
    """Stands where ingest stands: sees everything, answers when told to."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def records(self, row: Equipment, leaf: str) -> list[dict[str, Any]]:
        read = [json.loads(payload) for payload in self.payloads(row, leaf)]
        return [record for item in read for record in (item if isinstance(item, list) else [item])]

    def payloads(self, row: Equipment, leaf: str) -> list[bytes]:
        topic = wire.topic(row.shard, row.device, leaf)
        return [got.payload for got in list(self.client.got) if got.topic == topic]

    def links(self, row: Equipment) -> list[tuple[bool, int, int]]:
        read = [wire.decode_link(payload) for payload in self.payloads(row, "link")]
        return [(link.online, link.boot, link.conn) for link in read]

    async def ack(self, row: Equipment, *, event: int, state: int) -> None:
        boot = wire.decode_link(self.payloads(row, "link")[-1]).boot
        await self.client.publish(
            wire.topic(row.shard, row.device, "ack"), wire.encode(wire.Ack(boot=boot, event=event, state=state, ts=1))
        )


@asynccontextmanager
async def platform(kind: str, rows: list[Equipment]) -> AsyncIterator[tuple[Watcher, MqttAddress, Path]]:
    with temporary_home() as home:
        broker = embedded(kind, home)
        await broker.set_devices({row.device: device_password(SECRET, row.device) for row in rows})
        await broker.start()
        client = Client(MqttAddress.parse(broker.url), client_id="watcher")
        try:
            await client.connect()
            await client.subscribe("lift/v1/+/+/state", "lift/v1/+/+/event", "lift/v1/+/+/link")
            yield Watcher(client), MqttAddress(host="127.0.0.1", port=broker.port), home
        finally:
            await client.close()
            await broker.stop()


@asynccontextmanager
async def fleet(
    scenario: Scenario, rows: list[Equipment], address: MqttAddress, home: Path
) -> AsyncIterator[tuple[Totals, asyncio.Task[Totals]]]:
    stop, totals = asyncio.Event(), Totals()
    run = asyncio.create_task(
        run_scenario(
            scenario,
            rows,
            address=address,
            password_of=lambda device: device_password(SECRET, device),
            truth_path=home / "truth.jsonl",
            state_path=home / "devices.json",
            stop=stop,
            totals=totals,
        )
    )
    try:
        yield totals, run
    finally:
        stop.set()
        await run


async def test_a_simulated_device_keeps_its_promises_on_a_real_broker(kind):
    """Link first, samples from 1 on, an event again until acknowledged, goodbye at the end, the next boot after a restart."""
    (row,) = rows = make_city(lifts=1, escalators=0, seed=3)
    cut = 'kind = "power-cut"\nat = "1s"\nlasts = "10min"'
    async with platform(kind, rows) as (watcher, address, home):
        async with fleet(story(cut), rows, address, home) as (totals, _):
            await until(lambda: watcher.payloads(row, "event") != [], "no event came")
            await until(lambda: watcher.payloads(row, "state") != [], "no sample came")
            assert watcher.links(row) == [(True, 1, 1)]
            assert watcher.records(row, "state")[0]["seq"] == 1
            await until(lambda: len(watcher.payloads(row, "event")) > 1, "the event was not sent again")
            first, second = watcher.payloads(row, "event")[:2]
            assert first == second
            assert json.loads(first)["code"] == "41"
            before = watcher.links(row)
            await watcher.ack(row, event=1, state=1)
        sent = len(watcher.payloads(row, "event"))
        await until(lambda: watcher.links(row) == [*before, (False, 1, 1)], "no goodbye")
        assert totals.faults == 1
        async with fleet(story(), rows, address, home):
            await until(lambda: (True, 2, 1) in watcher.links(row), "no second boot")
            await until(lambda: watcher.records(row, "state")[-1]["boot"] == 2, "no sample of the second boot")
        assert len(watcher.payloads(row, "event")) == sent
        truth = [json.loads(line) for line in (home / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [(line["fault"], line["to"]) for line in truth] == [("power-cut", None)]


async def test_a_lost_link_leaves_the_will_and_fills_the_hole_afterwards(kind):
    """A scripted link loss makes the broker publish the will; the device comes back as connection 2 with what it saw meanwhile."""
    rows = make_city(lifts=3, escalators=0, seed=4)
    lost = 'kind = "link-loss"\nat = "3s"\nlift = 1\nlasts = "6s"'
    async with (
        platform(kind, rows) as (watcher, address, home),
        fleet(replace(story(lost), seed=SEED_OF_A_LATE_FIRST_SAMPLE), rows, address, home) as (totals, _),
    ):
        wanted = [(True, 1, 1), (False, 1, 1), (True, 1, 2)]
        await until(lambda: watcher.links(rows[1]) == wanted, "the link did not go and come back")
        await until(lambda: watcher.records(rows[1], "state") != [], "the sample did not come afterwards")
        assert [watcher.links(row) for row in (rows[0], rows[2])] == [[(True, 1, 1)]] * 2
        assert totals.connections == 4
        truth = json.loads((home / "truth.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        first = watcher.records(rows[1], "state")[0]
        assert first["seq"] == 1
        assert truth["from"] < first["ts"] < truth["to"]


async def test_a_fleet_without_the_right_password_keeps_trying_and_says_so(kind):
    """Refused devices are counted, send nothing, and the run still ends when it is told to."""
    rows = make_city(lifts=2, escalators=0, seed=5)
    async with platform(kind, rows) as (watcher, address, _):
        stop, totals = asyncio.Event(), Totals()
        run = asyncio.create_task(
            run_scenario(story(), rows, address=address, password_of=lambda _: "wrong", stop=stop, totals=totals)
        )
        await until(lambda: totals.failures >= 3, "refusals were not counted")
        stop.set()
        await run
        assert totals.connected == totals.messages == 0
        assert not watcher.client.got


async def test_a_fleet_survives_a_broker_that_was_away(kind):
    """The broker is restarted under a running fleet: the devices come back by themselves with the next connection number."""
    rows = make_city(lifts=3, escalators=0, seed=6)
    with temporary_home() as home:
        broker = embedded(kind, home)
        await broker.set_devices({row.device: device_password(SECRET, row.device) for row in rows})
        await broker.start()
        address = MqttAddress(host="127.0.0.1", port=broker.port)
        async with fleet(story(), rows, address, home) as (totals, run):
            await until(lambda: totals.connected == 3, "not connected")
            port = broker.port
            await broker.stop()
            await until(lambda: totals.connected == 0, "the loss was not noticed")
            again = embedded(kind, home, port=port)
            await again.set_devices({row.device: device_password(SECRET, row.device) for row in rows})
            await again.start()
            try:
                await until(lambda: totals.connected == 3, "the devices did not come back", limit_s=60)
                assert totals.connections == 6
                assert not run.done()
            finally:
                await again.stop()


async def test_a_terminal_of_the_fleet_in_columns_restarts_on_a_real_broker(kind):
    """A boot loop of the catalogue: the will, then the next boot as connection 1, with samples from 1 on; the neighbour notices nothing."""
    rows = make_city(lifts=2, escalators=0, seed=4)
    loop = 'kind = "boot-loop"\nat = "1s"\nlift = 1\nlasts = "1s"'
    async with (
        platform(kind, rows) as (watcher, address, home),
        fleet(story(loop), rows, address, home),
    ):
        await until(lambda: (True, 2, 1) in watcher.links(rows[1]), "no second boot")
        await watcher.ack(rows[1], event=0, state=0)  # or what it saw before it was connected waits for 5 s
        await until(lambda: any(record["boot"] == 2 for record in watcher.records(rows[1], "state")), "no sample of it")
        first = next(record for record in watcher.records(rows[1], "state") if record["boot"] == 2)
        assert first["seq"] == 1
        assert (False, 1, 1) in watcher.links(rows[1])
        assert watcher.links(rows[0]) == [(True, 1, 1)]
        told = [json.loads(line) for line in (home / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
        assert told[0]["kind"] == "boot-loop"
        assert told[0]["expects"] == []
