"""Device to commit and device to console, through the whole product as `hoistway up` runs it.

Open loop: messages leave on a fixed schedule whatever the platform does, and each latency counts from the scheduled time.
Publish-to-ack is an event's way to the device's own `ack`, which leaves after the commit: an upper bound of publish-to-commit.
Publish-to-console is the same event's way to a frame of the live stream.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.common import Publisher, percentiles, report
from hoistway.embedded.credentials import device_password
from hoistway.store import connect_url
from hoistway.up.state import State
from tests.support.system import System, running

GATEWAYS = 20
LIFTS = 50  # a gateway
QUIET = {
    "service_mode": 1, "car_status": 0, "car_direction": 0, "door_zone": True, "car_position": "1", "door_status": 2,
    "door_closed": True, "passenger": False, "speed": 0.0, "load": 0.0, "power": 1, "temperature": 24.5,
}  # fmt: skip


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def enrol(connection: Any, key: bytes) -> dict[str, tuple[int, str, list[str]]]:
    """Gateways with their shard, password and lifts' rescue codes."""
    found = {}
    for number in range(GATEWAYS):
        name, codes = f"gw-{number}", []
        device_id = await connection.fetchval(
            "insert into device (device, shard) values ($1, $2) returning id", name, number
        )
        for lift in range(LIFTS):
            code = f"{number * LIFTS + lift + 100_000:06}"
            lift_id = await connection.fetchval(
                "insert into lift (kind, name, rescue_code, exercise) values ('lift', $1, $1, true) returning id", code
            )
            await connection.execute("insert into gateway_lift values ($1, $2)", device_id, lift_id)
            codes.append(code)
        found[name] = (number, device_password(key, name), codes)
    return found


class Gateway:
    """One connection that speaks for fifty lifts."""

    def __init__(self, name: str, shard: int, codes: list[str], publisher: Publisher) -> None:
        self.prefix, self.codes, self.publisher = f"lift/v1/{shard}/{name}", codes, publisher
        self.boot, self.seq, self.events, self.turn = now_ms() // 1_000 % 2_000_000_000, 0, 0, 0
        self.pressed: dict[int, float] = {}

    def samples(self, count: int) -> None:
        rows = []
        for _ in range(count):
            self.seq += 1
            self.turn = (self.turn + 1) % len(self.codes)
            rows.append({"ts": now_ms(), "boot": self.boot, "seq": self.seq, "lift": self.codes[self.turn], **QUIET})
        self.publisher.publish(f"{self.prefix}/state", json.dumps(rows if count > 1 else rows[0]).encode())

    def event(self, code: str, lift: str, *, active: bool, at: float) -> None:
        self.events += 1
        self.pressed[self.events] = at
        row = {"ts": now_ms(), "boot": self.boot, "seq": self.events, "lift": lift, "code": code, "active": active}
        self.publisher.publish(f"{self.prefix}/event", json.dumps(row).encode())

    def ack_latencies(self) -> list[float]:
        """Scheduled time of each event to the first ack that names it, in ms."""
        found, upto = [], 0
        for topic, payload, at in self.publisher.received:
            ack = json.loads(payload)
            if topic.endswith("/ack") and ack["boot"] == self.boot:
                found += [(at - self.pressed[seq]) * 1_000 for seq in range(upto + 1, ack["event"] + 1)]
                upto = max(upto, ack["event"])
        return found


async def console(system: System, key: str, frames: list[tuple[float, Any]]) -> None:
    """A console without a browser: the live stream's frames with the time they came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", system.http_port)
    request = f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(request.encode())
    loop = asyncio.get_running_loop()
    with contextlib.suppress(asyncio.IncompleteReadError):
        while line := await reader.readline():
            if line.startswith(b"data:"):
                frames.append((loop.time(), json.loads(line[5:])))


async def load(gateways: list[Gateway], *, messages_s: int, samples: int, seconds: float) -> tuple[int, list[float]]:
    """Publish on schedule; answers samples sent, and latencies of events (ten a second) to their ack."""
    loop = asyncio.get_running_loop()
    start, sent, events = loop.time(), 0, 0
    for gateway in gateways:
        gateway.publisher.received.clear()
        gateway.pressed.clear()
        gateway.boot, gateway.seq, gateway.events = gateway.boot + 1, 0, 0
    while (elapsed := loop.time() - start) < seconds:
        while sent < elapsed * messages_s:
            gateways[sent % len(gateways)].samples(samples)
            sent += 1
        while events < elapsed * 10:
            gateway = gateways[events % len(gateways)]
            gateway.event("41", gateway.codes[0], active=events // len(gateways) % 2 == 0, at=start + events / 10)
            events += 1
        for gateway in gateways:
            await gateway.publisher.drain()
        await asyncio.sleep(0.002)
    return sent * samples, [value for gateway in gateways for value in gateway.ack_latencies()]


async def to_console(
    system: System, gateways: list[Gateway], key: str, *, messages_s: int, presses: int
) -> list[float]:
    """Alarm buttons one after the other while samples flow: scheduled time to the frame with the alarm, in ms."""
    frames: list[tuple[float, Any]] = []
    follower = asyncio.create_task(console(system, key, frames))
    await asyncio.sleep(1.0)
    loop = asyncio.get_running_loop()
    start, sent, pressed = loop.time(), 0, {}
    while len(pressed) < presses or loop.time() - start < presses / 10 + 2:
        elapsed = loop.time() - start
        while sent < elapsed * messages_s:
            gateways[sent % len(gateways)].samples(1)
            sent += 1
        if len(pressed) < min(presses, elapsed * 10):
            gateway = gateways[len(pressed) % len(gateways)]
            code = gateway.codes[1 + len(pressed) // len(gateways)]
            pressed[code] = start + len(pressed) / 10
            gateway.event("90", code, active=True, at=pressed[code])
        await asyncio.sleep(0.002)
    await asyncio.sleep(2.0)
    follower.cancel()
    seen: dict[str, float] = {}
    for at, frame in frames:
        for alarm in frame.get("alarms") or []:
            if alarm["rule_id"] == "alarm-button":
                seen.setdefault(alarm["lift"]["rescue_code"], at)
    missing = pressed.keys() - seen.keys()
    assert not missing, f"{len(missing)} alarms never reached the console"
    return [(seen[code] - at) * 1_000 for code, at in pressed.items()]


async def stored_after(connection: Any, expected: int, *, limit_s: float) -> tuple[int, float]:
    """Rows in the store, and how long after the load they were all there."""
    start, count = time.monotonic(), 0
    while time.monotonic() - start < limit_s:
        count = await connection.fetchval("select coalesce(sum(samples), 0) from ingest_batch")
        if count >= expected:
            break
        await asyncio.sleep(0.1)
    return int(count), time.monotonic() - start


async def main(broker: str | None, seconds: float) -> None:
    arguments = ["--broker", broker] if broker else []
    with running(*arguments) as system:
        connection = await connect_url(system.database_url, name="bench", patience_s=5, command_timeout_s=60)
        enrolled = await enrol(connection, State(system.home).secret("device-key").encode())
        key = await api_key(connection)
        await asyncio.sleep(3.0)  # the broker learns new devices every two seconds
        gateways = []
        for name, (shard, password, codes) in enrolled.items():
            publisher = Publisher(system.mqtt_port, name, password)
            await publisher.connect(f"lift/v1/{shard}/{name}/ack")
            gateways.append(Gateway(name, shard, codes, publisher))
        kind = "mosquitto" if "mosquitto" in system.children()[system.pid_of("broker")] else "nats"
        rows, total = [("broker", kind)], 0
        for messages_s, samples in ((200, 1), (1_000, 1), (2_000, 1), (3_000, 1), (400, 50)):
            sent, latencies = await load(gateways, messages_s=messages_s, samples=samples, seconds=seconds)
            total += sent
            count, behind = await stored_after(connection, total, limit_s=60)
            what = f"{messages_s} messages/s of {samples} sample{'s' * (samples > 1)} for {seconds:.0f} s: publish to device ack, p50 / p99 / worst ms"
            rows.append((what, percentiles(latencies)))
            rows.append(("... samples sent / stored, seconds behind at the end", f"{total} / {count}, {behind:.1f}"))
            total = count
        latencies = await to_console(system, gateways, key, messages_s=200, presses=200)
        rows.append(("200 messages/s: publish to console frame, p50 / p99 / worst ms", percentiles(latencies)))
        await connection.close()
    name = "end_to_end" if broker is None else f"end_to_end_{broker}"
    report(name, "End to end", __doc__.partition("\n\n")[2].strip(), rows)


async def api_key(connection: Any) -> str:
    from api.people import create_api_key
    from hoistway.model import Role

    key: str = await create_api_key(connection, "bench", Role.AUDITOR, None)
    return key


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=["mosquitto", "nats"])
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    asyncio.run(main(options.broker, options.seconds))
