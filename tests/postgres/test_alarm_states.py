"""What the lift says and what the desk has done, as ISA-18.2 has it: asked again, chattering, brought back by time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from dispatch.rounds import bring_back
from dispatch.service import run
from hoistway.store import Database
from ingest.alarm_rows import write_changes
from ingest.changes import Change, ChangeKind
from tests.support import rows
from tests.support.rows import NOW
from tests.support.web import PATIENCE_S, until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, name="test")
    await database.open()
    await database.execute(
        "insert into rule_version (rule_id, version, text, title_zh, title_en, severity, opens) values"
        " ('entrapment', 'v', '', 'x', 'x', 'critical', 'rescue'), ('door', 'v', '', 'x', 'x', 'major', 'ticket')"
    )
    yield database
    await database.close()


class Lift:
    """One lift whose transitions a test writes by hand, in minutes after `NOW`."""

    def __init__(self, db: Database, lift_id: int, rule_id: str = "door", opens: str = "ticket") -> None:
        self.db, self.lift_id, self.rule_id, self.opens = db, lift_id, rule_id, opens

    async def write(self, kind: ChangeKind, minute: float, *, severity: str = "major", demoted: bool = False) -> None:
        at = NOW + timedelta(minutes=minute)
        change = Change(
            kind=kind, lift_id=self.lift_id, rule_id=self.rule_id, rule_version="v", severity=severity,
            opens=self.opens, at_ms=int(at.timestamp() * 1_000), hold_start_ms=int(at.timestamp() * 1_000),
            demoted=demoted, evidence="{}",
        )  # fmt: skip
        async with self.db.acquire() as connection, connection.transaction():
            await write_changes(connection, [change], detected_at=at)

    async def raises(self, minute: float, **words: Any) -> None:
        await self.write(ChangeKind.RAISE, minute, **words)

    async def clears(self, minute: float) -> None:
        await self.write(ChangeKind.CLEAR, minute)

    async def promotes(self, minute: float, **words: Any) -> None:
        await self.write(ChangeKind.PROMOTE, minute, **words)

    async def acknowledge(self) -> None:
        await self.db.execute(
            "update alarm set operator_state = 'acknowledged', acknowledged_at = $2, acknowledged_by = 'Wang',"
            " version = version + 1 where lift_id = $1 and open and operator_state = 'unacknowledged'",
            self.lift_id,
            NOW,
        )

    async def shelve(self, until: datetime) -> None:
        await self.db.execute(
            "update alarm set operator_state = 'shelved', shelved_until = $2, shelved_by = 'Wang',"
            " shelve_reason = 'mending', version = version + 1 where lift_id = $1 and open",
            self.lift_id,
            until,
        )

    async def alarms(self) -> list[tuple[str, str, int, bool]]:
        """Condition, operator state, repeats and chattering of each row."""
        found = await self.db.fetch(
            "select condition, operator_state, repeats, chattering from alarm where lift_id = $1 order by id",
            self.lift_id,
        )
        return [tuple(row.values()) for row in found]

    async def events(self) -> list[str]:
        found = await self.db.fetch(
            "select e.kind from alarm_event e join alarm a on a.id = e.alarm_id where a.lift_id = $1 order by e.id",
            self.lift_id,
        )
        return [row["kind"] for row in found]


async def lift(db: Database, rule_id: str = "door", opens: str = "ticket") -> Lift:
    return Lift(db, await rows.lift(db), rule_id, opens)


async def test_more_severe_after_an_acknowledgement_asks_again(db: Database) -> None:
    """High, acknowledged, then critical: unacknowledged; acknowledged and cleared: off the desk (ISA-18.2)."""
    it = await lift(db)
    await it.raises(0, severity="major")
    await it.acknowledge()
    assert await it.alarms() == [("active", "acknowledged", 0, False)]
    await it.raises(20, severity="critical")
    assert await it.alarms() == [("active", "unacknowledged", 1, False)]
    assert await db.fetchval("select acknowledged_by from alarm where lift_id = $1", it.lift_id) is None
    await it.acknowledge()
    await it.clears(21)
    assert await it.alarms() == [("cleared", "acknowledged", 1, False)]
    assert await db.fetchval("select open from alarm where lift_id = $1", it.lift_id) is False
    assert await it.events() == ["raised", "repeated", "escalated", "cleared"]


async def test_cleared_before_the_acknowledgement_keeps_asking(db: Database) -> None:
    """Cleared and unacknowledged is still open, and a repeat is counted on it (ISA-18.2)."""
    it = await lift(db)
    await it.raises(0)
    await it.clears(20)
    assert await it.alarms() == [("cleared", "unacknowledged", 0, False)]
    await it.raises(40, severity="minor")
    await it.raises(41, severity="minor")
    assert await it.alarms() == [("active", "unacknowledged", 2, False)]
    await it.clears(42)
    await it.acknowledge()
    assert await db.fetchval("select open from alarm where lift_id = $1", it.lift_id) is False


@pytest.mark.parametrize("severity", ["major", "minor"])
async def test_the_same_or_less_severe_does_not_ask_again(db: Database, severity: str) -> None:
    """A repeat that is not more severe leaves what the desk has done."""
    it = await lift(db)
    await it.raises(0, severity="major")
    await it.acknowledge()
    await it.raises(20, severity=severity)
    assert await it.alarms() == [("active", "acknowledged", 1, False)]


async def test_a_shelved_alarm_comes_back_when_its_time_is_over(db: Database) -> None:
    """Not a moment earlier, once, unacknowledged, and the history says who had shelved it."""
    it = await lift(db)
    await it.raises(0)
    end = NOW + timedelta(minutes=30)
    await it.shelve(end)
    await bring_back(db, end - timedelta(milliseconds=1))
    assert await it.alarms() == [("active", "shelved", 0, False)]
    await bring_back(db, end)
    await bring_back(db, end + timedelta(seconds=1))
    assert await it.alarms() == [("active", "unacknowledged", 0, False)]
    assert await it.events() == ["raised", "unshelved"]
    detail = await db.fetchval(
        "select e.detail from alarm_event e join alarm a on a.id = e.alarm_id"
        " where a.lift_id = $1 and e.kind = 'unshelved'",
        it.lift_id,
    )
    assert detail["before"]["shelved_by"] == "Wang"


async def test_a_shelved_alarm_that_cleared_is_still_open(db: Database) -> None:
    """Clearing does not take it off the desk, repeats stay shelved, and it comes back cleared and unacknowledged."""
    it = await lift(db)
    await it.raises(0)
    await it.shelve(NOW + timedelta(hours=2))
    await it.clears(20)
    assert await db.fetchval("select open from alarm where lift_id = $1", it.lift_id) is True
    await it.raises(40)
    assert await it.alarms() == [("active", "shelved", 1, False)]
    await it.clears(60)
    await bring_back(db, NOW + timedelta(hours=2))
    assert await it.alarms() == [("cleared", "unacknowledged", 1, False)]


async def test_a_shelved_alarm_that_grows_more_severe_comes_back_at_once(db: Database) -> None:
    """A repeat with a higher severity un-shelves, and the history says so."""
    it = await lift(db)
    await it.raises(0, severity="minor")
    await it.shelve(NOW + timedelta(hours=2))
    await it.raises(20, severity="critical")
    assert await it.alarms() == [("active", "unacknowledged", 1, False)]
    row = await db.fetchrow("select shelved_until, shelved_by, shelve_reason from alarm where lift_id = $1", it.lift_id)
    assert tuple(row or ()) == (None, None, None)
    assert await it.events() == ["raised", "repeated", "unshelved"]


@pytest.mark.parametrize("by", ["promotion", "repeat"])
async def test_a_shelved_notice_that_becomes_a_rescue_comes_back_with_its_case(db: Database, by: str) -> None:
    """Demoted in inspection it may be shelved; promoted or raised in full it is on the desk with a rescue case."""
    it = await lift(db, "entrapment", "rescue")
    await it.raises(0, severity="critical", demoted=True)
    await it.shelve(NOW + timedelta(hours=2))
    await (it.promotes if by == "promotion" else it.raises)(5, severity="critical")
    assert [(state, chattering) for _, state, _, chattering in await it.alarms()] == [("unacknowledged", False)]
    assert "unshelved" in await it.events()
    assert await db.fetchval("select count(*) from rescue_case where lift_id = $1 and open", it.lift_id) == 1


@pytest.mark.parametrize("opens", ["rescue", "alarm-call"])
async def test_the_database_itself_refuses_to_shelve_what_may_hold_a_person(db: Database, opens: str) -> None:
    """No program, however wrong, can silence an entrapment or the alarm button; nor shelve without a person and a reason."""
    it = await lift(db, "entrapment" if opens == "rescue" else "button", opens)
    await it.raises(0, severity="critical")
    with pytest.raises(asyncpg.CheckViolationError):
        await it.shelve(NOW + timedelta(hours=1))
    other = await lift(db)
    await other.raises(0)
    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute("update alarm set operator_state = 'shelved' where lift_id = $1", other.lift_id)


async def test_the_third_raise_within_ten_minutes_is_chattering(db: Database) -> None:
    """However fast the desk acknowledges, the third raise joins the newest row, which says so once."""
    it = await lift(db)
    for minute in (0, 3):
        await it.raises(minute)
        await it.clears(minute + 1)
        await it.acknowledge()
    assert await it.alarms() == [("cleared", "acknowledged", 0, False)] * 2
    await it.raises(6)
    assert await it.alarms() == [("cleared", "acknowledged", 0, False), ("active", "unacknowledged", 1, True)]
    await it.clears(7)
    await it.acknowledge()
    await it.raises(8)
    assert await it.alarms() == [("cleared", "acknowledged", 0, False), ("active", "unacknowledged", 2, True)]
    assert (await it.events()).count("chattering") == 1


async def test_an_open_row_chatters_too(db: Database) -> None:
    """Three raises on the same unacknowledged row are chattering; three within half an hour are not."""
    it, slow = await lift(db), await lift(db)
    for minute in (0, 2, 4):
        await it.raises(minute)
        await it.clears(minute + 1)
        await slow.raises(minute * 6)
        await slow.clears(minute * 6 + 1)
    assert await it.alarms() == [("cleared", "unacknowledged", 2, True)]
    assert await slow.alarms() == [("cleared", "unacknowledged", 2, False)]


async def test_chattering_ends_after_ten_quiet_minutes(db: Database) -> None:
    """The flag goes when nothing moved for ten minutes; the next raise after that is a row of its own."""
    it = await lift(db)
    for minute in (0, 2, 4):
        await it.raises(minute)
        await it.clears(minute + 1)
    await it.acknowledge()
    await bring_back(db, NOW + timedelta(minutes=14))
    assert await it.alarms() == [("cleared", "acknowledged", 2, True)]
    await bring_back(db, NOW + timedelta(minutes=15))
    assert await it.alarms() == [("cleared", "acknowledged", 2, False)]
    await it.raises(30)
    assert [row[0] for row in await it.alarms()] == ["cleared", "active"]
    assert (await it.alarms())[1] == ("active", "unacknowledged", 0, False)


async def test_a_quiet_row_is_not_joined_although_no_sweep_came_by(db: Database) -> None:
    """Ten minutes after the last clear a raise begins anew, whether or not the flag was taken away in time."""
    it = await lift(db)
    for minute in (0, 2, 4):
        await it.raises(minute)
        await it.clears(minute + 1)
    await it.acknowledge()
    await it.raises(16)
    assert await it.alarms() == [("cleared", "acknowledged", 2, True), ("active", "unacknowledged", 0, False)]


@pytest.mark.parametrize(
    ("rule_id", "opens"), [("entrapment", "rescue"), ("entrapment", "notice"), ("x", "alarm-call")]
)
async def test_what_may_hold_a_person_never_chatters(db: Database, rule_id: str, opens: str) -> None:
    """Each entrapment and each press is an alarm row of its own, demoted ones too."""
    it = await lift(db, rule_id, "rescue" if opens == "notice" else opens)
    for minute in (0, 2, 4, 6):
        await it.raises(minute, severity="critical", demoted=opens == "notice")
        await it.clears(minute + 1)
        await it.acknowledge()
    assert await it.alarms() == [("cleared", "acknowledged", 0, False)] * 4


async def test_two_rules_of_a_lift_do_not_chatter_together(db: Database) -> None:
    """Raises are counted by lift and rule."""
    one = await lift(db)
    other = Lift(db, one.lift_id, "window")
    for minute in (0, 2):
        await one.raises(minute)
        await one.clears(minute + 1)
        await other.raises(minute)
        await other.clears(minute + 1)
    assert await one.alarms() == [("cleared", "unacknowledged", 1, False)] * 2


async def test_the_dispatch_process_makes_the_rounds(db: Database) -> None:
    """Beside the timers, and on the clock it is given, it brings back what was shelved, and stops when told."""
    it = await lift(db)
    await it.raises(0)
    await it.shelve(NOW + timedelta(hours=1))
    stop = asyncio.Event()
    process = asyncio.create_task(run(db, stop, clock=lambda: NOW + timedelta(hours=2)))

    async def back() -> bool:
        return (await it.alarms())[0][1] == "unacknowledged"

    await until(back, "the shelved alarm came back")
    stop.set()
    await asyncio.wait_for(process, PATIENCE_S)
