"""Who goes: the nearest capable unit by distance and load, with the reasons."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch.units import Choice, Need, Roster
from tests.pure.dispatch.views import FIRM, roster, team, unit


def need(**changes: Any) -> Need:
    values: dict[str, Any] = {"lift_kind": "lift", "lon": 120.1, "lat": 30.2, "exercise": False, "without": frozenset()}
    return Need(**{**values, **changes})


def chosen(found: Choice | None) -> int | None:
    return found.unit_id if found else None


def test_the_nearest_goes_and_says_why() -> None:
    """Distance, load, the next ones and how many were passed over, by why, stand in the reasons."""
    found = roster(
        unit(1, km=3), unit(2, km=1, load=1), unit(3, km=2), unit(4, km=0.1, lift_kinds=frozenset({"escalator"}))
    ).station(need())
    assert found is not None
    assert found.unit_id == 3
    assert found.reasons == {
        "metres": 2_000, "load": 0, "crews": 1, "position_age_s": None,
        "next": [{"unit_id": 1, "metres": 3_000, "load": 0}], "passed_over": {"busy": 1, "not-capable": 1},
    }  # fmt: skip


def test_a_busy_station_with_a_second_crew_counts_as_farther() -> None:
    """An order it has already is worth two kilometres: the free one goes when it is less than that farther."""
    near = unit(1, km=1, load=1, crews=2)
    assert chosen(roster(near, unit(2, km=2.9)).station(need())) == 2
    assert chosen(roster(near, unit(2, km=3.1)).station(need())) == 1


def test_what_was_given_out_counts_at_once() -> None:
    """One roster does not send the same crew twice."""
    found = roster(unit(1, km=1), unit(2, km=2))
    for expected in (1, 2, None):
        choice = found.station(need())
        assert chosen(choice) == expected
        if choice:
            found.take(choice.unit_id)
    assert not found.has_free_station()


def test_a_firm_s_team_goes_however_busy_it_is() -> None:
    """The contract binds it; its least burdened team goes. Another firm's team never does."""
    found = roster(team(1, load=3), team(2, load=5), team(3, firm_id=FIRM + 1))
    assert chosen(found.team(FIRM, need())) == 1
    assert found.team(FIRM + 2, need()) is None


@pytest.mark.parametrize("where", [{"lon": None, "lat": None}, {}])
def test_an_unknown_place_is_last_and_never_nobody(where: dict[str, Any]) -> None:
    """Without coordinates of the lift or of a unit the load decides, and the distance is not made up."""
    found = roster(unit(1, lon=None, lat=None), unit(2, lon=None, lat=None, load=1, crews=2)).station(need(**where))
    assert found is not None
    assert (found.unit_id, found.reasons["metres"]) == (1, None)


def test_an_exercise_and_the_real_night_share_no_unit() -> None:
    """Units of the exercise go to exercises only."""
    both = (unit(1, km=1, exercise=True), unit(2, km=5))
    assert chosen(roster(*both).station(need())) == 2
    assert chosen(roster(*both).station(need(exercise=True))) == 1


def test_who_had_an_order_of_the_case_is_not_asked_again() -> None:
    """Refused once, passed over."""
    assert chosen(roster(unit(1, km=1), unit(2, km=2)).station(need(without=frozenset({1})))) == 2


def test_distances_are_those_of_the_ground() -> None:
    """Hangzhou's railway station to West Lake is some 3.5 km."""
    found = roster(unit(1, lon=120.1480, lat=30.2460)).station(need(lon=120.1819, lat=30.2437))
    assert found is not None
    assert found.reasons["metres"] == pytest.approx(3_270, rel=0.02)
    assert Roster(()).stations(need()) == []
