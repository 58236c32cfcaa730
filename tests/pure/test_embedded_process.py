"""Children, folders, ports and locks below the embedded servers; password files of mosquitto; the doctor's findings."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from hoistway.embedded import mosquitto, postgres_programs
from hoistway.embedded.doctor import examine
from hoistway.embedded.ports import free_port, listener, need_port, port_is_free
from hoistway.embedded.process import (
    LOG_BYTES,
    Child,
    FolderLock,
    User,
    blocked_at,
    clean_environment,
    owned_file,
    plain_words,
    run,
    state_folder,
)
from hoistway.errors import CannotStart, OurFault


async def test_a_child_that_ignores_every_signal_is_killed(tmp_path: Path) -> None:
    """After the last polite signal and its limit comes SIGKILL."""
    child = Child(["/bin/sh", "-c", "trap '' INT TERM; echo ready; exec sleep 300"], log=tmp_path / "log")
    await child.start()
    deadline = time.monotonic() + 30
    while "ready" not in child.said():
        assert child.alive
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    await child.stop((signal.SIGINT, 0.05), (signal.SIGTERM, 0.05))
    assert not child.alive
    assert await child.wait() == -signal.SIGKILL
    await child.stop((signal.SIGINT, 0.05))


async def test_a_childs_words_are_those_of_its_last_start(tmp_path: Path) -> None:
    """The log is appended to, `said` begins at the last start, and a large log is set aside once."""
    log = tmp_path / "log"
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    for word in ("first", "second"):
        child = Child(["/bin/echo", word], log=log)
        await child.start()
        assert await child.wait() == 0
        assert child.said() == f"{word}\n"
    assert log.read_text() == "first\nsecond\n"
    assert (tmp_path / "log.1").stat().st_size == LOG_BYTES + 1
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


async def test_a_child_hears_nothing_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of ours and of PostgreSQL's clients do not reach a server."""
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", "postgresql://hidden")
    monkeypatch.setenv("PGDATA", "/elsewhere")
    assert not {"HOISTWAY_DATABASE_URL", "PGDATA"} & set(clean_environment())
    status, said = await run(["/usr/bin/env"])
    assert status == 0
    assert "postgresql://hidden" not in said


async def test_a_command_that_cannot_run_has_a_status_like_a_shells(tmp_path: Path) -> None:
    """127 for a missing program, 126 for one that may not be executed."""
    (tmp_path / "data").write_text("no program")
    assert (await run([tmp_path / "missing"]))[0] == 127
    assert (await run([tmp_path / "data"]))[0] == 126


async def test_a_child_is_started_once(tmp_path: Path) -> None:
    """A second start while the first runs is a broken invariant."""
    child = Child(["/bin/sleep", "300"], log=tmp_path / "log")
    await child.start()
    try:
        with pytest.raises(OurFault):
            await child.start()
    finally:
        await child.stop()


def test_a_lock_names_who_has_it_and_goes_with_its_owner(tmp_path: Path) -> None:
    """The second taker is told the process; after the release it gets the lock."""
    first, second = (FolderLock(tmp_path / "lock", what="the database") for _ in range(2))
    first.take()
    first.take()
    with pytest.raises(CannotStart, match=rf"another run \(process {os.getpid()}\) uses the database in {tmp_path}"):
        second.take()
    first.release()
    second.take()
    second.release()


async def test_a_lock_lasts_as_long_as_a_child_that_inherited_it(tmp_path: Path) -> None:
    """A run that is gone while its child is still on its way out keeps the folder closed."""
    first, second = (FolderLock(tmp_path / "lock", what="the broker") for _ in range(2))
    child = Child(["/bin/sleep", "300"], log=tmp_path / "log", inherited=(await first.take_soon(),))
    await child.start()
    first.release()
    with pytest.raises(CannotStart):
        await second.take_soon(patience_s=0.05)
    await child.stop()
    await second.take_soon(patience_s=5)
    second.release()


def test_files_are_private_from_their_first_byte(tmp_path: Path) -> None:
    """0600 whatever the umask, replaced at once, nothing left beside."""
    old = os.umask(0)
    try:
        owned_file(tmp_path / "secret", "one\n")
        owned_file(tmp_path / "secret", "two\n")
    finally:
        os.umask(old)
    assert (tmp_path / "secret").read_text() == "two\n"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_an_existing_state_folder_keeps_its_rights(tmp_path: Path) -> None:
    """A folder that somebody made is used as it is; what is ours inside is closed."""
    home = tmp_path / "home"
    home.mkdir(mode=0o750)
    state_folder(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o750
    assert stat.S_IMODE((home / "secrets").stat().st_mode) == 0o700


def test_the_first_closed_folder_on_the_way_is_found(tmp_path: Path) -> None:
    """Owner, group and others are told apart as the kernel does."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    facts = inside.stat()
    stranger = User(name="stranger", uid=facts.st_uid + 1, gid=facts.st_gid + 1)
    mate = User(name="mate", uid=facts.st_uid + 1, gid=facts.st_gid)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and len(path.parts) > 2:
            path.chmod(0o755)
    (tmp_path / "a").chmod(0o710)
    inside.chmod(0o755)
    assert blocked_at(inside, stranger) == tmp_path / "a"
    assert blocked_at(inside, mate) is None
    assert blocked_at(inside, None) is None


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "is full"), (errno.EACCES, "cannot be written"), (errno.EROFS, "cannot be written")],
)
def test_what_a_file_system_refuses_is_said_in_words(tmp_path: Path, number: int, words: str) -> None:
    """Full, closed and read-only disks become `CannotStart`; anything else stays what it is."""
    with pytest.raises(CannotStart, match=words), plain_words(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path))
    with pytest.raises(IsADirectoryError), plain_words(tmp_path):
        raise IsADirectoryError(errno.EISDIR, "is a directory")


def test_a_port_and_who_has_it() -> None:
    """A taken port is not free and names this process; a free one is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not port_is_free(port)
        assert listener(port).startswith(f"process {os.getpid()} (")
        with pytest.raises(CannotStart, match=rf"port {port} .*, meant for tests, .*--some-port PORT"):
            need_port(port, what="tests", option="--some-port")
    assert port_is_free(port)
    need_port(free_port(), what="tests")


def test_password_hashes_are_in_mosquittos_form() -> None:
    """PBKDF2-SHA512, 101 rounds, base64 of salt and key; a new salt each time. (That mosquitto takes them, the broker tests show.)"""
    made = mosquitto.password_hash("password", salt=bytes(range(12)))
    assert made == (
        "$7$101$AAECAwQFBgcICQoL$"
        "DEO14ViPofBJRJpN8uZINnuFUWj8eUeWhlyZ2QOQ+5LgiM0kGXMwv2HwhIvlBQTsHkd+uve2/GFOr/KZ8Y/8Hw=="
    )
    assert mosquitto.password_hash("a") != mosquitto.password_hash("a")


def test_missing_server_programs_are_said_with_every_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No wheel, nothing on PATH, no machine's own: the message names the extra, the variable and the external server."""
    monkeypatch.delenv("HOISTWAY_PG_BIN", raising=False)
    monkeypatch.setattr(postgres_programs, "_WHEELS", ())
    monkeypatch.setattr(postgres_programs, "_MACHINE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotStart, match=r"hoistway\[embedded\].*HOISTWAY_PG_BIN.*HOISTWAY_DATABASE_URL"):
        postgres_programs.find_programs()
    monkeypatch.setenv("HOISTWAY_PG_BIN", str(tmp_path))
    with pytest.raises(CannotStart, match="holds no `postgres` and `initdb`"):
        postgres_programs.find_programs()


def test_the_doctor_looks_at_everything_and_touches_nothing(tmp_path: Path) -> None:
    """Each need has a finding with its level, and the state folder is not made by looking."""
    home = tmp_path / "home"
    findings = examine(home)
    assert {"Python", "PostgreSQL", "broker", "Chromium", "port 8080", "port 1883", "state folder", "disk"} <= {
        finding.what for finding in findings
    }
    assert not home.exists()
    for finding in findings:
        assert str(finding).startswith(finding.level)
        assert finding.advice or not finding.blocking


def test_the_doctor_names_what_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign data folder and missing programs are problems with advice."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "diary.txt").write_text("dear diary")
    blocking = {finding.what: finding.advice for finding in examine(tmp_path) if finding.blocking}
    assert "diary.txt" in blocking["database folder"]
    monkeypatch.setenv("HOISTWAY_PG_BIN", str(tmp_path))
    assert "PostgreSQL" in {finding.what for finding in examine(tmp_path) if finding.blocking}
