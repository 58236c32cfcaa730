"""Late records that wait to be folded again: nothing that happens meanwhile loses them."""

from __future__ import annotations

import pytest

from alarms.language.reader import default_rules
from hoistway import rulebook
from ingest import late as late_module
from ingest.changes import when
from tests.postgres.test_late import RULE, alarms, cases, settle
from tests.support.desk import Desk
from tests.support.feed import FREED, TRAPPED, sample

OTHER = next(rule.text for rule in default_rules() if rule.id == "offline")
FOUND = [(50.0, 62.0, "cleared", "late")]
"""Somebody was in there from 30 s to 62 s."""


async def waits(desk: Desk, name: str) -> tuple[int, int]:
    """A lift with a late record that shows an alarm, and no tick that folds it again."""
    lift_id, start = await desk.lift(name), desk.now
    desk.ingest._next_tick_ms = 0
    await desk.say(name, "state", sample(1, start, **FREED))
    await desk.say(name, "state", sample(3, start + 60_000, **FREED), after_s=60)
    await desk.pass_s(4)
    desk.ingest._next_tick_ms = 2**60
    await desk.say(name, "state", sample(2, start + 30_000, **TRAPPED))
    assert await alarms(desk, lift_id, start) == []
    assert lift_id in desk.ingest._engine.window.waiting
    return lift_id, start


async def other_rules(desk: Desk, seconds: int) -> None:
    text = OTHER.replace('"180s"', f'"{seconds}s"')
    async with desk.database.acquire() as connection:
        await rulebook.publish(connection, text, source="t", author="Li", comment="x", product=desk.rules)


async def test_a_change_of_the_rules_while_they_wait(desk: Desk) -> None:
    """They are folded with the rules that were live when they came."""
    lift_id, start = await waits(desk, "waits-rules")
    await other_rules(desk, 181)
    await desk.ingest._refresh()
    assert await alarms(desk, lift_id, start) == FOUND
    assert [row["kind"] for row in await desk.rows("select kind from ingest_batch order by batch_no desc limit 2")] == [
        "rules",
        "refold",
    ]


async def test_a_restart_with_other_rules_while_they_wait(desk: Desk) -> None:
    """The process dies before the tick, and the next one finds a new set: first the records, then the rules."""
    await desk.checkpoint()
    lift_id, start = await waits(desk, "waits-restart-rules")
    await other_rules(desk, 182)
    await desk.restart()
    assert await alarms(desk, lift_id, start) == FOUND


async def test_a_checkpoint_while_they_wait(desk: Desk) -> None:
    """A checkpoint begins a new window for the next process: what waits is folded before it."""
    lift_id, start = await waits(desk, "waits-checkpoint")
    await desk.checkpoint()
    await desk.restart()
    assert await alarms(desk, lift_id, start) == FOUND


async def test_a_checkpoint_waits_for_those_that_wait(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more lifts than one refold takes it is written when the last one is through."""
    monkeypatch.setattr(late_module, "REFOLD_LIFTS", 1)
    lifts = [await desk.lift(f"waits-many-{number}") for number in (1, 2)]
    start = desk.now
    for seq, after_s, stamped, values in ((1, 0, 0, FREED), (3, 30, 60, FREED), (2, 2, 30, TRAPPED)):
        if seq == 2:
            desk.ingest._next_tick_ms = 2**60
        for number in (1, 2):
            at = start + stamped * 1_000
            await desk.say(f"waits-many-{number}", "state", sample(seq, at, **values), after_s=after_s)
    number = await desk.database.fetchval("select batch_no from checkpoint")
    await desk.ingest._checkpoint()
    assert [bool(await alarms(desk, lift, start)) for lift in lifts] == [True, False]
    assert await desk.database.fetchval("select batch_no from checkpoint") == number
    await desk.ingest._checkpoint()
    assert [bool(await alarms(desk, lift, start)) for lift in lifts] == [True, True]
    assert await desk.database.fetchval("select batch_no from checkpoint") > number


async def test_while_nothing_can_be_heard(desk: Desk) -> None:
    """Cut off for twenty minutes there is no tick, and the window moves on all the same: nothing is passed over."""
    lift_id, start = await waits(desk, "waits-deaf")
    desk.source.deaf = True
    desk.now += 20 * 60_000
    await desk.checkpoint()
    desk.source.deaf = False
    await desk.pass_s(1)
    assert await alarms(desk, lift_id, start) == FOUND


async def test_other_numbers_of_a_lift_while_they_wait(desk: Desk) -> None:
    """Its own hold becomes another: what came before is folded with the one of its time."""
    lift_id, start = await waits(desk, "waits-numbers")
    await desk.database.execute(
        "update lift set updated_at = clock_timestamp(), parameters = jsonb_build_object('for:' || $2::text, 300) where id = $1",
        lift_id,
        RULE,
    )
    await desk.ingest._refresh()
    assert await alarms(desk, lift_id, start) == FOUND


@pytest.mark.parametrize("restarts", [1, 2])
async def test_a_kill_after_a_checkpoint_that_is_newer(desk: Desk, restarts: int) -> None:
    """The record is older than the checkpoint, so the replay cannot fold it: the job reads it from the store, once."""
    lift_id, start = await desk.lift(f"killed-newer-{restarts}"), desk.now
    await desk.say(f"killed-newer-{restarts}", "state", sample(1, start, **FREED))
    await desk.say(f"killed-newer-{restarts}", "state", sample(3, start + 60_000, **FREED), after_s=60)
    await desk.checkpoint()
    desk.ingest._next_tick_ms = 2**60
    await desk.say(f"killed-newer-{restarts}", "state", sample(2, start + 30_000, **TRAPPED), after_s=4)
    for _ in range(restarts):
        await desk.restart()
    await settle(desk)
    assert await alarms(desk, lift_id, start) == FOUND
    assert [case[:4] for case in await cases(desk, lift_id)] == [("entrapment", "open", True, ["acknowledge"])]
    await desk.restart()
    await settle(desk)
    assert await alarms(desk, lift_id, start) == FOUND
    assert await desk.rows("select 1 from backfill where lift_id = $1", lift_id) == []


async def test_a_kill_after_their_refold(desk: Desk) -> None:
    """What a refold has told before the crash is not told by the job again."""
    lift_id, start = await desk.lift("killed-told"), desk.now
    await desk.say("killed-told", "state", sample(1, start, **FREED))
    await desk.say("killed-told", "state", sample(3, start + 60_000, **FREED), after_s=60)
    await desk.checkpoint()
    await desk.say("killed-told", "state", sample(2, start + 30_000, **TRAPPED), after_s=4)
    await desk.pass_s(2)
    found = await alarms(desk, lift_id, start)
    assert found == FOUND
    await desk.restart()
    assert await desk.rows("select 1 from backfill where lift_id = $1", lift_id) == []
    await settle(desk)
    assert await alarms(desk, lift_id, start) == FOUND


async def test_the_job_from_the_store_while_they_wait(desk: Desk) -> None:
    """Something older of the same lift is looked at first by nobody: what waits is folded before the job takes the lift over."""
    lift_id, start = await waits(desk, "waits-job")
    await desk.database.execute(
        "insert into backfill (lift_id, first_at, last_at, first_batch, noted_at) values ($1, $2, $2, 1, $2)",
        lift_id,
        when(start),
    )
    await desk.housekeeping()
    assert await alarms(desk, lift_id, start) == FOUND
