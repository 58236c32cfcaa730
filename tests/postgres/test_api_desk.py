"""Alarms and cases at the desk: acknowledge, comment, move, and every way in which that is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from hoistway.model import Role
from tests.support import rows
from tests.support.web import Api, api, until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        await rows.rule(running.db, "entrapment-between-floors")
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def desk(web: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with web.client(Role.DISPATCHER) as client:
        yield client


@dataclass(frozen=True, kw_only=True)
class Trapped:
    """One lift of the own firm with an entrapment: its alarm, its case and its timers."""

    lift_id: int
    alarm_id: int
    case_id: int


async def trapped(web: Api) -> Trapped:
    lift_id = await rows.lift(web.db, firm_id=web.firm_id)
    alarm_id = await rows.alarm(web.db, lift_id)
    case_id = await rows.case(web.db, lift_id, alarm_id=alarm_id)
    for kind in ("send", "acknowledge"):
        await rows.timer(web.db, case_id, kind)
    return Trapped(lift_id=lift_id, alarm_id=alarm_id, case_id=case_id)


def seen(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


async def move(client: httpx.AsyncClient, case_id: int, version: int, name: str, **body: Any) -> httpx.Response:
    return await client.post(f"/api/v1/cases/{case_id}/moves", json={"move": name, **body}, headers=seen(version))


async def pending_timers(web: Api, case_id: int) -> set[str]:
    found = await web.db.fetch("select kind from timer where case_id = $1 and cancelled_at is null", case_id)
    return {row["kind"] for row in found}


async def log_of(web: Api, case_id: int) -> list[str]:
    return [
        row["kind"]
        for row in await web.db.fetch("select kind from case_event where case_id = $1 order by seq", case_id)
    ]


async def test_acknowledging_the_alarm_acknowledges_its_case(web: Api, desk: httpx.AsyncClient) -> None:
    """One act at the desk: alarm and case carry the person, both histories say so, the desk's own timer ends."""
    it = await trapped(web)
    answer = await desk.post(f"/api/v1/alarms/{it.alarm_id}/acknowledge", headers=seen(1))
    alarm = web.check("/api/v1/alarms/{alarm_id}/acknowledge", answer, "post")
    assert (alarm["operator_state"], alarm["acknowledged_by"], alarm["version"]) == (
        "acknowledged",
        "dispatcher key",
        2,
    )
    assert answer.headers["ETag"] == '"2"'
    assert alarm["open"] is True
    case = web.check("/api/v1/cases/{case_id}", await desk.get(f"/api/v1/cases/{it.case_id}"))
    assert (case["acknowledged_by"], case["state"], case["version"]) == ("dispatcher key", "open", 2)
    assert [(line["kind"], line["person"], line["role"]) for line in case["log"]] == [
        ("acknowledged", "dispatcher key", "dispatcher")
    ]
    detail = web.check("/api/v1/alarms/{alarm_id}", await desk.get(f"/api/v1/alarms/{it.alarm_id}"))
    assert [line["kind"] for line in detail["history"]] == ["acknowledged"]
    assert detail["history"][0]["detail"]["after"] == {"operator_state": "acknowledged"}
    assert detail["evidence"] == {"speed": 0}
    assert detail["case_id"] == it.case_id
    assert detail["title"] == {"zh": "entrapment-between-floors 中文", "en": "entrapment-between-floors title"}
    assert await pending_timers(web, it.case_id) == {"send"}


async def test_acknowledging_the_case_acknowledges_its_alarms(web: Api, desk: httpx.AsyncClient) -> None:
    """The alarm that opened the case and one that joined it are acknowledged; a fault of the same lift is not."""
    it = await trapped(web)
    joined = await rows.alarm(web.db, it.lift_id, rule_id="entrapment-reported")
    fault = await rows.alarm(web.db, it.lift_id, rule_id="power-lost", opens="ticket")
    await desk.post(f"/api/v1/cases/{it.case_id}/acknowledge", headers=seen(1))
    states = {
        row["id"]: row["operator_state"]
        for row in await web.db.fetch("select id, operator_state from alarm where lift_id = $1", it.lift_id)
    }
    assert states == {it.alarm_id: "acknowledged", joined: "acknowledged", fault: "unacknowledged"}


async def test_acknowledging_twice_changes_nothing(web: Api, desk: httpx.AsyncClient) -> None:
    """Whoever acknowledges the version that is current after the first finds it done: no second line in the log."""
    it = await trapped(web)
    await desk.post(f"/api/v1/cases/{it.case_id}/acknowledge", headers=seen(1))
    again = await desk.post(f"/api/v1/cases/{it.case_id}/acknowledge", headers=seen(2))
    assert (again.status_code, again.json()["version"]) == (200, 2)
    assert await web.db.fetchval("select count(*) from case_event where case_id = $1", it.case_id) == 1


async def test_a_cleared_alarm_stays_open_until_acknowledged(web: Api, desk: httpx.AsyncClient) -> None:
    """Clearing does not take an alarm off the desk; acknowledging then does."""
    lift_id = await rows.lift(web.db)
    alarm_id = await rows.alarm(web.db, lift_id, opens="notice", condition="cleared", cleared_at=rows.NOW)
    listed = await desk.get("/api/v1/alarms", params={"open": True, "lift_id": lift_id})
    assert [item["id"] for item in web.check("/api/v1/alarms", listed)["items"]] == [alarm_id]
    answer = await desk.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=seen(1))
    assert answer.json()["open"] is False
    assert (await desk.get("/api/v1/alarms", params={"open": True, "lift_id": lift_id})).json()["items"] == []


async def test_two_dispatchers_at_once(web: Api) -> None:
    """Of two who act on the same version one wins; the other gets 412 with the current state."""
    it = await trapped(web)
    async with web.client(Role.DISPATCHER) as one, web.client(Role.SUPERVISOR) as two:
        answers = await asyncio.gather(*(move(client, it.case_id, 1, "dispatch") for client in (one, two)))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    lost = next(answer for answer in answers if answer.status_code == 412)
    problem = web.check("/api/v1/cases/{case_id}/moves", lost, "post")
    assert problem["current"]["state"] == "dispatched"
    assert problem["current"]["version"] == 2
    assert lost.headers["content-type"] == "application/problem+json"
    assert lost.headers["ETag"] == '"2"'
    assert await log_of(web, it.case_id) == ["dispatch", "order-sent"]


@pytest.mark.parametrize("value", [None, "*", "3", '"x"', '"1", "2"', ""])
async def test_if_match_is_required(web: Api, desk: httpx.AsyncClient, value: str | None) -> None:
    """Acting without naming exactly one version is 428."""
    it = await trapped(web)
    headers = {} if value is None else {"If-Match": value}
    for path in (f"alarms/{it.alarm_id}/acknowledge", f"cases/{it.case_id}/acknowledge", f"cases/{it.case_id}/moves"):
        answer = await desk.post(f"/api/v1/{path}", headers=headers, json={"move": "dispatch"})
        assert answer.status_code == 428, path
        assert answer.json()["title"] == "If-Match is required"


async def test_the_whole_rescue(web: Api, desk: httpx.AsyncClient) -> None:
    """Dispatched, on site, released with the words of a person, closed: times, log and timers follow each step."""
    it = await trapped(web)
    assert (await move(desk, it.case_id, 1, "dispatch", reason="firm called")).json()["dispatched_at"]
    on_site = (await move(desk, it.case_id, 2, "arrive")).json()
    assert [entry["name"] for entry in on_site["allowed_moves"]] == ["release", "cancel"]
    assert await pending_timers(web, it.case_id) == {"release"}
    answer = await move(desk, it.case_id, 3, "release", confirmation="Wang on site: both are out", trapped=2)
    released = web.check("/api/v1/cases/{case_id}/moves", answer, "post")
    assert (released["confirmed_by"], released["confirmation"]) == ("dispatcher key", "Wang on site: both are out")
    assert (released["trapped"], released["open"], released["timers"]) == (2, True, [])
    assert await pending_timers(web, it.case_id) == set()
    closed = (await move(desk, it.case_id, 4, "close")).json()
    assert (closed["state"], closed["open"], closed["allowed_moves"]) == ("closed", False, [])
    log = (await desk.get(f"/api/v1/cases/{it.case_id}")).json()["log"]
    assert [line["kind"] for line in log] == [
        "dispatch",
        "order-sent",
        "arrive",
        "release",
        "order-stood-down",
        "close",
    ]
    assert log[0]["reason"] == "firm called"
    assert log[3]["before"] == {"state": "on_site", "version": 3, "trapped": None}
    assert log[3]["after"]["confirmation"] == "Wang on site: both are out"
    assert (await desk.get(f"/api/v1/alarms/{it.alarm_id}")).json()["operator_state"] == "acknowledged"


@pytest.mark.parametrize("name", ["release", "cancel"])
@pytest.mark.parametrize("words", [{}, {"confirmation": None}, {"confirmation": ""}, {"confirmation": " \n "}])
async def test_an_entrapment_ends_only_with_words(
    web: Api, desk: httpx.AsyncClient, name: str, words: dict[str, Any]
) -> None:
    """Release and cancel without a sentence that nobody is trapped are 422, and nothing changes."""
    it = await trapped(web)
    answer = await move(desk, it.case_id, 1, name, **words)
    assert answer.status_code == 422
    problem = web.check("/api/v1/cases/{case_id}/moves", answer, "post")
    assert [error["pointer"] for error in problem["errors"]] == ["/confirmation"]
    assert (await desk.get(f"/api/v1/cases/{it.case_id}")).json()["version"] == 1


async def test_illegal_moves_are_conflicts(web: Api, desk: httpx.AsyncClient) -> None:
    """A move that the life cycle does not hold from this state is 409 and names those it holds."""
    it = await trapped(web)
    answer = await move(desk, it.case_id, 1, "close")
    assert answer.status_code == 409
    assert "dispatch, arrive, release, cancel" in answer.json()["detail"]
    await move(desk, it.case_id, 1, "cancel", confirmation="caller: the door opened by itself")
    for name in ("dispatch", "arrive", "close"):
        assert (await move(desk, it.case_id, 2, name)).status_code == 409


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"move": "teleport"}, "/move"),
        ({}, "/move"),
        ({"move": 5}, "/move"),
        ({"move": "dispatch", "trapped": "2"}, "/trapped"),
        ({"move": "dispatch", "trapped": -1}, "/trapped"),
        ({"move": "dispatch", "firm_id": 3}, "/firm_id"),
        ({"move": "dispatch", "reason": "x" * 2001}, "/reason"),
    ],
)
async def test_bad_bodies_are_named_by_pointer(
    web: Api, desk: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    """A body that cannot be used is 422 with a JSON pointer to each field, an unknown field included."""
    it = await trapped(web)
    answer = await desk.post(f"/api/v1/cases/{it.case_id}/moves", json=body, headers=seen(1))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_comments(web: Api, desk: httpx.AsyncClient) -> None:
    """A comment is a line with a person in the history and a new version, so that other desks see it; blank ones are refused."""
    it = await trapped(web)
    for kind, number in (("alarms", it.alarm_id), ("cases", it.case_id)):
        path = f"/api/v1/{kind}/{number}"
        answer = await desk.post(f"{path}/comments", json={"text": "已电话安抚"})
        assert (answer.status_code, answer.json()["version"]) == (201, 2)
        assert (await desk.post(f"{path}/comments", json={"text": "  "})).status_code == 422
    log = (await desk.get(f"/api/v1/cases/{it.case_id}")).json()["log"]
    assert [(line["kind"], line["reason"], line["person"]) for line in log] == [
        ("commented", "已电话安抚", "dispatcher key")
    ]
    history = (await desk.get(f"/api/v1/alarms/{it.alarm_id}")).json()["history"]
    assert [(line["kind"], line["detail"]) for line in history] == [("commented", {"text": "已电话安抚"})]


async def test_one_key_is_one_act(web: Api, desk: httpx.AsyncClient) -> None:
    """The same POST with the same Idempotency-Key is carried out once, also when both arrive together; the answer is the same."""
    it = await trapped(web)
    path, headers = f"/api/v1/cases/{it.case_id}/comments", {"Idempotency-Key": "k-1"}
    first, second = await asyncio.gather(*(desk.post(path, json={"text": "once"}, headers=headers) for _ in range(2)))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["ETag"] == second.headers["ETag"]
    assert {first.headers.get("Idempotency-Replayed"), second.headers.get("Idempotency-Replayed")} == {None, "true"}
    assert await web.db.fetchval("select count(*) from case_event where case_id = $1", it.case_id) == 1
    other = await desk.post(path, json={"text": "another"}, headers=headers)
    assert other.status_code == 422
    async with web.client(Role.SUPERVISOR) as supervisor:
        own = await supervisor.post(path, json={"text": "another"}, headers=headers)
        assert own.status_code == 201
    assert (await desk.post(path, json={"text": "x"}, headers={"Idempotency-Key": "x" * 201})).status_code == 422


async def test_refused_act_is_not_remembered(web: Api, desk: httpx.AsyncClient) -> None:
    """After a 412 the same key may be used again once the person has looked: nothing was done the first time."""
    it = await trapped(web)
    path = f"/api/v1/cases/{it.case_id}/moves"
    key = {"Idempotency-Key": "k-2"}
    assert (await desk.post(path, json={"move": "dispatch"}, headers={**key, **seen(9)})).status_code == 412
    assert (await desk.post(path, json={"move": "dispatch"}, headers={**key, **seen(1)})).status_code == 200


async def test_history_cannot_be_rewritten(web: Api, desk: httpx.AsyncClient) -> None:
    """The log of a case is append-only in the database itself."""
    it = await trapped(web)
    await desk.post(f"/api/v1/cases/{it.case_id}/acknowledge", headers=seen(1))
    for statement in ("update case_event set person = 'x'", "delete from case_event"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await web.db.execute(statement)


async def test_alarm_call_that_became_an_entrapment_keeps_its_alarm(web: Api, desk: httpx.AsyncClient) -> None:
    """An alarm call raised to an entrapment still belongs to the button's alarm: one act acknowledges both."""
    lift_id = await rows.lift(web.db)
    alarm_id = await rows.alarm(web.db, lift_id, rule_id="alarm-button", opens="alarm-call")
    case_id = await rows.case(web.db, lift_id, alarm_id=alarm_id, kind="alarm-call")
    await web.db.execute("update rescue_case set kind = 'entrapment', version = 2 where id = $1", case_id)
    await desk.post(f"/api/v1/cases/{case_id}/acknowledge", headers=seen(2))
    alarm = (await desk.get(f"/api/v1/alarms/{alarm_id}")).json()
    assert (alarm["case_id"], alarm["operator_state"]) == (case_id, "acknowledged")


async def test_a_deadlock_is_tried_again(web: Api, desk: httpx.AsyncClient) -> None:
    """When another writer locks the rows the other way round and the database ends our transaction, the act is repeated."""
    it = await trapped(web)
    async with web.db.acquire() as other:
        await other.execute("set deadlock_timeout = '30s'")  # so that the api's session is the one that is ended
        transaction = other.transaction()
        await transaction.start()
        await other.execute("select 1 from rescue_case where id = $1 for update", it.case_id)
        acting = asyncio.create_task(desk.post(f"/api/v1/alarms/{it.alarm_id}/acknowledge", headers=seen(1)))

        async def waits() -> bool:
            return await web.db.fetchval("select exists (select 1 from pg_locks where not granted)")

        await until(waits, "the act waits for the case")
        await other.execute("select 1 from alarm where id = $1 for update", it.alarm_id)
        await transaction.commit()
        answer = await acting
    assert answer.status_code == 200
    assert await web.db.fetchval("select count(*) from alarm_event where alarm_id = $1", it.alarm_id) == 1


async def test_the_paper_work_of_a_released_case_sees_no_later_alarm(web: Api, desk: httpx.AsyncClient) -> None:
    """Closing the case of the first entrapment leaves the alarm of the second one, with its own case, unacknowledged."""
    it = await trapped(web)
    confirmed = {"confirmation": "spoke to both, they left the building", "trapped": 2}
    assert (await move(desk, it.case_id, 1, "release", **confirmed)).status_code == 200
    await web.db.execute("update alarm set condition = 'cleared' where id = $1", it.alarm_id)
    second = await rows.alarm(web.db, it.lift_id, detected_at=rows.NOW + timedelta(days=2))
    case = await rows.case(web.db, it.lift_id, alarm_id=second, opened_at=rows.NOW + timedelta(days=2))
    await web.db.execute(
        "update rescue_case set released_at = $2 where id = $1", it.case_id, rows.NOW + timedelta(days=1)
    )
    version = await web.db.fetchval("select version from rescue_case where id = $1", it.case_id)
    assert (await move(desk, it.case_id, version, "close")).status_code == 200
    assert await web.db.fetchval("select operator_state from alarm where id = $1", second) == "unacknowledged"
    assert (await desk.get(f"/api/v1/alarms/{second}")).json()["case_id"] == case


async def test_the_button_belongs_to_the_entrapment_of_its_lift(web: Api, desk: httpx.AsyncClient) -> None:
    """A press while somebody is trapped shows the entrapment's case, and acknowledging that case acknowledges it too."""
    it = await trapped(web)
    button = await rows.alarm(
        web.db, it.lift_id, rule_id="alarm-button", opens="alarm-call", detected_at=rows.NOW + timedelta(days=1)
    )
    assert (await desk.get(f"/api/v1/alarms/{button}")).json()["case_id"] == it.case_id
    await desk.post(f"/api/v1/cases/{it.case_id}/acknowledge", headers=seen(1))
    assert await web.db.fetchval("select operator_state from alarm where id = $1", button) == "acknowledged"


@pytest.mark.parametrize("path", ["/alarms?rule_id=%00", "/lifts?district=%00", "/rules/%00"])
async def test_a_nul_character_is_the_askers_mistake(desk: httpx.AsyncClient, path: str) -> None:
    """Text that no database stores is answered 422, or as not found, never as a fault of the server."""
    assert (await desk.get(f"/api/v1{path}")).status_code in {404, 422}


async def test_a_comment_with_a_nul_character_is_refused(web: Api, desk: httpx.AsyncClient) -> None:
    """Nothing of the act is kept, and the answer says why."""
    it = await trapped(web)
    answer = await desk.post(f"/api/v1/cases/{it.case_id}/comments", json={"text": "a\x00b"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "query", ["to=0001-01-01T00:00:00Z", "to=9999-12-31T23:59:59-05:00", "from=0001-01-01T00:00:00%2B14:00"]
)
async def test_odd_dates_are_the_askers_mistake(web: Api, desk: httpx.AsyncClient, query: str) -> None:
    """Times at the edge of the calendar are answered 422."""
    lift_id = await rows.lift(web.db)
    assert (await desk.get(f"/api/v1/lifts/{lift_id}/history?{query}")).status_code == 422


async def test_a_lift_that_changes_firm_is_news_to_every_reader(web: Api) -> None:
    """What is open on the lift is noted as changed, so that the new firm's readers hear of it even if they were away."""
    it = await trapped(web)
    before = await web.db.fetchval("select count(*) from change where object_id = any($1)", [it.alarm_id, it.case_id])
    await web.db.execute("update lift set firm_id = $2 where id = $1", it.lift_id, await rows.firm(web.db))
    after = await web.db.fetchval("select count(*) from change where object_id = any($1)", [it.alarm_id, it.case_id])
    assert after >= before + 2
