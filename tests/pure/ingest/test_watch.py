"""The watch over sessions and clock, beside the loop."""

from __future__ import annotations

import asyncio

from ingest import metrics
from ingest.main import every
from tests.support.brokers import until


async def test_a_look_that_fails_does_not_end_the_watch() -> None:
    """It is counted, and the next look comes: a dead network thread would go unseen for ever otherwise."""
    looks, failed = 0, metrics.LOOKS_FAILED._value.get()

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise RuntimeError("a fault of ours")

    watch = asyncio.create_task(every(0, look))
    await until(lambda: looks >= 4, "further looks")
    assert not watch.done()
    watch.cancel()
    assert metrics.LOOKS_FAILED._value.get() - failed == 2
