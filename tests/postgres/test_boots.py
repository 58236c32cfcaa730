"""Boots of a device against the store: what is sent again is stored once, whatever was forgotten here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.feed import TRAPPED, event, sample

PARKED: dict[str, Any] = {**TRAPPED, "door_zone": True, "passenger": False}


async def kept(desk: Desk, device: str) -> list[tuple[Any, ...]]:
    """The device's events in the store, with how many samples a number has more than once."""
    rows = await desk.rows(
        "select boot, incarnation, seq, code from event e join device d on d.id = e.device_id where device = $1 order by 1, 2, 3",
        device,
    )
    return [tuple(row.values()) for row in rows]


async def doubled(desk: Desk, device: str) -> int:
    """Numbers of samples that are stored more than once."""
    query = """
        select count(*) as n from (select 1 from sample s join device d on d.id = s.device_id where device = $1
        group by boot, seq having count(*) > 1) twice
    """
    return int((await desk.rows(query, device))[0]["n"])


def last_ack(desk: Desk) -> dict[str, Any]:
    return desk.source.published[-1][1]


@pytest.mark.parametrize("restart", [False, True], ids=["at one go", "restart"])
async def test_the_present_boot_is_not_forgotten_while_rings_drain(desk: Desk, restart: bool) -> None:
    """Four old boots send their rings; then the present one sends again what it had sent, beside a new alarm: that is raised."""
    device = f"rings-{restart}"
    lift_id, then = await desk.lift(device), desk.now
    ring = [sample(seq, then - 3_000 + seq * 1_000, boot=12, **PARKED) for seq in (1, 2, 3)]
    await desk.say(device, "link", {"online": True, "boot": 12, "conn": 1})
    await desk.say(device, "event", event(1, then, "01", boot=12))
    await desk.say(device, "state", ring)
    for boot in (8, 9, 10, 11):
        await desk.say(device, "event", event(1, then - 1_000_000 + boot * 10_000, "02", boot=boot), after_s=1)
    if restart:
        await desk.restart()
    await desk.say(device, "state", ring, after_s=1)
    await desk.say(device, "event", [event(1, then, "01", boot=12), event(2, desk.now, "90", boot=12)], after_s=1)
    assert (last_ack(desk)["boot"], last_ack(desk)["event"]) == (12, 2)
    assert ("alarm-button", "active", 0) in await desk.alarms(lift_id)
    assert await doubled(desk, device) == 0
    assert await desk.rows("select reason from quarantine where device = $1", device) == []


async def test_an_event_that_only_the_store_remembers_costs_no_neighbour(desk: Desk) -> None:
    """The boot is forgotten here: its event sent again is a duplicate all the same, and the alarm beside it goes in."""
    lift_id, then = await desk.lift("forgotten-1"), desk.now
    await desk.lift("forgotten-2")
    await desk.say("forgotten-1", "event", [event(seq, then + seq, "41", active=seq == 1) for seq in (1, 2)])
    await desk.checkpoint()
    saved = desk.ingest._memory
    saved._devices.clear()
    saved._packed.clear()
    desk.ingest._checkpointed = 0
    await desk.checkpoint()  # so that it stays forgotten when the state is rebuilt
    await desk.say(
        "forgotten-1", "event", [event(2, then + 2, "41", active=False), event(3, desk.now, "90")], after_s=1
    )
    assert [row[2] for row in await kept(desk, "forgotten-1")] == [1, 2, 3]
    assert ("alarm-button", "active", 0) in await desk.alarms(lift_id)
    assert (last_ack(desk)["event"], "missing" in last_ack(desk)) == (3, False)
    assert await desk.rows("select reason from quarantine where device = 'forgotten-1'") == []


async def test_a_forgotten_boot_that_counts_anew(desk: Desk) -> None:
    """A number that the store holds, with a newer stamp, is a new life of the device also when the boot was forgotten here."""
    lift_id, then = await desk.lift("anew-1"), desk.now
    await desk.say("anew-1", "event", [event(seq, then + seq, "41", active=seq == 1) for seq in (1, 2)])
    desk.ingest._memory._devices.clear()
    desk.ingest._memory._packed.clear()
    desk.ingest._checkpointed = 0
    await desk.checkpoint()
    await desk.say("anew-1", "event", event(1, desk.now + 5_000, "90"), after_s=5)
    assert await kept(desk, "anew-1") == [(1, 0, 1, "41"), (1, 0, 2, "41"), (1, 1, 1, "90")]
    assert ("alarm-button", "active", 0) in await desk.alarms(lift_id)


@pytest.mark.parametrize("restart", [False, True], ids=["at one go", "restart"])
async def test_an_event_stamped_by_a_clock_just_set_and_sent_again(desk: Desk, restart: bool) -> None:
    """The clock is set forward by 20 s, and the first event after it comes twice: one row, one alarm, nobody called an intruder."""
    device, off = f"ntp-{restart}", -20_000
    lift_id = await desk.lift(device)
    await desk.say(device, "link", {"online": True, "boot": 1, "conn": 1})
    for seq in range(1, 6):
        await desk.say(device, "state", sample(seq, desk.now + off + 1_000, **PARKED), after_s=1)
    await desk.say(device, "event", event(1, desk.now + off, "40"))
    pressed = event(2, desk.now + 1_000, "90")
    await desk.say(device, "event", pressed, after_s=1)
    for seq in range(6, 10):
        await desk.say(device, "state", sample(seq, desk.now + 5_000, **PARKED), after_s=5)
    if restart:
        await desk.restart()
    await desk.say(device, "event", pressed)
    assert last_ack(desk)["event"] == 2
    assert await kept(desk, device) == [(1, 0, 1, "40"), (1, 0, 2, "90")]
    assert ("alarm-button", "active", 0) in await desk.alarms(lift_id)
    assert await desk.rows("select kind from security_event where device = $1", device) == []
