"""Backtests without a database: episodes, pairs, cases, the page, and recorded telemetry through the command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from alarms.language.reader import default_rules
from alarms.language.times import UTC
from alarms.rule_sets import lay_over
from hoistway.cli import app
from hoistway.errors import BadInput
from ingest.backtest.diff import Pair, What, pairs_of_alarms, what_of_alarm
from ingest.backtest.episodes import NEVER, Alarm, cases_of
from ingest.backtest.fold import Plans
from ingest.backtest.page import WORDS, page
from ingest.backtest.recorded import read
from ingest.backtest.report import LiftName, Setting, as_json, document, moment
from ingest.backtest.run import Request, of_recording

RULES = default_rules()
FAST = next(rule for rule in RULES if rule.id == "entrapment-between-floors").text.replace('"20s"', '"5s"')
S = 1_000
DOCS = Path(__file__).parents[3] / "docs"


def alarm(
    start: int, raised: int, cleared: int, *, lift: int = 1, rule: str = "r", opens: str = "rescue", confirm: int = 0
) -> Alarm:
    return Alarm(
        rule_id=rule,
        lift_id=lift,
        hold_start=start * S,
        raised_at=raised * S,
        cleared_at=cleared * S if cleared < NEVER else NEVER,
        severity="critical",
        opens=opens,
        demoted=False,
        steps=((raised * S, opens, confirm),),
    )


def whats(before: list[Alarm], after: list[Alarm]) -> list[tuple[What, int]]:
    return [what_of_alarm(pair) for pair in pairs_of_alarms(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([alarm(0, 20, 40)], [alarm(0, 20, 40)], [(What.SAME, 0)]),
        ([alarm(0, 20, 40)], [alarm(0, 5, 40)], [(What.EARLIER, -15_000)]),
        ([alarm(0, 20, 40)], [alarm(0, 60, 90)], [(What.LATER, 40_000)]),
        ([alarm(0, 20, 40)], [], [(What.VANISHED, 0)]),
        ([], [alarm(0, 20, NEVER)], [(What.APPEARED, 0)]),
        ([alarm(0, 20, 40)], [alarm(50, 70, 90)], [(What.VANISHED, 0), (What.APPEARED, 0)]),
        ([alarm(0, 20, 40, opens="ticket")], [alarm(0, 20, 40)], [(What.CHANGED, 0)]),
        ([alarm(0, 20, 30), alarm(40, 60, 70)], [alarm(0, 5, 80)], [(What.EARLIER, -15_000), (What.VANISHED, 0)]),
        ([alarm(0, 20, 40)], [alarm(0, 20, 40, lift=2)], [(What.VANISHED, 0), (What.APPEARED, 0)]),
    ],
)
def test_pairs(before: list[Alarm], after: list[Alarm], found: list[tuple[What, int]]) -> None:
    """Alarms of one lift and rule whose times overlap are one episode; the rest appeared or vanished."""
    assert whats(before, after) == found


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20), st.integers(0, 20)), max_size=8)


def made(spans: list[tuple[int, int, int]]) -> list[Alarm]:
    """Alarms one after the other, as an engine gives them."""
    found, now = [], 0
    for gap, hold, lasts in spans:
        start = now + gap + 1
        found.append(alarm(start, start + hold, start + hold + lasts))
        now = start + hold + lasts
    return found


@given(SPANS, SPANS)
def test_every_alarm_is_in_one_pair(left: list[tuple[int, int, int]], right: list[tuple[int, int, int]]) -> None:
    """No alarm is lost or counted twice, and exchanging the sides exchanges appeared and vanished."""
    before, after = made(left), made(right)
    pairs = pairs_of_alarms(before, after)
    assert sorted(pair.baseline.raised_at for pair in pairs if pair.baseline) == [item.raised_at for item in before]
    assert sorted(pair.candidate.raised_at for pair in pairs if pair.candidate) == [item.raised_at for item in after]
    mirrored = sorted(what for what, _ in (what_of_alarm(pair) for pair in pairs_of_alarms(after, before)))
    turned = {
        What.APPEARED: What.VANISHED,
        What.VANISHED: What.APPEARED,
        What.EARLIER: What.LATER,
        What.LATER: What.EARLIER,
    }
    assert mirrored == sorted(turned.get(what, what) for what, _ in (what_of_alarm(pair) for pair in pairs))
    assert whats(before, before) == [(What.SAME, 0)] * len(before)


def test_a_further_alarm_joins_the_case_that_runs() -> None:
    """A case lasts until its alarms have cleared; an entrapment makes an alarm call an entrapment; confirmation delays the order."""
    alarms = [
        alarm(0, 10, 40, opens="alarm-call", rule="button"),
        alarm(20, 30, 60),
        alarm(70, 80, 90, confirm=60),
        alarm(100, 110, 120, opens="ticket"),
    ]
    first, second = cases_of(alarms)
    assert (first.kind, first.opened_at, first.ordered_at, first.over_at) == ("entrapment", 10 * S, 30 * S, 60 * S)
    assert (second.kind, second.opened_at, second.ordered_at) == ("entrapment", 80 * S, 140 * S)


def setting(**values: Any) -> Setting:
    plain: dict[str, Any] = {
        "source": "store", "from_ms": 0, "to_ms": 3_600_000, "warm_up_ms": 0, "everything": False, "lifts": 1, "samples": 2, "events": 0,
        "rule_sets": ((1, 0),), "candidate": (("r", "0123456789ab"),), "titles": {"r": {"zh": "<困人>", "en": "Trapped & co"}},
        "names": {1: LiftName(name="<b>lift</b>", district="")},
    }  # fmt: skip
    return Setting(**{**plain, **values})


def test_the_report_counts_what_lies_in_the_period() -> None:
    """Alarms raised outside the period are no part of the counts; hours, delays and cases are those of the period."""
    before = [alarm(-30, -10, -5), alarm(0, 20, 40), alarm(100, 120, 130)]
    after = [alarm(-30, -20, -5), alarm(0, 5, 40)]
    result = document(setting(), before, after)
    assert result["alarms"] == {
        "baseline": 2, "candidate": 1, "same": 0, "appeared": 0, "vanished": 1, "earlier": 1, "later": 0, "changed": 0,
    }  # fmt: skip
    assert result["hours"] == [{"hour": "1970-01-01T00:00:00.000Z", "baseline": 2, "candidate": 1}]
    assert sum(item["alarms"] for item in result["delays"]) == 1
    assert next(item for item in result["delays"] if item["alarms"])["from_s"] == -30
    assert result["dispatch"]["baseline"] == {"cases": 2, "entrapment": 2, "alarm_call": 0, "orders_level_1": 2}
    assert result["dispatch"]["changes"]["vanished"] == 1


def test_an_order_that_a_confirmation_outlives_is_not_sent() -> None:
    """A case that is over before its voice check is due sends no order."""
    result = document(setting(), [alarm(0, 10, 20, confirm=60)], [])
    assert (result["dispatch"]["baseline"]["cases"], result["dispatch"]["baseline"]["orders_level_1"]) == (1, 0)


def test_the_page_stands_alone() -> None:
    """The page loads nothing, escapes names, is the same twice, and has every word in both languages."""
    result = document(setting(), [alarm(0, 20, 40)], [alarm(0, 5, 40)])
    text = page(result)
    assert text == page(json.loads(as_json(result)))
    assert not re.search(r"(?:src|href)=|url\(|@import|<script|https?:", text)
    assert "&lt;b&gt;lift&lt;/b&gt;" in text
    assert "&lt;困人&gt;" in text
    assert "<b>" not in text
    for zh, en in WORDS.values():
        assert zh
        assert en
    assert text.count("<svg") >= 3
    assert 'lang="zh-CN"' in text


def test_moments_are_rfc_3339() -> None:
    """Times have milliseconds and a Z; what never came is null."""
    assert moment(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
    assert moment(NEVER) is None


def test_only_what_the_candidate_touches_is_folded_twice() -> None:
    """Rules that name a changed rule are affected too; the second engine has those and what they name."""
    plans = Plans.of({1: RULES}, [("c.toml", FAST)])
    assert plans.changed == ("entrapment-between-floors",)
    assert {"entrapment-between-floors", "entrapment-suspected"} <= plans.affected
    assert "offline" not in {rule.id for rule in plans.other[1]}
    folded = {rule.id for rule in plans.baseline[1]}
    assert {rule.id for rule in RULES if rule.loud} <= folded
    assert "offline" not in folded
    assert "offline" in {rule.id for rule in Plans.of({1: RULES}, [("c.toml", FAST)], everything=True).baseline[1]}
    assert {"passenger", "door_zone", "door_closed", "door_status", "car_status", "speed"} <= plans.signals()


def lines(*rows: dict[str, Any]) -> list[str]:
    return [json.dumps(row) for row in rows]


TRAPPED = {
    "service_mode": 1,
    "car_status": 0,
    "speed": 0,
    "door_zone": False,
    "door_status": 2,
    "door_closed": True,
    "passenger": True,
}
RECORD = [
    {"lift": "330001", "ts": second * S, "boot": 1, "seq": second + 1, **TRAPPED} for second in range(0, 31, 5)
] + [{"lift": "330001", "ts": 35 * S, **TRAPPED, "door_zone": True, "door_status": 4, "door_closed": False}]


def test_a_recording_is_backtested() -> None:
    """Recorded samples raise what they would have raised, with the product's rules and with the candidate's."""
    recording = read(lines(*RECORD), source="r.jsonl")
    request = Request(from_ms=recording.first_ms, to_ms=recording.last_ms + 1, files=(("c.toml", FAST),))
    result = of_recording(recording, request, baseline=RULES, number=None, source="r.jsonl", zone=UTC)
    (change,) = [item for item in result["changes"] if item["rule_id"] == "entrapment-between-floors"]
    assert (change["what"], change["by_ms"], change["lift"]) == ("earlier", -15_000, "330001")
    assert (result["samples"], result["lifts"], result["baseline"]["rule_sets"][0]["rule_set"]) == (8, 1, None)


def test_a_recording_in_any_order_is_the_same() -> None:
    """Lines are put in order of receipt; events count; a line without `received` was received at its own time."""
    button = {"device": "d", "ts": 3 * S, "code": "90", "active": True}
    later = {"lift": "330002", "ts": 0, "received": 4 * S, **TRAPPED}
    one = read(lines(*RECORD, button, later), source="r")
    other = read(lines(later, button, *RECORD), source="r")
    assert [row.tolist()[1:3] for row in one.samples] == [row.tolist()[1:3] for row in other.samples]
    assert (len(one.events), one.last_ms, len(one.lifts)) == (1, 35 * S, 3)
    assert sum(len(piece.batch.samples) for piece in one.pieces()) == len(one.samples)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1"),
        ("[]", 'an object with "ts"'),
        ('{"ts": 1}', '"lift" or "device"'),
        ('{"ts": -5, "lift": "x"}', "a record of the device contract"),
        ('{"ts": 1, "lift": "x", "code": 3}', "a record of the device contract"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: str, words: str) -> None:
    """A bad line is refused with its number and what was expected."""
    with pytest.raises(BadInput, match=re.escape(words)):
        read([line], source="r.jsonl")


def test_the_command_backtests_a_recording(tmp_path: Path) -> None:
    """`hoistway rules backtest --recorded` prints the differences and writes the same files twice."""
    rules, recorded = tmp_path / "c.toml", tmp_path / "r.jsonl"
    rules.write_text(FAST, "utf-8")
    recorded.write_text("\n".join(lines(*RECORD)), "utf-8")
    written = []
    for turn in "12":
        files = [tmp_path / f"{turn}.json", tmp_path / f"{turn}.html"]
        words = ["--rules", str(rules), "--recorded", str(recorded), "--json", str(files[0]), "--html", str(files[1])]
        result = CliRunner().invoke(app, ["rules", "backtest", *words], env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        assert "earlier" in result.output
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    rules.write_text(FAST.replace("passenger", "passengers"), "utf-8")
    assert (
        CliRunner().invoke(app, ["rules", "backtest", "--rules", str(rules), "--recorded", str(recorded)]).exit_code
        == 2
    )


def test_a_pair_of_nothing_is_a_fault() -> None:
    """A pair has at least one side."""
    with pytest.raises(ValueError, match="a pair of nothing"):
        _ = Pair[Alarm](baseline=None, candidate=None).either
    assert lay_over(RULES, [("c.toml", FAST)]) is not RULES
