"""When the desk is flooded with alarms. Pure: no I/O, no clock; counts in, a step out.

A flood begins with more than ten alarms in ten minutes for one operator position and ends with fewer than five
(ANSI/ISA-18.2, IEC 62682). Knows nothing of which alarms they are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

FLOOD_WINDOW_S: Final = 600
FLOOD_BEGINS_ABOVE: Final = 10
FLOOD_ENDS_BELOW: Final = 5


class FloodStep(StrEnum):
    NOTHING = "nothing"
    BEGIN = "begin"
    GO_ON = "go-on"
    END = "end"


def flood_step(alarms: int, *, positions: int, flooded: bool) -> FloodStep:
    """What `alarms` of the last ten minutes, shared among `positions` operators, mean for a flood that is on or not."""
    if flooded:
        return FloodStep.END if alarms < FLOOD_ENDS_BELOW * positions else FloodStep.GO_ON
    return FloodStep.BEGIN if alarms > FLOOD_BEGINS_ABOVE * positions else FloodStep.NOTHING
