"""Tickets and maintenance orders over HTTP and on the pages without a script: who sees what, who moves what, what is refused and how."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest_asyncio

from api import people
from hoistway.limits import BODY_BYTES, PHOTO_BODY_BYTES, PHOTO_BYTES
from hoistway.model import Role
from tests.support import pictures
from tests.support.web import Api
from tests.support.workshop import Workshop

TICKETS = "/api/v1/tickets"


@pytest_asyncio.fixture(loop_scope="session")
async def shop(dispatch_api: Api) -> Workshop:
    """A night of tickets with hoistway's own limits."""
    return await Workshop.begin(dispatch_api)


@pytest_asyncio.fixture(loop_scope="session")
async def firm_phone(shop: Workshop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which somebody of the maintainer's firm has logged in, in English."""
    async with browser_of(shop, Role.MAINTAINER, "own firm") as client:
        yield client


def browser_of(shop: Workshop, role: Role, firm: str | None = None) -> Any:
    """A browser with a session of its own."""

    async def come_in() -> dict[str, str]:
        async with shop.db.acquire() as connection:
            name = f"{role} {await connection.fetchval('select count(*) from person')}"
            await people.create_person(connection, name, role, firm, None)
            link = await people.create_login_link(connection, name)
        return {"hoistway_session": str(await people.use_login_link(shop.db, link)), "hoistway_language": "en"}

    class Browser:
        async def __aenter__(self) -> httpx.AsyncClient:
            self.client = shop.web.client()
            self.client.cookies.update(await come_in())
            return self.client

        async def __aexit__(self, *_: object) -> None:
            await self.client.aclose()

    return Browser()


async def a_ticket(shop: Workshop, firm_id: int | None = None, rule_id: str = "door-close-failure") -> tuple[int, int]:
    """A lift with a fault; answers lift and ticket."""
    lift = await shop.lift(firm_id)
    await shop.fault(lift, rule_id)
    return lift, await shop.last(lift)


def form_of(page: str, action: str, move: str | None = None) -> dict[str, str]:
    """The hidden fields of the form with this action, and (`move`) this move."""
    for form in re.findall(rf'<form method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL):
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
        if move is None or fields.get("move") == move:
            return fields
    raise AssertionError(f"no form {action} {move}")


async def test_a_ticket_is_mended_over_the_api(shop: Workshop) -> None:
    """The firm's key accepts, starts and finishes with a cause; the desk verifies; every answer is what OpenAPI promises."""
    _, ticket = await a_ticket(shop)
    path = f"{TICKETS}/{ticket}"
    async with shop.web.client(Role.MAINTAINER) as firm, shop.web.client(Role.DISPATCHER) as desk:
        first = await firm.get(path)
        document = shop.web.check(TICKETS + "/{ticket_id}", first)
        assert first.headers["ETag"] == f'"{document["version"]}"'
        assert [move["name"] for move in document["allowed_moves"]] == ["accept", "start"]
        assert [timer["kind"] for timer in document["timers"]] == ["accept", "promise"]
        etag = first.headers["ETag"]
        for body in (
            {"move": "start", "came_at": (shop.now - timedelta(minutes=5)).isoformat()},
            {"move": "finish", "cause": 305, "work": "renewed", "parts": [{"name": "light curtain", "count": 2}]},
        ):
            moved = await firm.post(f"{path}/moves", json=body, headers={"If-Match": etag})
            document = shop.web.check(TICKETS + "/{ticket_id}/moves", moved, "post")
            etag = moved.headers["ETag"]
        assert document["cause"] == {"code": 305, "zh": "安全触板或光幕", "en": "safety edge or light curtain"}
        assert (
            await firm.post(f"{path}/moves", json={"move": "verify"}, headers={"If-Match": etag})
        ).status_code == 409
        refused = await desk.post(f"{path}/moves", json={"move": "verify"}, headers={"If-Match": etag})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/reason"
        body = {"move": "verify", "reason": "tried on site; the contact lags"}
        assert (await desk.post(f"{path}/moves", json=body, headers={"If-Match": etag})).json()["state"] == "verified"
        late = await desk.post(f"{path}/moves", json={"move": "reopen", "reason": "no"}, headers={"If-Match": etag})
        assert late.status_code == 412
        assert late.json()["current"]["state"] == "verified"
        assert (await desk.post(f"{path}/moves", json=body)).status_code == 428
        log = (await desk.get(path)).json()["log"]
    assert [(line["kind"], line["person"], line["role"]) for line in log] == [
        ("opened", None, None), ("start", "maintainer key", "maintainer"), ("finish", "maintainer key", "maintainer"),
        ("verify", "dispatcher key", "dispatcher"),
    ]  # fmt: skip


async def test_another_firms_tickets_are_not_there(shop: Workshop) -> None:
    """Lists, documents, moves, photos and maintenance orders of another firm answer like what does not exist; filters hold in SQL."""
    foreign_firm = await shop.firm()
    foreign_lift, foreign = await a_ticket(shop, foreign_firm)
    own_lift, own = await a_ticket(shop)
    order = await shop.maintenance(foreign_lift)
    async with shop.web.client(Role.MAINTAINER) as firm, shop.web.client(Role.AUDITOR) as auditor:
        for query, expected in (
            ({"lift_id": own_lift}, [own]),
            ({"lift_id": foreign_lift}, []),
            ({"firm_id": foreign_firm}, []),
        ):
            found = shop.web.check(TICKETS, await firm.get(TICKETS, params=query))
            assert [item["id"] for item in found["items"]] == expected
        everything = (await auditor.get(TICKETS, params={"lift_id": foreign_lift})).json()["items"]
        assert [item["id"] for item in everything] == [foreign]
        assert everything[0]["allowed_moves"] == []
        for method, path, body in (
            ("get", f"{TICKETS}/{{}}", None),
            ("post", f"{TICKETS}/{{}}/moves", {"move": "accept"}),
            ("post", f"{TICKETS}/{{}}/comments", {"text": "x"}),
            ("get", f"{TICKETS}/{{}}/photos/1", None),
            ("get", "/api/v1/maintenance-orders/{}", None),
            ("post", "/api/v1/maintenance-orders/{}/end", {}),
        ):
            answers = [
                await firm.request(method, path.format(number), json=body, headers={"If-Match": '"1"'})
                for number in (order if "maintenance" in path else foreign, 999_999)
            ]
            assert [answer.status_code for answer in answers] == [404, 404], path
            assert answers[0].json()["detail"] == answers[1].json()["detail"]
        listed = shop.web.check("/api/v1/maintenance-orders", await firm.get("/api/v1/maintenance-orders"))
        assert all(item["firm"]["id"] == shop.web.firm_id for item in listed["items"])
        sent = await firm.post(f"{TICKETS}/{foreign}/photos", content=pictures.png())
        assert sent.status_code == 404
    async with shop.web.client(Role.PROPERTY) as owner:
        assert (await owner.get(f"{TICKETS}/{own}")).status_code == 403


async def test_tickets_are_listed_page_by_page(shop: Workshop) -> None:
    """Newest first, by state, by what is open and by what is late; the next page begins where the last one ended."""
    lift = await shop.lift()
    for rule_id in ("door-close-failure", "vibration", "overspeed"):
        await shop.fault(lift, rule_id)
    ids = [row["id"] for row in await shop.db.fetch("select id from ticket where lift_id = $1 order by id desc", lift)]
    await shop.mend(ids[2])
    async with shop.web.client(Role.DISPATCHER) as desk:

        async def listed(**query: Any) -> list[int]:
            answer = await desk.get(TICKETS, params={"lift_id": lift, **query})
            return [item["id"] for item in shop.web.check(TICKETS, answer)["items"]]

        assert await listed() == ids
        assert await listed(open=True) == ids[:2]
        assert await listed(state="done") == [ids[2]]
        assert await listed(overdue=True) == []
        first = (await desk.get(TICKETS, params={"lift_id": lift, "limit": 2})).json()
        assert await listed(after=first["next"]) == [ids[2]]
        shop.now += timedelta(days=3, seconds=1)
        assert await listed(overdue=True) == ids[:2]
        assert await listed(overdue=False) == [ids[2]]


async def test_the_desk_tells_of_a_fault_and_hands_it_over(shop: Workshop) -> None:
    """Sent twice with one key it is one ticket; handed over, the old firm no longer sees it."""
    lift, other = await shop.lift(), await shop.firm()
    body = {"lift_id": lift, "severity": "minor", "told": "车厢照明闪烁"}
    async with shop.web.client(Role.DISPATCHER) as desk, shop.web.client(Role.MAINTAINER) as firm:
        made = [await desk.post(TICKETS, json=body, headers={"Idempotency-Key": f"t{lift}"}) for _ in range(2)]
        ticket = shop.web.check(TICKETS, made[0], "post")
        assert made[1].json()["id"] == ticket["id"]
        assert ticket["title"] == {"zh": "车厢照明闪烁", "en": "车厢照明闪烁"}
        assert (await firm.post(TICKETS, json=body)).status_code == 403
        path = f"{TICKETS}/{ticket['id']}"
        assert (await firm.get(path)).status_code == 200
        over = await desk.post(
            f"{path}/hand-over", json={"firm_id": other, "reason": "new contract"}, headers={"If-Match": '"1"'}
        )
        assert shop.web.check(TICKETS + "/{ticket_id}/hand-over", over, "post")["firm"]["id"] == other
        assert (await firm.get(path)).status_code == 404
        assert (await desk.post(TICKETS, json={**body, "lift_id": 999_999})).status_code == 422


async def test_photos_are_kept_without_their_place(shop: Workshop) -> None:
    """Sent as the body, known by content, shown as what they are; the same one twice is one; what is none is refused and counted."""
    _, ticket = await a_ticket(shop)
    path = f"{TICKETS}/{ticket}/photos"
    async with shop.web.client(Role.MAINTAINER) as firm:
        made = await firm.post(path, content=pictures.jpeg(), headers={"Content-Type": "text/html"})
        photo = shop.web.check(TICKETS + "/{ticket_id}/photos", made, "post")["id"]
        assert (await firm.post(path, content=pictures.jpeg(after=b"another film"))).json()["id"] == photo
        shown = await firm.get(f"{path}/{photo}")
        assert shown.headers["Content-Type"] == "image/jpeg"
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert b"GPS" not in shown.content
        document = (await firm.get(f"{TICKETS}/{ticket}")).json()
        assert [(one["id"], one["width"], one["bytes"]) for one in document["photos"]] == [
            (photo, 4, len(shown.content))
        ]
        for content, status in (
            (b"<script>", 422),
            (pictures.jpeg(after=bytes(PHOTO_BYTES)), 422),
            (bytes(PHOTO_BODY_BYTES + 1), 413),
        ):
            assert (await firm.post(path, content=content)).status_code == status
        assert (await firm.post(f"{TICKETS}/{ticket}/comments", content=bytes(BODY_BYTES + 1))).status_code == 413
        many = [await firm.post(path, content=pictures.png(width=number)) for number in range(1, 21)]
        assert [answer.status_code for answer in many] == [201] * 19 + [422]
    async with shop.web.client(host="127.0.0.1") as local:
        found = re.search(r"hoistway_api_photos_refused_total ([0-9.]+)", (await local.get("/metrics")).text)
    assert found is not None
    assert float(found.group(1)) >= 3


async def test_maintenance_orders_over_the_api(shop: Workshop) -> None:
    """A firm plans for its own lift, sees what is held back, ends it; the desk sees it too; the times are checked."""
    lift = await shop.lift()
    path = "/api/v1/maintenance-orders"
    until = (shop.now + timedelta(hours=2)).isoformat()
    async with shop.web.client(Role.MAINTAINER) as firm, shop.web.client(Role.DISPATCHER) as desk:
        made = await firm.post(path, json={"lift_id": lift, "kind": "visit", "until": until, "note": "月度维保"})
        order = shop.web.check(path, made, "post")
        assert order["state"] == "running"
        await shop.fault(lift)
        seen = await desk.get(f"{path}/{order['id']}")
        (fault,) = shop.web.check(path + "/{maintenance_id}", seen)["shielded"]
        assert (fault["rule_id"], fault["active"], fault["ticket_id"]) == ("door-close-failure", True, None)
        again = await firm.post(path, json={"lift_id": lift, "kind": "visit", "until": until})
        assert again.status_code == 409
        wrong = await desk.post(path, json={"lift_id": lift, "kind": "visit", "until": shop.now.isoformat()})
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/until")
        etag = seen.headers["ETag"]
        ended = await firm.post(f"{path}/{order['id']}/end", json={"reason": "ready"}, headers={"If-Match": etag})
        assert shop.web.check(path + "/{maintenance_id}/end", ended, "post")["state"] == "over"
        assert (await firm.post(f"{path}/{order['id']}/end", json={}, headers={"If-Match": etag})).status_code == 412
        await shop.round()
        (fault,) = (await desk.get(f"{path}/{order['id']}")).json()["shielded"]
        assert fault["ticket_id"] == await shop.last(lift)
        current = (await desk.get(path, params={"current": True, "lift_id": lift})).json()["items"]
        assert current == []


async def test_a_telephone_mends_a_ticket_without_a_script(shop: Workshop, firm_phone: httpx.AsyncClient) -> None:
    """List, ticket, start, photo, finish by plain forms; what is missing is said on the page, with what was typed."""
    _, ticket = await a_ticket(shop)
    path = f"/tickets/{ticket}"
    listed = (await firm_phone.get("/tickets")).text
    assert path in listed
    assert "Promised by" in listed
    page = (await firm_phone.get(path)).text
    started = await firm_phone.post(f"{path}/moves", data=form_of(page, f"{path}/moves", "start"))
    assert (started.status_code, started.headers["location"]) == (303, path)
    page = (await firm_phone.get(path)).text
    fields = form_of(page, f"{path}/photos")
    sent = await firm_phone.post(
        f"{path}/photos", data=fields, files={"photo": ("x.gif", pictures.jpeg(), "image/gif")}
    )
    assert sent.status_code == 303
    refused = await firm_phone.post(f"{path}/photos", data=fields, files={"photo": ("x.jpg", b"no", "image/jpeg")})
    assert refused.status_code == 422
    assert "This photo cannot be kept" in refused.text
    page = (await firm_phone.get(path)).text
    assert re.search(rf'src="{path}/photos/\d+"', page)
    finish = form_of(page, f"{path}/moves", "finish")
    missing = await firm_phone.post(f"{path}/moves", data={**finish, "cause": "", "work": "<b>renewed</b>"})
    assert missing.status_code == 422
    assert "Choose a cause." in missing.text
    assert "&lt;b&gt;renewed&lt;/b&gt;" in missing.text
    done = await firm_phone.post(f"{path}/moves", data={**finish, "cause": "305", "parts": "light curtain x 2\nscrew"})
    assert done.status_code == 303
    found = await shop.ticket(ticket)
    assert (found["state"], found["parts"]) == (
        "done", [{"name": "light curtain", "count": 2}, {"name": "screw", "count": 1}],
    )  # fmt: skip
    stale = await firm_phone.post(f"{path}/moves", data=finish)
    assert stale.status_code == 412
    assert "Somebody else changed it first" in stale.text


async def test_pages_are_for_those_who_may(shop: Workshop, firm_phone: httpx.AsyncClient) -> None:
    """Strangers go to the login; another firm's ticket is not there; a form without its token, or of another role, does nothing."""
    _, foreign = await a_ticket(shop, await shop.firm())
    _, own = await a_ticket(shop)
    async with shop.web.client() as stranger:
        for page in ("/tickets", f"/tickets/{own}", "/maintenance", f"/tickets/{own}/photos/1"):
            assert (await stranger.get(page)).headers["location"] == "/login"
        assert (await stranger.post(f"/tickets/{own}/moves", data={"move": "accept"})).headers["location"] == "/login"
    assert (await firm_phone.get(f"/tickets/{foreign}")).status_code == 404
    fields = form_of((await firm_phone.get(f"/tickets/{own}")).text, f"/tickets/{own}/moves", "accept")
    assert (await firm_phone.post(f"/tickets/{foreign}/moves", data=fields)).status_code == 404
    assert (await firm_phone.post(f"/tickets/{own}/moves", data={**fields, "csrf": "x"})).status_code == 403
    async with browser_of(shop, Role.AUDITOR) as auditor:
        page = (await auditor.get(f"/tickets/{own}")).text
        assert "<form" not in page
        assert (await auditor.post(f"/tickets/{own}/moves", data=fields)).status_code == 403
    async with browser_of(shop, Role.PROPERTY) as owner:
        assert (await owner.get("/tickets")).status_code == 403
    assert (await shop.ticket(own))["state"] == "new"


async def test_the_maintenance_page(shop: Workshop, firm_phone: httpx.AsyncClient) -> None:
    """Planned in the city's time by rescue code, listed with what it holds back, ended by a button; a foreign code is unknown."""
    lift = await shop.lift()
    code = await shop.value("select rescue_code from lift where id = $1", lift)
    fields = form_of((await firm_phone.get("/maintenance")).text, "/maintenance")
    plan = {**fields, "rescue_code": code, "kind": "inspection", "since": "", "until": "2026-11-23T14:00"}
    assert (await firm_phone.post("/maintenance", data=plan)).headers["location"] == "/maintenance"
    order = await shop.value("select max(id) from maintenance_order where lift_id = $1", lift)
    assert await shop.value("select until from maintenance_order where id = $1", order) == shop.now + timedelta(hours=2)
    await shop.fault(lift, "vibration")
    page = (await firm_phone.get("/maintenance")).text
    assert "1 faults held back" in page
    ended = await firm_phone.post(f"/maintenance/{order}/end", data=form_of(page, f"/maintenance/{order}/end"))
    assert ended.status_code == 303
    unknown = await firm_phone.post("/maintenance", data={**plan, "rescue_code": "000000"})
    assert unknown.status_code == 422
    assert "No lift of yours" in unknown.text
