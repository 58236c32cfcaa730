"""What dispatch withstands: a kill at every statement, two processes at once, hands in the log, and files that are wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import asyncpg
import pytest
import pytest_asyncio

from dispatch.duty import Duty
from dispatch.firing import fire_due, relieve
from dispatch.outcome import CaseView, Outcome, TimerKind
from dispatch.policy import when_due
from dispatch.sealer import Sealer, Verdict, verify
from dispatch.service import Watch, do_duty
from dispatch.unit_file import import_shifts, import_units
from hoistway.errors import BadInput, Fenced
from hoistway.model import Role
from hoistway.store import connect_url
from hoistway.store.migrate import MIGRATIONS
from tests.support import rows
from tests.support.crashing import Crashing, Killed
from tests.support.night import Night
from tests.support.postgres import PostgresServer
from tests.support.web import until

# --- kills ---

Step = Callable[[], Awaitable[None]]


class Rescue:
    """One story, step by step, on a database that may kill whoever acts: each step is tried again until it is through."""

    def __init__(self, night: Night, database: Crashing, *, kill: bool) -> None:
        self._night, self._database, self._kill = night, database, kill
        self._acts: dict[str, int] = {}

    async def do(self, step: Step) -> None:
        statement = 0
        while True:
            self._database.after = statement if self._kill else None
            try:
                await step()
            except Killed:
                statement += 1
                continue
            self._database.after = None
            return

    async def fire(self) -> None:
        async def step() -> None:
            while await fire_due(self._database, self._night.now):  # type: ignore[arg-type]
                pass
            await relieve(self._database, self._night.now)  # type: ignore[arg-type]

        await self.do(step)

    async def act(self, table: str, number: int, path: str, **body: Any) -> None:
        """An act of a person, sent again with its key until there is an answer."""
        version = await self._night.value(f"select version from {table} where id = $1", number)

        async def step() -> None:
            key = f"{path}-{version}"
            answer = await self._night.say(Role.DISPATCHER, path, body, version, key=key)
            if answer.status_code == 503:
                raise Killed("killed")
            assert answer.status_code in {200, 201}, answer.text

        await self.do(step)


async def tell(night: Night, *, kill: bool) -> tuple[dict[str, Any], int]:
    """Nobody accepts, the station refuses, 119 is called, the firm comes after all; answers the end and the number of kills."""
    database = Crashing(night.db)
    night.now = rows.NOW
    firm = await night.firm()
    await night.db.execute("update unit set out_of_use = 'another night'")
    await night.team(firm)
    await night.station()
    case_id = await night.trapped(firm_id=firm)
    rescue = Rescue(night, database, kill=kill)
    night.web.app.state.database = database
    try:
        for seconds in (0, 60, 180):
            night.now = rows.NOW + timedelta(seconds=seconds)
            await rescue.fire()
        first, second = await order_ids(night, case_id)
        await rescue.act("dispatch_order", second, f"orders/{second}/moves", move="refuse", reason="no van")
        await rescue.fire()
        await rescue.act("rescue_case", case_id, f"cases/{case_id}/steps/call-119", note="officer 7")
        await rescue.act("dispatch_order", first, f"orders/{first}/moves", move="accept")
        await rescue.act("dispatch_order", first, f"orders/{first}/moves", move="arrive")
        await rescue.act(
            "rescue_case", case_id, f"cases/{case_id}/moves", move="release", confirmation="out", trapped=1
        )
        await rescue.act("rescue_case", case_id, f"cases/{case_id}/moves", move="close")
        await rescue.fire()
    finally:
        night.web.app.state.database = night.db
    return await end_of(night, case_id), database.kills


async def order_ids(night: Night, case_id: int) -> list[int]:
    return [
        row["id"]
        for row in await night.db.fetch("select id from dispatch_order where case_id = $1 order by id", case_id)
    ]


async def end_of(night: Night, case_id: int) -> dict[str, Any]:
    """Everything that the story left behind, without numbers that differ from case to case."""

    async def all_of(query: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in await night.db.fetch(query, case_id)]

    return {
        "case": await all_of("select state, level, version, waits_since, dispatched_at, accepted_at, arrived_at, released_at,"
                             " closed_at, confirmed_by, trapped from rescue_case where id = $1"),
        "orders": await all_of("select level, addressee, state, sent_at, accepted_at, arrived_at, ended_at, late_at, version"
                               " from dispatch_order where case_id = $1 order by id"),
        "timers": await all_of("select kind, due_at, fired_at, cancelled_at from timer where case_id = $1 order by kind, due_at"),
        "log": await all_of("select seq, kind, at, person, reason from case_event where case_id = $1 order by seq"),
        "told": await all_of("select topic, addressee, created_at from outbox where case_id = $1 order by id"),
        "steps": await all_of("select step, done_at, person, note from case_step where case_id = $1 order by step"),
    }  # fmt: skip


async def test_a_kill_at_every_statement_of_a_rescue_gives_the_same_end(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed before a statement, before a commit or after it, and starts again: the same case, orders, timers, log
    and outbox, each once."""
    monkeypatch.setattr("api.problems._log", Mock())  # a hundred tracebacks take a minute to draw
    quiet, no_kills = await tell(night, kill=False)
    killed, kills = await tell(night, kill=True)
    assert no_kills == 0
    assert kills > 100
    assert killed == quiet
    assert quiet["case"][0][:2] == ("closed", 3)


async def test_every_order_and_every_call_for_help_is_in_the_outbox(night: Night) -> None:
    """What is committed and needs somebody to be told has its row: each order of a unit or firm once, each stand-down once."""
    await tell(night, kill=False)
    missing = await night.value(
        "select count(*) from dispatch_order o where addressee in ('unit', 'firm')"
        " and (select count(*) from outbox b where b.order_id = o.id and b.topic = 'order') <> 1"
    )
    lost = await night.value(
        "select count(*) from case_event e join outbox b on b.case_id = e.case_id and b.topic = 'stand-down'"
        " where e.kind = 'order-stood-down' and not exists (select 1 from outbox o where o.topic = 'stand-down'"
        " and o.order_id = (e.after ->> 'order_id')::bigint)"
    )
    assert (missing, lost) == (0, 0)


# --- two processes ---


async def test_one_process_has_the_duty_and_one_that_lost_it_writes_nothing(night: Night) -> None:
    """The second waits; when the first one's time is over it takes over, and the first, woken up, fires nothing."""
    first, second = Duty(night.db, "test", term_s=60), Duty(night.db, "test", term_s=60)
    assert (await first.take(), await second.take()) == (True, False)
    await first.renew()
    await night.db.execute("update duty set expires_at = clock_timestamp() where name = 'test'")
    assert await second.take()
    assert second.epoch == first.epoch + 1
    case_id = await night.trapped(firm_id=await night.firm())
    with pytest.raises(Fenced):
        await fire_due(night.db, night.now, duty=first)
    with pytest.raises(Fenced):
        await first.renew()
    assert await night.orders(case_id) == []
    assert [fired.case_id for fired in await fire_due(night.db, night.now, duty=second)] == [case_id]
    await second.give_up()
    assert await first.take()


async def test_two_processes_that_fire_at_once_send_once(night: Night) -> None:
    """Rows are claimed: whatever two of them do at the same moment, each timer is fired once."""
    firm = await night.firm()
    cases = [await night.trapped(firm_id=firm) for _ in range(6)]
    fired = await asyncio.gather(*(fire_due(night.db, night.now) for _ in range(3)))
    while more := await fire_due(night.db, night.now):
        fired.append(more)
    assert sorted(timer.case_id for each in fired for timer in each) == cases
    assert {len(await night.orders(case_id)) for case_id in cases} == {1}


async def test_the_process_takes_the_duty_fires_and_gives_it_up(night: Night, tmp_path: Path) -> None:
    """The loop itself: an overdue case is sent out, the log is sealed, and after a clean end the next one need not wait."""
    await night.db.execute("delete from duty")
    case_id = await night.trapped(firm_id=await night.firm())
    stop, anchor = asyncio.Event(), tmp_path / "anchor.jsonl"
    task = asyncio.create_task(do_duty(night.db, stop, clock=lambda: night.now, anchor=anchor))

    async def sent() -> bool:
        return anchor.exists() and await night.orders(case_id) == [(1, "firm", "sent")]

    await until(sent, "the order went out and the log was sealed")
    stop.set()
    await task
    assert await Duty(night.db).take()


async def test_a_case_that_cannot_be_written_holds_up_no_other(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """One timer of many fails, whatever the reason: the others are fired, and it is tried again a little later."""
    firm = await night.firm()
    cases = [await night.trapped(firm_id=firm) for _ in range(4)]
    await night.db.execute("delete from duty")
    duty = Duty(night.db)
    await duty.take()
    watch = Watch(night.db, duty, lambda: night.now)

    def broken(kind: TimerKind, case: CaseView, **more: Any) -> Outcome | None:
        if case.case_id == cases[1]:
            raise KeyError("a mistake of ours")
        return when_due(kind, case, **more)

    monkeypatch.setattr("dispatch.firing.when_due", broken)
    while await watch.round():
        pass
    assert [len(await night.orders(case_id)) for case_id in cases] == [1, 0, 1, 1]
    assert not await watch.round()
    monkeypatch.undo()
    watch._failed.clear()
    while await watch.round():
        pass
    assert len(await night.orders(cases[1])) == 1
    await duty.give_up()


# --- the log ---


@pytest_asyncio.fixture(loop_scope="session")
async def sealed(night: Night, tmp_path: Path) -> tuple[Night, int, Path]:
    """A rescue whose log is sealed, twice; what other tests left unsealed too."""
    anchor = tmp_path / "anchor.jsonl"
    await night.db.execute("alter table seal_head disable trigger user; alter table seal disable trigger user;"
                           " delete from seal_head; delete from seal; update case_head set sealed_seq = 0;"
                           " alter table seal_head enable trigger user; alter table seal enable trigger user")  # fmt: skip
    case_id = await night.trapped(firm_id=await night.firm())
    await Sealer(night.db, anchor).seal(night.now)
    await night.pass_s(60)
    assert await Sealer(night.db, anchor).seal(night.now) > 0
    await night.case(case_id, "acknowledge")
    return night, case_id, anchor


async def checked(night: Night, anchor: Path) -> Verdict:
    async with night.db.acquire() as connection:
        return await verify(connection, anchor)


async def test_an_honest_log_is_intact(sealed: tuple[Night, int, Path]) -> None:
    """Every line, head and seal agree; the youngest lines are the tail that no seal covers yet."""
    night, _, anchor = sealed
    verdict = await checked(night, anchor)
    assert (verdict.wrong, verdict.seals, verdict.unsealed, verdict.unanchored) == ([], 2, 1, 0)
    assert verdict.lines == await night.value("select count(*) from case_event")
    assert [json.loads(line)["seal"] for line in anchor.read_text().splitlines()] == [1, 2]


FORGERIES = {
    "a changed line": "update case_event set person = 'somebody else' where case_id = {case} and seq = 2",
    "a missing line": "delete from case_event where case_id = {case} and seq = 2",
    "the last line gone": "delete from case_event where case_id = {case} and seq = (select max(seq) from case_event where case_id = {case})",
    "the last line and its head": "delete from case_event where case_id = {case} and seq >= 3;"
        " update case_head h set seq = 2, hash = (select hash from case_event e where e.case_id = h.case_id and e.seq = 2)"
        " where case_id = {case}",
    "two lines exchanged": "update case_event set seq = -seq where case_id = {case} and seq < 3;"
        " update case_event set seq = 3 + seq where case_id = {case} and seq < 0",
    "a whole case": "delete from case_event where case_id = {case}; delete from case_head where case_id = {case}",
    "a seal": "delete from seal_head where seal = 2; delete from seal where number = 2",
    "a head of a seal": "delete from seal_head where seal = 1 and case_id = {case}",
}  # fmt: skip


@pytest.mark.parametrize("name", list(FORGERIES))
async def test_a_hand_in_the_log_is_found(sealed: tuple[Night, int, Path], name: str) -> None:
    """Whoever owns the database may change it; the check says so, and what is put back is intact again."""
    night, case_id, anchor = sealed
    connection = await asyncpg.connect(night.web.url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        for table in ("case_event", "seal", "seal_head"):
            await connection.execute(f"alter table {table} disable trigger user")
        await connection.execute(FORGERIES[name].format(case=case_id))
        forged = await _verified_inside(connection, anchor)
        await transaction.rollback()
    finally:
        await connection.close()
    assert forged.wrong, name
    assert (await checked(night, anchor)).intact


async def _verified_inside(connection: asyncpg.Connection, anchor: Path) -> Verdict:
    """The check inside the forger's own transaction, so that nothing of it stays."""

    class Same:
        def __getattr__(self, name: str) -> Any:
            return getattr(connection, name)

        def transaction(self, **_options: Any) -> Any:
            return connection.transaction()

    return await verify(Same(), anchor)


async def test_a_chain_written_anew_is_found_by_the_file(sealed: tuple[Night, int, Path]) -> None:
    """Who rewrites lines, heads and seals so that all of them agree is found by the file outside the database."""
    night, _, anchor = sealed
    text = anchor.read_text().replace('"root": "', '"root": "00', 1)
    anchor.write_text(text)
    verdict = await checked(night, anchor)
    assert verdict.wrong == ["seal 1: the anchor file has another root"]


async def test_a_torn_or_missing_line_of_the_file_is_written_again(sealed: tuple[Night, int, Path]) -> None:
    """A crash between commit and file loses nothing: the next seal adds what the file lacks."""
    night, _, anchor = sealed
    anchor.write_text(anchor.read_text()[:-20])
    assert (await checked(night, anchor)).unanchored == 1
    await Sealer(night.db, anchor).seal(night.now)
    verdict = await checked(night, anchor)
    assert (verdict.wrong, verdict.unanchored, verdict.seals, verdict.unsealed) == ([], 0, 3, 0)


async def test_cases_of_the_version_before_are_taken_along(postgres_server: PostgresServer) -> None:
    """Their logs become whole chains, their firm is the lift's, and who is still trapped is sent out at the next start."""
    url = await postgres_server.empty_database("before")
    at = next(index for index, migration in enumerate(MIGRATIONS) if migration.name.endswith("_dispatch.sql"))
    connection = await connect_url(url, name="test")
    try:
        for migration in MIGRATIONS[:at]:
            await connection.execute(migration.text)
        firm_id = await rows.firm(connection)
        running, over = [await rows.case(connection, await rows.lift(connection, firm_id=firm_id)) for _ in range(2)]
        await connection.execute(
            "update rescue_case set state = 'closed', confirmed_by = 'x', confirmation = 'x' where id = $1", over
        )
        await rows.timer(connection, running, "accept")
        for number in (running, over, running):
            await connection.execute(
                "insert into case_event (case_id, kind, at) values ($1, 'commented', now())", number
            )
        for migration in MIGRATIONS[at:]:
            await connection.execute(migration.text)
        verdict = await verify(connection, Path("/nonexistent"))
        assert (verdict.wrong, verdict.lines, verdict.cases) == ([], 3, 2)
        pending = "select case_id, kind from timer where fired_at is null and cancelled_at is null"
        assert [tuple(row) for row in await connection.fetch(pending)] == [(running, "send")]
        assert await connection.fetchval("select count(*) from rescue_case where firm_id = $1", firm_id) == 2
    finally:
        await connection.close()
        await postgres_server.drop_database(url)


# --- files ---


async def test_units_and_shifts_from_files(night: Night) -> None:
    """Who is in the file and on shift is sent; each line that cannot be used is named with column and expectation."""
    firm = await night.firm("File Firm")
    text = (
        "name,kind,firm,lon,lat,crews,contacts\n"
        "File Station,station,,120.1,30.21,2,Li Lei 139|Han 138\n"
        "File Team,team,File Firm,,,1,\n"
        "No Firm,team,,,,1,\n"
        "Half a place,station,,120.1,,1,\n"
        "Many,station,,,,1000,\n"
        "Stranger,team,Nobody Ltd,,,1,\n"
    )
    async with night.db.acquire() as connection:
        report = await import_units(connection, text)
        assert report.written == 2
        assert [trouble.split(":")[0] for trouble in report.troubles] == [
            "line 4, firm", "line 5, lat", "line 6, crews", "line 7, firm",
        ]  # fmt: skip
        since, until_ = (
            night.now.isoformat(),
            datetime.fromtimestamp(night.now.timestamp() + 3_600, night.now.tzinfo).isoformat(),
        )
        shifts = f"unit,since,until,person\nFile Team,{since},{until_},\nFile Station,{since},{until_},Li Lei\nFile Team,{until_},{since},\n"
        shifted = await import_shifts(connection, shifts)
        assert (shifted.written, len(shifted.troubles)) == (2, 1)
        assert (await import_shifts(connection, shifts)).written == 0
        assert (await import_units(connection, text)).written == 2
        with pytest.raises(BadInput, match="line 1"):
            await import_units(connection, "title,colour\nx,y\n")
    case_id = await night.trapped(firm_id=firm)
    await night.pass_s(0)
    async with night.web.client(Role.AUDITOR) as client:
        units = {
            item["name"]: item for item in night.web.check("/api/v1/units", await client.get("/api/v1/units"))["items"]
        }
    assert (units["File Team"]["on_duty"], units["File Team"]["load"]) == (True, 1)
    assert [contact["name"] for contact in units["File Station"]["contacts"]] == ["Li Lei", "Han"]
    assert await night.orders(case_id) == [(1, units["File Team"]["id"], "sent")]
    later = await night.trapped(firm_id=firm)
    await night.db.execute("update timer set due_at = $2 where case_id = $1", later, datetime.fromisoformat(until_))
    night.now = datetime.fromisoformat(until_)
    await night.pass_s(0)
    assert (await night.orders(later))[0] == (1, "firm", "sent")


async def test_a_position_counts_while_it_is_fresh(night: Night) -> None:
    """A crew that says where it is is measured from there for half an hour, with its age; then from its base."""
    here, there = await night.station(km=1), await night.station(km=5)
    path = f"units/{there}/position"
    moved = await night.say(Role.DISPATCHER, path, {"lon": 120.1, "lat": 30.2}, 1)
    assert night.web.check("/api/v1/units/{unit_id}/position", moved, "post")["reported_at"] is not None
    case_id = await night.trapped()
    await night.pass_s(10)
    case = await night.read(case_id)
    assert case["orders"][0]["unit"]["id"] == there
    assert case["orders"][0]["reasons"]["position_age_s"] == 0
    await night.pass_s(2_000)
    await night.release(case_id)
    later = await night.trapped()
    await night.pass_s(0)
    assert (await night.orders(later))[0][1] == here
    assert (await night.say(Role.MAINTAINER, path, {"lon": 0.0, "lat": 0.0}, 1)).status_code == 404
