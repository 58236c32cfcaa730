"""Shelving and out of service at the desk, and every way in which that is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from api import feed
from api.feed import Audience, Mirror
from dispatch.rounds import bring_back
from hoistway.model import Role
from tests.support import rows
from tests.support.web import Api, api


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        await rows.rule(running.db, "entrapment-between-floors")
        await running.db.execute(
            "insert into rule_version (rule_id, version, text, title_zh, title_en, severity, opens)"
            " values ('door', '0123456789ab', '', '门', 'Door', 'major', 'ticket')"
        )
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def desk(web: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with web.client(Role.DISPATCHER) as client:
        yield client


def seen(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


def ahead(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat()


async def door(web: Api, **columns: Any) -> tuple[int, int]:
    """A lift and its open door alarm."""
    lift_id = await rows.lift(web.db)
    values = {"rule_id": "door", "severity": "major", "opens": "ticket", **columns}
    return lift_id, await rows.alarm(web.db, lift_id, **values)


async def shelve(client: httpx.AsyncClient, alarm_id: int, version: int = 1, **body: Any) -> httpx.Response:
    body = {"reason": "sensor is being mended", "until": ahead(hours=1), **body}
    return await client.post(f"/api/v1/alarms/{alarm_id}/shelve", json=body, headers=seen(version))


async def counters(web: Api) -> dict[str, int]:
    mirror = Mirror()
    await feed.read_all(web.db, mirror)
    return mirror.counters(Audience(0, False))


async def test_shelve_and_bring_back(web: Api, desk: httpx.AsyncClient) -> None:
    """Shelved it is still open, named with person, reason and end, and counted apart; unshelved it asks again."""
    _, alarm_id = await door(web, operator_state="acknowledged", acknowledged_by="x", acknowledged_at=rows.NOW)
    before = await counters(web)
    answer = await shelve(desk, alarm_id)
    document = web.check("/api/v1/alarms/{alarm_id}/shelve", answer, "post")
    assert answer.status_code == 200
    assert (document["operator_state"], document["shelved_by"], document["open"]) == ("shelved", "dispatcher key", True)
    assert document["shelve_reason"] == "sensor is being mended"
    assert answer.headers["ETag"] == '"2"'
    after = await counters(web)
    assert after["shelved_alarms"] == before["shelved_alarms"] + 1
    assert after["open_alarms"] == before["open_alarms"] - 1
    listed = (await desk.get("/api/v1/alarms", params={"operator_state": "shelved"})).json()["items"]
    assert alarm_id in {item["id"] for item in listed}
    back = await desk.post(f"/api/v1/alarms/{alarm_id}/unshelve", json={"reason": "mended"}, headers=seen(2))
    document = web.check("/api/v1/alarms/{alarm_id}/unshelve", back, "post")
    assert (document["operator_state"], document["shelved_until"], document["acknowledged_by"]) == (
        "unacknowledged",
        None,
        None,
    )
    history = web.check("/api/v1/alarms/{alarm_id}", await desk.get(f"/api/v1/alarms/{alarm_id}"))["history"]
    assert [(line["kind"], line["person"], line["detail"].get("text")) for line in history] == [
        ("shelved", "dispatcher key", "sensor is being mended"),
        ("unshelved", "dispatcher key", "mended"),
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"until": timedelta(seconds=-5)}, "/until"),
        ({"until": timedelta(hours=24, minutes=5)}, "/until"),
        ({"until": "tomorrow"}, "/until"),
        ({"until": "2026-11-25T08:00:00"}, "/until"),
        ({"until": None}, "/until"),
        ({"reason": ""}, "/reason"),
        ({"reason": "  "}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"reason": "x" * 2_001}, "/reason"),
        ({"for": "1h"}, "/for"),
    ],
)
async def test_shelving_needs_a_reason_and_an_end_within_a_day(
    web: Api, desk: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    """What cannot be used is 422 by pointer, and nothing is silenced."""
    _, alarm_id = await door(web)
    # An end is reckoned from the moment of the request: the parameters are as old as the whole run.
    now = datetime.now(UTC)
    body = {name: (now + value).isoformat() if isinstance(value, timedelta) else value for name, value in body.items()}
    answer = await shelve(desk, alarm_id, **body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await web.db.fetchval("select operator_state from alarm where id = $1", alarm_id) == "unacknowledged"


@pytest.mark.parametrize("opens", ["rescue", "alarm-call"])
async def test_an_entrapment_or_the_alarm_button_cannot_be_shelved(
    web: Api, desk: httpx.AsyncClient, opens: str
) -> None:
    """409 in words; nor what was demoted since, while its rescue case stands."""
    lift_id = await rows.lift(web.db)
    alarm_id = await rows.alarm(web.db, lift_id, opens=opens)
    refused = await shelve(desk, alarm_id)
    assert refused.status_code == 409
    assert "trapped person" in web.check("/api/v1/alarms/{alarm_id}/shelve", refused, "post")["detail"]
    await rows.case(web.db, lift_id, alarm_id=alarm_id)
    await web.db.execute("update alarm set opens = 'notice', severity = 'notice' where id = $1", alarm_id)
    assert (await shelve(desk, alarm_id)).status_code == 409
    assert await web.db.fetchval("select operator_state from alarm where id = $1", alarm_id) == "unacknowledged"


async def test_shelving_needs_the_version_that_was_seen(web: Api, desk: httpx.AsyncClient) -> None:
    """Without If-Match 428, with an old version 412 and the current state."""
    _, alarm_id = await door(web)
    path = f"/api/v1/alarms/{alarm_id}"
    for act in ("shelve", "unshelve"):
        body = {"reason": "x", "until": ahead(hours=1)} if act == "shelve" else {}
        assert (await desk.post(f"{path}/{act}", json=body)).status_code == 428
        stale = await desk.post(f"{path}/{act}", json=body, headers=seen(7))
        assert (stale.status_code, stale.json()["current"]["id"]) == (412, alarm_id)


async def test_illegal_moves_of_the_operator_state(web: Api, desk: httpx.AsyncClient) -> None:
    """Shelving twice, unshelving what is not shelved, acknowledging what is shelved, shelving what is over: 409."""
    _, alarm_id = await door(web)
    path = f"/api/v1/alarms/{alarm_id}"
    assert (await desk.post(f"{path}/unshelve", json={}, headers=seen(1))).status_code == 409
    assert (await shelve(desk, alarm_id)).status_code == 200
    assert (await shelve(desk, alarm_id, 2)).status_code == 409
    acknowledged = await desk.post(f"{path}/acknowledge", headers=seen(2))
    assert acknowledged.status_code == 409
    assert "unshelve" in acknowledged.json()["detail"]
    _, over = await door(web, condition="cleared", cleared_at=rows.NOW, operator_state="acknowledged")
    assert (await shelve(desk, over)).status_code == 409


async def test_stale_is_said_as_of_the_question(web: Api, desk: httpx.AsyncClient) -> None:
    """Active for more than a day is stale; cleared or younger is not."""
    now = web.app.state.clock()
    _, old = await door(web, raised_at=now - timedelta(hours=24, minutes=1))
    _, young = await door(web, raised_at=now - timedelta(hours=23))
    _, over = await door(web, raised_at=now - timedelta(hours=30), condition="cleared", cleared_at=now)
    found = {number: (await desk.get(f"/api/v1/alarms/{number}")).json()["stale"] for number in (old, young, over)}
    assert found == {old: True, young: False, over: False}


async def remove(client: httpx.AsyncClient, lift_id: int, **body: Any) -> httpx.Response:
    return await client.post(
        f"/api/v1/lifts/{lift_id}/out-of-service", json={"rule_id": "door", "reason": "sensor under repair", **body}
    )


async def test_out_of_service_and_back(web: Api, desk: httpx.AsyncClient) -> None:
    """The lift's alarm of that rule is shown and counted apart until a person puts it back; its history tells both."""
    lift_id, alarm_id = await door(web)
    other = await rows.alarm(web.db, lift_id, rule_id="window", opens="ticket")
    before = await counters(web)
    answer = await remove(desk, lift_id)
    removal = web.check("/api/v1/lifts/{lift_id}/out-of-service", answer, "post")
    assert (answer.status_code, removal["person"], removal["ended_at"]) == (201, "dispatcher key", None)
    states = {number: (await desk.get(f"/api/v1/alarms/{number}")).json() for number in (alarm_id, other)}
    assert [states[number]["out_of_service"] for number in (alarm_id, other)] == [True, False]
    assert states[alarm_id]["version"] == 2
    after = await counters(web)
    assert after["out_of_service_alarms"] == before["out_of_service_alarms"] + 1
    assert after["open_alarms"] == before["open_alarms"] - 1
    assert (await remove(desk, lift_id)).status_code == 409
    listed = await desk.get("/api/v1/out-of-service", params={"lift_id": lift_id, "ended": False})
    assert [item["id"] for item in web.check("/api/v1/out-of-service", listed)["items"]] == [removal["id"]]
    path = f"/api/v1/out-of-service/{removal['id']}/end"
    ended = web.check("/api/v1/out-of-service/{removal_id}/end", await desk.post(path, json={"reason": "new"}), "post")
    assert (ended["ended_by"], ended["end_reason"]) == ("dispatcher key", "new")
    assert (await desk.post(path)).status_code == 409
    document = (await desk.get(f"/api/v1/alarms/{alarm_id}")).json()
    assert document["out_of_service"] is False
    assert [line["kind"] for line in document["history"]] == ["out-of-service", "in-service"]


async def test_out_of_service_ends_by_time(web: Api, desk: httpx.AsyncClient) -> None:
    """At its end, not before, the rule is in service again without anybody's name; the alarm's history says so."""
    lift_id, alarm_id = await door(web)
    until = datetime.now(UTC) + timedelta(hours=2)
    removal = (await remove(desk, lift_id, until=until.isoformat())).json()
    await bring_back(web.db, until - timedelta(seconds=1))
    assert (await desk.get(f"/api/v1/alarms/{alarm_id}")).json()["out_of_service"] is True
    await bring_back(web.db, until)
    await bring_back(web.db, until + timedelta(seconds=1))
    document = (await desk.get(f"/api/v1/alarms/{alarm_id}")).json()
    assert document["out_of_service"] is False
    assert [line["kind"] for line in document["history"]] == ["out-of-service", "in-service"]
    (listed,) = (await desk.get("/api/v1/out-of-service", params={"lift_id": lift_id})).json()["items"]
    assert (listed["id"], listed["ended_by"]) == (removal["id"], None)
    assert listed["ended_at"] == listed["until"]


async def test_what_may_hold_a_person_stays_in_service(web: Api, desk: httpx.AsyncClient) -> None:
    """The api answers 409, and the database refuses too."""
    lift_id = await rows.lift(web.db)
    refused = await remove(desk, lift_id, rule_id="entrapment-between-floors")
    assert refused.status_code == 409
    assert "trapped person" in refused.json()["detail"]
    with pytest.raises(asyncpg.CheckViolationError):
        await web.db.execute(
            "insert into out_of_service (lift_id, rule_id, reason, since, person)"
            " values ($1, 'entrapment-between-floors', 'x', now(), 'x')",
            lift_id,
        )


async def test_what_cannot_be_taken_out_of_service(web: Api, desk: httpx.AsyncClient) -> None:
    """An unknown lift is 404, an unknown rule, an end in the past or no reason 422."""
    lift_id = await rows.lift(web.db)
    assert (await remove(desk, 999_999)).status_code == 404
    wrong = [({"rule_id": "no-such"}, "/rule_id"), ({"until": ahead(hours=-1)}, "/until"), ({"reason": " "}, "/reason")]
    for body, pointer in wrong:
        answer = await remove(desk, lift_id, **body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await desk.post("/api/v1/out-of-service/999999/end", json={})).status_code == 404


async def test_a_maintainer_sees_the_own_removals_only(web: Api, desk: httpx.AsyncClient) -> None:
    """What is out of service on lifts of other firms is in no list of a maintainer."""
    own = await rows.lift(web.db, firm_id=web.firm_id)
    foreign = await rows.lift(web.db, firm_id=await rows.firm(web.db))
    for lift_id in (own, foreign):
        assert (await remove(desk, lift_id)).status_code == 201
    async with web.client(Role.MAINTAINER) as maintainer:
        listed = (await maintainer.get("/api/v1/out-of-service")).json()["items"]
    assert [item["lift_id"] for item in listed] == [own]
