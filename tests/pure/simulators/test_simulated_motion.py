"""A car's runs obey the drive's limits."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from hoistway.model import DoorStatus
from simulators.life.demand import USES, Building, journey
from simulators.life.motion import Limits, Travel
from simulators.life.physics import UNLOCKING_ZONE_M, Lift, Person

speeds = st.sampled_from([0.4, 0.63, 1.0, 1.75, 2.5, 4.0, 7.0])
distances = st.floats(0.05, 200.0)


@given(speeds, distances, st.booleans(), st.floats(0.3, 1.5), st.floats(0.5, 2.0))
def test_a_run_never_exceeds_the_limits_and_ends_where_it_should(speed, distance, upward, acceleration, jerk):
    """Speed and acceleration stay within the drive's limits, position is continuous, and the car comes to rest at the target."""
    limits = Limits(speed_m_s=speed, acceleration_m_s2=acceleration, jerk_m_s3=jerk)
    sign = 1 if upward else -1
    travel = Travel.between(start_ms=1_000, origin_m=0.0, target_m=sign * distance, limits=limits)
    step = max(1, (travel.end_ms - 1_000) // 400)
    before = travel.at(1_000)
    for ms in range(1_000 + step, travel.end_ms + step, step):
        position, now = travel.at(ms)
        seconds = step / 1000
        assert abs(now) <= speed + 1e-6
        assert abs(position - before[0]) <= speed * seconds + 1e-3
        assert abs(now - before[1]) <= acceleration * seconds + 0.02
        assert (position - before[0]) * sign >= -1e-6
        before = (position, now)
    last, speed_at_end = travel.at(travel.end_ms - 1)
    assert abs(last - sign * distance) < 0.005
    assert abs(speed_at_end) < 0.02
    assert travel.at(travel.end_ms) == (sign * distance, 0.0)


@given(speeds, st.floats(2.5, 100.0), st.floats(0.2, 0.8))
def test_the_brake_stops_the_car_where_it_was_meant_to(speed, distance, share):
    """Braking at the computed instant rests the car at the wanted place, within a few millimetres."""
    travel = Travel.between(start_ms=0, origin_m=0.0, target_m=distance, limits=Limits(speed_m_s=speed))
    wanted = distance * share
    at = travel.brake_to_rest_at(wanted)
    position, now = travel.at(at)
    rest = Travel.braking(start_ms=at, position_m=position, speed_m_s=now)
    assert abs(rest.target_m - wanted) < 0.02
    assert rest.at(rest.start_ms) == (position, now)


def make_lift(seed: int, *, floors: int = 12, speed: float = 1.75, building: Building = Building.OFFICES) -> Lift:
    rng = random.Random(seed)
    height = USES[building].floor_height_m
    return Lift(
        levels_m=[index * height for index in range(floors)],
        labels=[str(index + 1) for index in range(floors)],
        rated=Limits(speed_m_s=speed),
        capacity=8,
        use=USES[building],
        journey=lambda ms: journey(building, ms, floors, 0, rng),
        rng=rng,
        start_ms=0,
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 40), speeds, st.sampled_from(list(Building)))
def test_a_working_lift_is_sane_at_every_event(seed, floors, speed, building):
    """In normal service doors are open only in the unlocking zone at rest, speed never exceeds the rated one, position never jumps."""
    lift = make_lift(seed, floors=floors, speed=speed, building=building)
    position, now = lift.position_m, 0
    while now < 3_600_000:
        upto = min(lift.next_at(), now + 700)
        lift.advance(upto)
        assert abs(lift.speed_m_s) <= speed + 1e-6
        assert abs(lift.position_m - position) <= speed * (upto - now) / 1000 + 0.006
        if lift.door is not DoorStatus.CLOSED:
            assert not lift.moving
            assert lift.in_zone
        assert 0 <= lift.people <= lift.capacity
        assert not lift.dead
        position, now = lift.position_m, upto


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_everybody_arrives(seed):
    """Whoever calls a lift is out of it again within a quarter of an hour once nobody new comes."""
    lift = make_lift(seed)
    lift.advance(600_000)
    lift.alone = True
    rng = random.Random(seed)
    for _ in range(10):
        origin, target = rng.sample(range(12), 2)
        lift.call(Person(origin=origin, target=target))
    lift.advance(600_000 + 15 * 60_000)
    assert lift.idle
    assert lift.door is DoorStatus.CLOSED


def test_a_call_on_the_way_is_picked_up():
    """A car that passes a waiting person going its way stops for that person first."""
    lift = make_lift(3, floors=20)
    lift.alone = True
    lift.advance(1)
    start = lift.floor
    lift.call(Person(origin=start, target=19 if start < 19 else 0))
    while not lift.moving:
        lift.advance(lift.now + 100)
    lift.advance(lift.now + 1_500)
    way = 1 if start < 19 else -1
    lift.call(Person(origin=start + 6 * way, target=start + 8 * way))
    while lift.moving:
        lift.advance(lift.now + 100)
    assert lift.floor == start + 6 * way
    assert abs(lift.position_m - lift.levels_m[lift.floor]) < UNLOCKING_ZONE_M
