"""What notifications decide: signatures, addresses that may be reached, pauses, ways and texts. No network, no database."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dispatch.notify import texts
from dispatch.notify.channels import ADDRESS_OF, LEASE_S, LIMITS, LONGEST_PAUSE_S, Channel, pause_s
from dispatch.notify.net import signature
from dispatch.notify.net.guard import forbidden, networks, target_of
from dispatch.notify.net.http import ANSWER_BYTES, Http
from dispatch.notify.plan import DRILL, STEPS, Contact, Endpoint, Preference, Step, Told, plan
from dispatch.notify.sender import SPARE_S
from dispatch.notify.ways.apprise import AppriseWay
from dispatch.notify.ways.console import FILE_BYTES, ConsoleWay
from dispatch.notify.ways.gateway import GatewayWay
from dispatch.notify.ways.mail import MailServer
from dispatch.notify.ways.robots import RobotWay, dingtalk_address, feishu_signature
from dispatch.notify.ways.way import NeverWorks, Outgoing, TryAgain
from dispatch.notify.ways.webhook import WebhookWay
from dispatch.outcome import TimerKind
from hoistway.errors import BadInput
from tests.support.receivers import http_receiver

HERE = networks("127.0.0.0/8", where="test")


def outgoing(**values: Any) -> Outgoing:
    given: dict[str, Any] = {
        "key": "order-unit-order-7-sms-0", "topic": "order", "channel": Channel.SMS, "contact": "Wang", "address": "13800000001",
        "language": "zh", "title": "派单", "text": '请"接单" & 出发', "link": "https://city.example/go/t", "label": "：",
        "exercise": False, "at_s": 1_795_406_400, "document": {"a": "值"}, "secrets": (),
    }  # fmt: skip
    return Outgoing(**{**given, **values})


# --- signatures ---


def by_hand(key: bytes, message_id: str, at_s: int, body: bytes) -> str:
    """A signature reckoned without the code under test."""
    text = message_id.encode() + b"." + str(at_s).encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


@pytest.mark.parametrize("size", [24, 32, 64])
def test_signatures_are_those_of_the_standard(size: int) -> None:
    """`id.timestamp.body`, HMAC-SHA256, base64, `v1,`; both secrets sign while one is changed."""
    key, other, body = bytes(range(size)), bytes(range(1, size + 1)), '{"test": "困人"}'.encode()
    found = signature.headers(
        [signature.secret_of(key), signature.secret_of(other)], message_id="msg_1", at_s=1_674_087_231, body=body
    )
    assert found == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1674087231",
        "webhook-signature": f"{by_hand(key, 'msg_1', 1_674_087_231, body)} {by_hand(other, 'msg_1', 1_674_087_231, body)}",
    }
    for secret in (key, other):
        assert signature.verify([signature.secret_of(secret)], found, body, now_s=1_674_087_231 + 300)


def test_what_is_not_signed_is_not_believed() -> None:
    """Another body, id, time, secret, an old or future stamp, or none at all."""
    key, body = bytes(32), b"{}"
    secret = signature.secret_of(key)
    good = signature.headers([secret], message_id="m", at_s=1_000_000, body=body)
    assert signature.verify([secret], good, body, now_s=1_000_000)
    assert not signature.verify([secret], good, b"{ }", now_s=1_000_000)
    assert not signature.verify([signature.secret_of(bytes(31) + b"x")], good, body, now_s=1_000_000)
    for name, value in (
        ("webhook-id", "n"),
        ("webhook-timestamp", "1000001"),
        ("webhook-signature", "v1,é"),
        ("webhook-timestamp", "x"),
    ):
        assert not signature.verify([secret], {**good, name: value}, body, now_s=1_000_000)
    assert not signature.verify([secret], good, body, now_s=1_000_301)
    assert not signature.verify([secret], good, body, now_s=999_699)
    assert not signature.verify([secret], {}, body, now_s=1_000_000)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!!", "whsec_" + base64.b64encode(bytes(8)).decode(), "secret"])
def test_a_weak_or_broken_secret_is_refused_and_not_repeated(text: str) -> None:
    """The error says what is expected."""
    with pytest.raises(BadInput) as caught:
        signature.key_of(text)
    assert "24 to 64 bytes" in str(caught.value)


# --- where a webhook may go ---


@pytest.mark.parametrize(
    "url",
    [
        "http://firm.example/x", "ftp://firm.example/", "https://", "//firm.example", "firm.example", "https://user:pw@firm.example/",
        "https://user@firm.example/", "https://localhost/", "https://printer.local/", "https://db.internal/", "https://LOCALHOST./",
        "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:a9fe:a9fe]/", "https://10.0.0.8/",
        "https://192.168.1.1/", "https://172.16.0.1/", "https://169.254.169.254/latest/meta-data", "https://100.100.100.200/",
        "https://0.0.0.0/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/", "https://0x7f.1/",
        "https://[fe80::1]/", "https://[fd00::1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[2001:0:1::1]/",
        "https://224.0.0.1/", "https://255.255.255.255/", "https://firm.example:22/", "https://firm.example:0/",
        "https://firm.example:99999/", "https://firm.example/a b", "https://firm.example/\r\nX: y", "https://fïrm.example/",
        "https://firm.example/" + "x" * 1_000,
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    """Not https, not public, a number for a host, a user, a low port, characters of another protocol. The error repeats nothing."""
    with pytest.raises(BadInput) as caught:
        target_of(url)
    assert url not in str(caught.value) or len(url) < 12


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://firm.example", "firm.example", 443, "/"),
        ("https://firm.example:8443/a?b=c&d", "firm.example", 8443, "/a?b=c&d"),
        ("https://93.184.216.34/x", "93.184.216.34", 443, "/x"),
        ("https://[2606:4700::1111]/x", "2606:4700::1111", 443, "/x"),
    ],
)
def test_addresses_that_may_be_reached(url: str, host: str, port: int, path: str) -> None:
    """Public names and addresses, with their path and query."""
    found = target_of(url)
    assert (found.host, found.port, found.path) == (host, port, path)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("8.8.8.8", False), ("2606:4700::1111", False), ("::ffff:8.8.8.8", False), ("2002:808:808::1", False), ("127.0.0.1", True),
        ("10.1.2.3", True), ("100.64.0.1", True), ("169.254.1.1", True), ("::1", True), ("::", True), ("::ffff:10.1.2.3", True),
        ("::ffff:169.254.169.254", True), ("::10.1.2.3", True), ("64:ff9b::10.1.2.3", True), ("2002:a01:203::1", True), ("fe80::1", True),
        ("fc00::1", True), ("fec0::1", True), ("ff02::1", True), ("2001::1", True), ("0.0.0.0", True), ("240.0.0.1", True), ("224.0.0.1", True),
        ("192.0.2.1", True), ("2001:db8::1", True),
    ],
)  # fmt: skip
def test_resolved_addresses(text: str, refused: bool) -> None:
    """Also when an IPv6 address only stands for a private IPv4 one."""
    assert forbidden(ipaddress.ip_address(text)) is refused


def test_a_city_may_open_its_own_network() -> None:
    """What the setting names may be reached, by plain http too, and nothing beside it."""
    allowed = networks("10.20.0.0/16, 127.0.0.0/8", where="HOISTWAY_WEBHOOK_NETWORKS")
    assert target_of("http://10.20.3.4:8080/x", allowed=allowed).port == 8080
    assert not forbidden(ipaddress.ip_address("::ffff:10.20.3.4"), allowed=allowed)
    for url in ("http://10.21.0.1/", "https://10.21.0.1/", "http://firm.example/"):
        with pytest.raises(BadInput):
            target_of(url, allowed=allowed)
    with pytest.raises(BadInput, match="HOISTWAY_WEBHOOK_NETWORKS"):
        networks("10.20.0.0/99", where="HOISTWAY_WEBHOOK_NETWORKS")


async def test_a_name_that_is_bound_anew_reaches_nothing() -> None:
    """The name was public when it was judged and is private now: each attempt resolves once, judges that, and connects to it."""
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34", "127.0.0.1"] if len(asked) == 1 else ["127.0.0.1"]

    async with http_receiver() as net:
        port = urlsplit(net.url).port
        http = Http(resolve=rebinding)
        for _ in range(2):
            with pytest.raises(NeverWorks, match=r"127\.0\.0\.1"):
                await WebhookWay(http).send(
                    outgoing(address=f"https://rebind.example:{port}/", secrets=(signature.secret_of(bytes(32)),))
                )
        assert (asked, net.connections) == (["rebind.example"] * 2, 0)


async def test_what_was_judged_is_what_is_connected_to() -> None:
    """The resolver is asked once; a second answer would be a private address."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])

    async def once(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    async with http_receiver() as net:
        http = Http(allowed=HERE, resolve=once)
        port = urlsplit(net.url).port
        with pytest.raises(BadInput, match="not https"):
            await http.post(f"http://name.example:{port}/", b"{}", {}, timeout_s=5)
        answer = await http.post(f"http://127.0.0.1:{port}/x?y", b"{}", {"X": "1"}, timeout_s=5)
        assert (answer.status, net.got[0].path, net.got[0].headers["host"]) == (204, "/x?y", f"127.0.0.1:{port}")
        with pytest.raises(BadInput):
            await http.post(f"http://127.0.0.1:{port}/x", b"{}", {}, timeout_s=5)


async def test_a_large_endless_or_broken_answer_harms_nobody() -> None:
    """So much is read and no more; what is not HTTP, hangs up or says nothing is a failed attempt."""
    async with http_receiver() as net:
        http = Http(allowed=HERE)
        net.answer = lambda _: (200, b"x" * (ANSWER_BYTES + 1_000))
        assert len((await http.post(net.url, b"{}", {}, timeout_s=5)).body) == ANSWER_BYTES
        net.answer = lambda _: 0
        with pytest.raises(OSError, match="not HTTP"):
            await http.post(net.url, b"{}", {}, timeout_s=5)
        net.answer = lambda _: -1
        with pytest.raises(TimeoutError):
            await http.post(net.url, b"{}", {}, timeout_s=0.05)
        with pytest.raises(BadInput, match="header"):
            await http.post(net.url, b"{}", {"X": "a\r\nY: b"}, timeout_s=5)


# --- limits ---


def test_pauses_grow_with_jitter_up_to_an_end() -> None:
    """Doubled each time, between half and all of it, never longer than the longest."""
    assert [pause_s(n, 1.0) for n in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert [pause_s(n, 0.0) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert pause_s(10_000, 1.0) == LONGEST_PAUSE_S


def test_every_channel_has_limits_and_no_attempt_outlasts_its_claim() -> None:
    """Else a second process would begin while the first still sends."""
    assert set(LIMITS) == set(Channel)
    for limits in LIMITS.values():
        assert 1 <= limits.each <= limits.slots
        assert limits.timeout_s + SPARE_S < LEASE_S


# --- ways ---

WANG = Contact(name="Wang", rank=1, language="zh", exercise=False, addresses={"phone": ("1", None), "mail": ("w@x", 4)})
LI = Contact(name="Li", rank=2, language="en", exercise=False, addresses={"phone": ("2", None)})
GROUP = Contact(name="Group", rank=1, language="zh", exercise=False, addresses={"dingtalk": ("https://r", 5)})
WISHES = [
    Preference(channel=Channel(name), receipt_s=s)
    for name, s in (("dingtalk", 0), ("sms", 45), ("voice", 45), ("mail", 0))
]


def planned(
    told: Told, *contacts: Contact, endpoints: Sequence[Endpoint] = (), without: Sequence[Channel] = ()
) -> tuple[Step, ...]:
    return plan(
        told,
        contacts=contacts,
        preferences=WISHES,
        endpoints=endpoints,
        available=frozenset(Channel) - frozenset(without),
    )


def told(topic: str = "order", *, exercise: bool = False, **values: Any) -> Told:
    return Told(outbox_id=1, topic=topic, addressee=values.pop("addressee", "unit"), exercise=exercise, **values)


def brief(steps: Sequence[Step]) -> list[tuple[int | None, str, str]]:
    return [(step.step, step.channel.value, step.contact) for step in steps]


def test_contacts_by_rank_and_channels_by_preference() -> None:
    """The first contact by every channel, then the second; what is not set up is passed over."""
    assert brief(planned(told(), LI, WANG, without=[Channel.VOICE])) == [
        (0, "sms", "Wang"),
        (1, "mail", "Wang"),
        (2, "sms", "Li"),
    ]
    assert brief(planned(told(), GROUP, LI))[:2] == [(0, "dingtalk", "Group"), (1, "sms", "Li")]
    assert planned(told(), without=[]) == ()
    many = [Contact(name=f"c{n}", rank=n, language="zh", exercise=False, addresses=WANG.addresses) for n in range(20)]
    assert len(planned(told(), *many)) == STEPS


def test_webhooks_go_beside_people_or_instead_of_them() -> None:
    """Beside a person they have no turn; alone they are what counts. Topics and exercises are kept apart."""
    hooks = [
        Endpoint(endpoint_id=1, topics=(), exercise=False),
        Endpoint(endpoint_id=2, topics=("trapped",), exercise=False),
        Endpoint(endpoint_id=3, topics=(), exercise=True),
    ]
    assert brief(planned(told(), LI, endpoints=hooks))[-1] == (None, "webhook", "webhook 1")
    assert brief(planned(told(), endpoints=hooks)) == [(0, "webhook", "webhook 1")]
    exercise = planned(told(exercise=True), LI, endpoints=hooks)
    assert [(step.channel, step.to_exercise) for step in exercise] == [(Channel.CONSOLE, True), (Channel.WEBHOOK, True)]
    assert planned(told("drill", exercise=True), endpoints=hooks) == ()


def test_an_exercise_ends_in_a_file_and_a_drill_does_not() -> None:
    """Whatever addresses there are. A drill asks the one contact that it names; one of a pretended unit has the file."""
    (only,) = planned(told(exercise=True), WANG, LI)
    assert (only.channel, only.address, only.to_exercise) == (Channel.CONSOLE, "", True)
    assert brief(planned(told(exercise=True))) == [(0, "console", "unit")]
    drill = planned(told(DRILL, exercise=True, contact="Li"), WANG, LI)
    assert {(step.contact, step.to_exercise) for step in drill} == {("Li", False)}
    pretended = Contact(name="Li", rank=1, language="zh", exercise=True, addresses=LI.addresses)
    assert brief(planned(told(DRILL, exercise=True, contact="Li"), pretended)) == [(0, "console", "Li")]
    assert planned(told(), pretended) == ()


def test_the_car_is_soothed_by_its_own_terminals_together() -> None:
    """All of them; none of a real lift in an exercise, none while no ingest could publish it."""
    asked = told("soothe", addressee="lift", devices=("a", "b"))
    assert brief(planned(asked)) == [(0, "device", "a"), (0, "device", "b")]
    assert planned(told("soothe", addressee="lift", devices=("a",), exercise=True)) == ()
    assert len(planned(told("soothe", addressee="lift", devices=("a",), exercise=True, lift_is_exercise=True))) == 1
    assert planned(asked, without=[Channel.DEVICE]) == ()


# --- texts ---

LONG = texts.Facts(
    topic="order", place="余杭区未来科技城海创园小区第十二号楼第三单元 东侧二号客梯", code="901234", time="03:07", level="2", order="1234567",
    case="7654321", number="T-20261125-0001", who="杭州某某电梯工程有限公司 值班班组", joined=9_999, exercise=True,
)  # fmt: skip
URL = "https://96333.hangzhou.example.gov.cn/go/AbCdEfGhIjKlMnOpQrStUv"


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("topic", [*sorted(texts.topics()), "something new"])
def test_every_text_fits_an_sms_with_its_link(topic: str, language: str) -> None:
    """With the longest place, numbers, the mark of an exercise and a link; nothing is left to fill in."""
    facts = texts.Facts(**{**{field.name: getattr(LONG, field.name) for field in fields(LONG)}, "topic": topic})
    label = texts.label(language, accepts=topic == "order")
    text = texts.text(facts, language, room=len(label) + len(URL))
    assert len(text) + len(label) + len(URL) <= texts.SMS_CHARS[language], text
    assert "{" not in text + texts.title(facts, language)
    assert text.startswith(texts.messages(language)["exercise"])
    short = texts.Facts(topic=topic, place="3 号梯", code="901234", time="03:07")
    assert "…" not in texts.text(short, language)


def test_both_languages_say_everything() -> None:
    """The same keys, the same facts; a title and a text for each topic; what dispatch tells the supervisor has a text of its own."""
    zh, en = texts.messages("zh"), texts.messages("en")
    assert set(zh) == set(en)
    for key, text in zh.items():
        assert sorted(set(re.findall(r"\{[a-z_]+\}", text))) == sorted(set(re.findall(r"\{[a-z_]+\}", en[key]))), key
    assert {f"{topic}.title" for topic in texts.topics()} <= set(zh)
    said = {
        "order",
        "stand-down",
        "trapped",
        "no-unit-1",
        "no-unit-2",
        "level-3",
        "nobody-at-the-desk",
        "order-lost",
        "unreachable",
        DRILL,
    }
    said |= {
        f"not-{kind.removeprefix('call-')}" if kind != "call-119" else "119-not-called"
        for kind in ("set-out", "call-119")
    }
    assert said | {"not-accepted", "not-arrived", "not-released", "other"} <= texts.topics()
    assert TimerKind.CALL_119 == "call-119"
    assert not re.search("[\u3400-\u9fff][,:;(]|[,:;][\u3400-\u9fff]", json.dumps(zh, ensure_ascii=False))


# --- forms of others ---


async def test_a_gateway_s_templates_are_filled_each_in_its_own_way() -> None:
    """JSON by value, whatever the text holds; a form and an address percent-encoded; the key goes along."""
    async with http_receiver() as net:
        http = Http(allowed=HERE)
        way = GatewayWay(
            Channel.SMS, url=f"{net.url}/send?to={{phone}}", headers='{"Authorization": "Bearer k"}',
            body='{"msg": {"text": "{text}", "n": 1}, "to": ["{phone}"], "id": "{key}"}', http=http,
        )  # fmt: skip
        await way.send(outgoing())
        assert net.got[0].json == {
            "msg": {"text": '请"接单" & 出发：https://city.example/go/t', "n": 1}, "to": ["13800000001"], "id": "order-unit-order-7-sms-0",
        }  # fmt: skip
        assert net.got[0].path == "/send?to=13800000001"
        assert net.got[0].headers["authorization"] == "Bearer k"
        assert net.got[0].headers["idempotency-key"] == "order-unit-order-7-sms-0"
        form = GatewayWay(Channel.VOICE, url=net.url, headers="", body="to={phone}&say={text}", http=http)
        await form.send(outgoing(channel=Channel.VOICE, address="+86 1&to=9"))
        assert parse_qs(net.got[1].body.decode()) == {"to": ["+86 1&to=9"], "say": ['请"接单" & 出发']}
        for status, kind in ((500, TryAgain), (429, TryAgain), (400, NeverWorks), (302, TryAgain)):
            net.answer = lambda _, status=status: status  # type: ignore[misc]
            with pytest.raises(kind, match=str(status)):
                await way.send(outgoing())
    for template in ({"body": "to={number}"}, {"headers": "[]"}, {"headers": '{"a": 1}'}, {"body": "{broken"}):
        with pytest.raises(BadInput, match="HOISTWAY_SMS"):
            GatewayWay(Channel.SMS, **{"url": "http://x/", "headers": "", "body": "", "http": http, **template})


async def test_robots_have_their_makers_forms() -> None:
    """DingTalk signs in the address, Feishu in the body, WeCom not at all; a code in a 200 counts."""
    at_ms, secret = 1_795_406_400_000, "SECabc"
    signed = base64.b64encode(
        hmac.new(secret.encode(), f"{at_ms}\n{secret}".encode(), hashlib.sha256).digest()
    ).decode()
    query = parse_qs(urlsplit(dingtalk_address("https://o.example/send?access_token=t", secret, at_ms=at_ms)).query)
    assert query == {"access_token": ["t"], "timestamp": [str(at_ms)], "sign": [signed]}
    key = f"1795406400\n{secret}".encode()
    assert feishu_signature(secret, at_s=1_795_406_400) == {
        "timestamp": "1795406400", "sign": base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest()).decode(),
    }  # fmt: skip
    async with http_receiver() as net:
        http = Http(allowed=HERE)
        net.answer = lambda _: (200, b'{"code": 0, "errcode": 0}')
        for channel in (Channel.DINGTALK, Channel.WECOM, Channel.FEISHU):
            sent = await RobotWay(channel, http).send(
                outgoing(channel=channel, address=f"{net.url}/r?k=1", link="", secrets=(secret,))
            )
            assert not sent.receipt
        dingtalk, wecom, feishu = net.got
        assert dingtalk.json == wecom.json == {"msgtype": "text", "text": {"content": '请"接单" & 出发'}}
        assert "&sign=" in dingtalk.path
        assert wecom.path == "/r?k=1"
        assert set(feishu.json) == {"timestamp", "sign", "msg_type", "content"}
        for body, kind in ((b'{"errcode": 130101}', TryAgain), (b'{"code": 19021}', NeverWorks), (b"<html>", TryAgain)):
            net.answer = lambda _, body=body: (200, body)  # type: ignore[misc]
            with pytest.raises(kind):
                await RobotWay(Channel.FEISHU, http).send(outgoing(address=net.url))


def test_the_mail_server_s_address() -> None:
    """Parts and defaults; what cannot be used is refused without its password."""
    found = MailServer.parse("smtps://u%40x:p%2Fw@mail.example?from=alarm@city.example")
    assert (found.host, found.port, found.user, found.password, found.implicit_tls) == (
        "mail.example",
        465,
        "u@x",
        "p/w",
        True,
    )
    assert MailServer.parse("smtp://mail.example?from=a@b").start_tls
    for url in (
        "smtp://mail.example",
        "http://mail.example?from=a@b",
        "smtp://mail.example?from=a@b&tls=maybe",
        "smtp://:s3cret@h:x?from=a@b",
    ):
        with pytest.raises(BadInput) as caught:
            MailServer.parse(url)
        assert "s3cret" not in str(caught.value)


def test_every_channel_of_people_knows_its_kind_of_address() -> None:
    """Else a preference would never find one."""
    assert set(ADDRESS_OF) == set(Channel) - {Channel.WEBHOOK, Channel.DEVICE, Channel.CONSOLE}


async def test_the_file_takes_an_exercise_for_received_and_asks_a_drill_for_a_person_s_word(tmp_path: Path) -> None:
    """One line a message, with its link; a long file is put aside."""
    file = tmp_path / "state" / "notifications.jsonl"
    way = ConsoleWay(file, receipt=True)
    assert (await way.send(outgoing(exercise=True))).receipt
    assert not (await way.send(outgoing(topic=DRILL, exercise=True))).receipt
    assert not (await ConsoleWay(file, receipt=False).send(outgoing())).receipt
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [line["topic"] for line in lines] == ["order", DRILL, "order"]
    assert lines[0]["text"].endswith("https://city.example/go/t")
    with file.open("r+b") as opened:
        opened.truncate(FILE_BYTES + 1)
    await way.send(outgoing())
    assert len(file.read_text("utf-8").splitlines()) == 1
    assert file.with_suffix(".jsonl.1").stat().st_size == FILE_BYTES + 1


async def test_apprise_is_asked_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Title and text to one address; an address it does not know is never tried again, one that fails is."""
    told: list[tuple[str, str]] = []

    class Speaker:
        def add(self, address: str) -> bool:
            return address != "nonsense://"

        def notify(self, *, title: str, body: str) -> bool:
            told.append((title, body))
            return len(told) > 1

    monkeypatch.setitem(sys.modules, "apprise", SimpleNamespace(Apprise=Speaker))
    way = AppriseWay()
    with pytest.raises(NeverWorks):
        await way.send(outgoing(address="nonsense://"))
    with pytest.raises(TryAgain):
        await way.send(outgoing(address="slack://x"))
    assert (await way.send(outgoing(address="slack://x", link=""))).said == "apprise"
    assert told[-1] == ("派单", '请"接单" & 出发')
