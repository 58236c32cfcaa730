"""Which alarm belongs to what really happened."""

from __future__ import annotations

import json

import pytest

from hoistway.errors import BadInput
from simulators.score.matching import Answer, Verdict, match
from simulators.score.records import NEVER, alarms_of, sent_of, truth_of, truths_of
from tests.pure.score.records import alarm, run, sent, truth

BETWEEN, LANDING, STOPPED, HELD = (
    "entrapment-between-floors", "entrapment-at-landing", "stopped-outside-zone", "door-held-open",
)  # fmt: skip


def answers(*parts: object) -> list[Answer]:
    return [item.answer for item in match(run(*parts)).asked]  # type: ignore[arg-type]


def verdicts(*parts: object) -> list[Verdict]:
    return [item.verdict for item in match(run(*parts)).judged]  # type: ignore[arg-type]


def test_an_alarm_in_time_is_true_and_its_delay_counts_from_the_stop() -> None:
    """Twenty seconds after the stop, with the fault still there."""
    found = match(run(truth(1, BETWEEN, 100, 700), alarm(1, BETWEEN, 120, 690)))
    assert [(item.answer, item.delay_ms) for item in found.asked] == [(Answer.TRUE, 20_000)]
    assert [item.verdict for item in found.judged] == [Verdict.TRUE]


@pytest.mark.parametrize("raised", [190, 720])
def test_an_alarm_beyond_the_promise_or_after_the_end_is_late(raised: float) -> None:
    """Later than the hold and a minute, or within the minute after the end."""
    parts = (truth(1, BETWEEN, 100, 700), alarm(1, BETWEEN, raised, 800))
    assert (answers(*parts), verdicts(*parts)) == ([Answer.LATE], [Verdict.LATE])


def test_no_alarm_is_a_miss_and_an_alarm_of_another_lift_helps_nobody() -> None:
    """The other lift's alarm is false as well."""
    parts = (truth(1, BETWEEN, 100, 700), alarm(1, BETWEEN, 120, 690, lift="2"))
    assert (answers(*parts), verdicts(*parts)) == ([Answer.MISSED], [Verdict.FALSE])


def test_the_second_alarm_of_one_fault_is_a_repeat() -> None:
    """Neither true again nor false."""
    parts = (truth(1, BETWEEN, 100, 700), alarm(1, BETWEEN, 120, 200), alarm(2, BETWEEN, 300, 690))
    assert verdicts(*parts) == [Verdict.TRUE, Verdict.REPEAT]


def test_one_alarm_tells_one_fault() -> None:
    """Two faults half a minute apart and one alarm for the first: the second was not told, unless the alarm was still active."""
    both = (truth(1, BETWEEN, 100, 130), truth(2, BETWEEN, 160, 600))
    assert answers(*both, alarm(1, BETWEEN, 120, 128)) == [Answer.TRUE, Answer.MISSED]
    assert answers(*both, alarm(1, BETWEEN, 120, 600)) == [Answer.TRUE, Answer.TRUE]


def test_a_consequence_that_the_story_allows_is_no_false_alarm() -> None:
    """Trapped between floors is stopped outside the zone as well; a door held open in it is not excused."""
    fault = truth(1, BETWEEN, 100, 700, allows=frozenset({STOPPED}))
    parts = (fault, alarm(1, BETWEEN, 120, 700), alarm(2, STOPPED, 145, 700), alarm(3, HELD, 450, 700))
    assert verdicts(*parts) == [Verdict.TRUE, Verdict.BESIDE, Verdict.FALSE]


def test_a_look_alike_that_takes_a_rule_in_is_its_cause() -> None:
    """The false alarm names the look-alike; what it did not take in, nothing is said of."""
    alike = truth(1, "mover-s-padding", 100, 700, alike=(LANDING,), person=False)
    found = match(run(alike, alarm(1, LANDING, 160, 690)))
    assert [(item.verdict, item.truth and item.truth.kind) for item in found.judged] == [
        (Verdict.FALSE, "mover-s-padding")
    ]
    assert found.asked == []


def test_a_notice_is_no_alarm() -> None:
    """What was demoted to its end is counted apart, and answers no question."""
    parts = (truth(1, LANDING, 100, 700), alarm(1, LANDING, 160, 690, notice=True))
    assert answers(*parts) == [Answer.MISSED]
    alike = truth(1, "mechanic", 100, 700, alike=(LANDING,))
    assert verdicts(alike, alarm(1, LANDING, 160, 690, notice=True)) == [Verdict.NOTICE]


def test_what_began_just_before_the_end_of_the_run_is_not_asked_for() -> None:
    """Nobody had to speak yet; but who did is counted."""
    late = truth(1, BETWEEN, 3_550, None)
    assert answers(late) == []
    assert answers(late, alarm(1, BETWEEN, 3_570)) == [Answer.TRUE]


def test_an_entrapment_counts_as_told_by_whichever_rule_sends() -> None:
    """The rule meant for it was silent, another one sent a crew."""
    found = match(run(truth(1, BETWEEN, 100, 700), alarm(1, LANDING, 170, 690)))
    assert [item.delay_ms for item in found.trappings] == [70_000]
    assert [item.answer for item in found.asked] == [Answer.MISSED]
    assert [
        item.delay_ms for item in match(run(truth(1, BETWEEN, 100, 700), alarm(1, STOPPED, 145, 690))).trappings
    ] == [None]


def test_a_crew_that_finds_nobody_names_what_was_wrong() -> None:
    """An empty car between floors, a healthy lift, and somebody inside."""
    found = match(
        run(
            truth(1, BETWEEN, 100, 700), truth(2, STOPPED, 100, 700, lift="2", person=False),
            sent(BETWEEN, 120, 700), sent(BETWEEN, 120, 700, lift="2"), sent(LANDING, 900, 950, lift="3"),
        )
    )  # fmt: skip
    assert [item.lift for item, _ in found.sent_true] == ["1"]
    assert [truth.kind if truth else None for _, truth in found.sent_false] == [STOPPED, None]


# --- reading ---


def test_the_last_line_of_a_fault_counts() -> None:
    """Written when it began and again when it ended; what never ended lasts to the end of the run."""
    line = {"id": 1, "fault": BETWEEN, "device": "d-1", "rescue_code": "900001", "from": 5, "to": None, "person_inside": True,
            "person_sensor": True, "floor": "3"}  # fmt: skip
    text = [json.dumps(line), json.dumps({**line, "to": 600_005}), json.dumps({**line, "id": 2})]
    found = truths_of(text, source="t")
    assert [(item.to_ms, item.expects) for item in found] == [(600_005, (BETWEEN,)), (NEVER, (BETWEEN,))]


def test_a_story_that_says_what_to_expect_is_believed() -> None:
    """Its own fields count, and the older names are not needed."""
    found = truth_of({"id": "x", "kind": "person-holds-door", "lift": "900001", "from_ms": 1, "to_ms": 2, "person": None,
                      "expects": [], "alike": [HELD], "allows": ["offline"], "cause": None, "device": "d-1"})  # fmt: skip
    assert (found.lift, found.expects, found.alike, found.allows, found.story) == (
        "900001",
        (),
        (HELD,),
        {"offline"},
        True,
    )


def test_what_is_over_before_the_promise_is_not_asked_for() -> None:
    """An older story's link loss of a minute need not be told, one of six must be."""
    line = {
        "id": 1,
        "fault": "link-loss",
        "device": "d",
        "from": 0,
        "person_inside": False,
        "person_sensor": True,
        "floor": "1",
    }
    assert truth_of({**line, "to": 60_000}).expects == ()
    assert truth_of({**line, "to": 360_000}).expects == ("offline",)


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"id": 1}', '{"id": 1, "fault": "x", "device": "d", "from": 1, "expects": "r"}']
)
def test_a_line_that_cannot_be_used_is_named(line: str) -> None:
    """File and line, whatever the fault."""
    with pytest.raises(BadInput, match=r"truth\.jsonl, line 2"):
        truths_of(["", line], source="truth.jsonl")
    for read in (alarms_of, sent_of):
        with pytest.raises(BadInput, match="x, line 1"):
            read(['{"id": 1}'], source="x")
