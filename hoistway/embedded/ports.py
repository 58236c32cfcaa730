"""TCP ports on loopback: a free one, and who has the one that is taken. Knows nothing of what listens there."""

from __future__ import annotations

import contextlib
import errno
import socket
from pathlib import Path
from typing import Final

from hoistway.errors import CannotStart

LOOPBACK: Final = "127.0.0.1"
_LISTEN: Final = "0A"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could listen on `port` of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise CannotStart(f"port {port} needs root: choose one from 1024 up") from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True


def need_port(port: int, *, what: str, option: str | None = None) -> None:
    """Raise `CannotStart` naming who has `port` and what to do, unless it is free."""
    if not port_is_free(port):
        raise CannotStart(
            f"port {port} on {LOOPBACK}, meant for {what}, is in use by {listener(port)}:"
            f" stop that, or choose another port{f' with {option} PORT' if option else ''}"
        )


def listener(port: int) -> str:
    """Who listens on `port`, as far as this user may see: "process 12 (name)", or "another process"."""
    sockets = _listening_sockets(port)
    for entry in Path("/proc").glob("[0-9]*") if sockets else ():
        if _open_files(entry) & sockets:
            return f"process {entry.name} ({_name(entry)})"
    return "another process"


def _open_files(entry: Path) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):  # gone meanwhile, or not ours to look into
        for link in (entry / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(link.readlink()))
    return found


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{words[9]}]")
    return found


def _name(entry: Path) -> str:
    try:
        return (entry / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "gone"
