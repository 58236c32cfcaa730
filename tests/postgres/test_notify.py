"""Notifications as dispatchers, firms and receivers see them, on a clock that jumps: out once, again, by another way, never, or said to be lost."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from dispatch.notify.channels import LIMITS, Channel
from dispatch.notify.keeping import drill, endpoints, receipts
from dispatch.notify.keeping.endpoints import NewEndpoint
from dispatch.notify.net.guard import networks
from dispatch.notify.net.http import Http
from dispatch.notify.sender import Sender
from dispatch.notify.ways.console import ConsoleWay
from dispatch.notify.ways.device import DeviceWay
from dispatch.notify.ways.gateway import GatewayWay
from dispatch.notify.ways.mail import MailServer, MailWay
from dispatch.notify.ways.robots import RobotWay
from dispatch.notify.ways.way import Outgoing, Sent, Way
from dispatch.notify.ways.webhook import WebhookWay
from hoistway.model import Role
from tests.support import rows
from tests.support.crashing import Crashing
from tests.support.night import Night
from tests.support.receivers import HttpReceiver, MailReceiver, Request, http_receiver, mail_receiver
from tests.support.web import until

HERE = networks("127.0.0.0/8", where="test")
_numbers = itertools.count(1)
LINK = "https://96333.city.example"


class Post:
    """The post office of one night: a sender with every way, and receivers at their other ends."""

    def __init__(self, night: Night, net: HttpReceiver, mail: MailReceiver, folder: Path) -> None:
        self.night, self.db, self.net, self.mail, self.file = night, night.db, net, mail, folder / "notifications.jsonl"
        http = Http(allowed=HERE)
        gateway = {"headers": '{"X-Key": "k"}', "http": http}
        server = MailServer.parse(f"smtp://127.0.0.1:{mail.port}?from=alarm@city.example&tls=no")
        self.ways: dict[Channel, Way] = {
            Channel.WEBHOOK: WebhookWay(http),
            Channel.SMS: GatewayWay(
                Channel.SMS,
                url=f"{net.url}/sms",
                body='{"to": "{phone}", "say": "{text}"}',
                **gateway,  # type: ignore[arg-type]
            ),
            Channel.VOICE: GatewayWay(
                Channel.VOICE,
                url=f"{net.url}/voice?to={{phone}}",
                body="say={text}",
                **gateway,  # type: ignore[arg-type]
            ),
            Channel.MAIL: MailWay(server),
            Channel.DINGTALK: RobotWay(Channel.DINGTALK, http),
            Channel.CONSOLE: ConsoleWay(self.file, receipt=True),
            Channel.DEVICE: DeviceWay(night.db),
        }
        self.sender = self.another()

    def another(self, database: Any = None, ways: dict[Channel, Way] | None = None) -> Sender:
        """A sender of a process of its own."""
        return Sender(
            database or self.db,
            ways or self.ways,
            clock=lambda: self.night.now,
            zone=UTC,
            link_base=LINK,
            chance=lambda: 1.0,
        )

    async def work(self, seconds: float = 0.0) -> None:
        """Let time pass, and everything that is due then leave."""
        self.night.now += timedelta(seconds=seconds)
        for _ in range(3):
            await self.sender.round()
            await self.sender.settle()

    async def firm(self) -> int:
        """A firm without a telephone."""
        number = await self.night.firm()
        await self.db.execute("update firm set phone = null where id = $1", number)
        return number

    async def endpoint(self, path: str = "/hook", **wanted: Any) -> tuple[int, str]:
        async with self.db.acquire() as connection, connection.transaction():
            values = {"name": f"endpoint {next(_numbers)}", "firm_id": None, **wanted}
            new = NewEndpoint(url=f"{self.net.url}{path}", **values)
            return await endpoints.add(connection, new, self.night.now, by="test", allowed=HERE)

    async def contact(self, addressee: str, name: str, **columns: Any) -> int:
        values = {"addressee": addressee, "name": name, "kind": "phone", "address": "13800000001", **columns}
        return await rows.insert(self.db, "notify_contact", values)

    async def crew(self, firm_id: int, *people: str, phone: str = "") -> int:
        """A firm's team with people of these names, each with a phone."""
        unit_id = await self.night.team(firm_id, phone=phone)
        for rank, name in enumerate(people, 1):
            values = {"unit_id": unit_id, "name": name, "phone": f"1390000000{rank}", "rank": rank}
            await rows.insert(self.db, "unit_contact", values)
        return unit_id

    async def ways_of(self, case_id: int, topic: str) -> list[tuple[str, str, str]]:
        """Channel, contact, state of each way of the case's newest notification of a topic."""
        found = await self.db.fetch(
            "select d.channel, d.contact, d.state from delivery d where d.outbox_id = ("
            " select max(id) from outbox where case_id = $1 and topic = $2) order by d.step nulls last, d.id",
            case_id, topic,
        )  # fmt: skip
        return [(row["channel"], row["contact"], row["state"]) for row in found]

    async def state_of(self, case_id: int, topic: str) -> str:
        found: str = await self.db.fetchval(
            "select state from outbox where case_id = $1 and topic = $2 order by id desc limit 1", case_id, topic
        )
        return found

    def sms(self) -> list[tuple[str, str]]:
        """Number and text of every SMS that the gateway got."""
        return [(item.json["to"], item.json["say"]) for item in self.net.got if item.path == "/sms"]


@pytest_asyncio.fixture(loop_scope="session")
async def post(night: Night, tmp_path: Path) -> AsyncIterator[Post]:
    """A night with nothing in the outbox, no contacts and no endpoints of earlier nights."""
    await night.db.execute(
        "update outbox set state = 'skipped', joined_to = null where state in ('new', 'open', 'joined')"
    )
    await night.db.execute("update delivery set state = 'skipped' where state in ('waiting', 'pending')")
    await night.db.execute("update webhook_endpoint set removed_at = now() where removed_at is null")
    await night.db.execute("delete from contact_reach")
    await night.db.execute("delete from notify_contact")
    await night.db.execute("update outbox set joins = null")
    async with http_receiver() as net, mail_receiver() as mail:
        yield Post(night, net, mail, tmp_path)


@contextlib.asynccontextmanager
async def alone(post: Post, path: str) -> AsyncIterator[None]:
    """Only requests to this path count from here on."""
    before = len(post.net.got)
    yield
    assert {item.path for item in post.net.got[before:]} <= {path}


def signed_by(request: Request, secret: str) -> bool:
    """Whether one of the signatures is of this secret, reckoned by hand."""
    parts = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    made = b64encode(hmac.new(b64decode(secret.removeprefix("whsec_")), parts, hashlib.sha256).digest()).decode()
    return f"v1,{made}" in request.headers["webhook-signature"].split()


def link_in(text: str) -> str:
    """The token of the link in a message."""
    return text.rpartition(f"{LINK}/go/")[2]


# --- webhooks ---


async def test_a_webhook_that_fails_twice_is_delivered_once(post: Post) -> None:
    """Two refusals, then 204: three requests under one id, each signed for its own time, one effect for who goes by the id."""
    firm = await post.firm()
    _, secret = await post.endpoint(firm_id=firm, topics=["order"])
    post.net.answer = lambda _: 503 if len(post.net.got) < 3 else 204
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    for _ in range(5):
        await post.work(10)
    hooks = [item for item in post.net.got if item.path == "/hook"]
    assert len(hooks) == 3
    assert len({item.headers["webhook-id"] for item in hooks}) == 1
    assert len({item.headers["webhook-timestamp"] for item in hooks}) == 3
    assert all(signed_by(item, secret) for item in hooks)
    document = hooks[-1].json
    assert document["type"] == "hoistway.order"
    assert (document["data"]["case"]["id"], document["data"]["firm_id"]) == (case_id, firm)
    assert document["data"]["lift"]["rescue_code"]
    assert ("webhook", "received") in [(way[0], way[2]) for way in await post.ways_of(case_id, "order")]


async def test_an_endpoint_sees_its_own_firm_and_what_it_asked_for(post: Post) -> None:
    """A firm's endpoint gets its firm's topics, the city's gets every firm's, another firm's gets nothing."""
    firm, other = await post.firm(), await post.firm()
    await post.endpoint("/own", firm_id=firm, topics=["order"])
    await post.endpoint("/other", firm_id=other)
    await post.endpoint("/city")
    await post.endpoint("/exercise", exercise=True)
    await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work()
    topics = {path: sorted(item.json["data"]["topic"] for item in post.net.got if item.path == path)
              for path in ("/own", "/other", "/city", "/exercise")}  # fmt: skip
    assert topics == {"/own": ["order"], "/other": [], "/city": ["order", "trapped"], "/exercise": []}


async def test_a_slow_receiver_delays_nobody(post: Post) -> None:
    """One endpoint never answers: the others have everything, and it holds no more than its few places."""
    firm = await post.firm()
    await post.endpoint("/slow", topics=["order"])
    await post.endpoint("/quick", topics=["order"])
    post.net.answer = lambda request: -1 if request.path == "/slow" else 204
    for _ in range(8):
        await post.night.trapped(firm_id=firm)
    await post.night.round()

    async def quick_has_all() -> bool:
        await post.sender.round()
        return len(set(post.net.keys("/quick"))) == 8

    await until(quick_has_all, "the quick endpoint has every order")
    assert len(post.net.keys("/slow")) <= LIMITS[Channel.WEBHOOK].each
    post.net.stop.set()
    await post.sender.settle()


async def test_a_redirect_is_not_followed_and_410_ends_it(post: Post) -> None:
    """A redirect is a failure like any other; 410 shuts the endpoint until its secret is changed."""
    firm = await post.firm()
    endpoint_id, _ = await post.endpoint(firm_id=firm, topics=["order"])
    answers = iter((302, 410))
    post.net.answer = lambda _: next(answers)
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work()
    assert ("webhook", "pending") in [(way[0], way[2]) for way in await post.ways_of(case_id, "order")]
    await post.work(10)
    assert ("webhook", "dead") in [(way[0], way[2]) for way in await post.ways_of(case_id, "order")]
    query = "select disabled_reason from webhook_endpoint where id = $1"
    assert await post.db.fetchval(query, endpoint_id) == "answered 410"
    async with post.db.acquire() as connection:
        assert await endpoints.rotate(connection, endpoint_id, post.night.now)
    assert await post.db.fetchval(query, endpoint_id) is None


async def test_while_a_secret_is_changed_both_sign(post: Post) -> None:
    """For a day after the change; then the new one alone."""
    firm = await post.firm()
    endpoint_id, old = await post.endpoint(firm_id=firm, topics=["order"])
    async with post.db.acquire() as connection:
        new = await endpoints.rotate(connection, endpoint_id, post.night.now)
    assert new is not None
    seen = []
    for hours in (1, 25):
        post.night.now += timedelta(hours=hours)
        await post.night.trapped(firm_id=firm)
        await post.night.round()
        await post.work()
        seen.append([signed_by(post.net.got[-1], secret) for secret in (old, new)])
    assert seen == [[True, True], [False, True]]


# --- dead letters ---


async def test_a_dead_letter_can_be_sent_again(post: Post) -> None:
    """Refused until its time is over it is a dead letter, said on the case; a person sends it again under the same key."""
    firm = await post.firm()
    await post.endpoint(firm_id=firm, topics=["order"])
    post.net.answer = lambda _: 500
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    for _ in range(60):
        await post.work(1_800)
    assert await post.state_of(case_id, "order") == "dead"
    assert {"not-told", "nobody-told"} <= set(await post.night.log(case_id))
    tried = len(post.net.keys("/hook"))
    assert 10 < tried < 80
    post.net.answer = lambda _: 204
    number = await post.db.fetchval("select id from outbox where case_id = $1 and topic = 'order'", case_id)
    async with post.db.acquire() as connection:
        assert await receipts.retry(connection, number, post.night.now) == 1
    await post.work()
    assert await post.state_of(case_id, "order") == "delivered"
    assert len(set(post.net.keys("/hook"))) == 1
    assert len(post.net.keys("/hook")) == tried + 1


async def test_no_way_at_all_is_said_and_can_be_mended(post: Post) -> None:
    """A firm without any address: the case says that nobody was told, the supervisor hears of it, and a retry plans anew."""
    firm = await post.firm()
    await post.contact("supervisor", "Chief", address="13700000000")
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work()
    assert await post.state_of(case_id, "order") == "dead"
    assert "nobody-told" in await post.night.log(case_id)
    assert ("13700000000", True) in [(to, "无法送达" in text or "失败" in text) for to, text in post.sms()]
    await post.db.execute("update firm set phone = '0571-110' where id = $1", firm)
    number = await post.db.fetchval("select id from outbox where case_id = $1 and topic = 'order'", case_id)
    async with post.db.acquire() as connection:
        assert await receipts.retry(connection, number, post.night.now) == 1
    await post.work()
    assert "0571-110" in [to for to, _ in post.sms()]


# --- kills ---


async def test_killed_between_sending_and_writing_it_goes_again_under_the_same_id(post: Post) -> None:
    """The receiver sees it twice with one id, so it acts once; nobody sends it a third time."""
    firm = await post.firm()
    await post.endpoint(firm_id=firm, topics=["order"])
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.db.execute("update outbox set state = 'skipped' where state = 'new' and topic <> 'order'")
    crashing = Crashing(post.db)
    doomed = post.another(crashing)
    begun = asyncio.Event()

    class Armed:
        """Kills the process at the first statement after the message went out."""

        async def send(self, message: Outgoing) -> Sent:
            sent = await post.ways[Channel.WEBHOOK].send(message)
            crashing.after = 0
            begun.set()
            return sent

    doomed = post.another(crashing, {**post.ways, Channel.WEBHOOK: Armed()})
    await doomed.round()
    await doomed.round()
    await doomed.settle()
    assert begun.is_set()
    assert crashing.kills == 1
    await post.work(30)
    assert len(post.net.keys("/hook")) == 1  # the claim of the dead process still holds
    await post.work(31)
    await post.work(120)
    assert len(post.net.keys("/hook")) == 2
    assert len(set(post.net.keys("/hook"))) == 1
    assert ("webhook", "received") in [(way[0], way[2]) for way in await post.ways_of(case_id, "order")]


async def test_a_process_that_was_stopped_while_sending_writes_nothing_afterwards(post: Post) -> None:
    """Its claim ran out and another one sent it: what the first has to say of it does not count."""
    firm = await post.firm()
    await post.endpoint(firm_id=firm, topics=["order"])
    await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.db.execute("update outbox set state = 'skipped' where state = 'new' and topic <> 'order'")
    asleep, wake = asyncio.Event(), asyncio.Event()

    class Sleepy:
        async def send(self, message: Outgoing) -> Sent:
            asleep.set()
            await wake.wait()
            raise OSError("it was long ago")

    stopped = post.another(ways={**post.ways, Channel.WEBHOOK: Sleepy()})
    await stopped.round()
    await asyncio.wait_for(asleep.wait(), 5)
    await post.work(61)
    assert len(post.net.keys("/hook")) == 1
    wake.set()
    await stopped.settle()
    states = await post.db.fetch("select state, claim from delivery where channel = 'webhook' order by id desc limit 1")
    assert [(row["state"], row["claim"]) for row in states] == [("received", 2)]


async def test_two_senders_send_each_message_once(post: Post) -> None:
    """They skip what the other one holds."""
    firm = await post.firm()
    await post.endpoint(firm_id=firm, topics=["order"])
    for _ in range(20):
        await post.night.trapped(firm_id=firm)
    await post.night.round()
    other = post.another()
    for _ in range(12):
        await asyncio.gather(post.sender.round(), other.round())
        await asyncio.gather(post.sender.settle(), other.settle())
    assert len(post.net.keys("/hook")) == len(set(post.net.keys("/hook"))) == 20


# --- people ---


async def test_the_next_channel_then_the_next_contact(post: Post) -> None:
    """No receipt in 45 s: a call; then the second of the team; who accepts ends it. The case says each step."""
    firm = await post.firm()
    await post.crew(firm, "Wang", "Li")
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work()
    assert [way for way in await post.ways_of(case_id, "order") if way[2] != "waiting"] == [("sms", "Wang", "sent")]
    await post.work(44)
    assert [item.path for item in post.net.got] == ["/sms"]
    await post.work(2)
    call = post.net.got[-1]
    assert call.path == "/voice?to=13900000001"
    assert "http" not in call.body.decode()
    await post.work(46)
    assert post.sms()[-1][0] == "13900000002"
    await post.night.order(await post.night.last_order(case_id), "accept")
    await post.work(46)
    await post.work(46)
    assert [way[2] for way in await post.ways_of(case_id, "order")] == ["sent", "sent", "sent", "skipped"]
    assert await post.state_of(case_id, "order") == "delivered"
    assert (await post.night.log(case_id)).count("told") == 3


async def test_who_is_on_shift_is_told_first(post: Post) -> None:
    """A shift that names a person puts that one before those of a higher rank."""
    firm = await post.firm()
    unit_id = await post.crew(firm, "First", "OnShift")
    number = await post.db.fetchval("select id from unit_contact where unit_id = $1 and name = 'OnShift'", unit_id)
    now = post.night.now
    shift = {
        "unit_id": unit_id,
        "contact_id": number,
        "since": now - timedelta(hours=1),
        "until": now + timedelta(hours=1),
    }
    await rows.insert(post.db, "unit_shift", shift)
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work()
    assert (await post.ways_of(case_id, "order"))[0] == ("sms", "OnShift", "sent")


async def test_a_gateway_that_refuses_hands_on_at_once(post: Post) -> None:
    """What the gateway will never take does not wait for its time: the call goes out at once, and the contact is shown as unreachable."""
    firm = await post.firm()
    await post.crew(firm, "Wang")
    post.net.answer = lambda request: 400 if request.path == "/sms" else 200
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work(1)
    assert await post.ways_of(case_id, "order") == [("sms", "Wang", "dead"), ("voice", "Wang", "sent")]
    shown = await post.db.fetch("select contact, channel, reason from unreachable_contact")
    assert [tuple(row.values()) for row in shown] == [("Wang", "sms", "HTTP 400")]
    post.net.answer = lambda _: 200
    await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work(1)
    assert await post.db.fetchval("select count(*) from unreachable_contact") == 0


async def test_a_firm_s_own_order_of_channels_counts(post: Post) -> None:
    """A firm that wants mail first has mail first; nobody else does. What the mail server refuses for good is a dead letter."""
    firm = await post.firm()
    await post.db.execute(
        "insert into notify_preference (addressee, firm_id, rank, channel, receipt_s) values ('unit', $1, 1, 'mail', 60),"
        " ('unit', $1, 2, 'sms', 60)", firm,
    )  # fmt: skip
    unit_id = await post.crew(firm, "Wang")
    await post.contact("unit", "Wang", addressee_id=unit_id, kind="mail", address="wang@firm.example", language="en")
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work()
    (letter,) = post.mail.got
    assert letter["To"] == "wang@firm.example"
    assert letter["Subject"].startswith("Rescue order")
    assert LINK in letter.get_content()
    assert (await post.ways_of(case_id, "order"))[0] == ("mail", "Wang", "sent")
    post.mail.refused["wang@firm.example"] = 550
    case_id = await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work(1)
    assert [way[2] for way in await post.ways_of(case_id, "order")] == ["dead", "sent"]


async def test_a_robot_of_a_group_goes_beside_the_person(post: Post) -> None:
    """The group sees it and the supervisor has an SMS all the same; the robot's address carries its signature."""
    await post.contact(
        "supervisor", "Group", kind="dingtalk", address=f"{post.net.url}/robot?access_token=t", secret="SEC1"
    )
    await post.contact("supervisor", "Chief", rank=2)
    post.net.answer = lambda _: (200, b'{"errcode": 0}')
    case_id = await post.night.trapped()
    await post.night.pass_s(61)
    await post.work(1)
    robot = next(item for item in post.net.got if item.path.startswith("/robot") and "坐席" in item.body.decode())
    assert "&timestamp=" in robot.path
    assert "&sign=" in robot.path
    assert LINK not in robot.json["text"]["content"]
    states = await post.ways_of(case_id, "nobody-at-the-desk")
    assert states[:2] == [("dingtalk", "Group", "sent"), ("sms", "Chief", "sent")]


async def test_what_is_said_again_within_half_a_minute_is_said_once(post: Post) -> None:
    """Ten cases that nobody at the desk takes: one SMS at once that counts the others, one more for those that came after it."""
    await post.contact("supervisor", "Chief")
    cases = [await post.night.trapped() for _ in range(10)]
    await post.night.pass_s(61)
    await post.work()
    late = [await post.night.trapped() for _ in range(3)]
    cases += late
    told = [text for _, text in post.sms() if "坐席" in text]
    assert len(told) == 1
    assert "另有9起" in told[0]
    await post.db.execute(
        "insert into outbox (key, topic, case_id, addressee, exercise, created_at)"
        " select 'late-' || c, 'nobody-at-the-desk', c, 'supervisor', false, $2 from unnest($1::bigint[]) c",
        late, post.night.now,
    )  # fmt: skip
    await post.work(5)
    assert len([text for _, text in post.sms() if "坐席" in text]) == 1
    await post.work(30)
    told = [text for _, text in post.sms() if "坐席" in text]
    assert len(told) == 2
    assert "另有2起" in told[1]
    assert await post.db.fetchval("select count(*) from outbox where state = 'new'") == 0


async def test_what_was_said_with_one_that_reached_nobody_is_said_to_be_lost(post: Post) -> None:
    """Ten cases in one SMS that no gateway takes: each case says that nobody was told, not only the first."""
    await post.contact("supervisor", "Chief")
    post.net.answer = lambda _: 400
    cases = [await post.night.trapped() for _ in range(10)]
    await post.night.pass_s(61)
    for _ in range(3):
        await post.work(60)
    assert await post.db.fetchval("select count(*) from outbox where state in ('new', 'open', 'joined')") == 0
    for case_id in cases:
        assert await post.state_of(case_id, "nobody-at-the-desk") == "dead"
        assert "nobody-told" in await post.night.log(case_id)


async def test_two_orders_are_never_said_as_one(post: Post) -> None:
    """Each order has its own message and its own link."""
    firm = await post.firm()
    await post.crew(firm, "Wang")
    for _ in range(2):
        await post.night.trapped(firm_id=firm)
    await post.night.round()
    await post.work()
    links = {link_in(text) for _, text in post.sms()}
    assert len(post.sms()) == len(links) == 2


async def test_the_gateway_s_own_word_counts(post: Post) -> None:
    """It came through: no call is made. It did not: the call goes at once."""
    firm = await post.firm()
    await post.crew(firm, "Wang")
    cases = [await post.night.trapped(firm_id=firm) for _ in range(2)]
    await post.night.round()
    await post.work()
    for case_id, state in zip(cases, ("received", "failed"), strict=True):
        key = await post.db.fetchval(
            "select d.key from delivery d join outbox o on o.id = d.outbox_id where o.case_id = $1 and d.channel = 'sms'",
            case_id,
        )
        async with post.night.web.client(Role.DISPATCHER) as client:
            body = {"key": key, "state": state, "said": "DELIVRD"}
            answer = await client.post("/api/v1/notifications/receipts", json=body)
            assert answer.status_code == 200, answer.text
    await post.work(1)
    assert await post.ways_of(cases[0], "order") == [("sms", "Wang", "received"), ("voice", "Wang", "skipped")]
    assert await post.ways_of(cases[1], "order") == [("sms", "Wang", "dead"), ("voice", "Wang", "sent")]


# --- exercises ---


async def test_an_exercise_never_leaves(post: Post) -> None:
    """Everything of it ends in the file, marked, while every real way stands open; the database refuses anything else."""
    firm = await post.firm()
    unit_id = await post.crew(firm, "Wang")
    await post.db.execute("update unit set exercise = true where id = $1", unit_id)
    await post.contact("supervisor", "Chief")
    await post.endpoint("/real")
    await post.endpoint("/pretended", exercise=True)
    case_id = await post.night.trapped(firm_id=firm, exercise=True)
    await post.db.execute("update rescue_case set exercise = true where id = $1", case_id)
    await post.night.pass_s(61)
    for _ in range(4):
        await post.work(60)
    assert {item.path for item in post.net.got} == {"/pretended"}
    lines = [json.loads(line) for line in post.file.read_text("utf-8").splitlines()]
    assert {line["topic"] for line in lines} >= {"order", "nobody-at-the-desk"}
    assert all(line["text"].startswith("【演练】") for line in lines)
    assert await post.state_of(case_id, "order") == "delivered"
    number = await post.db.fetchval("select max(id) from outbox where case_id = $1 and topic = 'order'", case_id)
    for channel, to_exercise in (("sms", False), ("sms", True), ("webhook", False)):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await post.db.execute(
                "insert into delivery (outbox_id, topic, exercise, key, channel, receiver, contact, to_exercise, state, released_at)"
                " values ($1, 'order', true, 'x', $2, 'x', 'x', $3, 'pending', now())", number, channel, to_exercise,
            )  # fmt: skip
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await post.db.execute("update delivery set exercise = false where outbox_id = $1", number)


async def test_the_lift_soothes_by_its_own_terminals(post: Post) -> None:
    """A row for ingest, once; sent when it is published; a gateway of many cars is not asked, and no real terminal in an exercise."""
    lift_id = await rows.lift(post.db)
    device_id = await rows.device(post.db, lift_id)
    case_id = await post.night.trapped(lift_id)
    await post.night.round()
    await post.work()
    await post.work(2)
    (row,) = await post.db.fetch(
        "select device_id, command, published_at from device_command where device_id = $1", device_id
    )
    assert (row["command"], row["published_at"]) == ("soothe", None)
    assert (await post.ways_of(case_id, "soothe"))[0][2] == "pending"
    await post.db.execute("update device_command set published_at = now() where device_id = $1", device_id)
    await post.work(2)
    assert (await post.ways_of(case_id, "soothe"))[0][2] == "sent"
    await post.db.execute(
        "insert into outbox (key, topic, case_id, addressee, exercise, created_at) values ($1, 'soothe', $2, 'lift', true, now())",
        f"pretended {case_id}", case_id,
    )  # fmt: skip
    await post.work(2)
    assert await post.db.fetchval("select count(*) from device_command where device_id = $1", device_id) == 1


# --- drills ---


async def test_a_drill_lists_who_did_not_confirm(post: Post) -> None:
    """Everybody is asked by a real message that says it is a drill; who confirms is well, who does not is shown as unreachable."""
    await post.db.execute("update firm set phone = null")
    await post.contact("supervisor", "Chief", address="13700000001")
    await post.contact("supervisor", "Deputy", address="13700000002", language="en")
    async with post.db.acquire() as connection, connection.transaction():
        drill_id, asked = await drill.start(connection, post.night.now, by="test", minutes=30)
    assert asked == await post.db.fetchval("select count(*) from outbox where drill_id = $1", drill_id)
    await post.work()
    texts = dict(post.sms())
    assert texts["13700000001"].startswith("【演练】")
    assert texts["13700000002"].startswith("EXERCISE: ")
    token = link_in(texts["13700000001"])
    async with post.night.web.client() as person:
        assert (await person.get(f"/go/{token}")).status_code == 200
        assert (
            await post.db.fetchval("select state from outbox where drill_id = $1 and contact = 'Chief'", drill_id)
            == "open"
        )
        assert (await person.post(f"/go/{token}")).status_code == 200
    await post.work(60)
    await post.work(1_800)
    shown = await post.db.fetch("select contact from unreachable_contact where channel = 'drill'")
    assert "Deputy" in [row["contact"] for row in shown]
    assert "Chief" not in [row["contact"] for row in shown]
    async with post.night.web.client(Role.AUDITOR) as auditor:
        found = post.night.web.check("/api/v1/drills/{drill_id}", await auditor.get(f"/api/v1/drills/{drill_id}"))
        assert {entry["contact"]: entry["confirmed"] for entry in found["contacts"]}["Deputy"] is False
        reach = post.night.web.check("/api/v1/contacts", await auditor.get("/api/v1/contacts?unreachable=true"))
        assert "Deputy" in [entry["contact"] for entry in reach["items"]]
    late = link_in(texts["13700000002"])
    async with post.night.web.client() as person:
        assert (await person.post(f"/go/{late}")).status_code == 200
    shown = await post.db.fetch("select contact from unreachable_contact where channel = 'drill'")
    assert "Deputy" not in [row["contact"] for row in shown]
