"""Runs in memory: both ways give the same alarms, a run on disk is the run, and what is told of entrapments on a fixed seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from alarms.language.reader import default_rules
from hoistway.cli import app
from hoistway.errors import BadInput
from hoistway.trial import folder
from hoistway.trial.columns import Intake, samples_of
from hoistway.trial.play import Played, Trial, play_run
from hoistway.trial.sweep import swept
from simulators.faults.scripts import Fault
from simulators.network.carrier import Delivery, Link
from simulators.records import SAID_UNKNOWN, blank
from simulators.scenario import Scenario, load
from simulators.score.card import scorecard

MINUTE = 60_000
STORY: Scenario = replace(
    load("quiet-hour"),
    name="small-city",
    lifts=60,
    escalators=2,
    duration_ms=14 * MINUTE,
    faults=(
        Fault(kind="entrapment-between-floors", at_ms=1 * MINUTE, person_sensor=True, rescue_after_ms=4 * MINUTE),
        Fault(kind="entrapment-between-floors", at_ms=2 * MINUTE, person_sensor=True, alarm_button_after_ms=30_000,
              rescue_after_ms=5 * MINUTE),
        Fault(kind="entrapment-at-landing", at_ms=1 * MINUTE, person_sensor=True, rescue_after_ms=4 * MINUTE),
        Fault(kind="entrapment-between-floors", at_ms=2 * MINUTE, person_sensor=False, rescue_after_ms=6 * MINUTE),
        Fault(kind="stopped-outside-zone", at_ms=2 * MINUTE, person_sensor=True, rescue_after_ms=5 * MINUTE),
        Fault(kind="link-loss", at_ms=2 * MINUTE, lasts_ms=4 * MINUTE),
        Fault(kind="power-cut", at_ms=9 * MINUTE, lasts_ms=2 * MINUTE),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def direct() -> Played:
    return play_run(Trial(scenario=STORY, rules=default_rules(), seed=STORY.seed))


@pytest.fixture(scope="module")
def wire() -> Played:
    return play_run(Trial(scenario=STORY, rules=default_rules(), seed=STORY.seed, wire=True))


def test_as_columns_and_as_messages_the_same_alarms(direct: Played, wire: Played) -> None:
    """The same truth, the same rules of the same lifts, at the same second; a link that is lost is seen within one more."""
    assert direct.truth == wire.truth
    one, two = ({(item.lift, item.rule): item for item in side.run.alarms} for side in (direct, wire))
    assert one.keys() == two.keys()
    assert len(direct.run.alarms) == len(wire.run.alarms) == len(one)
    assert max(abs(item.raised_ms - two[key].raised_ms) for key, item in one.items()) <= 2_000
    assert max(abs(item.cleared_ms - two[key].cleared_ms) for key, item in one.items()) <= 2_000


def test_a_story_in_a_process_of_its_own_is_the_same_run(direct: Played) -> None:
    """Alarms, truth and explanations; and what goes wrong there is raised here."""
    story = replace(STORY, duration_ms=5 * MINUTE)
    one, two = (
        play_run(Trial(scenario=story, rules=default_rules(), seed=STORY.seed, two_processes=both))
        for both in (False, True)
    )
    assert (one.run, one.truth, one.clips) == (two.run, two.truth, two.clips)
    assert {item.id for item in one.run.alarms} <= {item.id for item in direct.run.alarms}
    lost = replace(STORY, faults=(Fault(kind="entrapment-between-floors", lift=5_000),))
    with pytest.raises(BadInput, match="lift 5000"):
        play_run(Trial(scenario=lost, rules=default_rules(), seed=1, two_processes=True))


def test_who_is_trapped_is_always_told(direct: Played) -> None:
    """On this seed every entrapment, with a person sensor or without, in time, and nothing is false."""
    card = scorecard(direct.run)
    found = {name: card["entrapments"][name]["recall"] for name in ("with_sensor", "without_sensor")}
    assert [(found[name]["hits"], found[name]["of"]) for name in found] == [(3, 3), (1, 1)]
    assert (card["missed"], card["late"], card["false"]) == ([], [], [])
    assert card["dispatch"]["true"] == 4


def test_a_run_on_disk_is_the_run(direct: Played, tmp_path: Path) -> None:
    """Written and read again, it has the same scorecard."""
    folder.write(direct, tmp_path / "run")
    assert scorecard(folder.read(tmp_path / "run")) == scorecard(direct.run)
    assert folder.read_evidence(tmp_path / "run") == direct.clips


def test_a_folder_that_is_no_run_is_refused(direct: Played, tmp_path: Path) -> None:
    """Nothing there, another format, a damaged line: each is named."""
    with pytest.raises(BadInput, match=r"run\.json"):
        folder.read(tmp_path)
    folder.write(direct, tmp_path)
    (tmp_path / "alarms.jsonl").write_text("{}\n")
    with pytest.raises(BadInput, match=r"alarms\.jsonl, line 1"):
        folder.read(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 9}')
    with pytest.raises(BadInput, match="format 1"):
        folder.read(tmp_path)


def test_a_rule_that_is_made_slow_misses_and_its_misses_are_explained(tmp_path: Path) -> None:
    """With a hold of half an hour nobody is told; the samples around each stop were kept."""
    text = "\n".join(
        line for line in _text("entrapment-between-floors").splitlines() if not line.startswith("for =")
    ).replace("when =", 'for = "30m"\nwhen =')
    rules = tmp_path / "slow.toml"
    rules.write_text(text)
    story = tmp_path / "story.toml"
    story.write_text(
        'title = { zh = "一", en = "one" }\nstory = "x"\nduration = "8min"\nlifts = 4\nseed = 3\ntime_of_day = "10:00"\n'
        '[[fault]]\nkind = "entrapment-between-floors"\nat = "60s"\nperson_sensor = true\nrescue_after = "4min"\n'
    )
    made = CliRunner().invoke(
        app, ["score", "play", str(story), "--rules", str(rules), "--out", str(tmp_path / "run"), "--html", str(tmp_path / "a.html")]
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    run = folder.read(tmp_path / "run")
    assert [item["rule"] for item in scorecard(run)["missed"]] == ["entrapment-between-floors"]
    told = CliRunner().invoke(app, ["score", "explain", str(tmp_path / "run"), "truth-1"])
    assert "car_status=0" in told.output
    assert "truth-1" in (tmp_path / "a.html").read_text()
    shown = CliRunner().invoke(app, ["score", str(tmp_path / "run"), "--json", str(tmp_path / "a.json")])
    assert "entrapment-between-fl" in shown.output
    both = CliRunner().invoke(app, ["score", "compare", str(tmp_path / "run"), str(tmp_path / "run")])
    assert both.exit_code == 0, both.output


def _text(rule_id: str) -> str:
    rules = default_rules()
    return rules[rules.index(rule_id)].text


def test_a_sweep_shows_from_which_hold_on_people_are_missed() -> None:
    """The delay is the hold, and beyond the longest stop nothing is told."""
    story = replace(STORY, faults=STORY.faults[:2], lifts=12, escalators=0, duration_ms=11 * MINUTE)
    trial = Trial(scenario=story, rules=default_rules(), seed=STORY.seed)
    found = swept(trial, "entrapment-between-floors", [5, 20, 3_000])
    assert [(item["hold_s"], item["true"], item["missed"]) for item in found["points"]] == [
        (5, 2, 0),
        (20, 2, 0),
        (3_000, 0, 2),
    ]
    assert [item["delays"]["p50"]["ms"] // 1_000 for item in found["points"][:2]] == [5, 20]
    with pytest.raises(BadInput, match="--rule"):
        swept(trial, "no-such-rule", [5])
    with pytest.raises(BadInput, match="silence"):
        swept(trial, "offline", [5])


def test_values_that_no_lift_has_are_unknown_and_counted() -> None:
    """As the decoder of messages does: out of range and no such word become unknown; what is said to be unknown is."""
    rows = blank(2)
    rows["temperature"], rows["door_status"] = (999.0, 20.0), (4, 77)
    rows["passenger"], rows["car_position"] = (SAID_UNKNOWN, 1), (0, -1)
    found = samples_of(rows, np.array([5], np.int16))
    assert [str(value) for value in found["temperature"]] == ["nan", "20.0"]
    assert found["door_status"].tolist() == [4, -1]
    assert found["passenger"].tolist() == [-1, 1]
    assert found["car_position"].tolist() == [5, -1]
    assert found["field_faults"].tolist() == [1, 1]


def test_a_clock_that_is_off_is_put_right_and_one_that_jumps_is_not_believed() -> None:
    """A minute behind: corrected. An hour back in the middle of a boot: the time of receipt. A backlog keeps its own times."""
    intake = Intake(1, [0])
    rows = blank(3)
    rows["boot"], rows["seq"] = 1, (1, 2, 3)
    rows["received"], rows["ts"] = (100_050, 101_050, 102_050), (40_000, 41_000, 42_000 - 3_600_000)
    found = intake.batch([Delivery(rows=rows)]).samples
    assert found["at"].tolist() == [100_050, 101_050, 102_050]
    assert found["clock_error"].tolist() == pytest.approx([60.05, 60.05, 3_660.05])
    kept = blank(1)
    kept["boot"], kept["seq"], kept["received"], kept["ts"] = 1, 4, 400_000, 100_000
    late = intake.batch([Delivery(rows=kept, links=[Link(399_000, 0, online=True, boot=1, conn=2)])]).samples
    assert late["at"].tolist() == [160_050]
