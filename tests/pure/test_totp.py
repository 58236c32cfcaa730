"""One-time codes by time: the examples of RFC 6238, a clock that is off, a code that comes again."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from api.accounts import totp
from api.accounts.factor import Seal
from hoistway.errors import BadInput, OurFault

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("at_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_examples_of_the_standard(at_s: int, code: str) -> None:
    """RFC 6238, appendix B, the last six of the eight digits."""
    assert totp.code_of(SECRET, at_s // totp.STEP_S) == code
    assert totp.step_of(SECRET, code, at_s=at_s, used=0) == at_s // totp.STEP_S


def test_a_clock_may_be_a_step_off_and_no_more() -> None:
    """The code of the step before and after is right, of two steps away it is not."""
    code, step = totp.code_of(SECRET, 1_000), 1_000
    for away, right in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        found = totp.step_of(SECRET, code, at_s=(step + away) * totp.STEP_S, used=0)
        assert (found == step) is right


def test_a_code_is_good_once() -> None:
    """Once a step was used, its code and older ones are worth nothing."""
    at_s = 1_000 * totp.STEP_S
    for step in (999, 1_000):
        assert totp.step_of(SECRET, totp.code_of(SECRET, step), at_s=at_s, used=1_000) is None
    assert totp.step_of(SECRET, totp.code_of(SECRET, 1_001), at_s=at_s, used=1_000) == 1_001


@pytest.mark.parametrize("code", ["", "28708", "2870822", "abcdef", "287082\0", "２８７０８２"])
def test_what_is_no_code(code: str) -> None:
    """Anything but the six digits is wrong, whatever it is made of."""
    assert totp.step_of(SECRET, code, at_s=59, used=0) is None


def test_what_an_app_reads() -> None:
    """Text and link hold the same secret; the link names whom it is for."""
    text, link = totp.text_of(SECRET), urlsplit(totp.link_of(SECRET, person="王 芳", issuer="hoistway"))
    assert base64.b32decode(text.replace(" ", "")) == SECRET
    assert (link.scheme, link.netloc) == ("otpauth", "totp")
    assert parse_qs(link.query)["secret"] == [text.replace(" ", "")]


def test_a_sealed_secret_is_one_person_s() -> None:
    """It opens with the key and the person it was made for, and with nothing else; a short key is refused."""
    seal = Seal.of("a random text of an installation, 1")
    sealed = seal.close(SECRET, 3)
    assert SECRET not in sealed
    assert seal.open(sealed, 3) == SECRET
    assert seal.close(SECRET, 3) != sealed
    for other, person in ((seal, 4), (Seal.of("a random text of an installation, 2"), 3)):
        with pytest.raises(OurFault):
            other.open(sealed, person)
    with pytest.raises(BadInput):
        Seal.of("short")
