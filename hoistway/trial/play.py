"""A story played before the rules in memory, as fast as the machine goes: simulator -> engine, no broker, no database, no clock.

Two ways. **Direct**: what the sensors say goes to the engine as columns; the network is perfect. **Wire**: every message is written and
read as over MQTT, through the device half of the contract and ingest's own decoding, clocks, duplicates and late records; some ten
times as slow. Both give the same alarms where the story has no network of its own; a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from alarms.rules import RuleSet
from alarms.signals import Batch
from hoistway.errors import BadInput
from hoistway.limits import TICK_MS, TICK_SETTLE_MS
from hoistway.model import Kind
from hoistway.trial.ahead import Stretch, ahead
from hoistway.trial.clips import Clips, Line
from hoistway.trial.columns import Intake
from hoistway.trial.fleet import Fleet
from hoistway.trial.said import Said, facts_of, version_of
from hoistway.trial.wire import Wire
from simulators.city import Equipment, make_city
from simulators.scenario import Scenario
from simulators.score.matching import AFTER_MS, BEFORE_MS
from simulators.score.records import Run, truth_of
from simulators.stage import Stage
from simulators.stage import play as stage_play
from simulators.world import DEFAULT_START_MS

Progress = Callable[[float], None]
BATCH_STEPS: Final = 60
"""Seconds of the story that the engine takes at once."""
LOOK_BACK: Final = 5_000
"""So many of the last raises are looked through for those of a lift."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """A run and what belongs to it."""

    run: Run
    truth: Sequence[dict[str, Any]]  # the lines as the story told them
    clips: dict[str, list[Line]]
    samples: int
    left_out: int = 0  # explanations beyond the limit


@dataclass(kw_only=True)
class Trial:
    """What is to be played."""

    scenario: Scenario
    rules: RuleSet
    seed: int
    from_ms: int = DEFAULT_START_MS
    lasts_ms: int | None = None  # None: the story's own length
    rows: Sequence[Equipment] | None = None  # None: a made-up city
    wire: bool = False
    two_processes: bool = False  # the story in one of its own; the same run
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def until_ms(self) -> int:
        lasts = self.lasts_ms or self.scenario.duration_ms
        if lasts is None:
            raise BadInput("an endless story", where=self.scenario.name, expected="how long: --days or --hours")
        return self.from_ms + lasts

    def register(self) -> Sequence[Equipment]:
        """Whom to play, lifts first."""
        rows = self.rows
        if rows is None:
            rows = make_city(lifts=self.scenario.lifts, escalators=self.scenario.escalators, seed=self.seed)
        return sorted(rows, key=lambda row: row.kind is not Kind.LIFT)


class Judge:
    """The rules over a fleet, with what they say and what explains it. One engine; time is an argument."""

    def __init__(self, trial: Trial, fleet: Fleet) -> None:
        self.fleet, self.said = fleet, Said(trial.rules)
        self.engine = fleet.engine(trial.rules, now=trial.from_ms)
        self.lines: dict[Any, dict[str, Any]] = {}
        self._by_slot: dict[int, list[Any]] = {}
        self.clips = Clips(fleet.label)
        self.samples = 0
        self._seen = 0

    def tell(self, line: dict[str, Any]) -> None:
        """The story's truth, which the rules never see."""
        new = line["id"] not in self.lines
        self.lines[line["id"]] = line
        truth = truth_of(line)
        if new:
            slot = self.fleet.number[truth.device]
            self._by_slot.setdefault(slot, []).append(line["id"])
            self.clips.want(f"truth-{truth.id}", slot, truth.from_ms, partial(self._untold, line["id"], slot))

    def lines_of(self, slot: int) -> list[dict[str, Any]]:
        """The truth of one unit so far."""
        return [self.lines[number] for number in self._by_slot.get(slot, ())]

    def take(self, batch: Batch, until_ms: int) -> None:
        """Fold what came up to `until_ms`."""
        known = {int(row["slot"]): int(row["received"]) for row in batch.contacts if row["online"]}
        self.samples += len(batch.samples)
        self.said.note(self.engine.step(batch, until_ms), known)
        self.said.note(self.engine.tick((until_ms - TICK_SETTLE_MS) // TICK_MS * TICK_MS))
        self.look(batch, until_ms)

    def look(self, batch: Batch, until_ms: int) -> None:
        """Keep what may have to be explained."""
        for slot, rule, at in self.said.raised[self._seen :]:
            self.clips.want(f"{slot}/{rule}/{at}", slot, at, partial(self._strange, slot, rule, at))
        self._seen = len(self.said.raised)
        self.clips.add(batch, until_ms)

    def _untold(self, truth_id: Any, slot: int) -> bool:
        """Whether something that a truth asks for was not raised."""
        truth = truth_of(self.lines[truth_id])
        raised = {
            rule
            for number, rule, at in self.said.raised[-LOOK_BACK:]
            if number == slot and at >= truth.from_ms - BEFORE_MS
        }
        return not set(truth.expects) <= raised

    def _strange(self, slot: int, rule: str, at: int) -> bool:
        """Whether nothing that was wrong with the lift explains an alarm."""
        near = map(truth_of, self.lines_of(slot))
        return not any(
            truth.overlaps(at - AFTER_MS, at + BEFORE_MS) and (rule in truth.expects or rule in truth.allows)
            for truth in near
        )

    def played(self, trial: Trial) -> Played:
        """The run as it was."""
        self.clips.cut(0, everything=True)
        rules = facts_of(trial.rules)
        alarms = self.said.alarms(self.fleet)
        truths = sorted((truth_of(line) for line in self.lines.values()), key=lambda truth: (truth.from_ms, truth.lift))
        run = Run(
            name=trial.scenario.name,
            seed=trial.seed,
            from_ms=trial.from_ms,
            to_ms=trial.until_ms,
            lifts=self.fleet.lifts,
            escalators=len(self.fleet.rows) - self.fleet.lifts,
            rules=rules,
            truths=truths,
            alarms=alarms,
            sent=self.said.sent(self.fleet, until_ms=trial.until_ms),
            facts={"rule_set": version_of(rules), "way": "wire" if trial.wire else "direct", **trial.facts},
        )
        names = {
            f"{self.fleet.number_of_code(item.lift)}/{item.rule}/{item.raised_ms}": f"alarm-{item.id}"
            for item in alarms
        }
        clips = {names.get(name, name): lines for name, lines in self.clips.found.items()}
        return Played(
            run=run, truth=list(self.lines.values()), clips=clips, samples=self.samples, left_out=self.clips.left_out
        )


def play_run(trial: Trial, progress: Progress | None = None) -> Played:
    """Play the whole story. The same story, seed, register and rules give the same run."""
    judge = Judge(trial, Fleet(trial.register()))
    span = trial.until_ms - trial.from_ms
    for now in steps(trial, judge):
        if progress is not None:
            progress((now - trial.from_ms) / span)
    return judge.played(trial)


def steps(trial: Trial, judge: Judge) -> Iterator[int]:
    """Play it a stretch at a time; answers up to when."""
    return (_wire if trial.wire else _direct)(trial, judge)


def _direct(trial: Trial, judge: Judge) -> Iterator[int]:
    rows, labels = judge.fleet.rows, judge.fleet.labels()
    if trial.two_processes:
        made = ahead(stretches, trial.scenario, rows, trial.from_ms, trial.until_ms, trial.seed, labels)
    else:
        made = stretches(trial.scenario, rows, trial.from_ms, trial.until_ms, trial.seed, labels)
    for until_ms, batch, lines in made:
        for line in lines:
            judge.tell(line)
        judge.take(batch, until_ms)
        yield until_ms


def stretches(
    scenario: Scenario, rows: Sequence[Equipment], from_ms: int, until_ms: int, seed: int, labels: dict[str, int]
) -> Iterator[Stretch]:
    """The story a minute at a time, as the engine takes it, with the truth of that minute."""
    told: list[dict[str, Any]] = []
    stage = Stage(scenario, rows, start_ms=from_ms, seed=seed, tell=lambda line: told.append(dict(line)))
    intake = Intake(len(rows), [labels[text] for text in stage.machines.labels])
    deliveries = []
    while stage.now < until_ms:
        deliveries.append(stage.step())
        if len(deliveries) == BATCH_STEPS or stage.now >= until_ms:
            batch = intake.batch(deliveries)
            yield stage.now, batch, list(told)
            told.clear()
            deliveries = []


def _wire(trial: Trial, judge: Judge) -> Iterator[int]:
    wire = Wire(judge.fleet, judge.said, trial.rules, now=trial.from_ms)
    messages = stage_play(
        trial.scenario,
        judge.fleet.rows,
        start_ms=trial.from_ms,
        seed=trial.seed,
        tell=judge.tell,
        until_ms=trial.until_ms,
    )
    due = trial.from_ms + TICK_MS
    for received, device, leaf, payload in messages:
        while received >= due:
            yield from _second(wire, judge, due)
            due += TICK_MS
        wire.take(received, device, leaf, payload)
    while due <= trial.until_ms:
        yield from _second(wire, judge, due)
        due += TICK_MS


def _second(wire: Wire, judge: Judge, now: int) -> Iterator[int]:
    batch = wire.fold(now)
    judge.samples += len(batch.samples)
    judge.look(batch, now)
    yield now
