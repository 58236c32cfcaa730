"""The way in, at the rates a city has: broker, ingest, engine, PostgreSQL, dispatch and api as `hoistway up` runs them, all on this machine.

    python bench/ingest.py [--minutes M] [--only NAME ...]

Real MQTT at QoS 1 from one connection a device, each message at its own scheduled time whatever the platform does, the whole catalogue
active, commit before acknowledgement, synchronous_commit on. A latency is from a message's scheduled time to the time that PostgreSQL
itself noted for the commit of its row (track_commit_timestamp; the flush of the log, 0.3 to 1 ms, comes after it), over all rows of every
fifth second, in which also none may stand twice. The generator runs on the same two cores; its processor time is given beside that of the platform.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.common import report
from bench.load import Fleet, Sender
from hoistway.embedded.credentials import device_password
from hoistway.store import connect_url
from hoistway.up.state import State
from tests.support.system import System, running, wait_for

PARTS = ("broker", "ingest", "postgres", "dispatch", "api")
EVERY_S = 5
FILES = 65_536
"""Open files, where the machine allows so many: a connection a device, here and at the broker. Else the fleet is smaller, and said so."""
SPARE = 300
Line = tuple[str, str]
Schedule = Iterator[tuple[float, Callable[[int], tuple[Sender, bytes]]]]


@dataclass(frozen=True)
class Scenario:
    """`devices` terminals, or gateways of `lifts` each, that send `messages_s` messages a second of `samples` each."""

    name: str
    what: str
    devices: int
    messages_s: float
    lifts: int = 0
    samples: int = 1
    events_s: float = 0.0
    broker: str = "mosquitto"
    seconds: float | None = None


SCENARIOS = (
    Scenario("single", "10,000 messages/s of one sample, 20,000 devices", 20_000, 10_000),
    Scenario("alarms", "5,000 messages/s of one sample and 20 alarms/s, 20,000 devices", 20_000, 5_000, events_s=20, seconds=60),
    Scenario("moonshot", "20,000 messages/s of one sample, 20,000 devices", 20_000, 20_000, seconds=30),
    Scenario("arrays", "2,000 messages/s of 50 samples, 400 gateways of 50 lifts", 400, 2_000, lifts=50, samples=50, seconds=60),
    Scenario("idle", "200,000 lifts with a heartbeat a minute, 10,000 gateways of 20", 10_000, 10_000 / 60, lifts=20, samples=20, seconds=120),
    Scenario("nats", "embedded nats: 3,000 messages/s of one sample, 2,000 devices", 2_000, 3_000, broker="nats", seconds=60),
)  # fmt: skip


async def enrol(connection: Any, key: bytes, scenario: Scenario) -> list[Sender]:
    """The fleet in the register, and its senders."""
    count = scenario.devices * max(1, scenario.lifts)
    await connection.execute(
        "insert into lift (kind, name, rescue_code, exercise)"
        " select 'lift', 'L' || n, (100000 + n)::text, true from generate_series(0, $1::int - 1) n",
        count,
    )
    if scenario.lifts:
        await connection.execute(
            "insert into device (device, shard) select 'gw-' || n, n % 64 from generate_series(0, $1::int - 1) n",
            scenario.devices,
        )
        await connection.execute(
            "insert into gateway_lift select d.id, l.id from device d join lift l"
            " on (l.rescue_code::int - 100000) / $1::int = substr(d.device, 4)::int where d.device like 'gw-%'",
            scenario.lifts,
        )
    else:
        await connection.execute(
            "insert into device (device, shard, lift_id) select 'dev-' || n, n % 64, l.id"
            " from generate_series(0, $1::int - 1) n join lift l on l.rescue_code = (100000 + n)::text",
            scenario.devices,
        )
    boot = int(time.time()) % 2_000_000_000
    stem = "gw" if scenario.lifts else "dev"
    return [
        Sender(
            shard=number % 64,
            name=f"{stem}-{number}",
            password=device_password(key, f"{stem}-{number}"),
            boot=boot,
            lifts=[f"{100_000 + number * scenario.lifts + lift}" for lift in range(scenario.lifts)],
        )
        for number in range(scenario.devices)
    ]


def schedule(scenario: Scenario, senders: list[Sender], seconds: float) -> Schedule:
    """Every device in turn; alarm buttons among them, each pressed once and released ten seconds later."""

    def samples(sender: Sender, ts: int) -> tuple[Sender, bytes]:
        return sender, sender.samples(scenario.samples, ts)

    def button(sender: Sender, ts: int, *, active: bool) -> tuple[Sender, bytes]:
        return sender, sender.event(b"90", ts, active=active)

    events = 0
    for number in range(int(scenario.messages_s * seconds)):
        at = number / scenario.messages_s
        while scenario.events_s and events / scenario.events_s <= at:
            yield events / scenario.events_s, partial(button, senders[events % len(senders)], active=True)
            if (before := events - int(10 * scenario.events_s)) >= 0:
                yield at, partial(button, senders[before % len(senders)], active=False)
            events += 1
        yield at, partial(samples, senders[number % len(senders)])


class Watcher(threading.Thread):
    """Reads how long after its time each row was committed, window by window, while the load runs."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.samples: Counter[int] = Counter()
        self.alarms: Counter[int] = Counter()
        self.worst_window_ms = 0.0
        self.doubled = 0
        self._over = threading.Event()

    def run(self) -> None:
        asyncio.run(self._watch())

    def end(self) -> None:
        self._over.set()
        self.join()

    async def _watch(self) -> None:
        connection = await connect_url(self._url, name="bench-watch", patience_s=5, command_timeout_s=120)
        while not self._over.is_set():
            for _ in range(EVERY_S):
                await asyncio.sleep(1)
            newest = await connection.fetchval("select max(batch_no) from ingest_batch")
            first = await connection.fetchval(
                "select min(batch_no) from ingest_batch"
                " where batch_no > $1 - 400 and pg_xact_commit_timestamp(xmin) > clock_timestamp() - interval '1.2 s'",
                newest or 0,
            )
            window: Counter[int] = Counter()
            for table, into in (("sample", window), ("event", self.alarms)):
                rows = await connection.fetch(
                    "select floor(extract(epoch from pg_xact_commit_timestamp(b.xmin)) * 1000 - s.ts)::bigint as late, count(*)"
                    f" from {table} s join ingest_batch b using (partition, batch_no)"
                    " where s.batch_no between $1 and $2 and b.batch_no between $1 and $2 group by 1",
                    first or 0,
                    newest or 0,
                )
                into.update({row["late"]: row["count"] for row in rows})
            self.samples.update(window)
            self.doubled += await connection.fetchval(
                "select count(*) - count(distinct (device_id, boot, incarnation, seq)) from sample where batch_no between $1 and $2",
                first or 0,
                newest or 0,
            )
            if window:
                self.worst_window_ms = max(self.worst_window_ms, quantile(window, 0.99))
        await connection.close()


def quantile(counts: Counter[int], share: float) -> float:
    """The value below which this share lies."""
    left = share * counts.total()
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return float(value)
    return float("nan")


def spread(counts: Counter[int]) -> str:
    values = [quantile(counts, share) for share in (0.5, 0.99, 1.0)]
    return " / ".join(f"{value:.0f}" for value in values) + f" of {counts.total():,}"


def busy_s(system: System) -> dict[str, float]:
    """Processor seconds of each part with all its processes, so far."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for part in PARTS:
        total = 0
        for pid in system.family(part):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        found[part] = total / tick
    return found


async def settled(connection: Any, expected: int, limit_s: float) -> tuple[int, float]:
    """Samples in the store, and how long after the load they were all there."""
    begin, count = time.monotonic(), 0
    while time.monotonic() - begin < limit_s:
        count = await connection.fetchval("select coalesce(sum(samples), 0) from ingest_batch")
        if count >= expected:
            break
        await asyncio.sleep(0.2)
    return int(count), time.monotonic() - begin


async def note_commits(system: System) -> None:
    """Have PostgreSQL keep the times of commits: a setting that needs a restart, which the supervisor gives it."""
    connection = await connect_url(system.database_url, name="bench", patience_s=5, command_timeout_s=60)
    await connection.execute("alter system set track_commit_timestamp = on")
    await connection.close()
    system.kill("postgres")
    for _ in range(60):
        try:
            connection = await connect_url(system.database_url, name="bench", patience_s=60, command_timeout_s=60)
            if await connection.fetchval("show track_commit_timestamp") == "on":
                await connection.close()
                break
            await connection.close()
        except OSError:
            pass
        await asyncio.sleep(0.5)
    wait_for(lambda: system.answers("/health/live"), limit_s=60, what="the api after the restart of PostgreSQL")


async def measure(scenario: Scenario, seconds: float) -> list[Line]:
    with running("--broker", scenario.broker) as system:
        await note_commits(system)
        connection = await connect_url(system.database_url, name="bench", patience_s=30, command_timeout_s=300)
        senders = await enrol(connection, State(system.home).secret("device-key").encode(), scenario)
        await asyncio.sleep(10)  # the broker learns of them all
        fleet = Fleet(system.mqtt_port, senders)
        fleet.connect()
        await asyncio.sleep(3)
        warm = min(10.0, seconds / 3)
        if scenario.messages_s < 1_000:
            warm = 61.0  # everybody has spoken once
        fleet.run(schedule(scenario, senders, warm))
        watcher = Watcher(system.database_url)
        watcher.start()
        before, own, begin = busy_s(system), time.process_time(), time.monotonic()
        fleet.late_ms = 0.0
        took = await asyncio.to_thread(fleet.run, schedule(scenario, senders, seconds))
        load_s = time.monotonic() - begin
        after, own = busy_s(system), time.process_time() - own
        watcher.end()
        sent = sum(sender.seq for sender in senders)
        stored, behind = await settled(connection, sent, 120)
        left = sum(sender.sent - sender.confirmed for sender in senders)
        fleet.close()
        await connection.close()
    cores = {part: (after[part] - before[part]) / load_s for part in PARTS}
    lines = [
        (f"{scenario.what}, {seconds:.0f} s: scheduled to commit, p50 / p99 / worst ms", spread(watcher.samples)),
        ("... p99 of the worst window", f"{watcher.worst_window_ms:.0f} ms"),
        ("... samples sent / stored / stored twice, seconds behind at the end", f"{sent:,} / {stored:,} / {watcher.doubled}, {behind:.1f}"),
        (
            "... cores in use: " + ", ".join(PARTS) + ", together; generator",
            ", ".join(f"{cores[part]:.2f}" for part in PARTS) + f", {sum(cores.values()):.2f}; {own / load_s:.2f}",
        ),
        ("... the generator's worst delay, messages without PUBACK, time it took", f"{fleet.late_ms:.0f} ms, {left}, {took:.0f} s"),
    ]  # fmt: skip
    if scenario.events_s:
        lines.insert(
            1, ("... alarm events, scheduled to commit with their alarm, p50 / p99 / worst ms", spread(watcher.alarms))
        )
    return lines


async def main(only: list[str], minutes: float, *, keep: bool) -> None:
    files = min(FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # the broker inherits it
    most = files - SPARE
    path = Path(__file__).parent / "results" / "ingest.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for scenario_ in SCENARIOS:
        scenario = scenario_
        if only and scenario.name not in only:
            continue
        seconds = min(minutes * 60, scenario.seconds or minutes * 60)
        if scenario.devices > most:
            scenario = replace(scenario, devices=most, what=f"{scenario.what} ({most:,} here: open files)")
        known[scenario.name] = {
            "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "lines": await measure(scenario, seconds),
        }
        print(json.dumps(known[scenario.name], indent=1), flush=True)
    rows: list[Line] = []
    for scenario in SCENARIOS:
        if scenario.name in known:
            rows += [(f"**{scenario.name}**", known[scenario.name]["at"]), *map(tuple, known[scenario.name]["lines"])]
    if keep:
        path.write_text(json.dumps(known, indent=1) + "\n")
    report("ingest", "Ingest", (__doc__ or "").partition("[--only NAME ...]\n\n")[2].strip(), rows, keep=keep)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="of the longest scenario; others have their own length"
    )
    parser.add_argument("--only", nargs="*", default=[], choices=[item.name for item in SCENARIOS])
    parser.add_argument("--quick", action="store_true", help="a smoke run; writes no result")
    options = parser.parse_args()
    asyncio.run(main(options.only, 0.1 if options.quick else options.minutes, keep=not options.quick))
