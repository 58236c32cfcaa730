"""How much a batch may hold, by how long the last ones took: on a slow machine or disk batches are small. Values only."""

from __future__ import annotations

from typing import Final

from hoistway.limits import BATCH_BYTES, BATCH_LEAST_BYTES, BATCH_WORK_S

TELLING_BYTES: Final = 16 * 1024
"""A smaller batch says little about the time that a byte takes."""


class Pace:
    """Bytes a batch may hold. Sinks at once to what was done in `BATCH_WORK_S`, and grows by half a batch at most."""

    def __init__(self) -> None:
        self.bytes_ = BATCH_BYTES // 16

    def done(self, bytes_: int, seconds: float) -> None:
        """A batch of `bytes_` took so long from its decoding to its commit."""
        if bytes_ < TELLING_BYTES:
            return
        able = int(bytes_ * BATCH_WORK_S / max(seconds, 1e-3))
        if able > self.bytes_ and bytes_ < self.bytes_ // 2:
            return  # it was not put to the test
        self.bytes_ = max(BATCH_LEAST_BYTES, min(BATCH_BYTES, able, self.bytes_ * 3 // 2))
