"""Links in messages, webhook endpoints, the outbox over HTTP and from the command line, and commands to terminals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest_asyncio
from typer.testing import CliRunner

from api.notify import links
from dispatch.notify.keeping.receipts import hash_of
from hoistway.cli import app
from hoistway.limits import LINK_TRIES_A_MINUTE
from hoistway.model import Role
from hoistway.wire import decode_command
from ingest.commands import Commands
from tests.support import rows
from tests.support.night import Night
from tests.support.receivers import HttpReceiver, http_receiver


@pytest_asyncio.fixture(loop_scope="session")
async def order(night: Night) -> int:
    """An order that was sent to a firm's team."""
    firm = await night.firm()
    await night.team(firm)
    case_id = await night.trapped(firm_id=firm)
    await night.round()
    return await night.last_order(case_id)


@pytest_asyncio.fixture(loop_scope="session")
async def net() -> AsyncIterator[HttpReceiver]:
    async with http_receiver() as found:
        yield found


async def link(night: Night, order_id: int, token: str, *, channel: str = "sms", minutes: int = 120) -> str:
    """A link that the order's message carried; answers its path."""
    outbox = await night.db.fetchrow(
        "select id, exercise from outbox where order_id = $1 and topic = 'order'", order_id
    )
    values = {
        "outbox_id": outbox["id"], "topic": "order", "exercise": outbox["exercise"], "key": f"key of {token}", "step": 0,
        "channel": channel, "receiver": channel, "contact": "Wang", "to_exercise": False, "state": "sent", "released_at": night.now,
    }  # fmt: skip
    await night.db.execute("update outbox set state = 'open' where id = $1", outbox["id"])
    delivery_id = await rows.insert(night.db, "delivery", values)
    await night.db.execute(
        "insert into notify_link (token_hash, delivery_id, order_id, expires_at) values ($1, $2, $3, $4)",
        hash_of(token), delivery_id, order_id, night.now + timedelta(minutes=minutes),
    )  # fmt: skip
    return f"/go/{token}"


async def state_of(night: Night, order_id: int) -> tuple[str, int]:
    row = await night.db.fetchrow("select state, version from dispatch_order where id = $1", order_id)
    return row["state"], row["version"]


# --- links ---


async def test_a_preview_accepts_nothing_and_the_button_accepts_once(night: Night, order: int) -> None:
    """Looking changes nothing, however often; the button accepts without a login; the second press finds the link used."""
    path = await link(night, order, "token-one")
    case_id = await night.value("select case_id from dispatch_order where id = $1", order)
    async with night.web.client() as person:
        for _ in range(3):
            page = await person.get(path)
            assert page.status_code == 200
            assert "River Park" in page.text
            assert "token-one" not in page.text
        assert await state_of(night, order) == ("sent", 1)
        done = await person.post(path)
        assert done.status_code == 200
        assert f"/firm/orders/{order}" in done.text
        assert (await state_of(night, order))[0] == "accepted"
        again = await person.post(path)
        assert again.status_code == 410
        assert "River Park" not in (await person.get(path)).text
        assert await state_of(night, order) == ("accepted", 2)
    last = await night.db.fetchrow(
        "select kind, person, role from case_event where case_id = $1 and kind = 'order-accepted'", case_id
    )
    assert tuple(last) == ("order-accepted", "Wang (link)", "maintainer")
    assert await night.value("select state from outbox where order_id = $1 and topic = 'order'", order) == "delivered"
    assert "told" in await night.log(case_id)


async def test_two_presses_at_once_accept_once(night: Night, order: int) -> None:
    """One accepts, the other finds the link used."""
    path = await link(night, order, "token-twice")
    async with night.web.client() as one, night.web.client() as other:
        answers = await asyncio.gather(one.post(path), other.post(path))
    assert sorted(answer.status_code for answer in answers) == [200, 410]
    assert await state_of(night, order) == ("accepted", 2)


async def test_whoever_is_logged_in_goes_on_to_the_order(night: Night, order: int) -> None:
    """After the button the way leads to the firm's page of the order."""
    path = await link(night, order, "token-on")
    async with night.web.client(Role.MAINTAINER) as person:
        answer = await person.post(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/firm/orders/{order}")


async def test_a_link_is_good_for_a_time_for_its_order_and_from_its_own_page(night: Night, order: int) -> None:
    """An old one, one of an order that ended, one that nobody gave out, and a form of another site accept nothing."""
    async with night.web.client() as person:
        assert (await person.post(await link(night, order, "token-old", minutes=-1))).status_code == 410
        assert (await person.post("/go/no-such-token")).status_code == 404
        path = await link(night, order, "token-site")
        assert (await person.post(path, headers={"Origin": "https://evil.example"})).status_code == 403
        assert (await person.post(path, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
        assert await state_of(night, order) == ("sent", 1)
        await night.order(order, "refuse", reason="no van")
        assert (await person.get(path)).status_code == 410
        assert (await person.post(path)).status_code == 410
    assert (await state_of(night, order))[0] == "refused"


async def test_an_order_that_the_desk_accepted_is_only_confirmed_by_the_link(night: Night, order: int) -> None:
    """Nothing moves twice; the receipt counts."""
    path = await link(night, order, "token-late")
    await night.order(order, "accept")
    async with night.web.client() as person:
        assert (await person.post(path)).status_code == 200
    assert await state_of(night, order) == ("accepted", 2)
    assert await night.value("select state from delivery where key = 'key of token-late'") == "received"


async def test_guessing_is_slowed_down(night: Night, order: int) -> None:
    """So many wrong links a minute from one address; then 429, there and nowhere else. Whoever holds a good one is let through."""
    good = await link(night, order, "token-among-guesses")
    async with night.web.client(host="198.51.100.7") as guesser, night.web.client(host="198.51.100.8") as other:
        statuses = [(await guesser.get(f"/go/guess-{n}")).status_code for n in range(LINK_TRIES_A_MINUTE + 2)]
        assert statuses == [404] * LINK_TRIES_A_MINUTE + [429] * 2
        assert (await guesser.post("/go/guess")).headers["Retry-After"].isdigit()
        assert (await other.get("/go/guess")).status_code == 404
        assert (await guesser.get(good)).status_code == 200
    links._misses._seen.clear()


# --- webhooks over HTTP ---


async def test_a_firm_keeps_its_own_endpoints(night: Night) -> None:
    """Made, seen, tried, changed and removed by the firm's people; others do not see it; the secret is shown once."""
    body = {"name": "our program", "url": "https://93.184.216.34/hook", "topics": ["order"]}
    async with night.web.client(Role.MAINTAINER) as firm, night.web.client(Role.ADMIN) as admin:
        made = await firm.post("/api/v1/webhooks", json=body)
        assert made.status_code == 201
        number, secret = made.json()["id"], made.json()["secret"]
        path = "/api/v1/webhooks/{webhook_id}"
        seen = night.web.check(path, await firm.get(f"/api/v1/webhooks/{number}"))
        assert (seen["firm_id"], seen["topics"], seen["url"]) == (night.web.firm_id, ["order"], body["url"])
        assert secret not in str(seen)
        assert (await firm.post("/api/v1/webhooks", json=body)).status_code == 422  # the name is taken
        city = (await admin.post("/api/v1/webhooks", json={**body, "name": "the city's", "topics": []})).json()["id"]
        assert (await firm.get(f"/api/v1/webhooks/{city}")).status_code == 404
        for act in ("rotate", "test"):
            assert (await firm.post(f"/api/v1/webhooks/{city}/{act}")).status_code == 404
        assert (await firm.delete(f"/api/v1/webhooks/{city}")).status_code == 404
        listed = night.web.check("/api/v1/webhooks", await firm.get("/api/v1/webhooks"))
        assert [item["id"] for item in listed["items"]] == [number]
        changed = (await firm.post(f"/api/v1/webhooks/{number}/rotate")).json()["secret"]
        assert changed != secret
        assert (await firm.get(f"/api/v1/webhooks/{number}")).json()["old_secret_until"]
        assert (await firm.delete(f"/api/v1/webhooks/{number}")).json() == {"removed": True}
        assert (await firm.get(f"/api/v1/webhooks/{number}")).status_code == 404
        assert (await firm.post("/api/v1/webhooks", json=body)).status_code == 201  # the name is free again


async def test_a_webhook_into_our_own_network_is_refused(night: Night, net: HttpReceiver) -> None:
    """By name, by number, by http, with an unknown topic; and nothing is connected to when it is tried all the same."""
    async with night.web.client(Role.ADMIN) as admin:
        for url in (
            "http://firm.example/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://169.254.169.254/",
            net.url,
        ):
            answer = await admin.post("/api/v1/webhooks", json={"name": url, "url": url})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == "/url"
        body = {"name": "x", "url": "https://firm.example/", "topics": ["gossip"]}
        assert (await admin.post("/api/v1/webhooks", json=body)).status_code == 422
        number = await rows.insert(
            night.db,
            "webhook_endpoint",
            {"name": "sly", "url": net.url, "secret": "whsec_" + "A" * 44, "created_by": "x"},
        )
        tried = await admin.post(f"/api/v1/webhooks/{number}/test")
        found = night.web.check("/api/v1/webhooks/{webhook_id}/test", tried, "post")
        assert found["taken"] is False
    assert net.connections == 0


# --- the outbox over HTTP ---


async def test_a_firm_sees_what_it_was_told(night: Night) -> None:
    """Its own units' notifications with what became of them; nothing of others, not even that it exists; a retry is the desk's."""
    await night.team(night.web.firm_id)
    own = await night.trapped(firm_id=night.web.firm_id)
    foreign = await night.trapped(firm_id=await night.firm())
    await night.round()
    ids = {}
    for name, case_id in (("own", own), ("foreign", foreign)):
        ids[name] = await night.value("select id from outbox where case_id = $1 and topic = 'order'", case_id)
    async with night.web.client(Role.MAINTAINER) as firm, night.web.client(Role.DISPATCHER) as desk:
        page = night.web.check("/api/v1/notifications", await firm.get("/api/v1/notifications"))
        assert {item["case_id"] for item in page["items"]} >= {own}
        assert {item["addressee"] for item in page["items"]} <= {"unit", "firm"}
        assert foreign not in {item["case_id"] for item in page["items"]}
        assert (await firm.get(f"/api/v1/notifications/{ids['foreign']}")).status_code == 404
        path = "/api/v1/notifications/{notification_id}"
        seen = night.web.check(path, await firm.get(f"/api/v1/notifications/{ids['own']}"))
        assert (seen["topic"], seen["state"], seen["ways"]) == ("order", "new", [])
        assert (await firm.post(f"/api/v1/notifications/{ids['own']}/retry")).status_code == 403
        assert (await desk.post(f"/api/v1/notifications/{ids['own']}/retry")).json() == {"again": 0}
        everything = await desk.get("/api/v1/notifications", params={"case_id": foreign, "limit": 1})
        assert len(everything.json()["items"]) == 1
        assert "next" in everything.headers["Link"]
        body = {"key": "no such key", "state": "received"}
        assert (await desk.post("/api/v1/notifications/receipts", json=body)).status_code == 404


# --- from the command line ---


async def command(night: Night, *words: str, code: int = 0) -> str:
    """What a command prints; must end with `code`."""
    where = ["--database-url", night.web.url]
    result = await asyncio.to_thread(CliRunner(env={"COLUMNS": "250"}).invoke, app, [*words, *where])
    assert result.exit_code == code, result.output
    return result.output


async def test_the_commands(night: Night, order: int) -> None:
    """Endpoints, contacts, channels, a drill and the outbox, each from the command line."""
    secret = await command(night, "webhooks", "add", "city desk", "https://93.184.216.34/x", "--topic", "order")
    assert "whsec_" in secret
    assert "city desk" in await command(night, "webhooks", "list")
    assert "whsec_" in await command(night, "webhooks", "rotate", "city desk")
    await command(night, "webhooks", "add", "bad", "https://10.0.0.1/", code=2)
    await command(night, "webhooks", "remove", "city desk")
    await command(night, "webhooks", "remove", "city desk", code=2)
    await command(night, "contacts", "add", "supervisor", "Chief", "phone", "13700000000", "--language", "en")
    await command(night, "contacts", "add", "unit", "Chief", "phone", "1", code=2)
    await command(night, "contacts", "channels", "supervisor", "voice:30", "sms:60")
    listed = await command(night, "contacts", "list")
    assert "Chief" in listed
    assert "voice:30 sms:60" in listed
    await command(night, "contacts", "channels", "supervisor", "pigeon:1", code=2)
    number = await night.value("select id from notify_contact where name = 'Chief'")
    assert "drill" in await command(night, "drill", "start", "November")
    assert "Chief" in await command(night, "drill", "status", code=1)
    await command(night, "contacts", "remove", str(number))
    assert "order" in await command(night, "outbox", "list", "--state", "new")
    await command(night, "outbox", "list", "--state", "lost", code=2)
    shown = await night.value("select id from outbox where order_id = $1", order)
    assert f"order-unit-order-{order}" in await command(night, "outbox", "show", str(shown))
    await night.db.execute("update outbox set state = 'dead', reason = 'no way' where id = $1", shown)
    assert "1 dead letters" in await command(night, "outbox", "retry", str(shown))
    await command(night, "outbox", "retry", code=2)
    await night.db.execute(
        "insert into contact_reach values ('unit', 999, 'Zhou', 'sms', '1', null, null, now(), 'HTTP 400')"
    )
    assert "Zhou" in await command(night, "contacts", "unreachable", code=1)


# --- commands to terminals ---


class Line:
    """Publishes, and has what it published when it is told."""

    def __init__(self) -> None:
        self.up, self.had = True, False
        self.said: list[tuple[str, bytes]] = []

    def command(self, topic: str, payload: bytes) -> Any:
        if not self.up:
            return None
        self.said.append((topic, payload))
        return lambda: self.had


async def test_a_command_is_published_until_the_broker_has_it(night: Night) -> None:
    """Without a connection it stays; published, it is noted when the broker has it; a process that died publishes it again, under its id."""
    lift_id = await rows.lift(night.db)
    device_id = await rows.device(night.db, lift_id, name="soother", shard=9)
    await night.db.execute(
        "insert into device_command (key, device_id, command, created_at, expires_at)"
        " values ('c-1', $1, 'soothe', now(), now() + interval '5 min'), ('c-2', $1, 'soothe', now(), now() - interval '1 min')", device_id,
    )  # fmt: skip
    line = Line()
    line.up = False
    commands = Commands(night.db, line)
    await commands.round()
    free = "update device_command set taken_until = now() where published_at is null"
    await night.db.execute(free)
    line.up = True
    await commands.round()
    await commands.round()
    assert [(topic, decode_command(payload).id, decode_command(payload).cmd) for topic, payload in line.said] == [
        ("lift/v1/9/soother/cmd", "c-1", "soothe")
    ]
    published = "select published_at is not null from device_command where key = 'c-1'"
    assert await night.value(published) is False
    await night.db.execute(free)
    await Commands(night.db, line).round()
    assert len(line.said) == 2
    assert line.said[0] == line.said[1]
    line.had = True
    await commands.round()
    assert await night.value(published) is True
    await night.db.execute(free)
    await commands.round()
    assert len(line.said) == 2
