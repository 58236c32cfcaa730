"""The watcher's judgement: two missing probes, late stages, who is to blame, and when all is well again."""

from __future__ import annotations

import pytest

from hoistway.stages import STAGES, Beat, Cadence, late
from hoistway.watch.judge import Judge, State, Step, Verdict

CADENCE = Cadence(every_s=60)
T = 1_000.0


def beats(**ages: float) -> list[Beat]:
    """Every stage well, but for those named as `part_stage`, which are so old."""
    return [
        Beat(part=s.part, stage=s.name, age_s=ages.get(f"{s.part}_{s.name}", 1), written_s=2, lag_s=0) for s in STAGES
    ]


def silent(*parts: str, for_s: float = 70) -> list[Beat]:
    """Every stage well, but the processes named have not written for so long."""
    return [
        Beat(part=s.part, stage=s.name, age_s=for_s, written_s=for_s, lag_s=0)
        if s.part in parts
        else Beat(part=s.part, stage=s.name, age_s=1, written_s=2, lag_s=0)
        for s in STAGES
    ]


class Watched:
    """A judge that is asked every five seconds while time passes."""

    def __init__(self) -> None:
        self.now = T
        self.judge = Judge(CADENCE, T)
        self.rows: list[Beat] | None = beats()
        self.api = self.broker = True

    def pass_s(self, seconds: float) -> Verdict:
        for _ in range(int(seconds / 5)):
            self.now += 5
            if self.rows is not None:
                self.judge.looked(self.rows, self.now)
            if self.api:
                self.judge.api_heard(self.now)
            if self.broker:
                self.judge.broker_stood(self.now)
            verdict = self.judge.verdict(self.now)
        return verdict

    def stages(self, seconds: float = 5) -> list[str]:
        return [item.stage for item in self.pass_s(seconds).findings]


@pytest.fixture
def well() -> Watched:
    """Two minutes after the start, with a probe that came through."""
    watched = Watched()
    watched.judge.probe(None)
    assert watched.pass_s(120).state is State.WELL
    return watched


def test_nothing_is_said_before_the_first_probe() -> None:
    """While the platform starts the watcher neither shouts nor says that all is well."""
    watched = Watched()
    watched.rows = silent("ingest", "api", "dispatch")  # as the last run left them
    assert watched.pass_s(55).state is State.STARTING


def test_one_missing_probe_is_silent_and_two_shout(well: Watched) -> None:
    """One may be bad luck. The second names what it waited for; the next that comes through ends the alarm."""
    well.judge.probe(Step.ACK)
    assert well.pass_s(5).state is State.WELL
    well.judge.probe(Step.ANSWER)
    verdict = well.pass_s(5)
    assert (verdict.state, verdict.missed) == (State.ALARM, 2)
    assert [item.stage for item in verdict.findings] == ["dispatch/round"]
    assert "2 probes" in verdict.en
    assert "2 次" in verdict.zh
    well.judge.probe(None)
    assert well.pass_s(5).state is State.WELL


@pytest.mark.parametrize(
    ("step", "stage"),
    [
        (Step.CONNECT, "broker"),
        (Step.ACK, "ingest"),
        (Step.ALARM, "api/stream"),
        (Step.ANSWER, "dispatch/round"),
        (Step.CLEAR, "api/stream"),
    ],
)
def test_a_probe_is_blamed_on_the_step_it_waited_for(well: Watched, step: Step, stage: str) -> None:
    """When every heartbeat is well, the step at which the probe was lost is the best guess."""
    for _ in range(2):
        well.judge.probe(step)
    assert well.stages() == [stage]


def test_a_stage_that_stands_still_is_named_without_a_probe(well: Watched) -> None:
    """The backtest worker is on no alarm's way; its heartbeat alone tells."""
    well.rows = beats(backtests_loop=61)
    assert well.stages() == ["backtests/loop"]
    assert well.pass_s(5).missed == 0
    well.rows = beats()
    assert well.pass_s(5).state is State.WELL


def test_the_likely_cause_comes_first(well: Watched) -> None:
    """A commit that waits for a lock stops engine and loop: the commit is named first, then they, then the reader behind."""
    well.rows = beats(ingest_commit=90, ingest_loop=90, ingest_engine=90, api_stream=70)
    for _ in range(2):
        well.judge.probe(Step.ACK)
    assert well.stages() == ["ingest/commit", "ingest/engine", "ingest/loop", "api/stream"]


def test_a_process_that_says_nothing_is_named_once(well: Watched) -> None:
    """Not each of its stages: the process stands still or is gone."""
    well.rows = silent("ingest")
    assert well.stages() == ["ingest"]


def test_a_broker_that_is_away_comes_before_what_it_stops(well: Watched) -> None:
    """The probe cannot connect: the broker first, then ingest's connection."""
    well.rows = beats(ingest_network=65)
    for _ in range(2):
        well.judge.probe(Step.CONNECT)
    assert well.stages() == ["broker", "ingest/network"]


def test_a_broker_that_is_gone_is_named_before_two_probes_are_missing(well: Watched) -> None:
    """The terminal's own connection tells it a cadence after it broke."""
    well.broker = False
    assert well.pass_s(60).state is State.WELL
    assert well.stages() == ["broker"]


def test_a_database_that_does_not_answer_is_named_instead_of_old_heartbeats(well: Watched) -> None:
    """What it said last says nothing about now."""
    well.rows = None
    assert well.pass_s(60).state is State.WELL
    assert well.stages() == ["database"]


def test_an_api_that_does_not_answer_is_named_once(well: Watched) -> None:
    """By its silence towards the watcher, or by its heartbeat, not by both."""
    well.api = False
    assert well.stages(65) == ["api"]
    well.rows = silent("api")
    assert well.stages() == ["api"]


def test_everything_gone_is_said_by_the_watcher_alone(well: Watched) -> None:
    """Broker, database and API away: each is named, and the watcher needs none of them for it."""
    well.rows, well.api = None, False
    for _ in range(2):
        well.judge.probe(Step.CONNECT)
    assert well.stages(65) == ["broker", "database", "api"]


def test_a_watcher_that_stood_still_blames_nobody_for_it(well: Watched) -> None:
    """A laptop's sleep, a stopped process: everybody gets a fresh limit."""
    well.now += 3_600
    verdict = well.judge.verdict(well.now)
    assert verdict.state is State.WELL
    well.rows = silent("ingest")
    assert well.pass_s(55).state is State.WELL
    assert well.stages(10) == ["ingest"]


def test_new_parts_are_news() -> None:
    """Whether a shout has to be repeated: another process is named, or the probes are missing now as well."""
    one = Verdict(state=State.ALARM, missed=0, findings=tuple(late(beats(ingest_loop=70), 60)))
    more = Verdict(state=State.ALARM, missed=2, findings=tuple(late(beats(ingest_commit=70, api_stream=70), 60)))
    assert one.parts == {"ingest"}
    assert more.parts == {"ingest", "api", "probe"}


def test_the_limits_find_everything_within_three_minutes() -> None:
    """A fault right after a probe: the next two are missing, the second at its limit; a heartbeat is late sooner."""
    assert 2 * CADENCE.every_s + CADENCE.limit_s <= 180
    assert CADENCE.late_s + 3 * CADENCE.beat_s <= 180
    assert CADENCE.limit_s < CADENCE.every_s
