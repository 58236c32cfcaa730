"""Heartbeats in memory, and which of them is late."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hoistway.heartbeat import Heartbeats
from hoistway.stages import PARTS, STAGES, Beat, late


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A monotonic clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def row(key: str, *, age: float = 1, written: float = 1, lag: float = 0) -> Beat:
    part, _, stage = key.partition("/")
    return Beat(part=part, stage=stage, age_s=age, written_s=written, lag_s=lag)


def everybody() -> dict[str, Beat]:
    return {stage.key: row(stage.key) for stage in STAGES}


def test_a_stage_ages_until_it_beats(clock: list[float]) -> None:
    """The age counts from the start of the process, then from the last beat; the lag is what the stage said."""
    beats = Heartbeats("dispatch")
    clock[0] += 7
    assert beats.age_s("timers") == 7
    beats.beat("timers", 3.5)
    clock[0] += 2
    assert (beats.age_s("timers"), beats.lag_s("timers"), beats.age_s("round")) == (2, 3.5, 9)


def test_work_that_comes_when_it_comes_ages_only_while_it_lasts(clock: list[float]) -> None:
    """A commit: well while there is none, old while one waits, well again when it ended in any way."""
    beats = Heartbeats("ingest")
    clock[0] += 500
    assert beats.age_s("commit") == 0
    with contextlib.suppress(ValueError), beats.busy("commit"):
        clock[0] += 90
        assert beats.age_s("commit") == 90
        raise ValueError
    assert beats.age_s("commit") == 0


def test_the_figures_are_on_metrics(clock: list[float]) -> None:
    """Age and lag of each stage of the process."""
    registry = CollectorRegistry()
    beats = Heartbeats("dispatch", registry)
    beats.beat("round", 4)
    clock[0] += 6
    text = generate_latest(registry).decode()
    assert 'hoistway_heartbeat_age_seconds{stage="round"} 6.0' in text
    assert 'hoistway_heartbeat_lag_seconds{stage="round"} 4.0' in text


def test_all_well_is_nothing() -> None:
    """At the limit a stage is not yet late."""
    assert late([*everybody().values()], 60) == []
    assert late([*(everybody() | {"ingest/loop": row("ingest/loop", age=60, lag=60)}).values()], 60) == []


def test_lag_is_late_too() -> None:
    """A loop that goes round and does not get on: it says how far it is behind."""
    found = late([*(everybody() | {"ingest/engine": row("ingest/engine", lag=75)}).values()], 60)
    assert [(item.stage, item.en) for item in found] == [("ingest/engine", "ingest: rule engine is 75 s behind")]


def test_a_needed_process_that_was_never_heard_of_is_late() -> None:
    """Nothing at all in the table: every process on an alarm's way is named; backtests and supervisor may be absent."""
    assert [item.stage for item in late([], 60)] == ["ingest", "dispatch", "api", "watch"]


def test_every_stage_and_part_has_words_in_both_languages() -> None:
    """And no two stages have the same."""
    assert {stage.part for stage in STAGES} <= set(PARTS)
    for words in [*((stage.zh, stage.en) for stage in STAGES), *PARTS.values()]:
        assert re.search("[一-鿿]", words[0])
        assert words[1].isascii()
    assert len({stage.zh for stage in STAGES}) == len({stage.en for stage in STAGES}) == len(STAGES)
