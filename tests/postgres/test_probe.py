"""The probe lift: its alarm goes the whole way through ingest, store, dispatch and API, and nobody but the watcher sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from api.app import create_app
from api.feed import Audience
from api.people import EVERY_FIRM
from api.watch import Watchdog
from dispatch.rounds import desk_round
from hoistway.errors import CannotStart
from hoistway.model import PROBE_CODE, Role
from hoistway.registry.keys import list_keys
from hoistway.registry.probe import PROBE_SHARD, ensure_probe
from hoistway.registry.show import find_lifts, list_lifts
from hoistway.settings import Settings
from hoistway.stages import STAGES, Cadence
from hoistway.store import Database
from hoistway.wire import PROBE_DEVICE
from ingest.backtest.stream import read_lifts
from tests.support import rows
from tests.support.desk import Desk
from tests.support.feed import event, sample
from tests.support.web import Api, make_keys, served, stream

KEY = "watch-key-of-the-test"
NAME = "hoistway probe"
NOW = datetime.now(UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def probe(database: Database) -> int:
    """The probe lift, registered as `hoistway migrate` does it."""
    async with database.acquire() as connection:
        await ensure_probe(connection)
        await ensure_probe(connection)
        return int(await connection.fetchval("select id from lift where probe"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keys(database: Database) -> tuple[dict[Role, str], int]:
    return await make_keys(database)


@asynccontextmanager
async def web(url: str, database: Database, keys: tuple[dict[Role, str], int]) -> AsyncIterator[Api]:
    """A fresh API that knows the watcher's key."""
    app = create_app(Settings(database_url=url, watch_key=KEY), database=database)  # type: ignore[arg-type]
    async with app.router.lifespan_context(app):
        yield Api(app=app, db=database, dispatch=database, url=url, keys=keys[0], firm_id=keys[1])


async def say(desk: Desk, seq: int, *, active: bool = True, code: str = PROBE_CODE, boot: int = 1) -> None:
    await desk.say(PROBE_DEVICE, "event", event(seq, desk.now, code, boot=boot, active=active), shard=PROBE_SHARD)


async def alarm(database: Database, probe: int) -> tuple[str, str, bool, str | None]:
    row = await database.fetchrow(
        "select condition, operator_state, open, acknowledged_by from alarm where lift_id = $1 order by id desc", probe
    )
    assert row is not None
    return tuple(row)


async def test_raised_answered_cleared_and_again(desk: Desk, probe: int) -> None:
    """The event raises a notice, dispatch answers it, its end clears and closes it; the third round goes like the first."""
    for turn in range(4):
        await say(desk, 2 * turn + 1, boot=7)
        assert await alarm(desk.database, probe) == ("active", "unacknowledged", True, None)
        await desk_round(desk.database, datetime.now(UTC))
        assert await alarm(desk.database, probe) == ("active", "acknowledged", True, "hoistway")
        await say(desk, 2 * turn + 2, active=False, boot=7)
        assert (await alarm(desk.database, probe))[:3] == ("cleared", "acknowledged", False)
        desk.now += 60_000
    assert await desk.rows("select severity, opens, exercise from alarm where lift_id = $1 limit 1", probe) == [
        {"severity": "notice", "opens": "notice", "exercise": True}
    ]
    assert await desk.rows("select 1 from rescue_case where lift_id = $1", probe) == []


async def test_the_code_is_the_probes_and_the_probe_is_the_codes(desk: Desk, probe: int) -> None:
    """Another lift that says it is refused; so is anything else from the probe's terminal: its key is good for nothing else."""
    await desk.lift("city-1")
    await desk.say("city-1", "event", event(1, desk.now, PROBE_CODE))
    await say(desk, 1, code="90", boot=8)
    await say(desk, 1, code="entrapment", boot=8)
    await desk.say(PROBE_DEVICE, "state", sample(1, desk.now, boot=8, passenger=True), shard=PROBE_SHARD)
    refused = await desk.rows("select device, reason from quarantine order by id")
    assert [tuple(row.values()) for row in refused] == [("city-1", "bad-code")] + [(PROBE_DEVICE, "bad-code")] * 3
    assert await desk.rows("select 1 from event where code <> $1 and lift_id = $2", PROBE_CODE, probe) == []
    assert await desk.rows("select 1 from sample where lift_id = $1", probe) == []


async def test_a_probe_says_nothing_about_the_age_of_the_citys_data(desk: Desk, probe: int) -> None:
    """Its batches are marked; one with a record of the city in it is not."""
    await desk.lift("city-2")
    await say(desk, 1, boot=9)
    marked = "select probe from ingest_batch where kind = 'batch' order by batch_no desc limit 1"
    assert await desk.database.fetchval(marked) is True
    await desk.say("city-2", "state", sample(1, desk.now))
    assert await desk.database.fetchval(marked) is False
    await say(desk, 2, active=False, boot=9)
    assert (await alarm(desk.database, probe))[0] == "cleared"


async def test_a_terminal_of_the_city_may_not_have_its_name(database: Database, probe: int) -> None:
    """A register from before, with a terminal called so, is said in words and left as it is."""
    async with database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            lift_id = await rows.lift(connection)
            await connection.execute("update device set lift_id = $1 where device = $2", lift_id, PROBE_DEVICE)
            with pytest.raises(CannotStart, match=PROBE_DEVICE):
                await ensure_probe(connection)
        finally:
            await transaction.rollback()
    assert probe


# --- hidden ---


async def everything(web: Api, role: Role, ids: dict[str, int]) -> dict[str, Any]:
    """What a role gets from every route that can be read and ends, with the probe's own ids in the path."""
    found = {}
    async with web.client(role) as client:
        for path, methods in web.app.openapi()["paths"].items():
            if "get" not in methods or path.endswith(("/stream", "/follow", "/metrics")) or path == "/openapi.json":
                continue
            address = path
            for name, number in ids.items():
                address = address.replace(f"{{{name}}}", str(number))
            address = address.replace("{rule_id}", PROBE_CODE).replace("{message_id}", "1").replace("{number}", "1")
            address = address.replace("{job_id}", "1").replace("{incident_id}", "1")
            answer = await client.get(address)
            found[path] = (answer.status_code, answer.text)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hidden(database: Database, probe: int) -> dict[str, int]:
    """The probe with everything a lift can have: alarms of every kind, a case, a removal; beside a lift of the city."""
    await rows.rule(database, "power-lost")
    city = await rows.lift(database, name="city lift", exercise=True)
    found = {"lift_id": probe}
    values = {"severity": "major", "exercise": True, "detected_at": NOW, "raised_at": NOW, "hold_start": NOW}
    await rows.alarm(database, city, rule_id="offline", opens="notice", **values)
    found["alarm_id"] = await rows.alarm(database, probe, rule_id="power-lost", opens="notice", **values)
    await rows.alarm(database, probe, rule_id="offline", opens="notice", **values)
    loud = await rows.alarm(database, probe, rule_id="entrapment-reported", **values)
    found["case_id"] = await rows.case(database, probe, alarm_id=loud, exercise=True)
    found["removal_id"] = await database.fetchval(
        "insert into out_of_service (lift_id, rule_id, reason, since, person) values ($1, 'offline', 'x', now(), 'p')"
        " returning id",
        probe,
    )
    return found


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR, Role.TESTER, Role.MAINTAINER])
async def test_no_list_and_no_object_of_the_api_tells_of_it(
    database_url: str, database: Database, keys: tuple[dict[Role, str], int], hidden: dict[str, int], role: Role
) -> None:
    """No answer holds its name or its lift's number; what asks for it by number gets 404 like a number that nobody has."""
    async with web(database_url, database, keys) as api:
        answers = await everything(api, role, hidden)
    assert len(answers) > 20
    for path, (status, text) in answers.items():
        assert NAME not in text, path
        assert f'"lift_id":{hidden["lift_id"]},' not in text, path
        if any(f"{{{name}}}" in path for name in hidden):
            assert status in {403, 404}, path


async def test_no_act_reaches_it(
    database_url: str, database: Database, keys: tuple[dict[Role, str], int], hidden: dict[str, int]
) -> None:
    """Whoever acts on its alarm, its case or a rule of it by number gets 404, and nothing is changed."""
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    acts = [
        (f"alarms/{hidden['alarm_id']}/acknowledge", {}),
        (f"alarms/{hidden['alarm_id']}/comments", {"text": "x"}),
        (f"alarms/{hidden['alarm_id']}/shelve", {"reason": "x", "until": until}),
        (f"cases/{hidden['case_id']}/acknowledge", {}),
        (f"cases/{hidden['case_id']}/moves", {"move": "dispatch"}),
        (f"cases/{hidden['case_id']}/comments", {"text": "x"}),
        (f"lifts/{hidden['lift_id']}/out-of-service", {"rule_id": "power-lost", "reason": "x"}),
        (f"out-of-service/{hidden['removal_id']}/end", {"reason": "x"}),
    ]
    before = await database.fetch("select * from alarm where lift_id = $1 order by id", hidden["lift_id"])
    async with web(database_url, database, keys) as api, api.client(Role.SUPERVISOR) as client:
        for path, body in acts:
            answer = await client.post(f"/api/v1/{path}", json=body, headers={"If-Match": '"1"'})
            assert answer.status_code == 404, (path, answer.text)
            assert answer.json()["detail"] != "Not found", f"no such route: {path}"
    assert await database.fetch("select * from alarm where lift_id = $1 order by id", hidden["lift_id"]) == before


async def test_no_figure_and_no_counter_counts_it(
    database_url: str, database: Database, keys: tuple[dict[Role, str], int], hidden: dict[str, int]
) -> None:
    """Figures, counters, map and the register's lists are the same with its alarms and without them."""
    window = {"from": (NOW - timedelta(hours=1)).isoformat(), "to": (NOW + timedelta(hours=1)).isoformat()}

    async def figures(api: Api) -> list[Any]:
        async with api.client(Role.SUPERVISOR) as client:
            asked = [("/api/v1/desk/figures", {**window, "exercise": flag}) for flag in ("true", "false")]
            told = [await client.get(path, params=given) for path, given in [*asked, ("/api/v1/map", {})]]
        assert [answer.status_code for answer in told] == [200, 200, 200]
        await api.app.state.hub.admit(None)  # it has read everything
        mirror = api.app.state.hub.mirror
        counters = [mirror.counters(Audience(scope, desk=True)) for scope in (EVERY_FIRM, api.firm_id)]
        assert told[0].json()["alarms"] >= 1  # the neighbour's
        return [*(answer.json() for answer in told), *counters]

    async with web(database_url, database, keys) as api:
        before = await figures(api)
    open_now = await database.fetch("select id from alarm where lift_id = $1 and open", hidden["lift_id"])
    assert len(open_now) >= 3
    await database.execute(
        "update alarm set condition = 'cleared', cleared_at = now(), operator_state = 'acknowledged',"
        " exercise = false, detected_at = detected_at - interval '9 days' where lift_id = $1", hidden["lift_id"]
    )  # fmt: skip
    async with web(database_url, database, keys) as api:
        assert await figures(api) == before
    await database.execute(
        "update alarm set condition = 'active', cleared_at = null, operator_state = 'unacknowledged', exercise = true,"
        " detected_at = detected_at + interval '9 days' where id = any($1)", [row["id"] for row in open_now]
    )  # fmt: skip


async def test_the_register_s_own_lists_do_not_hold_it(database: Database, hidden: dict[str, int]) -> None:
    """`hoistway lifts list|show`, `hoistway devices list`, and the lifts of a backtest."""
    async with database.acquire() as connection:
        assert hidden["lift_id"] not in {row["id"] for row in await list_lifts(connection, after=0, limit=1_000)}
        assert await find_lifts(connection, PROBE_DEVICE) == []
        assert PROBE_DEVICE not in {row["device"] for row in await list_keys(connection, after="", limit=1_000)}
        assert hidden["lift_id"] not in {lift.id for lift in await read_lifts(connection, None, None)}


async def test_its_alarms_make_no_flood_and_no_incident(database: Database, hidden: dict[str, int]) -> None:
    """Dispatch's round does not take it for a part of the city."""
    assert await database.fetch("select 1 from annunciation where lift_id = $1", hidden["lift_id"]) == []
    await database.execute("update lift set estate = 'probe estate', district = 'probe district' where probe")
    for number in range(4):
        lift_id = await rows.lift(
            database, estate="probe estate", district="", exercise=True, name=f"neighbour {number}"
        )
        await rows.alarm(database, lift_id, rule_id="offline", severity="minor", opens="notice", exercise=True)
    await desk_round(database, datetime.now(UTC))
    assert await database.fetch("select 1 from area_incident where name = 'probe estate'") == []
    await database.execute("update lift set estate = '', district = '' where probe")


async def test_a_probe_is_always_an_exercise(database: Database, probe: int) -> None:
    """The database itself keeps it from real contacts, and allows one probe only."""
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute("update lift set exercise = false where id = $1", probe)
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute("insert into lift (kind, name, exercise, probe) values ('lift', 'x', true, true)")


# --- the watcher at the API ---


async def test_the_watcher_sees_the_probe_and_nothing_else(
    database_url: str, keys: tuple[dict[Role, str], int], hidden: dict[str, int], desk: Desk
) -> None:
    """Its stream brings the probe's alarm when it comes and when it goes; a dispatcher's stream brings neither."""
    async with (
        served(database_url, watch_key=KEY) as address,
        stream(address, KEY, path="/api/v1/watch/stream") as watcher,
        stream(address, keys[0][Role.DISPATCHER]) as dispatcher,
    ):
        first = await watcher.next("snapshot")
        assert {item["lift_id"] for item in first.data["alarms"]} == {hidden["lift_id"]}
        assert first.data["counters"]["lifts"] == 0
        city = await dispatcher.next("snapshot")
        assert hidden["lift_id"] not in {item["lift_id"] for item in [*city.data["alarms"], *city.data["cases"]]}
        await say(desk, 1, boot=20)
        while True:
            frame = await watcher.next("change")
            if PROBE_CODE in {item["rule_id"] for item in frame.data["alarms"]}:
                break
        await rows.alarm(desk.database, await rows.lift(desk.database), rule_id="mark")
        seen = set()
        while "mark" not in seen:
            seen |= {item["rule_id"] for item in (await dispatcher.next("change")).data["alarms"]}
        assert PROBE_CODE not in seen


async def test_the_watchers_word_reaches_every_console(database_url: str, keys: tuple[dict[Role, str], int]) -> None:
    """What it reports is in the next frame of everybody's stream, and on /health/ready; only its key may report."""
    word = {
        "state": "alarm", "since": "2026-11-25T12:00:00.000Z", "missed": 2, "zh": "报警不通", "en": "no alarms",
        "findings": [{"stage": "ingest", "age_s": 70.0, "zh": "接入程序已 70 秒无心跳", "en": "ingest has been silent"}],
    }  # fmt: skip
    async with served(database_url, watch_key=KEY) as address, httpx.AsyncClient(base_url=address) as client:
        for key, status in ((None, 401), ("wrong", 401), (keys[0][Role.ADMIN], 403), (KEY, 204)):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            answer = await client.put("/api/v1/watch", json=word, headers=headers)
            assert answer.status_code == status, answer.text
        async with stream(address, keys[0][Role.MAINTAINER]) as events:
            told = (await events.next("snapshot")).data["platform"]
        assert (told["state"], told["missed"]) == ("alarm", 2)
        assert told["findings"] == word["findings"]
        assert (await client.get("/health/ready")).json()["platform"] == told


def test_a_watcher_that_falls_silent_is_said() -> None:
    """The one who watches is watched: after a cadence without a word the API says that nobody watches."""
    now = [0.0]
    dog = Watchdog(Cadence(every_s=60), watched=True, monotonic=lambda: now[0])
    assert dog.document()["state"] == "starting"
    dog.hear({"state": "well", "since": None, "missed": 0, "findings": []})
    now[0] += 60
    assert dog.document()["state"] == "well"
    now[0] += 1
    told = dog.document()
    assert (told["state"], told["findings"][0]["stage"]) == ("silent", "watch")
    dog.hear({"state": "alarm", "since": None, "missed": 2, "findings": []})
    dog.hear({"state": "starting", "since": None, "missed": 0, "findings": []})
    assert dog.document()["state"] == "alarm"
    never = Watchdog(Cadence(every_s=60), watched=True, monotonic=lambda: now[0])
    now[0] += 61
    assert never.document()["state"] == "silent"
    assert Watchdog(Cadence(every_s=60), watched=False).document()["state"] == "off"


async def test_health_says_in_words_which_stage_is_late(
    database_url: str, database: Database, keys: tuple[dict[Role, str], int]
) -> None:
    """On /health/ready in both languages, and on the page /health in the reader's; a late stage elsewhere keeps the API ready."""
    await database.execute(
        "insert into heartbeat (part, stage, beat_at, written_at) select part, stage, now(), now()"
        " from unnest($1::text[], $2::text[]) as t (part, stage) on conflict (part, stage) do update set beat_at = now()",
        [stage.part for stage in STAGES],
        [stage.name for stage in STAGES],
    )
    await database.execute("update heartbeat set beat_at = now() - interval '90 seconds' where stage = 'commit'")
    async with web(database_url, database, keys) as api, api.client() as client:
        answer = await client.get("/health/ready")
        document = api.check("/health/ready", answer)
        assert [item["stage"] for item in document["late"]] == ["ingest/commit"]
        assert document["late"][0]["zh"].startswith("接入：写入数据库已 9")
        assert document["late"][0]["en"].startswith("ingest: commit to the database has made no progress for 9")
        assert not any("commit" in reason for reason in document["reasons"])
        assert (await client.get("/health")).status_code == 303
        headers = {"Authorization": f"Bearer {keys[0][Role.MAINTAINER]}"}
        for language, words in (("zh-CN", "接入：写入数据库"), ("en", "ingest: commit to the database")):
            page = await client.get("/health", params={"lang": language}, headers=headers)
            assert page.status_code == 200
            assert words in page.text
        await database.execute(
            "insert into overload (partition, began_at, last_at, coalesced) values (0, now(), clock_timestamp(), 4711)"
        )
        for language, words in (("zh-CN", "已合并 4711 条"), ("en", "4711 samples that say nothing new were shed")):
            page = await client.get("/health", params={"lang": language}, headers=headers)
            assert words in page.text
