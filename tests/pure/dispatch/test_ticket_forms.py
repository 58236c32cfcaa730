"""What forms say of tickets: parts a line, and refusals as texts that a page has."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from api.console import pages
from api.problems import Problem
from api.tickets.forms import moment_of, parts_of, refusal_of, said_of
from dispatch.tickets.book import NoTicket
from dispatch.tickets.outcome import Part
from hoistway.errors import BadInput, Conflict, IllegalMove


def test_one_part_a_line() -> None:
    """With its count behind an x or a cross, or one; a word that ends in x is no count."""
    text = " light curtain x 2 \n\n光幕x3\n门刀 × 12\nBox 2\nscrew*4\n" + "y" * 300
    assert parts_of(text) == (
        Part(name="light curtain", count=2), Part(name="光幕", count=3), Part(name="门刀", count=12), Part(name="Box 2"),
        Part(name="screw", count=4), Part(name="y" * 300),
    )  # fmt: skip
    with pytest.raises(BadInput, match="51 lines"):
        parts_of("a\n" * 51)


def test_empty_fields_say_nothing() -> None:
    """A cause that is no number is not taken for none."""
    assert said_of({"reason": "  ", "cause": ""}).facts() == {}
    assert said_of({"cause": "door"}).cause == 0
    assert said_of({"cause": " 305 "}).cause == 305


def test_times_are_the_citys() -> None:
    """A field without a zone is read in the city's; an empty one is none; another word is refused."""
    zone = ZoneInfo("Asia/Shanghai")
    assert moment_of({"until": "2026-11-23T14:00"}, "until", zone) == datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert moment_of({}, "until", zone) is None
    with pytest.raises(BadInput):
        moment_of({"until": "soon"}, "until", zone)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NoTicket("ticket 1"), 404),
        (Conflict("ticket 1", current=2), 412),
        (IllegalMove(machine="ticket", state="done", move="start", allowed=()), 409),
        (BadInput("x", where="parts.3", expected="y"), 422),
        (BadInput("x", where="nowhere", expected="y"), 422),
        (Problem(403, "no"), 403),
    ],
)
def test_every_refusal_has_its_words(error: Exception, status: int) -> None:
    """In both languages."""
    found, said = refusal_of(error)
    assert found == status
    assert all(said["key"] in pages.messages(language) for language in pages.LANGUAGES)
