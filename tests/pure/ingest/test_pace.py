"""Batches are as large as the machine is quick."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hoistway.limits import BATCH_BYTES, BATCH_LEAST_BYTES, BATCH_WORK_S
from ingest.pace import Pace


def settle(bytes_s: float, pace: Pace, batches: int = 40) -> Pace:
    """Full batches on a machine that does so many bytes a second."""
    for _ in range(batches):
        pace.done(pace.bytes_, pace.bytes_ / bytes_s)
    return pace


@given(st.floats(1e3, 1e10), st.floats(1e3, 1e10))
def test_a_batch_takes_about_its_time_after_any_change_of_speed(before: float, after: float) -> None:
    """It comes to what can be done in that time, between the least and the most, from faster and from slower."""
    pace = settle(after, settle(before, Pace()))
    wanted = min(max(after * BATCH_WORK_S, BATCH_LEAST_BYTES), BATCH_BYTES)
    assert 0.95 * wanted - 1 <= pace.bytes_ <= 1.05 * wanted + 1


def test_one_slow_batch_is_enough_to_become_small() -> None:
    """A machine that slows down is not believed to be quick for ten more batches."""
    pace = settle(1e9, Pace())
    pace.done(pace.bytes_, 20.0)
    assert pace.bytes_ < BATCH_BYTES // 30


def test_small_batches_say_nothing_about_large_ones() -> None:
    """A single message takes its time whatever it holds; a half empty batch does not make the next one larger."""
    pace = settle(4e6, Pace())
    before = pace.bytes_
    pace.done(200, 0.1)
    pace.done(before // 3, 0.000_1)
    assert pace.bytes_ == before
