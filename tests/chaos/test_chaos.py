"""kill -9 by a seeded plan, on the whole product: nothing accepted is lost or doubled, every entrapment is one case.

A run is red when a record is lost, doubled or foreign, when a lift has another number of cases than its samples call for, and
when no kill counted in one of the moments of a batch. The plan of a run is printed; its seed gives the same plan again.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos.driver import Driver
from tests.chaos.plan import Kill
from tests.chaos.run import run, traffic
from tests.chaos.taps import Moment
from tests.chaos.verdict import Verdict, judge
from tests.support.brokers import need_kind
from tests.support.system import wait_for

SEED = 20_261_125
KILLS = {"nats": 13, "mosquitto": 12}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", sorted(KILLS))
async def test_nothing_accepted_is_lost_whatever_is_killed(kind: str) -> None:
    """After a dozen kills of every part, alone and together, the books of the terminals and the store agree."""
    need_kind(kind)
    account = await asyncio.to_thread(run, kind, seed=SEED, kills=KILLS[kind])
    assert account.clean, account
    assert account.counted == KILLS[kind], account
    assert account.verdict.acked > 1_000


def lose_by(mutant: str) -> Verdict:
    """A broken build, one kill of ingest with a batch on its way, and the account."""
    with traffic("nats", mutant=mutant) as (under_test, ledger):
        Driver(under_test, ledger).strike(Kill(parts=("ingest",), moment=Moment.BEFORE_COMMIT))
        wait_for(lambda: under_test.system.log("ingest").count("listening") == 2, limit_s=30, what="ingest back")
        ledger.stop()
        return asyncio.run(judge(under_test, ledger))


@pytest.mark.timeout(120)
async def test_a_build_that_acknowledges_before_it_commits_is_found() -> None:
    """With the order of commit and ack reversed, the driver's first kill leaves acknowledged records that the store does not have."""
    verdict = await asyncio.to_thread(lose_by, "ack_before_commit")
    assert verdict.lost, "the reversed build lost nothing: the driver proves nothing"
    assert not verdict.clean
