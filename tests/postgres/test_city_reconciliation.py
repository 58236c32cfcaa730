"""The daily comparison of our list with a platform's: through the command, kept in the database, read over the api and on the page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from api.people import create_person
from dispatch.citylink.form import shipped_form
from dispatch.citylink.queue import set_link
from hoistway.cli import app
from hoistway.model import Role
from tests.support import rows
from tests.support.web import Api, api

RUNNER = CliRunner()
DAY = "2026-11-24"
NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)  # of the platform's zone
CODES = [f"3301000000202611000{number}" for number in range(5)]
LISTS = "/api/v1/city-link/reconciliations"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    """Five lifts; on the day 0 to 3 each had an entrapment at noon and 0 another four minutes later; 4 had one the day before."""
    async with api(database_url) as running:
        db = running.db
        async with db.acquire() as connection:
            await set_link(
                connection, shipped_form("province"), address="https://city.example/records", supplier="HZ01",
                token_address=None, client=None, now=NOON,
            )  # fmt: skip
        lifts = [await rows.lift(db, register_code=code) for code in CODES]
        for lift_id, at in [*((lift_id, NOON) for lift_id in lifts[:4]), (lifts[4], NOON - timedelta(days=1))]:
            await rows.case(
                db,
                lift_id,
                channel="S01",
                opened_at=at,
                state="closed",
                released_at=at,
                confirmed_by="x",
                confirmation="x",
            )
        await rows.case(db, lifts[0], channel="S01", opened_at=NOON + timedelta(minutes=4))
        await db.execute(
            "update city_record set state = 'refused', settled_at = now(), reason = '无此电梯' where lift_id = $1",
            lifts[3],
        )
        yield running


def command(*arguments: str, url: str) -> Result:
    return RUNNER.invoke(app, ["citylink", *arguments, "--database-url", url])


async def in_a_thread(*arguments: str, url: str) -> Result:
    """The command runs a loop of its own."""
    return await asyncio.to_thread(command, *arguments, url=url)


def line(lift: int, *, after_s: int = 0, code: str = "11", number: str = "P") -> dict[str, str]:
    at = NOON + timedelta(hours=8, seconds=after_s)
    return {"order_no": number, "reg_cod": CODES[lift], "time": f"{at:%Y-%m-%d %H:%M:%S}", "fault_code": code}


async def test_the_export_is_our_list_of_the_day(web: Api) -> None:
    """In their columns; sent or not; nothing of the day before."""
    found = await in_a_thread("export", "province", DAY, "--as", "json", url=web.url)
    assert found.exit_code == 0, found.output
    listed = json.loads(found.stdout)
    assert [(one["reg_cod"], one["time"][11:], one["fault_code"]) for one in listed] == [
        *((code, "12:00:00", "11") for code in CODES[:4]), (CODES[0], "12:04:00", "11"),
    ]  # fmt: skip
    table = await in_a_thread("export", "province", DAY, url=web.url)
    assert table.stdout.splitlines()[0] == "order_no,reg_cod,time,fault_code"
    assert len(table.stdout.splitlines()) == 6


async def test_every_difference_has_its_reason_and_is_kept(web: Api, tmp_path: Path) -> None:
    """Both entrapments of lift 0 find their own; 1 is late, 2 another kind and twice, 3 they never had; one they have alone."""
    theirs = [
        line(0, after_s=50), line(0, after_s=250), line(1, after_s=100), line(2, code="04"), line(2, code="04", after_s=20),
        line(4, after_s=3_600), line(4, after_s=-86_400),
    ]  # fmt: skip
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(theirs), "utf-8")
    found = await in_a_thread("reconcile", "province", DAY, str(path), url=web.url)
    assert found.exit_code == 1, found.output
    assert "2 agree, 5 differ" in found.stdout
    async with web.client(Role.AUDITOR) as client:
        (made,) = web.check(LISTS, await client.get(LISTS))["items"]
        path_of = f"{LISTS}/{{number}}/differences"
        first = await client.get(f"{LISTS}/{made['id']}/differences", params={"limit": 3})
        rest = await client.get(first.links["next"]["url"])
        items: list[dict[str, Any]] = web.check(path_of, first)["items"] + web.check(path_of, rest)["items"]
        page = await client.get("/city-link", params={"lang": "en"})
    counts = ("day", "source", "ours", "theirs", "agreed", "differences", "outside")
    assert [made[name] for name in counts] == [DAY, "theirs.json", 5, 6, 2, 5, 1]
    assert [(CODES.index(one["lift"]), one["reasons"]) for one in items] == [
        (1, ["time-differs"]), (2, ["kind-differs"]), (2, ["duplicate"]), (3, ["only-ours"]), (4, ["only-theirs"]),
    ]  # fmt: skip
    assert items[3]["our_state"] == "refused: 无此电梯"
    for words in ("only on our list", "twice on one list", "theirs.json", "refused: 无此电梯", "2026-11-24 12:01:40"):
        assert words in page.text


async def test_lists_that_agree(web: Api, tmp_path: Path) -> None:
    """What we export compares clean."""
    path = tmp_path / "same.csv"
    path.write_text((await in_a_thread("export", "province", DAY, url=web.url)).stdout, "utf-8")
    found = await in_a_thread("reconcile", "province", DAY, str(path), url=web.url)
    assert (found.exit_code, "5 agree, 0 differ" in found.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "shanghai", DAY], "city link shanghai: never set"),
        (["export", "nowhere", DAY], "expected province or shanghai"),
        (["export", "province", "24.11.2026"], "expected yyyy-mm-dd"),
        (["set", "province", "--address", "http://city.example", "--supplier", "A"], "--address: not https"),
        (["set", "province", "--address", "https://c", "--supplier", "a b"], "--supplier"),
        (["set", "province", "--address", "https://c", "--supplier", "A", "--client", "x"], "expected both or none"),
        (["push", "province", "--again", "some"], "expected the number of a record, or all"),
    ],
)
async def test_what_the_command_cannot_use_is_said(web: Api, arguments: list[str], said: str) -> None:
    """What, where, what was expected; exit code 2."""
    found = await in_a_thread(*arguments, url=web.url)
    assert found.exit_code == 2
    assert said in " ".join(found.stderr.split())


async def test_the_command_sets_shows_and_pushes(web: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no dispatch runs the command sends by itself; nobody answers at that address, and the status says so."""
    monkeypatch.setenv("HOISTWAY_CITY_LINK_SECRETS", str(tmp_path))
    done = await in_a_thread(
        "set", "province", "--address", "http://127.0.0.1:9/records", "--supplier", "HZ01", url=web.url
    )
    assert (done.exit_code, str(tmp_path / "province") in done.stdout.replace("\n", "")) == (0, True)
    pushed = await in_a_thread("push", "province", "--again", "all", url=web.url)
    assert "waiting again: 2" in pushed.stdout
    assert "no answer" in pushed.stdout
    shown = await in_a_thread("status", url=web.url)
    assert "province" in shown.stdout
    assert await web.db.fetchval("select failures from city_link") > 0
    ended = await in_a_thread("off", "province", url=web.url)
    assert (ended.exit_code, ended.stdout.strip()) == (0, "province: off")


@pytest.mark.parametrize("role", list(Role))
async def test_who_reads_the_page(web: Api, role: Role) -> None:
    """Supervisor, auditor and admin, in Chinese where nothing else is wished."""
    async with web.client(role) as client:
        found = await client.get("/city-link")
        sent = await client.post("/city-link/again", data={"form": "province", "record": "all"})
    wardens = {Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN}
    assert found.status_code == (200 if role in wardens else 403)
    assert ("每日对账" in found.text) == (role in wardens)
    assert sent.status_code == (303 if role in {Role.SUPERVISOR, Role.ADMIN} else 403)


async def test_the_button_of_the_page_sends_again(web: Api) -> None:
    """With a session, without JavaScript, guarded by the session's token; an auditor sees no button."""
    refused = await web.db.fetchval("select max(id) from city_record")
    await web.db.execute(
        "update city_record set state = 'refused', settled_at = now(), reason = 'busy' where id = $1", refused
    )
    async with web.db.acquire() as connection:
        await create_person(connection, "city supervisor", Role.SUPERVISOR, None, "a long password of the city")
    async with web.client(Role.AUDITOR) as client:
        assert "/city-link/again" not in (await client.get("/city-link")).text
    async with web.client() as client:
        await client.post("/login", data={"name": "city supervisor", "password": "a long password of the city"})
        assert f'name="record" value="{refused}"' in (await client.get("/city-link")).text
        form = {"form": "province", "record": str(refused)}
        assert (await client.post("/city-link/again", data={**form, "csrf": "wrong"})).status_code == 403
        csrf = (await client.get("/api/v1/me")).json()["csrf"]
        sent = await client.post("/city-link/again", data={**form, "csrf": csrf})
        assert (sent.status_code, sent.headers["location"]) == (303, "/city-link?again=1")
        assert "1 条记录等待重新上报。" in (await client.get(sent.headers["location"])).text
    assert await web.db.fetchval("select state from city_record where id = $1", refused) == "waiting"


async def test_a_stranger_is_led_to_the_login(web: Api) -> None:
    """Nothing of the page without a session."""
    async with web.client() as client:
        found = await client.get("/city-link")
        assert (found.status_code, found.headers["location"]) == (303, "/login")
        assert (await client.post("/city-link/again", data={"form": "province", "record": "all"})).status_code == 401
