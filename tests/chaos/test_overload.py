"""Short plays of the outages on the whole product, and the page of results. The long ones: `make long`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos import outages, overload
from tests.chaos.outages import Outcome
from tests.support.brokers import need_kind


@pytest.mark.timeout(120)
async def test_a_broker_that_comes_back_empty_loses_nothing_that_was_accepted() -> None:
    """With records waiting in it: terminals send again what no ack had named, and every entrapment is one case."""
    need_kind("mosquitto")
    outcome = await asyncio.to_thread(outages.empty_broker, "mosquitto", rounds=1)
    assert outcome.wrong == {}, outcome


@pytest.fixture
def campaigns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two campaigns that only note that they were played; the second one can be told to fail."""
    played: list[str] = []

    def scene(name: str, wrong: dict[str, object]) -> object:
        def play(broker: str) -> Outcome:
            """What is done."""
            played.append(name)
            return Outcome(wrong=wrong, figures=[("with", broker)])

        return play

    known = {"one": scene("one", {}), "two": scene("two", {"lost": 3})}
    monkeypatch.setattr(overload, "CAMPAIGNS", known)
    return played


def test_each_campaign_has_its_section_and_the_next_run_goes_on(campaigns: list[str], tmp_path: Path) -> None:
    """What this program has played well is not played again unless it is named; a red verdict is written down and ends the run."""
    results = tmp_path / "overload.md"
    assert not overload.main([], results)
    assert campaigns == ["one", "two"]
    sections = overload.sections_of(results.read_text())
    assert list(sections) == ["one", "two"]
    assert "| verdict | clean |" in sections["one"].text
    assert "| verdict | WRONG, {'lost': 3} |" in sections["two"].text
    assert overload.page(sections) == results.read_text()
    assert not overload.main([], results)
    assert overload.main(["one"], results)
    assert campaigns == ["one", "two", "two", "one"]
