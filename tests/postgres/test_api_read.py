"""Reading: lifts, states, histories, map, quarantine, rules, paging, health, and what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from hoistway.limits import BODY_BYTES
from hoistway.model import Role
from tests.support import rows
from tests.support.web import Api, api, until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        yield running


async def test_lift_of_the_register(web: Api) -> None:
    """A lift shows its place, its firm, its terminals with topic and last word, and gateways that speak for it."""
    firm_id = await rows.firm(web.db, "Lift Care Ltd")
    lift_id = await rows.lift(web.db, firm_id=firm_id)
    device_id = await rows.device(web.db, lift_id, name="term-1", shard=9)
    gateway_id = await rows.device(web.db, None, name="zz-gateway", shard=3)
    await web.db.execute("insert into gateway_lift (device_id, lift_id) values ($1, $2)", gateway_id, lift_id)
    await web.db.execute(
        "insert into link (device_id, online, boot, conn, received) values ($1, true, 1, 1, $2)",
        device_id, rows.NOW,
    )  # fmt: skip
    async with web.client(Role.DISPATCHER) as client:
        found = web.check("/api/v1/lifts/{lift_id}", await client.get(f"/api/v1/lifts/{lift_id}"))
    assert found["firm"] == {"id": firm_id, "name": "Lift Care Ltd", "phone": "0571-1"}
    assert found["rated_speed_m_s"] == 1.75
    assert found["devices"] == [
        {"device": "term-1", "shard": 9, "topic_prefix": "lift/v1/9/term-1/", "online": True,
         "last_seen": "2026-11-23T04:00:00.000Z"},
        {"device": "zz-gateway", "shard": 3, "topic_prefix": "lift/v1/3/zz-gateway/", "online": None, "last_seen": None},
    ]  # fmt: skip


async def test_pages_hold_everything_once(web: Api) -> None:
    """Following `next` or the Link header visits every row once, filters included; a bad cursor or limit is 422."""
    made = {await rows.lift(web.db, estate="Paging Court") for _ in range(7)}
    async with web.client(Role.AUDITOR) as client:
        address: str | None = "/api/v1/lifts?estate=Paging+Court&limit=3"
        visited: list[int] = []
        while address:
            answer = await client.get(address)
            page = web.check("/api/v1/lifts", answer)
            visited += [item["id"] for item in page["items"]]
            address = answer.links["next"]["url"] if "next" in answer.links else None
            assert (address is None) == (page["next"] is None)
        assert visited == sorted(made)
        for bad in ("after=x", "after=-1", "after=99999999999999999999", "limit=0", "limit=501"):
            answer = await client.get(f"/api/v1/lifts?{bad}")
            assert answer.status_code == 422, bad
            assert answer.json()["errors"][0]["parameter"] == bad.partition("=")[0]


@pytest.mark.parametrize("fragment", ["100% Tower", "under_score", "back\\slash", "塔楼"])
async def test_search_takes_text_as_it_is(web: Api, fragment: str) -> None:
    """A fragment finds what contains it; signs that mean something to SQL mean themselves."""
    lift_id = await rows.lift(web.db, name=f"A {fragment} B")
    await rows.lift(web.db, name="A 100 Tower underXscore backslash B")
    async with web.client(Role.AUDITOR) as client:
        found = await client.get("/api/v1/lifts", params={"q": fragment})
    assert [item["id"] for item in found.json()["items"]] == [lift_id]


async def test_state_is_the_newest_sample(web: Api) -> None:
    """The state follows what the ingest commits; late samples do not turn it back; unknown is null; labels are text."""
    lift_id = await rows.lift(web.db)
    await web.db.execute("insert into floor_label (id, label) values (1, '12A') on conflict do nothing")
    path, now = f"/api/v1/lifts/{lift_id}/state", datetime.now(UTC)
    async with web.client(Role.DISPATCHER) as client:
        nothing = web.check("/api/v1/lifts/{lift_id}/state", await client.get(path))
        assert (nothing["at"], nothing["moving"], nothing["online"]) == (None, None, None)
        assert set(nothing["values"].values()) == {None}
        batch_no = await rows.batch(web.db, partition=3)
        await rows.sample(
            web.db, lift_id, now, batch_no=batch_no, partition=3,
            car_position=1, speed=0.3, car_status=1, passenger=1, door_status=2,
        )  # fmt: skip
        later = await rows.batch(web.db, partition=3)
        await rows.sample(web.db, lift_id, now - timedelta(minutes=5), batch_no=later, partition=3, speed=9.0)

        async def known() -> bool:
            return (await client.get(path)).json()["at"] is not None

        await until(known, "the sample is seen")
        state = web.check("/api/v1/lifts/{lift_id}/state", await client.get(path))
    values = state["values"]
    assert (values["car_position"], values["speed"], values["passenger"], values["door_zone"]) == (
        "12A",
        0.3,
        True,
        None,
    )
    assert (state["moving"], state["online"]) == (True, True)
    assert state["age_s"] >= 0
    assert "handrail_left" not in values


async def test_state_of_a_lift_that_was_silent_for_days(web: Api) -> None:
    """A lift whose newest sample is old still shows it, with its age."""
    lift_id = await rows.lift(web.db)
    at = datetime.now(UTC) - timedelta(days=9)
    await rows.sample(web.db, lift_id, at, batch_no=await rows.batch(web.db), speed=0.0)
    async with web.client(Role.DISPATCHER) as client:
        state = (await client.get(f"/api/v1/lifts/{lift_id}/state")).json()
    assert state["values"]["speed"] == 0
    assert state["age_s"] > 9 * 86_000


async def test_offline_is_an_open_alarm(web: Api) -> None:
    """A lift is offline while the offline rule's alarm is active, and not any more when it has cleared."""
    lift_id = await rows.lift(web.db)
    await rows.sample(web.db, lift_id, datetime.now(UTC), batch_no=await rows.batch(web.db), speed=0.0)
    alarm_id = await rows.alarm(web.db, lift_id, rule_id="offline", opens="notice", severity="minor")
    async with web.client(Role.DISPATCHER) as client:

        async def online(expected: bool) -> bool:
            state = (await client.get(f"/api/v1/lifts/{lift_id}/state")).json()
            return state["online"] is expected and [item["id"] for item in state["open_alarms"]] == [alarm_id]

        await until(lambda: online(False), "the lift is offline")
        await web.db.execute("update alarm set condition = 'cleared', version = 2 where id = $1", alarm_id)
        await until(lambda: online(True), "the lift is back")


async def test_history_of_one_lift(web: Api) -> None:
    """History holds the asked signals in device order between the asked times, and says which question is wrong."""
    lift_id = await rows.lift(web.db)
    batch_no = await rows.batch(web.db)
    for minute, speed in ((2, 0.5), (0, 1.5), (1, float("nan"))):
        at = rows.NOW + timedelta(minutes=minute)
        await rows.sample(web.db, lift_id, at, batch_no=batch_no, speed=speed, door_closed=1)
    path = f"/api/v1/lifts/{lift_id}/history"
    asked = {"from": "2026-11-23T12:00:00+08:00", "to": "2026-11-23T04:02:00Z", "signals": "speed,door_closed"}
    async with web.client(Role.MAINTAINER) as stranger:
        assert (await stranger.get(path, params=asked)).status_code == 404
    async with web.client(Role.TESTER) as client:
        found = web.check("/api/v1/lifts/{lift_id}/history", await client.get(path, params=asked))
        assert found["columns"] == ["at", "speed", "door_closed"]
        assert found["rows"] == [["2026-11-23T04:00:00.000Z", 1.5, True], ["2026-11-23T04:01:00.000Z", None, True]]
        assert found["truncated"] is False
        for wrong in (
            {"signals": "sped"},
            {"signals": "handrail_left"},
            {"from": "2026-11-23T04:00:00"},
            {"from": "2026-01-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
            {"from": "2026-11-23T05:00:00Z", "to": "2026-11-23T04:00:00Z"},
        ):
            assert (await client.get(path, params=wrong)).status_code == 422, wrong


async def test_map_has_the_lifts_that_have_a_place(web: Api) -> None:
    """A lift with coordinates is on the map, one without is not, and the outlines are where the map says."""
    placed, nowhere = await rows.lift(web.db, lon=120.5, lat=30.5), await rows.lift(web.db, lon=None, lat=None)
    async with web.client(Role.DISPATCHER) as client:
        found = web.check("/api/v1/map", await client.get("/api/v1/map"))
        assert [placed, 120.5, 30.5, "lift"] in found["lifts"]
        assert nowhere not in [entry[0] for entry in found["lifts"]]
        outlines = await client.get(found["districts"])
        assert (outlines.status_code, outlines.json()["type"]) == (200, "FeatureCollection")
        kept = await client.get(found["districts"], headers={"If-None-Match": outlines.headers["ETag"]})
        assert kept.status_code == 304


async def test_quarantine(web: Api) -> None:
    """A tester finds a message by device and reason, sees its bytes, asks for it to be taken again."""
    text = await rows.quarantined(web.db, device="bad-1", payload="坏".encode())
    raw = await rows.quarantined(
        web.db, device="bad-1", reason="bad-ts", payload=b"\xff\x00", sha256_8="00000000000000aa"
    )
    async with web.client(Role.TESTER) as client:
        listed = web.check("/api/v1/quarantine", await client.get("/api/v1/quarantine", params={"device": "bad-1"}))
        assert [item["id"] for item in listed["items"]] == [raw, text]
        filtered = await client.get("/api/v1/quarantine", params={"reason": "bad-ts"})
        assert [item["id"] for item in filtered.json()["items"]] == [raw]
        detail = web.check("/api/v1/quarantine/{message_id}", await client.get(f"/api/v1/quarantine/{text}"))
        assert (detail["payload_text"], detail["payload_base64"]) == ("坏", "5Z2P")
        assert (await client.get(f"/api/v1/quarantine/{raw}")).json()["payload_text"] is None
        reasons = web.check("/api/v1/quarantine/reasons", await client.get("/api/v1/quarantine/reasons"))["items"]
        assert {item["reason"]: item["rows"] for item in reasons} == {"not-json": 1, "bad-ts": 1}
        answer = await client.post(f"/api/v1/quarantine/{raw}/replay")
        asked = web.check("/api/v1/quarantine/{message_id}/replay", answer, "post")
        assert answer.status_code == 202
        assert asked["replay_requested_at"] is not None
        assert (await client.post("/api/v1/quarantine/999999/replay")).status_code == 404


async def test_replay_of_a_message_that_came_again(web: Api) -> None:
    """A message that was replayed and has come again since waits under its new row: asking for the old one is 409."""
    old = await rows.quarantined(web.db, sha256_8="00000000000000bb", replayed_at=rows.NOW, replay_result="stored")
    await rows.quarantined(web.db, sha256_8="00000000000000bb")
    async with web.client(Role.TESTER) as client:
        assert (await client.post(f"/api/v1/quarantine/{old}/replay")).status_code == 409


async def test_what_was_accepted_is_not_asked_for_again(web: Api) -> None:
    """The desk and the command go by the same rules: a message that was taken in stays as it is, however often it is asked for."""
    done = await rows.quarantined(
        web.db, sha256_8="00000000000000dd", replayed_at=rows.NOW, replay_result="accepted: 1 stored, 0 held before"
    )
    async with web.client(Role.TESTER) as client:
        answer = await client.post(f"/api/v1/quarantine/{done}/replay")
        assert answer.status_code == 202
        assert answer.json()["replay_result"] == "accepted: 1 stored, 0 held before"
        assert answer.json()["replay_requested_at"] is None


async def test_a_full_page_of_the_quarantine_says_that_there_is_more(web: Api) -> None:
    """Also the largest page names the next one, and following them ends."""
    for number in range(3):
        await rows.quarantined(web.db, device="paged", sha256_8=f"{number:016x}")
    seen: list[int] = []
    async with web.client(Role.TESTER) as client:
        following: str | None = ""
        while following is not None:
            params = {"device": "paged", "limit": "2"} | ({"after": following} if following else {})
            found = (await client.get("/api/v1/quarantine", params=params)).json()
            seen += [item["id"] for item in found["items"]]
            following = found["next"]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 3


async def test_rules(web: Api) -> None:
    """The list has the live rules; one rule has its text and every version, the live one first."""
    await rows.rule(web.db, "offline", version="a" * 12, live=False, text="old")
    await rows.rule(web.db, "offline", version="b" * 12, text="new")
    async with web.client(Role.AUDITOR) as client:
        listed = web.check("/api/v1/rules", await client.get("/api/v1/rules"))["items"]
        assert [(item["rule_id"], item["version"]) for item in listed] == [("offline", "b" * 12)]
        found = web.check("/api/v1/rules/{rule_id}", await client.get("/api/v1/rules/offline"))
        assert found["text"] == "new"
        assert [item["live"] for item in found["versions"]] == [True, False]
        assert (await client.get("/api/v1/rules/none")).status_code == 404


async def test_every_answer_carries_its_headers(web: Api) -> None:
    """Request id echoed or made, nothing cached, nothing framed or sniffed, a policy without scripts; errors too."""
    async with web.client(Role.AUDITOR) as client:
        for path in ("/api/v1/me", "/api/v1/lifts/999999", "/nowhere", "/static/nothing.js"):
            answer = await client.get(path, headers={"X-Request-ID": "abc-1"})
            assert answer.headers["X-Request-ID"] == "abc-1"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            if answer.status_code >= 400:
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["request_id"] == "abc-1"
        made = await client.get("/api/v1/me", headers={"X-Request-ID": "not ok\u00e9".encode("latin-1")})
        assert len(made.headers["X-Request-ID"]) == 32
        assert made.headers["Cache-Control"] == "no-store"
        assert (await client.delete("/api/v1/me")).status_code == 405


@pytest.mark.parametrize("announced", [True, False])
async def test_bodies_have_a_limit(web: Api, announced: bool) -> None:
    """A body over the limit is 413, whether its length is announced or it just goes on."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES // 65_536 + 2):
            yield b" " * 65_536

    async with web.client(Role.DISPATCHER) as client:
        body = b" " * (BODY_BYTES + 1) if announced else chunks()
        answer = await client.post(
            "/api/v1/cases/1/comments", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


async def _an_overload(web: Api, client: Any) -> None:
    """An overload is no reason to be unready, and is said in both languages; one that nobody speaks of any more is over."""
    assert (await client.get("/health/ready")).json()["notes"] == []
    await web.db.execute(
        "insert into overload (partition, began_at, last_at, coalesced)"
        " values (0, '2026-11-25T08:00:00Z', clock_timestamp(), 4711)"
    )
    (note,) = web.check("/health/ready", await client.get("/health/ready"))["notes"]
    assert note["since"] == "2026-11-25T08:00:00.000Z"
    for words in (note["zh"], note["en"]):
        assert note["since"] in words
        assert "4711" in words
    await web.db.execute("update overload set last_at = last_at - interval '1 hour'")
    assert (await client.get("/health/ready")).json()["notes"] == []


async def test_ready_says_why_not(web: Api) -> None:
    """Ready needs the next hour's partition, data that is not old once devices are enrolled, and this program's schema."""
    async with web.client() as client:
        assert (await client.get("/health/live")).status_code == 200

        async def reasons() -> list[str]:
            answer = await client.get("/health/ready")
            found = web.check("/health/ready", answer)
            assert (answer.status_code == 200) == (found["status"] == "ready") == (found["reasons"] == [])
            return found["reasons"]

        await web.db.execute("update ingest_batch set committed_at = clock_timestamp()")
        assert ["partition for the next hour" in reason for reason in await reasons()] == [True]
        await web.db.execute(
            "create table sample_t partition of sample for values from ('2019-01-01') to ('2019-01-02')"
        )
        assert len(await reasons()) == 1
        await rows.move_samples_to_days(web.db)
        assert await reasons() == []
        await _an_overload(web, client)
        await rows.device(web.db, await rows.lift(web.db))
        await web.db.execute("update ingest_batch set committed_at = clock_timestamp() - interval '1 hour'")
        assert ["s old" in reason for reason in await reasons()] == [True]
        await web.db.execute("update schema_migration set number = 999 where number = 1")
        assert ["schema 999" in reason for reason in await reasons()] == [True]
        await web.db.execute("update schema_migration set number = 1 where number = 999")


async def test_a_database_that_is_away_is_503(web: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the database every route says so with Retry-After, and the health page names it."""

    async def away(*_: object) -> None:
        raise ConnectionRefusedError("connection refused")

    for name in ("fetch", "fetchrow", "fetchval"):
        monkeypatch.setattr(web.app.state.database, name, away)
    async with web.client(Role.DISPATCHER) as client:
        answer = await client.get("/api/v1/lifts")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.headers["Content-Type"] == "application/problem+json"
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert "connection refused" in ready.json()["reasons"][0]
        assert (await client.get("/health/live")).status_code == 200
