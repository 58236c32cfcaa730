"""When alarms are a flood."""

from __future__ import annotations

import pytest

from dispatch.desk import FloodStep, flood_step


@pytest.mark.parametrize(
    ("alarms", "positions", "flooded", "step"),
    [
        (10, 1, False, FloodStep.NOTHING),
        (11, 1, False, FloodStep.BEGIN),
        (11, 2, False, FloodStep.NOTHING),
        (21, 2, False, FloodStep.BEGIN),
        (11, 1, True, FloodStep.GO_ON),
        (5, 1, True, FloodStep.GO_ON),
        (4, 1, True, FloodStep.END),
        (9, 2, True, FloodStep.END),
        (0, 1, False, FloodStep.NOTHING),
    ],
)
def test_a_flood_begins_above_ten_and_ends_below_five(
    alarms: int, positions: int, flooded: bool, step: FloodStep
) -> None:
    """More than ten alarms of ten minutes for one position begin a flood; it goes on until there are fewer than five."""
    assert flood_step(alarms, positions=positions, flooded=flooded) is step
