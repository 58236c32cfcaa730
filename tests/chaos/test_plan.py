"""The plan follows from its seed alone and leaves nothing out."""

from __future__ import annotations

from tests.chaos.plan import BRIEF_S, KILLS, LONG_S, TROUBLES, Kill, Trapped, Trouble, plan
from tests.chaos.taps import Moment


def test_the_seed_alone_gives_the_plan() -> None:
    """The same seed gives the same plan, word for word; another seed gives another."""
    said = [list(map(str, plan(seed, kills=25, lifts=20))) for seed in (7, 7, 8)]
    assert said[0] == said[1] != said[2]


def test_every_part_dies_and_every_moment_comes() -> None:
    """One deck of kills ends every part alone, in pairs and all at once, and each moment of a batch comes at least three times."""
    for seed in range(200):
        kills = [step for step in plan(seed, kills=len(KILLS), lifts=20) if isinstance(step, Kill)]
        assert {kill.parts for kill in kills} == set(KILLS)
        moments = [kill.moment for kill in kills]
        assert min(moments.count(moment) for moment in Moment) >= 3


def test_every_trouble_comes_in_a_long_plan() -> None:
    """Three times as many kills as troubles: each trouble comes once."""
    steps = plan(3, kills=3 * len(TROUBLES), lifts=20)
    assert {(step.kind, step.part) for step in steps if isinstance(step, Trouble)} == set(TROUBLES)


def test_half_of_the_lifts_become_entrapments_while_parts_die() -> None:
    """Entrapments begin before the first kill, and between kills; no lift is named twice."""
    steps = plan(5, kills=12, lifts=20)
    places = [number for number, step in enumerate(steps) if isinstance(step, Trapped)]
    lifts = [lift for step in steps if isinstance(step, Trapped) for lift in step.lifts]
    assert places[0] == 0
    assert len(places) == 3
    assert len(lifts) == len(set(lifts)) == 10


def test_a_long_plan_outlasts_the_time_limit_of_a_commit() -> None:
    """With a longest trouble given, about one in four lasts that long and the others are brief."""
    steps = [step for seed in range(50) for step in plan(seed, kills=36, lifts=20, longest_s=LONG_S)]
    lasting = [step.seconds for step in steps if isinstance(step, Trouble)]
    assert 0.15 < sum(seconds == LONG_S for seconds in lasting) / len(lasting) < 0.35
    assert all(1.0 <= seconds <= BRIEF_S or seconds == LONG_S for seconds in lasting)
