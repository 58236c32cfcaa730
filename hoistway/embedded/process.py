"""A child process of ours: dies with its parent, writes to a log file, is stopped by signal and, at the limit, by SIGKILL.

Knows processes, users and files; knows nothing of PostgreSQL, MQTT or what the child is for. POSIX; the promise to die with
the parent holds on Linux only (`prctl`), elsewhere a killed parent leaves its children to be found at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import pwd
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hoistway.errors import CannotStart, OurFault

_PR_SET_PDEATHSIG: Final = 1
FULL_BYTES: Final = 256 * 1024
LOG_BYTES: Final = 8 * 1024 * 1024
"""A log file larger than this at start is set aside as `.1`; the one before it is dropped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody to run a child as."""

    name: str
    uid: int
    gid: int


def unprivileged(*names: str) -> User | None:
    """The first user of `names`, else `nobody`, for root to run a child as; None when we are not root and stay ourselves."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return User(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise CannotStart("root runs no server here, and there is no user `nobody`: run hoistway as an ordinary user")


def owned_folder(path: Path, user: User | None, *, mode: int = 0o700) -> None:
    """Make `path` (not its parents) if it is missing, as `user`'s own folder."""
    with plain_words(path):
        try:
            path.mkdir(mode=mode)
        except FileExistsError:
            return
        path.chmod(mode)
        if user is not None:
            os.chown(path, user.uid, user.gid)


def owned_file(path: Path, text: str, user: User | None = None) -> None:
    """Write `text` to `path` at once (rename), readable by `user` (else by us) alone."""
    with plain_words(path):
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        if user is not None:
            os.chown(beside, user.uid, user.gid)
        beside.replace(path)


def state_folder(home: Path) -> None:
    """Make the state folder with `secrets/` and `logs/`. Root's is passable (0711), so that a dropped child reaches its own."""
    with plain_words(home):
        if not home.exists():
            home.mkdir(parents=True, mode=0o711)
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    for name in ("secrets", "logs"):
        owned_folder(home / name, None)


def blocked_at(path: Path, user: User | None) -> Path | None:
    """The first folder on the way to `path`, itself included, that `user` may not enter; None when the way is free."""
    if user is None:
        return None
    path = path.absolute()
    for folder in (*reversed(path.parents), path):
        facts = folder.stat()
        bit = 0o100 if facts.st_uid == user.uid else 0o010 if facts.st_gid == user.gid else 0o001
        if not facts.st_mode & bit:
            return folder
    return None


@contextlib.contextmanager
def plain_words(path: Path) -> Iterator[None]:
    """Turn what a file system refuses under `path` into `CannotStart` with what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CannotStart(disk_full(path)) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise CannotStart(
                f"{error.filename or path} cannot be written ({error.strerror}):"
                " give this user the folder or choose another with --home DIR"
            ) from error
        raise


def disk_full(path: Path) -> str:
    """What to say when there is no space under `path`."""
    return (
        f"the disk that holds {path} is full: free some space (500 MB to begin with) or choose another with --home DIR"
    )


def disk_is_full(path: Path) -> bool:
    """Whether next to nothing can be written under `path`: a full disk also swallows the log that would say so."""
    return shutil.disk_usage(path).free < FULL_BYTES


class FolderLock:
    """One run at a time on one folder. The lock is the kernel's: it goes with the process, however that ends."""

    def __init__(self, path: Path, *, what: str) -> None:
        self._path, self._what = path, what
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock, or raise `CannotStart` that names the process that has it."""
        if self._descriptor is not None:
            return
        with plain_words(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise CannotStart(
                f"another run (process {owner}) uses {self._what} in {self._path.parent}:"
                " stop it, or choose another folder with --home DIR"
            ) from error
        self._descriptor = descriptor
        with plain_words(self._path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    async def take_soon(self, *, patience_s: float = 5.0) -> int:
        """Take the lock, waiting while the last run's child is still on its way out; answers the descriptor."""
        until = time.monotonic() + patience_s
        while True:
            try:
                self.take()
            except CannotStart:
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(0.05)
                continue
            if self._descriptor is None:
                raise OurFault("a lock that was taken has no descriptor")
            return self._descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Child:
    """One child process and its log file. `start` belongs on the main thread: the kernel watches the thread that forked."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        user: User | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
        environment: Mapping[str, str] | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        self._command = [str(word) for word in command]
        self._log, self._user, self._death_signal = log, user, death_signal
        self._inherited = tuple(inherited)  # descriptors, for a lock that lasts as long as the child
        self._environment = dict(environment) if environment is not None else clean_environment()
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    async def start(self) -> None:
        """Start the child in a session of its own, with its output appended to the log."""
        if threading.current_thread() is not threading.main_thread():
            raise OurFault("children start on the main thread, or they die when their thread ends")
        if self.alive:
            raise OurFault(f"{self._command[0]} runs already")
        with plain_words(self._log):
            if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
                self._log.replace(self._log.with_name(self._log.name + ".1"))
            descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._log_start = os.fstat(descriptor).st_size
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                cwd="/",
                env=self._environment,
                umask=0o077,
                pass_fds=self._inherited,
                start_new_session=True,  # Ctrl-C at the terminal is the parent's business, in its own order
                preexec_fn=_dies_with(os.getpid(), self._death_signal),
                **drop(self._user),
            )
        finally:
            os.close(descriptor)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the child's end; its exit status (negative: the signal that ended it)."""
        if self._process is None:
            raise OurFault("wait before start")
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a child that is gone takes none."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each step's signal and wait its seconds; SIGKILL after the last. Safe when the child is gone."""
        for number, limit_s in steps:
            if not self.alive:
                return
            self.send(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), limit_s)
        if self.alive:
            self.send(signal.SIGKILL)
            await self.wait()

    def mark(self) -> int:
        """The end of the log as it is now, for `said(since=...)`."""
        with contextlib.suppress(FileNotFoundError):
            return self._log.stat().st_size
        return 0

    def said(self, *, since: int | None = None, most: int = 64 * 1024) -> str:
        """What the child wrote to its log since its last start, or since a mark (the end of it)."""
        start = self._log_start if since is None else since
        try:
            with self._log.open("rb") as file:
                file.seek(max(start, self._log.stat().st_size - most))
                return file.read(most).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


def drop(user: User | None) -> dict[str, Any]:
    """Arguments of `subprocess` that run a child as `user`."""
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


def clean_environment() -> dict[str, str]:
    """Our environment without what would steer a server (`PG...`) or tell it our secrets (`HOISTWAY_...`)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "HOISTWAY_"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _dies_with(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: the child does as little as it can

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # the parent died in between
            os._exit(1)

    return before_exec


async def run(command: Sequence[str | Path], *, user: User | None = None, limit_s: float = 60.0) -> tuple[int, str]:
    """Run a command to its end: (exit status, what it said). 126 when it may not be executed, 127 when it is missing."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(str(word) for word in command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            env=clean_environment(),
            umask=0o077,
            start_new_session=True,
            preexec_fn=_dies_with(os.getpid(), signal.SIGKILL),
            **drop(user),
        )
    except PermissionError as error:
        return 126, str(error)
    except FileNotFoundError as error:
        return 127, str(error)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), limit_s)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return process.returncode or 0, said.decode("utf-8", "replace")
