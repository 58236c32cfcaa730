"""Late records: whatever the order of arrival within the window, the alarms are those of the right order, and every change is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from alarms import corrections as corrections_module
from alarms.corrections import Episode, Told, episodes, tell
from alarms.records import KEY_DTYPE, Records
from alarms.rules import RuleSet
from alarms.signals import Transition
from alarms.window import Window
from tests.pure.alarms.made_up_rules import rule_texts, rules_of
from tests.pure.alarms.streams import FLEET, WITNESSES, Stream, batch_of, slow, streams
from tests.pure.slow_engine.city import Record

EXAMPLES = 3_000 if os.environ.get("HOISTWAY_LONG") else 100
_HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
Alarms = dict[tuple[int, str], list[Episode]]


class Desk:
    """What somebody knows who believes the engine, and each of its corrections."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._known: Told = {}

    def hear(self, transitions: Any) -> None:
        for item in transitions:
            tell(self._known.setdefault((item.slot, item.rule), []), item)

    def correct(self, corrections: Any) -> None:
        for item in corrections:
            known = self._known.setdefault((item.slot, item.rule), [])
            if item.before is not None:
                known.remove(item.before)
            if item.after is not None:
                known.append(item.after)
            known.sort(key=lambda episode: episode.raised_at)

    def alarms(self) -> Alarms:
        return {(slot, self._rules[rule].id): known for (slot, rule), known in self._known.items() if known}


def alarms_of(rules: RuleSet, stream: Stream) -> Alarms:
    """What the slow engine makes of the records in their right order."""
    marks = {names: bits for bits, names in WITNESSES.items()}
    kinds = {"RAISE": 1, "CLEAR": 2, "PROMOTE": 3, "CHANGE": 4}
    found: Alarms = {}
    for slot, (said, _) in slow(rules, stream).items():
        for rule in {item.rule for item in said}:
            index = rules.index(rule)
            told = [
                Transition(
                    slot, index, kinds[item.what], item.at, item.start, item.demoted, item.level, marks[item.witnesses]
                )
                for item in said
                if item.rule == rule
            ]
            found[slot, rule] = episodes(told)[slot, index]
    return found


def window_of(rules: RuleSet, stream: Stream, span_ms: int) -> Window:
    window = Window(rules, capacity=4, zone=stream.zone, span_ms=span_ms)
    window.live.listening(1_700_000_000_000)
    window.set_fleet(
        list(FLEET), [fleet[0] for fleet in FLEET.values()], [fleet[1] for fleet in FLEET.values()],
        {slot: {**fleet[2], **stream.own.get(slot, {})} for slot, fleet in FLEET.items()},
        floors=[fleet[3] for fleet in FLEET.values()],
    )  # fmt: skip
    return window


def records_of(numbered: list[tuple[int, Record]]) -> Records:
    batch = batch_of([record for _, record in numbered])
    keys = {
        kind: np.array([(record[1], 1, number + 1) for number, record in numbered if record[0] == kind], KEY_DTYPE)
        for kind in ("sample", "event")
    }
    return Records(samples=batch.samples, sample_keys=keys["sample"], events=batch.events, event_keys=keys["event"])


def deliver(window: Window, desk: Desk, numbered: list[tuple[int, Record]], now: int) -> None:
    """One batch: what is in order goes to the live engine, the rest waits."""
    records = records_of(numbered)
    samples, events = window.is_late(records)
    live = records.some(~samples, ~events)
    desk.hear(window.step(live.as_batch(), now, live))
    too_old = window.late(records.some(samples, events))
    assert not any(part.any() for part in too_old)


def told_apart(alarms: Alarms) -> bool:
    """A correction names an alarm by the time of its raise: a rule that is raised twice in one millisecond is outside of what it promises."""
    return all(len({item.raised_at for item in found}) == len(found) for found in alarms.values())


def in_order_to_come(lots: list[list[tuple[int, Record]]], place: int) -> int:
    """The time of the oldest record that comes after this lot and will be in order for its lift: no tick passes it."""
    newest: dict[int, int] = {}
    for number, record in (item for lot in lots[: place + 1] for item in lot):
        newest[record[1]] = max(number, newest.get(record[1], -1))
    coming = [record[2] for lot in lots[place + 1 :] for number, record in lot if number > newest.get(record[1], -1)]
    return min(coming, default=2**62)


def run(window: Window, rules: RuleSet, lots: list[list[tuple[int, Record]]], stream: Stream, data: Any) -> Alarms:
    desk = Desk(rules)
    now = 1_700_000_000_000
    for place, lot in enumerate(lots):
        now = max(now, *(record[2] for _, record in lot))
        deliver(window, desk, lot, now)
        if data.draw(st.booleans()):
            tick = min(now, in_order_to_come(lots, place))
            desk.hear(window.tick(tick))
            desk.correct(window.refold(tick).corrections)
    desk.hear(window.tick(stream.end))
    desk.correct(window.refold(stream.end).corrections)
    return desk.alarms()


def in_their_order(stream: Stream) -> Stream:
    """The stream's samples and events in order of corrected time."""
    kept = [record for record in stream.records if record[0] in {"sample", "event"}]
    kept.sort(key=lambda record: (record[2], record[0] == "sample"))
    return Stream(
        records=tuple(kept), ticks=(stream.end,) * len(kept), end=stream.end, own=stream.own, zone=stream.zone
    )


def without_silence(rules: RuleSet) -> RuleSet:
    """Silence is told in server time and is not folded again."""
    while True:
        names = {rule.id for rule in rules if not rule.silent}
        kept = [i for i, rule in enumerate(rules) if rule.id in names and names.issuperset(rule.shielded_by)]
        if len(kept) == len(rules):
            return rules
        rules = RuleSet(rules=tuple(rules[i] for i in kept), terms=tuple(rules.terms[i] for i in kept))


def cut(numbered: list[tuple[int, Record]], data: Any) -> list[list[tuple[int, Record]]]:
    places = sorted(data.draw(st.sets(st.integers(1, max(1, len(numbered)))), label="cuts"))
    parts = [numbered[a:b] for a, b in zip([0, *places], [*places, len(numbered)], strict=True)]
    return [part for part in parts if part]


@pytest.fixture(autouse=True, scope="module")
def everything_is_told() -> Iterator[None]:
    """However little a time moves, so that exact times can be compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corrections_module, "TOLD_MS", 1)
        yield


@pytest.mark.timeout(3_600 if os.environ.get("HOISTWAY_LONG") else 120)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=_HEALTH)
@given(text=rule_texts(), stream=streams(), data=st.data())
def test_any_order_of_arrival_gives_the_alarms_of_the_right_order(text: str, stream: Stream, data: Any) -> None:
    """Records in any order, in any batches, with corrections at any moment: the desk ends up with the slow engine's alarms."""
    rules, stream = without_silence(rules_of(text)), in_their_order(stream)
    mixed = data.draw(st.permutations(list(enumerate(stream.records))), label="order of arrival")
    window, expected = window_of(rules, stream, 10**12), alarms_of(rules, stream)
    assume(told_apart(expected))
    assert run(window, rules, cut(mixed, data), stream, data) == expected


@pytest.mark.timeout(3_600 if os.environ.get("HOISTWAY_LONG") else 120)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=_HEALTH)
@given(text=rule_texts(), stream=streams(), data=st.data())
def test_a_base_that_follows_changes_nothing(text: str, stream: Stream, data: Any) -> None:
    """With a base that folds what is older than the window, records no later than the window still give the same alarms."""
    rules, stream = without_silence(rules_of(text)), in_their_order(stream)
    span = data.draw(st.sampled_from((5_000, 60_000)), label="window")
    delays = data.draw(
        st.lists(st.sampled_from((0, 0, 1, 900, 4_999)), min_size=len(stream.records), max_size=len(stream.records))
    )
    arrivals = sorted(enumerate(stream.records), key=lambda item: item[1][2] + delays[item[0]])
    window, desk = window_of(rules, stream, span), Desk(rules)
    newest = -(2**62)
    end = stream.end + 5_000
    for lot in cut(arrivals, data):
        newest = max(newest, *(record[2] + delays[number] for number, record in lot))
        deliver(window, desk, lot, newest)
        desk.hear(window.tick(newest))
        desk.correct(window.refold(newest).corrections)
        window.settle(newest)
    desk.hear(window.tick(end))
    desk.correct(window.refold(end).corrections)
    expected = alarms_of(rules, replace(stream, end=end))
    assume(told_apart(expected))
    assert desk.alarms() == expected
