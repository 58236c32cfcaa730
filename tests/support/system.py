"""The whole product as its user starts it: `hoistway up` as a process of its own, found and killed from outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hoistway.embedded.ports import free_port
from tests.support.folders import temporary_home

ROOT = Path(__file__).parents[2]
LOGIN = "Log in"  # the first words of a start that is through


def need_program(name: str) -> str:
    """The path of a program; skip without it, and fail where everything is installed (`CI=true`)."""
    found = shutil.which(name)
    if found is None:
        message = f"{name} is not on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def wait_for(condition: Callable[[], Any], *, limit_s: float, what: str) -> Any:
    """Poll until the condition answers something true; fail with `what` after the limit."""
    until = time.monotonic() + limit_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"not within {limit_s:.0f} s: {what}")
        time.sleep(0.02)


class System:
    """One running `hoistway up`."""

    def __init__(
        self, home: Path, said: Path, command: list[str], environment: Mapping[str, str], **ports: int
    ) -> None:
        self.home, self._said, self._command, self._environment = home, said, command, environment
        self.http_port, self.mqtt_port = ports["http_port"], ports["mqtt_port"]
        self.process = self._launch()

    def _launch(self) -> subprocess.Popen[str]:
        self._logins = self.said().count(LOGIN) if self._said.exists() else 0
        with self._said.open("a") as out:
            return subprocess.Popen(
                self._command, stdout=out, stderr=out, text=True, env=dict(self._environment), cwd="/"
            )

    def started(self, *, limit_s: float) -> bool:
        """Wait until it says how to log in (True), or has ended (False)."""
        wait_for(
            lambda: self.said().count(LOGIN) > self._logins or self.process.poll() is not None,
            limit_s=limit_s,
            what=f"hoistway up\n{self.said()}",
        )
        return self.process.poll() is None

    def launch_again(self, *, limit_s: float = 60) -> None:
        """After the supervisor's end: start it until it stays, as the machine's own supervisor would."""
        until = time.monotonic() + limit_s
        self.process.wait()
        while True:
            self.process = self._launch()
            if self.started(limit_s=limit_s):
                return
            assert time.monotonic() < until, self.said()[-4_000:]
            time.sleep(0.5)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def said(self) -> str:
        return self._said.read_text("utf-8", "replace")

    @property
    def login_link(self) -> str:
        """The one-time link that the command printed."""
        return next(word for word in self.said().split() if "/login/link?token=" in word)

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "running.json").read_text())
        return found

    @property
    def database_url(self) -> str:
        return str(self.facts()["database_url"])

    def children(self) -> dict[int, str]:
        """Process id and command line of every child of the supervisor."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                stat = (entry / "stat").read_text()
                if int(stat.rpartition(")")[2].split()[1]) == self.process.pid:
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):
                continue
        return found

    def pid_of(self, part: str) -> int:
        """The process of `ingest`, `dispatch`, `api`, `simulate`, `postgres` or `broker`."""
        words = {"broker": ("mosquitto", "nats-server"), "postgres": ("postgres",)}.get(part, (f"hoistway {part}",))

        def find() -> int | None:
            return next((pid for pid, line in self.children().items() if any(word in line for word in words)), None)

        return int(wait_for(find, limit_s=20, what=f"a process of {part}"))

    def family(self, part: str) -> list[int]:
        """The process of a part and all below it."""
        found, parents = [self.pid_of(part)], {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def kill(self, part: str) -> int:
        """kill -9; answers the process that was ended."""
        pid = self.pid_of(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    def answers(self, path: str = "/health/live") -> bool:
        """Whether the API answers with success."""
        try:
            with urllib.request.urlopen(f"{self.base_url}{path}", timeout=2):
                return True
        except OSError:
            return False

    def log(self, part: str) -> str:
        path = self.home / "logs" / f"{part}.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""


@contextmanager
def running(
    *arguments: str,
    mutant: str | None = None,
    links: Mapping[str, str] | None = None,
    seen: Callable[[System], None] = lambda _system: None,
    home: Path | None = None,
    limit_s: float = 90,
    settings: Mapping[str, str] | None = None,
) -> Iterator[System]:
    """`hoistway up` of this tree on free ports and in a fresh home, until the block ends; leaves no process behind.

    `links` leads ingest through ports of ours instead of straight to PostgreSQL and broker (`tests/support/links`);
    `seen` gets the system as soon as it is there, before it has started. `settings`: `HOISTWAY_...` by name.
    """
    with temporary_home() as fresh:
        place = home or fresh
        http_port, mqtt_port = free_port(), free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOISTWAY_")}
        environment |= settings or {}
        environment["PYTHONPATH"] = str(ROOT)
        broken = ROOT / "tests/support/mutants" / mutant if mutant is not None else None
        if links is not None:
            environment |= links | ({"CHAOS_MUTANT": str(broken / "sitecustomize.py")} if broken is not None else {})
            environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests/support/links"), str(ROOT)])
        elif broken is not None:
            environment["PYTHONPATH"] = os.pathsep.join([str(broken), str(ROOT)])
        ports = ["--http-port", str(http_port), "--mqtt-port", str(mqtt_port)]
        command = [sys.executable, "-m", "hoistway", "up", "--home", str(place), *ports, *arguments]
        said = fresh.parent / "said.txt"
        system = System(place, said, command, environment, http_port=http_port, mqtt_port=mqtt_port)
        try:
            seen(system)
            assert system.started(limit_s=limit_s), system.said()
            yield system
        finally:
            system.process.send_signal(signal.SIGINT)
            try:
                system.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                system.process.kill()
                system.process.wait()
