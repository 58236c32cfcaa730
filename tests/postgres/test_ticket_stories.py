"""Tickets in the words of the desk and of the firm, on a clock that jumps."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import Result
from typer.testing import CliRunner

from alarms.corrections import CorrectionKind
from dispatch.notify import texts
from dispatch.notify.letters import facts_of
from dispatch.tickets import policy
from dispatch.tickets.book import NoTicket, add_photo, hand_over_ticket, move_ticket, tell_fault, tickets_of
from dispatch.tickets.outcome import Part
from dispatch.tickets.rounds import overdue_tickets, remember_faults
from hoistway.cli import app
from hoistway.errors import BadInput, Conflict, IllegalMove
from hoistway.model import Severity
from hoistway.store import queries
from ingest.changes import ChangeKind
from tests.support import rows
from tests.support.web import Api
from tests.support.workshop import DESK, Workshop

HOUR, DAY = 3_600, 86_400


@pytest_asyncio.fixture(loop_scope="session")
async def shop(dispatch_api: Api) -> Workshop:
    """A night of tickets with hoistway's own limits."""
    return await Workshop.begin(dispatch_api)


async def test_the_quiet_fault(shop: Workshop) -> None:
    """The fault opens a ticket for the contract firm in its own transaction; the firm accepts, comes, mends; the desk verifies."""
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    opened = await shop.ticket(ticket)
    assert opened["number"] == f"T2026-{ticket:06d}"
    assert (opened["state"], opened["severity"], opened["active"]) == ("new", "minor", True)
    assert opened["firm"]["id"] == shop.web.firm_id
    assert await shop.ticket_told(ticket) == [("ticket", "firm")]
    assert await shop.ticket_pending(ticket) == {"accept": DAY, "promise": 3 * DAY}
    await shop.pass_s(HOUR)
    await shop.move(ticket, "accept", shop.crew())
    assert await shop.ticket_pending(ticket) == {"promise": 3 * DAY - HOUR}
    await shop.pass_s(HOUR)
    await shop.move(ticket, "start", shop.crew())
    await shop.pass_s(1_800)
    await shop.clears(lift)
    parts = (Part(name="light curtain", count=1),)
    done = await shop.move(ticket, "finish", shop.crew(), cause=305, work="curtain renewed", parts=parts)
    assert (done["state"], done["cause"], done["parts"]) == ("done", 305, [{"name": "light curtain", "count": 1}])
    (visit,) = done["visits"]
    assert (visit["came_at"], visit["left_at"]) == ("2026-11-23T06:00:00.000Z", "2026-11-23T06:30:00.000Z")
    assert await shop.ticket_pending(ticket) == {"verify": 3 * DAY}
    verified = await shop.move(ticket, "verify")
    assert (verified["state"], verified["verified_by"], verified["open"]) == ("verified", DESK.name, False)
    assert await shop.ticket_pending(ticket) == {}
    assert await shop.ticket_log(ticket) == ["opened", "accept", "start", "finish", "verify"]


async def test_a_fault_that_repeats_joins(shop: Workshop) -> None:
    """The same fault, and one of its family, join the open ticket; a more severe one brings its promised time nearer."""
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    first = await shop.ticket(ticket)
    await shop.clears(lift)
    await shop.pass_s(HOUR)
    await shop.fault(lift)
    assert await shop.tickets(lift) == [("new", 1, 0)]
    assert (await shop.ticket(ticket))["version"] == first["version"]
    await shop.fault(lift, "door-open-failure", severity="major")
    joined = await shop.ticket(ticket)
    assert (joined["severity"], joined["repeats"], joined["version"]) == ("major", 2, first["version"] + 2)
    assert joined["promised_at"] < first["promised_at"]
    assert (await shop.ticket_pending(ticket))["promise"] == DAY
    assert await shop.ticket_log(ticket) == ["opened", "alarm-joined", "more-severe"]
    assert ("ticket-more-severe", "firm") in await shop.ticket_told(ticket)
    await shop.fault(lift, "vibration")
    assert await shop.tickets(lift) == [("new", 2, 0), ("new", 0, 0)]


async def test_done_and_again_within_a_day_is_reopened_and_counted(shop: Workshop) -> None:
    """Within 24 h of the repair the ticket is the firm's again, verified or not; a day later the fault is a new one."""
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    await shop.mend(ticket)
    await shop.move(ticket, "verify", reason="tried it five times; the signal lags")
    await shop.clears(lift)
    await shop.pass_s(DAY - 60)
    await shop.fault(lift)
    again = await shop.ticket(ticket)
    assert (again["state"], again["reopened"], again["verified_at"], again["accepted_at"]) == (
        "reopened",
        1,
        None,
        None,
    )
    assert await shop.ticket_pending(ticket) == {"accept": DAY, "promise": 3 * DAY}
    assert (await shop.ticket_told(ticket))[-1] == ("ticket-reopened", "firm")
    await shop.clears(lift)
    await shop.mend(ticket)
    await shop.pass_s(DAY + 60)
    await shop.fault(lift)
    assert await shop.tickets(lift) == [("done", 1, 1), ("new", 0, 0)]
    with pytest.raises(IllegalMove, match="is open for the fault"):
        await shop.move(ticket, "reopen", reason="it is the same after all")


async def test_overdue_climbs_to_the_firm_and_then_to_the_supervisor(shop: Workshop) -> None:
    """Not accepted, then not done: each time the firm is told first and the supervisor after it, and the supervisor every day."""
    lift = await shop.lift()
    await shop.fault(lift, "overspeed", severity="major")
    ticket = await shop.last(lift)
    await shop.pass_s(2 * HOUR)
    assert (await shop.ticket_told(ticket))[-1] == ("ticket-not-accepted", "firm")
    await shop.pass_s(2 * HOUR)
    assert (await shop.ticket_told(ticket))[-1] == ("ticket-not-accepted", "supervisor")
    await shop.move(ticket, "accept", shop.crew())
    await shop.pass_s(20 * HOUR)
    late = await shop.ticket(ticket)
    assert (late["overdue"], late["climbed"]) == (False, 2)
    assert (await shop.ticket_told(ticket))[-1] == ("ticket-overdue", "firm")
    await shop.pass_s(1)
    assert [one["id"] for one in await tickets_of(shop.db, 0, now=shop.now, overdue=True, lift_id=lift)] == [ticket]
    await shop.pass_s(4 * HOUR)
    assert (await shop.ticket_told(ticket))[-1] == ("ticket-overdue", "supervisor")
    await shop.pass_s(2 * DAY)
    assert (await shop.ticket_log(ticket)).count("climbed") == 3
    await shop.mend(ticket)
    await shop.pass_s(3 * DAY)
    assert (await shop.ticket_told(ticket))[-1] == ("ticket-not-verified", "supervisor")
    assert await shop.ticket_pending(ticket) == {}


async def test_steps_that_are_late_are_named_with_their_owner(shop: Workshop) -> None:
    """The self-audit lists what nobody did, by ticket and firm; a lift without a firm is the supervisor's from the first moment."""
    lift, orphan = await shop.lift(), await rows.lift(shop.db)
    await shop.fault(lift)
    await shop.fault(orphan)
    assert await shop.ticket_told(await shop.last(orphan)) == [("ticket-no-firm", "supervisor")]
    shop.now += timedelta(days=2)
    found = {row["ticket_id"]: (row["kind"], row["owner"]) for row in await overdue_tickets(shop.db, shop.now)}
    assert found[await shop.last(lift)] == ("accept", "own firm")
    assert found[await shop.last(orphan)] == ("accept", "the desk")


async def test_a_maintenance_order_shields_faults_and_never_a_person(shop: Workshop) -> None:
    """While it lasts a fault opens no ticket and is listed on it; somebody trapped, and the alarm button, are cases as ever."""
    lift = await shop.lift()
    order = await shop.maintenance(lift)
    await shop.pass_s(60)
    await shop.fault(lift)
    await shop.fault(lift, "overspeed", severity="major")
    await shop.fault(lift, "alarm-button", severity="critical", opens="alarm-call")
    await shop.fault(lift, "entrapment-between-floors", severity="critical", opens="rescue")
    assert await shop.tickets(lift) == []
    assert await shop.value("select kind from rescue_case where lift_id = $1", lift) == "entrapment"
    assert await shop.value("select count(*) from shielded_fault where order_id = $1", order) == 2
    await shop.clears(lift)
    await shop.pass_s(2 * HOUR)
    assert await shop.tickets(lift) == [("new", 0, 0)]
    held = await shop.ticket(await shop.last(lift))
    assert (held["rule_id"], held["opened_at"]) == ("overspeed", "2026-11-23T06:00:00.000Z")
    await shop.fault(lift)
    assert await shop.tickets(lift) == [("new", 0, 0), ("new", 0, 0)]


async def test_a_maintenance_order_that_ends_early_settles_at_once(shop: Workshop) -> None:
    """What holds when a person ends it gets its ticket then; a repair of the visit that did not last is reopened."""
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    order = await shop.maintenance(lift, person=shop.crew())
    await shop.pass_s(600)
    await shop.mend(ticket)
    await shop.clears(lift)
    await shop.pass_s(600)
    await shop.fault(lift)
    assert await shop.tickets(lift) == [("done", 0, 0)]
    await shop.end_maintenance(order)
    await shop.round()
    assert await shop.tickets(lift) == [("reopened", 1, 1)]
    found = await shop.value("select ticket_id from shielded_fault where order_id = $1", order)
    assert found == ticket


async def test_maintenance_orders_have_limits(shop: Workshop) -> None:
    """A firm shields its own lifts, a day at most, never backwards in time and never twice at once."""
    lift, foreign = await shop.lift(), await shop.lift(await shop.firm())
    with pytest.raises(BadInput, match="24 hours at most"):
        await shop.maintenance(lift, hours=25, person=shop.crew())
    with pytest.raises(BadInput, match="in the past"):
        await shop.maintenance(lift, after_s=-HOUR)
    with pytest.raises(NoTicket):
        await shop.maintenance(foreign, person=shop.crew())
    await shop.maintenance(lift, hours=300)
    with pytest.raises(IllegalMove, match="in that time"):
        await shop.maintenance(lift, after_s=HOUR)


async def test_a_level_of_a_rule_opens_the_ticket_that_its_notice_did_not(shop: Workshop) -> None:
    """A door held open is told; half an hour later it is a ticket, once; more severe still, the same ticket."""
    lift = await shop.lift()
    await shop.fault(lift, "door-held-open", opens="notice")
    assert await shop.tickets(lift) == []
    await shop.fault(lift, "door-held-open", severity="major", kind=ChangeKind.CHANGE)
    assert await shop.tickets(lift) == [("new", 0, 0)]
    await shop.fault(lift, "door-held-open", severity="critical", kind=ChangeKind.CHANGE)
    assert await shop.tickets(lift) == [("new", 0, 0)]
    assert (await shop.ticket(await shop.last(lift)))["severity"] == "critical"


async def test_a_fault_without_a_ticket_is_found_at_the_start(shop: Workshop) -> None:
    """What held before there were tickets gets one when dispatch starts, once."""
    lift = await shop.lift()
    alarm = await rows.alarm(shop.db, lift, rule_id="vibration", opens="ticket", severity="minor")
    assert alarm in await remember_faults(shop.db, shop.now)
    assert await shop.tickets(lift) == [("new", 0, 0)]
    assert alarm not in await remember_faults(shop.db, shop.now)


async def test_two_people_on_one_ticket(shop: Workshop) -> None:
    """The second is told that the ticket is another by now; nothing of theirs is written; another firm's people see none."""
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    await shop.move(ticket, "accept", shop.crew())
    with pytest.raises(Conflict):
        async with shop.db.acquire() as connection, connection.transaction():
            await move_ticket(connection, ticket, "cancel", person=DESK, version=1, now=shop.now)
    with pytest.raises(NoTicket):
        await shop.move(ticket, "start", shop.crew(await shop.firm()))
    assert await shop.ticket_log(ticket) == ["opened", "accept"]


async def test_a_ticket_is_handed_to_another_firm_by_a_person_alone(shop: Workshop) -> None:
    """A new contract takes no open ticket; handed over, it is new to the other firm and both are told."""
    lift, other = await shop.lift(), await shop.firm()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    await shop.db.execute("update lift set firm_id = $2 where id = $1", lift, other)
    await shop.move(ticket, "start", shop.crew())
    async with shop.db.acquire() as connection, connection.transaction():
        version = await connection.fetchval("select version from ticket where id = $1", ticket)
        await hand_over_ticket(
            connection, ticket, other, reason="new contract", person=DESK, version=version, now=shop.now
        )
    after = await shop.ticket(ticket)
    assert (after["state"], after["firm"]["id"], after["started_at"]) == ("new", other, None)
    assert (await shop.ticket_told(ticket))[-2:] == [("ticket-taken-away", "firm"), ("ticket", "firm")]
    await shop.move(ticket, "accept", shop.crew(other))


async def test_a_fault_that_a_person_tells_of(shop: Workshop) -> None:
    """The desk opens a ticket in words; the lift's own faults do not join it, and an exercise's number says so."""
    lift = await shop.lift(exercise=True)
    async with shop.db.acquire() as connection, connection.transaction():
        ticket = await tell_fault(connection, lift, "岔道口有异响", Severity.MINOR, person=DESK, now=shop.now)
    await shop.fault(lift)
    assert await shop.tickets(lift) == [("new", 0, 0), ("new", 0, 0)]
    told = await shop.ticket(ticket)
    assert (told["number"][0], told["title"]["zh"], told["exercise"]) == ("X", "岔道口有异响", True)
    assert await shop.value("select exercise from outbox where ticket_id = $1", ticket) is True


async def test_what_is_no_picture_is_refused(shop: Workshop) -> None:
    """A photo is known by its content; the log of a ticket cannot be rewritten."""
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    async with shop.db.acquire() as connection:
        with pytest.raises(BadInput, match="JPEG, PNG or WebP"):
            await add_photo(connection, ticket, b"<svg onload='x'>", person=shop.crew(), now=shop.now)
        with pytest.raises(Exception, match="append-only"):
            await connection.execute("delete from ticket_event where ticket_id = $1", ticket)


async def test_a_city_sets_its_limits_and_asks_what_is_late(shop: Workshop, database_url: str) -> None:
    """On the command line: what is set counts from the next ticket on, what cannot be used is refused, late steps have owners."""

    async def command(*words: str) -> Result:
        arguments = [*words, "--database-url", database_url]
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, env={"COLUMNS": "200"})

    said = await command("tickets", "limits", "promise_minor_s=7200")
    assert said.exit_code == 0
    assert re.search(r"promise_minor_s +7200 +259200", said.output)
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.ticket(await shop.last(lift))
    assert ticket["promised_at"] == "2026-11-23T06:00:00.000Z"
    wrong = await command("tickets", "limits", "promise_s=1")
    assert wrong.exit_code == 2
    assert "promise_minor_s" in (await command("tickets", "limits")).output
    late = await command("audit", "overdue")
    assert re.search(rf"{ticket['number']} +promise +own firm", late.output)


async def test_late_data_about_a_fault(shop: Workshop) -> None:
    """Known late and over: a ticket, or a line on the one that mended it. Still there: reopened. Contradicted: said, and it goes on."""
    lift, other = await shop.lift(), await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    await shop.clears(lift)
    await shop.pass_s(600)
    await shop.mend(ticket)
    await shop.pass_s(600)
    await shop.late(lift, "door-open-failure", ago_s=900, over=True)
    assert (await shop.ticket_log(ticket))[-1] == "was-before-the-repair"
    assert await shop.tickets(lift) == [("done", 1, 0)]
    await shop.late(other, "door-open-failure", ago_s=900, over=True)
    assert await shop.tickets(other) == [("new", 0, 0)]
    await shop.late(lift, "door-reversals", ago_s=900, over=False)
    assert await shop.tickets(lift) == [("reopened", 2, 1)]
    await shop.late(other, "door-open-failure", ago_s=900, over=True, kind=CorrectionKind.CONTRADICTED)
    assert (await shop.ticket_log(await shop.last(other)))[-1] == "late-data-contradicts"
    assert await shop.tickets(other) == [("new", 0, 0)]


async def test_what_is_told_of_a_ticket_names_it_and_its_lift(shop: Workshop) -> None:
    """A message knows number, place and code of the ticket's lift; every topic that tickets tell has a text of its own."""
    lift = await shop.lift(name="东侧客梯", rescue_code="912345")
    await shop.fault(lift)
    ticket = await shop.last(lift)
    outbox = await shop.value("select id from outbox where ticket_id = $1", ticket)
    facts = queries("dispatch.notify", "sql/sending.sql")["facts"]
    (row,) = await shop.db.fetch(facts, [outbox])
    said = texts.text(facts_of(row, UTC), "zh")
    assert f"T2026-{ticket:06d}" in said
    assert "912345" in said
    planned = queries("dispatch.notify", "sql/planning.sql")
    (row,) = await shop.db.fetch(planned["rows"], [outbox])
    assert (row["addressee"], row["firm_id"], row["lift_is_exercise"]) == ("firm", shop.web.firm_id, False)
    await shop.db.fetch(planned["contacts"], [outbox], shop.now)
    told = "".join(path.read_text("utf-8") for path in Path(policy.__file__).parent.glob("*.py"))
    assert set(re.findall(r'"(ticket(?:-[a-z]+)*)"', told)) <= texts.topics()
