"""Python's collector of cyclic garbage, kept away from what lives as long as the process.

A full collection looks at every object there is: 0.1 to 0.2 s with 20,000 devices, in the middle of any batch. What has survived a look
is therefore set aside, and a full collection sees only what came since. Cycles that die after they were set aside are found when
everything is looked at again, a few times a day.
"""

from __future__ import annotations

import gc
from typing import Final

ANEW_S: Final = 6 * 3_600.0


class Garbage:
    """One a process. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._anew_s = 0.0

    def hold(self, now_s: float) -> None:
        """Collect what is garbage now and set aside what is not. Cheap when little has come since the last call."""
        if now_s >= self._anew_s:
            self._anew_s = now_s + ANEW_S
            gc.unfreeze()
        gc.collect()
        gc.freeze()
