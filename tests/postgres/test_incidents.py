"""The city as a whole: area incidents and alarm floods, made by dispatch, read over the api and the live stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dispatch.rounds import desk_round, watch_areas, watch_flood
from hoistway.model import Role
from tests.support import rows
from tests.support.rows import NOW
from tests.support.web import Api, api, served, stream


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def auditor(web: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A reader of a city in which nothing is open any more."""
    await web.db.execute(
        "update alarm set condition = 'cleared', operator_state = 'acknowledged', shelved_until = null,"
        " shelved_by = null, shelve_reason = null where open"
    )
    await web.db.execute("update area_incident set ended_at = now() where ended_at is null")
    await web.db.execute("update alarm_flood set ended_at = began_at where ended_at is null")
    await web.db.execute("update setting set value = '1' where name = 'desk_positions'")
    await web.db.execute("truncate out_of_service")
    async with web.client(Role.AUDITOR) as client:
        yield client


async def fails(web: Api, estate: str, *, minute: float = 0, rule: str = "power-lost", **lift: Any) -> tuple[int, int]:
    """A lift of an estate and its alarm at so many minutes after `NOW`."""
    at = NOW + timedelta(minutes=minute)
    lift_id = await rows.lift(web.db, estate=estate, **{"building": "", **lift})
    opens = "rescue" if rule.startswith("entrapment") else "notice"
    alarm_id = await rows.alarm(
        web.db, lift_id, rule_id=rule, severity="major", opens=opens, raised_at=at, detected_at=at,
        hold_start=at, exercise=lift.get("exercise", False),
    )  # fmt: skip
    return lift_id, alarm_id


async def clears(web: Api, *alarm_ids: int) -> None:
    await web.db.execute(
        "update alarm set condition = 'cleared', cleared_at = $2, version = version + 1 where id = any($1)",
        list(alarm_ids),
        NOW,
    )


async def open_incidents(client: httpx.AsyncClient) -> list[Any]:
    return (await client.get("/api/v1/incidents", params={"open": True})).json()["items"]


async def test_a_power_cut_of_an_estate_is_one_incident(web: Api, auditor: httpx.AsyncClient) -> None:
    """Its lifts are listed, its entrapments stand on top as cases of their own, and it ends with the last alarm."""
    members = [await fails(web, "Jade Garden", building=str(number % 3)) for number in range(6)]
    trapped, entrapment = await fails(web, "Jade Garden", rule="entrapment-between-floors")
    case_id = await rows.case(web.db, trapped, alarm_id=entrapment)
    await watch_areas(web.db, NOW + timedelta(seconds=5))
    listed = await auditor.get("/api/v1/incidents", params={"open": True})
    (incident,) = web.check("/api/v1/incidents", listed)["items"]
    assert (incident["kind"], incident["name"], incident["cause"]) == ("estate", "Jade Garden", "power-lost")
    assert (incident["lift_count"], incident["active_lifts"], incident["open"]) == (7, 7, True)
    assert [found["case_id"] for found in incident["entrapments"]] == [case_id]
    assert {found["lift_id"] for found in incident["lifts"]} == {*(lift_id for lift_id, _ in members), trapped}
    assert (await auditor.get(f"/api/v1/cases/{case_id}")).json()["open"] is True
    await clears(web, entrapment, *(alarm_id for _, alarm_id in members[1:]))
    await watch_areas(web.db, NOW + timedelta(minutes=5))
    ((remaining),) = await open_incidents(auditor)
    assert (remaining["active_lifts"], remaining["version"]) == (1, incident["version"] + 1)
    await clears(web, members[0][1])
    await watch_areas(web.db, NOW + timedelta(minutes=6))
    assert await open_incidents(auditor) == []
    answer = await auditor.get(f"/api/v1/incidents/{incident['id']}")
    over = web.check("/api/v1/incidents/{incident_id}", answer)
    assert (over["open"], over["ended_at"], over["active_lifts"]) == (False, "2026-11-23T04:06:00.000Z", 0)
    assert (await auditor.get(f"/api/v1/cases/{case_id}")).json()["open"] is True


async def test_looking_again_changes_nothing(web: Api, auditor: httpx.AsyncClient) -> None:
    """Many rounds, and several processes at once, make one incident with one version and no news."""
    for _ in range(5):
        await fails(web, "Willow Court")
    await asyncio.gather(*(watch_areas(web.db, NOW + timedelta(seconds=1)) for _ in range(4)))
    (first,) = await open_incidents(auditor)
    changes = "select count(*) from change where kind = 'incident'"
    before = await web.db.fetchval(changes)
    for second in range(2, 6):
        await desk_round(web.db, NOW + timedelta(seconds=second))
    assert [(one["id"], one["version"]) for one in await open_incidents(auditor)] == [(first["id"], 1)]
    assert await web.db.fetchval(changes) == before


async def test_a_later_lift_joins(web: Api, auditor: httpx.AsyncClient) -> None:
    """A lift that loses power half an hour later is one more of the same incident, with its own time."""
    for _ in range(5):
        await fails(web, "Plum Lane")
    await watch_areas(web.db, NOW + timedelta(seconds=1))
    late, _ = await fails(web, "Plum Lane", minute=30)
    await watch_areas(web.db, NOW + timedelta(minutes=31))
    (incident,) = await open_incidents(auditor)
    assert (incident["lift_count"], incident["last_joined_at"]) == (6, "2026-11-23T04:31:00.000Z")
    assert {one["lift_id"]: one["joined_at"] for one in incident["lifts"]}[late] == "2026-11-23T04:31:00.000Z"


async def test_a_growing_incident_takes_the_smaller_one_over(web: Api, auditor: httpx.AsyncClient) -> None:
    """First a building, then the whole feeder: one open incident, and the building's has ended."""
    for _ in range(5):
        await fails(web, "North Park", building="1", feeder="F-7")
    await watch_areas(web.db, NOW + timedelta(seconds=1))
    assert [one["kind"] for one in await open_incidents(auditor)] == ["building"]
    for number in range(8):
        await fails(web, f"South Park {number % 2}", feeder="F-7", minute=0.5)
    await watch_areas(web.db, NOW + timedelta(seconds=40))
    assert [(one["kind"], one["name"], one["lift_count"]) for one in await open_incidents(auditor)] == [
        ("feeder", "F-7", 13)
    ]


async def test_the_city_sets_the_limits(web: Api, auditor: httpx.AsyncClient) -> None:
    """Two lifts are an incident where a city says so; a setting that cannot be used leaves the product's own limit."""
    for _ in range(2):
        await fails(web, "Tiny Court")
    await watch_areas(web.db, NOW)
    assert await open_incidents(auditor) == []
    try:
        await web.db.execute("update setting set value = '{\"lifts\": \"many\"}' where name = 'area_estate'")
        await watch_areas(web.db, NOW)
        assert await open_incidents(auditor) == []
        await web.db.execute("update setting set value = '{\"lifts\": 2, \"within_s\": 60}' where name = 'area_estate'")
        await watch_areas(web.db, NOW)
        assert [one["name"] for one in await open_incidents(auditor)] == ["Tiny Court"]
    finally:
        await web.db.execute(
            "update setting set value = '{\"lifts\": 5, \"within_s\": 120}' where name = 'area_estate'"
        )


async def test_what_is_out_of_service_and_what_is_exercise_stay_apart(web: Api, auditor: httpx.AsyncClient) -> None:
    """A sensor under repair makes no incident, and simulated lifts make one of their own, marked."""
    for number in range(6):
        lift_id, _ = await fails(web, "Mended Court")
        if number < 2:
            await web.db.execute(
                "insert into out_of_service (lift_id, rule_id, reason, since, person)"
                " values ($1, 'power-lost', 'mending', $2, 'Wang')",
                lift_id,
                NOW,
            )
    for _ in range(5):
        await fails(web, "Mended Court", exercise=True)
    await watch_areas(web.db, NOW + timedelta(seconds=1))
    assert [(one["exercise"], one["lift_count"]) for one in await open_incidents(auditor)] == [(True, 5)]


async def test_incidents_and_floods_are_in_the_stream_for_staff_only(web: Api, auditor: httpx.AsyncClient) -> None:
    """A dispatcher gets them in snapshot and changes, closed ones once; a maintainer gets nothing, also of own lifts."""
    assert auditor
    for _ in range(5):
        await fails(web, "Stream Court", minute=1_440, firm_id=web.firm_id)
    await watch_areas(web.db, NOW + timedelta(days=1))
    async with (
        served(web.url) as address,
        stream(address, web.keys[Role.DISPATCHER]) as staff,
        stream(address, web.keys[Role.MAINTAINER]) as firm,
    ):
        first, own = await staff.next("snapshot"), await firm.next("snapshot")
        assert [one["name"] for one in first.data["incidents"]] == ["Stream Court"]
        assert (own.data["incidents"], own.data["floods"]) == ([], [])
        assert len(own.data["alarms"]) == 5
        for _ in range(8):
            await fails(web, "", minute=1_441, district="", firm_id=web.firm_id)
        await web.db.execute(
            "update area_incident set ended_at = $1, version = version + 1 where ended_at is null",
            NOW + timedelta(days=1),
        )
        await watch_flood(web.db, NOW + timedelta(days=1, minutes=2))
        closed: list[Any] = []
        floods: list[Any] = []
        while not (closed and floods):
            frame = await staff.next("change")
            closed += frame.data["incidents"]
            floods += frame.data["floods"]
        assert [(one["name"], one["open"]) for one in closed] == [("Stream Court", False)]
        assert [(one["peak"], one["open"]) for one in floods] == [(13, True)]
        seen = 0
        while seen < 8:
            frame = await firm.next("change")
            assert (frame.data["incidents"], frame.data["floods"]) == ([], [])
            seen += len(frame.data["alarms"])
    async with web.client(Role.MAINTAINER) as client:
        assert (await client.get("/api/v1/incidents")).status_code == 403


async def test_a_reader_that_was_away_gets_the_incidents_it_missed(web: Api, auditor: httpx.AsyncClient) -> None:
    """Resuming by the last id brings what opened and what ended meanwhile."""
    assert auditor
    for _ in range(5):
        await fails(web, "Gone Court")
    await watch_areas(web.db, NOW + timedelta(seconds=1))
    async with served(web.url) as address:
        async with stream(address, web.keys[Role.DISPATCHER]) as events:
            last = (await events.next("snapshot")).id
        await web.db.execute(
            "update area_incident set ended_at = $1, version = version + 1 where ended_at is null", NOW
        )
        await web.db.execute("update alarm set condition = 'cleared', operator_state = 'acknowledged' where open")
        for _ in range(5):
            await fails(web, "Come Court")
        await watch_areas(web.db, NOW + timedelta(seconds=2))
        async with stream(address, web.keys[Role.DISPATCHER], last=last) as events:
            found: dict[str, bool] = {}
            while len(found) < 2:
                frame = await events.next("change")
                found |= {one["name"]: one["open"] for one in frame.data["incidents"]}
    assert found == {"Gone Court": False, "Come Court": True}


# --- floods ---


async def lone_alarms(web: Api, number: int, *, minute: float, severity: str = "major", **lift: Any) -> None:
    for _ in range(number):
        lift_id = await rows.lift(web.db, **lift)
        at = NOW + timedelta(minutes=minute)
        await rows.alarm(
            web.db, lift_id, rule_id="door", severity=severity, opens="ticket", raised_at=at, detected_at=at,
            exercise=lift.get("exercise", False),
        )  # fmt: skip


async def floods(web: Api) -> list[tuple[bool, int, datetime, datetime | None]]:
    found = await web.db.fetch(
        "select exercise, peak, began_at, ended_at from alarm_flood where began_at >= $1 order by id", BASE
    )
    return [tuple(row.values()) for row in found]


BASE = NOW + timedelta(days=2)
DAY = 2 * 24 * 60


async def test_a_flood_begins_peaks_and_ends(web: Api, auditor: httpx.AsyncClient) -> None:
    """Ten alarms in ten minutes are none; the eleventh begins it; its peak is kept; fewer than five end it."""
    assert auditor
    await lone_alarms(web, 10, minute=DAY + 1)
    await watch_flood(web.db, BASE + timedelta(minutes=2))
    assert await floods(web) == []
    await lone_alarms(web, 1, minute=DAY + 3)
    await lone_alarms(web, 50, minute=DAY + 3, severity="notice")
    began = BASE + timedelta(minutes=4)
    await watch_flood(web.db, began)
    assert await floods(web) == [(False, 11, began, None)]
    await lone_alarms(web, 4, minute=DAY + 5)
    await watch_flood(web.db, BASE + timedelta(minutes=6))
    await watch_flood(web.db, BASE + timedelta(minutes=12))
    assert await floods(web) == [(False, 15, began, None)]
    ended = BASE + timedelta(minutes=14)
    await watch_flood(web.db, ended)
    assert await floods(web) == [(False, 15, began, ended)]


@pytest.mark.parametrize("apart", ["positions", "exercise", "out of service"])
async def test_what_is_no_flood(web: Api, auditor: httpx.AsyncClient, apart: str) -> None:
    """Eleven alarms for two positions, six real and six simulated ones, or with one out of service, are no flood."""
    assert auditor
    shift = {"positions": 100, "exercise": 200, "out of service": 300}[apart]
    await lone_alarms(web, 6, minute=DAY + shift)
    await lone_alarms(web, 5, minute=DAY + shift, exercise=apart == "exercise")
    if apart == "positions":
        await web.db.execute("update setting set value = '2' where name = 'desk_positions'")
    if apart == "out of service":
        await web.db.execute(
            "insert into out_of_service (lift_id, rule_id, reason, since, person)"
            " select max(lift_id), 'door', 'mending', $1, 'Wang' from alarm where open",
            BASE,
        )
    before = await web.db.fetchval("select count(*) from alarm_flood")
    await watch_flood(web.db, BASE + timedelta(minutes=shift + 1))
    assert await web.db.fetchval("select count(*) from alarm_flood") == before


# --- figures ---


async def test_the_figures_of_a_window(web: Api, auditor: httpx.AsyncClient) -> None:
    """Rates, floods, top ten, priorities and what is silenced, from the database, beside the published targets."""
    start = NOW + timedelta(days=10)
    minute = 10 * 24 * 60
    for severity, number in (("minor", 8), ("major", 3), ("critical", 1), ("notice", 9)):
        await lone_alarms(web, number, minute=minute + 5, severity=severity)
    await lone_alarms(web, 4, minute=minute + 95, severity="minor")
    await lone_alarms(web, 7, minute=minute + 5, exercise=True)
    worst = await web.db.fetchval(
        "update alarm set repeats = 19, chattering = true where id = (select max(id) from alarm where severity = 'major'"
        " and not exercise and detected_at >= $1) returning lift_id",
        start,
    )
    await web.db.execute(
        "insert into alarm_flood (exercise, positions, began_at, ended_at, peak) values (false, 1, $1, $2, 12)",
        start - timedelta(minutes=6),
        start + timedelta(minutes=6),
    )
    query = {"from": start.isoformat(), "to": (start + timedelta(hours=2)).isoformat()}
    answer = await auditor.get("/api/v1/desk/figures", params=query)
    assert answer.status_code == 200, answer.text
    found = web.check("/api/v1/desk/figures", answer)
    assert (found["alarms"], found["positions"], found["exercise"]) == (16, 1, False)
    assert found["per_hour"] == {"mean": 8.0, "max": 12.0, "acceptable": 6.0, "manageable": 12.0}
    assert found["per_ten_minutes"] == {"mean": 1.3333, "max": 12.0, "acceptable": 1.0, "manageable": 2.0}
    assert found["busy_periods"] == {"share": round(1 / 12, 6), "target": 0.01}
    assert found["flood"] == {"floods": 1, "seconds": 360.0, "share": 0.05, "target": 0.01}
    top = found["top_ten"]
    assert (top["items"][0]["lift_id"], top["items"][0]["rule_id"], top["items"][0]["raises"]) == (worst, "door", 20)
    assert (len(top["items"]), top["share"]) == (10, round(29 / 35, 6))
    assert {name: entry["alarms"] for name, entry in found["priorities"].items()} == {
        "critical": 1,
        "major": 3,
        "minor": 12,
    }
    assert found["priorities"]["minor"] == {"alarms": 12, "share": 0.75, "target": 0.8}
    assert found["chattering"] == {"now": 1, "target": 0}
    await web.db.execute("update setting set value = '2' where name = 'desk_positions'")
    halved = (await auditor.get("/api/v1/desk/figures", params=query)).json()
    assert (halved["per_hour"]["mean"], halved["busy_periods"]["share"]) == (4.0, 0.0)
    exercise = (await auditor.get("/api/v1/desk/figures", params={**query, "exercise": True})).json()
    assert (exercise["alarms"], exercise["flood"]["floods"]) == (7, 0)


async def test_the_figures_count_what_is_silenced_now(web: Api, auditor: httpx.AsyncClient) -> None:
    """Stale, shelved and out of service are as of now, whatever the window; by default that is thirty days."""
    first = (await auditor.get("/api/v1/desk/figures")).json()
    now = web.app.state.clock()
    lift_id = await rows.lift(web.db)
    await rows.alarm(
        web.db, lift_id, rule_id="door", severity="major", opens="ticket", raised_at=now - timedelta(days=2)
    )
    await rows.alarm(
        web.db, lift_id, rule_id="window", severity="major", opens="ticket", operator_state="shelved", raised_at=now,
        shelved_until=now + timedelta(hours=1), shelved_by="Wang", shelve_reason="x",
    )  # fmt: skip
    await web.db.execute(
        "insert into out_of_service (lift_id, rule_id, reason, since, person) values ($1, 'door', 'x', $2, 'Wang')",
        lift_id,
        now,
    )
    second = (await auditor.get("/api/v1/desk/figures")).json()
    grown = {name: second[name]["now"] - first[name]["now"] for name in ("stale", "shelved", "out_of_service")}
    assert grown == {"stale": 1, "shelved": 1, "out_of_service": 1}


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-11-24T00:00:00Z&to=2026-11-23T00:00:00Z",
        "from=2026-01-01T00:00:00Z&to=2026-11-23T00:00:00Z",
        "to=0001-01-01T00:00:00Z",
        "to=9999-12-31T23:59:59Z",
        "from=yesterday",
    ],
)
async def test_windows_that_are_none(auditor: httpx.AsyncClient, query: str) -> None:
    """A window that ends before it begins, is too long, or lies at the edge of the calendar is 422."""
    assert (await auditor.get(f"/api/v1/desk/figures?{query}")).status_code == 422
