"""A night at the desk on a clock that jumps: lifts, firms, crews, people at the desk, and time that passes from one limit to the next.

Alarms come in by ingest's own rows, people act over the api, and time fires through dispatch. Asks the database in SQL.
"""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import httpx

from dispatch.firing import fire_due, relieve
from hoistway.model import Role
from ingest.alarm_rows import write_changes
from ingest.changes import Change, ChangeKind
from tests.support import rows
from tests.support.web import Api

_numbers = itertools.count(1)


class Night:
    """One night. `now` is the clock of everything; nothing of earlier nights is open any more."""

    def __init__(self, web: Api) -> None:
        self.web, self.db, self.now = web, web.db, rows.NOW
        self.web.app.state.clock = lambda: self.now

    @classmethod
    async def begin(cls, web: Api, **limits: Any) -> Night:
        """A night in a city with these limits (national where nothing is said) and nobody on duty."""
        await web.db.execute(
            "update rescue_case set state = 'cancelled', confirmed_by = 'x', confirmation = 'x', waits_since = null where open"
        )
        await web.db.execute("update timer set cancelled_at = now() where fired_at is null and cancelled_at is null")
        await web.db.execute("update dispatch_order set state = 'stood_down' where live")
        await web.db.execute("update unit set out_of_use = 'another night'")
        await web.db.execute("update area_incident set ended_at = now() where ended_at is null")
        setting = {"preset": "national", **limits}
        await web.db.execute("update setting set value = $1 where name = 'dispatch_limits'", setting)
        night = cls(web)
        await night.staff()
        return night

    # --- who is there ---

    async def staff(self) -> None:
        """Somebody is logged in at the desk, all night."""
        person_id = await rows.insert(self.db, "person", {"name": f"desk {next(_numbers)}", "role": "dispatcher"})
        session = {"token_hash": f"night {person_id}".encode(), "person_id": person_id, "csrf": "x",
                   "expires_at": rows.NOW + timedelta(days=3)}  # fmt: skip
        await rows.insert(self.db, "session", session, returning="person_id")

    async def desert(self) -> None:
        """Nobody is logged in any more."""
        await self.db.execute("update session set ended_at = now() where ended_at is null")

    async def firm(self, name: str | None = None) -> int:
        return await rows.firm(self.db, name or f"night firm {next(_numbers)}")

    async def team(self, firm_id: int, **columns: Any) -> int:
        """A firm's team, on call round the clock unless said otherwise."""
        return await self._unit("team", firm_id=firm_id, **columns)

    async def station(self, *, km: float = 1.0, **columns: Any) -> int:
        """A station so many kilometres north of the lifts."""
        return await self._unit("station", lon=120.1, lat=30.2 + km / 111.195, **columns)

    async def _unit(self, kind: str, **columns: Any) -> int:
        values = {"name": f"{kind} {next(_numbers)}", "kind": kind, "round_the_clock": True, **columns}
        return await rows.insert(self.db, "unit", values)

    # --- what happens ---

    async def trapped(
        self, lift_id: int | None = None, *, firm_id: int | None = None, confirm_s: int = 0, **lift: Any
    ) -> int:
        """Somebody is trapped, says ingest; answers the case."""
        number = lift_id or await rows.lift(self.db, firm_id=firm_id, **lift)
        await self.alarm(number, "entrapment-between-floors", "rescue", confirm_s=confirm_s)
        return await self.value("select max(id) from rescue_case where lift_id = $1", number)

    async def alarm(
        self, lift_id: int, rule_id: str, opens: str, *, kind: ChangeKind = ChangeKind.RAISE, confirm_s: int = 0
    ) -> None:
        """What the engine says of a lift now."""
        at_ms = int(self.now.timestamp() * 1_000)
        change = Change(
            kind=kind, lift_id=lift_id, rule_id=rule_id, rule_version="v", severity="critical", opens=opens,
            at_ms=at_ms, hold_start_ms=at_ms, demoted=False, evidence="{}", confirm_s=confirm_s,
        )  # fmt: skip
        async with self.db.acquire() as connection, connection.transaction():
            await write_changes(connection, [change], detected_at=self.now)

    async def pass_s(self, seconds: float) -> None:
        """Let time pass, from one due timer to the next."""
        until = self.now + timedelta(seconds=seconds)
        while True:
            due = await self.value(
                "select min(due_at) from timer where fired_at is null and cancelled_at is null and due_at <= $1", until
            )
            if due is None:
                break
            self.now = max(self.now, due)
            await self.round()
        self.now = until
        await self.round()

    async def round(self) -> None:
        """What dispatch does at this moment."""
        while await fire_due(self.web.dispatch, self.now):
            pass
        await relieve(self.web.dispatch, self.now)

    # --- what people do ---

    async def say(
        self, role: Role, path: str, body: dict[str, Any], version: int, *, key: str | None = None
    ) -> httpx.Response:
        """One act over the api."""
        headers = {"If-Match": f'"{version}"', **({"Idempotency-Key": key} if key else {})}
        async with self.web.client(role) as client:
            return await client.post(f"/api/v1/{path}", json=body, headers=headers)

    async def case(self, case_id: int, path: str, role: Role = Role.DISPATCHER, **body: Any) -> dict[str, Any]:
        """An act on the case as it is now; must succeed."""
        version = await self.value("select version from rescue_case where id = $1", case_id)
        return self._done(await self.say(role, f"cases/{case_id}/{path}", body, version))

    async def order(self, order_id: int, move: str, role: Role = Role.DISPATCHER, **body: Any) -> dict[str, Any]:
        """A move of the order as it is now; must succeed."""
        version = await self.value("select version from dispatch_order where id = $1", order_id)
        return self._done(await self.say(role, f"orders/{order_id}/moves", {"move": move, **body}, version))

    @staticmethod
    def _done(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def release(self, case_id: int, how: str = "the crew on site: everybody is out") -> dict[str, Any]:
        return await self.case(case_id, "moves", move="release", confirmation=how, trapped=1)

    # --- what is seen ---

    async def value(self, query: str, *values: object) -> Any:
        return await self.db.fetchval(query, *values)

    async def read(self, case_id: int) -> dict[str, Any]:
        """The case as a dispatcher reads it."""
        async with self.web.client(Role.DISPATCHER) as client:
            return self.web.check("/api/v1/cases/{case_id}", await client.get(f"/api/v1/cases/{case_id}"))

    async def log(self, case_id: int) -> list[str]:
        found = await self.db.fetch("select kind from case_event where case_id = $1 order by seq", case_id)
        return [row["kind"] for row in found]

    async def orders(self, case_id: int) -> list[tuple[Any, ...]]:
        """Level, whom, state of each order, as they were sent."""
        query = "select level, unit_id, addressee, state from dispatch_order where case_id = $1 order by id"
        found = await self.db.fetch(query, case_id)
        return [(row["level"], row["unit_id"] or row["addressee"], row["state"]) for row in found]

    async def last_order(self, case_id: int) -> int:
        number: int = await self.value("select max(id) from dispatch_order where case_id = $1", case_id)
        return number

    async def told(self, case_id: int) -> list[tuple[str, str]]:
        """Topic and addressee of everything that somebody must be told."""
        found = await self.db.fetch("select topic, addressee from outbox where case_id = $1 order by id", case_id)
        return [(row["topic"], row["addressee"]) for row in found]

    async def pending(self, case_id: int) -> dict[str, float]:
        """Timers that run, with the seconds until they are due."""
        found = await self.db.fetch(
            "select kind, due_at from timer where case_id = $1 and fired_at is null and cancelled_at is null", case_id
        )
        return {row["kind"]: self._after(row["due_at"]) for row in found}

    def _after(self, at: datetime) -> float:
        return (at - self.now).total_seconds()
