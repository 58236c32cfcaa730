"""The fleet in columns and the single car obey the same physics."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.columns.chance import Chance, keys_of, normal
from simulators.columns.runs import profiles, state_at
from simulators.life.motion import Limits, Travel

speeds = st.sampled_from([0.25, 0.63, 1.0, 1.75, 2.5, 4.0, 7.0])


@settings(max_examples=60, deadline=None)
@given(speeds, st.floats(0.02, 200.0), st.sampled_from([0.3, 0.7, 1.0]), st.sampled_from([0.6, 1.4]))
def test_a_run_in_columns_is_the_run_of_a_single_car(speed, distance, acceleration, jerk):
    """Position, speed and length of the run agree to a tenth of a millimetre all the way."""
    limits = Limits(speed_m_s=speed, acceleration_m_s2=acceleration, jerk_m_s3=jerk)
    travel = Travel.between(start_ms=0, origin_m=0.0, target_m=distance, limits=limits)
    one = tuple(np.array([value]) for value in (distance, speed, acceleration, jerk))
    run = profiles(*one)
    assert abs(run.total_s[0] * 1_000 - travel.end_ms) <= 1
    instants = np.linspace(0, travel.end_ms - 1, 40).astype(int)
    for ms in instants.tolist():
        way, now = state_at(run, one[3], np.array([ms / 1_000]))
        position, real = travel.at(ms)
        assert abs(way[0] - position) < 1e-4
        assert abs(now[0] - abs(real)) < 1e-4


def test_chance_of_one_machine_does_not_depend_on_the_others():
    """The same name and seed give the same numbers in a fleet of two and of a hundred, whatever the others draw."""
    small, large = (Chance(keys_of([f"L{n}" for n in range(size)], "x", 7)) for size in (2, 100))
    large.uniform(np.arange(50, 100))
    slots = np.arange(2)
    assert [small.uniform(slots).tolist() for _ in range(3)] == [large.uniform(slots).tolist() for _ in range(3)]
    assert keys_of(["a"], "x", 7)[0] != keys_of(["a"], "x", 8)[0]


def test_chance_is_even_and_the_bell_is_a_bell():
    """Means and deviations of 100,000 numbers are where they should be."""
    chance = Chance(keys_of([str(n) for n in range(100_000)], "x", 1))
    slots = np.arange(100_000)
    even, bell = chance.uniform(slots), normal(keys_of([str(n) for n in range(100_000)], "y", 1), np.uint64(3))
    assert abs(even.mean() - 0.5) < 0.005
    assert abs(chance.exponential(slots).mean() - 1) < 0.02
    assert abs(bell.mean()) < 0.02
    assert abs(bell.std() - 1) < 0.02
    assert abs(bell).max() < 3.5
