"""What a killed PostgreSQL leaves behind: a pid file that names a dead process, and backends that take a moment to go.

A pid file is only removed when nobody works in the data folder any more: two servers on one folder would destroy it.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final

from hoistway.errors import CannotStart

PATIENCE_S: Final = 15.0


async def clear(data: Path, *, patience_s: float = PATIENCE_S) -> None:
    """Wait until no process works in `data`, then drop a pid file that would wrongly stop the next start.

    Raises `CannotStart` naming the process when somebody still works there after `patience_s`.
    """
    until = time.monotonic() + patience_s
    while busy := _busy(data):
        if time.monotonic() >= until:
            numbers = ", ".join(str(pid) for pid in sorted(busy))
            raise CannotStart(
                f"a PostgreSQL (process {numbers}) already runs on {data}:"
                " stop it, or choose another folder with --home DIR"
            )
        await asyncio.sleep(0.05)
    pid = _pid_in_file(data)
    if pid is not None and _exists(pid):  # a zombie, or the number went to somebody else: the server would refuse
        (data / "postmaster.pid").unlink(missing_ok=True)


def _busy(data: Path) -> set[int]:
    """Live processes that work in `data`: every PostgreSQL process stands in its data folder."""
    found = set()
    resolved = data.resolve()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == resolved and not _zombie(int(entry.name)):
                found.add(int(entry.name))
        except OSError:
            continue  # gone meanwhile, or another user's
    pid = _pid_in_file(data)
    if pid is not None and _exists(pid) and not _zombie(pid) and _is_postgres(pid):
        found.add(pid)
    return found


def _pid_in_file(data: Path) -> int | None:
    try:
        first = (data / "postmaster.pid").read_text("ascii", "replace").splitlines()[0]
    except (OSError, IndexError):
        return None
    return abs(int(first)) if first.lstrip("-").isdigit() else None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _is_postgres(pid: int) -> bool:
    """Whether the process may be a PostgreSQL; in doubt (no /proc here) it is."""
    if not Path("/proc/self").exists():
        return True
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").startswith("postgres")
    except OSError:
        return False
