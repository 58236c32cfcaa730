"""Late data end to end: what it contradicts, amends and adds, and that a restart between any two messages changes nothing of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import pytest_asyncio

from tests.support.desk import Desk
from tests.support.feed import FREED, TRAPPED, event, sample

RULE = "entrapment-between-floors"
UNKNOWN: dict[str, Any] = {"service_mode": 1}
Line = tuple[float, int, float, dict[str, Any]]
"""When it is received, seq, when it was stamped (seconds from the start), and the values."""

CONTRADICTED: Sequence[Line] = (
    (0, 1, 0, FREED), (10, 2, 10, TRAPPED), (35, 4, 35, TRAPPED), (40, 5, 40, FREED), (45, 6, 45, FREED), (50, 3, 20, FREED),
)  # fmt: skip
AMENDED: Sequence[Line] = ((0, 1, 0, FREED), (20, 3, 20, TRAPPED), (45, 4, 45, TRAPPED), (50, 2, 10, TRAPPED))
STILL_HOLDS: Sequence[Line] = ((0, 1, 0, FREED), (40, 3, 40, UNKNOWN), (45, 4, 45, TRAPPED), (50, 2, 10, TRAPPED))
PAST: Sequence[Line] = ((0, 1, 0, FREED), (60, 3, 60, FREED), (64, 2, 30, TRAPPED))
TWICE: Sequence[Line] = (
    *AMENDED[:3],
    (46, 2, 15, TRAPPED),
    (50, 5, 50, FREED),
    (55, 7, 55, FREED),
    (58, 6, 1, TRAPPED),
)


@pytest_asyncio.fixture(loop_scope="session")
async def desk(desk: Desk) -> Desk:
    """With a checkpoint, so that what came before is no part of a replay."""
    await desk.checkpoint()
    return desk


async def tell(desk: Desk, name: str, lines: Sequence[Line], between: str = "", every: int = 1) -> tuple[int, int]:
    """One story of one lift; what happens `between` two messages is nothing, a restart, or a checkpoint and a restart."""
    lift_id = await desk.lift(name)
    start = desk.now
    for received, seq, stamped, values in lines:
        desk.now = start + int(received * 1_000)
        await desk.say(name, "state", sample(seq, start + int(stamped * 1_000), **values))
        if between == "checkpoint":
            await desk.checkpoint()
        if between and seq % every == 0:
            await desk.restart()
    await desk.pass_s(2)
    if between:
        await desk.restart()
    await settle(desk)
    return lift_id, start


async def settle(desk: Desk) -> None:
    """Until the job that reads the store has looked at everything."""
    await desk.pass_s(12)
    await desk.housekeeping()
    await desk.pass_s(2)


async def alarms(desk: Desk, lift_id: int, start: int, rule: str = RULE) -> list[tuple[Any, ...]]:
    """Of a rule: raised and cleared in seconds from the start, condition, and what late data made of it."""
    rows = await desk.rows(
        "select raised_at, cleared_at, condition, correction from alarm where lift_id = $1 and rule_id = $2 order by id",
        lift_id,
        rule,
    )
    seconds = [
        [
            None if row[name] is None else round(row[name].timestamp() - start / 1_000, 1)
            for name in ("raised_at", "cleared_at")
        ]
        for row in rows
    ]
    return [(*times, row["condition"], row["correction"]) for times, row in zip(seconds, rows, strict=True)]


async def cases(desk: Desk, lift_id: int) -> list[tuple[Any, ...]]:
    """Kind, state, whether it is of the past, its timers, and the lines of its log but for what joined it."""
    rows = await desk.rows(
        "select kind, state, past, (select array_agg(t.kind order by due_at) from timer t where t.case_id = c.id) as timers,"
        " (select array_agg(distinct e.kind) from case_event e where e.case_id = c.id"
        "  and e.kind in ('opened', 'opened-in-the-past', 'late-data-contradicts')) as log"
        " from rescue_case c where lift_id = $1 order by id",
        lift_id,
    )
    return [tuple(row.values()) for row in rows]


ALL_TIMERS = ["send", "acknowledge"]


@pytest.mark.parametrize("between", ["", "restart", "checkpoint"])
async def test_a_late_sample_contradicts_an_alarm(desk: Desk, between: str) -> None:
    """The alarm is marked and stays on the desk; its case stays open and says in its log what the data says."""
    lift_id, start = await tell(desk, f"contradicted-{between}", CONTRADICTED, between)
    assert await alarms(desk, lift_id, start) == [(30.0, 42.0, "cleared", "contradicted")]
    assert await cases(desk, lift_id) == [
        ("entrapment", "open", False, ALL_TIMERS, ["late-data-contradicts", "opened"])
    ]


@pytest.mark.parametrize("between", ["", "restart", "checkpoint"])
async def test_a_late_sample_amends_an_alarm(desk: Desk, between: str) -> None:
    """Somebody has been in there for ten seconds longer: other times, the same alarm, the same case."""
    lift_id, start = await tell(desk, f"amended-{between}", AMENDED, between)
    assert await alarms(desk, lift_id, start) == [(30.0, None, "active", "amended")]
    assert await cases(desk, lift_id) == [("entrapment", "open", False, ALL_TIMERS, ["opened"])]


@pytest.mark.parametrize("between", ["", "restart", "checkpoint"])
async def test_a_late_entrapment_that_still_holds_is_dispatched(desk: Desk, between: str) -> None:
    """It is an alarm like any other, marked late, with a case and all its timers."""
    lift_id, start = await tell(desk, f"holds-{between}", STILL_HOLDS, between)
    assert await alarms(desk, lift_id, start) == [(30.0, None, "active", "late")]
    assert await cases(desk, lift_id) == [("entrapment", "open", False, ALL_TIMERS, ["opened"])]


@pytest.mark.parametrize("between", ["", "restart", "checkpoint"])
async def test_a_late_entrapment_that_was_over_asks_for_a_voice_check(desk: Desk, between: str) -> None:
    """A case of the past with the acknowledge timer alone: nobody is sent by itself."""
    lift_id, start = await tell(desk, f"past-{between}", PAST, between)
    assert await alarms(desk, lift_id, start) == [(50.0, 62.0, "cleared", "late")]
    assert await cases(desk, lift_id) == [("entrapment", "open", True, ["acknowledge"], ["opened-in-the-past"])]


@pytest.mark.parametrize("code", ["", "90"])
async def test_somebody_trapped_while_a_case_of_the_past_is_open(desk: Desk, code: str) -> None:
    """A new alarm of the lift makes it an emergency like any other: the desk is asked again, and all timers run from now."""
    lift_id, _ = await tell(desk, f"woken-{code}", PAST)
    await desk.database.execute(
        "update rescue_case set acknowledged_at = now(), acknowledged_by = 'Li' where lift_id = $1", lift_id
    )
    before = desk.now
    if code:
        await desk.say(f"woken-{code}", "state", sample(10, desk.now + 5_000, **TRAPPED), after_s=5)
        await desk.say(f"woken-{code}", "event", event(1, desk.now, code))
    else:
        for seq in range(10, 16):
            await desk.say(f"woken-{code}", "state", sample(seq, desk.now + 5_000, **TRAPPED), after_s=5)
    ((kind, state, past, timers, _),) = await cases(desk, lift_id)
    assert (kind, state, past, timers) == ("entrapment", "open", False, ALL_TIMERS)
    (row,) = await desk.rows(
        "select acknowledged_at, (select min(due_at) from timer t where t.case_id = c.id) as due from rescue_case c"
        " where lift_id = $1",
        lift_id,
    )
    assert row["acknowledged_at"] is None
    assert row["due"].timestamp() * 1_000 > before


@pytest.mark.parametrize("between", ["", "restart", "checkpoint"])
async def test_late_data_that_comes_twice_over(desk: Desk, between: str) -> None:
    """A second late sample corrects what the first one had corrected."""
    lift_id, start = await tell(desk, f"twice-{between}", TWICE, between)
    assert await alarms(desk, lift_id, start) == [(21.0, 52.0, "cleared", "amended")]
    assert await cases(desk, lift_id) == [("entrapment", "open", False, ALL_TIMERS, ["opened"])]


def at_random(seed: int) -> Sequence[Line]:
    """Two minutes and a half of a lift with trouble, of which a quarter comes up to a minute late."""
    chance = random.Random(seed)
    values = [chance.choice((FREED, TRAPPED, TRAPPED, TRAPPED, UNKNOWN)) for _ in range(30)]
    late = [chance.choice((0, 0, 0, chance.randint(6, 60))) for _ in values]
    lines = [(5.0 * n + late[n], n + 1, 5.0 * n, said) for n, said in enumerate(values) if n]
    end = [(250.0, 31, 250.0, FREED), (255.0, 32, 255.0, FREED)]
    return [(0, 1, 0, FREED), *sorted(lines, key=lambda line: line[0]), *end]


@pytest.mark.parametrize("seed", range(4))
async def test_a_restart_between_any_two_messages_changes_no_row(desk: Desk, seed: int) -> None:
    """The same alarms with the same times, and as many cases, as without; and those of a lift whose records came in order."""
    told = []
    for between in ("", "restart", "checkpoint"):
        lift_id, start = await tell(desk, f"random-{seed}-{between}", at_random(seed), between, every=3)
        rows = await alarms(desk, lift_id, start)
        told.append([row[:3] for row in rows if row[3] != "contradicted"])
    lift_id, start = await tell(desk, f"random-{seed}-in-order", sorted(at_random(seed), key=lambda line: line[2]))
    told.append([row[:3] for row in await alarms(desk, lift_id, start)])
    assert told[0] == told[1] == told[2] == told[3]


@pytest.mark.parametrize("lines", [CONTRADICTED, AMENDED, STILL_HOLDS, PAST, TWICE])
async def test_duplicates_of_late_records_change_nothing(desk: Desk, lines: Sequence[Line]) -> None:
    """Everything sent again in another order is counted, and no row is another."""
    name = f"again-{id(lines)}"
    lift_id, start = await tell(desk, name, lines)
    before = (await alarms(desk, lift_id, start), await cases(desk, lift_id), await _versions(desk, lift_id))
    for _, seq, stamped, values in reversed(lines):
        await desk.say(name, "state", sample(seq, start + int(stamped * 1_000), **values))
    await settle(desk)
    assert (await alarms(desk, lift_id, start), await cases(desk, lift_id), await _versions(desk, lift_id)) == before


async def _versions(desk: Desk, lift_id: int) -> list[int]:
    rows = await desk.rows("select version from alarm where lift_id = $1 and rule_id = $2 order by id", lift_id, RULE)
    return [row["version"] for row in rows]


async def test_a_kill_between_a_refold_and_the_next_checkpoint(desk: Desk) -> None:
    """What the refold made of the lift is there again: the alarm that it raised is cleared by the next samples."""
    lift_id, start = await tell(desk, "killed-1", STILL_HOLDS)
    await desk.restart()
    for seq in (10, 11):
        await desk.say("killed-1", "state", sample(seq, desk.now + 5_000, **FREED), after_s=5)
    ((raised, cleared, condition, correction),) = await alarms(desk, lift_id, start)
    assert (raised, condition, correction) == (30.0, "cleared", "late")
    assert cleared is not None


async def test_a_kill_between_a_contradiction_and_the_next_checkpoint(desk: Desk) -> None:
    """What a correction had ended is not raised again by the replay of what came before it."""
    lift_id, start = await desk.lift("killed-3"), desk.now
    for received, seq, stamped, values in (*CONTRADICTED[:3], (40, 3, 20, FREED)):
        desk.now = start + int(received * 1_000)
        await desk.say("killed-3", "state", sample(seq, start + int(stamped * 1_000), **values))
    await desk.pass_s(2)
    before = await desk.rows("select * from alarm where lift_id = $1 order by id", lift_id)
    assert "contradicted" in {row["correction"] for row in before}
    await desk.restart()
    assert await desk.rows("select * from alarm where lift_id = $1 order by id", lift_id) == before


async def test_a_kill_between_late_data_and_its_refold(desk: Desk) -> None:
    """The records are stored, and the process dies before the tick that folds them again: the next one does."""
    lift_id, start = await desk.lift("killed-2"), desk.now
    for received, seq, stamped, values in PAST:
        desk.now = start + int(received * 1_000)
        if seq == 2:
            desk.ingest._next_tick_ms = 2**60
        await desk.say("killed-2", "state", sample(seq, start + int(stamped * 1_000), **values))
    assert await alarms(desk, lift_id, start) == []
    await desk.restart()
    await desk.pass_s(2)
    assert await alarms(desk, lift_id, start) == [(50.0, 62.0, "cleared", "late")]
    assert [case[2] for case in await cases(desk, lift_id)] == [True]


async def test_a_correction_of_an_alarm_that_the_desk_has_settled(desk: Desk) -> None:
    """Acknowledged stays acknowledged and shelved stays shelved when only the times are others."""
    lift_id, start = await desk.lift("settled-1"), desk.now
    for seq in (2, 3, 4, 5, 6, 7):
        await desk.say("settled-1", "state", sample(seq, desk.now + 20_000, **TRAPPED), after_s=20)
    await desk.database.execute(
        "update alarm set operator_state = 'acknowledged', acknowledged_at = now(), acknowledged_by = 'Li'"
        " where lift_id = $1 and rule_id = $2",
        lift_id,
        RULE,
    )
    await desk.database.execute(
        "update alarm set operator_state = 'shelved', shelved_until = now() + interval '1 hour', shelved_by = 'Li',"
        " shelve_reason = 'x' where lift_id = $1 and rule_id = 'stopped-outside-zone'",
        lift_id,
    )
    await desk.say("settled-1", "state", sample(1, start + 5_000, **TRAPPED), after_s=2)
    await desk.pass_s(2)
    found = await desk.rows("select rule_id, operator_state, correction, open from alarm where lift_id = $1", lift_id)
    assert {row["rule_id"]: (row["operator_state"], row["correction"], row["open"]) for row in found} == {
        RULE: ("acknowledged", "amended", True),
        "stopped-outside-zone": ("shelved", "amended", True),
    }
    assert await alarms(desk, lift_id, start) == [(25.0, None, "active", "amended")]


async def test_no_correction_ends_a_case(desk: Desk) -> None:
    """Contradicted while people are on their way: the case goes on as it was, and no timer is taken back."""
    lift_id, start = await desk.lift("on-the-way"), desk.now
    for received, seq, stamped, values in CONTRADICTED:
        desk.now = start + int(received * 1_000)
        if seq == 3:
            await desk.database.execute("update rescue_case set state = 'dispatched' where lift_id = $1", lift_id)
        await desk.say("on-the-way", "state", sample(seq, start + int(stamped * 1_000), **values))
    await desk.pass_s(2)
    assert [case[:4] for case in await cases(desk, lift_id)] == [("entrapment", "dispatched", False, ALL_TIMERS)]
    cancelled = await desk.rows(
        "select 1 from timer t join rescue_case c on c.id = t.case_id where c.lift_id = $1 and cancelled_at is not null",
        lift_id,
    )
    assert cancelled == []


# --- older than the window ---


async def a_quiet_half_hour(desk: Desk, name: str, values: dict[str, Any], first: int) -> None:
    """Samples each half minute for 30 min, and the window moves on."""
    for seq in range(first, first + 60):
        await desk.say(name, "state", sample(seq, desk.now + 30_000, **values), after_s=30)
    await desk.checkpoint()


@pytest.mark.parametrize("between", ["", "restart"])
async def test_an_entrapment_older_than_the_window_that_was_over(desk: Desk, between: str) -> None:
    """The job from the store raises it late, once; a second turn and the same records again change nothing."""
    name = f"old-past-{between}"
    lift_id, start = await desk.lift(name), desk.now
    await desk.say(name, "state", sample(1, start, **FREED))
    await a_quiet_half_hour(desk, name, FREED, first=10)
    ring = [sample(seq, start + at * 1_000, **values) for seq, at, values in ((2, 100, TRAPPED), (3, 124, TRAPPED))]
    await desk.say(name, "state", ring, after_s=5)
    assert await desk.rows("select distinct folded from sample where lift_id = $1 and seq in (2, 3)", lift_id) == [
        {"folded": 3}
    ]
    if between:
        await desk.restart()
    assert await alarms(desk, lift_id, start) == []
    await settle(desk)
    first = await alarms(desk, lift_id, start)
    assert [row[0] for row in first] == [120.0]
    assert [row[2:] for row in first] == [("cleared", "late")]
    assert await cases(desk, lift_id) == [("entrapment", "open", True, ["acknowledge"], ["opened-in-the-past"])]
    assert await desk.rows("select 1 from backfill where lift_id = $1", lift_id) == []
    versions = await _versions(desk, lift_id)
    await desk.say(name, "state", ring, after_s=5)
    await desk.say(name, "state", sample(4, start + 128_000, **TRAPPED), after_s=5)
    await settle(desk)
    assert (await alarms(desk, lift_id, start), await _versions(desk, lift_id)) == (first, versions)
    assert len(await cases(desk, lift_id)) == 1


@pytest.mark.parametrize("between", ["", "restart"])
async def test_an_entrapment_older_than_the_window_that_still_holds(desk: Desk, between: str) -> None:
    """It is dispatched, and from then on the live engine knows it: the doors that open later clear the alarm."""
    name = f"old-holds-{between}"
    lift_id, start = await desk.lift(name), desk.now
    await desk.say(name, "state", sample(1, start, **FREED))
    await a_quiet_half_hour(desk, name, UNKNOWN, first=10)
    ring = [sample(seq, start + at * 1_000, **TRAPPED) for seq, at in ((2, 100), (3, 124))]
    await desk.say(name, "state", ring, after_s=5)
    await settle(desk)
    assert await alarms(desk, lift_id, start) == [(120.0, None, "active", "late")]
    assert await cases(desk, lift_id) == [("entrapment", "open", False, ALL_TIMERS, ["opened"])]
    if between:
        await desk.restart()
    for seq in (80, 81):
        await desk.say(name, "state", sample(seq, desk.now + 5_000, **FREED), after_s=5)
    ((raised, cleared, condition, correction),) = await alarms(desk, lift_id, start)
    assert (raised, condition, correction) == (120.0, "cleared", "late")
    assert cleared > 1_800


@pytest.mark.parametrize("between", ["", "restart"])
async def test_a_ring_of_three_days_is_looked_at_whole(desk: Desk, between: str) -> None:
    """More than one turn of the job: the entrapment of the first day and that of the last are told, each once, and nothing is left."""
    name = f"three-days-{between}"
    lift_id, start = await desk.lift(name), desk.now
    day = 86_400
    await desk.say(name, "state", sample(1, start, **FREED))
    desk.now += 3 * day * 1_000
    await a_quiet_half_hour(desk, name, FREED, first=20)
    trapped = [(at, TRAPPED) for at in (100, 124, 130)] + [(200, FREED)]
    lines = [(since + at, values) for since in (0, 2 * day) for at, values in trapped]
    ring = [sample(seq, start + at * 1_000, **values) for seq, (at, values) in enumerate(lines, 2)]
    await desk.say(name, "state", ring, after_s=5)
    await settle(desk)
    assert [row[0] for row in await alarms(desk, lift_id, start)] == [2 * day + 120.0]
    (left,) = await desk.rows("select first_at < last_at as older from backfill where lift_id = $1", lift_id)
    assert left["older"]
    if between:
        await desk.restart()
    await settle(desk)
    await desk.say(
        name, "state", sample(11, start + (2 * day + 300) * 1_000, **FREED)
    )  # a straggler: nothing is told twice
    for _ in range(4):
        await settle(desk)
    (told,) = await desk.rows(
        "select raises, repeats, correction from alarm where lift_id = $1 and rule_id = $2", lift_id, RULE
    )
    assert [moment.timestamp() - start / 1_000 for moment in told["raises"]] == [120.0, 2 * day + 120.0]
    assert (told["repeats"], told["correction"]) == (1, "late")
    assert await desk.rows("select 1 from backfill where lift_id = $1", lift_id) == []


async def test_old_data_that_contradicts_an_alarm(desk: Desk) -> None:
    """Half an hour later a ring shows that the doors had been open: the alarm is marked, the case stays."""
    lift_id, start = await desk.lift("old-against"), desk.now
    for received, seq, stamped, values in CONTRADICTED[:-1]:
        desk.now = start + int(received * 1_000)
        await desk.say("old-against", "state", sample(seq, start + int(stamped * 1_000), **values))
    await a_quiet_half_hour(desk, "old-against", FREED, first=10)
    await desk.say("old-against", "state", sample(3, start + 20_000, **FREED), after_s=5)
    await settle(desk)
    assert await alarms(desk, lift_id, start) == [(30.0, 42.0, "cleared", "contradicted")]
    assert await cases(desk, lift_id) == [
        ("entrapment", "open", False, ALL_TIMERS, ["late-data-contradicts", "opened"])
    ]


# --- several devices of one lift ---


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (1, 0, 2, 3, 5, 4), (0, 2, 3, 1, 4, 5), (5, 4, 3, 2, 1, 0)])
async def test_two_terminals_of_one_lift(desk: Desk, order: Sequence[int]) -> None:
    """Two terminals with clocks an hour apart speak for one lift; in whatever order their words come, the alarm is the same."""
    name = "pair-" + "".join(map(str, order))
    lift_id = await desk.lift(f"{name}-a")
    await desk.terminal(f"{name}-b", lift_id)
    off = {"a": -3_600_000, "b": 30_000}
    for seq in range(1, 5):
        for side in "ab":
            stamp = desk.now + 1_000 + off[side]
            await desk.say(f"{name}-{side}", "state", sample(seq, stamp, **FREED), after_s=1)
    start = desk.now
    said = [
        (5, "a", TRAPPED),
        (10, "b", TRAPPED),
        (15, "a", TRAPPED),
        (22, "b", TRAPPED),
        (29, "a", TRAPPED),
        (33, "b", FREED),
    ]
    numbers = {index: 5 + sum(1 for other in said[:index] if other[1] == said[index][1]) for index in range(6)}
    desk.now = start + 40_000
    for index in order:
        at, side, values = said[index]
        await desk.say(f"{name}-{side}", "state", sample(numbers[index], start + at * 1_000 + off[side], **values))
        await desk.pass_s(1.5)
    await settle(desk)
    found = await alarms(desk, lift_id, start)
    assert [row[:3] for row in found if row[3] != "contradicted"] == [(25.0, 35.0, "cleared")]
    assert len(await cases(desk, lift_id)) == 1


async def test_a_late_word_of_the_equipment(desk: Desk) -> None:
    """A press of the button that comes late is told at once, as loud as any, and stays one alarm when it is put in its place."""
    lift_id, start = await desk.lift("late-90"), desk.now
    await desk.say("late-90", "state", sample(1, start, **TRAPPED))
    await desk.say("late-90", "state", sample(2, start + 15_000, **TRAPPED), after_s=15)
    await desk.say("late-90", "event", event(1, start + 5_000, "90"), after_s=1)
    assert ("alarm-button", "active", 0) in await desk.alarms(lift_id)
    await settle(desk)
    found = await alarms(desk, lift_id, start, "alarm-button")
    assert [row[2] for row in found] == ["active"]
