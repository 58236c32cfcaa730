"""Rows as ingest would write them, by plain SQL: lifts, alarms with their cases, samples, batches."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import AsyncIterator

import asyncpg

from hoistway.model import SIGNALS, SignalType

FLOORS = ("B1", "1", "2", "3", "4", "5", "6", "7", "8")


class City:
    """A hand that writes into the database while the api reads it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self._numbers = itertools.count(1)

    async def value(self, query: str, *values: object) -> object:
        """One value."""
        async with self._lock:
            return await self._connection.fetchval(query, *values)

    async def execute(self, query: str, *values: object) -> None:
        async with self._lock:
            await self._connection.execute(query, *values)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        await self.execute("begin")
        try:
            yield
        except BaseException:
            await self.execute("rollback")
            raise
        await self.execute("commit")

    async def lift(
        self, name: str, *, estate: str = "翡翠花园", district: str = "西湖区", exercise: bool = False
    ) -> int:
        """A lift with a firm, phones, a place on the map; answers its id."""
        await self.execute(
            "insert into firm (name, phone) values ('杭州安迅电梯维保有限公司', '0571-88001234') on conflict do nothing"
        )
        number = await self.value(
            "insert into lift (kind, name, estate, building, address, district, lon, lat, floors, rated_speed_m_s,"
            " rated_load_kg, firm_id, user_unit, user_unit_phone, emergency_phone, exercise)"
            " select 'lift', $1, $2, '3幢', '文三路 90 号', $3, 120.13 + random() * 0.02, 30.27 + random() * 0.02, $4,"
            " 1.75, 1050, id, '翡翠物业', '0571-87120000', '96333', $5 from firm limit 1 returning id",
            name,
            estate,
            district,
            list(FLOORS),
            exercise,
        )
        return int(str(number))

    async def alarm(
        self,
        lift_id: int,
        *,
        rule: str = "door-open-running",
        severity: str = "major",
        opens: str = "ticket",
        titles: tuple[str, str] = ("开门走车", "Door open while running"),
        ago_s: int = 30,
    ) -> int:
        """An active alarm nobody has acknowledged; answers its id."""
        await self.execute(
            "insert into rule_version (rule_id, version, text, title_zh, title_en, severity, opens)"
            " values ($1, 'aaaaaaaaaaaa', '', $2, $3, $4, $5) on conflict do nothing",
            rule,
            *titles,
            severity,
            opens,
        )
        number = await self.value(
            "insert into alarm (lift_id, rule_id, rule_version, severity, opens, condition, hold_start, raised_at,"
            " detected_at, evidence, exercise)"
            " select $1, $2, 'aaaaaaaaaaaa', $3, $4, 'active', at - interval '20 s', at, at,"
            " '{\"door_zone\": false}', (select exercise from lift where id = $1)"
            " from (select now() - make_interval(secs => $5) as at) as moment returning id",
            lift_id,
            rule,
            severity,
            opens,
            ago_s,
        )
        return int(str(number))

    async def entrapment(self, lift_id: int, *, ago_s: int = 30) -> int:
        """An entrapment alarm with its rescue case, in one transaction as ingest writes them; answers the case's id."""
        async with self._transaction():
            alarm_id = await self.alarm(
                lift_id,
                rule="entrapment-between-floors",
                severity="critical",
                opens="rescue",
                titles=("困人(非平层)", "Trapped between floors"),
                ago_s=ago_s,
            )
            number = await self.value(
                "with made as (insert into rescue_case (kind, channel, lift_id, alarm_id, opened_at, exercise)"
                " select 'entrapment', 'S04', lift_id, id, raised_at, exercise from alarm where id = $1"
                " returning id, opened_at),"
                " log as (insert into case_event (case_id, kind, at) select id, 'opened', opened_at from made)"
                " select id from made",
                alarm_id,
            )
        return int(str(number))

    async def sample(self, lift_id: int, **values: object) -> None:
        """One accepted sample of a lift in a batch of its own; what is not named is unknown."""
        floor = values.pop("car_position", None)
        known: dict[str, object] = {
            signal.name: float("nan") if signal.type is SignalType.NUMBER else -1 for signal in SIGNALS
        }
        if floor is not None:
            known["car_position"] = await self.value(
                "with new as (insert into floor_label (id, label)"
                " select coalesce(max(id), 0) + 1, $1 from floor_label on conflict (label) do nothing returning id)"
                " select id from new union all select id from floor_label where label = $1 limit 1",
                floor,
            )
        known |= {name: int(value) if isinstance(value, bool) else value for name, value in values.items()}
        batch_no = await self.tick()
        columns = ", ".join(known)
        places = ", ".join(f"${place}" for place in range(4, 4 + len(known)))
        await self.execute(
            "insert into sample (received, at, batch_no, ts, seq, boot, incarnation, device_id, lift_id, ordinal,"
            f" partition, folded, {columns}) values (now(), now(), $1, 0, $2, 1, 0, 1, $3, 0, 0, 1, {places})",
            batch_no,
            next(self._numbers),
            lift_id,
            *known.values(),
        )
        await self.tick()

    async def tick(self) -> int:
        """A batch was committed just now: the data is fresh. Answers its number."""
        number = await self.value(
            "insert into ingest_batch (partition, batch_no, token, kind, clock, epoch)"
            " select 0, coalesce(max(batch_no), 0) + 1, $1, 'batch', now(), 1 from ingest_batch where partition = 0"
            " returning batch_no",
            uuid.uuid4(),
        )
        return int(str(number))

    @contextlib.asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Data keeps arriving for as long as the block lasts."""

        async def beat() -> None:
            while True:
                await self.tick()
                await asyncio.sleep(1)

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def close_everything(self) -> None:
        """Nothing open is left for the next test."""
        await self.execute(
            "update rescue_case set state = 'cancelled', confirmed_by = 'test', confirmation = 'test',"
            " version = version + 1 where open"
        )
        await self.execute(
            "update alarm set condition = 'cleared', operator_state = 'acknowledged', shelved_until = null,"
            " shelved_by = null, shelve_reason = null, version = version + 1 where open"
        )
        await self.execute("update out_of_service set ended_at = now() where ended_at is null")
        await self.execute("update area_incident set ended_at = now(), version = version + 1 where ended_at is null")
        await self.execute("update alarm_flood set ended_at = now(), version = version + 1 where ended_at is null")
