"""Wrong keys, lists and filters of a maintainer, /metrics. Every route for every role is `test_api_leaks`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from hoistway.model import Role
from tests.support import rows
from tests.support.web import Api, api


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def web(database_url: str) -> AsyncIterator[Api]:
    async with api(database_url) as running:
        yield running


async def test_wrong_keys_are_strangers(web: Api) -> None:
    """A key that is not ours, another scheme or an empty header is a stranger."""
    for value in ("Bearer hk_wrong", "Bearer ", "Basic aGs6aGs=", "hk_x", "", f"Basic {web.keys[Role.ADMIN]}"):
        async with web.client() as client:
            answer = await client.get("/api/v1/me", headers={"Authorization": value})
            assert answer.status_code == 401, value
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_maintainer_sees_only_the_own_firm(web: Api) -> None:
    """Lists, single objects, the map, search and filters of a maintainer hold the own firm's lifts and nothing of others."""
    await rows.rule(web.db, "entrapment-between-floors")
    foreign_firm = await rows.firm(web.db)
    found: dict[str, dict[str, int]] = {}
    for name, firm_id in (("own", web.firm_id), ("foreign", foreign_firm), ("nobody's", None)):
        lift_id = await rows.lift(web.db, firm_id=firm_id, name="same name")
        alarm_id = await rows.alarm(web.db, lift_id)
        case_id = await rows.case(web.db, lift_id, alarm_id=alarm_id)
        found[name] = {"lifts": lift_id, "alarms": alarm_id, "cases": case_id}
    async with web.client(Role.MAINTAINER) as client, web.client(Role.AUDITOR) as auditor:
        for kind in ("lifts", "alarms", "cases"):
            listed = (await client.get(f"/api/v1/{kind}", params={"limit": 500})).json()["items"]
            assert {item["id"] for item in listed} == {found["own"][kind]}
            everything = (await auditor.get(f"/api/v1/{kind}", params={"limit": 500})).json()["items"]
            assert {item["id"] for item in everything} >= {entry[kind] for entry in found.values()}
            assert (await client.get(f"/api/v1/{kind}/{found['own'][kind]}")).status_code == 200
            for name in ("foreign", "nobody's"):
                hidden = await client.get(f"/api/v1/{kind}/{found[name][kind]}")
                missing = await client.get(f"/api/v1/{kind}/999999")
                assert hidden.status_code == missing.status_code == 404
                assert hidden.json()["detail"] == missing.json()["detail"]
        for path in ("state", "history", "follow"):
            assert (await client.get(f"/api/v1/lifts/{found['foreign']['lifts']}/{path}")).status_code == 404
        assert [
            item["id"] for item in (await client.get("/api/v1/lifts", params={"q": "same name"})).json()["items"]
        ] == [found["own"]["lifts"]]
        assert (await client.get("/api/v1/alarms", params={"lift_id": found["foreign"]["lifts"]})).json()["items"] == []
        assert [entry[0] for entry in (await client.get("/api/v1/map")).json()["lifts"]] == [found["own"]["lifts"]]
        assert (await client.get(f"/api/v1/cases/{found['own']['cases']}")).json()["allowed_moves"] == []


async def test_metrics_are_for_this_machine_or_an_admin(web: Api) -> None:
    """Loopback reads /metrics, an admin's key from anywhere, a proxied caller and others do not."""
    async with web.client(host="127.0.0.1") as local:
        answer = await local.get("/metrics")
        assert answer.status_code == 200
        assert "hoistway_api_request_seconds_bucket" in answer.text
        assert (await local.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})).status_code == 401
    async with web.client(Role.ADMIN) as admin:
        assert (await admin.get("/metrics")).status_code == 200
    async with web.client(Role.SUPERVISOR) as supervisor:
        assert (await supervisor.get("/metrics")).status_code == 403
