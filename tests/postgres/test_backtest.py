"""Backtests over a small stored stream: what a candidate changes, that nothing else differs, and the same bytes twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from alarms.language.reader import default_rules
from alarms.language.times import UTC
from hoistway import limits
from hoistway.errors import BadInput, RuleError
from ingest.backtest.page import page
from ingest.backtest.report import as_json
from ingest.backtest.run import Request, of_store
from ingest.backtest.stream import plan, when
from tests.postgres.test_rule_sets import FAST, T0, City, city  # noqa: F401  # the fixture
from tests.support.feed import FREED, TRAPPED, event, message

PRODUCT = default_rules()
LAZY = FAST.replace('"5s"', '"60s"')


@pytest_asyncio.fixture(loop_scope="session")
async def town(city: City) -> AsyncIterator[City]:  # noqa: F811
    """A quiet quarter of an hour, an entrapment of 40 s, freedom, and one of 8 s."""
    for _ in range(20):
        await city.say(30, **FREED)
    for _ in range(9):
        await city.say(5, **TRAPPED)
    await city.say(5, **FREED)
    await city.say(5, **FREED)
    await city.say(20, **FREED)
    await city.say(5, **TRAPPED)
    await city.say(8, **TRAPPED)
    await city.say(2, **FREED)
    await city.say(5, **FREED)
    city.now += 10_000 + limits.TICK_SETTLE_MS
    await city.ingest.round()
    yield city


async def backtest(town: City, text: str, **options: Any) -> dict[str, Any]:
    request = Request(
        from_ms=options.pop("from_ms", T0),
        to_ms=options.pop("to_ms", town.now + 1),
        files=(("candidate.toml", text),),
        **options,
    )
    async with town.database.acquire() as connection:
        return await of_store(connection, request, product=PRODUCT, zone=UTC)


def row(result: dict[str, Any], rule_id: str) -> dict[str, Any]:
    return next(item for item in result["rules"] if item["rule_id"] == rule_id)


async def test_the_baseline_is_what_was_raised(town: City) -> None:
    """The fold with the rules of that time raises exactly the alarms in the table, at the same times."""
    result = await backtest(town, FAST.replace('id = "entrapment-between-floors"', 'id = "another"'))
    stored = await town.database.fetch("select rule_id, raised_at from alarm order by raised_at, rule_id")
    assert len(stored) == result["alarms"]["baseline"]
    assert len(stored) > 0
    assert result["alarms"]["same"] == len(stored)
    assert result["alarms"]["appeared"] == row(result, "another")["candidate"] == 2
    assert result["baseline"]["rule_sets"] == [{"rule_set": 1, "from": result["from"]}]


async def test_a_quicker_rule_comes_earlier_and_more_often(town: City) -> None:
    """With 5 s instead of 20 s the long entrapment comes 15 s earlier, the short one appears, and a case more is opened."""
    result = await backtest(town, FAST)
    found = row(result, "entrapment-between-floors")
    assert (found["baseline"], found["candidate"], found["earlier"], found["appeared"]) == (1, 2, 1, 1)
    assert found["moved_ms"] == {"least": -15_000, "median": -15_000, "most": -15_000}
    assert [item["what"] for item in result["changes"]] == ["earlier", "appeared"]
    assert result["changes"][0]["by_ms"] == -15_000
    assert (result["dispatch"]["baseline"]["cases"], result["dispatch"]["candidate"]["cases"]) == (1, 2)
    assert result["dispatch"]["candidate"]["orders_level_1"] == 2
    assert result["dispatch"]["changes"] == {
        "same": 0, "appeared": 1, "vanished": 0, "earlier": 1, "later": 0, "changed": 0,
    }  # fmt: skip


async def test_a_slower_rule_loses_alarms(town: City) -> None:
    """With 60 s the entrapment of 40 s vanishes, and its case is not opened."""
    result = await backtest(town, LAZY)
    found = row(result, "entrapment-between-floors")
    assert (found["baseline"], found["candidate"], found["vanished"]) == (1, 0, 1)
    assert result["dispatch"]["candidate"]["cases"] == 0


async def test_the_same_twice_is_the_same_bytes(town: City) -> None:
    """The same stream, period and rules give the same JSON and the same page, to the byte."""
    results = [await backtest(town, FAST) for _ in range(2)]
    assert as_json(results[0]) == as_json(results[1])
    assert page(results[0]) == page(results[1])
    assert json.loads(as_json(results[0])) == results[0]


async def test_sets_that_changed_in_the_period_are_the_baseline_of_their_time(town: City) -> None:
    """After a publication in the period the baseline goes on with the published set, as the live run did."""
    await town.publish(FAST)
    await town.look()
    published = town.now
    for _ in range(3):
        await town.say(4, **TRAPPED)
    for _ in range(3):
        await town.say(2, **FREED)
    stored = await town.database.fetchval("select sum(1 + repeats)::int from alarm")
    result = await backtest(town, LAZY.replace('"60s"', '"4s"'))
    assert result["alarms"]["baseline"] == stored
    assert [item["rule_set"] for item in result["baseline"]["rule_sets"]] == [1, 2]
    by = sorted(item["by_ms"] for item in result["changes"] if item["what"] == "earlier")
    assert by == [-16_000, -1_000]
    after = await backtest(town, FAST, from_ms=published)
    assert after["candidate"]["rules"] == [
        {"rule_id": "entrapment-between-floors", "version": after["candidate"]["rules"][0]["version"]}
    ]
    assert after["alarms"]["appeared"] == after["alarms"]["earlier"] == 0


async def test_silence_and_events_are_folded_too(town: City) -> None:
    """The alarm button and offline are in the baseline; a shorter limit of silence comes earlier."""
    town.source.put(message("event", event(1, town.now, "90"), device="one", received=town.now))
    await town.say(1, **TRAPPED)
    await town.say(1, **FREED)
    town.now += 200_000
    await town.ingest.round()
    offline = next(rule for rule in PRODUCT if rule.id == "offline").text
    result = await backtest(town, offline.replace('"180s"', '"100s"'))
    assert row(result, "alarm-button")["same"] == 1
    assert row(result, "offline")["moved_ms"] == {"least": -80_000, "median": -80_000, "most": -80_000}
    assert result["events"] == 1


async def test_only_some_lifts(town: City) -> None:
    """Lifts that nobody asked for are not folded."""
    result = await backtest(town, FAST, lifts=(999_999,))
    assert (result["lifts"], result["samples"], result["alarms"]["baseline"]) == (0, 0, 0)
    assert (await backtest(town, FAST, lifts=(town.lift_id,)))["lifts"] == 1
    assert (await backtest(town, FAST, district="nowhere"))["lifts"] == 0


async def test_only_alarms_of_the_period_count(town: City) -> None:
    """What was raised before the period is folded as its beginning, and not counted."""
    raised = await town.database.fetchval("select raised_at from alarm where rule_id = 'entrapment-between-floors'")
    at = int(raised.timestamp() * 1_000)
    assert row(await backtest(town, FAST, from_ms=at), "entrapment-between-floors")["baseline"] == 1
    assert row(await backtest(town, FAST, from_ms=at + 1), "entrapment-between-floors")["baseline"] == 0
    assert row(await backtest(town, FAST, to_ms=at), "entrapment-between-floors")["baseline"] == 0


async def test_what_cannot_be_backtested(town: City) -> None:
    """An empty period, a period without telemetry and a wrong rule are refused."""
    with pytest.raises(BadInput, match="from before to"):
        await backtest(town, FAST, from_ms=town.now, to_ms=town.now)
    with pytest.raises(BadInput, match="nothing is stored"):
        await backtest(town, FAST, from_ms=1_000_000, to_ms=2_000_000)
    with pytest.raises(RuleError):
        await backtest(town, FAST.replace("passenger", "passengers"))


async def test_a_plan_covers_every_batch_once(town: City) -> None:
    """The ranges of a plan are in order, hold every stored batch once, and are cut at entries that are no batches."""
    async with town.database.acquire() as connection:
        ranges = await plan(connection, 0, when(0), when(town.now + 1))
        batches = await connection.fetch("select batch_no, kind from ingest_batch order by 1")
    for item in batches:
        inside = [part for part in ranges if part.first <= item["batch_no"] <= part.last]
        if item["kind"] != "tick":
            assert [part.kind for part in inside] == [item["kind"]]
    assert [part.first for part in ranges] == sorted(part.first for part in ranges)
    assert sum(part.samples for part in ranges) == await town.database.fetchval("select count(*) from sample")
