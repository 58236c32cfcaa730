"""A night with tickets: faults come in by ingest's own rows, crews and the desk act by the book, and time passes through dispatch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alarms.corrections import CorrectionKind, Episode
from dispatch.tickets.book import move_ticket, read_ticket
from dispatch.tickets.maintenance import OrderKind, end_order, make_order
from dispatch.tickets.outcome import Person, Said
from dispatch.tickets.rounds import fire_ticket_timers, settle_orders
from hoistway.model import Role
from ingest.alarm_rows import write_changes
from ingest.changes import Change, ChangeKind
from ingest.correction_rows import Corrected, write_corrections
from tests.support import rows
from tests.support.night import Night
from tests.support.web import Api

DESK = Person(name="Wang at the desk", role=Role.DISPATCHER, scope=0)


class Workshop(Night):
    """One night of tickets."""

    @classmethod
    async def begin(cls, web: Api, **limits: Any) -> Workshop:
        """A night in a city with these limits of tickets, and no ticket or maintenance order of before that still runs."""
        night = await super().begin(web)
        await web.db.execute(
            "update ticket_timer set cancelled_at = now() where fired_at is null and cancelled_at is null"
        )
        await web.db.execute("update maintenance_order set settled_at = until where settled_at is null")
        await web.db.execute("update setting set value = $1 where name = 'ticket_limits'", limits)
        return cls(night.web)

    async def lift(self, firm_id: int | None = None, **columns: Any) -> int:
        """A lift of a firm: the maintainer's own unless said otherwise."""
        return await rows.lift(self.db, firm_id=firm_id or self.web.firm_id, **columns)

    def crew(self, firm_id: int | None = None) -> Person:
        """Somebody of the firm."""
        return Person(name="Li of the firm", role=Role.MAINTAINER, scope=firm_id or self.web.firm_id)

    async def fault(
        self,
        lift_id: int,
        rule_id: str = "door-close-failure",
        *,
        severity: str = "minor",
        opens: str = "ticket",
        kind: ChangeKind = ChangeKind.RAISE,
    ) -> None:
        """What the engine says of a lift now."""
        at_ms = int(self.now.timestamp() * 1_000)
        change = Change(
            kind=kind, lift_id=lift_id, rule_id=rule_id, rule_version="v", severity=severity, opens=opens, at_ms=at_ms,
            hold_start_ms=at_ms, demoted=False, evidence="{}",
        )  # fmt: skip
        async with self.db.acquire() as connection, connection.transaction():
            await write_changes(connection, [change], detected_at=self.now)

    async def clears(self, lift_id: int, rule_id: str = "door-close-failure") -> None:
        """The fault is gone, says the engine."""
        await self.fault(lift_id, rule_id, kind=ChangeKind.CLEAR)

    async def late(
        self,
        lift_id: int,
        rule_id: str,
        *,
        ago_s: int,
        over: bool,
        kind: CorrectionKind = CorrectionKind.LATE,
    ) -> None:
        """What late data says of a lift: a fault so long ago, over within a minute or still there."""
        at_ms = int(self.now.timestamp() * 1_000) - ago_s * 1_000
        episode = Episode(
            raised_at=at_ms,
            hold_start=at_ms,
            cleared_at=at_ms + 60_000 if over else None,
            demoted=False,
            level=0,
            witnesses=1,
        )
        told = kind is CorrectionKind.LATE
        item = Corrected(
            kind=kind, lift_id=lift_id, rule_id=rule_id, rule_version="v", severity="major", opens="ticket", confirm_s=0,
            before=None if told else episode, after=episode if told else None,
        )  # fmt: skip
        async with self.db.acquire() as connection, connection.transaction():
            await write_corrections(connection, [item], at=self.now)

    async def pass_s(self, seconds: float) -> None:
        """Let time pass, from one due step to the next."""
        until = self.now + timedelta(seconds=seconds)
        query = (
            "select min(at) from (select due_at as at from ticket_timer where fired_at is null and cancelled_at is null"
            " union all select least(until, ended_at) from maintenance_order where settled_at is null) t where at <= $1"
        )
        while (due := await self.value(query, until)) is not None:
            self.now = max(self.now, due)
            await self.round()
        self.now = until
        await self.round()

    async def round(self) -> None:
        """What dispatch does about tickets at this moment."""
        while await settle_orders(self.db, self.now):
            pass
        while await fire_ticket_timers(self.db, self.now):
            pass
        await super().round()

    async def move(self, ticket_id: int, move: str, person: Person = DESK, **said: Any) -> dict[str, Any]:
        """A move of the ticket as it is now; must succeed."""
        async with self.db.acquire() as connection, connection.transaction():
            version = await connection.fetchval("select version from ticket where id = $1", ticket_id)
            await move_ticket(
                connection, ticket_id, move, person=person, version=version, now=self.now, said=Said(**said)
            )
        return await self.ticket(ticket_id)

    async def mend(self, ticket_id: int, **said: Any) -> dict[str, Any]:
        """The firm comes and mends it."""
        crew = self.crew(await self.value("select firm_id from ticket where id = $1", ticket_id))
        await self.move(ticket_id, "start", crew)
        return await self.move(ticket_id, "finish", crew, **{"cause": 305, **said})

    async def maintenance(self, lift_id: int, *, hours: float = 2, after_s: float = 0, person: Person = DESK) -> int:
        """An inspection of the lift; answers the order."""
        since = self.now + timedelta(seconds=after_s)
        async with self.db.acquire() as connection, connection.transaction():
            return await make_order(
                connection, lift_id, OrderKind.INSPECTION, since, since + timedelta(hours=hours), "", person=person,
                now=self.now,
            )  # fmt: skip

    async def end_maintenance(self, order_id: int) -> None:
        async with self.db.acquire() as connection, connection.transaction():
            version = await connection.fetchval("select version from maintenance_order where id = $1", order_id)
            await end_order(connection, order_id, reason="ready early", person=DESK, version=version, now=self.now)

    async def tickets(self, lift_id: int) -> list[tuple[str, int, int]]:
        """State, repeats and times reopened of each ticket, as they were opened."""
        found = await self.db.fetch(
            "select state, repeats, reopened from ticket where lift_id = $1 order by id", lift_id
        )
        return [tuple(row) for row in found]

    async def last(self, lift_id: int) -> int:
        number: int = await self.value("select max(id) from ticket where lift_id = $1", lift_id)
        return number

    async def ticket(self, ticket_id: int) -> dict[str, Any]:
        found = await read_ticket(self.db, 0, ticket_id, now=self.now)
        assert found is not None
        return found

    async def ticket_log(self, ticket_id: int) -> list[str]:
        found = await self.db.fetch("select kind from ticket_event where ticket_id = $1 order by id", ticket_id)
        return [row["kind"] for row in found]

    async def ticket_told(self, ticket_id: int) -> list[tuple[str, str]]:
        found = await self.db.fetch("select topic, addressee from outbox where ticket_id = $1 order by id", ticket_id)
        return [(row["topic"], row["addressee"]) for row in found]

    async def ticket_pending(self, ticket_id: int) -> dict[str, float]:
        """Timers that run, with the seconds until they are due."""
        found = await self.db.fetch(
            "select kind, due_at from ticket_timer where ticket_id = $1 and fired_at is null and cancelled_at is null",
            ticket_id,
        )
        return {row["kind"]: self._after(row["due_at"]) for row in found}
