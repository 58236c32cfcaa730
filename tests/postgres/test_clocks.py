"""Clocks that are wrong, through ingest: a person is found in time whatever the terminal's or the server's clock does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.feed import FREED, TRAPPED, event, sample

TRAPPED_RULE = "entrapment-between-floors"


async def raised(desk: Desk, lift_id: int, rule_id: str = TRAPPED_RULE) -> list[tuple[float, float]]:
    """Of each alarm of a rule: for how many seconds it was held, and how long before now it was raised."""
    rows = await desk.rows(
        "select hold_start, raised_at from alarm where lift_id = $1 and rule_id = $2 order by id", lift_id, rule_id
    )
    return [
        ((row["raised_at"] - row["hold_start"]).total_seconds(), round(desk.now / 1_000 - row["raised_at"].timestamp()))
        for row in rows
    ]


async def test_a_person_in_a_dark_car_does_not_wait_for_a_clock_that_stands_still(desk: Desk) -> None:
    """With a frozen clock the hold goes on by the time of receipt, and the clock itself becomes a ticket."""
    lift_id = await desk.lift("frozen-1")
    stamp = desk.now
    for seq in range(1, 41):
        await desk.say("frozen-1", "state", sample(seq, stamp, **FREED), after_s=10)
    assert ("clock-frozen", "active", 0) in await desk.alarms(lift_id)
    for seq in range(41, 44):
        await desk.say("frozen-1", "state", sample(seq, stamp, **TRAPPED), after_s=10)
    await desk.pass_s(2)
    assert await raised(desk, lift_id) == [(20.0, 2)]


@pytest.mark.parametrize("set_by", [-1_700_000_000_000, -3_600_000, 7_200_000])
async def test_a_clock_that_is_set_in_the_middle_of_a_hold(desk: Desk, set_by: int) -> None:
    """Reset to 1970, back by an hour or forward by two: the person is found after twenty seconds, not before and not later."""
    device = f"set-{set_by}"
    lift_id = await desk.lift(device)
    for seq in range(1, 8):
        await desk.say(device, "state", sample(seq, desk.now + 5_000, **FREED), after_s=5)
    for seq in range(8, 11):
        await desk.say(device, "state", sample(seq, desk.now + 5_000, **TRAPPED), after_s=5)
    for seq in range(11, 20):
        await desk.say(device, "state", sample(seq, desk.now + 5_000 + set_by, **TRAPPED), after_s=5)
    assert await raised(desk, lift_id) == [(20.0, 35)]


async def test_a_terminal_that_starts_in_1970(desk: Desk) -> None:
    """It knows no time yet, and its alarm is as quick as any."""
    lift_id = await desk.lift("born-1970")
    for number in range(5):
        await desk.say("born-1970", "state", sample(number + 1, 5_000 * (number + 1), **TRAPPED), after_s=5)
    assert await raised(desk, lift_id) == [(20.0, 0)]


@pytest.mark.parametrize("ahead_s", [-3_600, 3_600])
async def test_a_step_of_the_server_s_clock_in_a_hold(desk: Desk, ahead_s: int) -> None:
    """Back or forward by an hour: the alarm comes when it is due, and nobody is offline for it."""
    device = f"server-{ahead_s}"
    lift_id = await desk.lift(device)
    for seq in range(1, 8):
        await desk.say(device, "state", sample(seq, desk.now + 5_000, **FREED), after_s=5)
    await desk.say(device, "state", sample(8, desk.now + 5_000, **TRAPPED), after_s=5)
    desk.set_wall(ahead_s * 1_000)
    await desk.pass_s(1)
    assert await desk.alarms(lift_id) == []
    first = None
    for seq in range(9, 20):
        await desk.say(device, "state", sample(seq, desk.now + 5_000, **TRAPPED), after_s=5)
        if first is None and await desk.alarms(lift_id):
            first = seq
    assert {rule for rule, _, _ in await desk.alarms(lift_id)} <= {TRAPPED_RULE, "stopped-outside-zone"}
    assert first == 12
    for seq in range(20, 40):
        await desk.say(device, "state", sample(seq, desk.now + 5_000, **FREED), after_s=5)
    assert (TRAPPED_RULE, "cleared", 0) in await desk.alarms(lift_id)
    (placed,) = await desk.rows(
        "select max(abs(extract(epoch from received - at))) as off from sample where lift_id = $1 and seq > 20", lift_id
    )
    assert placed["off"] < 1


async def test_a_boot_number_used_again_in_the_middle_of_an_alarm(desk: Desk) -> None:
    """The terminal loses its memory while somebody is trapped: the alarm goes on, a new one is found, and the end is heard."""
    lift_id = await desk.lift("reset-1")
    for seq in range(1, 6):
        await desk.say("reset-1", "state", sample(seq, desk.now + 6_000, **TRAPPED), after_s=6)
    assert await desk.alarms(lift_id) == [(TRAPPED_RULE, "active", 0)]
    for seq in range(1, 4):
        await desk.say("reset-1", "state", sample(seq, desk.now + 6_000, **TRAPPED), after_s=6)
    await desk.say("reset-1", "event", event(1, desk.now, "90"))
    assert ("alarm-button", "active", 0) in await desk.alarms(lift_id)
    assert (TRAPPED_RULE, "active", 0) in await desk.alarms(lift_id)
    for seq in range(4, 6):
        await desk.say("reset-1", "state", sample(seq, desk.now + 6_000, **FREED), after_s=6)
    assert (TRAPPED_RULE, "cleared", 0) in await desk.alarms(lift_id)


async def test_a_boot_counter_that_goes_back_to_an_older_number(desk: Desk) -> None:
    """After boots 5 and 6, boot 5 again with new records: they are the present."""
    lift_id = await desk.lift("older-1")
    for boot in (5, 6, 5):
        await desk.say("older-1", "link", {"online": True, "boot": boot, "conn": 1}, after_s=60)
        for seq in range(1, 6):
            values = TRAPPED if boot == 5 and await _said(desk, lift_id) > 5 else FREED
            await desk.say("older-1", "state", sample(seq, desk.now + 6_000, boot=boot, **values), after_s=6)
    assert await desk.alarms(lift_id) == [(TRAPPED_RULE, "active", 0)]


async def _said(desk: Desk, lift_id: int) -> int:
    (row,) = await desk.rows("select count(*) as n from sample where lift_id = $1", lift_id)
    return int(row["n"])


async def test_records_of_an_unknown_time_are_kept_and_said_once(desk: Desk) -> None:
    """A boot that was never heard live, whose ring comes later: every record is stored, none is folded, and the desk has one notice."""
    lift_id = await desk.lift("unknown-1")
    await desk.say("unknown-1", "link", {"online": True, "boot": 9, "conn": 1})
    await desk.say("unknown-1", "state", sample(1, desk.now, boot=9, **FREED))
    for number in range(3):
        ring: list[dict[str, Any]] = [
            sample(seq, 1_000 * seq, boot=8, **TRAPPED) for seq in range(40 * number + 1, 40 * number + 41)
        ]
        await desk.say("unknown-1", "state", ring, after_s=3)
    await desk.say("unknown-1", "event", event(1, 5_000, "41", boot=8))
    assert await desk.alarms(lift_id) == [("clock-unknown", "cleared", 0), ("power-lost", "active", 0)]
    (notice,) = await desk.rows("select severity, opens, evidence from alarm where lift_id = $1 limit 1", lift_id)
    assert (notice["severity"], notice["opens"]) == ("notice", "notice")
    assert (notice["evidence"]["boot"], notice["evidence"]["records"]) == (8, 40)
    (kept,) = await desk.rows("select count(*) as n from sample where lift_id = $1 and folded = 0", lift_id)
    assert kept == {"n": 120}
    await desk.database.execute(
        "update alarm set operator_state = 'acknowledged', acknowledged_at = now(), acknowledged_by = 'Li' where lift_id = $1"
        " and rule_id = 'clock-unknown'",
        lift_id,
    )
    await desk.say("unknown-1", "state", sample(200, 200_000, boot=8, **TRAPPED), after_s=3)
    assert [rule for rule, _, _ in await desk.alarms(lift_id)].count("clock-unknown") == 1
    await desk.say("unknown-1", "state", sample(2, desk.now + 3_700_000, boot=9, **FREED), after_s=3_700)
    await desk.say("unknown-1", "state", sample(201, 201_000, boot=8, **TRAPPED), after_s=3)
    assert [rule for rule, _, _ in await desk.alarms(lift_id)].count("clock-unknown") == 2
