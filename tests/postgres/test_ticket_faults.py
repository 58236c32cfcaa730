"""What tickets withstand: a kill at every statement, two writers at once, a lost duty, and one that cannot be written."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from dispatch.duty import Duty
from dispatch.service import Watch
from dispatch.tickets.book import move_ticket
from dispatch.tickets.outcome import TicketTimer
from dispatch.tickets.policy import when_due
from dispatch.tickets.rounds import fire_ticket_timers, settle_orders
from hoistway.errors import Conflict, Fenced
from tests.support.crashing import Crashing, Killed
from tests.support.web import Api
from tests.support.workshop import DESK, Workshop


@pytest_asyncio.fixture(loop_scope="session")
async def shop(dispatch_api: Api) -> Workshop:
    """A night of tickets with hoistway's own limits."""
    return await Workshop.begin(dispatch_api)


async def killed_everywhere(database: Crashing, act: Any) -> int:
    """Do `act` again and again, killed at one statement later each time, until it comes through; answers the kills."""
    statement = 0
    while True:
        database.after = statement
        try:
            await act()
        except Killed:
            statement += 1
        else:
            database.after = None
            return database.kills


async def test_a_kill_at_every_statement_gives_the_same_end(shop: Workshop) -> None:
    """Whoever settles an order or fires a timer may die anywhere, also after the commit: each ticket, line and notice is there once."""
    lift = await shop.lift()
    order = await shop.maintenance(lift)
    await shop.fault(lift)
    await shop.fault(lift, "overspeed", severity="major")
    database = Crashing(shop.db)
    shop.now = await shop.value("select until from maintenance_order where id = $1", order)
    kills = await killed_everywhere(database, lambda: settle_orders(database, shop.now))  # type: ignore[arg-type]
    assert kills > 8
    assert sorted(await shop.tickets(lift)) == [("new", 0, 0), ("new", 0, 0)]
    ticket = await shop.value("select min(id) from ticket where lift_id = $1", lift)
    shop.now = await shop.value("select due_at from ticket_timer where kind = 'accept' and ticket_id = $1", ticket)
    kills += await killed_everywhere(database, lambda: fire_ticket_timers(database, shop.now))  # type: ignore[arg-type]
    assert kills > 16
    assert await shop.ticket_log(ticket) == ["opened", "not-accepted"]
    assert await shop.ticket_told(ticket) == [("ticket", "firm"), ("ticket-not-accepted", "firm")]


async def test_two_writers_of_one_fault_open_one_ticket(shop: Workshop) -> None:
    """Ingest and the end of a maintenance order find the same fault at the same moment: one opens, the other joins."""
    lift = await shop.lift()
    await shop.maintenance(lift)
    await shop.fault(lift)
    await shop.fault(lift, "door-open-failure", severity="major")
    shop.now += timedelta(hours=2)
    faults = [shop.fault(lift, rule, severity="major") for rule in ("door-held-open", "door-reversals")]
    await asyncio.gather(settle_orders(shop.db, shop.now), *faults)
    await shop.round()
    ((state, _, _),) = await shop.tickets(lift)
    assert state == "new"
    assert await shop.value("select count(*) from ticket_alarm where ticket_id = $1", await shop.last(lift)) == 4


async def test_two_people_at_the_same_moment(shop: Workshop) -> None:
    """Both saw the same version: one move is made, the other is told."""
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)

    async def accept() -> None:
        async with shop.db.acquire() as connection, connection.transaction():
            await move_ticket(connection, ticket, "accept", person=DESK, version=2, now=shop.now)

    assert await shop.value("select version from ticket where id = $1", ticket) == 2
    found = await asyncio.gather(accept(), accept(), return_exceptions=True)
    assert [type(one) for one in found if one is not None] == [Conflict]
    assert await shop.ticket_log(ticket) == ["opened", "accept"]


async def test_timers_are_fired_once_and_only_by_who_has_the_duty(shop: Workshop) -> None:
    """Three at once fire each timer once; a process that lost its duty fires and settles nothing."""
    lifts = [await shop.lift() for _ in range(4)]
    for lift in lifts:
        await shop.fault(lift)
    await shop.maintenance(lifts[0])
    duty = Duty(shop.db, "tickets test", term_s=60)
    assert await duty.take()
    await shop.db.execute("update duty set epoch = epoch + 1 where name = 'tickets test'")
    shop.now += timedelta(days=1)
    for work in (fire_ticket_timers, settle_orders):
        with pytest.raises(Fenced):
            await work(shop.db, shop.now, duty=duty)
    fired = await asyncio.gather(*(fire_ticket_timers(shop.db, shop.now) for _ in range(3)))
    while more := await fire_ticket_timers(shop.db, shop.now):
        fired.append(more)
    assert sorted(timer for each in fired for timer in each) == [TicketTimer.ACCEPT] * 4
    for lift in lifts:
        assert (await shop.ticket_log(await shop.last(lift))).count("not-accepted") == 1


async def test_a_ticket_that_cannot_be_written_holds_up_no_other(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One timer of many fails: the others are fired by the same process, and it is tried again a little later."""
    lifts = [await shop.lift() for _ in range(3)]
    for lift in lifts:
        await shop.fault(lift)
    tickets = [await shop.last(lift) for lift in lifts]

    def broken(kind: Any, ticket: Any, limits: Any) -> Any:
        if ticket.ticket_id == tickets[1]:
            raise ValueError("this one cannot be worked out")
        return when_due(kind, ticket, limits)

    monkeypatch.setattr("dispatch.tickets.rounds.when_due", broken)
    duty = Duty(shop.db, "tickets watch", term_s=60)
    assert await duty.take()
    shop.now += timedelta(days=1)
    watch = Watch(shop.db, duty, lambda: shop.now)
    while await watch.round():
        pass
    assert [len(await shop.ticket_log(ticket)) for ticket in tickets] == [2, 1, 2]
    monkeypatch.undo()
    watch._tickets._failed.clear()
    watch._relief_at = 0.0
    await watch.round()
    assert len(await shop.ticket_log(tickets[1])) == 2


async def test_the_database_holds_what_the_program_forgets(shop: Workshop) -> None:
    """No second unmended ticket of a fault, none done without a cause or a name, and no line of a log changed."""
    lift = await shop.lift()
    await shop.fault(lift)
    ticket = await shop.last(lift)
    twin = (
        "insert into ticket (number, lift_id, family, rule_id, severity, opened_at, promised_at, exercise)"
        " select '', lift_id, family, rule_id, severity, opened_at, promised_at, exercise from ticket where id = $1"
    )
    for query in (
        twin,
        "update ticket set state = 'done' where id = $1",
        "update ticket set state = 'verified', done_at = now(), done_by = 'x', cause = 305 where id = $1",
        "update ticket_event set reason = 'x' where ticket_id = $1",
        "delete from ticket_event where ticket_id = $1",
        "insert into ticket_visit (ticket_id, came_at, left_at, person) values ($1, now(), now() - interval '1 s', 'x')",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await shop.db.execute(query, ticket)
