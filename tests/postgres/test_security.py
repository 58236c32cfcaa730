"""Security events for those who look after the door: read as JSON and as a page, kept for a time; certificates that end are told of."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from hoistway.limits import CERTIFICATE_EXPIRING_DAYS
from hoistway.model import Role, SecurityKind
from hoistway.registry import keys
from ingest.door_upkeep import note_certificates, trim_security
from tests.support import rows
from tests.support.web import Api, api

PATH = "/api/v1/security-events"
WARDENS = {Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        yield running


async def noted(web: Api, kind: str, device: str, *, age: timedelta = timedelta(), **columns: Any) -> int:
    """A security event whose last time is so long ago."""
    number: int = await web.db.fetchval(
        "insert into security_event (kind, device, hour, lift_id, first_at, last_at, times, detail)"
        " values ($1, $2, now() - $3::interval, $4, now() - $3::interval, now() - $3::interval, $5, $6) returning id",
        kind,
        device,
        age,
        columns.get("lift_id"),
        columns.get("times", 1),
        columns.get("detail", "what happened"),
    )
    return number


async def test_the_events_are_read_page_by_page(web: Api) -> None:
    """Newest first, every one once, by kind and device; a device that nobody named is null."""
    lift_id = await rows.lift(web.db, name="East Wing 3")
    made = [await noted(web, "clone", f"paged-{number}", lift_id=lift_id, times=number + 1) for number in range(5)]
    nameless = await noted(web, "login-refused", "")
    async with web.client(Role.AUDITOR) as client:
        address: str | None = f"{PATH}?limit=2&kind=clone"
        visited: list[dict[str, Any]] = []
        while address:
            answer = await client.get(address)
            visited += web.check(PATH, answer)["items"]
            address = answer.links["next"]["url"] if "next" in answer.links else None
        assert [item["id"] for item in visited] == made[::-1]
        assert (visited[0]["device"], visited[0]["lift"], visited[0]["times"]) == ("paged-4", "East Wing 3", 5)
        (one,) = web.check(PATH, await client.get(PATH, params={"device": "paged-2"}))["items"]
        assert one["id"] == made[2]
        (refused,) = web.check(PATH, await client.get(PATH, params={"kind": "login-refused"}))["items"]
        assert (refused["id"], refused["device"]) == (nameless, None)
        assert (await client.get(PATH, params={"kind": "no such kind"})).status_code == 422


@pytest.mark.parametrize("role", list(Role))
async def test_who_reads_them(web: Api, role: Role) -> None:
    """Supervisor, auditor and admin, as JSON and as a page; the desk, firms and testers do not."""
    async with web.client(role) as client:
        answers = [(await client.get(path)).status_code for path in (PATH, "/security")]
    assert answers == ([200, 200] if role in WARDENS else [403, 403])


async def test_a_stranger_is_led_to_the_login(web: Api) -> None:
    """Nothing of the page without a session."""
    async with web.client() as client:
        answer = await client.get("/security")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert (await client.get(PATH)).status_code == 401


@pytest.mark.parametrize(
    ("language", "title", "kind"),
    [("zh-CN", "安全事件", "同一凭证两处使用"), ("en", "Security events", "One key in two hands")],
)
async def test_the_page_speaks_both_languages(web: Api, language: str, title: str, kind: str) -> None:
    """A table without scripts; what an intruder wrote is shown as text, times are the city's."""
    await noted(web, "clone", f"page-{language}", detail="<script>alert(1)</script>")
    at: datetime = await web.db.fetchval("select last_at from security_event where device = $1", f"page-{language}")
    async with web.client(Role.SUPERVISOR) as client:
        answer = await client.get("/security", params={"lang": language, "device": f"page-{language}"})
    assert answer.headers["Content-Language"] == language
    assert f"<h1>{title}</h1>" in answer.text
    assert f"<td>{kind}</td>" in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    assert f"{at + timedelta(hours=8):%Y-%m-%d %H:%M:%S}" in answer.text


async def test_the_page_goes_on(web: Api) -> None:
    """A page holds fifty rows and leads to the older ones, with the filters that were chosen; an empty filter is none."""
    made = {f"many-{number}" for number in range(60)}
    for device in sorted(made):
        await noted(web, "takeover", device)
    async with web.client(Role.ADMIN) as client:
        first = await client.get("/security?kind=takeover&device=")
        (link,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
        second = await client.get("/security" + link.replace("&amp;", "&"))
    shown = [re.findall(r"<td>(many-\d+)</td>", page.text) for page in (first, second)]
    assert [len(found) for found in shown] == [50, 10]
    assert {*shown[0], *shown[1]} == made
    assert 'rel="next"' not in second.text


async def test_old_events_go(web: Api) -> None:
    """What last happened before the time that is set is deleted; younger rows stay."""
    old = await noted(web, "clone", "old", age=timedelta(days=366))
    young = await noted(web, "clone", "young", age=timedelta(days=364))
    assert [await trim_security(web.db, 365) for _ in range(2)] == [1, 0]
    assert [
        row["id"] for row in await web.db.fetch("select id from security_event where id = any($1)", [old, young])
    ] == [young]


async def test_certificates_that_end_are_told_of(web: Api) -> None:
    """One row a certificate, counted up once a day; a replaced or revoked one is told of no more."""
    await web.db.execute("insert into person (name, role) values ('door keeper', 'admin')")
    now: datetime = await web.db.fetchval("select now()")
    days = {
        "over": -1,
        "soon": CERTIFICATE_EXPIRING_DAYS - 1,
        "later": CERTIFICATE_EXPIRING_DAYS + 1,
        "gone": 1,
        "new": 1,
    }
    async with web.db.acquire() as connection:
        for number, (device, left) in enumerate(days.items()):
            await rows.device(web.db, await rows.lift(web.db), name=device)
            key = keys.Key(serial=f"{number + 10:x}", sha256="0" * 64, expires_at=now + timedelta(days=left))
            await keys.enrol(connection, device, key=key, person="door keeper")
        await keys.revoke(connection, "gone", person="door keeper", reason="sold")
        fresh = keys.Key(serial="ff", sha256="1" * 64, expires_at=now + timedelta(days=700))
        await keys.rotate(connection, "new", key=fresh, person="door keeper")
        listed = [row["device"] for row in await keys.certificates(connection, within=timedelta(days=30), limit=10)]
        ended, first, _ = await keys.ended_certificates(connection)
        _, second, _ = await keys.ended_certificates(connection)
    assert listed == ["over", "soon"]
    assert (set(ended), second - first) == ({"d", "e"}, 1)
    assert [await note_certificates(web.db) for _ in range(2)] == [(1, 1)] * 2
    await web.db.execute(
        "update security_event set last_at = last_at - interval '25 hours' where device = 'soon'"
    )  # a day passes
    await note_certificates(web.db)
    found = await web.db.fetch("select kind, device, times from security_event where kind like 'certificate-%'")
    assert {tuple(row) for row in found} == {("certificate-expired", "over", 1), ("certificate-expiring", "soon", 2)}


async def test_lists_are_each_later_than_the_one_before(web: Api) -> None:
    """Of two lists with one date a broker may keep either: dates go up by a second at least, and are not in the future."""
    async with web.db.acquire() as connection:
        dates = [(await keys.ended_certificates(connection))[2] for _ in range(3)]
    assert all(later - earlier >= timedelta(seconds=1) for earlier, later in itertools.pairwise(dates))
    assert dates[-1] < await web.db.fetchval("select now()")


async def test_the_store_knows_every_kind(web: Api) -> None:
    """What the program calls a security event the table takes, and nothing else."""
    check = await web.db.fetchval(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'security_event_kind_check'"
    )
    assert set(re.findall(r"'([a-z-]+)'", check)) == set(SecurityKind)


@pytest.mark.parametrize(
    "columns",
    [
        "password_hash = null",
        "certificate_serial = 'ab'",
        "password_hash = null, certificate_serial = 'ab', certificate_sha256 = null, expires_at = now()",
        "password_hash = null, certificate_serial = 'XY', certificate_sha256 = repeat('0', 64), expires_at = now()",
    ],
)
async def test_a_key_is_a_password_or_a_certificate(web: Api, columns: str) -> None:
    """The table holds no key of both kinds, of neither, or half a certificate."""
    device_id = await rows.device(web.db, await rows.lift(web.db))
    await web.db.execute(
        "insert into device_key (device_id, password_hash) values ($1, $2)", device_id, "$7$101$YQ==$YQ=="
    )
    with pytest.raises(Exception, match="check constraint"):
        await web.db.execute(f"update device_key set {columns} where device_id = $1", device_id)
