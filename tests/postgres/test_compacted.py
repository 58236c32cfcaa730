"""What is made of stored samples is the same when they are in chunks: backtests, explanations, books, histories, corrections, recovery."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from alarms.language.times import UTC as UTC_ZONE
from api.lifts import history_of
from hoistway.ledger.streams import ledger
from hoistway.model import SIGNALS
from hoistway.rulebook.explain import Verdict, explain
from hoistway.store import connect_url
from ingest.backtest.report import as_json
from ingest.replays import read_again
from tests.postgres.test_backtest import LAZY, backtest, town  # noqa: F401  # the fixture
from tests.postgres.test_late import a_quiet_half_hour, alarms, cases, settle
from tests.postgres.test_rule_sets import FAST, City, city  # noqa: F401  # the fixture
from tests.support.compaction import at_once, compact, quiet
from tests.support.desk import Desk
from tests.support.feed import FREED, TRAPPED, event, message, sample
from tests.support.rows import quarantined

NAMES = [signal.name for signal in SIGNALS]


async def compacted(url: str, **options: Any) -> None:
    connection = await connect_url(url, name="test")
    await quiet(connection)
    with at_once():
        await compact(connection, **options)
    await connection.close()


async def all_that_is_made(town: City) -> list[Any]:  # noqa: F811
    """Everything that people are shown of stored samples."""
    found: list[Any] = [as_json(await backtest(town, text)) for text in (FAST, LAZY)]
    found.append(as_json(await backtest(town, FAST, lifts=(town.lift_id,), everything=True)))
    async with town.database.acquire() as connection:
        for row in await connection.fetch("select id from alarm where rule_id = 'entrapment-between-floors'"):
            explained = await explain(connection, row["id"], zone=UTC_ZONE)
            assert explained.verdict is Verdict.AGREES
            found.append((explained.verdict, explained.timeline, explained.records_folded))
        late = datetime.fromtimestamp((town.now - 60_000) / 1_000, UTC)
        found += [(await ledger(connection, "one", since=since)).as_json() for since in (None, late)]
        ends = (datetime.fromtimestamp(0, UTC), datetime.fromtimestamp(town.now / 1_000, UTC))
        history = await history_of(connection, town.lift_id, *ends, NAMES)
        found.append(history[["at", *NAMES]].tolist().__repr__())
    return found


async def test_what_is_made_of_samples_does_not_depend_on_their_form(town: City) -> None:  # noqa: F811
    """Backtest, explanation, ledger and history are the same to the byte from rows, blocks and chunks."""
    await town.database.execute("update lift set updated_at = 'epoch'")
    await town.ingest._checkpoint()
    before = await all_that_is_made(town)
    await compacted(town.url, stop="moved")
    assert await all_that_is_made(town) == before
    await compacted(town.url)
    assert await town.database.fetchval("select count(*) from sample") == 0
    assert await town.database.fetchval("select count(*) from sample_chunk") > 0
    assert await all_that_is_made(town) == before


async def test_old_records_are_folded_from_chunks_too(desk: Desk) -> None:
    """The job that reads the store corrects the same whether the lift's samples are rows or chunks."""
    results = []
    for name in ("in-rows", "in-chunks"):
        lift_id, start = await desk.lift(name), desk.now
        await desk.say(name, "state", sample(1, start, **FREED))
        await a_quiet_half_hour(desk, name, FREED, first=10)
        ring = [sample(seq, start + at * 1_000, **values) for seq, at, values in ((2, 100, TRAPPED), (3, 124, TRAPPED))]
        await desk.say(name, "state", ring, after_s=5)
        await desk.checkpoint()
        if name == "in-chunks":
            await compacted(desk.url)
            assert await desk.rows("select 1 from sample where lift_id = $1", lift_id) == []
        await settle(desk)
        results.append((await alarms(desk, lift_id, start), await cases(desk, lift_id)))
    assert results[0] == results[1]
    assert results[0][0] != []


@pytest.mark.parametrize("swept", [False, True])
async def test_recovery_from_the_very_beginning_reads_chunks(desk: Desk, swept: bool) -> None:
    """A program that cannot read the checkpoint folds the whole stream again, whatever form it is in, and comes to the same state."""
    name = f"again-{swept}"
    await desk.lift(name)
    for seq, values in enumerate((FREED, TRAPPED, TRAPPED, TRAPPED, FREED), 1):
        await desk.say(name, "state", sample(seq, desk.now + 15_000, **values), after_s=15)
    await desk.checkpoint()
    if swept:
        await compacted(desk.url)
        assert await desk.rows("select 1 from sample") == []
    await desk.say(name, "state", sample(6, desk.now + 15_000, **TRAPPED), after_s=15)
    await desk.restart()
    before = desk.ingest._memory.snapshot()
    told = await desk.rows("select * from alarm order by id")
    await desk.database.execute("update checkpoint set engine = 'of another program'")
    await desk.restart()
    assert desk.ingest._memory.snapshot() == before
    assert [dict(row) for row in await desk.rows("select * from alarm order by id")] == told
    await desk.say(name, "state", sample(7, desk.now + 5_000, **TRAPPED), after_s=5)
    await desk.say(name, "state", sample(8, desk.now + 16_000, **TRAPPED), after_s=16)
    await desk.checkpoint()


async def test_a_used_number_is_found_in_chunks(desk: Desk) -> None:
    """A repeat with other content is a security event however the accepted record is stored; the same content is not."""
    await desk.lift("forger")
    said = sample(5, desk.now + 1_000, **FREED)
    await desk.say("forger", "state", said, after_s=1)
    await desk.checkpoint()
    await compacted(desk.url)
    for again in (said, {**said, "passenger": True}):
        await desk.say("forger", "state", again)
        await desk.housekeeping()
        task = desk.ingest._repeats._task
        assert task is not None
        await task
        await desk.housekeeping()
    rows = await desk.rows("select times from security_event where device = 'forger' and kind = 'sequence-reused'")
    assert rows == [{"times": 1}]


async def test_a_message_taken_in_again_is_held_before_in_chunks(desk: Desk) -> None:
    """The store says which of its records it holds, whatever form they are in."""
    await desk.lift("held")
    said = [sample(seq, desk.now + seq, **FREED) for seq in (1, 2)]
    await desk.say("held", "state", said[0], after_s=1)
    await desk.say("held", "event", event(1, desk.now, "90"))
    await desk.checkpoint()
    await compacted(desk.url)
    again = message("state", said, device="held", received=desk.now)
    number = await quarantined(desk.database, payload=again.payload, topic=again.topic)
    (row,) = await desk.rows("select * from quarantine where id = $1", number)
    found = await read_again(desk.database, desk.ingest._directory, row)
    assert found is not None
    assert not isinstance(found, str)
    assert set(found.stored) == {("state", 1, 1)}
