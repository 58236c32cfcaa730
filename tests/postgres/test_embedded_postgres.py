"""The embedded PostgreSQL: starts anywhere, lets nobody in unasked, comes back from kill -9, and says plainly what stops it."""

# Files and child processes are handled in passing here; nothing else waits on this loop meanwhile.
# ruff: noqa: ASYNC220, ASYNC221, ASYNC240

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from hoistway.embedded import leftovers
from hoistway.embedded.postgres import EmbeddedPostgres
from hoistway.embedded.postgres_programs import find_programs
from hoistway.errors import CannotStart
from hoistway.store import connect_url
from tests.support.folders import temporary_home
from tests.support.postgres import value

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root hands its server to another user")
LIMIT_S = 30


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        yield path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made_home() -> AsyncIterator[Path]:
    """A state folder with a database that was made and stopped; tests copy it."""
    with temporary_home() as path:
        server = EmbeddedPostgres(path)
        await server.start()
        await server.stop()
        yield path


@pytest.fixture
def copied(made_home: Path, home: Path) -> Path:
    """A copy of the made folder, owners and all."""
    subprocess.run(["cp", "-a", str(made_home), str(home)], check=True)
    return home


@pytest_asyncio.fixture(loop_scope="session")
async def server(copied: Path) -> AsyncIterator[EmbeddedPostgres]:
    started = EmbeddedPostgres(copied)
    await started.start()
    yield started
    await started.stop()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Poll `condition`; fail with `what` when it does not come true."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    """No such process, or only its entry is left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_a_first_start_makes_a_database_that_keeps_its_promises(home: Path) -> None:
    """From nothing: UTF-8, checksums, fsync and synchronous commit, no superfluous rights on any file."""
    server = EmbeddedPostgres(home)
    url = await server.start()
    try:
        connection = await connect_url(url, name="test")
        asked = {
            name: await connection.fetchval(f"show {name}")
            for name in ("server_encoding", "data_checksums", "fsync", "synchronous_commit", "listen_addresses")
        }
        await connection.close()
        assert urlsplit(url).path == "/hoistway"
        assert asked == {
            "server_encoding": "UTF8",
            "data_checksums": "on",
            "fsync": "on",
            "synchronous_commit": "on",
            "listen_addresses": "127.0.0.1",
        }
        assert (home / "secrets" / "postgres").stat().st_mode & 0o777 == 0o600
        assert (home / "secrets").stat().st_mode & 0o777 == 0o700
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
    finally:
        await server.stop()
    assert not server.alive
    assert sorted(path.name for path in home.iterdir()) == ["logs", "postgres", "postgres.lock", "secrets"]


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_nobody_gets_in_without_the_password(server: EmbeddedPostgres, password: str | None) -> None:
    """A missing and a wrong password are refused, also from this machine."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await asyncpg.connect(
            host="127.0.0.1", port=server.port, user="hoistway", password=password, database="hoistway", ssl=False
        )
    assert caught.value.sqlstate == "28P01"


def test_it_listens_on_loopback_alone(server: EmbeddedPostgres) -> None:
    """Another address of this machine, here 127.0.0.2, is not answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5):
        pass
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", server.port), timeout=5):
        pass


@only_root
def test_root_hands_the_server_to_another_user(server: EmbeddedPostgres) -> None:
    """No process of the server runs as root."""
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


async def test_it_dies_with_its_parent(copied: Path) -> None:
    """A parent that is killed by SIGKILL leaves no server, and the next start needs no help."""
    code = (
        "import asyncio, sys, pathlib\n"
        "from hoistway.embedded.postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "    await server.start()\n"
        "    print(server.pid, flush=True)\n"
        "    await asyncio.sleep(300)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(copied), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), LIMIT_S))
    assert not gone(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: gone(pid), "the server outlived its parent")
    again = EmbeddedPostgres(copied)
    await again.start()
    await again.stop()


async def test_it_recovers_after_kill_9_with_every_committed_row(server: EmbeddedPostgres) -> None:
    """Rows committed before a kill -9 are there afterwards, under the same URL; an open transaction is not."""
    url = server.url
    connection = await connect_url(url, name="test")
    await connection.execute("create table kept (n integer primary key)")
    await connection.execute("insert into kept select generate_series(1, 1000)")
    await connection.execute("begin")
    await connection.execute("insert into kept values (2000)")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await server.wait() == -signal.SIGKILL
    connection.terminate()
    assert not server.alive
    assert await server.start() == url
    assert await value(url, "select count(*) from kept") == 1000
    assert await value(url, "select max(n) from kept") == 1000


async def test_restart_keeps_the_url(server: EmbeddedPostgres) -> None:
    """A restart on purpose gives the same URL and a new process."""
    url, pid = server.url, server.pid
    assert await server.restart() == url
    assert server.pid != pid
    assert await value(url, "select 1") == 1


@pytest.mark.parametrize("who", ["zombie", "stranger", "nobody"])
async def test_a_pid_file_that_lies_does_not_stop_it(copied: Path, who: str) -> None:
    """A pid file that names a zombie, a process that is no PostgreSQL, or nobody is not believed."""
    process = subprocess.Popen(["sleep", "0" if who == "zombie" else "300"])
    try:
        if who == "zombie":
            await until(lambda: gone(process.pid), "the child did not end")
        pid = process.pid if who != "nobody" else 4_194_303
        file = copied / "postgres" / "postmaster.pid"
        file.write_text(f"{pid}\n{copied / 'postgres'}\n1790000000\n5432\n\n127.0.0.1\n  1234567   8901\n")
        owner = (copied / "postgres").stat()
        os.chown(file, owner.st_uid, owner.st_gid)
        server = EmbeddedPostgres(copied)
        await server.start()
        await server.stop()
    finally:
        process.kill()
        process.wait()


async def test_a_port_in_use_is_named_with_its_owner(home: Path) -> None:
    """The message says which port, who has it and what to do; nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = EmbeddedPostgres(home, port=port)
        with pytest.raises(CannotStart, match=rf"port {port} .* in use by process {os.getpid()} .*choose another port"):
            await server.start()
        assert not server.alive


async def test_a_foreign_folder_is_left_untouched(home: Path) -> None:
    """A folder with files that are no database is refused and not changed."""
    data = home / "postgres"
    data.mkdir(parents=True)
    home.chmod(0o711)
    (data / "diary.txt").write_text("dear diary")
    with pytest.raises(CannotStart, match=r"diary\.txt.*left untouched"):
        await EmbeddedPostgres(home).start()
    assert [path.name for path in data.iterdir()] == ["diary.txt"]


@pytest.mark.parametrize(("number", "word"), [("17", "older"), ("19", "newer"), ("9.6", "older")])
async def test_another_major_version_is_named_before_anything_starts(copied: Path, number: str, word: str) -> None:
    """The message names both versions and the ways on; the files stay as they are."""
    (copied / "postgres" / "PG_VERSION").write_text(number + "\n")
    major = number.partition(".")[0]
    with pytest.raises(CannotStart, match=rf"made by an? {word} PostgreSQL \({major};.*HOISTWAY_PG_BIN"):
        await EmbeddedPostgres(copied).start()
    assert (copied / "postgres" / "PG_VERSION").read_text() == number + "\n"


async def test_two_runs_on_one_folder(server: EmbeddedPostgres, copied: Path) -> None:
    """The second run is told who has the folder, and the first goes on."""
    with pytest.raises(CannotStart, match=rf"another run \(process {os.getpid()}\) uses the database in .*--home"):
        await EmbeddedPostgres(copied).start()
    assert await value(server.url, "select 1") == 1


async def test_a_server_that_is_not_ours_on_the_folder(server: EmbeddedPostgres, copied: Path) -> None:
    """Where no lock tells, the processes in the data folder do; its pid file stays."""
    with pytest.raises(CannotStart, match=rf"a PostgreSQL \(process .*{server.pid}.*already runs on"):
        await leftovers.clear(copied / "postgres", patience_s=0.1)
    assert (copied / "postgres" / "postmaster.pid").exists()


async def test_a_missing_password_file(copied: Path) -> None:
    """A database whose password is lost is not silently made anew."""
    (copied / "secrets" / "postgres").unlink()
    with pytest.raises(CannotStart, match=r"password of the database .* is missing"):
        await EmbeddedPostgres(copied).start()


async def test_a_password_file_of_another_database(copied: Path) -> None:
    """A password that does not fit is named as that, not as a server that does not answer."""
    (copied / "secrets" / "postgres").write_text("another\n")
    server = EmbeddedPostgres(copied)
    with pytest.raises(CannotStart, match="has another password than"):
        await server.start()
    assert not server.alive


async def test_an_interrupted_first_start_is_done_again(home: Path) -> None:
    """Half a data folder from a killed initdb is not taken for a database."""
    half = home / "postgres.new" / "data"
    half.mkdir(parents=True)
    home.chmod(0o711)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(home)
    await server.start()
    await server.stop()
    assert not (home / "postgres.new").exists()


@only_root
async def test_a_data_folder_of_somebody_else(copied: Path) -> None:
    """A data folder that another user owns is refused with both users named."""
    server_uid = (copied / "postgres").stat().st_uid
    other = next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid not in (0, server_uid))
    os.chown(copied / "postgres", other, -1)
    with pytest.raises(CannotStart, match=rf"belongs to user number {other}, the server would run as {server_uid}"):
        await EmbeddedPostgres(copied).start()


@only_root
async def test_a_state_folder_behind_a_closed_door(home: Path) -> None:
    """Root is told which folder its server's user may not pass; the folder's rights stay."""
    home.parent.chmod(0o700)
    with pytest.raises(CannotStart, match=rf"may not pass {home.parent}"):
        await EmbeddedPostgres(home).start()
    assert home.parent.stat().st_mode & 0o777 == 0o700


@only_root
async def test_programs_behind_a_closed_door_are_copied(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the packages in a closed folder the server runs from a copy, libraries included; the folder stays closed."""
    programs = find_programs()
    if programs.package is None:
        pytest.skip("the PostgreSQL here is not from a package")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = programs.package
    shutil.copytree(package, closed / package.name, symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs", symlinks=True)
    monkeypatch.syspath_prepend(closed)
    assert find_programs().bin.is_relative_to(closed)
    server = EmbeddedPostgres(home)
    try:
        assert await value(await server.start(), "select 1") == 1
        assert Path(f"/proc/{server.pid}/exe").readlink().is_relative_to(home / "postgres-programs")
        assert await value(await server.restart(), "select 1") == 1
    finally:
        await server.stop()
    assert closed.stat().st_mode & 0o777 == 0o700


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    if not AS_ROOT:
        pytest.skip("only root mounts a small disk")
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", str(path)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


async def test_a_disk_too_small_for_the_database(home: Path) -> None:
    """A first start on a full disk says so in words and leaves no half of a database."""
    with small_disk(home.parent / "disk", 24) as disk:
        with pytest.raises(CannotStart, match=r"the disk that holds .* is full: free some space"):
            await EmbeddedPostgres(disk / "home").start()
        assert not (disk / "home" / "postgres").exists()
        assert not (disk / "home" / "postgres.new").exists()


async def test_a_disk_that_filled_up_meanwhile(made_home: Path, home: Path) -> None:
    """A later start on a full disk says so, although not even the log can be written; with space it starts."""
    with small_disk(home.parent / "disk", 120) as disk:
        subprocess.run(["cp", "-a", str(made_home), str(disk / "home")], check=True)
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            for _ in range(200 * 16):
                file.write(b"x" * 65_536)
        with pytest.raises(CannotStart, match=r"the disk that holds .* is full"):
            await EmbeddedPostgres(disk / "home").start()
        filler.unlink()
        server = EmbeddedPostgres(disk / "home")
        try:
            assert await value(await server.start(), "select 1") == 1
        finally:
            await server.stop()
