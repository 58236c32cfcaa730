"""A firm's lifts, people, tickets and keys on its pages: what is its own, what is not, and what two people write at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from api import people
from api.access import declared
from api.firm import ROUTERS
from hoistway.cli import app
from hoistway.cli.common import out
from hoistway.limits import FIRM_KEYS, FIRM_PAGE_ROWS
from hoistway.model import Role
from hoistway.store import connect_url
from tests.support import rows
from tests.support.firm import Page, Visit
from tests.support.web import Api, api


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        await rows.rule(running.db, "door-held-open")
        await rows.firm(running.db, "rival firm")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def li(web: Api) -> AsyncIterator[Visit]:
    """Looks after the firm's keys."""
    visit = await Visit.of(web, "Li Na", firm_admin=True)
    yield visit
    await visit.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wang(web: Api) -> AsyncIterator[Visit]:
    visit = await Visit.of(web, "Wang Wei")
    yield visit
    await visit.close()


async def foreign_lift(web: Api, **columns: object) -> int:
    firm_id = await web.db.fetchval("select id from firm where name = 'rival firm'")
    return await rows.lift(web.db, firm_id=firm_id, **columns)


def key_on(page: Page) -> str:
    found = re.search(r"hk_[A-Za-z0-9_-]{40,}", page.text)
    assert found, page.text
    return found.group()


# --- lifts ---


async def test_lifts_are_found_by_name_place_and_number(web: Api, wang: Visit) -> None:
    """A fragment finds own lifts; signs of LIKE mean themselves; what is wrong stands first; another firm's lift is not found."""
    quiet = await rows.lift(web.db, firm_id=web.firm_id, estate="AA Garden", name="100% east", rescue_code="654321")
    wrong = await rows.lift(web.db, firm_id=web.firm_id, estate="ZZ Garden", name="west")
    await rows.alarm(web.db, wrong, rule_id="door-held-open", severity="major", opens="ticket")
    await foreign_lift(web, estate="AA Garden", name="not ours")
    for q, found in (
        ("Garden", [wrong, quiet]),
        ("654321", [quiet]),
        ("0% e", [quiet]),
        ("_est", []),
        ("not ours", []),
    ):
        page = await wang.client.get("/firm/lifts", params={"q": q})
        assert [int(number) for number in re.findall(r'href="/firm/lifts/(\d+)"', page.text)] == found, q


async def test_many_lifts_are_pages(web: Api, wang: Visit) -> None:
    """A page has its limit, the next one goes on, and each lift is on one of them."""
    wanted = {await rows.lift(web.db, firm_id=web.firm_id, estate="Many") for _ in range(FIRM_PAGE_ROWS + 3)}
    first = await wang.see("/firm/lifts?q=Many")
    second = await wang.see(first.links["Next"])
    shown = [
        {int(number) for number in re.findall(r'href="/firm/lifts/(\d+)"', page.answer.text)}
        for page in (first, second)
    ]
    assert (len(shown[0]), len(shown[1]), shown[0] | shown[1]) == (FIRM_PAGE_ROWS, 3, wanted)


async def test_a_lift_says_how_it_is_and_what_it_had(web: Api, wang: Visit) -> None:
    """State, open alarms, the last ones, register and phones; a foreign lift and none answer alike."""
    lift_id = await rows.lift(web.db, firm_id=web.firm_id, user_unit="Property", user_unit_phone="0571 12")
    await rows.alarm(web.db, lift_id, rule_id="door-held-open", severity="minor", opens="ticket")
    page = await wang.see(f"/firm/lifts/{lift_id}")
    assert "door-held-open title" in page.text
    assert "The lift says nothing" in page.text
    assert 'href="tel:057112"' in page.answer.text
    foreign = await foreign_lift(web)
    for path in ("", "/access"):
        answers = [await wang.see(f"/firm/lifts/{number}{path}") for number in (foreign, 999_999)]
        assert [answer.status for answer in answers] == [404, 404]
        assert answers[0].text == answers[1].text
    token = page.forms[-1].values["csrf"]
    written = await wang.client.post(f"/firm/lifts/{foreign}/access", data={"csrf": token, "version": "0", "keys": "x"})
    assert written.status_code == 404
    assert await web.db.fetchval("select count(*) from lift_access where lift_id = $1", foreign) == 0


async def test_the_way_in_is_written_by_one_at_a_time(web: Api, li: Visit, wang: Visit) -> None:
    """Kept with who and when; whoever had an old page sees what the other wrote, loses nothing, and may press again."""
    lift_id = await rows.lift(web.db, firm_id=web.firm_id)
    first, second = await li.see(f"/firm/lifts/{lift_id}/access"), await wang.see(f"/firm/lifts/{lift_id}/access")
    kept = await li.press(first, "Keep", gate_code="1234#", guard_phone="138 0000")
    assert "1234#" in kept.text
    assert "Written by Li Na" in kept.text
    told = await wang.press(second, "Keep", gate_code="9999#")
    assert told.status == 412
    assert "Li Na changed it" in told.text
    assert "1234#" in told.text
    assert 'value="9999#"' in told.answer.text
    assert await web.db.fetchval("select gate_code from lift_access where lift_id = $1", lift_id) == "1234#"
    await wang.press(told, "Keep")
    assert await web.db.fetchval("select gate_code from lift_access where lift_id = $1", lift_id) == "9999#"
    long = await wang.press(await wang.see(f"/firm/lifts/{lift_id}/access"), "Keep", keys="k" * 201)
    assert (long.status, "Too long" in long.text) == (422, True)


async def test_the_way_in_over_the_api(web: Api) -> None:
    """The desk and the lift's firm read and write it with the version they saw; nobody else's role does."""
    lift_id, foreign = await rows.lift(web.db, firm_id=web.firm_id), await foreign_lift(web)
    path = f"/api/v1/lifts/{lift_id}/access"
    async with web.client(Role.DISPATCHER) as desk, web.client(Role.MAINTAINER) as machine, web.client(Role.AUDITOR) as auditor:  # fmt: skip
        empty = web.check("/api/v1/lifts/{lift_id}/access", await desk.get(path))
        assert (empty["version"], empty["gate_code"], empty["updated_by"]) == (0, "", None)
        body = {"gate_code": "1#", "machine_room": "roof, key at the gate"}
        written = await machine.post(path, json=body, headers={"If-Match": '"0"'})
        assert web.check("/api/v1/lifts/{lift_id}/access", written, "post")["version"] == 1
        old = await desk.post(path, json=body, headers={"If-Match": '"0"'})
        assert (old.status_code, old.json()["current"]["gate_code"]) == (412, "1#")
        assert (await auditor.get(path)).status_code == 403
        assert (await machine.get(f"/api/v1/lifts/{foreign}/access")).status_code == 404


# --- people and tickets ---


async def test_units_on_call_with_their_phones(web: Api, wang: Visit) -> None:
    """Own units, who is on call until when, numbers to ring; a unit of another firm is not there and takes no position."""
    own = await rows.insert(web.db, "unit", {"name": "night team", "kind": "team", "firm_id": web.firm_id})
    rival = await web.db.fetchval("select id from firm where name = 'rival firm'")
    other = await rows.insert(web.db, "unit", {"name": "rival team", "kind": "team", "firm_id": rival})
    await rows.insert(web.db, "unit_contact", {"unit_id": own, "name": "Zhao", "phone": "139-1"})
    await web.db.execute("insert into unit_shift (unit_id, since, until) values ($1, now() - interval '1 hour', now() + interval '7 hours')", own)  # fmt: skip
    page = await wang.see("/firm/people")
    assert "night team" in page.text
    assert "on call" in page.text
    assert 'href="tel:1391"' in page.answer.text
    assert "rival team" not in page.text
    wrong = await wang.press(page, "Report", lat="30.2", lon="")
    assert (wrong.status, "Latitude -90 to 90" in wrong.text) == (422, True)
    await wang.press(page, "Report", lat="30.25", lon="120.15")
    assert await web.db.fetchval("select reported_lat from unit where id = $1", own) == 30.25
    token = page.forms[-1].values["csrf"]
    for number in (other, 999_999):
        for at in ({"lat": "1", "lon": "1"}, {"lat": "", "lon": ""}):
            answer = await wang.client.post(f"/firm/units/{number}/position", data={"csrf": token, **at})
            assert answer.status_code == 404
    assert await web.db.fetchval("select reported_lat from unit where id = $1", other) is None


async def test_the_duty_number_is_the_administrator_s(web: Api, li: Visit, wang: Visit) -> None:
    """Who looks after the firm changes it, on the number that was seen; others only read it."""
    await web.db.execute("update firm set phone = '0571-1' where id = $1", web.firm_id)
    page = await li.see("/firm/people")
    changed = await li.press(page, "Keep", phone="0571-2222")
    assert "0571-2222" in changed.text
    again = await li.press(page, "Keep", phone="0571-3333")
    assert (again.status, "Somebody has just changed it" in again.text) == (412, True)
    assert (await li.press(changed, "Keep", phone="none")).status == 422
    theirs = await wang.see("/firm/people")
    assert "Change the duty number" not in theirs.text
    token = theirs.forms[-1].values["csrf"]
    forced = await wang.client.post("/firm/duty-phone", data={"csrf": token, "before": "0571-2222", "phone": "0571-4"})
    assert forced.status_code == 403
    assert await web.db.fetchval("select phone from firm where id = $1", web.firm_id) == "0571-2222"


async def test_tickets_of_the_own_firm(web: Api, wang: Visit) -> None:
    """What is still to be mended, the overdue first, each leading to its page; none of another firm's, none that is done."""
    shown = [await ticket(web, firm_id=web.firm_id), await ticket(web, firm_id=web.firm_id, late=True)]
    await ticket(web, firm_id=web.firm_id, state="cancelled")
    await ticket(web, firm_id=await web.db.fetchval("select id from firm where name = 'rival firm'"))
    page = await wang.see("/firm/tickets")
    assert [int(number) for number in re.findall(r'href="/tickets/(\d+)"', page.answer.text)] == shown[::-1]
    assert "overdue" in page.text
    there = await wang.see(f"/tickets/{shown[0]}")
    assert (there.status, 'href="/firm"' in there.answer.text) == (200, True)


async def ticket(web: Api, *, firm_id: int, state: str = "new", late: bool = False) -> int:
    lift_id = await rows.lift(web.db, firm_id=firm_id)
    promised = "now() - interval '1 hour'" if late else "now() + interval '1 day'"
    return int(await web.db.fetchval(
        "insert into ticket (lift_id, firm_id, told, severity, state, opened_at, promised_at, exercise)"
        f" values ($1, $2, 'the door grinds', 'minor', $3, now(), {promised}, false) returning id",
        lift_id, firm_id, state,
    ))  # fmt: skip


# --- keys ---


async def test_a_key_is_shown_once_and_holds_its_firm(web: Api, li: Visit) -> None:
    """Made by the firm's administrator, seen on one page, stored as a hash; it reads the own firm's lifts whatever it asks for."""
    own, foreign = await rows.lift(web.db, firm_id=web.firm_id), await foreign_lift(web)
    made = await li.press(await li.see("/firm/keys"), "Make", name="workshop")
    assert made.status == 201
    key = key_on(made)
    listed = await li.see("/firm/keys")
    assert key not in listed.answer.text
    assert "Never used" in listed.text
    assert "by Li Na" in listed.text
    headers = {"Authorization": f"Bearer {key}"}
    async with web.client() as machine:
        who = (await machine.get("/api/v1/me", headers=headers)).json()
        assert (who["role"], who["firm_id"], who["name"]) == ("maintainer", web.firm_id, "workshop")
        rival = await web.db.fetchval("select id from firm where name = 'rival firm'")
        for query in ({}, {"firm_id": str(rival)}, {"scope": "0"}):
            lifts = (await machine.get("/api/v1/lifts", headers=headers, params={"limit": "500", **query})).json()
            assert own in {item["id"] for item in lifts["items"]}
            assert foreign not in {item["id"] for item in lifts["items"]}
        assert (await machine.get(f"/api/v1/lifts/{foreign}", headers=headers)).status_code == 404
    assert "Last used" in (await li.see("/firm/keys")).text
    revoked = await li.press(await li.see("/firm/keys"), "Revoke “workshop”")
    assert "Revoked" in revoked.text
    async with web.client() as machine:
        assert (await machine.get("/api/v1/me", headers=headers)).status_code == 401


async def test_names_of_keys_are_a_firm_s_own(web: Api, li: Visit) -> None:
    """A taken name is refused; another firm's is not taken, so it tells nothing; the command asks whose key it is to end."""
    rival = await Visit.of(web, "Rival admin", firm="rival firm", firm_admin=True)
    await li.press(await li.see("/firm/keys"), "Make", name="same")
    again = await li.press(await li.see("/firm/keys"), "Make", name="same")
    assert (again.status, "There is a key of that name" in again.text) == (422, True)
    assert (await li.press(again, "Make", name=" ")).status == 422
    theirs = await rival.press(await rival.see("/firm/keys"), "Make", name="same")
    assert theirs.status == 201
    own_id = await web.db.fetchval("select id from api_key where name = 'same' and firm_id = $1", web.firm_id)
    token = theirs.forms[-1].values["csrf"]
    for number in (own_id, 999_999):
        answer = await rival.client.post(f"/firm/keys/{number}/revoke", data={"csrf": token})
        assert answer.status_code == 404
    async with web.db.acquire() as connection:
        try:
            await people.revoke_api_key(connection, "same")
            raise AssertionError("two keys of one name")
        except people.BadInput as error:
            assert "own firm" in str(error)
        assert await people.revoke_api_key(connection, "same", firm="rival firm", by="test")
    assert await web.db.fetchval("select revoked_by from api_key where id = $1", own_id) is None
    await rival.close()


async def test_a_firm_has_so_many_keys(web: Api, li: Visit) -> None:
    """The limit counts keys that work; a revoked one makes room."""
    await web.db.execute(
        "update api_key set revoked_at = now() where firm_id = $1 and name <> 'maintainer key'", web.firm_id
    )
    async with web.db.acquire() as connection:
        for number in range(FIRM_KEYS - 1):
            await people.create_api_key(connection, f"key {number}", Role.MAINTAINER, "own firm")
    full = await li.press(await li.see("/firm/keys"), "Make", name="one more")
    assert (full.status, f"There are {FIRM_KEYS} keys" in full.text) == (422, True)
    freed = await li.press(full, "Revoke “key 0”")
    assert (await li.press(freed, "Make", name="one more")).status == 201


async def test_keys_are_for_administrators(web: Api, wang: Visit) -> None:
    """A mechanic has neither page nor act; the city's administrator makes a key for the firm it chooses, and revokes any."""
    assert (await wang.see("/firm/keys")).status == 403
    assert "/firm/keys" not in (await wang.see("/firm")).answer.text
    token = (await wang.see("/firm")).forms[-1].values["csrf"]
    forced = await wang.client.post("/firm/keys", data={"csrf": token, "name": "mine"})
    assert forced.status_code == 403
    city = await Visit.of(web, "City admin", role=Role.ADMIN)
    page = await city.see("/firm/keys")
    assert (await city.press(page, "Make", name="by the city")).status == 422
    rival = await web.db.fetchval("select id from firm where name = 'rival firm'")
    made = await city.press(page, "Make", name="by the city", firm=str(rival))
    async with web.client() as machine:
        who = (await machine.get("/api/v1/me", headers={"Authorization": f"Bearer {key_on(made)}"})).json()
    assert (who["role"], who["firm_id"]) == ("maintainer", rival)
    assert "Revoked" in (await city.press(made, "Revoke “by the city”")).text
    await city.close()


# --- every page ---


async def test_every_page_and_form_asks_who_comes(web: Api) -> None:
    """Generated from the routes: a stranger and a machine's key are led to the login, a wrong role is told, and without a token nobody acts."""
    routes = [
        (method, route.path) for router in ROUTERS for route, _ in declared(router.routes) for method in route.methods
    ]
    assert len(routes) > 15
    stranger, dispatcher = Visit(web, ""), await Visit.of(web, "Dispatcher", role=Role.DISPATCHER)
    own = await Visit.of(web, "Own", firm_admin=True)
    wrong: list[tuple[str, str, str, int]] = []
    async with web.client(Role.MAINTAINER) as machine:
        for method, path in routes:
            address = re.sub(r"\{form\}", "refuse", re.sub(r"\{[a-z]+_id\}", "999999", path))
            asked = {
                "stranger": stranger.client,
                "machine": machine,
                "dispatcher": dispatcher.client,
                "own": own.client,
            }
            for who, client in asked.items():
                answer = await client.request(method, address, data={} if method == "POST" else None)
                led = answer.status_code == 303 and answer.headers["Location"].startswith("/login?next=")
                told = answer.status_code == 403 and "text/html" in answer.headers["Content-Type"]
                allowed = {"stranger": led, "machine": led, "dispatcher": told, "own": told or method == "GET"}[who]
                if not allowed:
                    wrong.append((method, path, who, answer.status_code))
    assert wrong == []
    await stranger.close()
    await dispatcher.close()
    await own.close()


async def test_every_page_speaks_both_languages_and_names_its_fields(web: Api, li: Visit) -> None:
    """In Chinese and in English no page shows a bare key, each field has a label, and the page says its language."""
    lift_id = await rows.lift(web.db, firm_id=web.firm_id)
    paths = ("/firm", "/firm/tickets", "/firm/lifts", f"/firm/lifts/{lift_id}", f"/firm/lifts/{lift_id}/access", "/firm/people", "/firm/keys")  # fmt: skip
    for path in paths:
        for language in ("zh-CN", "en"):
            page = await li.see(f"{path}?lang={language}")
            assert page.status == 200
            assert f'<html lang="{language}">' in page.answer.text
            assert page.unlabelled == [], path
            assert not re.search(r"\b(?:firm|nav|orders|form|lifts|keys|people|access|car)\.[a-z_]+\b", page.text), path
            assert bool(re.search("[\u4e00-\u9fff]{4}", page.text)) >= (language == "zh-CN")
    await li.see("/firm?lang=en")


def test_keys_by_command(web: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hoistway apikey` makes a key, lists it with its maker and never with itself, and ends it once; what is wrong is said."""
    given = ["--database-url", web.url]
    runner = CliRunner()
    made = runner.invoke(
        app, ["apikey", "create", "by command", "--role", "maintainer", "--firm", "rival firm", *given]
    )
    assert made.exit_code == 0
    assert made.output.startswith("hk_")
    monkeypatch.setattr(out, "width", 200)
    listed = runner.invoke(app, ["apikey", "list", "--firm", "rival firm", *given])
    assert re.search(r"by command +maintainer +rival firm .* hoistway apikey", listed.output)
    assert made.output.strip() not in listed.output
    assert "own firm" not in listed.output
    assert runner.invoke(app, ["apikey", "revoke", "by command", *given]).exit_code == 0
    again = runner.invoke(app, ["apikey", "revoke", "by command", *given])
    assert (again.exit_code, "no key 'by command' is in use" in again.output) == (2, True)


def test_the_way_in_from_a_file(web: Api, tmp_path: Path) -> None:
    """Lines are written by rescue code, an empty cell leaves what is there, a wrong line is named and holds nobody up."""
    runner, given = CliRunner(), ["--database-url", web.url]
    file = tmp_path / "access.csv"
    assert runner.invoke(app, ["lifts", "import", str(_register(tmp_path)), *given]).exit_code == 0
    file.write_text("rescue_code,gate_code,keys\n880001,12#,box 3\n88,1,1\n999998,1,1\n880002,,\n", "utf-8")
    first = runner.invoke(app, ["lifts", "access", str(file), *given], env={"COLUMNS": "200"})
    assert (first.exit_code, "changed: 1; as they were: 1; refused: 2" in first.output) == (1, True)
    assert "line 3, rescue_code: '88'; expected six digits" in first.output
    assert "line 4, rescue_code: '999998'; expected a lift of the register" in first.output
    file.write_text("\ufeffrescue_code,gate_code,guard_phone\n880001,,139\n", "utf-8")
    assert runner.invoke(app, ["lifts", "access", str(file), *given]).exit_code == 0
    again = runner.invoke(app, ["lifts", "access", str(file), *given])
    assert (again.exit_code, "changed: 0; as they were: 1" in again.output) == (0, True)

    async def kept() -> tuple[object, ...]:
        connection = await connect_url(web.url, name="test")
        try:
            query = "select gate_code, keys, guard_phone, updated_by, a.version from lift_access a join lift l on l.id = lift_id where rescue_code = '880001'"
            return tuple((await connection.fetchrow(query)).values())
        finally:
            await connection.close()

    assert asyncio.run(kept()) == ("12#", "box 3", "139", "hoistway lifts access", 2)
    for text in (
        "gate_code\n1\n",
        "rescue_code,colour\n880001,red\n",
        'rescue_code,keys\n880001,"' + "k" * 200_000 + '"\n',
    ):
        file.write_text(text, "utf-8")
        assert runner.invoke(app, ["lifts", "access", str(file), *given]).exit_code == 2
    file.write_bytes(b"rescue_code,keys\n880001,\xff\xfe\n")
    assert runner.invoke(app, ["lifts", "access", str(file), *given]).exit_code == 2


def _register(folder: Path) -> Path:
    file = folder / "register.csv"
    file.write_text("kind,rescue_code,name,floors\nlift,880001,one,1|2\nlift,880002,two,1|2\n", "utf-8")
    return file
