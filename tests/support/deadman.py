"""Faults for the dead-man's switch to find: each part stopped, killed while nobody starts it again, behind a lock, deaf.

What the watcher says is heard where it says it to the outside: at a webhook of ours, and for its own silence at the API.
`python -m tests.support.deadman` does each fault alone with the real cadence and writes bench/results/deadman.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import asyncpg

from bench.common import report
from tests.support.system import System, running

MUTANT = "dead_thread"
TRIGGER = "kill-the-thread"
LIMIT_S = 180.0
SYSTEMS = 3
"""Side by side in a campaign: they mostly wait."""


class Ear:
    """A webhook that keeps what it is told, with the time."""

    def __init__(self) -> None:
        self.told: list[tuple[float, dict[str, Any]]] = []
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()
                ear.told.append((time.monotonic(), json.loads(body)))

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    @property
    def says_well(self) -> bool:
        return bool(self.told) and self.told[-1][1]["state"] == "well"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def watched(every_s: float) -> Iterator[tuple[System, Ear]]:
    """The whole product with a probe so often, once the watcher has said that alarms get through."""
    ear = Ear()
    settings = {"HOISTWAY_PROBE_EVERY_S": str(every_s), "HOISTWAY_WATCH_WEBHOOKS": ear.url}
    try:
        with running(mutant=MUTANT, settings=settings) as system:
            yield system, ear
    finally:
        ear.close()


def platform(system: System) -> str:
    """What the API says of the watcher: `well`, `alarm`, `silent`; empty when it does not answer."""
    try:
        with urllib.request.urlopen(f"{system.base_url}/health/ready", timeout=2) as answer:
            return str(json.load(answer)["platform"]["state"])
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that breaks, and the parts that must be named; `watch` is named by the API."""

    name: str
    parts: frozenset[str]
    begin: Callable[[System], AbstractAsyncContextManager[None]] = field(repr=False)


def stop(*parts: str) -> Fault:
    """SIGSTOP."""

    @asynccontextmanager
    async def begin(system: System) -> AsyncIterator[None]:
        pids = [pid for part in parts for pid in _pids(system, part)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    return Fault(name=f"SIGSTOP {', '.join(parts)}", parts=_named(parts), begin=begin)


def kill(*parts: str, named: tuple[str, ...] = ()) -> Fault:
    """kill -9 while the supervisor stands still, so that nobody starts them again."""

    @asynccontextmanager
    async def begin(system: System) -> AsyncIterator[None]:
        pids = [system.pid_of(part) for part in parts]
        os.kill(system.process.pid, signal.SIGSTOP)
        try:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            yield
        finally:
            os.kill(system.process.pid, signal.SIGCONT)

    return Fault(name=f"kill -9 {', '.join(parts)}, supervisor held", parts=_named(named or parts), begin=begin)


def lock(*tables: str, parts: tuple[str, ...]) -> Fault:
    """Somebody holds tables in a transaction that does not end."""

    @asynccontextmanager
    async def begin(system: System) -> AsyncIterator[None]:
        connection = await asyncpg.connect(system.database_url)
        try:
            async with connection.transaction():
                for table in tables:
                    await connection.execute(f"lock table {table} in access exclusive mode")
                yield
        finally:
            connection.terminate()

    return Fault(name=f"lock on {', '.join(tables)}", parts=frozenset(parts), begin=begin)


def dead_thread() -> Fault:
    """The network thread of ingest dies, again each time that it is started anew."""

    @asynccontextmanager
    async def begin(system: System) -> AsyncIterator[None]:
        (system.home / TRIGGER).touch()
        try:
            yield
        finally:
            (system.home / TRIGGER).unlink()

    return Fault(name="dead network thread of ingest", parts=frozenset({"ingest"}), begin=begin)


def _pids(system: System, part: str) -> list[int]:
    if part == "up":
        return [system.process.pid]
    return system.family(part) if part == "postgres" else [system.pid_of(part)]


def _named(parts: tuple[str, ...]) -> frozenset[str]:
    return frozenset("database" if part == "postgres" else part for part in parts)


async def find(system: System, ear: Ear, fault: Fault, *, limit_s: float) -> tuple[float, float]:
    """Break it, wait until every part of the fault is named, mend it, wait until all is well: the seconds of both."""
    begun, heard = time.monotonic(), len(ear.told)
    async with fault.begin(system):
        if fault.parts == {"watch"}:
            await _until(lambda: platform(system) == "silent", limit_s, fault.name)
            found_s = time.monotonic() - begun
        else:
            found_s = await _named_by(ear, heard, fault, limit_s) - begun
    mended = time.monotonic()
    await _until(lambda: ear.says_well and platform(system) == "well", limit_s, f"well again after {fault.name}")
    return found_s, time.monotonic() - mended


async def _named_by(ear: Ear, heard: int, fault: Fault, limit_s: float) -> float:
    """When the last of the fault's parts was named."""

    def named() -> set[str]:
        words = [word for _, word in ear.told[heard:] if word["state"] == "alarm"]
        return {item["stage"].partition("/")[0] for word in words for item in word["findings"]}

    await _until(lambda: fault.parts <= named(), limit_s, f"{fault.name} found; named were {named()}")
    return ear.told[-1][0]


async def _until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    until = time.monotonic() + limit_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < until, f"not within {limit_s:.0f} s: {what}"
        await asyncio.sleep(0.05)


ALONE = (
    *(
        stop(part)
        for part in ("ingest", "dispatch", "api", "backtests", "compactor", "broker", "postgres", "up", "watch")
    ),
    *(kill(part) for part in ("ingest", "dispatch", "api", "backtests", "compactor", "broker", "postgres", "watch")),
    lock("alarm", parts=("ingest", "dispatch")),
    lock("timer", parts=("dispatch",)),
    lock("change", parts=("ingest", "api")),
    lock("backtest_job", parts=("backtests",)),
    lock("heartbeat", parts=("database",)),
    dead_thread(),
)
"""Each part by itself."""


async def campaign(every_s: float) -> bool:
    """Every fault alone; writes the results and answers whether each was found in time."""
    times: dict[str, tuple[float, float]] = {}

    async def one_after_another(system: System, ear: Ear, faults: Sequence[Fault]) -> None:
        await _until(lambda: ear.says_well, LIMIT_S, "well at the start")
        for fault in faults:
            times[fault.name] = await find(system, ear, fault, limit_s=LIMIT_S + 60)
            sys.stdout.write(f"{fault.name}: {times[fault.name]}\n")
            sys.stdout.flush()

    with contextlib.ExitStack() as stack:
        systems = [stack.enter_context(watched(every_s)) for _ in range(SYSTEMS)]
        shares = (one_after_another(*system, ALONE[number::SYSTEMS]) for number, system in enumerate(systems))
        await asyncio.gather(*shares)
    worst_s = max(found_s for found_s, _ in times.values())
    rows = [
        (fault.name, "found after {:.0f} s, well {:.0f} s after its end".format(*times[fault.name])) for fault in ALONE
    ]
    report(
        "deadman",
        "Dead-man's switch",
        f"The whole product as `hoistway up` runs it, a probe every {every_s:.0f} s. Three such systems side by side, one fault after another in each; found: a webhook has heard"
        " its part by name (of the watcher itself: the API says that it is silent). It must be found within 180 s."
        " Again: `python -m tests.support.deadman`.",
        [*rows, ("slowest", f"{worst_s:.0f} s")],
    )
    return worst_s <= LIMIT_S


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(campaign(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)) else 1)
