"""Backtests of telemetry that came late: folded in its place, as the corrections of the live engine did it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from alarms.language.reader import default_rules
from alarms.language.times import UTC
from ingest.backtest.report import as_json
from ingest.backtest.run import Request, of_store
from tests.postgres.test_late import (
    AMENDED,
    CONTRADICTED,
    PAST,
    RULE,
    STILL_HOLDS,
    TWICE,
    alarms,
    at_random,
    tell,
)
from tests.support.desk import Desk
from tests.support.feed import FREED, TRAPPED, event, sample

PRODUCT = default_rules()
COPY = PRODUCT[PRODUCT.index(RULE)].text.replace(f'id = "{RULE}"', 'id = "copy"')
"""The same rule by another name: whatever it raises is listed as new."""
STORIES = {
    "contradicted": CONTRADICTED,
    "amended": AMENDED,
    "holds": STILL_HOLDS,
    "past": PAST,
    "twice": TWICE,
}
Told = tuple[float, float | None]


async def backtest(desk: Desk, lift_id: int, start: int, **options: Any) -> dict[str, Any]:
    request = Request(
        from_ms=options.pop("from_ms", start - 1_000),
        to_ms=options.pop("to_ms", desk.now + 1),
        files=(("copy.toml", COPY),),
        lifts=(lift_id,),
        **options,
    )
    async with desk.database.acquire() as connection:
        return await of_store(connection, request, product=PRODUCT, zone=UTC)


def raised(result: dict[str, Any], start: int) -> list[Told]:
    """When the copied rule was raised and cleared, in seconds from the start."""

    def seconds(text: str | None) -> float | None:
        return None if text is None else round(datetime.fromisoformat(text).timestamp() - start / 1_000, 1)

    found = [item["candidate"] for item in result["changes"] if item["rule_id"] == "copy"]
    return [(seconds(item["raised_at"]) or 0.0, seconds(item["cleared_at"])) for item in found]


async def corrected(desk: Desk, lift_id: int, start: int) -> list[Told]:
    """The alarms of the table, but for those that late data contradicts."""
    return [(row[0], row[1]) for row in await alarms(desk, lift_id, start) if row[3] != "contradicted"]


@pytest.mark.parametrize(
    ("story", "between"),
    [("contradicted", ""), ("amended", "checkpoint"), ("holds", ""), ("past", "checkpoint"), ("twice", "")],
)
async def test_a_backtest_says_what_the_corrections_said(desk: Desk, story: str, between: str) -> None:
    """Folded again from memory, or by the job from the store: the alarms of the table as they stand now, and both sides agree."""
    await desk.checkpoint()
    lift_id, start = await tell(desk, f"late-{story}-{between}", STORIES[story], between)
    result = await backtest(desk, lift_id, start)
    assert raised(result, start) == await corrected(desk, lift_id, start)
    (mine,) = [row for row in result["rules"] if row["rule_id"] == RULE] or [{"baseline": 0, "candidate": 0, "same": 0}]
    assert mine["baseline"] == mine["candidate"] == mine["same"] == len(raised(result, start))
    assert result["samples"] == len(STORIES[story])


async def test_late_or_in_order_is_the_same_backtest(desk: Desk) -> None:
    """A quarter of the records up to a minute late, and the same in order."""
    await desk.checkpoint()
    told = []
    in_order = sorted(((at, seq, at, said) for _, seq, at, said in at_random(0)), key=lambda line: line[2])
    for name, lines in (("late", at_random(0)), ("in-order", in_order)):
        lift_id, start = await tell(desk, f"seed-{name}", lines)
        told.append(raised(await backtest(desk, lift_id, start), start))
    assert told[0] == told[1]
    assert told[0]


async def test_the_same_stream_gives_the_same_bytes(desk: Desk) -> None:
    """Twice, and again when more late data has come after the period."""
    await desk.checkpoint()
    lift_id, start = await tell(desk, "same-bytes", AMENDED)
    period = {"from_ms": start - 1_000, "to_ms": desk.now + 1}
    first = as_json(await backtest(desk, lift_id, start, **period))
    assert as_json(await backtest(desk, lift_id, start, **period)) == first
    desk.now += 60_000
    await desk.say("same-bytes", "state", sample(9, start + 5_000, **FREED))
    await desk.pass_s(2)
    assert as_json(await backtest(desk, lift_id, start, **period)) == first


async def test_a_late_event_is_folded_in_its_place(desk: Desk) -> None:
    """The alarm button of half a minute ago: raised when it was pressed."""
    await desk.checkpoint()
    lift_id, start = await desk.lift("late-event"), desk.now
    for seq, at in enumerate((0, 10, 20, 30, 40), 1):
        desk.now = start + at * 1_000
        await desk.say("late-event", "state", sample(seq, desk.now, **{**TRAPPED, "passenger": None}))
    await desk.say("late-event", "event", event(1, start + 15_000, "90"), after_s=1)
    await desk.pass_s(2)
    (found,) = await desk.rows("select folded, at_once from event where lift_id = $1", lift_id)
    assert found["folded"] == 2
    result = await backtest(desk, lift_id, start, everything=True)
    stored = await desk.rows(
        "select rule_id from alarm where lift_id = $1 and correction is distinct from 'contradicted' order by rule_id",
        lift_id,
    )
    counted = {row["rule_id"]: row["baseline"] for row in result["rules"] if row["baseline"]}
    assert sorted(counted) == sorted({row["rule_id"] for row in stored})
    assert result["events"] == 1
