"""What an answer means, how a token is fetched, and which addresses may be told of people in need."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dispatch.citylink.answers import BACKOFF_MOST_S, Verdict, answer_of, wait_s
from dispatch.citylink.form import shipped_form
from dispatch.citylink.platform import Platform, check_address
from dispatch.citylink.queue import Link
from hoistway.errors import BadInput

FORM, SECRET = shipped_form("shanghai"), "s3cret\n"
OAUTH = Link(
    form="shanghai", address="https://city.example/records", supplier="SH07", token_address="https://city.example/token",
    client="we & co", rests_until=None, failures=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "verdict", "text"),
    [
        (200, b"", Verdict.ACCEPTED, ""),
        (201, b"ok", Verdict.ACCEPTED, "ok"),
        (200, b'{"code": 0}', Verdict.ACCEPTED, '{"code": 0}'),
        (200, b'{"code": "200"}', Verdict.ACCEPTED, '{"code": "200"}'),
        (200, '{"code": 17, "message": "无此电梯"}'.encode(), Verdict.REFUSED, "无此电梯"),
        (200, b'{"code": 17}', Verdict.REFUSED, '{"code": 17}'),
        (409, b"known", Verdict.ACCEPTED, "known"),
        (400, b'{"message": "occurTime"}', Verdict.REFUSED, "occurTime"),
        (422, b"", Verdict.REFUSED, "HTTP 422"),
        (422, b"\xff\x00", Verdict.REFUSED, "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (302, b"", Verdict.AWAY, "HTTP 302"),
        (401, b"", Verdict.AWAY, "HTTP 401"),
        (404, b"", Verdict.AWAY, "HTTP 404"),
        (429, b"slow", Verdict.AWAY, "slow"),
        (500, b"", Verdict.AGAIN, "HTTP 500"),
        (503, b"busy", Verdict.AGAIN, "busy"),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, verdict: Verdict, text: str) -> None:
    """A refusal is of the record; a wrong key or address is of the link; a stumble is tried again."""
    found = answer_of(FORM, status, body)
    assert (found.verdict, found.text, found.status) == (verdict, text, status)


def test_the_pause_doubles_up_to_five_minutes() -> None:
    """And never more, however long the platform is away."""
    assert [wait_s(number) for number in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert wait_s(9) == 256
    assert {wait_s(10), wait_s(10_000)} == {BACKOFF_MOST_S}


@dataclass
class Web:
    """Answers in their order, and what was asked."""

    answers: list[tuple[int, bytes] | OSError]
    asked: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    def post(self, address: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append((address, body, headers))
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


def token(number: int, expires_in: int = 3_600) -> tuple[int, bytes]:
    return 200, json.dumps({"access_token": f"t{number}", "expires_in": expires_in}).encode()


def platform(
    web: Web, tmp_path: Path, *, link: Link = OAUTH, secret: str | None = SECRET, now: list[float] | None = None
) -> Platform:
    if secret is not None:
        (tmp_path / "shanghai").write_text(secret, "utf-8")
    at = now or [0.0]
    return Platform(link, FORM, tmp_path, post=web.post, clock=lambda: at[0])


def test_a_token_is_fetched_once_and_again_before_it_ends(tmp_path: Path) -> None:
    """With the client's name and secret as RFC 6749 wants them; half a minute before its end the next one is fetched."""
    web, now = Web([token(1, 100), (200, b""), (200, b""), token(2, 100), (200, b"")]), [0.0]
    there = platform(web, tmp_path, now=now)
    assert [there.send(b"{}").verdict for _ in range(2)] == [Verdict.ACCEPTED] * 2
    now[0] = 71.0
    assert there.send(b"{}").verdict is Verdict.ACCEPTED
    shown = [headers["Authorization"] for _, _, headers in web.asked]
    assert shown == [
        "Basic d2UrJTI2K2NvOnMzY3JldA==",
        "Bearer t1",
        "Bearer t1",
        "Basic d2UrJTI2K2NvOnMzY3JldA==",
        "Bearer t2",
    ]
    assert web.asked[0][1] == b"grant_type=client_credentials"


def test_a_token_that_is_not_taken_is_fetched_anew_once(tmp_path: Path) -> None:
    """Then the link rests: it is not the record's fault."""
    web = Web([token(1), (401, b""), token(2), (200, b"")])
    assert platform(web, tmp_path).send(b"{}").verdict is Verdict.ACCEPTED
    web = Web([token(1), (401, b""), token(2), (401, b"")])
    assert platform(web, tmp_path).send(b"{}").verdict is Verdict.AWAY


@pytest.mark.parametrize(
    ("answers", "secret", "said"),
    [
        ([OSError("refused")], "s", "OSError: refused"),
        ([(500, b"")], "s", "HTTP 500 without a token"),
        ([(200, b"[]")], "s", "HTTP 200 without a token"),
        ([(200, b'{"access_token": "a\\nb"}')], "s", "HTTP 200 without a token"),
        ([], None, "expected a file shanghai in HOISTWAY_CITY_LINK_SECRETS"),
        ([], "\n", "expected a file shanghai in HOISTWAY_CITY_LINK_SECRETS"),
        ([], "a\nb", "odd characters"),
        ([token(1), TimeoutError("timed out")], "s", "TimeoutError: timed out"),
    ],
)
def test_what_keeps_us_from_sending_is_said(
    answers: list[tuple[int, bytes] | OSError], secret: str | None, said: str, tmp_path: Path
) -> None:
    """And the secret is never in it."""
    found = platform(Web(answers), tmp_path, secret=secret).send(b"{}")
    assert (found.verdict, found.status) == (Verdict.AWAY, None)
    assert said in found.text


def test_without_a_token_address_the_secret_is_the_token(tmp_path: Path) -> None:
    """And without a secret nothing is shown."""
    link = Link(
        form="shanghai",
        address="https://city.example",
        supplier="A",
        token_address=None,
        client=None,
        rests_until=None,
        failures=0,
    )
    web = Web([(200, b""), (200, b"")])
    assert platform(web, tmp_path, link=link).send(b"{}").verdict is Verdict.ACCEPTED
    (tmp_path / "shanghai").unlink()
    assert platform(web, tmp_path, link=link, secret=None).send(b"{}").verdict is Verdict.ACCEPTED
    assert [headers.get("Authorization") for _, _, headers in web.asked] == ["Bearer s3cret", None]


@pytest.mark.parametrize(
    "address", ["https://city.example/records", "http://127.0.0.1:8000/x", "http://localhost/x", "http://[::1]/x"]
)
def test_good_addresses(address: str) -> None:
    """https, or this machine."""
    assert check_address(address, "--address") == address


@pytest.mark.parametrize(
    "address",
    [
        "http://city.example",
        "ftp://city.example",
        "https:///records",
        "city.example",
        "https://a:b@city.example",
        "https://c/ x",
        "https://c:x/",
    ],
)
def test_bad_addresses_are_refused_and_not_repeated(address: str) -> None:
    """An address may hold a key."""
    with pytest.raises(BadInput) as caught:
        check_address(address, "--address")
    assert address not in str(caught.value)
