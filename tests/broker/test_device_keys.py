"""Keys of devices, from the command to the broker and to ingest: given once, replaced, taken away while they are in use."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hoistway.errors import BadInput
from hoistway.registry import keys
from tests.support.door import PERSON, Door, now_ms, said, topic
from tests.support.feed import event
from tests.support.production import DEPLOY


async def devices(door: Door, *words: str, code: int = 0) -> str:
    """`hoistway devices ...`; answers what it said."""
    done = await asyncio.to_thread(door.city.run, "devices", *words)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + done.stderr


async def given(door: Door, verb: str, device: str, *words: str) -> dict[str, str]:
    """A key as it is shown, once the broker knows it."""
    shown = await devices(door, verb, device, "--by", PERSON, *words)
    await asyncio.to_thread(door.city.tell_broker)
    return dict(line.split("=", 1) for line in shown.splitlines())


async def lets_in(door: Door, device: str, password: str) -> None:
    """The broker has read the new password."""
    door.passwords[device] = password
    async with door.connected(device) as client:
        assert client.connects == 1


async def acts(door: Door, device: str) -> list[tuple[str, str, str]]:
    return [
        (act, person, reason)
        for act, person, reason in await door.rows(
            "select act, person, reason from device_act a join device d on d.id = a.device_id where d.device = $1"
            " order by a.id",
            device,
        )
    ]


async def test_a_new_device_gets_its_key_once(door: Door) -> None:
    """A device of a lift is enrolled, shown its key, and let in; nothing but the broker's hash is kept, with who did it."""
    await door.database.execute("insert into lift (kind, name, rescue_code) values ('lift', 'new', '990001')")
    shown = await given(door, "enrol", "fresh", "--lift", "990001")
    await lets_in(door, "fresh", shown["PASSWORD"])
    assert shown["PREFIX"].endswith("/fresh")
    (kept,) = await door.rows(
        "select k::text from device_key k join device d on d.id = device_id where device = 'fresh'"
    )
    assert "$7$101$" in kept[0]
    files = [(door.city.secrets / "mqtt_passwords").read_text(), kept[0]]
    assert not any(shown["PASSWORD"] in text for text in files)
    assert await acts(door, "fresh") == [("enrolled", PERSON, "")]
    assert "rotate" in await devices(door, "enrol", "fresh", "--by", PERSON, code=2)


async def test_the_script_of_the_deployment(door: Door, tmp_path: Path) -> None:
    """deploy/devices.sh shows what the command shows, tells the broker after an act, and tells it nothing when the act failed."""
    compose = tmp_path / "compose"
    compose.write_text(
        "#!/bin/sh\n"
        'echo "$@" >>"$0.said"\n'
        f'if [ "$1" = kill ]; then exec kill -s HUP {door.city.processes["mosquitto"].pid}; fi\n'
        'while [ "$1" != devices ]; do shift; done\n'
        f'exec {sys.executable} -m hoistway "$@"\n'
    )
    compose.chmod(0o755)
    environment = {**door.city._environment(""), "COMPOSE": str(compose), "SECRETS": str(door.city.secrets)}

    def script(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(DEPLOY / "devices.sh"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = await asyncio.to_thread(script, "enrol", "scripted", "--by", PERSON)
    assert done.returncode == 0, done.stderr
    await lets_in(door, "scripted", dict(line.split("=", 1) for line in done.stdout.splitlines())["PASSWORD"])
    said_ = (tmp_path / "compose.said").read_text().splitlines()
    asked = [f"run --rm -T migrate devices {what}" for what in ("accounts", "crl")]
    assert said_[-3:] == [*asked, "kill -s HUP mosquitto"]
    assert (await asyncio.to_thread(script, "enrol", "scripted", "--by", PERSON)).returncode == 2
    assert len((tmp_path / "compose.said").read_text().splitlines()) == len(said_) + 1


async def test_a_replaced_key_is_worth_nothing(door: Door) -> None:
    """Rotation ends the session of the old key and refuses it; the new one works."""
    old = (await given(door, "enrol", "held"))["PASSWORD"]
    door.passwords["held"] = old
    async with door.connected("held") as client:
        new = (await given(door, "rotate", "held"))["PASSWORD"]
        await door.until(lambda: bool(client.refused), "the old key is refused")
    await lets_in(door, "held", new)
    assert await door.refused("held", old) == ["Not authorized"]
    assert [act for act, _, _ in await acts(door, "held")] == ["enrolled", "rotated"]


async def test_a_revoked_key_is_put_out_and_kept_out(door: Door) -> None:
    """Revocation ends the live session within seconds and every further try; another device's session goes on."""
    password = (await given(door, "enrol", "stolen"))["PASSWORD"]
    door.passwords["stolen"] = password
    async with door.connected("stolen") as thief, door.connected("neighbour") as neighbour:
        await thief.publish(topic("stolen", "link"), said({"online": True, "boot": 1, "conn": 1}), retain=True)
        await devices(door, "revoke", "stolen", "--by", PERSON, "--reason", "cabinet broken open")
        await asyncio.to_thread(door.city.tell_broker)
        await door.until(lambda: bool(thief.refused), "the thief is out")
        assert (neighbour.connected, neighbour.connects) == (True, 1)
    assert await acts(door, "stolen") == [("enrolled", PERSON, ""), ("revoked", PERSON, "cabinet broken open")]

    async def noted() -> bool:
        found = await door.rows("select sum(times) from security_event where kind in ('login-refused', 'revoked-key')")
        return bool(found[0][0])

    await door.until(noted, "refused logins are noted")
    await lets_in(door, "stolen", (await given(door, "enrol", "stolen"))["PASSWORD"])  # the cabinet is mended


async def test_ingest_refuses_a_revoked_key_that_the_broker_still_lets_in(door: Door) -> None:
    """Where nobody told the broker, what a revoked device sends is still refused, is an event, and the desk hears of it."""
    async with door.connected("untold") as client:
        await devices(door, "revoke", "untold", "--by", PERSON, "--reason", "replaced")

        numbers = itertools.count(1)

        async def refused() -> bool:
            await client.publish(topic("untold", "event"), said(event(next(numbers), now_ms(), "90")))
            await asyncio.sleep(0.1)
            return await door.quarantined("untold") >= {"revoked-device"}

        await door.until(refused, "the register is read again")
    await door.witness()
    assert await door.security("untold") == {"revoked-key"}
    assert "door-securitycleared" in {row[2] for row in await door.told("untold")}
    assert "revoked-key" in await devices(door, "security")
    assert "replaced" in await devices(door, "list")


HASH = keys.Key(password_hash="$7$101$YQ==$YQ==")


@pytest.mark.parametrize(
    ("act", "device", "options", "said_"),
    [
        (keys.enrol, "held", {"key": HASH, "person": "nobody"}, "may log in"),
        (keys.enrol, "nowhere", {"key": HASH, "person": PERSON}, "lifts import"),
        (keys.enrol, "nowhere", {"key": HASH, "person": PERSON, "lift": "000000"}, "no lift"),
        (keys.enrol, "ingest", {"key": HASH, "person": PERSON}, "cannot be a device"),
        (keys.enrol, "#", {"key": HASH, "person": PERSON}, "cannot be a device"),
        (keys.rotate, "nowhere", {"key": HASH, "person": PERSON}, "not in the register"),
        (keys.rotate, "untold", {"key": HASH, "person": PERSON}, "is revoked"),
        (keys.revoke, "untold", {"person": PERSON, "reason": "again"}, "revoked already"),
        (keys.revoke, "held", {"person": PERSON, "reason": " "}, "reason"),
    ],
)
async def test_what_cannot_be_done_is_said(
    door: Door, act: Any, device: str, options: dict[str, str], said_: str
) -> None:
    """No key without a device, a lift and a person, and nothing is noted as done."""
    before = await door.rows("select count(*) from device_act")
    with pytest.raises(BadInput, match=said_):
        await act(door.database, device, **options)
    assert await door.rows("select count(*) from device_act") == before


async def test_the_log_of_acts_stays(door: Door) -> None:
    """No row of who gave and took keys can be changed or deleted."""
    for query in ("delete from device_act", "update device_act set person = 'x'"):
        with pytest.raises(Exception, match="is a log"):
            await door.database.execute(query)


@pytest.mark.parametrize("line", ["ingest:$7$101$YQ==$YQ==", "a b:", "t-1:plain", "#:", "t-1:$7$101$YQ==$YQ==\nmore"])
async def test_the_password_file_takes_only_devices(door: Door, line: str) -> None:
    """One line that is no device's account, or one of our own users', and the file stays as it is."""
    path = door.city.secrets / "mqtt_passwords"
    before = path.read_bytes()
    script = await asyncio.create_subprocess_exec(
        DEPLOY / "mosquitto/set-accounts.sh", path, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    await script.communicate(line.encode())
    assert script.returncode == 1
    assert path.read_bytes() == before
