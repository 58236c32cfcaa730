"""Complaints as pages without a script: the list, one complaint, its moves, and who may see them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio
from typer.testing import CliRunner

from api import people
from hoistway.cli import app
from hoistway.model import Role
from tests.support import rows
from tests.support.web import Api, api

TEXT = "<b>noisy</b> & dark"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        yield running


@contextlib.asynccontextmanager
async def desk(web: Api, role: Role = Role.DISPATCHER) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of a person with this role."""
    name = f"{role} at the desk"
    async with web.db.acquire() as connection:
        if await connection.fetchval("select 1 from person where name = $1", name) is None:
            await people.create_person(connection, name, role, "own firm" if role is Role.MAINTAINER else None, None)
        token = await people.create_login_link(connection, name)
    session = await people.use_login_link(web.db, token)
    transport = httpx.ASGITransport(app=web.app, client=("192.0.2.9", 50_000))
    cookies = {"hoistway_session": session or "", "hoistway_language": "en"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", cookies=cookies) as client:
        yield client


async def complain(web: Api, **body: Any) -> Any:
    async with web.client(Role.DISPATCHER) as client:
        answer = await client.post("/api/v1/calls", json={"kind": "complaint", "text": TEXT, **body})
    return answer.json()


def fields(text: str) -> dict[str, str]:
    """The hidden fields of the first form of a page."""
    return dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', text.split("</form>", 1)[0]))


async def test_a_complaint_is_moved_by_its_page_from_receiving_to_closing(web: Api) -> None:
    """Each form makes one move and leads back; what was said stands on the page as text; a form of an older page is told so."""
    lift_id = await rows.lift(web.db, estate="West Gate", name="lift 7")
    number = (await complain(web, lift_id=lift_id))["complaint_id"]
    path = f"/complaints/{number}"
    async with desk(web) as client:
        listed = (await client.get("/complaints")).text
        assert f'href="{path}"' in listed
        assert "&lt;b&gt;noisy&lt;/b&gt; &amp; dark" in listed
        first = fields((await client.get(path)).text)
        assert first["move"] == "receive"
        moved = await client.post(f"{path}/moves", data=first)
        assert (moved.status_code, moved.headers["location"]) == (303, path)
        stale = await client.post(f"{path}/moves", data=first)
        assert stale.status_code == 412
        assert "Somebody else was first" in stale.text
        assign = fields((await client.get(path)).text)
        empty = await client.post(f"{path}/moves", data={**assign, "words": " ", "firm_id": ""})
        assert (empty.status_code, "Something is missing" in empty.text) == (422, True)
        await client.post(f"{path}/moves", data={**assign, "words": "look", "firm_id": str(web.firm_id)})
        common = {"csrf": first["csrf"], "version": "3"}
        skipped = await client.post(f"{path}/moves", data={**common, "move": "close"})
        assert (skipped.status_code, "Not from this state" in skipped.text) == (409, True)
        await client.post(f"{path}/moves", data={**common, "move": "answer", "words": "mended, told"})
        await client.post(f"{path}/moves", data={**common, "version": "4", "move": "close"})
        page = (await client.get(path)).text
        assert "mended, told" in page
        assert "<form" not in page
        assert f'href="{path}"' not in (await client.get("/complaints")).text
        assert f'href="{path}"' in (await client.get("/complaints", params={"show": "all"})).text


async def test_a_caller_is_shown_by_a_press_and_the_press_is_recorded(web: Api) -> None:
    """The page alone shows no name; the button does, and is written down; a forged form is refused."""
    call = await complain(web, address="9 East Road", caller={"name": "Zhao Min", "phone": "139"})
    path = f"/complaints/{call['complaint_id']}"
    async with desk(web, Role.SUPERVISOR) as client:
        page = await client.get(path)
        assert "Zhao Min" not in page.text
        pressed = {"csrf": fields(page.text)["csrf"], "call_id": str(call["id"])}
        assert (await client.post(f"{path}/caller", data={**pressed, "csrf": "wrong"})).status_code == 403
        assert await web.db.fetchval("select count(*) from caller_look where call_id = $1", call["id"]) == 0
        assert "Zhao Min" in (await client.post(f"{path}/caller", data=pressed)).text
    seen = await web.db.fetchrow("select person, role from caller_look where call_id = $1", call["id"])
    assert dict(seen) == {"person": "supervisor at the desk", "role": "supervisor"}


async def test_the_pages_are_for_the_desk(web: Api) -> None:
    """A stranger is led to the login; other roles get a page that says no; an admin sees no caller's button."""
    call = await complain(web, address="10 East Road", caller={"name": "Qian"})
    path = f"/complaints/{call['complaint_id']}"
    async with web.client() as stranger:
        assert (await stranger.get(path)).headers["location"] == "/login"
        assert (await stranger.get("/complaints")).status_code == 303
    for role in (Role.MAINTAINER, Role.AUDITOR, Role.PROPERTY):
        async with desk(web, role) as client:
            assert [(await client.get(each)).status_code for each in (path, "/complaints")] == [403, 403]
    async with desk(web, Role.ADMIN) as client:
        page = (await client.get(path)).text
        assert "/caller" not in page
        pressed = {"csrf": fields(page)["csrf"], "call_id": str(call["id"])}
        assert (await client.post(f"{path}/caller", data=pressed)).status_code == 403
        assert (await client.get("/complaints/999999")).status_code == 404


async def test_an_auditor_reads_calls_and_complaints_and_nobody_else_does(web: Api) -> None:
    """Calls and complaints are for the desk and the auditor; a maintainer or a tester gets 403."""
    call = await complain(web, address="11 East Road")
    for role, status in ((Role.AUDITOR, 200), (Role.TESTER, 403), (Role.MAINTAINER, 403)):
        async with web.client(role) as client:
            for path in ("calls", f"calls/{call['id']}", "complaints", f"complaints/{call['complaint_id']}"):
                assert (await client.get(f"/api/v1/{path}")).status_code == status


async def test_the_limits_of_intake_are_set_and_shown_by_command(web: Api) -> None:
    """What differs is set and shown; what cannot be used is refused with what was expected, and changes nothing."""

    async def said(*words: str) -> tuple[int, str]:
        arguments = ["intake", *words, "--database-url", web.url]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        return result.exit_code, result.output

    assert (await said("set", "answer_s=7200", "caller_days=14"))[0] == 0
    code, shown = await said("show")
    assert code == 0
    assert re.search(r"answer_s\s+7200\s+432000", shown)
    assert (await said("set", "caller_days=0"))[0] != 0
    assert await web.db.fetchval("select value from setting where name = 'intake_limits'") == {
        "answer_s": 7200,
        "caller_days": 14,
    }
