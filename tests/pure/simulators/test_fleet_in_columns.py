"""The fleet in columns lives as the car of objects does: people are carried, doors and runs keep their order, groups share calls."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from hoistway.model import SIGNAL, CarStatus, DoorStatus, Kind, SignalType
from simulators.city import make_city
from simulators.columns.cars import Phase
from simulators.columns.machines import Machines
from simulators.columns.shafts import BUILDINGS, GROUP_MOST
from simulators.life.demand import Building
from simulators.life.vendors import VENDORS
from simulators.playing import play
from simulators.records import SAID_UNKNOWN, Rows, joined, taken, values_of
from simulators.scenario import load, scenario_names
from simulators.world import DEFAULT_START_MS

COLUMNS = [name for name in scenario_names() if load(name).in_columns]
SECONDS = 900


@cache
def morning() -> tuple[Machines, Rows]:
    """A quarter of an hour of eighty lifts and ten escalators in the morning peak, all that was said."""
    machines = Machines(make_city(lifts=80, escalators=10, seed=5), seed=5, start_ms=DEFAULT_START_MS)
    said = [machines.step(DEFAULT_START_MS + second * 1_000) for second in range(1, SECONDS + 1)]
    return machines, joined(said)


def of_lift(slot: int) -> Rows:
    _, rows = morning()
    return taken(rows, rows["slot"] == slot)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_story_is_the_same_to_the_byte_for_the_same_seed(name):
    """Two plays of the first half minute give the same messages and the same truth; another seed gives others."""

    def digest(seed: int | None) -> str:
        total, story = hashlib.sha256(), replace(load(name), lifts=30, escalators=2)
        told: list[str] = []
        for at, device, leaf, payload in play(
            story, seed=seed, until_ms=DEFAULT_START_MS + 20_000, tell=lambda line: told.append(str(line))
        ):
            total.update(f"{at} {device} {leaf} ".encode() + payload)
        total.update("".join(told).encode())
        return total.hexdigest()

    assert digest(None) == digest(None)
    assert digest(None) != digest(999)


def test_a_lift_lives_the_same_in_a_larger_fleet():
    """The first estate's lifts say the same in a fleet of that estate alone and in the whole one."""
    rows = make_city(lifts=40, escalators=0, seed=3)
    alone = [row for row in rows if row.estate == rows[0].estate]
    small, large = (Machines(part, seed=9, start_ms=DEFAULT_START_MS) for part in (alone, rows))
    for second in range(1, 200):
        said = small.step(DEFAULT_START_MS + second * 1_000)
        among = large.step(DEFAULT_START_MS + second * 1_000)
        among = taken(among, among["slot"] < len(alone))
        for name in ("slot", "car_status", "door_status", "passenger", "speed"):
            assert np.array_equal(said[name], among[name], equal_nan=name == "speed")


def test_every_sample_is_as_the_contract_says():
    """Known signals of the machine's kind, right types and ranges, no contradiction between door and door, car and speed."""
    machines, rows = morning()
    kinds = [machines.kinds[slot] for slot in rows["slot"].tolist()]
    for kind, values in zip(kinds, values_of(rows, kinds, machines.labels), strict=True):
        for name, value in values.items():
            signal = SIGNAL[name]
            assert signal.kind in (None, kind)
            if signal.type is SignalType.NUMBER:
                assert signal.low is not None
                assert signal.high is not None
                assert signal.low <= value <= signal.high
            elif signal.type is SignalType.ENUM:
                assert value in set(signal.values or ())
            elif signal.type is SignalType.LABEL:
                assert 1 <= len(value) <= 4
        if kind is Kind.LIFT:
            assert values["door_closed"] == (values["door_status"] in (DoorStatus.CLOSED, DoorStatus.LOCKED))
            assert values["car_status"] == CarStatus.RUNNING or abs(values.get("speed", 0)) < 0.05


def test_people_are_carried_and_nobody_is_forgotten():
    """Cars run with people, never with more than they hold, and at the end of a quiet half hour nobody is left inside or waiting."""
    machines = Machines(make_city(lifts=60, escalators=0, seed=5), seed=5, start_ms=DEFAULT_START_MS)
    cars = machines.cars
    fullest = np.zeros(60)
    for second in range(1, 600):
        machines.step(DEFAULT_START_MS + second * 1_000)
        fullest = np.maximum(fullest, cars.aboard)
        assert (cars.aboard == (cars.dest >= 0).sum(axis=1)).all()
    assert (fullest <= machines.shafts.capacity).all()
    assert fullest.max() >= 3
    cars.traffic.next_ms[:] = 2**62
    for second in range(600, 2_400, 60):
        machines.step(DEFAULT_START_MS + second * 1_000)
    assert (cars.phase == Phase.IDLE).all()
    assert (cars.aboard == 0).all()
    assert (cars.wait_from < 0).all()


def test_a_car_never_runs_with_open_doors_and_stops_only_at_landings():
    """While it runs the doors are closed; whenever it opens it is in the zone."""
    _, rows = morning()
    lifts = taken(rows, rows["car_status"] >= 0)
    assert (lifts["door_closed"][lifts["car_status"] == 1] == 1).all()
    assert (lifts["door_zone"][lifts["door_closed"] == 0] == 1).all()
    assert (lifts["car_status"] == 1).mean() > 0.1


def test_the_calls_of_a_group_are_shared():
    """Cars of one building answer together: none of a busy pair does more than four fifths of its runs."""
    machines, _ = morning()
    shafts = machines.shafts
    pairs = [[slot for slot in group.tolist() if slot >= 0] for group in shafts.members]
    assert max(len(pair) for pair in pairs) <= GROUP_MOST
    shares = []
    for pair in pairs:
        runs = machines.cars.runs[pair]
        if len(pair) > 1 and runs.sum() >= 20:
            shares.append(runs.max() / runs.sum())
    assert shares
    assert np.mean(shares) < 0.8


def test_an_express_car_never_stops_in_its_zone():
    """Office towers with an express zone: doors open below and above it, never inside, and the way through it is long."""
    machines = Machines(make_city(lifts=400, escalators=0, seed=2), seed=2, start_ms=DEFAULT_START_MS + 1_800_000)
    shafts, cars = machines.shafts, machines.cars
    express = np.flatnonzero(shafts.express_to >= 0)
    assert len(express)
    assert set(shafts.building[express].tolist()) == {BUILDINGS.index(Building.OFFICES)}
    longest, out_since = 0, np.zeros(400, np.int64)
    for second in range(1, 900):
        machines.step(machines.now + 1_000)
        open_ = express[cars.phase[express] == Phase.DWELL]
        assert not (
            (cars.floor[open_] > shafts.express_from[open_]) & (cars.floor[open_] < shafts.express_to[open_])
        ).any()
        position, _ = cars.where(express, machines.now)
        zone = shafts.in_zone(express, position, shafts.nearest(express, position))
        out_since[express] = np.where(zone, second, out_since[express])
        longest = max(longest, second - int(out_since[express].min()))
    assert longest > 15


def test_terminals_speak_as_their_maker_does():
    """By change with a heartbeat of 30 s, or at a fixed rate; a PIR shows a person for seconds after he left."""
    machines, _ = morning()
    gaps = defaultdict(list)
    for slot in range(machines.lifts):
        gaps[VENDORS[machines.shafts.vendor[slot]].name] += np.diff(of_lift(slot)["ts"]).tolist()
    assert set(gaps["fixed-rate"]) == {5_000}
    for vendor in VENDORS:
        assert max(gaps[vendor.name]) <= 30_000
        if vendor.by_change:
            assert min(gaps[vendor.name]) == 1_000


def test_no_noise_makes_a_car_too_fast():
    """What a terminal measures never reaches 1.15 times the rated speed, of the slowest car of the worst maker neither."""
    machines, rows = morning()
    lifts = taken(rows, rows["slot"] < machines.lifts)
    share = np.abs(lifts["speed"]) / machines.shafts.speed[lifts["slot"]]
    assert 1.0 < np.nanmax(share) < 1.15


def test_what_is_not_fitted_is_not_told():
    """No person sensor says null, no brake contact says nothing, and 30 % of the older lifts have no person sensor."""
    machines, rows = morning()
    fitted = machines.shafts.person_sensor
    lifts = taken(rows, rows["slot"] < machines.lifts)
    assert ((lifts["passenger"] == SAID_UNKNOWN) == ~fitted[lifts["slot"]]).all()
    assert ((lifts["brake"] < 0) == ~machines.shafts.brake_sensor[lifts["slot"]]).all()
    large = Machines(make_city(lifts=3_000, escalators=0, seed=1), seed=1, start_ms=DEFAULT_START_MS).shafts
    old = large.year < 2012
    assert 0.25 < (~large.person_sensor[old]).mean() < 0.35
    assert large.person_sensor[~old].all()
