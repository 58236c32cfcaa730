"""The same story in memory and over a real broker in real time: the same alarms. What was said meanwhile is recorded and played again."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from alarms.language.reader import default_rules
from alarms.rule_sets import of_texts
from alarms.rules import RuleSet
from hoistway.embedded.credentials import device_password
from hoistway.embedded.mosquitto import find_mosquitto
from hoistway.mqtt_url import MqttAddress
from hoistway.registry import import_bytes
from hoistway.settings import Settings
from hoistway.store import connect_url
from hoistway.trial.collect import collect
from hoistway.trial.play import Trial, play_run
from ingest.main import serve
from simulators.city import Equipment, make_city, write_csv
from simulators.fleet import Fleet, Totals, run_scenario
from simulators.scenario import parse
from simulators.score.records import Alarm, truths_of
from simulators.tape.file import Item, read_tape
from simulators.tape.live import Recorder
from simulators.tape.playback import Playback
from simulators.world import World
from tests.support.brokers import embedded, need_kind, until
from tests.support.folders import temporary_home

SECRET = b"a secret of this test"
QUICK = ("entrapment-between-floors", "stopped-outside-zone", "power-lost")
"""Rules that are made to speak after two seconds, so that the test takes seconds."""
STORY = parse(
    """
title = { zh = "实时", en = "Real time" }
story = "Three lifts in trouble, nobody else on the way."
duration = "19s"
seed = 8
lifts = 5
traffic = false
time_of_day = "10:00"
[[fault]]
kind = "trapped-between-floors"
lift = 0
[[fault]]
kind = "empty-car-stops"
lift = 1
[[fault]]
kind = "estate-dark"
at = "9s"
lift = 3
lasts = "4s"
""",
    name="real-time",
)
AGREE_MS = 1_500
"""Messages wait for a step of the fleet and for a batch, and the two clocks begin apart."""


def quick_rules() -> RuleSet:
    def text(rule_id: str, source: str) -> str:
        lines = [line for line in source.splitlines() if not (rule_id in QUICK and line.startswith("for ="))]
        place = next((number for number, line in enumerate(lines) if line.startswith("when =")), None)
        if rule_id in QUICK and place is not None:
            lines.insert(place + 1, 'for = "2s"')
        return "\n".join(lines) + "\n"

    return of_texts((rule.id, text(rule.id, rule.text)) for rule in default_rules())


def told(alarms: Iterable[Alarm], begin: dict[str, int]) -> dict[tuple[str, str], int]:
    """Each rule of each lift, and how long after the beginning of what was wrong with it."""
    return {(item.lift, item.rule): item.raised_ms - begin[item.lift] for item in alarms}


def records(items: Iterable[Item]) -> list[tuple[str, str, str]]:
    """What was said, whatever its number and time."""
    found = []
    for item in items:
        value = json.loads(item.payload)
        for record in value if isinstance(value, list) else [value]:
            rest = {key: part for key, part in record.items() if key not in {"ts", "boot", "seq"}}
            found.append((item.device, item.leaf, json.dumps(rest, sort_keys=True)))
    return sorted({row for row in found if row[1] != "link"})


class Taping:
    """A recorder in a thread of its own."""

    def __init__(self, url: str, path: Path, name: str) -> None:
        self.recorder = Recorder(MqttAddress.parse(url), client_id=name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.recorder.run, args=(path, self._stop))

    async def __aenter__(self) -> Recorder:
        self._thread.start()
        await until(self.recorder.client.is_connected, "the recorder is connected")
        return self.recorder

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)


async def register(url: str, rows: list[Equipment], folder: Path) -> None:
    path = folder / "lifts.csv"
    write_csv(rows, path)
    connection = await connect_url(url, name="test")
    try:
        await import_bytes(connection, path.read_bytes(), name=path.name, today=date(2026, 3, 2), exercise=True)
    finally:
        await connection.close()


@pytest.mark.timeout(120)
async def test_a_story_in_real_time_gives_the_alarms_of_memory(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broker, ingest, store and clock against simulator and engine: the same rules of the same lifts, at the same time after the fault. The
    tape of it, played again twenty times as fast, says the same."""
    kind = "mosquitto" if find_mosquitto() else "nats"
    need_kind(kind)
    rows = [
        replace(row, floors=("1", "2", "3"), estate=f"estate {row.device}", installed_on="2021-05-01")
        for row in make_city(lifts=5, escalators=0, seed=7)
    ]
    rules = quick_rules()
    now = time.time_ns() // 1_000_000  # chance follows the day of the week
    played = play_run(Trial(scenario=STORY, rules=rules, seed=STORY.seed, rows=rows, from_ms=now))
    memory = told(played.run.alarms, {truth.lift: truth.from_ms for truth in played.run.truths})
    assert {rule for _, rule in memory} == set(QUICK)

    monkeypatch.setattr("ingest.main.default_rules", lambda: rules)
    await register(database_url, rows, tmp_path)
    with temporary_home() as home:
        broker = embedded(kind, home)
        await broker.set_devices({row.device: device_password(SECRET, row.device) for row in rows})
        await broker.start()
        stop = asyncio.Event()
        settings = Settings(database_url=SecretStr(database_url), mqtt_url=SecretStr(broker.url))
        ingest = asyncio.create_task(serve(settings, stop))
        address = MqttAddress(host="127.0.0.1", port=broker.port)
        try:
            async with Taping(broker.url, tmp_path / "a.tape", "recorder"):
                await run_scenario(
                    STORY, rows, address=address, password_of=lambda device: device_password(SECRET, device),
                    truth_path=tmp_path / "truth.jsonl",
                )  # fmt: skip
            truths = truths_of((tmp_path / "truth.jsonl").read_text("utf-8").splitlines(), source="truth")
            live = await _alarms(database_url, rows, truths)
            for _ in range(150):
                if live.keys() >= memory.keys():
                    break
                await asyncio.sleep(0.1)
                live = await _alarms(database_url, rows, truths)
            assert live.keys() == memory.keys()
            assert max(abs(at - memory[key]) for key, at in live.items()) <= AGREE_MS, (live, memory)
        finally:
            stop.set()
            await ingest
            await _play_again(broker.url, address, tmp_path)
            await broker.stop()
            _let_go()


def _let_go() -> None:
    """paho's wake-up sockets of sessions that have ended are closed with their garbage: here, not in the middle of another test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.unfreeze()  # what lived when ingest began
        gc.collect()


async def _alarms(url: str, rows: list[Equipment], truths: Any) -> dict[tuple[str, str], int]:
    connection = await connect_url(url, name="test")
    begin = {truth.lift: truth.from_ms for truth in truths}
    try:
        found = await collect(
            connection, name="live", truth=[], truths=truths, lifts=[row.rescue_code for row in rows],
            from_ms=min(begin.values()) - 60_000, to_ms=max(begin.values()) + 600_000, rules=default_rules(),
        )  # fmt: skip
    finally:
        await connection.close()
    return told(found.run.alarms, begin)


async def _play_again(url: str, address: MqttAddress, folder: Path) -> None:
    first = list(read_tape(folder / "a.tape"))
    tape = Playback(first, start_ms=1_900_000_000_000)
    assert tape.lasts_ms > 10_000
    async with Taping(url, folder / "b.tape", "recorder-2") as recorder:
        fleet = Fleet(
            cast("World", tape), address=address, password_of=lambda device: device_password(SECRET, device), speed=20.0, totals=Totals()
        )  # fmt: skip
        await asyncio.wait_for(fleet.run(asyncio.Event()), 30)
        await until(lambda: recorder.recorded >= len(tape.units), "something is recorded")
    assert records(read_tape(folder / "b.tape")) == records(first)
