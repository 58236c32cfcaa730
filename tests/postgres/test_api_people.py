"""Coming in and going out: passwords, one-time links, sessions, cookies, forged forms, keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from api import people
from hoistway.errors import BadInput
from hoistway.limits import LOGIN_FAILURES
from hoistway.model import Role
from tests.support.web import Api, api

PASSWORD = "correct horse battery"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        yield running


async def person(web: Api, name: str, *, role: Role = Role.DISPATCHER, password: str | None = PASSWORD) -> str:
    async with web.db.acquire() as connection:
        await people.create_person(connection, name, role, None, password)
    return name


async def log_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/login", data={"name": name, "password": password})


async def csrf(client: httpx.AsyncClient) -> dict[str, str]:
    return {"X-CSRF-Token": (await client.get("/api/v1/me")).json()["csrf"]}


async def test_login_by_password(web: Api) -> None:
    """The right password opens a session whose cookie scripts and other sites cannot use; the token is stored as a hash."""
    name = await person(web, "Chen")
    async with web.client() as client:
        answer = await log_in(client, name)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("hoistway_session=")
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        me = web.check("/api/v1/me", await client.get("/api/v1/me"))
        assert (me["name"], me["role"]) == ("Chen", "dispatcher")
        token = client.cookies["hoistway_session"]
        stored = await web.db.fetchval("select count(*) from session where token_hash = $1", people.hash_token(token))
        assert stored == 1
        assert (await client.get("/console")).status_code == 200


async def test_cookie_is_secure_behind_tls(web: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `cookie_secure` the session cookie carries the flag."""
    name = await person(web, "Secure Person")
    monkeypatch.setattr(web.app.state.settings, "cookie_secure", True)
    async with web.client() as client:
        assert "Secure" in (await log_in(client, name)).headers["set-cookie"].split("; ")


async def test_wrong_password_and_unknown_name_look_the_same(web: Api) -> None:
    """Neither status nor page tells which names exist."""
    name = await person(web, "Known")
    nameless = await person(web, "Link only", password=None)
    async with web.client() as client:
        answers = [await log_in(client, who, "wrong password!") for who in (name, "Unknown", nameless)]
    assert {answer.status_code for answer in answers} == {401}
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert len({len(answer.text) for answer in answers}) == 1


async def test_too_many_tries_wait(web: Api) -> None:
    """After so many wrong passwords even the right one waits, also when the tries come all at once; time lets it in again."""
    name = await person(web, "Forgetful")
    async with web.client() as client:
        tries = [log_in(client, name, "wrong password!") for _ in range(LOGIN_FAILURES + 4)]
        statuses = sorted([answer.status_code for answer in await asyncio.gather(*tries)])
        assert statuses == [401] * LOGIN_FAILURES + [429] * 4
        answer = await log_in(client, name)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 900
        await web.db.execute("update login_failure set at = at - interval '15 minutes' where name = $1", name)
        assert (await log_in(client, name)).status_code == 303
        assert await web.db.fetchval("select count(*) from login_failure where name = $1", name) == 0


async def test_link_works_once_and_looking_does_not_spend_it(web: Api) -> None:
    """Any number of looks leaves the link good; the button works once, even when pressed twice at the same time."""
    name = await person(web, "By link", password=None)
    async with web.db.acquire() as connection:
        token = await people.create_login_link(connection, name)
    assert await web.db.fetchval("select count(*) from login_link where token_hash = $1", token.encode()) == 0
    async with web.client() as preview:
        for _ in range(3):
            page = await preview.get("/login/link", params={"token": token})
            assert page.status_code == 200
            assert token in page.text
            assert "set-cookie" not in page.headers
    async with web.client() as one, web.client() as two:
        answers = await asyncio.gather(*(client.post("/login/link", data={"token": token}) for client in (one, two)))
        assert sorted(answer.status_code for answer in answers) == [303, 410]
        assert (await one.get("/login/link", params={"token": token})).status_code == 410


async def test_link_runs_out(web: Api) -> None:
    """A link that was not used in time, or that nobody made, is gone."""
    name = await person(web, "Too late", password=None)
    async with web.db.acquire() as connection:
        token = await people.create_login_link(connection, name)
    await web.db.execute("update login_link set expires_at = clock_timestamp() - interval '1 second'")
    async with web.client() as client:
        for text in (token, "made-up"):
            assert (await client.post("/login/link", data={"token": text})).status_code == 410


async def test_logout_and_disable_end_sessions(web: Api) -> None:
    """Logging out ends this session, disabling a person ends all of them at once."""
    name = await person(web, "Leaving")
    async with web.client() as one, web.client() as two:
        await log_in(one, name)
        await log_in(two, name)
        old = dict(one.cookies)
        assert (await one.post("/logout", headers=await csrf(one))).headers["location"] == "/login"
        one.cookies.update(old)
        assert (await one.get("/api/v1/me")).status_code == 401
        assert (await two.get("/api/v1/me")).status_code == 200
        async with web.db.acquire() as connection:
            assert await people.disable_person(connection, name)
        assert (await two.get("/api/v1/me")).status_code == 401
        assert (await log_in(two, name)).status_code == 401


async def test_session_runs_out(web: Api) -> None:
    """A session past its end is nobody's."""
    name = await person(web, "Long night")
    async with web.client() as client:
        await log_in(client, name)
        await web.db.execute("update session set expires_at = clock_timestamp() - interval '1 second'")
        assert (await client.get("/api/v1/me")).status_code == 401
        assert (await client.get("/console")).headers["location"] == "/login"


async def test_cookie_needs_the_csrf_token(web: Api) -> None:
    """An unsafe request with a cookie needs the session's token; a form may carry it as a field."""
    name = await person(web, "Forged")
    async with web.client() as client:
        await log_in(client, name)
        right = await csrf(client)
        path = "/api/v1/cases/999999/comments"
        assert (await client.post(path, json={"text": "x"})).status_code == 403
        assert (await client.post(path, json={"text": "x"}, headers={"X-CSRF-Token": "wrong"})).status_code == 403
        assert (await client.post(path, json={"text": "x"}, headers=right)).status_code == 404
        assert (await client.post("/logout", data={"csrf": "wrong"})).status_code == 403
        assert (await client.post("/logout", data={"csrf": right["X-CSRF-Token"]})).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_forms_of_other_sites_are_refused(web: Api, headers: dict[str, str]) -> None:
    """Another site can neither log somebody in nor spend a link, whatever its form holds."""
    async with web.client() as client:
        for path, data in (("/login", {"name": "x", "password": "y"}), ("/login/link", {"token": "x"})):
            assert (await client.post(path, data=data, headers=headers)).status_code == 403


async def test_key_is_shown_once_and_ends_when_revoked(web: Api) -> None:
    """Of a key only the hash is stored; a revoked one is a stranger; a name is used once."""
    async with web.db.acquire() as connection:
        key = await people.create_api_key(connection, "tester's key", Role.TESTER, None)
        with pytest.raises(BadInput):
            await people.create_api_key(connection, "tester's key", Role.TESTER, None)
        async with web.client() as client:
            headers = {"Authorization": f"Bearer {key}"}
            me = (await client.get("/api/v1/me", headers=headers)).json()
            assert (me["name"], me["role"], me["csrf"]) == ("tester's key", "tester", None)
            assert await people.revoke_api_key(connection, "tester's key")
            assert not await people.revoke_api_key(connection, "tester's key")
            assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
    stored = await web.db.fetchrow("select * from api_key where name = $1", "tester's key")
    assert key not in str(dict(stored or {}))


async def test_people_are_made_with_care(web: Api) -> None:
    """A maintainer needs a firm of the register and nobody else may have one; short passwords and odd names are refused."""
    async with web.db.acquire() as connection:
        for name, role, firm, password in (
            ("A", Role.MAINTAINER, None, PASSWORD),
            ("A", Role.MAINTAINER, "no such firm", PASSWORD),
            ("A", Role.DISPATCHER, "own firm", PASSWORD),
            ("A", Role.DISPATCHER, None, "short"),
            (" A", Role.DISPATCHER, None, PASSWORD),
            ("", Role.DISPATCHER, None, PASSWORD),
            ("A\n", Role.DISPATCHER, None, PASSWORD),
        ):
            with pytest.raises(BadInput):
                await people.create_person(connection, name, role, firm, password)
        assert await people.create_person(connection, "Firm's man", Role.MAINTAINER, "own firm", None) > 0
        with pytest.raises(BadInput):
            await people.create_person(connection, "Firm's man", Role.MAINTAINER, "own firm", None)
        with pytest.raises(BadInput):
            await people.create_login_link(connection, "Nobody")


async def test_pages_speak_the_wished_language(web: Api) -> None:
    """Chinese unless the browser or the person wishes English; a wish is remembered; the policy names the page's nonce."""
    async with web.client() as client:
        first = await client.get("/login")
        assert first.headers["content-language"] == "zh-CN"
        nonce = first.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
        assert nonce
        assert f'nonce="{nonce}"' in first.text
        assert "unsafe" not in first.headers["content-security-policy"]
        assert (await client.get("/login", headers={"Accept-Language": "en-GB"})).headers["content-language"] == "en"
        assert (await client.get("/login", params={"lang": "en"})).headers["content-language"] == "en"
        assert (await client.get("/login")).headers["content-language"] == "en"
        assert (await client.get("/")).headers["location"] == "/console"


async def test_console_says_no_to_a_role_without_one(web: Api) -> None:
    """A property manager who logs in sees a page that says so, in the browser's language."""
    name = await person(web, "Property", role=Role.PROPERTY)
    async with web.client() as client:
        await log_in(client, name)
        answer = await client.get("/console", headers={"Accept-Language": "en"})
    assert answer.status_code == 403
    assert "This role has no console" in answer.text
