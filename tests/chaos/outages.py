"""Outages of the whole product with terminals that keep books: database away, broker with an empty store, full and slow disks.

Each scene plays on a system of its own and answers an `Outcome`. Blocking. What was simulated, and how, each scene says.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.common import percentiles
from hoistway.samples import Log
from hoistway.samples.layout import to_ms
from hoistway.store import connect_url
from tests.chaos.driver import RECOVERY_S, Rig
from tests.chaos.run import traffic
from tests.chaos.taps import Moment
from tests.chaos.verdict import Verdict, account_for, cases_by_lift, every_entrapment_has_its_alarm
from tests.support.folders import temporary_home
from tests.support.ledger import Ledger, stored
from tests.support.system import running, wait_for

MEMORY_MIB = 1_024
"""What ingest may take: two queues of 256 MiB, a batch on its way and one in the making, the engine."""
ALARM_MS = 5_000
"""p99 of alarms from the event to the ack, in a flood and once an outage is over."""
DRAIN_S = 300.0


class CannotPlay(Exception):
    """The machine lacks what the scene needs; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a scene came to."""

    wrong: dict[str, object]  # by name; empty: as it should be
    figures: list[tuple[str, str]]

    def __str__(self) -> str:
        return "\n".join([*(f"{what}: {figure}" for what, figure in self.figures), f"wrong: {self.wrong or 'nothing'}"])


def account(rig: Rig, ledger: Ledger, *, since: float, only: str = "") -> Outcome:
    """Let everything drain, then compare books and store; `since` (monotonic): when the last trouble ended.

    `only`: devices whose names begin so.
    """
    asyncio.run(every_entrapment_has_its_alarm(rig, ledger))
    live = ledger.waits(since + RECOVERY_S if not ledger.waits(since) else since)
    drained = ledger.drain(limit_s=DRAIN_S)
    verdict, cases = asyncio.run(_verdict(rig, ledger, only))
    peak = peak_mib(rig.system.pid_of("ingest"))
    wrong: dict[str, object] = {
        name: value for name, value in vars(verdict).items() if name not in {"acked", "rows"} and value
    }
    if not drained:
        wrong["not drained"] = ledger.unacked
    if peak > MEMORY_MIB:
        wrong["memory MiB"] = peak
    figures = [
        ("records acknowledged / stored, none lost or doubled", f"{verdict.acked} / {verdict.rows}"),
        ("entrapments / cases", f"{sum(device.trapped for device in ledger.devices)} / {cases}"),
        ("events said after it was over: to the ack, p50 / p99 / worst ms", percentiles(live)),
        ("largest memory of ingest", f"{peak} MiB (bound {MEMORY_MIB})"),
    ]
    return Outcome(wrong=wrong, figures=figures)


async def _verdict(rig: Rig, ledger: Ledger, only: str) -> tuple[Verdict, int]:
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=10, command_timeout_s=120)
    rows = [key for key in await stored(connection) if key[0].startswith(only)]
    cases = await cases_by_lift(connection)
    await connection.close()
    trapped = {device.name for device in ledger.devices if device.trapped}
    verdict = account_for(
        sent=ledger.sent, acked=ledger.acked, forgotten=ledger.forgotten, rows=rows, trapped=trapped, cases=cases,
        hit=set(Moment),
    )  # fmt: skip
    return verdict, cases.total()


def peak_mib(pid: int) -> int:
    """The most memory that a process ever had in use."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1_024


def back(ledger: Ledger, *, limit_s: float = RECOVERY_S) -> float:
    """Wait until an event that is said now is acknowledged, for each of a few terminals; the seconds it took."""
    began = time.monotonic()
    for device in ledger.devices[:3]:
        boot, seq = device.last_event
        wait_for(
            lambda device=device, upto=(boot, seq + 1): device.acked_event >= upto,
            limit_s=limit_s,
            what=f"{device.name} has acks again",
        )
    return time.monotonic() - began


def trap(ledger: Ledger) -> None:
    """Half of the lifts become entrapments."""
    for device in ledger.devices[::2]:
        device.trapped = True


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Only processes of the system under test are named here."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


# --- scenes ---


def database_away(broker: str, *, seconds: float = 600, lifts: int = 40) -> Outcome:
    """All processes of PostgreSQL stand still (SIGSTOP), so that connections hang instead of failing; then they go on."""
    with traffic(broker, lifts=lifts) as (rig, ledger):
        frozen = rig.system.family("postgres")
        signal_all(frozen, signal.SIGSTOP)
        try:
            time.sleep(seconds / 2)
            trap(ledger)
            time.sleep(seconds / 2)
            kept = ledger.unacked
        finally:
            signal_all(frozen, signal.SIGCONT)
        over, wall = time.monotonic(), time.time()
        first_s = back(ledger)
        wait_for(lambda: ledger.unacked < kept / 10, limit_s=DRAIN_S, what="the backlog is acknowledged")
        drained_s = time.monotonic() - over
        found = account(rig, ledger, since=over)
        live = asyncio.run(_age_of_samples(rig, wall))
    return judged(found, over_ms=(("first ack s", first_s, RECOVERY_S),), more=[
        ("away", f"{seconds:.0f} s, {lifts} terminals, {kept} records kept by them when it was over"),
        ("until new events were acknowledged again", f"{first_s:.1f} s"),
        ("until nine tenths of the backlog were acknowledged", f"{drained_s:.1f} s"),
        ("samples stamped after it was over: stamp to commit, p50 / p99 / worst ms", live),
    ])  # fmt: skip


async def _age_of_samples(rig: Rig, since: float) -> str:
    """How old samples were when they were committed, of those stamped after `since` (wall clock)."""
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=10, command_timeout_s=120)
    committed = {
        row["batch_no"]: row["committed_at"].timestamp() * 1_000
        for row in await connection.fetch("select batch_no, committed_at from ingest_batch")
    }
    rows = await Log(connection, 0, after=0, columns=("at",)).upto(max(committed))
    await connection.close()
    ages = [
        committed[batch_no] - at
        for batch_no, at in zip(rows["batch_no"].tolist(), to_ms(rows["at"]).tolist(), strict=True)
        if at > since * 1_000
    ]
    return percentiles(ages)


def empty_broker(broker: str, *, rounds: int = 5) -> Outcome:
    """With records waiting in the broker it is ended with kill -9, its store is deleted, and it comes back empty."""
    waits, lost = [], 0
    with traffic(broker) as (rig, ledger):
        for number in range(rounds):
            frozen = rig.system.family("postgres")
            signal_all(frozen, signal.SIGSTOP)
            time.sleep(2.0)  # records gather in the broker meanwhile
            supervisor = rig.system.process.pid
            signal_all([supervisor], signal.SIGSTOP)
            if number == rounds // 2:
                trap(ledger)
            lost += ledger.unacked
            rig.system.kill("broker")
            shutil.rmtree(rig.system.home / "broker" / broker)
            signal_all([supervisor, *frozen], signal.SIGCONT)
            over = time.monotonic()
            waits.append(back(ledger))
        found = account(rig, ledger, since=over)
        said = rig.system.log("ingest").count("the broker forgot our session")
    wrong = {"the loss of the session was not noticed": said} if said < rounds else {}
    return judged(found, wrong=wrong, over_ms=(("longest s", max(waits), RECOVERY_S),), more=[
        ("restarts with an empty store", f"{rounds}, {lost} records un-acknowledged at them"),
        ("until new events were acknowledged again, longest", f"{max(waits):.1f} s"),
    ])  # fmt: skip


def disk_full_data(broker: str, *, seconds: float = 60) -> Outcome:
    """PostgreSQL's data on a tmpfs of its own, its log (WAL) elsewhere; a ballast file takes the last byte."""
    with small_disk(broker, "data") as (home, disk), traffic(broker, home=home) as (rig, ledger):
        before = rig.system.log("postgres").count("database system is ready")
        fill(disk)
        refused = "could not extend file"
        wait_for(
            lambda: refused in rig.system.log("postgres") or refused in rig.system.log("ingest"),
            limit_s=120,
            what="the disk refuses a row",
        )
        trap(ledger)
        time.sleep(seconds)
        unacked = ledger.unacked
        (disk / "ballast").unlink()
        over = time.monotonic()
        first_s = back(ledger)
        found = account(rig, ledger, since=over)
        starts = rig.system.log("postgres").count("database system is ready") - before
    return judged(found, over_ms=(("first ack s", first_s, RECOVERY_S),), more=[
        ("full for", f"{seconds:.0f} s, {unacked} records un-acknowledged when there was room again"),
        ("until new events were acknowledged again", f"{first_s:.1f} s"),
        ("starts of PostgreSQL meanwhile", str(starts)),
    ])  # fmt: skip


def disk_full_wal(broker: str, *, seconds: float = 60) -> Outcome:
    """PostgreSQL's log (WAL) on a tmpfs of its own, filled to the last byte: PostgreSQL ends and cannot start."""
    with small_disk(broker, "wal") as (home, disk), traffic(broker, home=home) as (rig, ledger):
        before = rig.system.log("postgres").count("database system is ready")
        fill(disk)
        asyncio.run(_next_segments(rig))
        wait_for(lambda: "PANIC" in rig.system.log("postgres"), limit_s=120, what="PostgreSQL gives up")
        trap(ledger)
        time.sleep(seconds)
        unacked = ledger.unacked
        down = "No space left on device" in rig.system.log("postgres")
        (disk / "ballast").unlink()
        over = time.monotonic()
        first_s = back(ledger)
        found = account(rig, ledger, since=over)
        starts = rig.system.log("postgres").count("database system is ready") - before
    wrong = {} if down and starts else {"it did not end for want of room": (down, starts)}
    return judged(found, wrong=wrong, over_ms=(("first ack s", first_s, RECOVERY_S),), more=[
        ("full for", f"{seconds:.0f} s, {unacked} records un-acknowledged when there was room again"),
        ("until new events were acknowledged again, the supervisor having started PostgreSQL", f"{first_s:.1f} s"),
    ])  # fmt: skip


async def _next_segments(rig: Rig) -> None:
    """Ask for new files of the log until one cannot be made."""
    with contextlib.suppress(Exception):
        connection = await connect_url(rig.system.database_url, name="chaos", patience_s=5)
        for _ in range(200):
            await connection.execute("select pg_logical_emit_message(false, 'chaos', repeat('x', 8000))")
            await connection.execute("select pg_switch_wal()")


@contextmanager
def small_disk(broker: str, what: str, *, mib: int = 400) -> Iterator[tuple[Path, Path]]:
    """A state folder whose database was made, and a tmpfs on which its data or its log lies now."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        raise CannotPlay("mounting a small tmpfs needs root")
    with temporary_home() as home, temporary_home("disk") as disk:
        with running("--broker", broker, home=home):
            pass
        disk.mkdir()
        disk.parent.chmod(0o711)
        size = mib if what == "data" else mib // 2
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", disk], check=False).returncode:
            raise CannotPlay("mounting a small tmpfs is not allowed here")
        try:
            data = home / "postgres"
            for part in ("pg_wal",) if what == "wal" else ("base",):
                shutil.copytree(data / part, disk / part)
                owner = data.stat()
                for path in (disk, *disk.rglob("*")):
                    os.chown(path, owner.st_uid, owner.st_gid)
                (disk / part).chmod(0o700)
                shutil.rmtree(data / part)
                (data / part).symlink_to(disk / part)
            yield home, disk
        finally:
            subprocess.run(["umount", "-l", disk], check=False)


def fill(disk: Path) -> None:
    """Take all the room there is."""
    with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(b"\0" * 65_536) == 65_536:
            pass


def slow_disk(broker: str, *, seconds: float = 60, delay_s: float = 1.0) -> Outcome:
    """Every fdatasync and fsync of PostgreSQL takes longer (strace delays the calls of the live processes).

    An event waits for the commit on its way and for its own; each may have to wait for the flush of another process first.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise CannotPlay("strace is not on this machine")
    with traffic(broker) as (rig, ledger):
        targets = [word for pid in rig.system.family("postgres") for word in ("-p", str(pid))]
        inject = f"inject=fdatasync,fsync:delay_enter={int(delay_s * 1_000_000)}"
        command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject, *targets]
        tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2.0)
        began = time.monotonic()
        try:
            if tracer.poll() is not None:
                raise CannotPlay("strace may not attach to processes here")
            trap(ledger)
            time.sleep(seconds)
        finally:
            tracer.terminate()
            tracer.wait()
        over = time.monotonic()
        slow = ledger.waits(began, over - 3 * delay_s)
        back(ledger)
        found = account(rig, ledger, since=over)
    half, most = (float(np.percentile(slow, part)) if slow else float("inf") for part in (50, 99))
    usual, longest = (2 * delay_s + 1) * 1_000, (4 * delay_s + 1) * 1_000
    return judged(found, over_ms=(("p50 ms", half, usual), ("p99 ms", most, longest)), more=[
        ("each fsync of PostgreSQL took longer by", f"{delay_s:.1f} s, for {seconds:.0f} s"),
        ("events in it: to the ack, p50 / p99 / worst ms", f"{percentiles(slow)} (bounds {usual:.0f} / {longest:.0f})"),
    ])  # fmt: skip


def judged(
    found: Outcome,
    *,
    more: list[tuple[str, str]],
    over_ms: Sequence[tuple[str, float, float]] = (),
    wrong: dict[str, object] | None = None,
) -> Outcome:
    """An account with what the scene itself measured and its bounds."""
    beyond = {name: value for name, value, bound in over_ms if value > bound}
    return Outcome(wrong={**found.wrong, **beyond, **(wrong or {})}, figures=[*more, *found.figures])
