"""The comparison of the two engines can fail: each seeded fault of the fast engine (`mutants.py`) is found by it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.pure.alarms.made_up_rules import SHARP
from tests.pure.alarms.mutants import MUTANTS, SLOW, Patch
from tests.pure.alarms.streams import Stream, streams
from tests.pure.alarms.test_two_engines import compare


def hunt(texts: tuple[str, ...], examples: int) -> None:
    """Compare the engines on always the same examples, the first difference ends it."""

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(text=st.sampled_from(texts), stream=streams(15, (0, 0, 0, 12)), data=st.data())
    def property_of_both(text: str, stream: Stream, data: Any) -> None:
        compare(text, stream, data)

    property_of_both()


def test_the_comparison_passes_without_a_fault() -> None:
    """The hunt finds nothing in the engine as it is."""
    hunt(("", *("\n".join(texts) for texts in SHARP.values())), 60)


LOOKED_FOR = {
    mutant: names for mutant, names in MUTANTS.items() if os.environ.get("HOISTWAY_LONG") or mutant not in SLOW
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("mutant", "names"), LOOKED_FOR.items(), ids=lambda item: getattr(item, "__name__", ""))
def test_the_comparison_finds_the_fault(
    mutant: Callable[[Patch], None], names: tuple[str, ...], monkeypatch: Patch
) -> None:
    """A fast engine with this fault does not pass the comparison with the slow one: it says something else, or misses a hold it had."""
    mutant(monkeypatch)
    with pytest.raises((AssertionError, KeyError), match=r"Said|^\d+\n"):
        hunt(tuple("\n".join(SHARP[name]) if name else "" for name in names), 2_000)
