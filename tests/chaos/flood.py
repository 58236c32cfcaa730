"""Ten times the load that the machine carries, with alarms in the middle of it. Blocking; answers an `Outcome`.

Gateways send every lift's sample again and again; most say nothing new. Beside them terminals that keep books press buttons and
become entrapments. The flood's gateways keep to the contract but for their rate: they number, they heed no `slow_s`, and say in the end
what they no longer have.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from bench.common import Publisher, percentiles
from hoistway.embedded.credentials import device_password
from hoistway.store import connect_url
from hoistway.up.state import State
from tests.chaos.driver import Rig
from tests.chaos.outages import ALARM_MS, DRAIN_S, Outcome, account, judged, trap
from tests.chaos.run import traffic
from tests.support.feed import FREED
from tests.support.ledger import stored
from tests.support.system import wait_for

GATEWAYS = 40
LIFTS = 25  # a gateway
CHANGES = 0.02  # of samples, that say something new
FLOORS = ("1", "2", "3", "4", "5")


@dataclass
class Flooding:
    """What one gateway has sent and heard."""

    prefix: str
    codes: list[str]
    publisher: Publisher
    seq: int = 0
    floors: dict[str, str] = field(default_factory=dict)
    changes: list[int] = field(default_factory=list)  # numbers of samples that said something new

    def say(self, count: int, rng: random.Random) -> None:
        """The next samples, of one lift after the other, as one array."""
        now, records = time.time_ns() // 1_000_000, []
        for _ in range(count):
            self.seq += 1
            code = self.codes[self.seq % len(self.codes)]
            if code not in self.floors or rng.random() < CHANGES:
                self.floors[code] = rng.choice([floor for floor in FLOORS if floor != self.floors.get(code)])
                self.changes.append(self.seq)
            record = {"ts": now, "boot": 1, "seq": self.seq, "lift": code}
            records.append({**record, **FREED, "car_position": self.floors[code]})
        self.publisher.publish(f"{self.prefix}/state", json.dumps(records).encode())

    @property
    def acks(self) -> list[dict[str, Any]]:
        """What came on `ack`, in order."""
        return [json.loads(payload) for topic, payload, _ in self.publisher.received if topic.endswith("/ack")]


class Flood(threading.Thread):
    """The gateways in a thread and event loop of their own, on an open schedule: they wait for nobody but the socket."""

    def __init__(self, rig: Rig, *, samples_s: int, array: int) -> None:
        super().__init__(daemon=True)
        self._rig, self._samples_s, self._array = rig, samples_s, array
        self._ended, self._over = threading.Event(), threading.Event()
        self.gateways: list[Flooding] = []
        self.offered = 0

    def stop(self) -> None:
        """End the flood, not the connections."""
        self._ended.set()

    def close(self) -> None:
        """End the connections too, after a last word from the platform."""
        self._over.set()
        self.join()

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self.gateways = await _enrol(self._rig)
        loop, rng = asyncio.get_running_loop(), random.Random(7)
        start, sent = loop.time(), 0
        while not self._ended.is_set():
            due = int((loop.time() - start) * self._samples_s / self._array)
            for _ in range(min(due - sent, 200)):
                self.gateways[sent % len(self.gateways)].say(self._array, rng)
                sent += 1
            for gateway in self.gateways:
                await gateway.publisher.drain()
            await asyncio.sleep(0.002)
        self.offered = int((loop.time() - start) * self._samples_s)
        await self._listen()
        for gateway in self.gateways:
            gateway.publisher.close()

    async def _listen(self) -> None:
        """A link message now and then, which is acknowledged at once; two more when all is over."""
        left = 2
        while left:
            left -= self._over.is_set()
            for gateway in self.gateways:
                link = {"online": True, "boot": 1, "conn": time.time_ns() // 1_000_000}
                gateway.publisher.publish(f"{gateway.prefix}/link", json.dumps(link).encode())
            await asyncio.sleep(3.0)


async def _enrol(rig: Rig) -> list[Flooding]:
    key = State(rig.system.home).secret("device-key").encode()
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=5, command_timeout_s=60)
    found = []
    for number in range(GATEWAYS):
        name, codes = f"flood-{number}", [f"{number * LIFTS + lift + 200_000:06}" for lift in range(LIFTS)]
        device_id = await connection.fetchval("insert into device (device, shard) values ($1, 1) returning id", name)
        for code in codes:
            lift_id = await connection.fetchval(
                "insert into lift (kind, name, rescue_code, exercise) values ('lift', $1, $1, true) returning id", code
            )
            await connection.execute("insert into gateway_lift values ($1, $2)", device_id, lift_id)
        found.append((name, codes))
    await connection.close()
    await asyncio.sleep(3.0)  # the broker learns new devices every two seconds
    gateways = []
    for name, codes in found:
        publisher = Publisher(rig.system.mqtt_port, name, device_password(key, name))
        await publisher.connect(f"lift/v1/1/{name}/ack")
        gateways.append(Flooding(f"lift/v1/1/{name}", codes, publisher))
    return gateways


def flood(broker: str, *, seconds: float = 40, samples_s: int = 100_000, array: int = 10, lifts: int = 20) -> Outcome:
    """A flood of gateways beside terminals with buttons and entrapments."""
    with traffic(broker, lifts=lifts) as (rig, ledger):
        calm_since = time.monotonic()
        time.sleep(min(10.0, seconds / 4))
        calm = ledger.waits(calm_since)
        pouring = Flood(rig, samples_s=samples_s, array=array)
        pouring.start()
        wait_for(lambda: pouring.gateways, limit_s=60, what="the gateways are connected")
        began = time.monotonic()
        time.sleep(seconds / 2)
        trap(ledger)
        time.sleep(seconds / 2)
        pouring.stop()
        over = time.monotonic()
        asyncio.run(_no_overload(rig))
        drained_s = time.monotonic() - over
        pouring.close()
        found = account(rig, ledger, since=over, only="led-")
        in_it = ledger.waits(began, over)
        books = asyncio.run(_books(rig))
    figures, wrong = _told(pouring, books, seconds)
    worst = sorted(in_it)[int(len(in_it) * 0.99)] if in_it else float("inf")
    return judged(found, wrong=wrong, over_ms=(("alarms p99 ms", worst, ALARM_MS),), more=[
        ("before it: events to the ack, p50 / p99 / worst ms", percentiles(calm)),
        ("in it: events to the ack, p50 / p99 / worst ms", f"{percentiles(in_it)} (bound of p99 {ALARM_MS})"),
        ("from the end of the flood to the end of the overload", f"{drained_s:.0f} s"),
        *figures,
    ])  # fmt: skip


async def _no_overload(rig: Rig) -> None:
    """Wait until an overload has been, and none is any more."""
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=10, command_timeout_s=60)
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until:
        if await connection.fetchval("select count(*) > 0 and bool_and(ended_at is not null) from overload"):
            break
        await asyncio.sleep(1.0)
    await connection.close()


async def _books(rig: Rig) -> dict[str, Any]:
    """The store's side of the flood."""
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=10, command_timeout_s=300)
    rows = await connection.fetch(
        "select d.device, c.* from device_counter c join device d on d.id = c.device_id where c.leaf = 'state'"
        " and d.device like 'flood-%'"
    )
    keys = Counter(await stored(connection))
    numbers: dict[str, set[int]] = defaultdict(set)
    for device, _, stream, seq in keys:
        if stream == "state":
            numbers[device].add(seq)
    given_up: dict[str, set[int]] = defaultdict(set)
    for gap in await connection.fetch(
        "select d.device, first_seq, last_seq from gap g join device d on d.id = g.device_id"
    ):
        given_up[gap["device"]].update(range(gap["first_seq"], gap["last_seq"] + 1))
    doubled = sum(times > 1 for times in keys.values())
    overloads = await connection.fetch("select began_at, ended_at, coalesced from overload order by began_at")
    gaps = await connection.fetchval("select count(*) from gap")
    await connection.close()
    return {
        "counts": [dict(row) for row in rows],
        "numbers": numbers,
        "doubled": doubled,
        "overloads": overloads,
        "gaps": gaps,
        "given_up": given_up,
    }


def _told(pouring: Flood, books: dict[str, Any], seconds: float) -> tuple[list[tuple[str, str]], dict[str, object]]:
    """Figures and what is wrong with the flood's own records."""
    names = ("received", "stored", "duplicates", "quarantined", "cut", "coalesced")
    total = {name: sum(row[name] for row in books["counts"]) for name in names}
    wrong: dict[str, object] = {}
    if any(row["received"] != sum(row[name] for name in names[1:]) for row in books["counts"]):
        wrong["the books do not add up"] = total
    sent = sum(gateway.seq for gateway in pouring.gateways)
    slowed = 0
    for gateway in pouring.gateways:
        name = gateway.prefix.rpartition("/")[2]
        stored, acks = books["numbers"][name], gateway.acks
        upto = max((ack["state"] for ack in acks), default=0)
        slowed += any("slow_s" in ack for ack in acks)
        if missing := set(range(1, upto + 1)) - stored - books["given_up"][name]:
            wrong[f"acknowledged, not stored and not given up, {name}"] = len(missing)
        if lost := {seq for seq in gateway.changes if seq <= max(stored, default=0)} - stored:
            wrong[f"changes that were shed, {name}"] = len(lost)
    if books["doubled"]:
        wrong["stored twice"] = books["doubled"]
    if not slowed or not books["overloads"] or any(row["ended_at"] is None for row in books["overloads"]):
        wrong["overloads"] = [tuple(row) for row in books["overloads"]]
    figures = [
        ("offered for", f"{seconds:.0f} s: {pouring.offered / seconds:.0f} samples/s, of them published {sent / seconds:.0f}/s"),
        ("received = stored + duplicates + quarantined + cut + coalesced",
         f"{total['received']} = {' + '.join(str(total[name]) for name in names[1:])}"),
        ("overloads, and gateways that were asked to slow down", f"{len(books['overloads'])}, {slowed} of {len(pouring.gateways)}"),
        ("holes given up, each a gap on record", str(books["gaps"])),
    ]  # fmt: skip
    return figures, wrong
