"""`hoistway up` as its user meets it: starts, says what is wrong in words, comes back, leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoistway.embedded.ports import free_port
from hoistway.samples import snapshot
from hoistway.store import connect_url
from tests.support.folders import temporary_home
from tests.support.system import System, running, wait_for


def command(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A command of the product on this home, run to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOISTWAY_")}
    return subprocess.run(
        [sys.executable, "-m", "hoistway", *arguments],
        env={**environment, "HOISTWAY_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
    )


def processes_of(home: Path) -> list[str]:
    """Command lines of every process that names the home or was started by a process that does."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (entry / "environ").read_bytes()
            if str(home) in line or str(home).encode() in environment:
                found.append(line)
    return found


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        yield path


@pytest.mark.timeout(240)
async def test_the_demo_city_moves_and_somebody_is_trapped_within_two_minutes(home: Path) -> None:
    """Lifts report, the first scripted entrapment becomes a case marked as exercise, and Ctrl-C leaves no process."""
    with running("--demo", "30", home=home) as system:
        connection = await connect_url(system.database_url, name="story", patience_s=5)
        assert await connection.fetchval("select count(*) from lift where kind = 'lift' and not probe") == 30
        assert await connection.fetchval("select count(*) from lift where kind = 'escalator'") == 2
        assert await connection.fetchval("select bool_and(exercise and lon is not null) from lift where not probe")
        for _ in range(240):
            if await connection.fetchval("select count(*) from rescue_case where kind = 'entrapment'"):
                break
            await asyncio.sleep(0.5)
        cases = await connection.fetch("select lift_id, exercise from rescue_case where kind = 'entrapment'")
        last = await connection.fetchval("select max(batch_no) from ingest_batch")
        async with snapshot(connection) as store:
            rows = await store.of_batches(0, (1, last), ("lift_id", "car_status"))
        heard, moving = (
            set(rows["lift_id"][those].tolist()) for those in (rows["lift_id"] > 0, rows["car_status"] == 1)
        )
        quarantined = await connection.fetchval("select count(*) from quarantine")
        await connection.close()
        assert len(cases) >= 1
        assert all(case["exercise"] for case in cases)
        assert len(heard) == 32
        assert moving  # how many depends on the hour: at night a city rests
        assert quarantined == 0
        truth = [json.loads(line) for line in (system.home / "demo/truth.jsonl").read_text().splitlines()]
        assert any(line["fault"].startswith("entrapment") for line in truth), truth
    assert processes_of(home) == []


def test_an_own_folder_keeps_its_data_and_can_be_deleted(home: Path) -> None:
    """A second start finds what the first one stored; `state path` says where, `state reset` refuses while running, then deletes."""
    with running(home=home):
        assert command("state", "path", home=home).stdout.strip() == str(home)
        key = command("apikey", "create", "first", "--role", "auditor", home=home)
        assert key.returncode == 0, key.stderr
        assert key.stdout.startswith("hk_")
        refused = command("state", "reset", "--yes", home=home)
        assert refused.returncode == 1
        assert "already runs" in refused.stderr or "another run" in refused.stderr
    with running(home=home):
        again = command("apikey", "create", "first", "--role", "auditor", home=home)
        assert again.returncode != 0
    assert command("state", "reset", "--yes", home=home).returncode == 0
    assert not home.exists()


def test_two_runs_on_one_folder_are_refused_in_words(home: Path) -> None:
    """The second `hoistway up` on a folder names the first and what to do, without a traceback."""
    with running(home=home):
        second = command(
            "up", "--home", str(home), "--http-port", str(free_port()), "--mqtt-port", str(free_port()), home=home
        )
        assert second.returncode == 1
        assert "--home" in second.stderr
        assert "Traceback" not in second.stderr


@pytest.mark.parametrize("option", ["--http-port", "--mqtt-port"])
def test_a_port_in_use_is_said_in_words(home: Path, option: str) -> None:
    """The message names the port, what it was for, and the option."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"--http-port": free_port(), "--mqtt-port": free_port(), option: taken.getsockname()[1]}
        arguments = [word for name, port in ports.items() for word in (name, str(port))]
        ended = command("up", "--home", str(home), *arguments, home=home)
    assert ended.returncode == 1
    assert str(taken and ports[option]) in ended.stderr
    assert option in ended.stderr
    assert "Traceback" not in ended.stderr
    assert processes_of(home) == []


def test_a_folder_that_holds_something_else_is_left_alone(home: Path) -> None:
    """Neither `up` nor `reset` touches a folder that is not a state folder."""
    home.mkdir(mode=0o711)
    (home / "thesis.txt").write_text("four years")
    assert command("up", "--home", str(home), home=home).returncode == 1
    assert command("state", "reset", "--yes", home=home).returncode == 1
    assert (home / "thesis.txt").read_text() == "four years"


def test_a_killed_supervisor_takes_its_children_along_and_the_next_start_works(home: Path) -> None:
    """kill -9 of `hoistway up` leaves no process, and the same folder starts again."""
    with running(home=home) as system:
        os.kill(system.process.pid, signal.SIGKILL)
        system.process.wait()
        wait_for(lambda: processes_of(home) == [], limit_s=20, what="no process left")
    with running(home=home) as again:
        assert again.answers()


def test_the_doctor_finds_this_machine_fit(home: Path) -> None:
    """`hoistway doctor` lists what is found and missing, and ends well where the embedded parts can run."""
    ended = command("doctor", home=home)
    assert ended.returncode == 0, ended.stdout
    for word in ("Python", "postgres", "mosquitto", "nats"):
        assert word.lower() in ended.stdout.lower()


def test_the_register_by_command_and_a_terminal_s_credentials(home: Path) -> None:
    """The README's way: import a lift, get its terminal's credentials; a second import changes nothing."""
    with running(home=home) as system:
        register = home.parent / "hand.csv"
        register.write_text(
            "device,kind,rescue_code,name,floors,district\nhand-1,lift,900001,By hand,B1|1|2|3,西湖区\n"
        )
        first = command("lifts", "import", str(register), home=home)
        assert first.returncode == 0, first.stdout + first.stderr
        assert "hand-1" in first.stdout
        given = dict(
            line.split("=", 1) for line in command("devices", "credentials", "hand-1", home=home).stdout.split()
        )
        assert given["PORT"] == str(system.mqtt_port)
        assert given["PREFIX"].startswith("lift/v1/")
        assert command("lifts", "import", str(register), home=home).returncode == 0
        assert command("devices", "credentials", "nobody", home=home).returncode != 0


def test_health_of_a_running_system(home: Path) -> None:
    """The API says that it lives, and `/health/ready` comes once ingest has prepared the store."""
    with running(home=home) as system:
        assert isinstance(system, System)
        assert system.answers("/health/live")
        wait_for(lambda: system.answers("/health/ready"), limit_s=20, what="ready")
