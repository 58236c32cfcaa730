"""Everything that reads bytes of strangers, from good examples outward: over its seeds always, under atheris where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import available, fuzz
from tests.fuzz.targets import TARGETS

SECONDS = 3
"""Each. With their start the six take about half a minute; the long campaign is `make long`."""


@pytest.mark.parametrize("name", TARGETS)
def test_the_examples_hold(name: str) -> None:
    """What the fuzzer begins from, and each of it cut short anywhere, breaks nothing."""
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)
        for end in range(0, len(seed), 1 + len(seed) // 50):
            TARGETS[name].run(seed[:end])


@pytest.mark.skipif(not available(), reason="no atheris here: it has wheels for Linux on x86-64")
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    """Inputs grown along the branches that they reach: none breaks what must hold."""
    outcome = fuzz(name, tmp_path, seconds=SECONDS, seed=1)
    assert outcome.found == (), f"{outcome.found[0].read_bytes()!r}\n{outcome.said[-3_000:]}"
    assert outcome.inputs > len(list(TARGETS[name].seeds()))
