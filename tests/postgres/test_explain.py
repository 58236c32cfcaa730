"""Alarms explained: the fold from the store agrees with what was raised, and not with a row that somebody changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from alarms.language.times import UTC
from alarms.signals import RAISE
from hoistway import limits
from hoistway.cli import app
from hoistway.errors import BadInput
from hoistway.rulebook.explain import Explanation, Verdict, explain
from tests.postgres.test_rule_sets import FAST, City, city  # noqa: F401  # the fixture
from tests.support.feed import FREED, TRAPPED, event, message, sample


@pytest_asyncio.fixture(loop_scope="session")
async def town(city: City) -> AsyncIterator[City]:  # noqa: F811
    await city.database.execute("update lift set updated_at = 'epoch'")
    yield city


async def last_alarm(town: City) -> int:
    found: int = await town.database.fetchval("select max(id) from alarm")
    return found


async def explained(town: City, alarm_id: int | None = None) -> Explanation:
    async with town.database.acquire() as connection:
        return await explain(connection, alarm_id or await last_alarm(town), zone=UTC)


async def trap(town: City, seconds: int = 20) -> None:
    """Quiet samples, then somebody between floors for so long."""
    for _ in range(3):
        await town.say(10, **FREED)
    for _ in range(0, seconds + 1, 5):
        await town.say(5, **TRAPPED)


async def test_an_alarm_agrees_with_its_telemetry(town: City) -> None:
    """An alarm raised by samples is raised again by the fold of the store, with the same hold."""
    await trap(town)
    found = await explained(town)
    assert (found.verdict, len(found.found)) == (Verdict.AGREES, 1)
    assert found.rule_set == 1
    assert found.detected_by is not None
    assert found.detected_by["kind"] == "batch"
    assert found.caveats == ()
    kinds = [line["what"] for line in found.timeline]
    assert kinds.count("sample") == 8
    assert {"hold-start", "raised", "detected", "raise"} <= set(kinds)
    shown = next(line for line in found.timeline if line["what"] == "sample")
    assert shown["values"]["door_zone"] is True
    assert shown["values"]["service_mode"] == "normal"


async def test_an_alarm_found_by_a_tick_agrees(town: City) -> None:
    """An alarm that time alone completed is found again at the same deadline."""
    await town.say(**TRAPPED)
    town.now += 21_000 + limits.TICK_SETTLE_MS
    await town.ingest.round()
    found = await explained(town)
    assert found.detected_by is not None
    assert (found.verdict, found.detected_by["kind"]) == (Verdict.AGREES, "tick")


async def test_silence_agrees(town: City) -> None:
    """Offline is explained by the last sign of life."""
    await town.say(**FREED)
    town.now += 182_000
    await town.ingest.round()
    found = await explained(town)
    assert (found.alarm["rule_id"], found.verdict) == ("offline", Verdict.AGREES)


async def test_an_event_agrees(town: City) -> None:
    """The alarm button is explained by its event."""
    town.source.put(message("event", event(1, town.now, "90"), device="one", received=town.now))
    await town.ingest.round()
    found = await explained(town)
    assert (found.alarm["rule_id"], found.verdict) == ("alarm-button", Verdict.AGREES)


async def test_a_repeat_is_explained_by_a_longer_fold(town: City) -> None:
    """The second alarm of a lift agrees although the first one was active when the shortest fold begins."""
    await trap(town)
    await town.say(5, **FREED)
    await town.say(5, **FREED)
    await town.database.execute("update alarm set operator_state = 'acknowledged'")
    await trap(town)
    assert await town.database.fetchval("select count(*) from alarm") == 2
    assert (await explained(town)).verdict is Verdict.AGREES


async def test_the_rules_of_that_time_explain(town: City) -> None:
    """An alarm raised after a change of rules is folded with the old rules before the change and the new ones after it."""
    await town.say(**TRAPPED)
    await town.publish(FAST)
    await town.look()
    await town.say(3, **TRAPPED)
    await town.say(5, **TRAPPED)
    found = await explained(town)
    assert (found.verdict, found.rule_set) == (Verdict.AGREES, 2)
    await town.publish(FAST.replace('"5s"', '"50s"'))
    await town.look()
    assert (await explained(town)).verdict is Verdict.AGREES


@pytest.mark.parametrize(
    "change",
    [
        "raised_at = raised_at - interval '1 second'",
        "hold_start = hold_start + interval '1 millisecond'",
        "hold_start = hold_start - interval '5 seconds', raised_at = raised_at - interval '5 seconds'",
    ],
)
async def test_a_changed_row_differs(town: City, change: str) -> None:
    """A row whose times somebody changed does not agree with the telemetry."""
    await trap(town)
    await town.database.execute(f"update alarm set {change}")
    assert (await explained(town)).verdict is Verdict.DIFFERS


async def test_a_changed_sample_differs(town: City) -> None:
    """Telemetry in which nobody was in the car does not explain an entrapment."""
    await trap(town)
    await town.database.execute("update sample set passenger = 0")
    assert (await explained(town)).verdict is Verdict.DIFFERS


@pytest.mark.parametrize(
    "loss",
    [
        "delete from sample",
        "update alarm set detected_at = detected_at + interval '1 day'",
        "update alarm set rule_version = 'built-in'",
        "update rule_version set text = replace(text, 'passenger', 'passengers')",
    ],
)
async def test_what_is_gone_is_not_possible(town: City, loss: str) -> None:
    """Without the telemetry, the entry or the rule's text there is no verdict."""
    await trap(town)
    await town.database.execute(loss)
    assert (await explained(town)).verdict is Verdict.NOT_POSSIBLE


async def test_a_register_that_changed_is_said(town: City) -> None:
    """When the lift's entry changed after the alarm, the explanation says that it used the present one."""
    await trap(town)
    await town.database.execute("update lift set updated_at = '2090-01-01'")
    assert len((await explained(town)).caveats) == 1


async def test_no_such_alarm(town: City) -> None:
    """A number that is no alarm is refused."""
    with pytest.raises(BadInput, match="no alarm 999"):
        await explained(town, 999)


async def test_the_command_tells_by_its_exit_code(town: City) -> None:
    """`hoistway alarms explain` ends with 0 when it agrees, 1 when it differs, 2 when it is not possible."""
    await trap(town)
    alarm_id = await last_alarm(town)

    async def command() -> tuple[int, str]:
        arguments: list[Any] = ["alarms", "explain", str(alarm_id), "--database-url", town.url]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        return result.exit_code, result.output

    code, text = await command()
    assert (code, "agrees: Folding" in text) == (0, True)
    await town.database.execute("update alarm set hold_start = hold_start - interval '1 second'")
    assert (await command())[0] == 1
    await town.database.execute("delete from sample")
    assert (await command())[0] == 2


async def late(town: City, seq: int, at: int, **values: Any) -> None:
    """A sample that was stamped long ago, and the ticks that fold it in its place."""
    town.now += 1_000
    town.source.put(message("state", sample(seq, at, **values), device="one", received=town.now))
    await town.ingest.round()
    town.now += 3_000
    await town.ingest.round()


@pytest.mark.parametrize("restart", [False, True])
async def test_an_alarm_that_late_data_raised_agrees(town: City, restart: bool) -> None:
    """It is folded from all records in the order in which things happened."""
    await town.say(**FREED)
    began = town.now
    town.seq += 1
    await town.say(50, **FREED)
    await late(town, town.seq - 1, began + 20_000, **TRAPPED)
    if restart:
        await town.stop()
        await town.start()
    found = await explained(town)
    assert (found.alarm["correction"], found.verdict) == ("late", Verdict.AGREES)
    assert found.detected_by is not None
    assert found.detected_by["kind"] == "refold"
    assert len(found.caveats) == 1
    assert [line["what"] for line in found.timeline].count("sample") >= 3


async def test_an_amended_alarm_agrees_with_its_new_times(town: City) -> None:
    """The times that late data gave it follow from the records; those that it was told with would not."""
    await town.say(**FREED)
    began = town.now
    town.seq += 1
    for _ in range(8):
        await town.say(5, **TRAPPED)
    await late(town, town.seq - 8, began + 2_000, **TRAPPED)
    found = await explained(town)
    assert (found.alarm["correction"], found.verdict) == ("amended", Verdict.AGREES)
    await town.database.execute(
        "update alarm set hold_start = hold_start + interval '3 s' where id = $1", await last_alarm(town)
    )
    assert (await explained(town)).verdict is Verdict.DIFFERS


async def test_a_contradicted_alarm_agrees_with_what_was_known(town: City) -> None:
    """It was right when it was raised, and says that later data contradicts it."""
    await town.say(**FREED)
    began = town.now
    town.seq += 1
    await town.say(10, **TRAPPED)
    await town.say(15, **TRAPPED)
    await town.say(10, **TRAPPED)
    for _ in range(2):
        await town.say(5, **FREED)
    await late(town, town.seq - 5, began + 22_000, **FREED)
    found = await explained(town)
    assert (found.alarm["correction"], found.verdict) == ("contradicted", Verdict.AGREES)
    assert len(found.caveats) == 1


async def test_an_alarm_of_a_rule_that_others_shield_agrees(town: City) -> None:
    """The rules that may hold it back are folded with it."""
    unseen = {**TRAPPED, "passenger": None}
    for _ in range(3):
        await town.say(10, **FREED)
    for _ in range(12):
        await town.say(5, **unseen)
    alarm_id = await town.database.fetchval("select id from alarm where rule_id = 'entrapment-possible'")
    found = await explained(town, alarm_id)
    assert (found.verdict, [item.kind for item in found.found]) == (Verdict.AGREES, [RAISE])
