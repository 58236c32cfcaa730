"""The door with certificates: who is let in, who is not, and what becomes of a session whose certificate ends.

The deployed broker configuration by itself; what ingest refuses behind it is in test_door.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hoistway.mqtt_url import MqttAddress
from hoistway.registry import keys
from hoistway.registry.authority import Authority, Issued
from hoistway.store import connect_url
from tests.support.brokers import Client, until
from tests.support.door import PERSON, SHARD, topic
from tests.support.postgres import PostgresServer
from tests.support.production import DEPLOY, Production, production

LET_IN = b"\x20\x02\x00\x00"
NOW = datetime.now(UTC)


class Gate:
    """A broker that wants certificates, the authority that signs them, and a store of what it signed."""

    def __init__(self, city: Production, database: Any) -> None:
        self.city, self.database = city, database
        parts = (city.secrets / name for name in ("hoistway_device_ca", "hoistway_device_ca_key"))
        self.authority = Authority.load(*(part.read_text() for part in parts))

    async def enrolled(self, device: str) -> Path:
        """A lift with a device that has a certificate; answers its file, certificate and key."""
        lift = await self.database.fetchval("insert into lift (kind, name) values ('lift', $1) returning id", device)
        await self.database.execute(
            "insert into device (device, shard, lift_id) values ($1, $2, $3)", device, SHARD, lift
        )
        issued = self.authority.issue(device, datetime.now(UTC), days=30)
        key = keys.Key(serial=issued.serial, sha256=issued.sha256, expires_at=issued.expires_at)
        await keys.enrol(self.database, device, key=key, person=PERSON)
        return self.file(device, issued)

    def file(self, name: str, issued: Issued) -> Path:
        path = self.city.folder / f"{name}.pem"
        path.write_text(issued.certificate + (issued.key or ""))
        return path

    async def revoke(self, device: str, file: Path) -> None:
        """Revoke, and tell the broker as deploy/devices.sh does; its certificate no longer opens the door."""
        await keys.revoke(self.database, device, person=PERSON, reason="cabinet broken open")
        ended, number, this_update = await keys.ended_certificates(self.database)
        text = self.authority.revocation_list(ended, number=number, this_update=this_update)
        (self.city.secrets / "mqtt_device_crl").write_text(text)
        self.city.processes["mosquitto"].send_signal(signal.SIGHUP)
        await until(lambda: self.knock(file) == b"", "the broker has read the list")

    def knock(
        self, file: Path | None, *, name: str = "x", context: ssl.SSLContext | None = None, **options: Any
    ) -> bytes:
        """What the broker answers to CONNECT on a fresh connection; empty: it closed the connection."""
        if context is None:
            context = ssl.create_default_context(cafile=str(self.city.secrets / "mqtt_ca"))
            if file is not None:
                context.load_cert_chain(file)
        body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name.encode()
        with socket.create_connection(("localhost", self.city.device_port), timeout=5) as plain:
            try:
                with context.wrap_socket(plain, server_hostname="localhost", **options) as secured:
                    secured.sendall(b"\x10" + bytes([len(body)]) + body)
                    return secured.recv(4)
            except (ssl.SSLError, ConnectionError):
                return b""

    @contextlib.asynccontextmanager
    async def connected(self, file: Path | None, user: str, **options: Any) -> AsyncIterator[Client]:
        """A device's connection by certificate, or (no file) our own on the inner listener."""
        ca = str(self.city.secrets / "mqtt_ca")
        if file is None:
            password = (self.city.secrets / "mqtt_ingest_password").read_text()
            address = MqttAddress(
                host="localhost", port=self.city.inner_port, user=user, password=password, tls=True, ca=ca
            )
        else:
            address = MqttAddress(host="localhost", port=self.city.device_port, tls=True, ca=ca, cert=str(file))
        options.setdefault("client_id", user)
        client = Client(address, **options)
        await client.connect()
        try:
            yield client
        finally:
            await client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gate(postgres_server: PostgresServer) -> AsyncIterator[Gate]:
    url = await postgres_server.fresh_database("gate")
    with production(url, door="certificates") as city:
        database = await connect_url(url, name="gate", patience_s=5)
        await database.execute("insert into person (name, role) values ($1, 'admin')", PERSON)
        found = Gate(city, database)
        good = await found.enrolled("first")

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return found.knock(good) == LET_IN
            return False

        await until(answers, "the broker answers")
        try:
            yield found
        finally:
            await database.close()
    await postgres_server.drop_database(url)


# --- who is let in ---


async def test_a_device_with_its_certificate_speaks_and_hears(gate: Gate) -> None:
    """No name and no password: the certificate says who it is, and the rights are its own."""
    file = await gate.enrolled("good")
    async with gate.connected(None, "ingest") as ours, gate.connected(file, "good") as device:
        await ours.subscribe(topic("good", "event"))
        await device.subscribe(topic("good", "ack"))
        await device.publish(topic("good", "event"), b"up")
        await ours.publish(topic("good", "ack"), b"down")
        await until(lambda: [got.payload for got in (*ours.got, *device.got)] == [b"up", b"down"], "both arrive")


async def test_a_certificate_is_not_another_s(gate: Gate) -> None:
    """Whatever client id, topic or will a device sends: it acts as the name in its certificate, and the victim stays connected."""
    victim, thief = await gate.enrolled("victim"), await gate.enrolled("thief")
    will = (topic("victim", "event"), b"by will", False)
    async with gate.connected(None, "ingest") as ours, gate.connected(victim, "victim") as honest:
        await ours.subscribe("lift/v1/+/+/event")
        async with gate.connected(thief, "victim", will=will) as client:
            await client.publish(topic("victim", "event"), b"stolen")
            await client.publish(topic("thief", "event"), b"own")
            await client.drop()
        await honest.publish(topic("victim", "event"), b"true")
        await until(lambda: any(got.payload == b"true" for got in ours.got), "the victim's word")
        assert [got.payload for got in ours.got] == [b"own", b"true"]
        assert (honest.connected, honest.connects) == (True, 1)


def refusals(gate: Gate) -> Iterator[tuple[str, Path | None]]:
    """Certificates that are not good, by what is wrong with them."""
    foreign = Authority.found(NOW)
    yield "none", None
    yield "of a foreign authority of the same name", gate.file("foreign", foreign.issue("first", NOW, days=9))
    ended = gate.authority.issue("first", NOW - timedelta(days=9), days=8)
    yield "expired", gate.file("expired", ended)
    early = gate.authority.issue("first", NOW + timedelta(days=2), days=9)
    yield "not yet good", gate.file("early", early)
    own = gate.city.folder / "server.pem"
    own.write_text("".join((gate.city.secrets / f"mqtt_server_{part}").read_text() for part in ("cert", "key")))
    yield "the broker's own", own
    itself = gate.city.folder / "ca.pem"
    itself.write_text(foreign.certificate + foreign.key)
    yield "an authority's own", itself


async def test_who_is_not_let_in(gate: Gate) -> None:
    """No certificate, or one that is not in force and of our authority for devices: no MQTT at all. After a reload as before it."""
    for name in ("before", "after"):
        assert {what: gate.knock(file) for what, file in refusals(gate)} == dict.fromkeys(
            (what for what, _ in refusals(gate)), b""
        )
        assert gate.knock(gate.city.folder / "first.pem") == LET_IN
        await gate.revoke(f"reload-{name}", await gate.enrolled(f"reload-{name}"))


async def test_a_password_does_not_help(gate: Gate) -> None:
    """Ingest's own password opens nothing at the devices' door, and a certificate in the name of ours cannot be had."""
    password = (gate.city.secrets / "mqtt_ingest_password").read_text()
    address = MqttAddress(host="localhost", port=gate.city.device_port, user="ingest", password=password, tls=True,
                          ca=str(gate.city.secrets / "mqtt_ca"), cert=str(gate.city.folder / "first.pem"))  # fmt: skip
    client = Client(address, client_id="ingest")
    await client.connect()
    await client.subscribe("lift/v1/+/+/event")
    async with gate.connected(gate.city.folder / "first.pem", "first") as device:
        await device.publish(topic("first", "event"), b"not for you")
        await device.publish(topic("first", "event"), b"nor this")
    assert client.got == []
    await client.close()


async def test_old_encryption_is_refused(gate: Gate) -> None:
    """TLS 1.0 and 1.1 are not spoken, whatever the certificate."""
    spoken = {version: await asyncio.to_thread(offers, gate, version) for version in ("tls1", "tls1_1", "tls1_2")}
    assert spoken == {"tls1": False, "tls1_1": False, "tls1_2": True}


def offers(gate: Gate, version: str) -> bool:
    file = str(gate.city.folder / "first.pem")
    command = ["openssl", "s_client", "-connect", f"localhost:{gate.city.device_port}", f"-{version}", "-cert", file,
               "-CAfile", str(gate.city.secrets / "mqtt_ca"), "-key", file, "-cipher", "ALL:@SECLEVEL=0"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=10)
    return done.returncode == 0


# --- what ends ---


async def test_a_revoked_certificate_is_put_out_and_kept_out(gate: Gate) -> None:
    """Revoked, told, kicked: the live session ends, every further try is refused, another device's session goes on."""
    file, other, decoy = [await gate.enrolled(name) for name in ("stolen", "neighbour", "decoy")]
    async with gate.connected(file, "stolen") as thief, gate.connected(other, "neighbour") as neighbour:
        await keys.revoke(gate.database, "stolen", person=PERSON, reason="cabinet broken open")
        await gate.revoke("decoy", decoy)  # knocking with the thief's own would take his session over
        assert thief.connected  # the broker looks at the list when somebody connects
        await kick(gate, "stolen")
        await until(lambda: not thief.connected, "the thief is out")
        assert gate.knock(file) == b""
        assert (neighbour.connected, neighbour.connects, thief.connects) == (True, 1, 1)


async def kick(gate: Gate, device: str) -> None:
    address = (gate.city.secrets / "hoistway_mqtt_url").read_text()
    done = await asyncio.to_thread(gate.city.run, "devices", "kick", device, HOISTWAY_MQTT_URL=address)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_remembered_handshake_opens_nothing(gate: Gate, version: ssl.TLSVersion) -> None:
    """A TLS session kept from before the revocation does not spare the certificate's check."""
    name = f"remembered-{version.name}"
    file = await gate.enrolled(name)
    context = ssl.create_default_context(cafile=str(gate.city.secrets / "mqtt_ca"))
    context.load_cert_chain(file)
    context.minimum_version = context.maximum_version = version
    with remembered(gate, context) as session:
        await gate.revoke(name, file)
        assert gate.knock(None, context=context, session=session) == b""


@contextmanager
def remembered(gate: Gate, context: ssl.SSLContext) -> Iterator[ssl.SSLSession | None]:
    with (
        socket.create_connection(("localhost", gate.city.device_port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
        assert secured.recv(4) == LET_IN
        yield secured.session


async def test_acts_in_the_same_second_are_all_known(gate: Gate) -> None:
    """Lists that follow each other at once are each later than the one before: the broker forgets no revocation and no new one."""
    files = [await gate.enrolled(f"quick-{number}") for number in range(3)]
    for number, file in enumerate(files):
        await gate.revoke(f"quick-{number}", file)
        assert [gate.knock(other) == LET_IN for other in files] == [other > number for other in range(3)]


async def test_the_script_of_the_deployment(gate: Gate, tmp_path: Path) -> None:
    """deploy/devices.sh gives a certificate that opens the door; after rotation the old one is out of its session and refused."""
    await gate.database.execute("insert into lift (kind, name, rescue_code) values ('lift', 'scripted', '990002')")
    address = (gate.city.secrets / "hoistway_mqtt_url").read_text()
    compose = tmp_path / "compose"
    compose.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = kill ]; then exec kill -s HUP {gate.city.processes["mosquitto"].pid}; fi\n'
        'while [ "$1" != devices ]; do shift; done\n'
        f'HOISTWAY_MQTT_URL="{address}" exec {sys.executable} -m hoistway "$@"\n'
    )
    compose.chmod(0o755)
    environment = {**gate.city._environment(""), "COMPOSE": str(compose), "SECRETS": str(gate.city.secrets)}

    async def script(*words: str) -> str:
        command = [str(DEPLOY / "devices.sh"), *words]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    file, newer = gate.city.folder / "scripted.pem", gate.city.folder / "newer.pem"
    file.write_text(await script("enrol", "scripted", "--by", PERSON, "--lift", "990002", "--certificate"))
    async with gate.connected(file, "scripted") as device:
        newer.write_text(await script("rotate", "scripted", "--by", PERSON, "--certificate"))
        await until(lambda: not device.connected, "the old session ended")
    assert (gate.knock(file), gate.knock(newer)) == (b"", LET_IN)
    ending = [
        {row["device"] for row in await keys.certificates(gate.database, within=timedelta(days=days), limit=1_000)}
        for days in (31, 800)
    ]
    assert [("first" in found, "scripted" in found, "stolen" in found) for found in ending] == [
        (True, False, False),
        (True, True, False),
    ]
