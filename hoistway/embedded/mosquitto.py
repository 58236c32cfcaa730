"""mosquitto as the embedded broker: where it is, its configuration, its password and access files.

Written for 2.0 and 2.1: from 2.1 on `password_file` and `acl_file` are announced to become plugins, but both stay until
3.0, so one form serves both and 3 is refused in words.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import ClassVar, Final

from hoistway.embedded.own_broker import INGEST, OwnBroker
from hoistway.embedded.ports import LOOPBACK
from hoistway.embedded.process import owned_file, run
from hoistway.errors import CannotStart
from hoistway.limits import BROKER_INFLIGHT, MESSAGE_BYTES
from hoistway.wire import DOWN, PREFIX, UP

PACKET_BYTES: Final = MESSAGE_BYTES + 44 * 1024
"""Topic and properties included; beyond it mosquitto drops the connection. Between the two, ingest quarantines."""
QUEUE_MESSAGES: Final = 1_000_000
QUEUE_BYTES: Final = 512 * 1024 * 1024
"""Per session that is away or slow; whichever is reached first. Never 0: that drops everything in some 2.0 versions."""
AUTOSAVE_S: Final = 30
HASH_ROUNDS: Final = 101
"""mosquitto's own figure. The passwords are random, and the broker hashes in its only thread at every connect."""
_VERSION: Final = re.compile(r"mosquitto version (\d+)\.(\d+)")
_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/local/bin", "/usr/bin")


def find_mosquitto() -> Path | None:
    """The program, from PATH or where packages put it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_PLACES])
    found = shutil.which("mosquitto", path=path)
    return Path(found) if found else None


class EmbeddedMosquitto(OwnBroker):
    """A mosquitto of our own."""

    kind: ClassVar[str] = "mosquitto"
    mqtt5: ClassVar[bool] = True
    runs_as: ClassVar[tuple[str, ...]] = ("mosquitto",)

    def __init__(self, home: Path, *, port: int = 0) -> None:
        super().__init__(home, port=port)
        self._hashes: dict[tuple[str, str], str] = {}

    async def _find(self) -> Path:
        program = find_mosquitto()
        if program is None:
            raise CannotStart("there is no mosquitto on this machine: apt install mosquitto, or use --broker nats")
        _, said = await run([program, "-h"], user=self._user)  # answers 3 after the help text
        match = _VERSION.search(said)
        if match is None:
            raise CannotStart(f"{program} does not run here: {said.strip()[:200]}")
        if match.group(1) != "2":
            raise CannotStart(
                f"{program} is version {match.group(1)}.{match.group(2)}; 2.x is needed: use --broker nats"
            )
        return program

    def _write(self) -> list[str]:
        self._write_accounts()
        owned_file(self._folder / "access", access_rules(), self._user)
        owned_file(self._folder / "mosquitto.conf", self._configuration(), self._user)
        return ["-c", str(self._folder / "mosquitto.conf")]

    def _write_accounts(self) -> None:
        accounts = {INGEST: self._password, **self._devices}
        self._hashes = {pair: self._hashes.get(pair) or password_hash(pair[1]) for pair in accounts.items()}
        lines = [f"{name}:{self._hashes[name, password]}\n" for name, password in accounts.items()]
        owned_file(self._folder / "passwords", "".join(lines), self._user)

    def _configuration(self) -> str:
        return f"""\
# Written by hoistway at every start.
listener {self._port} {LOOPBACK}
allow_anonymous false
password_file {self._folder / "passwords"}
acl_file {self._folder / "access"}

persistence true
persistence_location {self._folder}/
persistence_file sessions.db
autosave_interval {AUTOSAVE_S}
persistent_client_expiration 14d

max_inflight_messages {BROKER_INFLIGHT}
max_queued_messages {QUEUE_MESSAGES}
max_queued_bytes {QUEUE_BYTES}
max_packet_size {PACKET_BYTES}
set_tcp_nodelay true

log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
connection_messages false
log_timestamp_format %Y-%m-%dT%H:%M:%S
"""

    def _reload_done(self, said: str) -> bool:
        return "Reloading config." in said  # one thread: what connects after this line meets the new accounts

    def _why(self, said: str) -> str | None:
        if "Address already in use" in said:
            return (
                f"port {self._port} on {LOOPBACK} is in use: stop what has it, or choose another with --mqtt-port PORT"
            )
        if "Couldn't open database" in said or "persistent database" in said:
            return (
                f"mosquitto cannot read its store {self._folder / 'sessions.db'} (damaged, or of a newer mosquitto):"
                " move that file away; queued messages in it are lost, devices send again what was not acknowledged"
            )
        return None


def access_rules() -> str:
    """Who may do what; the platform also reads what it writes (`hoistway devices check`). `%u` is the user name, which is the device; a name with a wildcard is no device."""
    lines = [f"user {INGEST}"]
    lines += [f"topic read {PREFIX}/+/+/{leaf}" for leaf in UP]
    lines += [f"topic readwrite {PREFIX}/+/+/{leaf}" for leaf in DOWN]
    lines += [f"pattern write {PREFIX}/+/%u/{leaf}" for leaf in UP]
    lines += [f"pattern read {PREFIX}/+/%u/{leaf}" for leaf in DOWN]
    return "\n".join(lines) + "\n"


def password_hash(password: str, *, salt: bytes | None = None) -> str:
    """mosquitto's `$7$` form: PBKDF2 with SHA-512, a salt of 12 bytes, a key of 64."""
    salt = secrets.token_bytes(12) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS, 64)
    return f"$7${HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
