"""The arithmetic of shares, rates and delays, against values that are known."""

from __future__ import annotations

import pytest

from simulators.score.figures import Rate, Share, delays_of, exposure_of, quantile


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (0, 0, 0.0, 1.0)],
)
def test_wilson_s_interval(hits: int, of: int, low: float, high: float) -> None:
    """At both ends, in the middle, and of nothing."""
    assert Share(hits, of).interval == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("events", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)])
def test_the_exact_interval_of_a_count(events: int, low: float, high: float) -> None:
    """As in tables of the Poisson distribution."""
    assert Rate(events, 1.0).interval == pytest.approx((low, high), abs=1e-3)


def test_a_rate_without_exposure_says_nothing() -> None:
    """No lifts, no time: no value."""
    assert (Rate(3, 0.0).value, Rate(3, 0.0).interval) == (None, None)


def test_exposure_is_counted_in_ten_thousand_lifts_and_months() -> None:
    """A thousand lifts for a month are a tenth."""
    assert exposure_of(1_000, 30.4375) == pytest.approx(0.1)


def test_quantiles_with_the_interval_of_their_order_statistics() -> None:
    """Of 1 to 100: the median between the 40th and the 61st; p95 has both bounds, of ten values it has no upper one."""
    hundred = list(range(1, 101))
    half = quantile(hundred, 0.5)
    assert half is not None
    assert (half.value, half.low, half.high) == (50, 40, 61)
    few = quantile(list(range(1, 11)), 0.95)
    assert few is not None
    assert (few.value, few.high) == (10, None)
    assert quantile([], 0.5) is None


def test_delays_in_one_document() -> None:
    """Count, half, 95 % and the greatest; nothing of nothing."""
    found = delays_of([20, 30, 10])
    assert found is not None
    assert (found["count"], found["p50"]["ms"], found["max"]["ms"]) == (3, 20, 30)  # type: ignore[index]
    assert delays_of([]) is None
