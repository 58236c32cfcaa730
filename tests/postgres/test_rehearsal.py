"""A story before rules, desk and timers on one virtual clock; a run out of the platform's own database; a tape out of its store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from alarms.language.reader import default_rules
from hoistway.store import connect_url
from hoistway.trial.collect import collect
from hoistway.trial.play import Played, Trial
from hoistway.trial.rehearse import rehearse
from hoistway.trial.stored import stored
from ingest.changes import when
from simulators.crews import Habits, People
from simulators.faults.scripts import Fault
from simulators.scenario import load
from simulators.score.card import scorecard
from simulators.tape.edit import lines_of
from tests.support.desk import T0, Desk
from tests.support.feed import event, message, sample
from tests.support.rows import device, lift

MINUTE = 60_000
STORY = replace(
    load("quiet-hour"),
    name="two-people",
    lifts=10,
    escalators=0,
    duration_ms=45 * MINUTE,
    traffic=False,
    faults=(
        Fault(kind="entrapment-between-floors", at_ms=1 * MINUTE, person_sensor=True, rescue_after_ms=12 * MINUTE),
        Fault(kind="entrapment-at-landing", at_ms=3 * MINUTE, person_sensor=True, rescue_after_ms=9 * MINUTE),
        Fault(kind="stopped-outside-zone", at_ms=4 * MINUTE, person_sensor=True, rescue_after_ms=20 * MINUTE),
    ),
)

Rehearsal = tuple[Played, dict[str, Any], str]


async def rehearsed(server: Any, folder: Path, habits: Habits) -> Rehearsal:
    url = await server.fresh_database(f"rehearsal_{int(habits.deaf)}")
    trial = Trial(scenario=STORY, rules=default_rules(), seed=STORY.seed)
    return *await rehearse(trial, url, folder, people=People(1, habits)), url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def good_night(postgres_server: Any, tmp_path_factory: Any) -> Rehearsal:
    return await rehearsed(postgres_server, tmp_path_factory.mktemp("night"), Habits(deaf=0.0, away=0.0))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def deaf_night(postgres_server: Any, tmp_path_factory: Any) -> Rehearsal:
    return await rehearsed(postgres_server, tmp_path_factory.mktemp("night"), Habits(deaf=1.0))


async def test_a_good_night(good_night: Rehearsal) -> None:
    """Both are told, both get a crew that comes and says so; nothing is left over, and nobody real hears of it."""
    played, report, _ = good_night
    assert report["cases"]["by_state"] == {"closed": 2}
    assert report["cases"]["by_level"] == {"1": 2}
    assert report["times"]["accepted"]["within_limit"] == report["times"]["arrived"]["within_limit"] == 1.0
    assert (report["timers"]["overdue_at_the_end"], report["timers"]["late_most_ms"]) == (0, 0)
    assert report["messages"]["all"] > 0
    assert report["messages"]["to_real_people"] == 0
    assert (len(played.run.sent), scorecard(played.run)["dispatch"]["false"]) == (2, 0)
    assert report["alarms"]["stopped-outside-zone"] >= 1


async def test_a_night_in_which_no_crew_answers_climbs_to_the_fire_brigade(deaf_night: Rehearsal) -> None:
    """Three minutes, three more, then the desk calls 119, which comes and lets them out."""
    _, report, _ = deaf_night
    assert report["cases"]["by_level"] == {"3": 2}
    assert report["log"]["not-accepted"] == 4
    assert report["log"]["step-done"] == 2
    assert report["cases"]["by_state"] == {"closed": 2}
    assert report["times"]["arrived"]["p50"]["ms"] > 12 * MINUTE


async def test_the_same_seed_gives_the_same_night(good_night: Rehearsal, postgres_server: Any, tmp_path: Path) -> None:
    """Every figure but the wall clock's."""
    url = await postgres_server.fresh_database("again")
    trial = Trial(scenario=STORY, rules=default_rules(), seed=STORY.seed)
    _, report = await rehearse(trial, url, tmp_path, people=People(1, Habits(deaf=0.0, away=0.0)))
    assert {**report, "speed": None} == {**good_night[1], "speed": None}


async def test_a_run_out_of_the_database_is_the_run(good_night: Rehearsal) -> None:
    """What was collected has the alarms and crews that the rehearsal had."""
    played, _, url = good_night
    run = played.run
    connection = await connect_url(url, name="test")
    try:
        found = await collect(
            connection, name="x", truth=played.truth, truths=run.truths, lifts=sorted({f"{900_001 + n:06d}" for n in range(40)}),
            from_ms=run.from_ms, to_ms=run.to_ms, rules=default_rules(),
        )  # fmt: skip
    finally:
        await connection.close()
    told = [
        {(item.lift, item.rule, item.raised_ms, item.cleared_ms) for item in side.alarms} for side in (found.run, run)
    ]
    assert told[0] == told[1]
    assert list(found.run.sent) == list(run.sent)
    assert scorecard(found.run)["entrapments"] == scorecard(run)["entrapments"]


async def test_stored_telemetry_as_a_tape(desk: Desk) -> None:
    """What a lift has said, by when it was received, under its terminal's name; other lifts and hours are not on it."""
    number = await lift(desk.database)
    await device(desk.database, number, name="taped-1")
    for second in range(3):
        text = sample(second + 1, desk.now, speed=1.5, car_position="B1")
        desk.source.put(message("state", text, device="taped-1", shard=7, received=desk.now))
        await desk.pass_s(1)
    desk.source.put(message("event", event(1, desk.now, "90"), device="taped-1", shard=7, received=desk.now))
    await desk.pass_s(1)
    assert desk.now > T0
    async with desk.database.acquire() as connection:
        items = await stored(connection, [number], when(desk.now - 60_000), when(desk.now))
    rows = list(lines_of(items))
    assert [(item.device, item.shard, item.leaf) for item in items] == [("taped-1", 7, "state")] * 3 + [
        ("taped-1", 7, "event")
    ]
    assert [(row.get("speed"), row.get("car_position"), row["seq"]) for row in rows[:3]] == [
        (1.5, "B1", n) for n in (1, 2, 3)
    ]
    assert rows[3]["code"] == "90"
