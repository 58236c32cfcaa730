"""Times, spans, places and numbers as the firm's pages say them, and the clocks and moves of an order. Without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.firm import order_view, view
from hoistway.lifecycle import OrderState

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
HANGZHOU = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (-3, "0 s", "0 秒"),
        (59.9, "59 s", "59 秒"),
        (60, "1 min 0 s", "1 分 0 秒"),
        (3_599, "59 min 59 s", "59 分 59 秒"),
        (3_600, "1 h 0 min", "1 小时 0 分"),
        (90_061, "1 d 1 h", "1 天 1 小时"),
    ],
)
def test_a_span_in_words(seconds: float, english: str, chinese: str) -> None:
    """Two units, the larger first; never negative."""
    assert view.span("en", seconds) == english
    assert view.span("zh-CN", seconds) == chinese


def test_a_moment_in_the_city_s_time() -> None:
    """Today by the clock, another day with its date; the day is the city's, not UTC's."""
    assert view.clock(HANGZHOU, NOW, NOW) == "12:00:00"
    assert view.clock(HANGZHOU, NOW, "2026-11-22T16:30:00.000Z") == "00:30:00"
    assert view.clock(HANGZHOU, NOW, NOW - timedelta(hours=13)) == "2026-11-22 23:00"
    assert view.clock(HANGZHOU, NOW, None) == ""


@pytest.mark.parametrize(
    ("number", "link"),
    [
        ("0571-8800 1234", "tel:057188001234"),
        ("+86 (571) 88001234", "tel:+8657188001234"),
        ("0571-88001234转8001", "tel:057188001234,8001"),
        ("0571-88001234 ext. 12", "tel:057188001234,12"),
        ("13800000001 / 13900000002", "tel:13800000001"),
        ("电话：96333", "tel:96333"),
        ("none", "tel:"),
    ],
)
def test_a_number_to_press(number: str, link: str) -> None:
    """What a register holds becomes a number that a telephone dials, extension and all."""
    assert view.phone_link(number) == link


def test_a_place_says_no_part_twice() -> None:
    """What a name holds already is not said again."""
    assert view.place({"estate": "River Park", "building": "3", "name": "east"}) == "River Park 3 east"
    assert view.place({"estate": "River Park", "building": "", "name": "River Park"}) == "River Park"


def order(state: str, **columns: Any) -> dict[str, Any]:
    live = state in {"sent", "accepted", "on_the_way", "arrived"}
    kinds = ["accept", "acknowledge", "arrive", "release", "set-out"]
    due = [NOW + timedelta(seconds=60 * (place - 1)) for place in range(len(kinds))]
    plain = {"state": state, "live": live, "case_state": "dispatched", "released_at": None}
    return {**plain, "timer_kinds": kinds, "timer_due": due, **columns}


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("sent", ["accept", "arrive"]),
        ("accepted", ["arrive", "set-out"]),
        ("on_the_way", ["arrive"]),
        ("arrived", ["release"]),
        ("done", []),
    ],
)
def test_a_crew_sees_the_limits_that_run_for_it(state: str, names: list[str]) -> None:
    """The desk's own timers are none of them; what is past says by how much."""
    found = order_view.clocks(order(state), NOW)
    assert [item["name"] for item in found] == names
    if state == "sent":
        assert (found[0]["left_s"], found[0]["late"]) == (-60, True)
        assert (found[1]["left_s"], found[1]["late"]) == (60, False)


def test_the_next_step_stands_first() -> None:
    """On site the report comes first while somebody may be inside, then the end; once reported it may be said again."""
    assert order_view.moves(order("sent")) == ["accept", "set_out", "arrive", "refuse"]
    assert order_view.moves(order("arrived", case_state="on_site")) == ["release", "finish", "fail"]
    assert order_view.moves(order("arrived", case_state="on_site", released_at=NOW)) == ["finish", "release", "fail"]
    assert order_view.moves(order("arrived", case_state="released")) == ["finish", "fail"]
    for state in ("done", "refused", "failed", "stood_down"):
        assert order_view.moves(order(state)) == []
    assert {move for state in OrderState for move in order_view.moves(order(state))}.isdisjoint({"stand_down"})


def line(kind: str, person: str | None, *, own: bool = True) -> dict[str, Any]:
    return {"kind": kind, "person": person, "own": own}


def test_a_second_press_is_known_by_person_and_act() -> None:
    """Only the same person's same act, when nothing else of the order came after it."""
    mine = [line("order-accepted", "Wang")]
    assert order_view.already_done(mine, "order-accepted", "Wang")
    assert order_view.already_done([*mine, line("arrive", None, own=False)], "order-accepted", "Wang")
    assert not order_view.already_done(mine, "order-accepted", "Li")
    assert not order_view.already_done(mine, "order-on-the-way", "Wang")
    assert not order_view.already_done([*mine, line("order-stood-down", "desk")], "order-accepted", "Wang")
    assert not order_view.already_done([], "order-accepted", "Wang")


def test_the_car_says_what_it_knows() -> None:
    """Unknown is left out; a direction is said of a car that moves."""
    unknown = dict.fromkeys(("car_position", "door_zone", "door_status", "passenger", "car_direction", "power", "service_mode"))  # fmt: skip
    assert order_view.car({"values": unknown, "moving": None}, "lift") == []
    known = {**unknown, "car_position": "5", "door_zone": False, "passenger": True, "car_direction": 1}
    assert order_view.car({"values": known, "moving": False}, "lift") == [
        ("car.moving", "car.moving", "false"),
        ("car.floor", "text", "5"),
        ("car.level", "car.level", "false"),
        ("car.person", "car.person", "true"),
    ]
    assert ("car.direction", "direction", "1") in order_view.car({"values": known, "moving": True}, "lift")
