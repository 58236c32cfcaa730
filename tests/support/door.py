"""A city's door under test: the deployed broker configuration, ingest as a process, and what an intruder can send.

Knows the wire and SQL; nothing of how ingest or the broker refuse.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hoistway.mqtt_url import MqttAddress
from hoistway.store import connect_url
from tests.support.brokers import Client
from tests.support.feed import event, sample
from tests.support.production import Production, production

SHARD = 3
LIMIT_S = 15.0
WITNESS = "witness"
VICTIM = "victim"
INTRUDERS = tuple(f"intruder-{number}" for number in range(26))
NAMED = (
    "replayed",
    "rewriter",
    "forger",
    "rebooted",
    "hider",
    "cloned",
    "twin",
    "held",
    "stolen",
    "untold",
    "scripted",
    "neighbour",
)
"""Devices of the tests, each used by one of them."""
PERSON = "王工"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def topic(device: str, leaf: str, *, shard: int = SHARD) -> str:
    return f"lift/v1/{shard}/{device}/{leaf}"


def said(*records: object) -> bytes:
    """A payload: one record, or an array of several."""
    return json.dumps(records[0] if len(records) == 1 else records).encode()


class Door:
    """Enrolled devices, a witness among them, and one question: what reached the store?"""

    def __init__(self, city: Production, database: Any, passwords: dict[str, str]) -> None:
        self.city, self.database, self.passwords = city, database, passwords
        self._witnessed = 0

    def address(self, user: str | None, password: str | None = None) -> MqttAddress:
        known = self.passwords.get(user or "") if password is None else password
        ca = str(self.city.secrets / "mqtt_ca")
        return MqttAddress(host="localhost", port=self.city.device_port, user=user, password=known, tls=True, ca=ca)

    @asynccontextmanager
    async def connected(self, device: str, **options: Any) -> AsyncIterator[Client]:
        """A device's own connection; one with a will is gone without a word afterwards."""
        options.setdefault("client_id", device)
        client = Client(self.address(device), **options)
        await client.connect()
        try:
            yield client
        finally:
            await (client.drop() if "will" in options else client.close())

    async def refused(self, user: str | None, password: str | None = None, **options: Any) -> list[str]:
        """What the broker answers to a connection that it does not want."""
        client = Client(self.address(user, password), client_id=options.pop("client_id", user or "x"), **options)
        await client.try_connect()
        await self.until(lambda: bool(client.refused or client.connects), "an answer to CONNECT")
        assert not client.connects
        await client.close()
        return client.refused

    async def until(self, condition: Any, what: str) -> None:
        """Poll something, plain or awaitable, until it is true."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            assert time.monotonic() < deadline, f"not within {LIMIT_S:.0f} s: {what}"
            await asyncio.sleep(0.02)

    # --- what is in the store ---

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.database.fetch(query, *values)]

    async def told(self, device: str) -> list[tuple[Any, ...]]:
        """All that the store has of a device and its lift: records, link, alarms, cases."""
        return await self.rows(
            """select 'sample', s.boot, s.seq::text from sample s join device d on d.id = s.device_id where d.device = $1
               union all select 'event', e.boot, e.seq || e.code || e.active
                   from event e join device d on d.id = e.device_id where d.device = $1
               union all select 'link', l.boot, l.online::text from link l join device d on d.id = l.device_id
                   where d.device = $1
               union all select 'alarm', a.id::int, a.rule_id || a.condition
                   from alarm a join device d on d.lift_id = a.lift_id where d.device = $1
               union all select 'case', c.id::int, c.state
                   from rescue_case c join device d on d.lift_id = c.lift_id where d.device = $1
               order by 1, 2, 3""",
            device,
        )

    async def quarantined(self, device: str) -> set[str]:
        return {row[0] for row in await self.rows("select reason from quarantine where device = $1", device)}

    async def security(self, device: str) -> set[str]:
        return {row[0] for row in await self.rows("select kind from security_event where device = $1", device)}

    async def witness(self) -> None:
        """An event and a sample of an honest device come through: what was sent before them has been dealt with."""
        self._witnessed += 1
        number = self._witnessed
        async with self.connected(WITNESS) as client:
            await client.publish(topic(WITNESS, "event"), said(event(number, now_ms(), "41")))
            await client.publish(topic(WITNESS, "state"), said(sample(number, now_ms())))

        async def stored() -> bool:
            found = await self.rows(
                "select (select count(*) from event e where e.device_id = d.id and e.seq = $2),"
                " (select count(*) from sample s where s.device_id = d.id and s.seq = $2) from device d where device = $1",
                WITNESS,
                number,
            )
            return found == [(1, 1)]

        await self.until(stored, f"the witness's records {number} in the store")

    # --- bytes that no client library sends ---

    def offers(self, version: str) -> bool:
        """Whether the devices' port speaks this version of TLS, as `openssl s_client` names it."""
        command = ["openssl", "s_client", "-connect", f"localhost:{self.city.device_port}", f"-{version}"]
        command += ["-CAfile", str(self.city.secrets / "mqtt_ca"), "-cipher", "ALL:@SECLEVEL=0"]
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=10)
        return done.returncode == 0

    def raw(self, *, trusted: bool = True) -> ssl.SSLSocket:
        """A TLS connection to the devices' port, before any MQTT."""
        context = ssl.create_default_context(cafile=str(self.city.secrets / "mqtt_ca") if trusted else None)
        plain = socket.create_connection(("localhost", self.city.device_port), timeout=5)
        try:
            return context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise

    def send_raw(self, *packets: bytes, patience_s: float = 5) -> bytes:
        """Send packets on a fresh connection and read until the broker closes it, or has said nothing for so long.

        The others follow when the first is answered: mosquitto leaves what came in the same TLS record until more comes.
        """
        answers = b""
        with self.raw() as connection:
            with contextlib.suppress(OSError):
                connection.sendall(packets[0])
            if len(packets) > 1:
                answers += connection.recv(4096)
                with contextlib.suppress(OSError):
                    connection.sendall(b"".join(packets[1:]))
            connection.settimeout(patience_s)
            with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
                while chunk := connection.recv(4096):
                    answers += chunk
        return answers

    def connect_packet(self, device: str) -> bytes:
        """CONNECT of MQTT 3.1.1 with the device's own name and password."""
        texts = (device, device, self.passwords[device])
        body = b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"".join(
            len(text).to_bytes(2, "big") + text.encode() for text in texts
        )
        return b"\x10" + _length(len(body)) + body


def publish_packet(where: str, payload: bytes, *, qos: int, number: int) -> bytes:
    """PUBLISH of MQTT 3.1.1."""
    body = len(where).to_bytes(2, "big") + where.encode() + number.to_bytes(2, "big") + payload
    return bytes([0x30 | qos << 1]) + _length(len(body)) + body


def _length(number: int) -> bytes:
    out = b""
    while True:
        number, digit = divmod(number, 128)
        out += bytes([digit | (0x80 if number else 0)])
        if not number:
            return out


@asynccontextmanager
async def open_door(database_url: str) -> AsyncIterator[Door]:
    """Broker and ingest running, with a lift for each device, all of shard 3, and a person who may give keys."""
    devices = (WITNESS, VICTIM, *INTRUDERS, *NAMED)
    with production(database_url) as city:
        database = await connect_url(database_url, name="door", patience_s=5)
        try:
            await database.execute("insert into person (name, role) values ($1, 'admin')", PERSON)
            for number, device in enumerate(devices):
                lift_id = await database.fetchval(
                    "insert into lift (kind, name, rescue_code) values ('lift', $1, $2) returning id",
                    device,
                    f"{100_000 + number}",
                )
                await database.execute(
                    "insert into device (device, shard, lift_id) values ($1, $2, $3)", device, SHARD, lift_id
                )
            passwords = city.enrol(*devices)
            city.processes["mosquitto"].send_signal(signal.SIGHUP)
            city.start("ingest")
            found = Door(city, database, passwords)
            await found.until(lambda: "listening" in city.log("ingest"), "ingest listens")
            await found.witness()
            yield found
        finally:
            await database.close()
