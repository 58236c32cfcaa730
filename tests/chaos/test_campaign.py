"""The results of a campaign outlive it: the next one reads them, adds its own and counts them all."""

from __future__ import annotations

from tests.chaos.campaign import COLUMNS, LEG, Leg, legs_of, page, stopped
from tests.chaos.taps import Moment


def leg(seed: int) -> Leg:
    """A clean leg of 25 kills."""
    cells = (seed, "nats", LEG, 9, 8, 8, 12_000, 12_000, "clean", "abc1234", "a machine, 2 cores, 2026-11-25")
    return Leg(cells=tuple(map(str, cells)))


def test_what_is_written_is_read_back() -> None:
    """Every leg comes back as it was, red ones too, and another page of them is the same text."""
    legs = [leg(1), leg(2), stopped("mosquitto", 3, "no acks | within\n60 s")]
    text = page(legs)
    assert legs_of(text) == legs
    assert page(legs_of(text)) == text


def test_only_clean_legs_are_counted() -> None:
    """The cumulative count is of clean legs, and a red one is said beside it."""
    text = page([leg(1), leg(2), stopped("nats", 3, "why")])
    assert (
        "| kills that count, in clean legs | 50 (18 before commit, 16 between commit and ack, 16 after ack) |" in text
    )
    assert "| failures a kill, upper bound at 95 % (3 / kills) | 0.0600 |" in text
    assert "| legs that were not clean | 1 of 3 |" in text


def test_the_columns_name_each_moment() -> None:
    """A new moment of a batch cannot be forgotten in the results."""
    assert {moment.value for moment in Moment} < set(COLUMNS)
