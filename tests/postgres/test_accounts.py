"""Accounts over HTTP and with a browser: made, changed, shut out; passwords, the second factor, recovery codes, what is kept of it all."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from api import people
from api.accounts import totp
from hoistway.cli import app
from hoistway.errors import BadInput
from hoistway.limits import LOGIN_FAILURES
from hoistway.model import Role
from tests.support import rows
from tests.support.web import Api, api

PASSWORD = "correct horse battery"
USERS = "/api/v1/users"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        yield running


async def person(web: Api, name: str, role: Role = Role.DISPATCHER) -> int:
    async with web.db.acquire() as connection:
        return await people.create_person(connection, name, role, None, PASSWORD)


async def log_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/login", data={"name": name, "password": password})


async def csrf(client: httpx.AsyncClient) -> str:
    return str((await client.get("/api/v1/me")).json()["csrf"])


async def version(web: Api, number: int) -> dict[str, str]:
    return {"If-Match": f'"{await web.db.fetchval("select version from person where id = $1", number)}"'}


async def code_of(web: Api, secret: bytes, *, later: int = 0) -> str:
    now_s = await web.db.fetchval("select extract(epoch from clock_timestamp())::float8")
    return totp.code_of(secret, int(now_s) // totp.STEP_S + later)


async def turn_on(web: Api, client: httpx.AsyncClient) -> tuple[bytes, list[str]]:
    """The second factor of whoever is logged in: its secret and the recovery codes."""
    token = await csrf(client)
    begun = await client.post("/account", data={"csrf": token, "act": "begin", "old": PASSWORD})
    found = re.search(r'class="secret">([A-Z2-7 ]+)<', begun.text)
    assert found is not None, begun.text
    secret = base64.b32decode(found.group(1).replace(" ", ""))
    assert "otpauth://totp/hoistway" in begun.text
    wrong = await client.post("/account", data={"csrf": token, "act": "confirm", "code": "000000"})
    assert wrong.status_code == 401
    done = await client.post("/account", data={"csrf": token, "act": "confirm", "code": await code_of(web, secret)})
    codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", done.text)
    assert len(codes) == 10
    return secret, codes


# --- those who look after accounts ---


async def test_an_administrator_makes_changes_and_shuts_out(web: Api) -> None:
    """Each act is answered, kept with who did it, and no secret stands in what is kept; what may be seen changes at once."""
    await rows.lift(web.db, district="西湖区", name="here")
    await rows.lift(web.db, district="上城区", name="there")
    async with web.client(Role.ADMIN) as admin, web.client() as client:
        body = {"name": "Li Na", "role": "dispatcher", "districts": ["西湖区"], "password": PASSWORD}
        made = web.check(USERS, await admin.post(USERS, json=body), "post")
        number = made["id"]
        assert (made["districts"], made["second_factor"], made["disabled_at"]) == (["西湖区"], False, None)
        await log_in(client, "Li Na")
        assert [lift["name"] for lift in (await client.get("/api/v1/lifts")).json()["items"]] == ["here"]
        rights = {"role": "auditor", "firm_id": None, "districts": []}
        path = f"{USERS}/{number}"
        changed = await admin.post(f"{path}/rights", json=rights, headers=await version(web, number))
        assert (changed.json()["role"], changed.json()["districts"]) == ("auditor", [])
        assert (await client.get("/api/v1/me")).status_code == 401
        assert (await admin.post(f"{path}/rights", json=rights, headers={"If-Match": '"1"'})).status_code == 412
        await log_in(client, "Li Na")
        assert len((await client.get("/api/v1/lifts")).json()["items"]) == 2
        assert (await admin.post(f"{path}/disable")).json()["disabled_at"] is not None
        assert (await client.get("/api/v1/me")).status_code == 401
        assert (await log_in(client, "Li Na")).status_code == 401
        assert (await admin.post(f"{path}/enable")).status_code == 200
        assert (await admin.post(f"{path}/password", json={"password": "another long one"})).status_code == 200
        assert (await log_in(client, "Li Na", "another long one")).status_code == 303
        read = web.check(USERS + "/{user_id}", await admin.get(path))
    kinds = [act["kind"] for act in reversed(read["acts"])]
    assert kinds == ["created", "changed", "disabled", "enabled", "password"]
    assert {act["by"] for act in read["acts"]} == {"admin key"}
    stored = str([dict(row) for row in await web.db.fetch("select * from person_act where person_id = $1", number)])
    assert PASSWORD not in stored
    assert "argon2" not in stored


async def test_the_last_administrator_stays(web: Api) -> None:
    """Nobody takes away the last administrator, not even two at the same time."""
    await web.db.execute("update person set disabled_at = now() where role = 'admin'")
    numbers = [await person(web, name, Role.ADMIN) for name in ("Admin one", "Admin two")]
    async with web.client(Role.ADMIN) as admin:
        answers = await asyncio.gather(*(admin.post(f"{USERS}/{number}/disable") for number in numbers))
        assert sorted(answer.status_code for answer in answers) == [200, 422]
        left = await web.db.fetchval("select id from person where role = 'admin' and disabled_at is null")
        rights = {"role": "tester", "firm_id": None, "districts": []}
        answer = await admin.post(f"{USERS}/{left}/rights", json=rights, headers=await version(web, left))
        assert answer.status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"name": "A", "role": "dispatcher", "password": "short"},
        {"name": "A", "role": "dispatcher", "password": "aaaaaaaaaaaaaaaa"},
        {"name": "Wang Fang", "role": "dispatcher", "password": "my name is wang fang!"},
        {"name": "A", "role": "maintainer"},
        {"name": "A", "role": "maintainer", "firm": "nobody's"},
        {"name": "A", "role": "dispatcher", "districts": ["nowhere"]},
        {"name": "A", "role": "property", "districts": ["西湖区"]},
        {"name": "A", "role": "king"},
    ],
)
async def test_what_no_account_may_be(web: Api, body: dict[str, object]) -> None:
    """Weak passwords, firms and districts that do not fit: refused with what was expected, and nothing is made."""
    async with web.client(Role.ADMIN) as admin:
        answer = await admin.post(USERS, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["detail"]
    assert await web.db.fetchval("select count(*) from person where name = $1", body["name"]) == 0


async def test_accounts_with_a_browser(web: Api) -> None:
    """The page makes a person, sends a link that works, and says in the wished language what was wrong."""
    await person(web, "Page admin", Role.ADMIN)
    async with web.client() as client, web.client() as other:
        await log_in(client, "Page admin")
        token = await csrf(client)
        done = await client.post("/users", data={"csrf": token, "name": "By page", "role": "tester"})
        assert "By page" in done.text
        number = await web.db.fetchval("select id from person where name = 'By page'")
        made = await client.post(f"/users/{number}", data={"csrf": token, "act": "link"})
        link = re.search(r"/login/link\?token=([\w-]+)", made.text)
        assert link is not None
        assert (await other.post("/login/link", data={"token": link.group(1)})).headers["location"] == "/console"
        wrong = await client.post("/users?lang=en", data={"csrf": token, "name": "By page", "role": "tester"})
        assert wrong.status_code == 422
        assert "The name is empty, too long or taken." in wrong.text
        assert (await client.post("/users", data={"name": "x", "role": "tester"})).status_code == 403


# --- one's own ---


async def test_a_password_is_changed_by_who_knows_it(web: Api) -> None:
    """The old one is asked for; the session in hand goes on, the others end."""
    await person(web, "Changes")
    async with web.client() as here, web.client() as elsewhere:
        await log_in(here, "Changes")
        await log_in(elsewhere, "Changes")
        form = {"csrf": await csrf(here), "act": "password", "new": "a new long password"}
        assert (await here.post("/account", data=form | {"old": "wrong password"})).status_code == 401
        assert (await here.post("/account", data=form | {"old": PASSWORD, "new": "short"})).status_code == 422
        assert (await here.post("/account", data=form | {"old": PASSWORD})).status_code == 200
        assert (await here.get("/api/v1/me")).status_code == 200
        assert (await elsewhere.get("/api/v1/me")).status_code == 401


async def test_the_second_factor_is_asked_for(web: Api) -> None:
    """After password or link a code is wanted; it is good once, a wrong one is not, and what is stored can be read by nobody."""
    await person(web, "Two factors")
    async with web.client() as client:
        await log_in(client, "Two factors")
        secret, _ = await turn_on(web, client)
    stored = await web.db.fetchrow("select * from person where name = 'Two factors'")
    assert stored is not None
    assert secret not in bytes(stored["totp_secret"])
    async with web.client() as client:
        step = await log_in(client, "Two factors")
        assert (step.status_code, "set-cookie" in step.headers) == (200, False)
        found = re.search(r'name="token" value="([\w-]+)"', step.text)
        assert found is not None
        form = {"token": found.group(1)}
        assert (await client.post("/login/code", data=form | {"code": "000000"})).status_code == 401
        used = await code_of(web, secret)  # spent when it was confirmed
        assert (await client.post("/login/code", data=form | {"code": used})).status_code == 401
        good = await code_of(web, secret, later=1)
        answers = await asyncio.gather(*(client.post("/login/code", data=form | {"code": good}) for _ in range(2)))
        assert [answer.status_code for answer in answers].count(303) == 1
        assert (await client.get("/api/v1/me")).status_code == 200
    async with web.db.acquire() as connection:
        token = await people.create_login_link(connection, "Two factors")
    async with web.client() as client:
        by_link = await client.post("/login/link", data={"token": token})
        assert 'action="/login/code"' in by_link.text
        assert "set-cookie" not in by_link.headers


async def test_codes_cannot_be_guessed(web: Api) -> None:
    """Tries of codes are counted as tries of passwords; after too many even the right one waits."""
    await person(web, "Guessed")
    async with web.client() as client:
        await log_in(client, "Guessed")
        secret, _ = await turn_on(web, client)
    async with web.client() as client:
        step = await log_in(client, "Guessed")
        found = re.search(r'name="token" value="([\w-]+)"', step.text)
        assert found is not None
        form = {"token": found.group(1)}
        statuses = [
            (await client.post("/login/code", data=form | {"code": "000000"})).status_code
            for _ in range(LOGIN_FAILURES)
        ]
        assert statuses == [401] * LOGIN_FAILURES
        late = await client.post("/login/code", data=form | {"code": await code_of(web, secret, later=1)})
        assert late.status_code == 429
        assert int(late.headers["Retry-After"]) > 0
        await web.db.execute("update login_step set expires_at = now() - interval '1 second'")
        assert (await client.post("/login/code", data=form | {"code": "000000"})).status_code == 410


async def test_a_recovery_code_stands_in_once(web: Api) -> None:
    """Without the phone one of the ten comes in, whatever signs stand between; then it is spent. An administrator takes the factor away."""
    number = await person(web, "Lost phone")
    async with web.client() as client:
        await log_in(client, "Lost phone")
        _, codes = await turn_on(web, client)
    for code, status in ((codes[0].lower().replace("-", " "), 303), (codes[0], 401)):
        async with web.client() as client:
            step = await log_in(client, "Lost phone")
            found = re.search(r'name="token" value="([\w-]+)"', step.text)
            assert found is not None
            answer = await client.post("/login/code", data={"token": found.group(1), "code": code})
            assert answer.status_code == status
    hashes = str([dict(row) for row in await web.db.fetch("select code_hash from recovery_code")])
    assert codes[1].replace("-", "") not in hashes
    async with web.client(Role.ADMIN) as admin:
        assert (await admin.post(f"{USERS}/{number}/factor-off")).json()["second_factor"] is False
    async with web.client() as client:
        assert (await log_in(client, "Lost phone")).status_code == 303
    assert await web.db.fetchval("select count(*) from recovery_code where person_id = $1", number) == 0


async def test_without_a_key_there_is_no_second_factor(web: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that has no key to seal it says so, and lets nobody begin one."""
    await person(web, "No seal")
    monkeypatch.setattr(web.app.state.settings, "seal_key", None)
    async with web.client() as client:
        await log_in(client, "No seal")
        assert "HOISTWAY_SEAL_KEY" in (await client.get("/account")).text
        form = {"csrf": await csrf(client), "act": "begin", "old": PASSWORD}
        assert (await client.post("/account", data=form)).status_code == 409


# --- the command ---


async def test_accounts_by_command(web: Api) -> None:
    """`hoistway users` does the same, says what it did in one line, and its acts are kept too."""
    await rows.lift(web.db, district="滨江区")

    async def users(*words: str, said: str = "") -> Any:
        arguments = ["users", *words, "--database-url", web.url]
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, input=said)

    password = "a long one by hand"
    made = await users(
        "create", "Zhao", "--role", "dispatcher", "--district", "滨江区", "--by", "wang", said=f"{password}\n" * 2
    )
    assert made.output.splitlines()[-1] == "Zhao\tdispatcher\t滨江区"
    changed = await users("role", "Zhao", "--role", "maintainer", "--firm", "own firm")
    assert changed.output.strip() == "Zhao\tmaintainer\town firm"
    assert (await users("disable", "Zhao")).output.strip().endswith("disabled")
    assert "Zhao\tmaintainer\town firm\tdisabled" in (await users("list")).output
    assert (await users("enable", "Zhao")).exit_code == 0
    assert isinstance((await users("disable", "Nobody at all")).exception, BadInput)
    kept = await web.db.fetch(
        "select by_name, kind from person_act a join person p on p.id = a.person_id where p.name = 'Zhao' order by a.id"
    )
    assert [tuple(row) for row in kept] == [
        ("wang", "created"), *((("the command line", kind)) for kind in ("changed", "disabled", "enabled")),
    ]  # fmt: skip
