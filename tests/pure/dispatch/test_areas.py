"""Which alarms make one area incident, and when it grows and ends."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from dispatch.areas import (
    Area,
    AreaAlarm,
    AreaKind,
    Cause,
    OpenIncident,
    Plan,
    areas_of,
    decide,
)

T0 = 1_800_000_000_000


def alarm(
    number: int,
    *,
    at_s: float = 0,
    rule: str = "power-lost",
    estate: str = "River Park",
    building: str = "1",
    feeder: str = "",
    district: str = "Upper City",
    exercise: bool = False,
    lift: int | None = None,
) -> AreaAlarm:
    return AreaAlarm(
        alarm_id=number,
        lift_id=number if lift is None else lift,
        rule_id=rule,
        at_ms=T0 + int(at_s * 1_000),
        areas=areas_of(estate=estate, building=building, feeder=feeder, district=district, exercise=exercise),
    )


def opened(plan: Plan) -> list[tuple[str, str, set[int]]]:
    return [(new.area.kind.value, new.area.name, {one.alarm_id for one in new.alarms}) for new in plan.opens]


def carried_out(plan: Plan, incidents: Sequence[OpenIncident]) -> list[OpenIncident]:
    """The open incidents once the plan has been written."""
    stay = [
        OpenIncident(
            incident_id=before.incident_id,
            area=before.area,
            opened_ms=before.opened_ms,
            alarm_ids=before.alarm_ids | {one.alarm_id for one in after.joining},
        )
        for before, after in zip(incidents, plan.standing, strict=True)
        if not after.ends
    ]
    first = max((incident.incident_id for incident in incidents), default=0) + 1
    return stay + [
        OpenIncident(
            incident_id=first + place,
            area=new.area,
            opened_ms=new.opened_ms,
            alarm_ids=frozenset(one.alarm_id for one in new.alarms),
        )
        for place, new in enumerate(plan.opens)
    ]


def test_five_lifts_of_one_building_are_that_building() -> None:
    """The building covers what its estate and district would, and is the smallest."""
    five = [alarm(number, at_s=number * 20) for number in range(1, 6)]
    assert opened(decide(five, [])) == [("building", "River Park 1", {1, 2, 3, 4, 5})]
    assert opened(decide(five[:4], [])) == []


def test_lifts_of_several_buildings_are_the_estate() -> None:
    """No building covers three here and three there; the estate does."""
    six = [alarm(number, building="1" if number < 4 else "2") for number in range(1, 7)]
    assert opened(decide(six, [])) == [("estate", "River Park", {1, 2, 3, 4, 5, 6})]


def test_lifts_of_several_estates_on_one_feeder_are_the_feeder() -> None:
    """Two estates that fail together on one feeder are one incident of the feeder, also when each has enough alone."""
    lifts = [
        alarm(number, estate="River Park" if number <= 6 else "Lake Park", feeder="F-12", building=str(number))
        for number in range(1, 13)
    ]
    assert opened(decide(lifts, [])) == [("feeder", "F-12", set(range(1, 13)))]


def test_a_district_needs_twenty() -> None:
    """Nineteen scattered lifts are nineteen alarms; twenty are an incident of the district."""
    scattered = [alarm(number, estate=f"estate {number}", rule="offline") for number in range(1, 21)]
    assert opened(decide(scattered[:19], [])) == []
    (new,) = decide(scattered, []).opens
    assert (new.area.kind, new.area.name, new.cause) == (AreaKind.DISTRICT, "Upper City", Cause.OFFLINE)


def test_one_stranger_in_the_district_does_not_make_it_the_district() -> None:
    """An estate that holds at least four fifths of what the district has is the incident."""
    estate = [alarm(number, building=str(number)) for number in range(1, 21)]
    stranger = alarm(99, estate="Elsewhere", building="7")
    assert opened(decide([*estate, stranger], [])) == [("estate", "River Park", set(range(1, 21)))]


def test_what_is_spread_over_time_is_no_incident() -> None:
    """Five lifts within two minutes count, five lifts within three do not, wherever the window lies."""
    assert opened(decide([alarm(number, at_s=number * 45) for number in range(1, 6)], [])) == []
    late = [alarm(1, at_s=-9_000), *(alarm(number, at_s=number) for number in range(2, 7))]
    assert opened(decide(late, [])) == [("building", "River Park 1", {2, 3, 4, 5, 6})]


def test_one_lift_counts_once() -> None:
    """Five alarms of two lifts are two lifts."""
    assert opened(decide([alarm(number, lift=number % 2, rule="offline") for number in range(1, 6)], [])) == []


def test_what_the_register_does_not_say_is_no_area() -> None:
    """Lifts without estate, feeder and district have nothing in common; a building needs its estate."""
    assert areas_of(estate="", building="3", feeder="", district="", exercise=False) == ()
    nowhere = [alarm(number, estate="", district="") for number in range(1, 31)]
    assert opened(decide(nowhere, [])) == []


def test_exercise_and_reality_are_never_one_incident() -> None:
    """Three simulated and three real lifts of one building are no incident."""
    assert opened(decide([alarm(number, exercise=number > 3) for number in range(1, 7)], [])) == []


def test_the_same_again_changes_nothing() -> None:
    """With the plan carried out, the same alarms give no new incident, no joining, no end."""
    alarms = [alarm(number) for number in range(1, 8)]
    incidents = carried_out(decide(alarms, []), [])
    plan = decide(alarms, incidents)
    assert plan.opens == ()
    assert [(one.joining, one.active_lifts, one.ends) for one in plan.standing] == [((), 7, False)]


def test_later_lifts_join_and_the_last_clear_ends_it() -> None:
    """A lift that fails an hour later joins; the incident ends when no alarm of it is active, and not before."""
    alarms = [alarm(number) for number in range(1, 6)]
    incidents = carried_out(decide(alarms, []), [])
    late = alarm(6, at_s=3_600)
    plan = decide([*alarms, late], incidents)
    assert plan.opens == ()
    assert plan.standing[0].joining == (late,)
    incidents = carried_out(plan, incidents)
    assert [one.ends for one in decide([late], incidents).standing] == [False]
    (over,) = decide([], incidents).standing
    assert (over.ends, over.active_lifts, over.cause) == (True, 0, None)


def test_an_area_has_one_incident_at_a_time() -> None:
    """Lifts of it that have been silent since last week neither join what happens today nor open a second incident."""
    old = [alarm(number, at_s=-600_000, rule="offline") for number in range(20, 25)]
    today = [alarm(number) for number in range(1, 8)]
    incidents = carried_out(decide([*old, *today], []), [])
    assert [incident.alarm_ids for incident in incidents] == [frozenset(range(1, 8))]
    plan = decide([*old, *today], incidents)
    assert [(new.area.kind, len(new.alarms)) for new in plan.opens] == []
    assert plan.standing[0].joining == ()


def test_an_incident_grows_into_the_larger_area_and_never_back() -> None:
    """When the rest of the estate follows, the building's incident ends in the estate's; a part that remains opens nothing."""
    building = [alarm(number) for number in range(1, 6)]
    incidents = carried_out(decide(building, []), [])
    rest = [alarm(number, at_s=5, building=str(number)) for number in range(6, 16)]
    plan = decide([*building, *rest], incidents)
    assert opened(plan) == [("estate", "River Park", set(range(1, 16)))]
    assert [one.ends for one in plan.standing] == [True]
    incidents = carried_out(plan, incidents)
    shrunk = decide(building, incidents)
    assert shrunk.opens == ()
    assert [(one.active_lifts, one.ends) for one in shrunk.standing] == [(5, False)]


@pytest.mark.parametrize(
    ("rules", "cause"),
    [
        (["power-lost"] * 5, Cause.POWER_LOST),
        (["offline"] * 5, Cause.OFFLINE),
        (["entrapment-between-floors"] * 5, Cause.ENTRAPMENT),
        (["power-lost"] * 4 + ["entrapment-between-floors"], Cause.POWER_LOST),
        (["power-lost"] * 3 + ["offline"] * 2, Cause.MIXED),
    ],
)
def test_the_cause_is_what_the_lifts_have_in_common(rules: list[str], cause: Cause) -> None:
    """An entrapment in a power cut follows from it; power lost here and silence there is mixed."""
    (new,) = decide([alarm(number, rule=rule) for number, rule in enumerate(rules)], []).opens
    assert new.cause is cause


def test_a_lift_without_power_that_falls_silent_is_still_one_without_power() -> None:
    """Offline after power-lost of the same lift does not make the cause mixed."""
    both = [alarm(number) for number in range(1, 6)]
    both += [alarm(number + 100, lift=number, rule="offline", at_s=60) for number in range(1, 6)]
    (new,) = decide(both, []).opens
    assert new.cause is Cause.POWER_LOST


def test_any_city_settles_at_once() -> None:
    """Over random cities: a plan carried out leaves nothing to do, and every lift in an incident lies in its area."""
    for seed in range(60):
        rng = random.Random(seed)
        alarms = [
            alarm(
                number,
                lift=rng.randrange(80),
                at_s=rng.uniform(0, 400),
                rule=rng.choice(["power-lost", "offline", "entrapment-between-floors"]),
                estate=f"estate {rng.randrange(4)}",
                building=str(rng.randrange(3)),
                feeder=rng.choice(["", "F-1", "F-2"]),
                district=f"district {rng.randrange(2)}",
            )
            for number in range(rng.randrange(90))
        ]
        plan = decide(alarms, [])
        for new in plan.opens:
            assert all(new.area in one.areas for one in new.alarms)
        incidents = carried_out(plan, [])
        again = decide(alarms, incidents)
        assert again.opens == ()
        incidents = carried_out(again, incidents)
        settled = decide(alarms, incidents)
        assert settled.opens == ()
        assert all(not one.joining and not one.ends for one in settled.standing)


def test_areas_of_a_lift_go_from_small_to_large() -> None:
    """Building, estate, feeder, district: the order in which the smallest wins."""
    found = areas_of(estate="River Park", building="3", feeder="F-1", district="Upper City", exercise=True)
    assert [area.kind for area in found] == list(AreaKind)
    assert found[0] == Area(kind=AreaKind.BUILDING, name="River Park 3", exercise=True)
