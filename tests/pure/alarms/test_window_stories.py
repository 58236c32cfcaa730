"""The window told by hand: what waits is never passed over, and what is known when it begins is not forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alarms.corrections import Correction, CorrectionKind, Episode
from alarms.language.reader import load
from alarms.records import KEY_DTYPE, Records
from alarms.rules import RuleSet
from alarms.signals import EVENT_DTYPE, EVENT_INDEX, Transition, unknown_samples
from alarms.window import Window
from tests.pure.alarms.made_up_rules import rule, table

START = 1_700_000_000_000
TRAPPED = load(rule(id="trapped", when="passenger", for_="20s", opens="rescue"), source="test")
AT_ONCE = load(rule(id="at-once", when="passenger", opens="ticket"), source="test")


class Told:
    """A window with lift 0, told in seconds from the start."""

    def __init__(self, rules: RuleSet, own: Mapping[str, float] | None = None) -> None:
        self.window = Window(rules, capacity=1)
        self.window.live.listening(START)
        self.register(own)
        self.now = 0.0

    def register(self, own: Mapping[str, float] | None = None) -> None:
        """What the register says of the lift: parameters of its own."""
        self.window.set_fleet([0], [False], [1.75], {0: dict(own)} if own else {})

    def sample(self, seq: int, second: float, *, lift: int = 0, **values: Any) -> bool:
        """A sample that comes when it is stamped, or now where that is past; answers whether it is too old to be folded again."""
        self.now = max(self.now, second)
        row = unknown_samples(1)
        row["slot"], row["at"], row["received"] = lift, _ms(second), _ms(self.now)
        for name, value in values.items():
            row[name] = value
        return self._take(Records(samples=row, sample_keys=np.array([(1, 1, seq)], KEY_DTYPE)))

    def event(self, seq: int, second: float, code: str, *, active: bool = True) -> bool:
        """The same of an event."""
        self.now = max(self.now, second)
        row = np.array([(0, _ms(second), _ms(self.now), EVENT_INDEX[code], active)], EVENT_DTYPE)
        return self._take(Records(events=row, event_keys=np.array([(1, 1, seq)], KEY_DTYPE)))

    def _take(self, records: Records) -> bool:
        samples, events = self.window.is_late(records)
        live = records.some(~samples, ~events)
        self.window.step(live.as_batch(), _ms(self.now), live)
        return any(part.any() for part in self.window.late(records.some(samples, events)))

    def tick(self, second: float) -> list[Transition]:
        self.now = max(self.now, second)
        return list(self.window.tick(_ms(second)))

    def refold(self, second: float) -> list[tuple[str, tuple[Any, ...] | None, tuple[Any, ...] | None]]:
        """Corrections: what they are, and (raised, cleared, level, witnesses, demoted) before and after."""
        return [_line(item) for item in self.window.refold(_ms(second)).corrections]

    def begin_anew(self) -> None:
        """What a restart from a checkpoint does."""
        blob = self.window.live.snapshot()
        self.window = Window(self.window.live.rules, capacity=1)
        self.window.restore(blob)


def _ms(second: float) -> int:
    return START + round(second * 1_000)


def _line(item: Correction) -> tuple[str, tuple[Any, ...] | None, tuple[Any, ...] | None]:
    return item.kind.value, _episode(item.before), _episode(item.after)


def _episode(episode: Episode | None) -> tuple[Any, ...] | None:
    if episode is None:
        return None
    raised, cleared = (None if ms is None else (ms - START) / 1_000 for ms in (episode.raised_at, episode.cleared_at))
    return raised, cleared, episode.level, episode.witnesses, episode.demoted


def quiet_quarter_hour(told: Told) -> None:
    """Samples each half minute up to 15 min, but for those of 30 s and 60 s, which are on their way."""
    told.sample(1, 0, passenger=0)
    for seq in range(4, 32):
        told.sample(seq, (seq - 1) * 30, passenger=0)
        told.tick((seq - 1) * 30)


def test_the_base_does_not_pass_what_waits() -> None:
    """Two minutes without a tick, and the base moves on meanwhile: the late alarm is told all the same, with its own times."""
    told = Told(TRAPPED)
    quiet_quarter_hour(told)
    told.window.settle(_ms(900))
    assert not told.sample(2, 30, passenger=1)
    assert not told.sample(3, 60, passenger=1)
    told.window.settle(_ms(1_020))
    assert told.refold(1_020) == [("late", None, (50, 90, 0, 1, False))]
    told.window.settle(_ms(1_020))
    assert told.window.base_at == _ms(120)


def test_a_log_that_is_too_long_passes_nothing_that_waits(monkeypatch: Any) -> None:
    """The limit of the log gives way for the moment that a refold takes, not the record."""
    monkeypatch.setattr("alarms.window.LATE_LOG_RECORDS", 5)
    told = Told(TRAPPED)
    quiet_quarter_hour(told)
    told.sample(2, 30, passenger=1)
    told.sample(3, 60, passenger=1)
    told.window.settle(_ms(900))
    assert [kind for kind, _, _ in told.refold(900)] == ["late"]
    told.window.settle(_ms(900))
    assert told.window.base_at == _ms(750)


def test_only_some_of_those_that_wait() -> None:
    """Lifts that a refold had no room for hold the base back until their turn."""
    told = Told(TRAPPED)
    told.window.set_fleet([1], [False], [1.75], {})
    for lift in (0, 1):
        told.sample(1, 0, lift=lift, passenger=0)
        told.sample(4, 100, lift=lift, passenger=0)
        told.sample(2, 10 + lift, lift=lift, passenger=1)
        told.sample(3, 40 + lift, lift=lift, passenger=1)
    assert len(told.window.refold(_ms(100), most=1).corrections) == 1
    told.window.settle(_ms(2_000))
    assert len(told.window.refold(_ms(100), most=1).corrections) == 1


def test_a_refold_names_whom_it_corrected() -> None:
    """Also a lift whose present is what it was: a replay must know that its late records have been folded."""
    told = Told(AT_ONCE)
    told.sample(1, 0, passenger=0)
    told.sample(3, 20, passenger=0)
    told.sample(2, 10, passenger=1)
    found = told.window.refold(_ms(20))
    assert [item.kind for item in found.corrections] == [CorrectionKind.LATE]
    assert found.lifts.tolist() == [0]


def test_a_refold_goes_no_further_than_the_last_tick() -> None:
    """Outside of a tick, when older records may still come in order: a hold that they end is not completed."""
    told = Told(TRAPPED)
    told.sample(1, 0, passenger=1)
    told.tick(5)
    told.sample(3, 15, passenger=1)
    told.sample(2, 10, passenger=1)
    assert told.window.ticked == _ms(5)
    assert told.refold(5) == []
    assert [(item.kind, item.at) for item in told.tick(25)] == [(1, _ms(20))]
    assert told.window.ticked == _ms(25)


def test_a_lift_that_the_register_never_named() -> None:
    """Late records of a lift that only ever spoke are folded like others."""
    told = Told(TRAPPED)
    told.sample(2, 1, lift=5, passenger=1)
    told.sample(1, 0, lift=5, passenger=1)
    assert told.refold(2) == []
    assert [(item.slot, item.at) for item in told.tick(30)] == [(5, _ms(20))]


# --- numbers of a lift's own ---


def test_other_numbers_of_a_lift_do_not_rewrite_its_past() -> None:
    """An alarm that was raised with the hold of its time stays what it was; from now on the new hold counts."""
    told = Told(TRAPPED)
    for seq, second, inside in ((1, 0, 1), (2, 30, 1), (3, 60, 0), (5, 90, 0)):
        told.sample(seq, second, passenger=inside)
    told.register({"for:trapped": 60.0})
    assert told.sample(4, 89, passenger=0)
    assert told.refold(100) == []
    told.sample(6, 110, passenger=1)
    told.sample(8, 150, passenger=1)
    assert not told.sample(7, 130, passenger=1)
    assert told.refold(150) == []
    assert [item.at for item in told.tick(171)] == [_ms(170)]


def test_the_same_numbers_again_begin_nothing() -> None:
    """The register is read as a whole: a lift of which nothing has changed keeps its window."""
    told = Told(TRAPPED, {"for:trapped": 30.0})
    told.sample(1, 0, passenger=0)
    told.sample(3, 60, passenger=0)
    told.register({"for:trapped": 30.0})
    assert not told.sample(2, 30, passenger=1)


def test_other_numbers_of_one_lift_leave_the_others() -> None:
    """Each lift has a window of its own."""
    told = Told(TRAPPED)
    told.window.set_fleet([1], [False], [float("nan")], {})
    for lift in (0, 1):
        told.sample(1, 0, lift=lift, passenger=0)
        told.sample(3, 60, lift=lift, passenger=0)
    told.window.set_fleet([0, 1], [False, False], [2.5, float("nan")], {})
    assert told.sample(2, 30, lift=0, passenger=1)
    assert not told.sample(2, 30, lift=1, passenger=1)


# --- alarms from before ---

LADDER = load(
    rule("minor", id="ladder", when="passenger", clear_for="2s", opens="ticket", witness=["04"])
    + table("rule.level", severity="critical", when="passenger and not door_zone"),
    source="test",
)
CARRIED = 3
"""Witnesses rule and device."""


def climbed() -> Told:
    """The alarm is at level 1, was seen by rule and device, and the window begins anew."""
    told = Told(LADDER)
    told.event(1, 0, "04")
    told.sample(1, 1, passenger=1, door_zone=0)
    told.event(2, 2, "04", active=False)
    told.begin_anew()
    return told


def test_an_alarm_from_before_keeps_its_level_and_witnesses() -> None:
    """It was told over and is not: the correction says how severe it is, and who has seen it."""
    told = climbed()
    told.sample(2, 10, passenger=0, door_zone=0)
    told.tick(12.5)
    told.sample(4, 12.9, passenger=1, door_zone=1)
    told.sample(3, 11, passenger=1, door_zone=1)
    assert told.refold(13) == [
        ("amended", (None, 12, 1, CARRIED, False), (None, None, 1, CARRIED, False)),
        ("contradicted", (12.9, None, 0, 1, False), None),
    ]


def test_an_alarm_from_before_that_nothing_changes() -> None:
    """It goes on, and ends, as it was told: no correction."""
    told = climbed()
    told.sample(3, 20, passenger=1, door_zone=0)
    told.sample(2, 15, passenger=1, door_zone=1)
    assert told.refold(20) == []
    told.sample(4, 30, passenger=0, door_zone=1)
    told.sample(6, 40, passenger=0, door_zone=1)
    told.sample(5, 35, passenger=0, door_zone=1)
    assert told.refold(40) == []
    told.window.settle(_ms(2_000))
    told.sample(8, 2_010, passenger=0, door_zone=1)
    told.sample(7, 2_005, passenger=1, door_zone=1)
    assert told.refold(2_010) == [("late", None, (2_005, None, 0, 1, False))]


def test_a_demoted_alarm_from_before() -> None:
    """A notice stays a notice, and one that late data lifts to an alarm says so."""
    rules = load(
        rule(id="trapped", when="passenger", unless="service_mode == inspection", opens="rescue"), source="test"
    )
    told = Told(rules)
    told.sample(1, 0, passenger=1, service_mode=2)
    told.begin_anew()
    told.sample(3, 20, passenger=1, service_mode=2)
    told.sample(2, 10, passenger=1, service_mode=1)
    assert told.refold(20) == [("amended", (None, None, 0, 1, True), (None, None, 0, 1, False))]
