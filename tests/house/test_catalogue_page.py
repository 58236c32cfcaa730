"""docs/catalogue.md says what the shipped rules and code lists say."""

from __future__ import annotations

from pathlib import Path

import pytest

from alarms.codes import code_lists
from alarms.language.reader import default_rules
from alarms.page import TOPICS, page, said, topic_files

COPY = Path(__file__).parents[2] / "docs" / "catalogue.md"


def test_the_page_is_the_catalogue_s() -> None:
    """`python -m alarms.page` writes it anew."""
    assert COPY.read_text("utf-8") == page(default_rules(), code_lists())


def test_every_rule_stands_on_the_page_once() -> None:
    """Each rule file has a heading, and each rule one row."""
    assert sorted(TOPICS) == topic_files()
    rows = [line for line in COPY.read_text("utf-8").splitlines() if line.startswith("| `") and "<br>" in line]
    assert sorted(line.split("`")[1] for line in rows) == sorted(rule.id for rule in default_rules())


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(500, "0.5 s"), (1_000, "1 s"), (90_000, "90 s"), (300_000, "5 min"), (60_000, "60 s"), (28_800_000, "8 h")],
)
def test_durations_are_said_in_their_largest_whole_unit(milliseconds: int, text: str) -> None:
    """A minute is 60 s, as the rule files say it; more of them are minutes."""
    assert said(milliseconds) == text
