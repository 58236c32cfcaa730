"""Our own PostgreSQL: made once in the state folder, then a supervised child on loopback with a password.

Holds the life of one server: prepare, start, stop, restart. Where its programs come from is `postgres_programs`, what a
killed one leaves is `leftovers`; schemas and queries are the store's.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import asyncpg

from hoistway.embedded import leftovers
from hoistway.embedded.ports import LOOPBACK, free_port, need_port
from hoistway.embedded.postgres_programs import Programs, find_programs, major_version, reachable_for
from hoistway.embedded.process import (
    Child,
    FolderLock,
    User,
    blocked_at,
    disk_full,
    disk_is_full,
    owned_file,
    owned_folder,
    plain_words,
    run,
    state_folder,
    unprivileged,
)
from hoistway.errors import CannotStart, OurFault, ServiceUnavailable
from hoistway.store.database import connect_url

DATABASE: Final = "hoistway"
ROLE: Final = "hoistway"
START_S: Final = 120.0
"""Crash recovery of a large log takes its time; beyond this the start has failed."""
_TRIES: Final = 5
_STOP: Final = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))  # fast shutdown, then immediate
_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "100",
    "jit": "off",
}


class EmbeddedPostgres:
    """One PostgreSQL server under `home`. `port` 0 takes a free one and keeps it until this object is gone."""

    def __init__(self, home: Path, *, port: int = 0) -> None:
        self._home = home.absolute()
        self._data = self._home / "postgres"
        self._wanted, self._port = port, port
        self._lock = FolderLock(self._home / "postgres.lock", what="the database")
        self._programs: Programs | None = None
        self._user: User | None = None
        self._password = ""
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """`postgresql://...` with the password: not for logs."""
        return self._url(DATABASE)

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    async def start(self) -> str:
        """Make the data folder if there is none, start the server, answer its URL once it takes connections."""
        if self.alive:
            return self.url
        state_folder(self._home)
        try:
            self._lock.take()
            await self._prepare()
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """Fast shutdown; safe when the server is gone already. The folder is free for another run afterwards."""
        if self._child is not None:
            await self._child.stop(*_STOP)
        self._lock.release()

    async def restart(self) -> str:
        """Stop the server if it runs, and start it on the same port: the URL stays."""
        await self.stop()
        return await self.start()

    async def wait(self) -> int:
        """Wait until the server process ends; its exit status."""
        if self._child is None:
            raise OurFault("wait before start")
        return await self._child.wait()

    # --- before the server starts ---

    async def _prepare(self) -> None:
        self._user = unprivileged("postgres")
        if blocker := blocked_at(self._home, self._user):
            raise CannotStart(
                f"PostgreSQL does not run as root, and user {self._user.name if self._user else ''} may not pass {blocker}:"
                f" choose a state folder it can reach with --home DIR, run as an ordinary user, or `chmod o+x {blocker}`"
            )
        programs = find_programs()
        major = await major_version(programs)
        made = version_of(self._data)
        if made is not None:
            check_version(self._data, made=made, programs=major)
            self._check_owner()
        self._programs = await reachable_for(self._user, programs, copies=self._home / "postgres-programs")
        self._password = self._read_password(made=made is not None)
        if made is None:
            if self._port:
                need_port(self._port, what="the database")  # before the work of a first start
            await self._initialise(self._programs)
        await leftovers.clear(self._data)

    def _check_owner(self) -> None:
        owner = self._data.stat().st_uid
        uid = self._user.uid if self._user is not None else None
        with plain_words(self._data):
            list(self._data.iterdir())
        if uid is not None and owner != uid:
            raise CannotStart(
                f"{self._data} belongs to user number {owner}, the server would run as {uid}:"
                " run hoistway as that user, or choose another folder with --home DIR"
            )

    def _read_password(self, *, made: bool) -> str:
        path = self._home / "secrets" / "postgres"
        with plain_words(path):
            if path.exists():
                return path.read_text("utf-8").strip()
        if made:
            raise CannotStart(
                f"the password of the database in {self._data} is missing ({path}):"
                " restore that file, or start afresh with `hoistway state reset`"
            )
        password = secrets.token_urlsafe(24)
        owned_file(path, password + "\n")
        return password

    async def _initialise(self, programs: Programs) -> None:
        """`initdb` beside the final place, then one rename: an interrupted one leaves nothing that looks finished."""
        beside = self._home / "postgres.new"
        with plain_words(beside):
            shutil.rmtree(beside, ignore_errors=True)
        try:
            owned_folder(beside, self._user)
            owned_file(beside / "password", self._password + "\n", self._user)
            with plain_words(self._data):
                status, said = await run(
                    [programs.bin / "initdb", "-D", beside / "data", "-U", ROLE, "-A", "scram-sha-256", "-E", "UTF8",
                     "--locale=C", f"--pwfile={beside / 'password'}", "--data-checksums"],
                    user=self._user,
                    limit_s=START_S,
                )  # fmt: skip
                if status != 0:
                    raise CannotStart(self._why(said) or f"initdb failed ({status}): {_last_line(said)}")
                if self._data.exists():
                    self._data.rmdir()  # empty, as checked before
                (beside / "data").rename(self._data)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    # --- the server ---

    async def _launch(self) -> None:
        """Start the process and wait for its answer; a free port that was taken meanwhile is tried anew."""
        said = ""
        for attempt in range(1, _TRIES + 1):
            if self._port == 0:
                self._port = free_port()
            else:
                need_port(self._port, what="the database")
            self._child = self._make_child()
            await self._child.start()
            ended = await self._answers(self._child)
            if ended is None:
                return
            said = ended
            if attempt < _TRIES and _leftover(said):
                await asyncio.sleep(1.0)
                await leftovers.clear(self._data)
            elif attempt < _TRIES and self._wanted == 0 and "Address already in use" in said:
                self._port = 0
            else:
                break
        raise CannotStart(self._why(said) or f"PostgreSQL does not start: {_last_line(said)} (all of it: {self._log})")

    @property
    def _log(self) -> Path:
        return self._home / "logs" / "postgres.log"

    def _make_child(self) -> Child:
        if self._programs is None:
            raise OurFault("launch before prepare")
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        return Child(
            [self._programs.bin / "postgres", "-D", self._data, "-p", str(self._port), *settings],
            log=self._log,
            user=self._user,
            death_signal=signal.SIGINT,
        )

    async def _answers(self, child: Child) -> str | None:
        """None once the server takes connections and the database is there; what it said when it ended instead."""
        until = time.monotonic() + START_S
        while child.alive:
            try:
                connection = await connect_url(self._url("postgres"), name="hoistway-start")
            except ServiceUnavailable as error:
                if isinstance(error.__cause__, asyncpg.InvalidPasswordError):
                    raise CannotStart(
                        f"the database in {self._data} has another password than {self._home / 'secrets' / 'postgres'}:"
                        " restore the file that belongs to it"
                    ) from error
                if time.monotonic() >= until:
                    raise CannotStart(
                        f"PostgreSQL takes no connections after {START_S:.0f} s: see {self._log}"
                    ) from error
                await asyncio.sleep(0.03)
                continue
            try:
                if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
                    await connection.execute(f"create database {DATABASE}")
            except asyncpg.DiskFullError as error:
                raise CannotStart(disk_full(self._data)) from error
            finally:
                with contextlib.suppress(OSError, asyncpg.PostgresError):
                    await connection.close(timeout=5)
            return None
        return child.said()

    def _why(self, said: str) -> str | None:
        """Plain words for what a server or initdb said before it ended."""
        if "No space left on device" in said or "Disk quota exceeded" in said or disk_is_full(self._home):
            return disk_full(self._data)
        if "Address already in use" in said:
            return f"port {self._port} on {LOOPBACK} is in use: stop what has it, or choose another port"
        if _leftover(said):
            return f"another PostgreSQL already runs on {self._data}: stop it, or choose another folder with --home DIR"
        if "could not map anonymous shared memory" in said or "Cannot allocate memory" in said:
            return "there is not enough free memory for PostgreSQL (it asks for about 300 MB): stop something else"
        return None

    def _url(self, database: str) -> str:
        # sslmode: or asyncpg looks for keys in a home that a service may not read
        return f"postgresql://{ROLE}:{self._password}@{LOOPBACK}:{self._port}/{database}?sslmode=disable"


def version_of(data: Path) -> int | None:
    """The major version that made the data folder; None when it is to be made. Raises `CannotStart` for a foreign one."""
    with plain_words(data):
        if not data.exists():
            return None
        if not data.is_dir():
            raise CannotStart(f"{data} is not a folder: move it away, or choose another folder with --home DIR")
        names = {entry.name for entry in data.iterdir()}
        if not names:
            return None
        if not {"PG_VERSION", "global", "base"} <= names:
            raise CannotStart(
                f"{data} holds files that are not a PostgreSQL database ({', '.join(sorted(names)[:3])}):"
                " it is left untouched; move it away, or choose another folder with --home DIR"
            )
        word = (data / "PG_VERSION").read_text("ascii", "replace").strip()
    if not word.partition(".")[0].isdigit():
        raise CannotStart(f"{data / 'PG_VERSION'} is damaged: restore the folder from a backup")
    return int(word.partition(".")[0])


def check_version(data: Path, *, made: int, programs: int) -> None:
    if made == programs:
        return
    way = "an older" if made < programs else "a newer"
    raise CannotStart(
        f"the database in {data} was made by {way} PostgreSQL ({made}; the programs found here are {programs})."
        f" Its files cannot be used as they are: set HOISTWAY_PG_BIN to the bin folder of a PostgreSQL {made} to go on"
        f" with it, or dump it with that one and load it into a new folder, or start afresh with `hoistway state reset`"
    )


def _leftover(said: str) -> bool:
    return "pre-existing shared memory block" in said or 'lock file "postmaster.pid" already exists' in said


def _last_line(said: str) -> str:
    """The line that tells most: the last one that names an error, else the last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return (telling or lines or ["it said nothing"])[-1]
