"""kill -9 by a seeded plan, on the whole product: nothing accepted is lost or doubled, every entrapment is one case.

A run is red when a record is lost, doubled or foreign, when a lift has another number of cases than its samples call for, and
when no kill counted in one of the moments of a batch. The plan of a run is printed; its seed gives the same plan again.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos.run import Account, run
from tests.chaos.taps import Moment
from tests.support.brokers import need_kind

SEED = 20_261_125
KILLS = {"nats": 13, "mosquitto": 12}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", sorted(KILLS))
async def test_nothing_accepted_is_lost_whatever_is_killed(kind: str) -> None:
    """After a dozen kills of every part, alone and together, the books of the terminals and the store agree."""
    need_kind(kind)
    account = await asyncio.to_thread(run, kind, seed=SEED, kills=KILLS[kind])
    assert account.verdict.clean, account
    assert account.counted == KILLS[kind], account
    assert account.verdict.acked > 1_000


@pytest.mark.timeout(120)
async def test_a_build_that_acknowledges_before_it_commits_is_found() -> None:
    """With the order of commit and ack reversed, the same driver finds acknowledged records that the store does not have."""
    account: Account = await asyncio.to_thread(
        run, "nats", seed=SEED, kills=3, mutant="ack_before_commit", only=("ingest",)
    )
    assert account.verdict.lost, "the reversed build lost nothing: the driver proves nothing"
    assert not account.verdict.clean
    assert account.by_moment[Moment.BEFORE_COMMIT] >= 1
