"""The engine around the rules: fleet, batches, order of answers, snapshots, changes of rules, evidence."""

from __future__ import annotations

import json

import numpy as np
import pytest

from alarms.engine import Engine
from alarms.language.reader import default_rules, load
from alarms.signals import (
    CONTACT_DTYPE,
    EVENT_DTYPE,
    EVENT_INDEX,
    SAMPLE_DTYPE,
    Batch,
    Transitions,
    columns,
    unknown_samples,
)
from hoistway.errors import BadInput, OurFault
from hoistway.model import SIGNALS, DoorStatus, ServiceMode
from tests.pure.alarms.made_up_rules import rule, rules_of
from tests.pure.alarms.story import LIFT, QUIET, START, Story

TEXT = """
[[rule]]
id = "over-limit"
title = { zh = "超限", en = "Over the limit" }
kind = "lift"
when = 'abs(speed) > param("factor", 1.2) * rated_speed'
severity = "major"
opens = "ticket"
source = "test"
"""


def _rows(*rows: dict[str, float]) -> np.ndarray:
    found = unknown_samples(len(rows))
    for index, row in enumerate(rows):
        for name, value in row.items():
            found[name][index] = value
    return found


def test_sample_rows_have_every_signal_and_start_unknown() -> None:
    """Slot, two times and every signal of the model, in its order but those of one byte last; nothing is known in a fresh row."""
    names = [item.name for item in SIGNALS]
    small = [name for name in names if SAMPLE_DTYPE[name] == np.int8]
    others = [name for name in names if name not in small]
    assert SAMPLE_DTYPE.names == ("slot", "at", "received", "clock_error", *others, *small, "field_faults")
    assert small
    row = unknown_samples(1)[0]
    assert all(np.isnan(row[item.name]) if item.type == "number" else row[item.name] == -1 for item in SIGNALS)


@pytest.mark.parametrize(
    ("status", "speed", "moving"),
    [(-1, np.nan, -1), (0, np.nan, 0), (1, np.nan, 1), (-1, 0.05, 0), (-1, -0.06, 1), (0, 0.0, 0), (1, 1.0, 1), (0, 1.0, -1), (1, 0.0, -1)],
)  # fmt: skip
def test_moving_has_two_witnesses(status: int, speed: float, moving: int) -> None:
    """One witness is enough, two must agree."""
    assert columns(_rows({"car_status": status, "speed": speed}), ["moving"])["moving"][0] == moving


@pytest.mark.parametrize("flag", [-1, 0, 1])
@pytest.mark.parametrize("status", [-1, *DoorStatus])
def test_the_door_flag_is_checked_against_the_status(flag: int, status: int) -> None:
    """Missing flag: derived; contradiction: unknown; the status word for unknown says nothing."""
    says = -1 if status in {-1, 0} else int(status in {DoorStatus.CLOSED, DoorStatus.LOCKED})
    expected = says if flag == -1 else flag if says in {-1, flag} else -1
    assert columns(_rows({"door_closed": flag, "door_status": status}), ["door_closed"])["door_closed"][0] == expected


def test_reading_columns_changes_no_sample() -> None:
    """Own words for unknown are replaced in the column only."""
    rows = _rows({"service_mode": ServiceMode.UNKNOWN})
    assert columns(rows, ["service_mode"])["service_mode"][0] == -1
    assert rows["service_mode"][0] == ServiceMode.UNKNOWN


def test_nothing_comes_of_nothing() -> None:
    """An empty batch and an empty fleet answer with no rows."""
    engine = Engine(default_rules(), capacity=0)
    assert len(engine.step(Batch.of(), START)) == len(engine.tick(START)) == 0
    assert len(Transitions.join([])) == 0


def test_the_fleet_grows_by_itself() -> None:
    """A slot beyond the capacity gets room; a negative one is our own fault."""
    engine = Engine(default_rules(), capacity=1)
    found = engine.step(Batch.of(events=np.array([(5_000, START, START, EVENT_INDEX["90"], 1)], EVENT_DTYPE)), START)
    assert [(row.slot, row.at) for row in found] == [(5_000, START)]
    with pytest.raises(OurFault, match="negative"):
        engine.step(Batch.of(contacts=np.array([(-1, START, 1)], CONTACT_DTYPE)), START)


def test_a_lift_that_was_never_heard_is_offline_in_time() -> None:
    """Silence of a new lift counts from the newest time the engine knows, else from the first it will."""
    engine = Engine(default_rules(), capacity=2)
    engine.set_fleet([0], [False], [1.0], {})
    assert len(engine.tick(START)) == 0
    engine.set_fleet([1], [False], [1.0], {}, enrolled=START + 60_000)
    assert [(row.slot, row.at - START) for row in engine.tick(START + 500_000)] == [(0, 180_000), (1, 240_000)]


def test_a_lift_outside_the_fleet_is_never_offline() -> None:
    """Only enrolled units fall silent."""
    engine = Engine(default_rules(), capacity=2)
    engine.step(Batch.of(samples=_rows({"slot": 1, "at": START, "received": START})), START)
    assert len(engine.tick(START + 10**9)) == 0


def test_parameters_and_rated_speed_are_the_lifts_own() -> None:
    """A default where the lift has none; an unknown rated speed decides nothing; an update counts from the next sample."""
    engine = Engine(load(TEXT, source="test"), capacity=4)
    engine.set_fleet([0, 1, 2], [False] * 3, [1.0, 1.0, float("nan")], {1: {"factor": 2.0, "other": 1.0}})
    rows = [{"slot": slot, "at": START, "received": START, "speed": -1.5} for slot in range(3)]
    assert [row.slot for row in engine.step(Batch.of(samples=_rows(*rows)), START)] == [0]
    engine.set_fleet([1], [False], [1.0], {})
    again = [{"slot": slot, "at": START + 1, "received": START + 1, "speed": -1.5} for slot in range(3)]
    assert [row.slot for row in engine.step(Batch.of(samples=_rows(*again)), START)] == [1]


def test_answers_stand_in_order_of_time() -> None:
    """Rows are sorted by time over the fleet; of one lift in the order in which they happened."""
    engine = Engine(default_rules(), capacity=4)
    trapped = {**QUIET, "passenger": 1, "door_zone": 0}
    rows = [{**trapped, "slot": slot, "at": START + 5_000 - slot, "received": START + 5_000} for slot in (1, 2, 3)]
    rows += [{**QUIET, "slot": slot, "at": START + 80_000, "received": START + 80_000} for slot in (1, 2, 3)]
    found = list(engine.step(Batch.of(samples=_rows(*rows)), START))
    assert [row.at for row in found] == sorted(row.at for row in found)
    assert [row.slot for row in found[:3]] == [3, 2, 1]


def test_a_promotion_comes_before_what_happens_later() -> None:
    """Within one batch a record's answers stand before the deadlines that pass after it."""
    between = {**QUIET, "passenger": 1, "door_zone": 0}
    landing = {**QUIET, "passenger": 1, "service_mode": 2}
    rows = [{**landing, "at": START}, {**between, "at": START + 60_000}, {**landing, "at": START + 80_000}]
    engine = Engine(default_rules(), capacity=4)
    found = list(engine.step(Batch.of(samples=_rows(*({**row, "received": row["at"]} for row in rows))), START))
    assert [(row.at - START, row.kind) for row in found] == [(60_000, 1), (60_000, 3), (80_000, 1)]


def test_a_burst_of_one_lift_is_folded_in_order() -> None:
    """Two thousand samples of one lift in a batch say what they say one by one."""
    rng = np.random.default_rng(4)
    rows = unknown_samples(2_000)
    for name, value in QUIET.items():
        rows[name] = value
    rows["at"] = rows["received"] = START + np.arange(2_000) * 1_000
    rows["passenger"] = np.repeat(rng.integers(-1, 2, 50), 40)
    rows["door_zone"] = np.repeat(rng.integers(0, 2, 100), 20)
    whole, single = Engine(default_rules(), capacity=1), Engine(default_rules(), capacity=1)
    found = whole.step(Batch.of(samples=rows), START)
    parts = Transitions.join(single.step(Batch.of(samples=rows[i : i + 1]), START) for i in range(len(rows)))
    assert len(found) > 10
    assert found.rows.tolist() == parts.rows.tolist()


def test_evidence_is_plain_json_of_what_the_rule_names() -> None:
    """Raw and derived values, codes, and their times; unknown is null."""
    story = Story()
    story.sample(1, passenger=1, door_zone=0, speed=float("nan"))
    found = story.engine.evidence(LIFT, story.rules.index("entrapment-between-floors"))
    assert json.loads(json.dumps(found)) == found
    assert found["at"] == START + 1_000
    assert found["signals"]["speed"] is None
    assert found["derived"] == {"moving": False, "door_closed": True}
    story.event(2, "90")
    assert story.engine.evidence(LIFT, story.rules.index("alarm-button"))["reported"] == {"90": True}


def test_evidence_of_what_ingest_has_found_out() -> None:
    """Clock error and lag are seconds, unusable fields a count: not conditions."""
    when = ("clock_error < -300", "clock_lag > 10", "implausible")
    text = "".join(rule(id=f"rule-{n}", when=text, opens="ticket") for n, text in enumerate(when))
    story = Story(load(text, source="test"))
    story.sample(0, lag=12.5, clock_error=-400.0, field_faults=2)
    error, lag, faults = (story.engine.evidence(LIFT, index) for index in range(3))
    assert error["signals"] == {"clock_error": -400.0}
    assert lag["derived"] == {"clock_lag": 12.5}
    assert (faults["signals"]["field_faults"], faults["derived"]) == (2, {"implausible": True})


def test_unchanged_rules_survive_a_change_of_the_set() -> None:
    """A hold and an alarm of the same text go on; an alarm of a changed rule ends with its old index."""
    story = Story()
    story.sample(0, passenger=1)
    story.event(1, "90")
    story.event(1, "entrapment")
    texts = [rule.text for rule in default_rules() if rule.id != "alarm-button"][::-1]
    text = "\n".join(texts).replace(
        'opens = "rescue"\nsource = "own code', 'opens = "rescue"\nconfirm_s = 30\nsource = "own code'
    )
    new = load(text, source="test")
    old = story.rules
    gone = story.engine.replace_rules(new)
    assert {(old[row.rule].id, row.kind) for row in gone} == {("alarm-button", 2), ("entrapment-reported", 2)}
    found = [(new[row.rule].id, row.at - START) for row in story.engine.tick(START + 60_000)]
    assert found == [("entrapment-at-landing", 60_000)]


def test_an_alarm_of_silence_ends_by_the_server_s_clock_when_its_rule_changes() -> None:
    """It was raised by that clock; the lift's own may be far behind, or never have been heard."""
    silent = rule(id="silent", silent_for="180s", opens="ticket")
    other = load(silent.replace("180s", "200s"), source="test")
    for speaks in (False, True):
        story = Story(load(silent, source="test"))
        if speaks:
            story.sample(0)
        story.tick(3_600)
        assert story.said("silent") == [("raise", 180)]
        ended = [(row.kind, row.at - START) for row in story.engine.replace_rules(other) if row.slot == LIFT]
        assert ended == [(2, 3_600_000)]


def test_a_snapshot_taken_under_other_rules_names_what_lapsed() -> None:
    """Restore keeps what it can and says which active alarms have no rule any more."""
    story = Story()
    story.event(1, "90")
    story.sample(2, passenger=1, door_zone=0)
    engine = Engine(
        load(next(rule.text for rule in story.rules if rule.id == "entrapment-between-floors"), source="test"),
        capacity=1,
    )
    assert engine.restore(story.engine.snapshot()) == ((LIFT, "alarm-button"),)
    assert [row.at - START for row in engine.tick(START + 70_000)] == [22_000]


@pytest.mark.parametrize(
    "damage",
    [lambda blob: blob[:0], lambda blob: b"x" + blob, lambda blob: blob[:-20], lambda blob: blob[:-9] + b"x" * 9],
)
def test_a_damaged_snapshot_is_refused(damage) -> None:
    """Bytes that are not a whole snapshot of this format raise BadInput, never a wrong state."""
    with pytest.raises(BadInput):
        Engine(default_rules(), capacity=1).restore(damage(Story().engine.snapshot()))


def test_a_snapshot_of_another_format_is_refused() -> None:
    """The format number is checked before anything is read."""
    blob = Story().engine.snapshot().replace(b'"version":4', b'"version":9')
    with pytest.raises(BadInput, match="format 9"):
        Engine(default_rules(), capacity=1).restore(blob)


def test_a_snapshot_holds_the_whole_fleet() -> None:
    """Restoring into an engine of any size gives the same bytes again."""
    story = Story()
    story.sample(0, passenger=1)
    story.link(5, online=False)
    blob = story.engine.snapshot()
    engine = Engine(default_rules(), capacity=0)
    engine.restore(blob)
    assert engine.snapshot() == blob


def test_rules_of_silence_alone_make_an_engine() -> None:
    """A set without any rule that holds is a set like another."""
    reasons = ("implausible", "passenger", "link_lost")
    rules = rules_of(
        "\n".join(
            rule(id=f"silent-{number}", when=why, silent_for="10s", opens="notice")
            for number, why in enumerate(reasons)
        )
    )
    assert len(Engine(rules, capacity=1).tick(1_000_000)) == 0
