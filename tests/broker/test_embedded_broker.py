"""The embedded brokers as children of ours: accounts that change live, no open door, plain words when they cannot start."""

# Files and child processes are handled in passing here; nothing else waits on this loop meanwhile.
# ruff: noqa: ASYNC240

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import stat
import sys
from pathlib import Path

import pytest

from hoistway.embedded import mosquitto, nats
from hoistway.embedded.broker import ExternalBroker, choose
from hoistway.embedded.ports import free_port
from hoistway.embedded.probe import probe
from hoistway.errors import BadInput, CannotStart
from hoistway.mqtt_url import MqttAddress
from tests.support.brokers import Client, embedded, need_kind, until

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root hands its broker to another user")
PASSWORDS = {name: f"password-of-{name}" for name in ("stays", "goes", "changes")}


def gone(pid: int) -> bool:
    """No such process, or only its entry is left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_devices_come_and_go_without_dropping_the_others(kind: str, home: Path) -> None:
    """A new device gets in at once, sessions of those that stay go on, one that was taken out is put out and kept out."""
    broker = embedded(kind, home)
    await broker.set_devices(PASSWORDS)
    await broker.start()

    def client(name: str, password: str) -> Client:
        return Client(MqttAddress(host="127.0.0.1", port=broker.port, user=name, password=password), client_id=name)

    try:
        ingest = Client(broker.address, client_id="test-ingest", clean=False)
        stays, goes = client("stays", PASSWORDS["stays"]), client("goes", PASSWORDS["goes"])
        for one in (ingest, stays, goes):
            await one.connect()
        await ingest.subscribe("lift/v1/+/+/state")
        newcomer = client("comes", "password-of-comes")
        await newcomer.try_connect()
        await until(lambda: bool(newcomer.refused), "an unknown device is let in")
        await newcomer.close()

        await broker.set_devices(
            {"stays": PASSWORDS["stays"], "comes": "password-of-comes", "changes": "another password"}
        )

        comes = client("comes", "password-of-comes")
        await comes.connect()
        await comes.publish("lift/v1/0/comes/state", b"comes")
        await stays.publish("lift/v1/0/stays/state", b"stays")
        await until(lambda: {b"comes", b"stays"} <= set(ingest.payloads), "not both arrive")
        assert (ingest.connects, stays.connects) == (1, 1)
        await until(lambda: bool(goes.refused), "a device that was taken out stays in")
        for password, let_in in ((PASSWORDS["changes"], False), ("another password", True)):
            changes = client("changes", password)
            await changes.try_connect()
            await until(lambda changes=changes: bool(changes.refused or changes.connects), "no answer")  # type: ignore[misc]
            assert bool(changes.connects) is let_in
            await changes.close()
        for one in (ingest, stays, goes, comes):
            await one.close()
    finally:
        await broker.stop()


async def test_accounts_are_the_same_after_a_restart(kind: str, home: Path) -> None:
    """Another run on the same folder has the same password for ingest; devices are those it is told."""
    first = embedded(kind, home)
    url = MqttAddress.parse(await first.start())
    await first.stop()
    second = embedded(kind, home)
    assert MqttAddress.parse(await second.start()).password == url.password
    await second.stop()


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ingest", "long enough"), ("#", "long enough"), ("+", "long enough"), ("a/b", "long enough"), ("", "long enough"),
        ("a.b", "long enough"), ("a>", "long enough"), ("x" * 65, "long enough"), ("lift", ""), ("lift", "short"),
        ("lift", "new\nline here"), ("lift", "x" * 201),
    ],
)  # fmt: skip
async def test_a_name_that_would_open_doors_is_no_device(kind: str, home: Path, name: str, password: str) -> None:
    """The platform's own name, wildcards and separators are refused, and so are passwords that no file can hold."""
    with pytest.raises(BadInput) as caught:
        await embedded(kind, home).set_devices({name: password})
    assert not password or password not in str(caught.value)


async def test_it_listens_on_loopback_alone_and_hides_its_files(kind: str, home: Path) -> None:
    """No other address of this machine answers, every file is its user's alone, and no process is root's."""
    broker = embedded(kind, home)
    await broker.set_devices(PASSWORDS)
    await broker.start()
    try:
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", broker.port), timeout=5):
            pass
        for path in (home / "broker" / kind).rglob("*"):
            assert path.is_dir() or not stat.S_IMODE(path.stat().st_mode) & 0o077, path
        assert stat.S_IMODE((home / "broker" / kind).stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "secrets" / "broker").stat().st_mode) == 0o600
        if AS_ROOT:
            assert Path(f"/proc/{broker.pid}").stat().st_uid != 0
    finally:
        await broker.stop()
    assert not broker.alive


async def test_it_dies_with_its_parent(kind: str, home: Path) -> None:
    """A parent that is killed by SIGKILL leaves no broker, and the next start on the folder works at once."""
    code = (
        "import asyncio, sys, pathlib\n"
        "from hoistway.embedded.broker import choose\n"
        "async def main():\n"
        "    broker = choose(pathlib.Path(sys.argv[1]), port=0, prefer=sys.argv[2])\n"
        "    await broker.start()\n"
        "    print(broker.pid, flush=True)\n"
        "    await asyncio.sleep(300)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(home), kind, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 30))
    assert not gone(pid)
    parent.kill()
    await parent.wait()
    again = embedded(kind, home)
    await again.start()
    assert gone(pid)
    await again.stop()


async def test_a_port_in_use_is_named_with_its_owner(kind: str, home: Path) -> None:
    """The message says which port, who has it and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        broker = embedded(kind, home, port=port)
        with pytest.raises(CannotStart, match=rf"port {port} .* in use by process {os.getpid()} .*--mqtt-port PORT"):
            await broker.start()
        assert not broker.alive


async def test_two_runs_on_one_folder(kind: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run is told who has the folder, and the first goes on."""
    first = embedded(kind, home)
    await first.start()
    try:
        second = embedded(kind, home)
        impatient = second._lock.take_soon
        monkeypatch.setattr(second._lock, "take_soon", lambda: impatient(patience_s=0.1))
        with pytest.raises(CannotStart, match=rf"another run \(process {os.getpid()}\) uses the broker"):
            await second.start()
        await asyncio.to_thread(probe, first.address, mqtt5=False)
    finally:
        await first.stop()


@only_root
async def test_a_folder_of_somebody_else(kind: str, home: Path) -> None:
    """A store that another user owns is refused with both users named."""
    broker = embedded(kind, home)
    await broker.start()
    await broker.stop()
    folder = home / "broker" / kind
    uid = folder.stat().st_uid
    other = next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid not in (0, uid))
    os.chown(folder, other, -1)
    with pytest.raises(CannotStart, match=rf"belongs to user number {other}, the broker would run as {uid}"):
        await broker.start()


@only_root
async def test_a_state_folder_behind_a_closed_door(kind: str, home: Path) -> None:
    """Root is told which folder its broker's user may not pass."""
    home.parent.chmod(0o700)
    with pytest.raises(CannotStart, match=rf"may not pass {home.parent}"):
        await embedded(kind, home).start()


@only_root
async def test_a_program_behind_a_closed_door_is_copied(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nats-server in a closed folder the broker runs from a copy; the folder stays closed."""
    need_kind("nats")
    found = nats.find_nats()
    assert found is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy(found[0], closed / "nats-server")
    monkeypatch.setattr(nats, "find_nats", lambda: (closed / "nats-server", True))
    broker = nats.EmbeddedNats(home)
    await broker.start()
    assert Path(f"/proc/{broker.pid}/exe").readlink().is_relative_to(home / "broker" / "programs")
    await broker.stop()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


async def test_a_damaged_mosquitto_store_is_named(home: Path) -> None:
    """A store that mosquitto cannot read is named with what is lost when it goes."""
    need_kind("mosquitto")
    broker = mosquitto.EmbeddedMosquitto(home)
    await broker.start()
    await broker.stop()
    store = home / "broker" / "mosquitto" / "sessions.db"
    store.write_bytes(b"this is no store" * 64)
    with pytest.raises(CannotStart, match=r"cannot read its store .*sessions\.db"):
        await broker.start()
    assert store.read_bytes().startswith(b"this is no store")


@pytest.mark.parametrize(("version", "words"), [("1.6.12", "2.x is needed"), ("3.0.0", "2.x is needed")])
async def test_a_mosquitto_of_another_major_version_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, version: str, words: str
) -> None:
    """1.x has no safe defaults and 3 no longer takes this configuration: both are refused in words."""
    program = home.parent / "mosquitto"
    program.write_text(f"#!/bin/sh\necho 'mosquitto version {version}'\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(mosquitto, "find_mosquitto", lambda: program)
    with pytest.raises(CannotStart, match=words):
        await mosquitto.EmbeddedMosquitto(home).start()


def test_the_choice_prefers_mosquitto_and_insists_when_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mosquitto when it is here, else nats; a kind that was asked for and is missing is an error with what to do."""
    from hoistway.embedded import broker

    here = Path("/somewhere")
    for has_mosquitto, has_nats, prefer, expected in (
        (True, True, None, "mosquitto"), (False, True, None, "nats"), (True, True, "nats", "nats"),
        (True, True, "mosquitto", "mosquitto"), (False, True, "mosquitto", None), (False, False, None, None),
        (True, False, "nats", None),
    ):  # fmt: skip
        monkeypatch.setattr(broker, "find_mosquitto", lambda found=has_mosquitto: here if found else None)
        monkeypatch.setattr(broker, "find_nats", lambda found=has_nats: (here, True) if found else None)
        if expected is None:
            with pytest.raises(CannotStart, match="install"):
                choose(home, prefer=prefer)
        else:
            assert choose(home, prefer=prefer).kind == expected
    with pytest.raises(BadInput):
        choose(home, prefer="amqtt")


async def test_an_external_broker_that_does_not_answer_or_refuses(kind: str, home: Path) -> None:
    """Both are told apart, name the address, and never repeat the password."""
    silent = ExternalBroker(f"mqtt://ingest:hidden-word@127.0.0.1:{free_port()}", patience_s=0.1)
    with pytest.raises(CannotStart, match=r"does not answer.*start it") as caught:
        await silent.start()
    assert "hidden-word" not in str(caught.value)
    server = embedded(kind, home)
    await server.start()
    try:
        wrong = ExternalBroker(f"mqtt://ingest:hidden-word@127.0.0.1:{server.port}", patience_s=5)
        with pytest.raises(CannotStart, match=r"refuses us.*HOISTWAY_MQTT_URL") as caught:
            await wrong.start()
        assert "hidden-word" not in str(caught.value)
        right = ExternalBroker(server.url)
        assert await right.start() == server.url
        with pytest.raises(BadInput, match="external broker"):
            await right.set_devices({})
        waiting = asyncio.create_task(right.wait())
        await right.stop()
        assert await waiting == 0
        assert not right.alive
    finally:
        await server.stop()
