"""The shells around a story: in memory to files, and as terminals for the MQTT shell."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hoistway import wire
from simulators.device import Device
from simulators.fleet import Totals
from simulators.playing import Pace, play, run_in_memory
from simulators.scenario import Scenario, load, parse
from simulators.terminals import Terminals
from simulators.world import DEFAULT_START_MS

HEAD = 'title={zh="a",en="b"}\nstory="s"\nduration="10min"\ntime_of_day="08:00"\nlifts=8\n'


async def in_memory(story: Scenario, path: Path, stop: asyncio.Event | None = None, pace: Pace | None = None) -> Totals:
    return await run_in_memory(
        story,
        None,
        pace=pace or Pace(DEFAULT_START_MS, None),
        start_ms=DEFAULT_START_MS,
        truth_path=path / "truth.jsonl",
        messages_path=path / "messages.jsonl",
        stop=stop or asyncio.Event(),
        totals=Totals(),
    )


@pytest.mark.parametrize("name", ["reversing-door", "alarm-buttons"])
async def test_a_story_in_memory_writes_messages_and_truth(name: str, tmp_path: Path) -> None:
    """Both ways to compute a story give the files; every message is what `play` says, the totals count it."""
    story = replace(load(name), duration_ms=360_000)
    totals = await in_memory(story, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "messages.jsonl").read_text().splitlines()]
    played = list(play(story))
    assert len(lines) == len(played) == totals.messages
    assert [(line["received"], line["device"], line["leaf"]) for line in lines] == [message[:3] for message in played]
    truth = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert totals.faults == len({line["id"] for line in truth}) > 0
    assert set(totals.open) == {line["id"] for line in truth} - {line["id"] for line in truth if line["to"]}


async def test_a_paused_story_waits_and_a_stopped_one_ends(tmp_path: Path) -> None:
    """Nothing is said while it is paused; stop ends it also then."""
    pace, stop = Pace(DEFAULT_START_MS, 10_000), asyncio.Event()
    pace.pause(True)
    story = parse(HEAD, name="x")
    run = asyncio.create_task(in_memory(story, tmp_path, stop, pace))
    for _ in range(200):
        await asyncio.sleep(0)
    assert pace.story_ms == next(play(story))[0]
    stop.set()
    assert (await run).messages == 1


def sent(unit: Device, now: int) -> list[tuple[str, bytes]]:
    return [(message.leaf, message.payload) for message in unit.outgoing(now)]


def test_terminals_hold_what_the_story_says() -> None:
    """Advanced by two minutes, each device has the samples and events of its machine, at story time, complete and numbered."""
    terminals = Terminals(parse(HEAD, name="x"), start_ms=DEFAULT_START_MS)
    for unit in terminals.units.values():
        unit.device.connecting(DEFAULT_START_MS)
        unit.device.up(DEFAULT_START_MS)
    terminals.advance(DEFAULT_START_MS + 120_000)
    assert terminals.now == DEFAULT_START_MS + 120_000
    assert terminals.changed == set(terminals.units)
    for unit in terminals.units.values():
        kept = [json.loads(record) for record in unit.device.state.kept.values()]
        assert len(kept) >= 4
        assert all(DEFAULT_START_MS < record["ts"] <= terminals.now for record in kept)
        assert next(leaf for leaf, _ in sent(unit.device, terminals.now)) == "link"


def test_terminals_lose_links_restart_and_have_wrong_clocks() -> None:
    """A cut link is down, a restarted terminal has the next boot, a wrong clock stamps wrongly, a late line comes later."""
    faults = "".join(
        f'[[fault]]\nkind="{kind}"\nlift={lift}\nat="10s"\nlasts="{lasts}"\n'
        for lift, (kind, lasts) in enumerate((("terminal-dead", "60s"), ("boot-forgotten", "20s"), ("clock-set-wrong", "5min"), ("records-come-late", "5min")))
    )  # fmt: skip
    faults += '[[fault]]\nkind="reboot-in-mid-floor"\nlift=4\nat="10s"\nlasts="20s"\n'
    terminals = Terminals(parse(HEAD + faults, name="x"), start_ms=DEFAULT_START_MS)
    units = [terminals.units[row.device] for row in terminals.stage.rows]
    terminals.advance(DEFAULT_START_MS + 30_000)
    assert not units[0].link_up
    terminals.advance(DEFAULT_START_MS + 200_000)
    assert units[0].link_up
    assert units[4].device.boot == 2
    assert units[1].device.boot == 1
    assert units[1].device.state.seq < 100
    wrong = json.loads(list(units[2].device.state.kept.values())[-1])
    assert DEFAULT_START_MS + 200_000 - wrong["ts"] >= 900_000
    late = json.loads(list(units[3].device.state.kept.values())[-1])
    assert DEFAULT_START_MS + 200_000 - late["ts"] >= 95_000


def test_every_message_of_a_bad_network_can_be_read() -> None:
    """Links, events and samples of a story with loss, doubles and restarts are the contract's, in order of arrival."""
    story = replace(load("firmware-bugs"), duration_ms=400_000, lifts=12)
    before = 0
    for at, _, leaf, payload in play(story):
        assert at >= before - 1_000
        before = max(before, at)
        if leaf == "link":
            wire.decode_link(payload)
        else:
            record = json.loads(payload)
            assert record["ts"] > 0
            assert record["seq"] > 0
            assert record["boot"] in range(1, 12)
