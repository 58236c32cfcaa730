"""The deployed shape: the same commands as in docker-compose.yml, the deployed broker configuration, an outside PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from hoistway.store import connect_url
from tests.support.feed import TRAPPED, event, sample
from tests.support.production import Production, production
from tests.support.system import need_program, wait_for

CADENCE = {"HOISTWAY_PROBE_EVERY_S": "3"}  # the same for every process


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(database_url: str) -> AsyncIterator[Production]:
    """Broker, migrated database, ingest, dispatch and api, all healthy by their own checks."""
    with production(database_url) as found:
        migrated = found.run("migrate")
        assert migrated.returncode == 0, migrated.stderr
        for service in ("ingest", "dispatch", "api"):
            found.start(service, **CADENCE)
        await asyncio.to_thread(found.healthy, "ingest", "dispatch", "api")
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Any]:
    connection = await connect_url(database_url, name="story", patience_s=5)
    yield connection
    await connection.close()


async def enrol(database: Any, city: Production, device: str) -> tuple[int, Callable[..., None]]:
    """A lift with a terminal in register and broker; answers how the terminal publishes, by mosquitto_pub over TLS."""
    program = need_program("mosquitto_pub")
    lift_id = await database.fetchval("insert into lift (kind, name) values ('lift', $1) returning id", device)
    await database.execute("insert into device (device, shard, lift_id) values ($1, 3, $2)", device, lift_id)
    password = city.enrol(device)[device]
    city.processes["mosquitto"].send_signal(signal.SIGHUP)

    def publish(leaf: str, payload: object, *, of: str = device) -> None:
        command = [program, "-h", "localhost", "-p", str(city.device_port), "--cafile", str(city.secrets / "mqtt_ca")]
        command += ["-u", device, "-P", password, "-i", device, "-q", "1"]
        command += ["-t", f"lift/v1/3/{of}/{leaf}", "-m", json.dumps(payload)]
        wait_for(
            lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0,
            limit_s=10,
            what="publish",
        )

    return int(lift_id), publish


async def test_an_entrapment_by_a_foreign_client_over_tls_becomes_a_case(database: Any, city: Production) -> None:
    """mosquitto_pub, a client we did not write, tells of a person between floors; the case is open within the hold."""
    lift_id, publish = await enrol(database, city, "tls-1")
    now = time.time_ns() // 1_000_000
    publish("state", [sample(1, now - 21_000, **TRAPPED), sample(2, now, **TRAPPED)])
    for _ in range(100):
        if await database.fetchval("select count(*) from rescue_case where lift_id = $1 and open", lift_id):
            break
        await asyncio.sleep(0.1)
    alarms = await database.fetch("select rule_id, exercise from alarm where lift_id = $1", lift_id)
    assert [tuple(row) for row in alarms] == [("entrapment-between-floors", False)]


async def test_a_device_cannot_speak_for_another(database: Any, city: Production) -> None:
    """An alarm published on another device's topic reaches nobody, although 3.1.1 confirms it to the sender."""
    victim, _ = await enrol(database, city, "victim-1")
    thief, publish = await enrol(database, city, "thief-1")
    now = time.time_ns() // 1_000_000
    publish("event", event(1, now, "90"), of="victim-1")
    publish("event", event(1, now, "90"))
    for _ in range(100):
        if await database.fetchval("select count(*) from event where lift_id = $1", thief):
            break
        await asyncio.sleep(0.1)
    assert await database.fetchval("select count(*) from event where lift_id = $1", thief) == 1
    assert await database.fetchval("select count(*) from event where lift_id = $1", victim) == 0


@pytest.mark.parametrize("service", ["ingest", "dispatch", "api", "watch", "migrate"])
async def test_a_service_without_its_secrets_does_not_start(city: Production, service: str) -> None:
    """No default secret: without a database URL the command says what is missing and exits with 1."""
    (city.folder / "empty").mkdir(exist_ok=True)
    ended = await asyncio.to_thread(city.run, service, HOISTWAY_SECRETS_DIR=str(city.folder / "empty"))
    assert ended.returncode == 1
    assert "HOISTWAY_DATABASE_URL: not set" in ended.stderr


def test_the_watcher_sees_that_alarms_get_through(city: Production) -> None:
    """Its probe comes in by the devices' door, with TLS and an account of its own, and goes the whole way to the API."""
    city.start("watch", **CADENCE)
    wait_for(lambda: _platform(city) == "well", limit_s=40, what="the first probe came through")


def _platform(city: Production) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{city.http_port}/health/ready", timeout=2) as answer:
            return str(json.load(answer)["platform"]["state"])
    except OSError:
        return ""


async def test_services_stop_cleanly(city: Production) -> None:
    """SIGTERM drains and ends every service with exit code 0."""
    for service in ("watch", "ingest", "dispatch", "api"):
        process = city.processes.pop(service)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0, city.log(service)
