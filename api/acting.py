"""One person's act on one connection at one moment: the row changes together with its history and with what follows from it.

The caller has looked whether the person may: here the program acts, and sees every unit and firm (`widened`).
What follows is decided by `dispatch.acts` and written by `dispatch.book`, as for a timer. Order of locks: alarms, then timers,
then the case, then its orders; ingest and dispatch take them in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from api.exchange import Document
from api.people import Principal
from dispatch import acts
from dispatch.book import Actor, carry_out, read_cases, read_limits, read_roster
from dispatch.limits import Limits
from dispatch.outcome import CaseView, Line, Outcome
from dispatch.units import Roster
from hoistway.errors import OurFault
from hoistway.lifecycle import CaseState, OrderState
from hoistway.store import queries
from hoistway.store.scope import widened

_sql: Final = queries("api", "sql/desk.sql")
NOBODY: Final = Roster(())
"""For acts after which nobody is sent."""
_NOTHING: Final = Outcome()


class Acting:
    """One person's act."""

    def __init__(self, connection: Any, principal: Principal, now: datetime) -> None:
        self._connection, self._principal, self._now = connection, principal, now

    # --- locks ---

    async def lock_case(self, case_id: int) -> list[int]:
        """Lock a case and the unacknowledged alarms it stands for; answers their ids."""
        async with widened(self._connection):
            rows = await self._connection.fetch(_sql["alarms_of_case"], case_id)
            alarm_ids = [row["id"] for row in rows]
            await self._connection.fetch(_sql["lock_alarms"], alarm_ids)
            await self._lock_case_only(case_id)
        return alarm_ids

    async def lock_case_only(self, case_id: int) -> None:
        """Lock a case and its timers."""
        async with widened(self._connection):
            await self._lock_case_only(case_id)

    async def _lock_case_only(self, case_id: int) -> None:
        await self._connection.fetch(_sql["lock_timers"], case_id)
        await self._connection.fetchval(_sql["lock_case"], case_id)

    # --- what decisions need ---

    async def case(self, case_id: int) -> CaseView:
        """A locked case as the decisions see it."""
        async with widened(self._connection):
            return (await read_cases(self._connection, [case_id]))[case_id]

    async def limits(self) -> Limits:
        return await read_limits(self._connection)

    async def roster(self) -> Roster:
        async with widened(self._connection):
            return await read_roster(self._connection, self._now)

    async def carry_out(
        self, case: CaseView, outcome: Outcome, *, confirmation: str | None = None, note: str | None = None
    ) -> None:
        """Write what this person does and what follows from it."""
        who = Actor(name=self._principal.name, role=self._principal.role, confirmation=confirmation, note=note)
        async with widened(self._connection):
            await carry_out(self._connection, [(case, outcome)], self._now, actor=who)

    # --- alarms ---

    async def acknowledge_alarm(self, alarm_id: int) -> None:
        """Nothing happens when somebody has done it already."""
        person = self._principal.name
        if await self._connection.fetchval(_sql["acknowledge_alarm"], alarm_id, self._now, person) is not None:
            detail = {"before": {"operator_state": "unacknowledged"}, "after": {"operator_state": "acknowledged"}}
            await self.note_alarm(alarm_id, "acknowledged", detail)

    async def note_alarm(self, alarm_id: int, kind: str, detail: Mapping[str, object]) -> None:
        who = self._principal
        await self._connection.execute(_sql["note_alarm"], alarm_id, kind, self._now, who.name, who.role, detail)

    # --- cases ---

    async def acknowledge_case(self, case_id: int) -> None:
        """Nothing happens when somebody has done it already, or when the case has ended."""
        case = await self.case(case_id)
        if case.acknowledged or case.state in {CaseState.CLOSED, CaseState.CANCELLED}:
            return
        line = Line(kind="acknowledged", own=True, after={"acknowledged_by": self._principal.name})
        await self.carry_out(case, Outcome(lines=(line,)) + acts.acknowledged(case, await self.limits()))

    async def comment_case(self, case_id: int, text: str) -> None:
        await self._connection.execute(_sql["touch_case"], case_id)
        who = self._principal
        await self._connection.execute(
            _sql["note_case"], case_id, "commented", self._now, who.name, who.role, text, {}, {}
        )

    async def move_case(
        self,
        before: Document,
        name: str,
        target: CaseState,
        *,
        confirmation: str | None,
        facts: Mapping[str, Any],
        reason: str | None,
    ) -> None:
        """Move a locked case that was checked against the life cycle. `facts`: what is known of the people, by column."""
        case = await self.case(before["id"])
        roster = await self.roster() if target is CaseState.DISPATCHED else NOBODY
        after: dict[str, object] = {"state": target, "version": before["version"] + 1, **facts}
        if confirmation is not None:
            after |= {"confirmed_by": self._principal.name, "confirmation": confirmation}
        was = {"state": before["state"], "version": before["version"], "trapped": before["trapped"]}
        line = Line(kind=name, own=True, reason=reason, before=was, after=after)
        await self.set_facts(before["id"], facts)
        outcome = acts.case_moved(case, target, limits=await self.limits(), roster=roster)
        await self.carry_out(case, Outcome(lines=(line,)) + outcome, confirmation=confirmation, note=reason)

    async def set_facts(self, case_id: int, facts: Mapping[str, Any]) -> None:
        """Columns about the people inside; None leaves one as it is."""
        names = ("trapped", "injured", "dead", "vulnerable", "release_method")
        await self._connection.execute(_sql["set_facts"], case_id, *(facts.get(name) for name in names))

    async def move_order(
        self, case_id: int, order_id: int, target: OrderState, *, reason: str | None, more: Outcome = _NOTHING
    ) -> None:
        """Move an order that was checked against its life cycle, with what else the person says. Its case is locked."""
        case = await self.case(case_id)
        order = case.order(order_id)
        if order is None:
            raise OurFault(f"order {order_id} is not of case {case_id}, though it was read under the same lock")
        roster = await self.roster() if target in acts.SENDS else NOBODY
        outcome = acts.order_moved(case, order, target, limits=await self.limits(), roster=roster)
        await self.carry_out(case, outcome + more, note=reason)
