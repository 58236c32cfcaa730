"""Overload on a real database: the books, what a restart makes of it, and what the desk is told."""

from __future__ import annotations

import pytest

from hoistway.limits import OVERLOAD_AFTER_MS, OVERLOAD_CALM_MS, OVERLOAD_UNACKNOWLEDGED, SLOW_S, TICK_PUT_OFF_MS
from ingest.overload import Load
from tests.support.desk import Desk
from tests.support.feed import FREED, TRAPPED, event, sample


async def overload(desk: Desk) -> None:
    """Let one begin."""
    desk.source.waits = Load(unacknowledged=OVERLOAD_UNACKNOWLEDGED)
    await desk.ingest.round()
    await desk.pass_s(OVERLOAD_AFTER_MS / 1_000)
    assert desk.ingest._overload.on


async def calm(desk: Desk) -> None:
    """Let it end."""
    desk.source.waits = Load()
    await desk.ingest.round()
    await desk.pass_s(OVERLOAD_CALM_MS / 1_000)
    assert not desk.ingest._overload.on


async def books(desk: Desk, device: str) -> dict[str, int]:
    """The device's counters of samples."""
    (row,) = await desk.rows(
        "select c.received, c.stored, c.coalesced, c.duplicates from device_counter c"
        " join device d on d.id = c.device_id where d.device = $1 and leaf = 'state'",
        device,
    )
    return row


async def test_what_is_shed_is_counted_not_acknowledged_and_taken_in_afterwards(desk: Desk) -> None:
    """Nine equal samples: two stored, seven in the books; sent again when the overload is over, all nine are there."""
    lift_id = await desk.lift("flooded")
    await overload(desk)
    said = [sample(seq, desk.now + seq * 4_000, **FREED) for seq in range(1, 10)]
    for record in said:
        desk.now = record["ts"]
        await desk.say("flooded", "state", record)
    assert await books(desk, "flooded") == {"received": 9, "stored": 2, "coalesced": 7, "duplicates": 0}
    acks = [ack for topic, ack in desk.source.published if "/flooded/" in topic]
    assert {(ack["state"], ack.get("slow_s")) for ack in acks} == {(1, SLOW_S)}
    assert len(desk.source.acknowledged) == 9
    await calm(desk)
    await desk.say("flooded", "state", sample(10, desk.now, **FREED))
    assert desk.source.published[-1][1]["missing"] == {"state": [[2, 8]]}
    await desk.say("flooded", "state", said[1:8])
    assert await books(desk, "flooded") == {"received": 17, "stored": 10, "coalesced": 7, "duplicates": 0}
    assert len(await desk.rows("select distinct seq from sample where lift_id = $1", lift_id)) == 10


async def test_an_entrapment_in_the_middle_of_it_is_raised_as_ever(desk: Desk) -> None:
    """Samples of a trapped lift, once a second, and a button: both alarms, and the same after a restart."""
    lift_id = await desk.lift("trapped-in-flood")
    await overload(desk)
    for seq in range(1, 31):
        await desk.say("trapped-in-flood", "state", sample(seq, desk.now, **TRAPPED), after_s=1)
    await desk.say("trapped-in-flood", "event", event(1, desk.now, "90"))
    assert {rule for rule, _, _ in await desk.alarms(lift_id)} >= {"entrapment-between-floors", "alarm-button"}
    assert (await books(desk, "trapped-in-flood"))["coalesced"] == 0
    before = desk.ingest._memory.snapshot(), await desk.alarms(lift_id)
    await desk.restart()
    assert (desk.ingest._memory.snapshot(), await desk.alarms(lift_id)) == before


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "killed"])
async def test_an_overload_is_written_down_while_it_lasts(desk: Desk, ends: bool) -> None:
    """With its beginning and what was shed; it is over when it ends, or when another ingest has taken over."""
    device = f"said-{ends}"
    await desk.lift(device)
    await overload(desk)
    began = desk.now
    for seq in (1, 2, 3):
        await desk.say(device, "state", sample(seq, desk.now, **FREED), after_s=1)
    await desk.housekeeping()
    newest = "select began_at, ended_at, coalesced from overload order by began_at desc limit 1"
    (row,) = await desk.rows(newest)
    assert row["began_at"].timestamp() * 1_000 == began
    assert (row["ended_at"], row["coalesced"]) == (None, 2)
    await (calm(desk) if ends else desk.restart())
    await desk.housekeeping()
    (row,) = await desk.rows(newest)
    assert row["ended_at"] is not None
    assert row["coalesced"] == 2


async def test_a_tick_waits_for_events_and_not_for_ever(desk: Desk) -> None:
    """While an event waits what time alone raises is put off, by three seconds at most."""
    lift_id = await desk.lift("put-off")
    await desk.say("put-off", "state", sample(1, desk.now, **TRAPPED))
    await desk.pass_s(19)
    desk.source.urgent = True
    await desk.pass_s(2.6)
    assert await desk.alarms(lift_id) == []
    await desk.pass_s(TICK_PUT_OFF_MS / 1_000)
    assert [rule for rule, _, _ in await desk.alarms(lift_id)] == ["entrapment-between-floors"]
