"""Samples in whatever form they are: every reader sees each of them once, bit for bit, at every stage of their way and wherever it is cut."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import pytest
import pytest_asyncio

from alarms.signals import unknown_samples
from hoistway import limits
from hoistway.errors import OurFault, WorldFault
from hoistway.samples import COLUMNS, Log, Rows, log, oldest_ms, reader, snapshot
from hoistway.samples.layout import COPY_HEADER, COPY_TRAILER, copy_type, moment, to_ms
from hoistway.samples.newest import newest, newest_of
from hoistway.store import connect_url
from ingest.compactor import metrics
from ingest.compactor.moving import SQL, Hour, close_hour, move, waiting
from ingest.compactor.retention import Retention
from ingest.compactor.service import Compactor, run
from ingest.pack import KEYS_DTYPE
from tests.support.compaction import (
    T0,
    at_once,
    batch,
    checkpoint,
    clear,
    compact,
    everything,
    fill,
    of_lifts,
    one_place,
    quiet,
    raw,
)

KEEP = Retention(samples_days=400, log_days=400)
STAGES = ("", "moved", "closed", "half", "merged", "swept")


@pytest_asyncio.fixture(loop_scope="session")
async def db(database_url: str) -> AsyncIterator[Any]:
    """A connection like the compactor's, to a store without samples."""
    connection = await connect_url(database_url, name="test")
    await clear(connection)
    await quiet(connection)
    with at_once():
        yield connection
    await connection.close()


async def to_stage(db: Any, stage: str) -> None:
    """Two thirds of the samples at a stage, the rest in the log."""
    await fill(db, batches=200)
    await fill(db, batches=50, partition=3)
    if stage:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "MERGE_SAMPLES", 1)
            await compact(db, stop="merged" if stage == "swept" else stage)
    await fill(db, batches=100, seed=2)


def same(one: Rows, other: Rows) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


async def test_the_rows_are_the_table(db: Any) -> None:
    """What is read and kept of a sample are the columns of its table, and no others."""
    rows = await db.fetch(
        "select attname, typname from pg_attribute a join pg_type t on t.oid = a.atttypid"
        " where attrelid = 'sample'::regclass and attnum > 0 and not attisdropped"
    )
    types = {"int2": "<i2", "int4": "<i4", "int8": "<i8", "float4": "<f4", "timestamptz": "<i8"}
    assert {row["attname"]: types[row["typname"]] for row in rows} == {
        name: code[0].str
        for name, code in np.dtype(reader.row_type(COLUMNS)).fields.items()  # type: ignore[union-attr]
    }


@pytest.mark.parametrize("stage", STAGES)
async def test_every_reader_sees_every_sample_once_at_every_stage(
    db: Any, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log in any steps, lifts by time, number, batch and receipt, the oldest and the newest: as from the rows before anything moved."""
    monkeypatch.setattr(log, "SLICE", 150)
    monkeypatch.setattr(reader, "GROUP", 3)
    await to_stage(db, stage)
    rows = await raw(db)
    assert len(rows) == 350 * 6
    if stage == "swept":
        await checkpoint(db)
        await compact(db)
        assert await db.fetchval("select count(*) from sample") == 0
        assert await db.fetchval("select count(*) from sample_block") == 0
    for step in (13, 1_000):
        assert same(await everything(db, step), rows)
    lifts = [61, 63, 3_062]
    mine = rows[np.isin(rows["lift_id"], lifts)]
    mine = mine[np.argsort(mine["batch_no"].astype(np.int64) << 24 | mine["ordinal"], kind="stable")]
    for name, key in (("at", "at"), ("received", "received"), ("batch_no", "batches"), ("seq", "seqs")):
        first, last = np.quantile(mine[name], [0.3, 0.6]).astype(np.int64).tolist()
        bounds = (moment(first), moment(last)) if name in {"at", "received"} else (first, last)
        found = await of_lifts(db, lifts=lifts, **{key: bounds})
        assert same(found, mine[(mine[name] >= first) & (mine[name] <= last)]), name
    assert same(await of_lifts(db, lifts=lifts), mine)
    assert same(await of_lifts(db, lifts=lifts, partition=3), mine[mine["partition"] == 3])
    following = Log(db, 0, after=10, columns=("seq", "speed"), lifts=[61, 63])
    told = rows[(rows["partition"] == 0) & (rows["batch_no"] > 10) & np.isin(rows["lift_id"], [61, 63])]
    assert (await following.upto(300))["seq"].tolist() == told["seq"][told["batch_no"] <= 300].tolist()
    assert (await oldest_ms(db, 61)) == to_ms(rows["at"][rows["lift_id"] == 61]).min()
    assert await oldest_ms(db, 77) is None
    async with snapshot(db) as store:
        last = await newest(store, [61, 62, 63, 77, 3_061], ("seq",))
    wanted = newest_of(rows[np.isin(rows["lift_id"], [61, 62, 63, 3_061])])
    for name in ("lift_id", "seq", "at"):
        assert last[name].tolist() == wanted[name].tolist()


async def test_nothing_is_emptied_that_recovery_would_read(db: Any) -> None:
    """Without a checkpoint, and above it, the log keeps its rows, wherever else they are."""
    await fill(db, batches=120)
    await compact(db)
    assert await db.fetchval("select count(*) from sample") == 720
    await checkpoint(db)
    await db.execute("update checkpoint set batch_no = 119")
    await compact(db)
    assert await db.fetchval("select count(*) from sample") == 720
    await db.execute("update checkpoint set batch_no = 120")
    await compact(db)
    assert await db.fetchval("select count(*) from sample") == 0
    assert await db.fetchval("select swept from compaction") == 120
    assert len(await everything(db)) == 720


class Dying:
    """A connection whose backend is gone after so many statements."""

    def __init__(self, connection: Any, after: int) -> None:
        self._connection, self._left = connection, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in {"execute", "fetch", "fetchrow", "fetchval", "copy_from_query", "copy_records_to_table"}:
            return found

        async def call(*values: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                self._connection.terminate()
                raise ConnectionResetError("killed")
            return await found(*values, **options)

        return call


async def test_a_compactor_that_is_killed_anywhere_loses_and_doubles_nothing(db: Any, database_url: str) -> None:
    """After a kill before each of its statements readers see every sample once, and the next compactor finishes the work."""
    await fill(db, batches=60)
    rows = await raw(db)
    statements, done = 0, False
    while not done:
        await db.execute("truncate sample, sample_block, sample_chunk, sample_hour, compaction")
        await _put(db, rows)
        await checkpoint(db)
        victim = await connect_url(database_url, name="victim")
        await quiet(victim)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(limits, "MERGE_SAMPLES", 100)
                patch.setattr(limits, "MOVE_SAMPLES", 200)
                await compact(Dying(victim, statements))
            done = True
        except (ConnectionResetError, asyncpg.InterfaceError):
            statements += 1
        finally:
            victim.terminate()
        assert same(await everything(db, 1_000), rows), statements
        assert same(await of_lifts(db, lifts=[61, 62]), rows[np.isin(rows["lift_id"], [61, 62])]), statements
        await compact(db)
        assert await db.fetchval("select sum(samples) from sample_chunk") == len(rows)
    assert statements > 30


async def test_a_step_that_failed_is_done_again(db: Any) -> None:
    """A statement that is refused in the middle of a merge, or chunks that are not all there, never end an hour."""
    await fill(db, batches=30, lifts=200)
    await compact(db, stop="closed")
    place = await one_place(db)
    merging = await Hour.begin(db, place, place.closed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MERGE_SAMPLES", 1)
        await merging.step(db)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await merging.step(Refusing(db))
        while not (await merging.step(db))[1]:
            pass
    rows = await raw(db)
    assert same(await everything(db), rows)
    await db.execute(
        "update compaction set hour = '1970-01-01'; delete from sample_hour where hour = $1".replace(
            "$1", f"'{place.closed}'"
        )
    )
    await db.execute("delete from sample_chunk where ctid = any(array(select ctid from sample_chunk limit 1))")
    with pytest.raises(OurFault, match="in blocks"):
        await Hour(0, place.closed, 0, []).step(db)
    assert same(await everything(db), rows)


class Refusing:
    """A connection whose COPY is refused."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def copy_records_to_table(self, *_: Any, **__: Any) -> None:
        raise asyncpg.LockNotAvailableError("busy")


async def _put(db: Any, rows: Rows) -> None:
    wire: Any = np.zeros(len(rows), copy_type())
    wire["_count"] = len(COLUMNS)
    for name in COLUMNS:
        wire[f"_{name}"], wire[name] = rows.dtype[name].itemsize, rows[name]
    body = io.BytesIO(COPY_HEADER + wire.tobytes() + COPY_TRAILER)
    await db.copy_to_table("sample", source=body, columns=list(COLUMNS), format="binary")


async def test_readers_beside_a_running_ingest_and_compactor(db: Any, database_url: str) -> None:
    """While batches come in and are moved, merged and emptied, every look finds each lift's numbers from 1 on without a hole or a double."""
    writer, checker, third = [await connect_url(database_url, name="test") for _ in range(3)]
    compactor = Compactor(db, KEEP)
    stop = asyncio.Event()

    async def write() -> None:
        for number in range(1, 301):
            rows, keys = unknown_samples(40), np.zeros(40, KEYS_DTYPE)
            rows["slot"], keys["seq"] = np.arange(40) * 5, number
            rows["received"] = rows["at"] = T0 + number * 60_000
            await batch(writer, rows, keys, number=number, partition=0, clock=T0 + number * 60_000)
        stop.set()

    async def work() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "MOVE_SAMPLES", 300)
            patch.setattr(limits, "MERGE_SAMPLES", 600)
            turns = 0
            while not stop.is_set():
                await checkpoint(third)
                compactor._next_sweep_s = 0.0
                await compactor.turn(float(turns := turns + 1))

    async def look() -> int:
        looks = 0
        while not stop.is_set():
            last = await checker.fetchval("select coalesce(max(batch_no), 0) from ingest_batch")
            (found,) = [await of_lifts(checker, lifts=[35])]
            assert found["seq"].tolist()[:last] == list(range(1, last + 1))
            assert len(found) == len(set(found["seq"].tolist()))
            told = await Log(checker, 0, after=0, columns=("seq",)).upto(last)
            assert np.array_equal(told["seq"], np.repeat(np.arange(1, last + 1), 40))
            looks += 1
        return looks

    _, _, looks = await asyncio.gather(write(), work(), look())
    assert looks > 3
    assert await db.fetchval("select count(*) from sample_hour") > 0
    assert len(await everything(db)) == 300 * 40
    for connection in (writer, checker, third):
        await connection.close()


async def test_a_reader_holds_what_its_snapshot_needs(db: Any, database_url: str) -> None:
    """What is read is not emptied under it; the compactor waits for nobody, and empties it afterwards."""
    await fill(db, batches=120)
    await compact(db, stop="moved")
    await checkpoint(db)
    other = await connect_url(database_url, name="test")
    async with snapshot(other) as store:
        await compact(db)
        assert await db.fetchval("select count(*) from sample") == 720
        async for rows in store.of_lifts(reader.Wanted(lifts=[61])):
            assert set(rows["lift_id"].tolist()) <= {61}
    await compact(db)
    assert await db.fetchval("select count(*) from sample") == 0
    await other.close()


async def test_two_compactors_do_not_do_the_same_twice(db: Any, database_url: str) -> None:
    """One gets the lock, the other waits; a step that was decided on before another one did it is refused and changes nothing."""
    await fill(db, batches=120)
    other = await connect_url(database_url, name="test")
    assert (await db.fetchval(SQL["alone"]), await other.fetchval(SQL["alone"])) == (True, False)
    place = await one_place(db)
    found = await waiting(db, place)
    assert found is not None
    await move(db, place, found)
    with pytest.raises(WorldFault, match="another compactor"):
        await move(other, place, found)
    before = await one_place(db)
    assert await close_hour(db, before, idle=True) is not None
    with pytest.raises(WorldFault, match="another compactor"):
        await close_hour(other, before, idle=True)
    assert len(await everything(db)) == 720
    await db.execute("select pg_advisory_unlock_all()")
    await other.close()


async def test_it_yields_while_ingest_is_behind(db: Any) -> None:
    """When the newest batch had waited for long, nothing is moved but once a minute, and the lag says so."""
    now = int((await db.fetchval("select clock_timestamp()")).timestamp() * 1_000)
    rows, keys = unknown_samples(3), np.zeros(3, KEYS_DTYPE)
    rows["received"] = rows["at"] = now - 5_000
    await batch(db, rows, keys, number=1, partition=0, clock=now)
    compactor = Compactor(db, KEEP)
    compactor._moved_s = 100.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MOVE_EVERY_S", 0)
        assert await compactor.turn(110.0) is False
        assert (await one_place(db)).batch_no == 0
        await compactor.turn(100.0 + limits.COMPACTOR_WAITS_S)
        assert (await one_place(db)).batch_no == 1


async def test_a_straggler_goes_into_the_hour_that_is_open(db: Any) -> None:
    """What comes when its hour is closed is neither lost nor put into chunks that are made already."""
    await fill(db, batches=40)
    await compact(db, stop="half")
    closed = (await one_place(db)).closed
    rows, keys = unknown_samples(1), np.zeros(1, KEYS_DTYPE)
    rows["slot"], rows["received"] = 61, T0
    rows["at"] = T0
    await batch(db, rows, keys, number=41, partition=0, clock=T0 + 41 * 30_000)
    before = await raw(db)
    await compact(db, stop="moved")
    assert await db.fetchval("select max(hour) from sample_block") == closed + timedelta(hours=1)
    await compact(db)
    assert same(await everything(db), before)
    assert await db.fetchval("select bool_or(astray) from sample_chunk where hour > $1", closed)
    told = await of_lifts(db, lifts=[61], received=(moment(before["received"][-1]), moment(before["received"][-1])))
    assert len(told) == 1


async def test_what_is_too_old_is_let_go_and_what_is_open_is_kept(db: Any) -> None:
    """Chunks go by the month and the log by its batches, counted; not those of a lift whose alarm is open, and nothing recovery needs."""
    await fill(db, batches=150)
    await checkpoint(db)
    await compact(db)
    lift_id = await db.fetchval(
        "insert into lift (id, kind, name) overriding system value values (61, 'lift', 'open') returning id"
    )
    await db.execute(
        "insert into alarm (lift_id, rule_id, rule_version, severity, opens, condition, hold_start, raised_at, detected_at, evidence, exercise)"
        " values ($1, 'r', 'v', 'minor', 'ticket', 'active', $2, $2, $2, '{}', false)",
        lift_id, datetime.fromtimestamp(T0 / 1_000, UTC),
    )  # fmt: skip
    for lift in (61, 62):
        await db.execute(
            "insert into event (partition, batch_no, ordinal, received, at, ts, seq, boot, incarnation, device_id, lift_id, folded, code, active)"
            " values (0, 3, 0, $2, $2, 0, 1, 1, 0, $1, $1, 1, '90', true)", lift, datetime.fromtimestamp(T0 / 1_000, UTC),
        )  # fmt: skip
    kept = await of_lifts(db, lifts=[61])
    assert await KEEP.step(db, datetime.fromtimestamp(T0 / 1_000, UTC) + timedelta(days=399)) == {}
    later = datetime.fromtimestamp(T0 / 1_000, UTC) + timedelta(days=450)
    rows, keys = unknown_samples(1), np.zeros(1, KEYS_DTYPE)
    rows["received"] = rows["at"] = now = int((later - timedelta(days=3)).timestamp() * 1_000)
    await batch(db, rows, keys, number=151, partition=0, clock=now)
    await compact(db)
    gone = await KEEP.step(db, later)
    assert gone == {"samples": 900 - len(kept), "events": 1}
    assert same(await of_lifts(db, lifts=[61]), kept)
    assert len(await of_lifts(db, lifts=[62, 63, 64, 65])) == 0
    assert await db.fetchval("select array_agg(lift_id) from event") == [61]
    assert await KEEP.step(db, later) == {}
    await db.execute("update alarm set condition = 'cleared', operator_state = 'acknowledged', cleared_at = now()")
    assert await KEEP.step(db, later) == {"samples": len(kept), "events": 1, "batches": 149}
    assert len(await everything(db)) == 1
    await db.execute("delete from alarm; delete from event; delete from lift where id = 61")


async def test_a_whole_sample_survives_the_database(db: Any) -> None:
    """Odd numbers are the same bits in the table and in a chunk."""
    await fill(db, batches=100)
    bits = np.array([0x7FC12345, 0x80000000, 0x7F800000, 0xFFC00001], "<u4").view("<f4")
    rows = await raw(db)
    await db.execute("truncate sample")
    rows["speed"][:4], rows["seq"][5], rows["ts"][6] = bits, -(2**63), 2**63 - 1
    await _put(db, rows)
    await checkpoint(db)
    await compact(db)
    assert same(await everything(db), rows)


async def test_the_process_works_until_it_is_stopped(
    db: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the lock, moves what waits, says so in its metrics, and ends when it is told to."""
    monkeypatch.setattr("os.nice", lambda by: by)
    await fill(db, batches=60)
    await db.execute("update ingest_batch set committed_at = committed_at - interval '1 min'")
    rows, before = await raw(db), metrics.MOVED._value.get()
    stop = asyncio.Event()
    running = asyncio.create_task(run(database_url, KEEP, stop))
    for _ in range(200):
        if await db.fetchval("select max(batch_no) from compaction") == 60:
            break
        await asyncio.sleep(0.05)
    stop.set()
    await running
    assert metrics.MOVED._value.get() - before == len(rows) == 360
    assert (metrics.WORKS._value.get(), metrics.LAG._value.get()) == (1.0, 0.0)
    assert same(await everything(db), rows)
