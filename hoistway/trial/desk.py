"""The desk of a rehearsal on a clock that jumps: the platform's own database, its own rows of alarms and cases, its own timers and acts.

Nothing here decides: ingest's statements write what the rules say, `dispatch.firing` fires what is due, and people act through `api.acting`
as they do over HTTP. What is ours is the order of it all on one virtual clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from typing import Any, Final

from api.acting import Acting
from api.people import Principal
from dispatch import acts
from dispatch.firing import fire_due, relieve
from dispatch.rounds import desk_round
from hoistway.lifecycle import CaseState, OrderState, allowed_order_moves, next_order_state, next_state
from hoistway.model import CaseKind, ReleaseMethod, Role, Step
from hoistway.store import Database, queries
from ingest.alarm_rows import write_changes
from ingest.changes import Change, when
from simulators.crews import People

SQL: Final = queries("hoistway.trial", "sql/rehearsal.sql")
ROUND_EVERY_MS: Final = 10 * 60_000
"""The desk's round is made whenever something was said or due, and so often in between: shelving and floods end by time."""
STILL_INSIDE_MS: Final = 60_000
"""A crew on site looks again so much later whether the car lets them out."""
LONGEST_MS: Final = 4 * 3_600_000
"""A crew gives up waiting for the story to free the car: the story has no rescue."""
FIRE_BRIGADE_MS: Final = 12 * 60_000
ASLEEP_MS: Final = 2**62

Inside = Callable[[int, int], int | None]
"""Lift (id in the database) and moment: until when somebody is or was trapped there, ms; None: nobody was."""
_Act = Callable[[], Awaitable[None]]


class Desk:
    """Dispatchers, crews and the platform between them. `now` is the clock of everything, ms."""

    def __init__(self, database: Database, people: People, inside: Inside, *, now: int) -> None:
        self.database, self.people, self.inside, self.now = database, people, inside, now
        self._acts: list[tuple[int, int, _Act]] = []
        self._order = count()
        self._due_ms: int | None = None  # None: has to be asked
        self._case = self._sent = 0
        self._round_at = now
        self.fired = self.late_most_ms = 0
        self._dispatcher = Principal(id="key:0", name="rehearsal", role=Role.DISPATCHER, firm_id=None, credential=b"")

    # --- time ---

    async def take(self, changes: Sequence[Change], until_ms: int) -> None:
        """Live through a stretch: what the rules say, each at its moment, and everything that is due in between."""
        begin = self.now

        def moment(change: Change) -> int:
            return max(change.at_ms, begin)

        for at, group in groupby(sorted(changes, key=moment), key=moment):
            await self.until(at)
            await self._write(list(group))
        await self.until(until_ms)

    async def until(self, ms: int) -> None:
        """Let everything happen that is due up to `ms`."""
        while True:
            at = min(await self._next_due(), self._acts[0][0] if self._acts else ASLEEP_MS, self._round_at)
            if at > ms:
                break
            self.now = max(self.now, at)
            if self._acts and self._acts[0][0] <= self.now:
                await heapq.heappop(self._acts)[2]()
            await self._platform()
        self.now = max(self.now, ms)

    async def _next_due(self) -> int:
        if self._due_ms is None:
            found = await self.database.fetchval(SQL["next_due"])
            self._due_ms = ASLEEP_MS if found is None else _ms(found)
        return self._due_ms

    async def _row(self, query: str, number: int) -> Any:
        """A case or an order, which is never deleted."""
        return (await self.database.fetch(SQL[query], number))[0]

    async def _write(self, changes: Sequence[Change]) -> None:
        async with self.database.acquire() as connection, connection.transaction():
            await write_changes(connection, changes, detected_at=when(self.now))
        await self._platform()

    async def _platform(self) -> None:
        """What dispatch does at this moment, and who hears of it."""
        now = when(self.now)
        while fired := await fire_due(self.database, now):
            self.fired += len(fired)
            self.late_most_ms = max(self.late_most_ms, *(round(timer.late_s * 1_000) for timer in fired))
        await desk_round(self.database, now)
        await relieve(self.database, now)
        self._round_at = self.now + ROUND_EVERY_MS
        self._due_ms = None
        await self._hear()

    # --- who hears of what ---

    def _plan(self, at_ms: float, act: _Act) -> None:
        heapq.heappush(self._acts, (max(round(at_ms), self.now), next(self._order), act))

    async def _hear(self) -> None:
        for row in await self.database.fetch(SQL["new_cases"], self._case):
            self._case = row["id"]
            after_s = self.people.acknowledge_s(f"case {row['id']}")
            self._plan(_ms(row["opened_at"]) + after_s * 1_000, _call(self._acknowledge, row["id"]))
        for row in await self.database.fetch(SQL["new_orders"], self._sent):
            self._sent = row["id"]
            self._expect(row)

    def _expect(self, order: Any) -> None:
        """What becomes of a new order."""
        number, sent = order["id"], _ms(order["sent_at"])
        if order["addressee"] in {"119", "120"}:
            self._plan(sent + FIRE_BRIGADE_MS, _call(self._arrive, number))
            return
        accept_s = self.people.accept_s(f"order {number}")
        if accept_s is None:
            return
        accepted = sent + accept_s * 1_000
        self._plan(accepted, _call(self._move_order, number, "accept"))
        self._plan(accepted + self.people.habits.set_out_s * 1_000, _call(self._move_order, number, "set_out"))
        self._plan(accepted + self.people.arrive_s(f"order {number}") * 1_000, _call(self._arrive, number))

    # --- what people do ---

    async def _acknowledge(self, case_id: int) -> None:
        async with self.database.acquire() as connection, connection.transaction():
            acting = Acting(connection, self._dispatcher, when(self.now))
            alarm_ids = await acting.lock_case(case_id)
            await acting.acknowledge_case(case_id)
            for alarm_id in alarm_ids:
                await acting.acknowledge_alarm(alarm_id)
            case = await connection.fetchrow(SQL["case"], case_id)
        if case["kind"] == CaseKind.ALARM_CALL:
            self._plan(self.now + self.people.habits.voice_s * 1_000, _call(self._after_voice, case_id))
        if case["level"] < 3:
            self._plan(self.now + 60_000, _call(self._look_at_level, case_id))

    async def _look_at_level(self, case_id: int) -> None:
        """Level 3 asks the desk to call 119; a dispatcher looks once a minute while the case waits."""
        case = await self._row("case", case_id)
        if case["state"] not in {CaseState.OPEN, CaseState.DISPATCHED}:
            return
        if case["level"] == 3:
            self._plan(self.now + self.people.habits.call_119_s * 1_000, _call(self._call_119, case_id))
        else:
            self._plan(self.now + 60_000, _call(self._look_at_level, case_id))

    async def _call_119(self, case_id: int) -> None:
        async with self.database.acquire() as connection, connection.transaction():
            acting = Acting(connection, self._dispatcher, when(self.now))
            await acting.lock_case_only(case_id)
            case = await acting.case(case_id)
            if case.waiting and await connection.fetchval(SQL["step_waits"], case_id):
                await acting.carry_out(case, acts.step_done(case, Step.CALL_119, note="rehearsal"), note="rehearsal")

    async def _after_voice(self, case_id: int) -> None:
        """The car was asked: somebody is trapped, or pressed by mistake."""
        case = await self._row("case", case_id)
        if case["kind"] != CaseKind.ALARM_CALL or case["state"] != CaseState.OPEN:
            return
        if self.inside(case["lift_id"], self.now) is None:
            await self._move_case(case_id, "cancel", confirmation="voice: nobody is trapped", facts={"trapped": 0})
        else:
            await self._move_case(case_id, "dispatch")

    async def _move_order(self, order_id: int, name: str) -> bool:
        """A crew's move; nothing when the order is not in a state for it any more."""
        async with self.database.acquire() as connection, connection.transaction():
            acting = Acting(connection, self._dispatcher, when(self.now))
            row = await connection.fetchrow(SQL["order"], order_id)
            await acting.lock_case_only(row["case_id"])
            state = OrderState((await connection.fetchrow(SQL["order"], order_id))["state"])
            if name not in {move.name for move in allowed_order_moves(state, Role.DISPATCHER)}:
                return False
            target = next_order_state(state, name, Role.DISPATCHER)
            await acting.move_order(row["case_id"], order_id, target, reason=None)
            return True

    async def _arrive(self, order_id: int) -> None:
        if not await self._move_order(order_id, "arrive"):
            return
        row = await self._row("order", order_id)
        after_s = self.people.on_site_s(f"order {order_id}")
        self._plan(self.now + after_s * 1_000, _call(self._release, row["case_id"], order_id, self.now))

    async def _release(self, case_id: int, order_id: int, since_ms: int) -> None:
        """Who is on site says that nobody is trapped any more: once the car has let them out, or because nobody was inside."""
        case = await self._row("case", case_id)
        until = self.inside(case["lift_id"], self.now)
        if until is not None and until > self.now and self.now - since_ms < LONGEST_MS:
            self._plan(min(until, self.now + STILL_INSIDE_MS) + 1, _call(self._release, case_id, order_id, since_ms))
            return
        if case["state"] == CaseState.ON_SITE:
            words = "crew on site: everybody is out" if until is not None else "crew on site: nobody was inside"
            method = ReleaseMethod.OTHER if until is not None else ReleaseMethod.NOBODY_INSIDE
            facts = {"trapped": int(until is not None), "release_method": method}
            await self._move_case(case_id, "release", confirmation=words, facts=facts)
            self._plan(self.now + self.people.habits.close_s * 1_000, _call(self._move_case, case_id, "close"))
        await self._move_order(order_id, "finish")

    async def _move_case(
        self, case_id: int, name: str, *, confirmation: str | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        async with self.database.acquire() as connection, connection.transaction():
            acting = Acting(connection, self._dispatcher, when(self.now))
            await acting.lock_case(case_id)
            before = dict(await connection.fetchrow(SQL["case"], case_id))
            target = next_state(CaseState(before["state"]), name, Role.DISPATCHER)
            await acting.move_case(before, name, target, confirmation=confirmation, facts=facts or {}, reason=None)


def _call(work: Callable[..., Awaitable[Any]], *arguments: Any) -> _Act:
    async def act() -> None:
        await work(*arguments)

    return act


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
