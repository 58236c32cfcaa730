"""Rule sets, backtests and explanations over HTTP, and the worker that does the backtests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from alarms.language.reader import default_rules
from alarms.language.times import UTC
from hoistway.limits import BACKTESTS_WAITING
from hoistway.model import Role
from ingest.backtest.jobs import Worker
from tests.postgres.test_rule_sets import FAST, WARM, City, city  # noqa: F401  # the fixture
from tests.support import rows
from tests.support.feed import FREED, TRAPPED
from tests.support.web import Api, api

SETS = "/api/v1/rule-sets"
JOBS = "/api/v1/backtests"


@pytest_asyncio.fixture(loop_scope="session")
async def web(city: City) -> AsyncIterator[Api]:  # noqa: F811
    async with api(city.url) as running:
        yield running


def candidate(**values: Any) -> dict[str, Any]:
    return {
        "rules": FAST,
        "from": "2027-01-15T07:59:00Z",
        "to": "2027-01-15T09:00:00Z",
        **values,
    }


async def test_publish_and_roll_back(city: City, web: Api) -> None:  # noqa: F811
    """Publishing needs the number that was seen; the answer has author and diff; a rollback restores; ingest goes on with it."""
    async with web.client(Role.SUPERVISOR) as client:
        listed = await client.get(SETS)
        assert (listed.headers["ETag"], len(web.check(SETS, listed)["items"])) == ('"1"', 1)
        body = {"rules": FAST + WARM, "comment": "faster"}
        assert (await client.post(SETS, json=body)).status_code == 428
        published = await client.post(SETS, json=body, headers={"If-Match": '"1"'})
        assert published.status_code == 201
        document = web.check(SETS, published, "post")
        assert (document["number"], document["author"], document["state"]) == (2, "supervisor key", "published")
        assert '-for = "20s"\n+for = "5s"\n' in document["diff"]
        late = await client.post(SETS, json={"rules": WARM, "comment": "late"}, headers={"If-Match": '"1"'})
        assert (late.status_code, late.headers["ETag"]) == (412, '"2"')
        await city.look()
        restored = await client.post(f"{SETS}/1/restore", json={"comment": "no"}, headers={"If-Match": '"2"'})
        assert (restored.status_code, restored.json()["restores"]) == (201, 1)
        shown = web.check(SETS + "/{number}", await client.get(f"{SETS}/2"))
        assert shown["state"] == "live"
        assert {item["rule_id"] for item in shown["items"] if item["own"]} == {"warm", "entrapment-between-floors"}
        assert (await client.get(f"{SETS}/2", params={"against": 3})).json()["diff"].startswith("--- set-3/")
        assert (await client.get(f"{SETS}/9")).status_code == 404


async def test_what_is_refused(web: Api) -> None:
    """A wrong rule is 422 with its place, an unchanged set 422; nobody but supervisor and admin publishes."""
    async with web.client(Role.ADMIN) as client:
        seen = {"If-Match": '"1"'}
        wrong = {"rules": WARM.replace("temperature", "temprature"), "comment": "x"}
        answer = await client.post(SETS, json=wrong, headers=seen)
        assert answer.status_code == 422
        assert "rule 'warm', line 6, column 9: unknown name" in answer.json()["errors"][0]["detail"]
        same = {"rules": default_rules()[0].text, "comment": "x"}
        assert (await client.post(SETS, json=same, headers=seen)).status_code == 422
    async with web.client(Role.TESTER) as client:
        assert (await client.post(SETS, json={"rules": WARM, "comment": "x"}, headers=seen)).status_code == 403


async def test_rules_show_author_and_diff(city: City, web: Api) -> None:  # noqa: F811
    """A rule's page tells who published each version and what it changed."""
    await city.publish(FAST)
    await city.look()
    async with web.client(Role.AUDITOR) as client:
        path = "/api/v1/rules/{rule_id}"
        found = web.check(path, await client.get("/api/v1/rules/entrapment-between-floors"))
        assert (found["author"], found["rule_set"], found["live"]) == ("Li", 2, True)
        assert [item["author"] for item in found["versions"]] == ["Li", "hoistway"]
        assert '-for = "20s"\n+for = "5s"\n' in found["versions"][0]["diff"]
        listed = web.check("/api/v1/rules", await client.get("/api/v1/rules"))["items"]
        assert len(listed) == len(default_rules())


async def test_shadow_counts_are_shown(city: City, web: Api) -> None:  # noqa: F811
    """A set's page tells what its rules in shadow said so far."""
    async with web.client(Role.ADMIN) as client:
        body = {"rules": FAST, "comment": "try it", "mode": "shadow"}
        assert (await client.post(SETS, json=body, headers={"If-Match": '"1"'})).status_code == 201
        await city.look()
        await city.say(**TRAPPED)
        await city.say(6, **TRAPPED)
        shown = web.check(SETS + "/{number}", await client.get(f"{SETS}/2"))
        (item,) = [item for item in shown["items"] if item["mode"] == "shadow"]
        assert (item["shadow"]["raises"], item["shadow"]["lifts"]) == (1, 1)


async def test_a_backtest_is_a_job(city: City, web: Api) -> None:  # noqa: F811
    """A job is queued, done by the worker, and then has its result and its page; the result is the same when asked twice."""
    for _ in range(8):
        await city.say(5, **TRAPPED)
    await city.say(5, **FREED)
    worker = Worker(city.url, product=default_rules(), zone=UTC)
    async with web.client(Role.TESTER) as client:
        answers = [await client.post(JOBS, json=candidate()) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202]
        first, second = (web.check(JOBS, answer, "post")["id"] for answer in answers)
        assert (await client.get(f"{JOBS}/{first}")).json()["state"] == "queued"
        assert (await client.get(f"{JOBS}/{first}/page")).status_code == 404
        assert [await worker.once() for _ in range(3)] == [True, True, False]
        results = [web.check(JOBS + "/{job_id}", await client.get(f"{JOBS}/{job}")) for job in (first, second)]
        assert (results[0]["state"], results[0]["progress"]) == ("done", 1)
        assert results[0]["result"] == results[1]["result"]
        assert results[0]["result"]["alarms"]["earlier"] == 1
        shown = await client.get(f"{JOBS}/{first}/page")
        assert shown.headers["content-type"].startswith("text/html")
        assert "script" not in shown.headers["content-security-policy"]
        assert [item["id"] for item in web.check(JOBS, await client.get(JOBS))["items"]] == [second, first]


async def test_a_backtest_that_fails_says_why(city: City, web: Api) -> None:  # noqa: F811
    """A period without telemetry is a failed job with its reason; a wrong rule or period is refused at once; the queue has an end."""
    worker = Worker(city.url, product=default_rules(), zone=UTC)
    async with web.client(Role.TESTER) as client:
        body = candidate(**{"from": "2001-01-01T00:00:00Z", "to": "2001-01-02T00:00:00Z"})
        job = (await client.post(JOBS, json=body)).json()["id"]
        await worker.once()
        found = (await client.get(f"{JOBS}/{job}")).json()
        assert (found["state"], found["result"]) == ("failed", None)
        assert "nothing is stored" in found["error"]
        for wrong in (
            {"rules": "x = 1"},
            {"from": "today"},
            {"from": "2027-01-15T08:00:00"},
            {"to": "2001-01-01T00:00:00Z"},
        ):
            assert (await client.post(JOBS, json=candidate(**wrong))).status_code == 422
        for _ in range(BACKTESTS_WAITING):
            assert (await client.post(JOBS, json=candidate())).status_code == 202
        assert (await client.post(JOBS, json=candidate())).status_code == 429


async def test_a_job_whose_worker_died_is_done_by_another(city: City, web: Api) -> None:  # noqa: F811
    """A job that runs without a sign of life is claimed again; after three tries it has failed."""
    await city.say(5, **FREED)
    worker = Worker(city.url, product=default_rules(), zone=UTC)
    async with web.client(Role.TESTER) as client:
        job = (await client.post(JOBS, json=candidate())).json()["id"]
        dead = "update backtest_job set state = 'running', attempts = $2, beat_at = clock_timestamp() - interval '2 minutes' where id = $1"
        await city.database.execute(dead, job, 1)
        assert await worker.once()
        assert (await client.get(f"{JOBS}/{job}")).json()["state"] == "done"
        job = (await client.post(JOBS, json=candidate())).json()["id"]
        await city.database.execute(dead, job, 3)
        assert not await worker.once()
        assert (await client.get(f"{JOBS}/{job}")).json()["state"] == "failed"


async def test_explanations(city: City, web: Api) -> None:  # noqa: F811
    """An alarm is explained to whoever may read it; another firm's alarm is not there."""
    await city.say(**TRAPPED)
    await city.say(20, **TRAPPED)
    alarm_id = await city.database.fetchval("select id from alarm")
    path = f"/api/v1/alarms/{alarm_id}/explanation"
    async with web.client(Role.DISPATCHER) as client, web.client(Role.MAINTAINER) as foreign:
        found = web.check("/api/v1/alarms/{alarm_id}/explanation", await client.get(path))
        assert (found["verdict"], found["rule_set"], found["detected_by"]["kind"]) == ("agrees", 1, "batch")
        assert [item["kind"] for item in found["found"]] == ["raise"]
        assert (await foreign.get(path)).status_code == 404
        other = await rows.alarm(city.database, city.lift_id, rule_id="offline", detected_at=rows.NOW)
        unknown = web.check(
            "/api/v1/alarms/{alarm_id}/explanation", await client.get(f"/api/v1/alarms/{other}/explanation")
        )
        assert unknown["verdict"] == "not-possible"
