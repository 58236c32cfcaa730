"""The services of docker-compose.yml as plain processes: the deployed broker configuration, a database by URL, secrets as files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hoistway.embedded.mosquitto import find_mosquitto
from hoistway.embedded.ports import free_port
from tests.support.folders import temporary_home
from tests.support.postgres import as_part
from tests.support.system import ROOT, wait_for

DEPLOY = ROOT / "deploy"


def need_programs() -> Path:
    """The mosquitto of this machine; skip without it or openssl, fail where everything is installed (`CI=true`)."""
    mosquitto = find_mosquitto()
    missing = [name for name, found in (("mosquitto", mosquitto), ("openssl", shutil.which("openssl"))) if not found]
    if missing:
        message = f"not on this machine: {', '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    assert mosquitto is not None
    return mosquitto


class Production:
    """A broker with TLS and rights, and the commands of the compose file."""

    def __init__(self, folder: Path, database_url: str, *, door: str = "passwords") -> None:
        self.folder, self.secrets, self.door = folder, folder / "secrets", door
        self.device_port, self.inner_port, self.http_port = free_port(), free_port(), free_port()
        self.metrics = {"ingest": free_port(), "dispatch": free_port()}
        self._database_url = database_url
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def make_secrets(self) -> None:
        subprocess.run([DEPLOY / "make-secrets.sh", "--dir", self.secrets], check=True, capture_output=True)
        (self.secrets / "hoistway_database_url").write_text(self._database_url)
        inner = (
            (self.secrets / "hoistway_mqtt_url").read_text().replace("@mosquitto:8884", f"@localhost:{self.inner_port}")
        )
        (self.secrets / "hoistway_mqtt_url").write_text(inner.replace("/run/secrets", str(self.secrets)))
        probe = (self.secrets / "hoistway_probe_mqtt_url").read_text()
        probe = probe.replace("@mosquitto:8883", f"@localhost:{self.device_port}")
        (self.secrets / "hoistway_probe_mqtt_url").write_text(probe.replace("/run/secrets", str(self.secrets)))

    def enrol(self, *devices: str) -> dict[str, str]:
        """Each device's password, as deploy/add-device.sh makes and prints it."""
        made = subprocess.run(
            [DEPLOY / "add-device.sh", "--dir", self.secrets, *devices], check=True, capture_output=True, text=True
        )
        return dict(line.split() for line in made.stdout.splitlines())

    def tell_broker(self) -> None:
        """The second half of deploy/devices.sh: the broker's password file as the register says, and a reload."""
        lines = self.run("devices", "accounts")
        assert lines.returncode == 0, lines.stderr
        subprocess.run(
            [DEPLOY / "mosquitto/set-accounts.sh", self.secrets / "mqtt_passwords"],
            input=lines.stdout,
            text=True,
            check=True,
        )
        if self.door == "certificates":
            listed = self.run("devices", "crl")
            assert listed.returncode == 0, listed.stderr
            (self.secrets / "mqtt_device_crl").write_text(listed.stdout)
        self.processes["mosquitto"].send_signal(signal.SIGHUP)

    def start_broker(self, mosquitto: Path) -> None:
        for name in ("data", "door"):
            (self.folder / name).mkdir()
        text = self._placed(DEPLOY / "mosquitto/mosquitto.conf")
        if os.geteuid() == 0:
            text = f"user root\n{text}"
        path = self.folder / "mosquitto.conf"
        path.write_text(text)
        (self.folder / "door/door.conf").write_text(self._placed(DEPLOY / f"mosquitto/doors/{self.door}.conf"))
        self._spawn("mosquitto", [str(mosquitto), "-c", str(path)], {})

    def _placed(self, file: Path) -> str:
        """A file of the broker's configuration with this machine's paths and ports."""
        text = file.read_text()
        for before, after in (
            ("/run/secrets", str(self.secrets)),
            ("/mosquitto/config/door", str(self.folder / "door")),
            ("/mosquitto/config", str(DEPLOY / "mosquitto")),
            ("/mosquitto/data", str(self.folder / "data")),
            ("listener 8883", f"listener {self.device_port} 127.0.0.1"),
            ("listener 8884", f"listener {self.inner_port} 127.0.0.1"),
        ):
            text = text.replace(before, after)
        assert "/run/" not in text
        return text

    def start(self, service: str, **environment: str) -> None:
        """One service of the compose file by its command."""
        account = {"HOISTWAY_DATABASE_URL": as_part(self._database_url, service)}
        self._spawn(
            service, [sys.executable, "-m", "hoistway", service], self._environment(service) | account | environment
        )

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command that ends, with the services' settings."""
        return subprocess.run(
            [sys.executable, "-m", "hoistway", *arguments],
            env=self._environment(arguments[-1]) | environment,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )

    def _environment(self, service: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOISTWAY_")}
        return kept | {
            "HOISTWAY_SECRETS_DIR": str(self.secrets),
            "HOISTWAY_LOG_JSON": "true",
            "HOISTWAY_HTTP_PORT": str(self.http_port),
            "HOISTWAY_METRICS_PORT": str(self.metrics.get(service, 0)),
        }

    def _spawn(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment or None, cwd="/", stdin=subprocess.DEVNULL
            )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def healthy(self, *services: str) -> None:
        """Wait until the compose file's health check of each service succeeds."""
        for service in services:
            wait_for(
                lambda service=service: self.run("health", service).returncode == 0,
                limit_s=40,
                what=f"{service} healthy\n{self.log(service)}",
            )

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def production(database_url: str, *, door: str = "passwords") -> Iterator[Production]:
    """Broker and secrets ready, the devices' door by passwords or by certificates; services are the test's to start."""
    mosquitto = need_programs()
    with temporary_home() as folder:
        folder.mkdir()
        found = Production(folder, database_url, door=door)
        found.make_secrets()
        try:
            found.start_broker(mosquitto)
            yield found
        finally:
            found.stop()
