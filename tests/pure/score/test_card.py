"""The scorecard as a document, as a page, compared and swept."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from hoistway.errors import BadInput
from simulators.score.card import scorecard
from simulators.score.compare import compare
from simulators.score.comparison import compare_page
from simulators.score.curves import holds_of, sweep, sweep_page
from simulators.score.page import page
from simulators.score.words import WORDS
from tests.pure.score.records import alarm, run, sent, truth

BETWEEN, LANDING = "entrapment-between-floors", "entrapment-at-landing"


def card() -> dict[str, Any]:
    return scorecard(
        run(
            truth(1, BETWEEN, 100, 700), truth(2, BETWEEN, 100, 700, lift="2"),
            truth(3, BETWEEN, 100, 700, lift="3", person_sensor=False, expects=()),
            truth(4, "movers", 1_000, 1_500, alike=(LANDING,), person=False),
            truth(5, "movers", 1_000, 1_500, alike=(LANDING,), person=False, lift="4"),
            alarm(1, BETWEEN, 120, 690), alarm(2, LANDING, 1_060, 1_490), alarm(3, BETWEEN, 2_000, 2_010, lift="<b>"),
            sent(BETWEEN, 120, 690), sent(LANDING, 1_060, 1_490), sent(BETWEEN, 2_000, 2_010, lift="<b>"),
        )
    )  # fmt: skip


def line(found: dict[str, Any], rule: str) -> dict[str, Any]:
    return next(item for item in found["rules"] if item["rule"] == rule)


def test_the_figures_of_a_rule() -> None:
    """One told, one missed, one false: half of each."""
    found = line(card(), BETWEEN)
    assert {key: found[key] for key in ("asked", "true", "late", "missed", "false")} == {
        "asked": 2, "true": 1, "late": 0, "missed": 1, "false": 1,
    }  # fmt: skip
    assert (found["recall"]["value"], found["precision"]["value"]) == (0.5, 0.5)
    assert found["delays"]["p50"]["ms"] == 20_000


def test_entrapments_are_told_apart_by_the_person_sensor() -> None:
    """One of two with a sensor; the one without is stated too."""
    found = card()["entrapments"]
    assert [(found[key]["recall"]["hits"], found[key]["recall"]["of"]) for key in ("with_sensor", "without_sensor", "all")] == [
        (1, 2), (0, 1), (1, 3),
    ]  # fmt: skip


def test_crews_that_found_nobody_are_counted_by_cause_and_exposure() -> None:
    """Two for one true; a hundred lifts for an hour are a small exposure, so the rate is high and says how uncertain it is."""
    found = card()["dispatch"]
    assert (found["true"], found["false"], found["false_per_20_true"]) == (1, 2, 40.0)
    assert found["false_by_cause"] == {"movers": 1, "nothing": 1}
    assert found["false_rate"]["low"] < found["false_rate"]["value"] < found["false_rate"]["high"]


def test_look_alikes_by_rule() -> None:
    """One of two movers took the rule in."""
    assert [
        (item["rule"], item["kind"], item["alarmed"]["hits"], item["alarmed"]["of"]) for item in card()["look_alikes"]
    ] == [(LANDING, "movers", 1, 2)]


class Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links, self.places, self.tags = list[str](), set[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.places.add(found.get("id") or "")
        if (link := found.get("href")) is not None:
            self.links.append(link)


def test_the_page_needs_nothing_else_and_explains_each_miss_and_false_alarm() -> None:
    """Every link leads to a place on the page, nothing is loaded, and names of others cannot become tags."""
    text = page(card(), {"truth-2": [(-3.0, "passenger=True <script>")]})
    anchors = Anchors()
    anchors.feed(text)
    assert {"#truth-2", "#alarm-2", "#alarm-3"} <= set(anchors.links)
    assert all(link.removeprefix("#") in anchors.places for link in anchors.links)
    assert "passenger=True &lt;script&gt;" in text
    assert not {"script", "link", "img", "iframe"} & set(anchors.tags)
    assert "<svg" in text


def test_every_word_of_the_pages_is_in_both_languages() -> None:
    """No empty word, and no two that are the same in both."""
    assert all(zh and en for zh, en in WORDS.values())


def test_the_same_run_gives_the_same_card() -> None:
    """To the byte."""
    assert json.dumps(card()) == json.dumps(card())


def test_two_cards_side_by_side() -> None:
    """Rules that say the same are left out, and only differing misses and false alarms are listed."""
    better = scorecard(run(truth(1, BETWEEN, 100, 700), truth(2, BETWEEN, 100, 700, lift="2"),
                           alarm(1, BETWEEN, 120, 690), alarm(2, BETWEEN, 121, 690, lift="2")))  # fmt: skip
    found = compare(card(), better)
    assert [item["rule"] for item in found["rules"]] == [BETWEEN, LANDING]
    assert [item["lift"] for item in found["missed"]["only_first"]] == ["2"]
    assert found["missed"]["only_second"] == found["false"]["only_second"] == []
    assert len(found["false"]["only_first"]) == 2
    assert compare(better, better)["rules"] == []
    assert "<svg" in compare_page(found)


def test_a_span_of_holds() -> None:
    """Both ends are in it, whatever the step."""
    assert holds_of("5..120s/5")[:2] == [5, 10]
    assert holds_of("5..120s")[-1] == 120
    assert holds_of("10..12/0.5") == [10, 10.5, 11, 11.5, 12]
    for wrong in ("120..5s", "5", "a..b", "1..9000/1", "5..10s/0"):
        with pytest.raises(BadInput, match="--for"):
            holds_of(wrong)


def test_a_sweep_has_a_point_a_hold_and_two_curves() -> None:
    """Also where a point has no precision, because nothing was said."""
    silent = scorecard(run(truth(1, BETWEEN, 100, 700)))
    found = sweep(card()["run"], BETWEEN, [(20, line(card(), BETWEEN)), (90, line(silent, BETWEEN))], hold_s=20)
    assert [(item["hold_s"], item["missed"]) for item in found["points"]] == [(20, 1), (90, 1)]
    assert sweep_page(found).count('<svg viewBox="0 0 900') == 2
