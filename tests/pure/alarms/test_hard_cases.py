"""Streams told by hand, at the corners of docs/rules.md that chance seldom reaches: both engines say the same there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from alarms.signals import unknown_samples
from tests.pure.alarms.made_up_rules import rule, rules_of, table
from tests.pure.alarms.streams import START, Record, Stream, fast, slow


def _sample(at: int, slot: int = 0, **values: float) -> Record:
    row = unknown_samples(1)
    for name, value in values.items():
        row[name] = value
    return ("sample", slot, START + at, START + at, row)


def _event(at: int, code: str) -> Record:
    return ("event", 0, START + at, START + at, code, True)


def _rule(when: str, **keys: Any) -> str:
    return rule(id=keys.pop("id", "some-rule"), when=when, opens="ticket", **keys)


_LADDER = _rule("passenger", id="hold-0") + table("rule.level", severity="major", when="door_zone", for_="2s")
_LATE_LEVEL = _rule("passenger", id="hold-0") + table("rule.level", severity="major", when="passenger", for_="30s")
_STEADY = tuple(_sample(700 * index, passenger=0, door_zone=1, car_status=0) for index in range(8))
_TO_AND_FRO = tuple(_sample(10 * index, passenger=index % 2) for index in range(620))
_GAPS = (
    _sample(0, passenger=0), _sample(1_000, passenger=1), _sample(92_000, passenger=0), _sample(93_000, passenger=1),
    _sample(183_000, passenger=0), _event(184_000, "41"), _sample(273_001, passenger=1), _sample(273_002, passenger=0),
    _sample(273_003, passenger=1),
)  # fmt: skip
_RIDE = (_sample(0, passenger=0, door_zone=1), _sample(1_000, passenger=1, door_zone=1), *(
    _sample(2_000 + 700 * index, passenger=1, door_zone=1, car_status=0) for index in range(8)
))  # fmt: skip

CASES: dict[str, tuple[str, Sequence[Record]]] = {
    "no lag before a sample": (_rule("clock_lag < 1"), (_event(0, "41"), _sample(1_000, passenger=1))),
    "a raised alarm is not holding": (
        _LATE_LEVEL + rule(id="silent-0", when='holding("hold-0")', silent_for="10s", opens="ticket"),
        (_sample(0, passenger=1),),
    ),
    "every rule off": (_rule("passenger") + "enabled = false\n", (_sample(0, passenger=1),)),
    "link messages alone": (_rule("age(passenger) > 1"), (("link", 0, START, True), _sample(0, passenger=1))),
    "a step counts to 63": (_rule('count(passenger, "720h") > 63'), _TO_AND_FRO),
    "and not less": (_rule('count(passenger, "720h") > 254'), _TO_AND_FRO),
    "a sequence clears within a run": (
        _rule("changed(passenger)", until="surely(moving)", for_="3s", clear="door_zone"), _RIDE,
    ),
    "a level clears within a run": (_LADDER, _STEADY),
    "constants are remembered": (
        _rule('count(rated_speed > 1, "10s") < 1 and passenger') + _rule('rate(rated_speed, "1s") == 0', id="steady")
        + _rule('age(param("limit", 2) < 1) >= 2', id="limit"),
        (*_STEADY, *(_sample(6_000 + 700 * index, 3) for index in range(8))),
    ),
    "counts outlive gaps": (_rule('count(passenger, "1h") >= 2'), _GAPS),
    "the device's own silence": (
        rule(id="silent-0", when='reported("41")', silent_for="10s", opens="ticket"), (_event(0, "41"), _sample(30_000)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_both_engines_say_the_same(name: str) -> None:
    """In one batch, and record by record with a restart after each."""
    text, records = CASES[name]
    rules = rules_of(text)
    times = [record[2] for record in records]
    later = [min(times[index + 1 :], default=START + 400_000) for index in range(len(times))]
    stream = Stream(records=tuple(records), ticks=tuple(later), end=START + 400_000)
    expected, everywhere = slow(rules, stream), set(range(len(records)))
    assert fast(rules, stream, cuts=set(), ticks=set(), restarts=set()) == expected
    assert fast(rules, stream, cuts=everywhere, ticks=everywhere, restarts=everywhere) == expected
