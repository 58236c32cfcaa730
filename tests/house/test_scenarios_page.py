"""docs/scenarios.md says what the shipped stories and the fault catalogue say."""

from __future__ import annotations

from pathlib import Path

from simulators.faults.catalogue import entries
from simulators.scenario import scenario_names
from simulators.scenario_page import page

COPY = Path(__file__).parents[2] / "docs" / "scenarios.md"


def test_the_page_is_the_code_s() -> None:
    """`python -m simulators.scenario_page` writes it anew."""
    assert COPY.read_text("utf-8") == page()


def test_every_story_and_entry_stands_on_the_page_once() -> None:
    """One row each, and at least twenty stories."""
    rows = [line.split("`")[1] for line in COPY.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted([*scenario_names(), *entries()])
    assert len(scenario_names()) >= 20
