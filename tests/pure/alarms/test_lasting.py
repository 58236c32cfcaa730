"""Long holds that are remembered as lasting conditions say the same as any other hold, whatever changes meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alarms.engine import Engine
from alarms.language.reader import load
from alarms.rules import RuleSet
from alarms.signals import CLEAR, EVENT_DTYPE, EVENT_INDEX, RAISE, Batch, Transitions, unknown_samples
from tests.pure.alarms.made_up_rules import rule, rules_of
from tests.pure.alarms.streams import START, Stream, fast, slow

LONG = rule(id="long", when="passenger", for_="150s", opens="rescue")
QUIET = rule(id="long", when="passenger", for_="150s", opens="ticket")
HOLDING = rule(id="held", silent_for="180s", when='holding("long")', opens="rescue")
Said = tuple[int, float, float]


class OneLift:
    """Times in seconds; what the engine says is kept."""

    def __init__(self, text: str, **own: float) -> None:
        self.engine = Engine(_rules(text), capacity=1)
        self.engine.listening(START)
        self.said: list[Said] = []
        self.own(**own)

    def own(self, **own: float) -> None:
        self.engine.set_fleet([0], [False], [1.75], {0: {name.replace("_", ":"): value for name, value in own.items()}})

    def passenger(self, *seconds: float, value: int = 1, received: float = 0) -> None:
        for second in seconds:
            rows = unknown_samples(1)
            rows["at"], rows["passenger"] = START + second * 1_000, value
            rows["received"] = max(START + received * 1_000, START + second * 1_000)
            self._note(self.engine.step(Batch.of(samples=rows), int(rows["received"][0])))

    def event(self, second: float, code: str) -> None:
        at = START + round(second * 1_000)
        rows = np.array([(0, at, at, EVENT_INDEX[code], 1)], EVENT_DTYPE)
        self._note(self.engine.step(Batch.of(events=rows), at))

    def tick(self, second: float) -> None:
        self._note(self.engine.tick(START + round(second * 1_000)))

    def _note(self, transitions: Transitions) -> None:
        self.said += [(item.kind, _second(item.at), _second(item.hold_start)) for item in transitions]


def _rules(text: str) -> RuleSet:
    return load(text, source="made up")


def _second(at: int) -> float:
    return (at - START) / 1_000


def test_these_rules_are_remembered_as_lasting() -> None:
    """Else this page would test nothing."""
    assert OneLift(LONG).engine.compiled.lasting_columns.tolist() == [0]
    assert OneLift(LONG + HOLDING).engine.compiled.lasting_columns.tolist() == []


def test_a_hold_begins_when_its_rule_is_switched_on_again() -> None:
    """What was true while the rule was off does not count."""
    lift = OneLift(QUIET, off_long=1)
    lift.passenger(*range(0, 1_200, 30))
    lift.own()
    lift.passenger(*range(1_200, 1_380, 30))
    assert lift.said == [(RAISE, 1_350.0, 1_200.0)]


def test_switched_off_in_the_middle_and_on_again() -> None:
    lift = OneLift(QUIET)
    lift.passenger(0, 30, 60, 90)
    lift.own(off_long=1)
    lift.passenger(120)
    lift.own()
    lift.passenger(*range(150, 330, 30))
    assert lift.said == [(RAISE, 300.0, 150.0)]


@pytest.mark.parametrize("seconds", [0, 10, 100])
def test_a_hold_that_becomes_shorter_ends_in_time(seconds: float) -> None:
    """By time alone, with no record after the change; where it is over already, at once."""
    lift = OneLift(LONG)
    lift.passenger(0, 30)
    lift.own(for_long=seconds)
    lift.tick(31)
    lift.tick(101)
    assert lift.said == [(RAISE, seconds, 0.0)]


def test_a_hold_that_becomes_longer_goes_on() -> None:
    lift = OneLift(LONG)
    lift.passenger(0, 30, 60, 90, 120)
    lift.own(for_long=200)
    lift.passenger(150, 180)
    lift.tick(210)
    assert lift.said == [(RAISE, 200.0, 0.0)]


@pytest.mark.parametrize(("before", "after"), [(LONG, LONG + HOLDING), (LONG + HOLDING, LONG)])
def test_a_hold_survives_rules_that_ask_for_it_or_no_longer(before: str, after: str) -> None:
    """A rule that asks whether the hold runs makes it an ordinary one, in its middle."""
    lift = OneLift(before)
    lift.passenger(0, 30, 60)
    lift.engine.replace_rules(_rules(after))
    lift.passenger(90, 120)
    lift.tick(151)
    assert lift.said == [(RAISE, 150.0, 0.0)]


def test_an_alarm_that_is_up_gets_no_second_hold() -> None:
    lift = OneLift(LONG)
    lift.passenger(*range(0, 210, 30))
    lift.engine.replace_rules(_rules(LONG + HOLDING))
    lift.own(for_long=10)
    lift.passenger(210)
    lift.passenger(240, value=0)
    assert lift.said == [(RAISE, 150.0, 0.0), (CLEAR, 240.0, 240.0)]


@pytest.mark.parametrize("hours", [100, 350, 700])
def test_old_records_after_time_alone_went_far_ahead(hours: int) -> None:
    """The ring of a terminal that was away for weeks raises nothing, though a timeless hold has moved the lift's time on."""
    lift = OneLift(rule(id="reported", when='reported("41")', for_=f"{hours}h", opens="ticket") + LONG)
    lift.passenger(0, value=0)
    lift.event(0, "41")
    end = hours * 3_600
    lift.tick(end)
    lift.passenger(*range(30, 900, 30), received=end)
    assert lift.said == [(RAISE, end, 0.0)]
    lift.passenger(*range(end, end + 240, 30))
    assert lift.said[1:] == [(RAISE, end + 150, end)]


def _sample(second: int, received: int, **values: int) -> tuple[Any, ...]:
    rows = unknown_samples(1)
    for name, value in values.items():
        rows[name] = value
    return ("sample", 0, START + second * 1_000, START + received * 1_000, rows)


def test_silence_inside_a_batch_is_known_to_the_conditions_after_it() -> None:
    """A silence between two records of one batch completes a hold by the server's time; a hold that begins then begins no earlier."""
    rules = rules_of(
        rule(id="short", when="door_zone", for_="20s", opens="ticket")
        + LONG
        + rule(id="silent", silent_for="30s", opens="notice")
    )
    records = [_sample(0, 0, door_zone=1, passenger=0), _sample(10, 40, door_zone=1, passenger=1)]
    records += [_sample(second, second, door_zone=1, passenger=1) for second in range(70, 310, 30)]
    ticks = (*(item[2] for item in records[1:]), START + 320_000)
    stream = Stream(records=tuple(records), ticks=ticks, end=START + 400_000)
    expected = slow(rules, stream)
    every = set(range(len(records)))
    assert any(said.rule == "long" for said in expected[0][0])
    assert fast(rules, stream, cuts=set(), ticks=set(), restarts=set()) == expected
    assert fast(rules, stream, cuts=every, ticks=every, restarts=set()) == expected
