"""kill -9 in the middle of traffic: each part comes back by itself, nothing accepted is lost, no alarm is doubled.

A kill counts only when, at that instant, events were on their way that no `ack` had named. A build that acknowledges before
it commits has to be found by the same story.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from hoistway.embedded.credentials import device_password
from hoistway.store import connect_url
from hoistway.up.state import State
from tests.support.brokers import need_kind
from tests.support.ledger import Ledger, stored
from tests.support.system import System, running, wait_for

DEVICES = 8


async def enrol(system: System) -> dict[str, tuple[int, str]]:
    """Eight lifts with a terminal each, and the terminals' passwords."""
    key = State(system.home).secret("device-key").encode()
    connection = await connect_url(system.database_url, name="story", patience_s=5)
    for number in range(DEVICES):
        lift_id = await connection.fetchval(
            "insert into lift (kind, name) values ('lift', $1) returning id", f"L{number}"
        )
        await connection.execute(
            "insert into device (device, shard, lift_id) values ($1, $2, $3)", f"led-{number}", number, lift_id
        )
    await connection.close()
    return {f"led-{number}": (number, device_password(key, f"led-{number}")) for number in range(DEVICES)}


def kill_in_traffic(system: System, ledger: Ledger, part: str) -> None:
    """End a part at an instant at which events are un-acked, and see it come back."""
    wait_for(lambda: ledger.unacked_events > 0, limit_s=30, what="events on their way")
    old = system.kill(part)
    wait_for(lambda: system.pid_of(part) != old, limit_s=30, what=f"{part} back by itself")


async def trapped_in_every_lift(system: System) -> None:
    """Wait until the entrapment of every lift is an alarm."""
    connection = await connect_url(system.database_url, name="story", patience_s=10)
    for _ in range(60):
        if await connection.fetchval("select count(*) from alarm where opens = 'rescue'") >= DEVICES:
            break
        await asyncio.sleep(1.0)
    await connection.close()


KILLS = ("ingest", "broker", "postgres", "ingest", "postgres", "broker", "ingest")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
async def test_what_was_accepted_outlives_every_kill(kind: str) -> None:
    """Sent, acked and stored are counted: acked - stored is empty, nothing is stored twice, one alarm and one case a lift."""
    need_kind(kind)
    with running("--broker", kind) as system:
        ledger = Ledger(await enrol(system), system.mqtt_port)
        ledger.start()
        try:
            wait_for(lambda: len(ledger.acked) > 40, limit_s=40, what="first acks")
            for part in KILLS:
                kill_in_traffic(system, ledger, part)
                before = len(ledger.acked)
                wait_for(
                    lambda before=before: len(ledger.acked) > before, limit_s=60, what=f"acks after killing {part}"
                )
            await trapped_in_every_lift(system)
            assert ledger.drain(limit_s=90), "not everything was acknowledged in the end"
        finally:
            ledger.stop()
        connection = await connect_url(system.database_url, name="story", patience_s=10)
        rows = await stored(connection)
        alarms = await connection.fetch(
            "select lift_id, count(*) as n from alarm where rule_id = 'entrapment-between-floors' group by 1"
        )
        cases = await connection.fetch("select lift_id, count(*) as n from rescue_case group by 1")
        await connection.close()
    assert ledger.acked - set(rows) == set()
    assert ledger.sent == set(rows)
    assert len(rows) == len(set(rows))
    assert [row["n"] for row in alarms] == [1] * DEVICES
    assert [row["n"] for row in cases] == [1] * DEVICES


@pytest.mark.timeout(120)
async def test_the_story_finds_a_build_that_acknowledges_before_it_commits() -> None:
    """With the order of commit and ack reversed, a kill of ingest leaves acked records that the store does not have."""
    with running(mutant="ack_before_commit") as system:
        ledger = Ledger(await enrol(system), system.mqtt_port)
        ledger.start()
        try:
            wait_for(lambda: len(ledger.acked) > 100, limit_s=40, what="first acks")
            kill_in_traffic(system, ledger, "ingest")
            wait_for(lambda: system.log("ingest").count("listening") == 2, limit_s=30, what="ingest back")
            acked = ledger.acked
        finally:
            ledger.stop()
        connection = await connect_url(system.database_url, name="story", patience_s=10)
        rows = set(await stored(connection))
        await connection.close()
    assert acked - rows, "the reversed build lost nothing: this story proves nothing"


@pytest.mark.timeout(180)
async def test_a_database_that_stands_still_loses_and_doubles_nothing() -> None:
    """Every process of PostgreSQL is stopped past the commit's time limit and goes on: the commit that "failed" may be in."""
    with running() as system:
        ledger = Ledger(await enrol(system), system.mqtt_port)
        ledger.start()
        try:
            wait_for(lambda: len(ledger.acked) > 40, limit_s=40, what="first acks")
            wait_for(lambda: ledger.unacked_events > 0, limit_s=30, what="events on their way")
            frozen = system.family("postgres")
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(18)
            before = len(ledger.acked)
            for pid in frozen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            wait_for(lambda: len(ledger.acked) > before, limit_s=60, what="acks after the standstill")
            assert ledger.drain(limit_s=90), "not everything was acknowledged in the end"
        finally:
            ledger.stop()
        connection = await connect_url(system.database_url, name="story", patience_s=10)
        rows = await stored(connection)
        await connection.close()
    assert ledger.sent == set(rows)
    assert len(rows) == len(set(rows))
