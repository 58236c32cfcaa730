"""The live stream over a real socket and a real PostgreSQL: snapshot and follow, late commits, resuming, scope, slowness."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from api import feed, people
from api.app import utc_now
from api.live import LiveState
from api.people import Principal
from api.stream import EventStream, Hub
from hoistway.limits import STREAM_BUFFER_FRAMES
from hoistway.model import Role
from hoistway.store import Database
from tests.support import rows
from tests.support.web import PATIENCE_S, Events, Frame, make_keys, served, stream, until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, name="test")
    await database.open()
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keys(db: Database) -> dict[Role, str]:
    found, _ = await make_keys(db)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_firm(db: Database, keys: dict[Role, str]) -> int:
    assert keys
    return await db.fetchval("select id from firm where name = 'own firm'")


def ids(frame: Frame, kind: str = "alarms") -> set[int]:
    return {item["id"] for item in frame.data[kind]}


async def next_with(events: Events, alarm_id: int, *, skipped: set[int] | None = None) -> Frame:
    """The next change that holds one alarm; notes which others came before it."""
    while True:
        frame = await events.next("change")
        if alarm_id in ids(frame):
            return frame
        if skipped is not None:
            skipped |= ids(frame)


async def drained(events: Events) -> None:
    """Read to the end of a stream that ends; fails when it does not."""
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(EOFError):
            while True:
                await events.next()


async def test_snapshot_then_change(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """A reader first gets all that is open, then each change once, closed rows once with open = false."""
    lift_id = await rows.lift(db)
    before = await rows.alarm(db, lift_id)
    async with served(database_url) as address, stream(address, keys[Role.DISPATCHER]) as events:
        first = await events.next()
        assert first.event == "snapshot"
        assert before in ids(first)
        assert first.data["prev"] is None
        after = await rows.alarm(db, lift_id, rule_id="power-lost", opens="notice")
        second = await next_with(events, after)
        assert ids(second) == {after}
        assert second.data["counters"]["open_alarms"] == first.data["counters"]["open_alarms"] + 1
        await db.execute(
            "update alarm set condition = 'cleared', operator_state = 'acknowledged', version = version + 1 where id = $1",
            after,
        )
        third = await next_with(events, after)
        assert [item["open"] for item in third.data["alarms"]] == [False]
        assert third.data["counters"]["open_alarms"] == first.data["counters"]["open_alarms"]


async def test_frames_chain_by_prev(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """Every frame, heartbeats too, names the id of the frame before it."""
    lift_id = await rows.lift(db)
    async with served(database_url) as address, stream(address, keys[Role.AUDITOR]) as events:
        frames = [await events.next()]
        await rows.alarm(db, lift_id)
        while {frame.event for frame in frames} != {"snapshot", "change", "heartbeat"}:
            frames.append(await events.next())
    assert [frame.data["prev"] for frame in frames[1:]] == [frame.id for frame in frames[:-1]]


async def test_late_commit_is_not_jumped_over(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """A transaction that began earlier and commits later reaches the reader, and does not hold up the others."""
    one, two = await rows.lift(db), await rows.lift(db)
    async with served(database_url) as address, stream(address, keys[Role.DISPATCHER]) as events:
        await events.next("snapshot")
        async with db.acquire() as early:
            transaction = early.transaction()
            await transaction.start()
            slow = await rows.alarm(early, one)
            quick = await rows.alarm(db, two)
            skipped: set[int] = set()
            assert ids(await next_with(events, quick, skipped=skipped)) == {quick}
            await transaction.commit()
        late = await next_with(events, slow, skipped=skipped)
        assert ids(late) == {slow}
        assert skipped == set()


async def test_resume_over_a_late_commit(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """A reader that left while a transaction was open gets that transaction's change when it comes back."""
    one, two = await rows.lift(db), await rows.lift(db)
    async with served(database_url) as address:
        async with db.acquire() as early:
            transaction = early.transaction()
            await transaction.start()
            slow = await rows.alarm(early, one)
            async with stream(address, keys[Role.DISPATCHER]) as events:
                await events.next("snapshot")
                seen = await next_with(events, await rows.alarm(db, two))
            await transaction.commit()
        async with stream(address, keys[Role.DISPATCHER], last=seen.id) as events:
            first = await events.next()
            if not first.data["alarms"]:  # the shared reader had not seen the commit yet
                first = await events.next("change")
            assert (first.event, ids(first)) == ("change", {slow})


async def test_resume_across_a_restart(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """After a restart of the api a reader gets exactly what it missed: opened, changed and closed, nothing twice."""
    lift_id = await rows.lift(db)
    kept = await rows.alarm(db, lift_id, rule_id="a")
    closing = await rows.alarm(db, lift_id, rule_id="b")
    async with served(database_url) as address, stream(address, keys[Role.DISPATCHER]) as events:
        last = (await events.next("snapshot")).id
    opened = await rows.alarm(db, lift_id, rule_id="c")
    await db.execute("update alarm set condition = 'cleared', operator_state = 'acknowledged' where id = $1", closing)
    async with served(database_url) as address:
        async with stream(address, keys[Role.DISPATCHER], last=last) as events:
            missed = await events.next()
            assert missed.event == "change"
            assert missed.data["prev"] == last
            assert {item["id"]: item["open"] for item in missed.data["alarms"]} == {opened: True, closing: False}
            assert kept not in ids(missed)
        async with stream(address, keys[Role.DISPATCHER], last=missed.id) as events:
            nothing = await events.next()
            assert (nothing.event, nothing.data["alarms"]) == ("change", [])


async def test_unknown_place_means_snapshot(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """An id of another epoch, another scope, the future, or no id at all brings a fresh snapshot."""
    assert db
    async with served(database_url) as address:
        async with stream(address, keys[Role.DISPATCHER]) as events:
            good = (await events.next("snapshot")).id
        async with stream(address, keys[Role.AUDITOR]) as events:
            of_an_auditor = (await events.next("snapshot")).id
        epoch, _, place = good.partition(":")
        bad = [
            "nonsense",
            f"000000000000:{place}",
            of_an_auditor,
            f"{epoch}:99999999:99999999:",
            f"{epoch}:9:5:",
            f"{epoch}:x",
        ]
        for last in bad:
            async with stream(address, keys[Role.DISPATCHER], last=last) as events:
                assert (await events.next()).event == "snapshot", last


async def test_place_that_was_forgotten_means_snapshot(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """Once changes after a place were deleted, resuming from it brings a snapshot instead of a hole."""
    lift_id = await rows.lift(db)
    async with served(database_url) as address:
        async with stream(address, keys[Role.DISPATCHER]) as events:
            last = (await events.next("snapshot")).id
            await next_with(events, await rows.alarm(db, lift_id))
        await db.execute("update change set at = at - interval '25 hours'")
        assert await feed.forget_old(db) > 0
        assert await db.fetchval("select count(*) from change") == 0
        async with stream(address, keys[Role.DISPATCHER], last=last) as events:
            again = await events.next()
        assert again.event == "snapshot"
        async with stream(address, keys[Role.DISPATCHER], last=again.id) as events:
            assert (await events.next()).event == "change"


async def test_maintainer_sees_own_firm_only(
    database_url: str, db: Database, keys: dict[Role, str], own_firm: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshot, changes and counters of a maintainer hold its own firm's lifts and no others."""
    monkeypatch.setattr("api.stream.MAINTAIN_EVERY_S", 0.2)
    own, foreign = await rows.lift(db, firm_id=own_firm), await rows.lift(db, firm_id=await rows.firm(db))
    mine = await rows.alarm(db, own)
    await rows.alarm(db, foreign)
    async with served(database_url) as address, stream(address, keys[Role.MAINTAINER]) as events:
        first = await events.next("snapshot")
        assert ids(first) == {mine}
        assert first.data["counters"]["lifts"] == 1
        assert first.data["counters"]["open_alarms"] == 1
        await rows.alarm(db, foreign, rule_id="power-lost")
        second = await rows.alarm(db, own, rule_id="power-lost")
        frame = await events.next("change")
        assert ids(frame) == {second}
        await db.execute("update lift set firm_id = null where id = $1", own)
        left = await events.next("change")
        assert sorted(left.data["alarms"], key=lambda item: item["id"]) == [
            {"id": mine, "open": False, "out_of_scope": True},
            {"id": second, "open": False, "out_of_scope": True},
        ]


async def test_revoked_key_ends_the_stream(database_url: str, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader whose key is revoked is cut off, not only refused the next time."""
    monkeypatch.setattr("api.stream.MAINTAIN_EVERY_S", 0.2)
    async with db.acquire() as connection:
        key = await people.create_api_key(connection, "soon gone", Role.AUDITOR, None)
    async with served(database_url) as address, stream(address, key) as events:
        await events.next("snapshot")
        async with db.acquire() as connection:
            assert await people.revoke_api_key(connection, "soon gone")
        await drained(events)
        async with httpx.AsyncClient() as client:
            again = await client.get(address + "/api/v1/me", headers={"Authorization": f"Bearer {key}"})
        assert again.status_code == 401


async def test_new_epoch_sends_a_snapshot_to_everybody(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """When the epoch of the stream changes, readers that are connected get a fresh snapshot."""
    async with served(database_url) as address, stream(address, keys[Role.DISPATCHER]) as events:
        first = await events.next("snapshot")
        await db.execute("update setting set value = to_jsonb(gen_random_uuid()::text) where name = 'stream_epoch'")
        second = await events.next("snapshot")
        assert second.id.partition(":")[0] != first.id.partition(":")[0]


async def test_reader_that_takes_nothing_is_dropped(db: Database) -> None:
    """A reader that is stuck in its socket is let go of after so many ticks; others are not delayed by it."""
    live = LiveState(db)
    registry = CollectorRegistry()
    hub = Hub(db, live, clock=utc_now, registry=registry)
    await feed.read_all(db, hub.mirror)
    lift_id = await rows.lift(db)
    alarm_id = await rows.alarm(db, lift_id)
    principal = Principal(id="key:1", name="slow", role=Role.AUDITOR, firm_id=None, credential=b"")
    stuck, sent = asyncio.Event(), []

    async def send(message: Any) -> None:
        sent.append(message)
        if b"event: snapshot" in message.get("body", b""):
            stuck.set()
            await asyncio.Event().wait()
        elif message["type"] == "http.response.body" and stuck.is_set():
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    @contextlib.contextmanager
    def source() -> Any:
        with hub.subscribe(principal) as subscriber:
            yield subscriber.frames(None), (subscriber.ended,)

    answer = asyncio.create_task(EventStream(source)({}, receive, send))
    await asyncio.wait_for(stuck.wait(), PATIENCE_S)
    for _ in range(STREAM_BUFFER_FRAMES + 1):
        await db.execute("update alarm set version = version + 1 where id = $1", alarm_id)
        tick = await feed.read_changes(db, hub.mirror)
        assert tick is not None
        hub._offer(tick)
    await asyncio.wait_for(answer, PATIENCE_S)
    assert registry.get_sample_value("hoistway_stream_dropped_total") == 1
    assert registry.get_sample_value("hoistway_stream_subscribers") == 0


async def test_several_ticks_join_into_the_latest_state(db: Database) -> None:
    """What piles up for a slow reader is sent as one frame with the latest state of each object."""
    hub = Hub(db, LiveState(db), clock=utc_now, registry=CollectorRegistry())
    await feed.read_all(db, hub.mirror)
    alarm_id = await rows.alarm(db, await rows.lift(db))
    principal = Principal(id="key:1", name="reader", role=Role.AUDITOR, firm_id=None, credential=b"")
    with hub.subscribe(principal) as subscriber:
        frames = subscriber.frames(None)
        assert b"retry" in await anext(frames)
        assert b"event: snapshot" in await anext(frames)
        for _ in range(5):
            await db.execute("update alarm set version = version + 1 where id = $1", alarm_id)
            tick = await feed.read_changes(db, hub.mirror)
            assert tick is not None
            hub._offer(tick)
        joined = await anext(frames)
        assert joined.count(b'"rule_id"') == 1
        assert b'"version":6' in joined


async def test_a_notice_is_a_hint(database_url: str, db: Database) -> None:
    """A notification from whoever committed makes the reader look at once; the poll alone would do, later."""
    hub = Hub(db, LiveState(db), clock=utc_now, registry=CollectorRegistry(), url=database_url)
    await feed.read_all(db, hub.mirror)
    try:
        await hub._maintain()
        await db.execute("select pg_notify('hoistway_change', '')")
        async with asyncio.timeout(PATIENCE_S):
            await hub._hint.wait()
    finally:
        await hub._hang_up()


async def test_one_lift_is_followed(database_url: str, db: Database, keys: dict[Role, str]) -> None:
    """Following a lift sends its state at once and again when a sample is stored."""
    lift_id = await rows.lift(db)
    async with served(database_url) as address:
        path = f"/api/v1/lifts/{lift_id}/follow"
        async with stream(address, keys[Role.DISPATCHER], path=path) as events:
            first = await events.next("state")
            assert first.data["values"]["speed"] is None
            batch_no = await rows.batch(db)
            await rows.sample(db, lift_id, datetime.now(UTC), batch_no=batch_no, speed=1.5, car_status=1)
            await rows.batch(db)  # the stream's head passes the batch that holds the sample

            async def moved() -> bool:
                state = await events.next("state")
                return state.data["values"]["speed"] == 1.5 and state.data["moving"] is True

            await until(moved, "the state shows the new sample")


async def test_stopping_ends_open_streams(database_url: str, keys: dict[Role, str]) -> None:
    """Open streams do not hold up the stop of the server."""
    async with contextlib.AsyncExitStack() as readers:
        async with served(database_url) as address:
            events = await readers.enter_async_context(stream(address, keys[Role.DISPATCHER]))
            await events.next("snapshot")
        await drained(events)
