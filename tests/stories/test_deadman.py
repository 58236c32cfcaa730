"""The dead-man's switch: whatever part stops, dies, waits for a lock or goes deaf, somebody outside hears of it by name."""

from __future__ import annotations

import pytest

from tests.support.deadman import dead_thread, find, kill, lock, platform, stop, watched
from tests.support.system import wait_for

EVERY_S = 2.5
LIMIT_S = 60.0

FAULTS = (
    stop("ingest", "dispatch", "api", "backtests", "compactor"),
    stop("broker", "postgres"),
    stop("watch"),
    lock("event", "timer", "backtest_job", parts=("ingest", "dispatch", "backtests")),
    dead_thread(),
    kill("ingest", "dispatch", "api", "backtests", "broker", "postgres", named=("broker", "database", "api")),
)


@pytest.mark.timeout(300)
async def test_every_part_that_fails_is_named_and_all_is_well_again_after_it() -> None:
    """One system, one fault after another; the last leaves nothing but the watcher alive. Each part alone: `make long`."""
    with watched(EVERY_S) as (system, ear):
        wait_for(lambda: platform(system) == "well", limit_s=LIMIT_S, what="the first probe came through")
        for fault in FAULTS:
            await find(system, ear, fault, limit_s=LIMIT_S)
        log = system.log("watch")
    assert "ALARMS MAY NOT GET THROUGH" in log
    assert "报警通路正常" in log
