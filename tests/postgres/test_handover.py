"""Shifts and the handover of the desk: planned, signed by both, kept as it was; sessions end with the shift, an empty desk is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from api import people
from hoistway.model import Role
from tests.support import rows
from tests.support.night import Night
from tests.support.web import Api, api

PASSWORD = "correct horse battery"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Two dispatchers with an open case, a late step and a shelved alarm between them."""

    web: Api
    leaving: str
    coming: str

    async def enter(self, client: httpx.AsyncClient, name: str) -> str:
        """Log in; answers what forms need."""
        assert (await client.post("/login", data={"name": name, "password": PASSWORD})).status_code == 303
        return str((await client.get("/api/v1/me")).json()["csrf"])

    def form(self, csrf: str, **other: str) -> dict[str, str]:
        given = {"proof": PASSWORD, "coming": self.coming, "coming_proof": PASSWORD, "notes": "the gate code is 1234#"}
        return {"csrf": csrf, **given, **other}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        now = await running.db.fetchval("select clock_timestamp()")
        running.app.state.clock = lambda: now
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def desk(web: Api, request: pytest.FixtureRequest) -> Desk:
    leaving, coming = (f"{who} {request.node.name[:60]}" for who in ("Lin", "Chen"))
    async with web.db.acquire() as connection:
        for name in (leaving, coming):
            await people.create_person(connection, name, Role.DISPATCHER, None, PASSWORD)
    return Desk(web=web, leaving=leaving, coming=coming)


async def busy(web: Api, name: str) -> int:
    """A case that is open, a step of it that is late, an alarm that comes back soon; answers the case."""
    await rows.rule(web.db, "door-held-open")
    now = web.app.state.clock()
    lift_id = await rows.lift(web.db, name=name)
    case_id = await rows.case(web.db, lift_id)
    await rows.insert(web.db, "timer", {"kind": "accept", "case_id": case_id, "due_at": now - timedelta(minutes=1)})
    shelved = {"operator_state": "shelved", "shelved_by": "Lin", "shelve_reason": "sensor under repair", "severity": "minor",
               "opens": "ticket"}  # fmt: skip
    await rows.alarm(web.db, lift_id, rule_id="door-held-open", shelved_until=now + timedelta(hours=2), **shelved)
    return case_id


async def test_the_desk_is_handed_over(web: Api, desk: Desk) -> None:
    """The sheet shows what is open; both sign at one desk; it is kept as it was, prints, and who leaves is logged out."""
    case_id = await busy(web, "night lift")
    async with web.client() as client, web.client() as other:
        csrf = await desk.enter(client, desk.leaving)
        page = await client.get("/handover?lang=en")
        assert page.status_code == 200
        for text in ("night lift", "sensor under repair", "Open cases (1)", "Late steps (1)", desk.coming):
            assert text in page.text, text
        assert "<script" not in page.text.partition("<body")[2]
        signed = await client.post("/handover", data=desk.form(csrf))
        assert signed.status_code == 200
        assert (await client.get("/api/v1/me")).status_code == 401
        await desk.enter(other, desk.coming)
        number = await web.db.fetchval("select max(id) from handover")
        await web.db.execute(
            "update rescue_case set state = 'cancelled', confirmed_by = 'x', confirmation = 'x' where id = $1", case_id
        )
        kept = web.check("/api/v1/handovers/{handover_id}", await other.get(f"/api/v1/handovers/{number}"))
        assert (kept["leaving"], kept["coming"], kept["leaving_proof"]) == (desk.leaving, desk.coming, "password")
        assert [case["id"] for case in kept["sheet"]["cases"]] == [case_id]
        assert kept["notes"] == "the gate code is 1234#"
        printed = await other.get(f"/handover/{number}")
        assert "night lift" in printed.text
        shifts = web.check("/api/v1/shifts", await other.get("/api/v1/shifts"))
        assert [(one["name"], one["now"]) for one in shifts["items"]] == [(desk.coming, True)]
        assert shifts["staffed"] is True
    for statement in ("update handover set notes = 'x'", "delete from handover"):
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await web.db.execute(statement)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"proof": "wrong password"}, 401),
        ({"coming_proof": "wrong password"}, 401),
        ({"coming": "nobody"}, 422),
        ({"coming": "LEAVING"}, 422),
    ],
)
async def test_nobody_signs_for_another(web: Api, desk: Desk, wrong: dict[str, str], status: int) -> None:
    """A wrong proof of either, nobody, or oneself: nothing is signed, the notes are not lost, and the session goes on."""
    before = await web.db.fetchval("select count(*) from handover")
    wrong = {key: desk.leaving if value == "LEAVING" else value for key, value in wrong.items()}
    async with web.client() as client:
        csrf = await desk.enter(client, desk.leaving)
        answer = await client.post("/handover", data=desk.form(csrf, **wrong))
        assert answer.status_code == status
        assert "the gate code is 1234#" in answer.text
        assert (await client.get("/api/v1/me")).status_code == 200
    assert await web.db.fetchval("select count(*) from handover") == before


async def test_who_comes_must_see_what_is_handed_over(web: Api, desk: Desk) -> None:
    """A colleague of one district cannot take over the whole city."""
    await web.db.execute("update person set districts = '{上城区}' where name = $1", desk.coming)
    async with web.client() as client:
        csrf = await desk.enter(client, desk.leaving)
        assert (await client.post("/handover", data=desk.form(csrf))).status_code == 422


async def test_sessions_end_with_the_shift(web: Api, desk: Desk) -> None:
    """Whoever logs in for a planned shift is logged in until half an hour after it; without one, for twelve hours."""
    number = await web.db.fetchval("select id from person where name = $1", desk.leaving)
    now = web.app.state.clock()
    shift = {
        "person_id": number,
        "since": (now + timedelta(minutes=10)).isoformat(),
        "until": (now + timedelta(hours=8)).isoformat(),
    }
    async with web.client(Role.SUPERVISOR) as supervisor, web.client() as client:
        planned = web.check("/api/v1/shifts", await supervisor.post("/api/v1/shifts", json=shift), "post")
        assert (await supervisor.post("/api/v1/shifts", json=shift)).status_code == 409
        await desk.enter(client, desk.leaving)
        lasts = await web.db.fetchval(
            "select s.expires_at = d.until + interval '30 minutes' from session s join desk_shift d using (person_id) where person_id = $1",
            number,
        )
        assert lasts
        cancelled = await supervisor.post(f"/api/v1/shifts/{planned['id']}/cancel")
        assert desk.leaving not in str(cancelled.json())
        await desk.enter(client, desk.leaving)
    newest = "select expires_at - created_at > interval '11 hours' from session where person_id = $1 order by created_at desc limit 1"
    assert await web.db.fetchval(newest, number)


@pytest.mark.parametrize(("hours", "status"), [(-1, 422), (25, 422), (24, 201)])
async def test_a_shift_has_a_length(web: Api, desk: Desk, hours: int, status: int) -> None:
    """It ends after it begins, and within a day."""
    number = await web.db.fetchval("select id from person where name = $1", desk.coming)
    since = web.app.state.clock() + timedelta(days=3)
    body = {"person_id": number, "since": since.isoformat(), "until": (since + timedelta(hours=hours)).isoformat()}
    async with web.client(Role.SUPERVISOR) as supervisor:
        assert (await supervisor.post("/api/v1/shifts", json=body)).status_code == status


async def test_an_empty_desk_is_said_at_once(web: Api) -> None:
    """With somebody at the desk the supervisor is called after the limit; with nobody there, or nobody of those on shift, at once."""
    await rows.rule(web.db, "entrapment-between-floors")
    await web.db.execute("delete from desk_shift")
    night = await Night.begin(web)

    async def told(case_id: int) -> list[Any]:
        return [topic for topic, _ in await night.told(case_id) if topic == "nobody-at-the-desk"]

    firm = await night.firm()
    await night.team(firm)
    attended = await night.trapped(firm_id=firm)
    await night.pass_s(1)
    assert await told(attended) == []
    await night.desert()
    deserted = await night.trapped(firm_id=firm)
    await night.pass_s(1)
    assert len(await told(deserted)) == 1
    await night.staff()
    person_id = await rows.insert(web.db, "person", {"name": "on shift", "role": "dispatcher"})
    shift = {
        "person_id": person_id,
        "since": night.now - timedelta(hours=1),
        "until": night.now + timedelta(hours=1),
        "planned_by": "x",
    }
    await rows.insert(web.db, "desk_shift", shift)
    elsewhere = await night.trapped(firm_id=firm)
    await night.pass_s(1)
    assert len(await told(elsewhere)) == 1
