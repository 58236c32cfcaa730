"""A database that stands still in the middle of traffic. What is killed, and when, is in `tests/chaos`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from hoistway.embedded.credentials import device_password
from hoistway.store import connect_url
from hoistway.up.state import State
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
