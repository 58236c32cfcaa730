"""The window told by hand: what waits is never passed over, and what is known when it begins is not forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alarms.corrections import Correction, CorrectionKind, Episode
from alarms.language.reader import load
from alarms.rules import RuleSet
from alarms.signals import EVENT_DTYPE, EVENT_INDEX, Transition, unknown_samples
from alarms.window import KEY_DTYPE, Records, Window
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
    assert told.window.base_at == _ms(780)


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
