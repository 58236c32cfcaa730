"""What the catalogue says happens: every entry on the fleet in columns, and the truth of it in the truth file's format."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from hoistway.errors import BadInput
from simulators.city import make_city
from simulators.columns.machines import Machines
from simulators.faults.catalogue import entries
from simulators.faults.plan import MONTH_DAYS, Planner
from simulators.life.demand import DAY_MS
from simulators.records import Rows, joined, taken
from simulators.scenario import load, parse, scenario_names
from simulators.stage import Stage
from simulators.world import DEFAULT_START_MS

HEAD = 'title={zh="a",en="b"}\nstory="s"\nduration="1h"\ntime_of_day="08:00"\n'
NETWORK = {
    name for name, entry in entries().items() if entry.act in {"outage", "power"} and not entry.options.get("alone")
}


def staged(
    faults: str, *, lifts: int = 40, escalators: int = 0, minutes: int = 30, head: str = HEAD
) -> tuple[Stage, dict[int, dict[str, Any]], Rows]:
    """A story played: the stage, the truth by number, everything that arrived."""
    told: dict[int, dict[str, Any]] = {}
    story = parse(f"{head}lifts={lifts}\nescalators={escalators}\n{faults}", name="played")
    stage = Stage(story, start_ms=DEFAULT_START_MS, tell=lambda line: told.update({line["id"]: line}))
    rows = [stage.step().rows for _ in range(minutes * 60)]
    return stage, told, joined(rows)


@cache
def everything() -> tuple[dict[int, dict[str, Any]], Stage]:
    """One of each entry that does not take a whole area, at the same time."""
    names = [name for name in entries() if name not in NETWORK]
    faults = "".join(f'[[fault]]\nkind="{name}"\nat="30s"\n' for name in names)
    stage, told, _ = staged(faults, lifts=240, escalators=40, minutes=12)
    return told, stage


@pytest.mark.parametrize("name", sorted(set(entries()) - NETWORK))
def test_every_entry_comes_about(name: str) -> None:
    """Within twelve minutes of a busy morning each entry has begun, and its line says what it is."""
    told, _ = everything()
    lines = [line for line in told.values() if line["fault"] == name]
    assert lines
    entry = entries()[name]
    for line in lines:
        assert line["from"] == line["from_ms"] >= DEFAULT_START_MS
        assert line["to"] == line["to_ms"]
        assert line["to"] is None or line["to"] > line["from"]
        assert line["kind"] == entry.kind
        assert line["alike"] == list(entry.alike)
        assert line["expects"] in (list(entry.expects), list(entry.without))
        assert (line["cause"] is None) == entry.false_one
        assert line["lift"] == line["rescue_code"]


def test_a_person_between_floors_shows_from_the_first_to_the_last_moment() -> None:
    """Stopped, shut, off the zone, person seen, until the mechanic moves the car; at the end open doors, nobody inside, then normal again."""
    stage, told, rows = staged(
        '[[fault]]\nkind="trapped-between-floors"\nlift=3\nat="1min"\nrescue_after="8min"\nalarm_button_after="20s"\n'
    )
    (line,) = told.values()
    mine = taken(rows, rows["slot"] == 3)
    held = taken(mine, (mine["ts"] >= line["from"]) & (mine["ts"] < line["still_to"]))
    assert len(held) >= 15
    assert (held["car_status"] == 0).all()
    assert (held["door_closed"] == 1).all()
    assert (held["door_zone"] == 0).all()
    assert (held["passenger"] == (1 if line["person_sensor"] else -2)).all()
    assert line["person"] is True
    assert line["people"] >= 1
    assert line["arrived"] < line["still_to"] < line["to"]
    after = taken(mine, mine["ts"] >= line["to"])
    assert after["door_status"][0] == 4
    assert after["door_zone"][0] == 1
    assert after["service_mode"][0] == 2
    assert after["service_mode"][-1] == 1
    assert stage.machines.cars.runs[3] > 0


def test_a_power_cut_takes_the_estate_and_says_who_is_caught() -> None:
    """Every machine of the estate, with one number for the area; cars that stand between floors with people expect a rescue."""
    _, told, rows = staged(
        'busy=4\n[[fault]]\nkind="estate-dark"\nlift=0\nat="4min"\nlasts="6min"\n', lifts=20, minutes=16
    )
    devices = {line["device"] for line in told.values()}
    city = make_city(lifts=20, escalators=0, seed=1)
    assert devices == {row.device for row in city if row.estate == city[0].estate}
    assert len({line["area"] for line in told.values()}) == 1
    for line in told.values():
        assert "power-lost" in line["expects"]
        if line["between_floors"] and line["person"]:
            assert {"entrapment-between-floors", "entrapment-possible"} & set(line["expects"])
    dark = taken(rows, rows["power"] == 2)
    assert set(dark["slot"].tolist()) == {slot for slot, row in enumerate(city) if row.device in devices}
    assert not {line["device"] for line in told.values() if line["to"] is None}


def test_the_plan_of_a_day_does_not_depend_on_the_days_before() -> None:
    """Any day may be drawn first: a campaign is taken up where it was left."""
    machines = Machines(make_city(lifts=500, escalators=20, seed=1), seed=1, start_ms=DEFAULT_START_MS)
    first = DEFAULT_START_MS // DAY_MS
    forward = [Planner(machines, 1).day(day, entries().values()) for day in (first, first + 1)]
    assert Planner(machines, 1).day(first + 1, entries().values()) == forward[1]
    assert forward[0] != forward[1]
    assert Planner(machines, 2).day(first, entries().values()) != forward[0]
    assert all(one.at_ms <= other.at_ms for one, other in zip(forward[0], forward[0][1:], strict=False))


def test_planned_entrapments_have_the_published_rate_spread_hours_and_causes() -> None:
    """A year of 20,000 lifts: 47 to 60 for 10,000 and month, over-dispersed, a peak at 18-20 h, shares of causes within the published ranges."""
    machines = Machines(make_city(lifts=20_000, escalators=0, seed=1), seed=1, start_ms=DEFAULT_START_MS)
    planner, wanted = Planner(machines, 1), [entry for name, entry in entries().items() if name.startswith("trapped-")]
    days = range(DEFAULT_START_MS // DAY_MS, DEFAULT_START_MS // DAY_MS + 360)
    found = [one for day in days for one in planner.day(day, wanted)]
    assert 47 <= len(found) / 2 / 360 * MONTH_DAYS <= 60
    causes = Counter((one.cause or 0) // 100 for one in found)
    for first, low, high in ((1, 0.22, 0.53), (2, 0.13, 0.36), (3, 0.12, 0.25), (5, 0.07, 0.14)):
        assert low <= causes[first] / len(found) <= high
    slots = Counter((one.at_ms + 8 * 3_600_000) % DAY_MS // 7_200_000 for one in found)
    assert slots.most_common(1)[0][0] == 9
    counts = np.bincount([one.slot for one in found], minlength=20_000)
    assert 0.4 <= counts.mean() ** 2 / (counts.var() - counts.mean()) <= 0.7


@pytest.mark.parametrize(("lasts", "expects"), [("3min", []), ("7min", ["door-held-open"])])
def test_what_a_story_makes_shorter_than_the_catalogue_is_expected_of_no_rule(lasts: str, expects: list[str]) -> None:
    """A door held for three minutes may be told and need not; for seven it must."""
    text = f'[[fault]]\nkind="door-held-open"\nlift=1\nat="30s"\nlasts="{lasts}"\n'
    _, told, _ = staged(text, lifts=4, minutes=4)
    assert told
    for line in told.values():
        assert line["expects"] == expects
        assert ("door-held-open" in line["allows"]) is not bool(expects)


def test_reserve_seeds_are_others_and_say_so() -> None:
    """A story that says `reserve` plays another life than the same one without, and its truth carries the word."""
    text = '[rates]\nalikes=40\nonly=["person-holds-door"]\n'
    _, usual, _ = staged(text, minutes=6)
    _, kept, _ = staged(text + "reserve=true\n", minutes=6)
    assert usual
    assert kept
    assert all(line["reserve"] for line in kept.values())
    assert not any("reserve" in line for line in usual.values())
    assert [line["from"] for line in usual.values()] != [line["from"] for line in kept.values()]


@pytest.mark.parametrize("name", scenario_names())
def test_every_shipped_story_can_be_used(name: str) -> None:
    """It loads, has a title in both languages and says what it is."""
    story = load(name)
    assert story.title_zh
    assert story.title_en
    assert len(story.story) > 40


def test_stories_join() -> None:
    """Included faults are added, keys of the including story win, tables are laid over each other."""
    joined_ = parse('include=["wrong-clocks","rush-hour"]\nlifts=7\n[rates]\nalikes=2\n', name="joined")
    assert joined_.lifts == 7
    assert len(joined_.faults) == len(load("wrong-clocks").faults) + len(load("rush-hour").faults)
    assert joined_.title_en == load("rush-hour").title_en
    assert joined_.busy == 2
    month = load("standard-city-month")
    assert month.rates == load("standard-city-day").rates
    assert load("standard-city-reserve").rates.reserve


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('include=["no-such-story"]', "one of"),
        ("include=7", "a list of names"),
        (HEAD + "[network]\nloss=1.5", "below 1"),
        (HEAD + '[rates]\nonly=["meteor"]', "trapped-between-floors"),
        (HEAD + '[[fault]]\nkind="link-flaps"\ncount=0', "1 or more"),
    ],
)
def test_a_story_that_cannot_be_joined_or_used_says_what_was_expected(text: str, expected: str) -> None:
    """Where it stands and what would do."""
    with pytest.raises(BadInput, match=expected):
        parse(text, name="broken")


def test_a_fault_that_nothing_fits_is_refused() -> None:
    """A fault of escalators in a city without one names what it misses."""
    with pytest.raises(BadInput, match="nothing fits step-missing"):
        staged('[[fault]]\nkind="step-missing"\n', lifts=3, minutes=1)


def test_stories_that_include_each_other_are_refused(tmp_path) -> None:
    """A ring of includes ends with an error, not with a full memory."""
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{one}.toml").write_text(f'include=["{other}.toml"]\n{HEAD}')
    with pytest.raises(BadInput, match="include each other"):
        load(str(tmp_path / "a.toml"))
