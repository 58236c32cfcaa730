"""`hoistway up` step by step: database, schema, city, broker, parts, simulator, and the way back down."""

from __future__ import annotations

import asyncio
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from hoistway.embedded.broker import Broker, choose
from hoistway.embedded.credentials import device_password
from hoistway.embedded.ports import need_port
from hoistway.embedded.postgres import EmbeddedPostgres
from hoistway.embedded.process import Child, clean_environment
from hoistway.errors import CannotStart
from hoistway.heartbeat import Heartbeats
from hoistway.model import Role
from hoistway.registry.probe import ensure_probe
from hoistway.settings import Settings
from hoistway.store import Database, connect_url, migrate, rights
from hoistway.up.demo import prepare_demo
from hoistway.up.state import State
from hoistway.up.supervisor import Keeper
from hoistway.wire import PROBE_DEVICE, RESERVED_DEVICES

log: Final = structlog.get_logger("up")

NOTIFY_SETTINGS: Final = (
    "public_url", "webhook_networks", "smtp_url", "sms_url", "sms_headers", "sms_body", "voice_url", "voice_headers", "voice_body",
)  # fmt: skip
READY_S: Final = 60.0
DEVICES_POLL_S: Final = 2.0
BEAT_S: Final = 0.5
ACCOUNTS: Final = {
    "ingest": "hoistway_ingest",
    "compactor": "hoistway_ingest",
    "backtests": "hoistway_ingest",
    "dispatch": "hoistway_dispatch",
    "watch": "hoistway_dispatch",
    "api": "hoistway_api",
}
"""The account that each part has at the database."""
ENROLLED: Final = "select device from device where revoked_at is null order by device"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the command was asked for."""

    home: Path
    demo: int | None  # number of simulated lifts; None = no simulation
    http_port: int
    mqtt_port: int
    broker: str | None  # mosquitto or nats; None = the best that is found
    seed: int


class _Served:
    """A child of ours as the supervisor sees it."""

    def __init__(self, child: Child) -> None:
        self.child = child

    async def wait(self) -> int:
        return await self.child.wait()

    async def stop(self) -> None:
        await self.child.stop((signal.SIGTERM, 8.0))


class Platform:
    """Everything that runs, in the order in which it starts."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self.options, self._say = options, say
        self.state = State(options.home)
        self._settings = Settings()
        self.postgres = EmbeddedPostgres(options.home)
        self.broker: Broker | None = None
        self.database_url = ""
        self.keepers: list[Keeper] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._known_devices: dict[str, str] = {}

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.options.http_port}"

    async def up(self) -> str:
        """Start everything; answers a one-time login link. Raises `CannotStart` in plain words."""
        options = self.options
        self.state.prepare()
        self._lock = self.state.lock()
        self._lock.take()
        need_port(options.http_port, what="the console", option="--http-port")
        self._say("database")
        await self._keep("postgres", self._start_postgres)
        self._say("schema")
        await self._migrate()
        if options.demo is not None:
            self._say(f"demo city of {options.demo} lifts")
            await prepare_demo(self.database_url, self.state, lifts=options.demo, seed=options.seed)
        self._say("broker")
        await self._keep("broker", self._start_broker)
        self.state.announce(
            database_url=self.database_url,
            mqtt_url=self._broker_url(),
            mqtt_port=options.mqtt_port,
            http_port=options.http_port,
        )
        for name in ("ingest", "dispatch", "api"):
            self._say(name)
            await self._keep(name, partial(self._start_child, name, [name]))
        await self._ready()
        for name, words in (("backtests", "backtests"), ("compactor", "compactor"), ("watch", "dead-man's switch")):
            self._say(words)
            await self._keep(name, partial(self._start_child, name, [name]))
        self._tasks.append(asyncio.create_task(self._enrol(), name="enrol"))
        self._tasks.append(asyncio.create_task(self._beat(), name="heartbeat"))
        if options.demo is not None:
            self._say("simulated devices")
            await self._keep("simulator", self._start_simulator)
        return await self._login_link()

    async def down(self) -> None:
        """Stop everything, last started first."""
        for task in self._tasks:
            task.cancel()
        for keeper in reversed(self.keepers):
            await keeper.down()
        self.state.silence()

    # --- parts ---

    async def _keep(self, name: str, start: Callable[[], Any]) -> None:
        keeper = Keeper(name, start)
        self.keepers.append(keeper)
        await keeper.up()

    async def _start_postgres(self) -> EmbeddedPostgres:
        self.database_url = await self.postgres.start()
        return self.postgres

    async def _start_broker(self) -> Broker:
        if self.broker is None:
            self.broker = choose(self.options.home, port=self.options.mqtt_port, prefer=self.options.broker)
        self._known_devices = await self._passwords()
        await self.broker.set_devices(self._known_devices)
        await self.broker.start()
        return self.broker

    def _broker_url(self) -> str:
        if self.broker is None:
            raise CannotStart("the broker is not chosen yet")
        return self.broker.url

    async def _start_child(self, name: str, arguments: list[str]) -> _Served:
        environment = clean_environment() | {
            **self._database_of(name),
            "HOISTWAY_MQTT_URL": self._broker_url(),
            "HOISTWAY_HTTP_PORT": str(self.options.http_port),
            "HOISTWAY_HOME": str(self.options.home),
            "PYTHONUNBUFFERED": "1",
        }
        environment["HOISTWAY_PROBE_EVERY_S"] = str(self._settings.probe_every_s)
        environment |= self._watch_environment(name) | self._notify_environment(name)
        environment.pop("LC_ALL", None)
        command = [sys.executable, "-m", "hoistway", *arguments]
        child = Child(command, log=self.options.home / "logs" / f"{name}.log", environment=environment)
        await child.start()
        return _Served(child)

    def _database_of(self, name: str) -> dict[str, str]:
        """The database under the part's own account; the simulated devices have none."""
        role = ACCOUNTS.get(name)
        if role is None:
            return {}
        where = urlsplit(self.database_url)
        user = f"{role}:{self.state.secret(_secret_of(role))}"
        return {"HOISTWAY_DATABASE_URL": where._replace(netloc=f"{user}@{where.hostname}:{where.port}").geturl()}

    def _watch_environment(self, name: str) -> dict[str, str]:
        """The API and the watcher know each other by a key of this folder; the watcher has the probe's account besides."""
        key = {"HOISTWAY_WATCH_KEY": self.state.secret("watch-key")}
        if name != "watch":
            return key | {"HOISTWAY_SEAL_KEY": self.state.secret("seal-key")} if name == "api" else {}
        password = device_password(self.state.secret("device-key").encode(), PROBE_DEVICE)
        hooks, signs = self._settings.watch_webhooks, self._settings.watch_webhook_secret
        return key | {
            "HOISTWAY_WATCH_WEBHOOKS": hooks.get_secret_value() if hooks else "",
            "HOISTWAY_WATCH_WEBHOOK_SECRET": signs.get_secret_value() if signs else "",
            "HOISTWAY_PROBE_MQTT_URL": f"mqtt://{PROBE_DEVICE}:{password}@127.0.0.1:{self.options.mqtt_port}",
            "HOISTWAY_WATCH_API_URL": self.console_url,
        }

    def _notify_environment(self, name: str) -> dict[str, str]:
        """How notifications leave is known to dispatch alone; where webhooks may go to the API as well."""
        wanted = {"dispatch": NOTIFY_SETTINGS, "api": ("public_url", "webhook_networks")}.get(name, ())
        found: dict[str, str] = {}
        for setting in wanted:
            value = getattr(self._settings, setting)
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            if text:
                found[f"HOISTWAY_{setting.upper()}"] = text
        return found

    async def _start_simulator(self) -> _Served:
        demo = self.state.home / "demo"
        self.state.secret("device-key")
        return await self._start_child(
            "simulator",
            [
                *("simulate", "run", "demo-city"),
                *("--mqtt-url", f"mqtt://127.0.0.1:{self.options.mqtt_port}"),
                *("--lifts", str(demo / "lifts.csv")),
                *("--secret-file", str(self.state.home / "secrets" / "device-key")),
                *("--truth", str(demo / "truth.jsonl")),
                *("--state", str(demo / "devices.json")),
                *("--seed", str(self.options.seed)),
            ],
        )

    # --- steps ---

    async def _migrate(self) -> None:
        connection = await connect_url(self.database_url, name="hoistway-migrate", patience_s=20, command_timeout_s=600)
        try:
            await migrate(connection)
            await ensure_probe(connection)
            await rights.let_in(connection, {role: self.state.secret(_secret_of(role)) for role in rights.ROLES})
        finally:
            await connection.close()

    async def _passwords(self) -> dict[str, str]:
        """Every enrolled device with its password, which only this folder's key can tell."""
        key = self.state.secret("device-key").encode()
        connection = await connect_url(self.database_url, name="hoistway-up", patience_s=20)
        try:
            rows = await connection.fetch(ENROLLED)
        finally:
            await connection.close()
        return {
            row["device"]: device_password(key, row["device"])
            for row in rows
            if row["device"] not in RESERVED_DEVICES - {PROBE_DEVICE}
        }

    async def _enrol(self) -> None:
        """Devices enrolled while we run may connect without a restart."""
        while True:
            await asyncio.sleep(DEVICES_POLL_S)
            try:
                found = await self._passwords()
                if found != self._known_devices and self.broker is not None:
                    await self.broker.set_devices(found)
                    self._known_devices = found
            except Exception as error:  # noqa: BLE001  # the next look comes in two seconds, whatever failed
                log.warning("cannot look for new devices", error=str(error)[:200])

    async def _beat(self) -> None:
        """The supervisor's own heartbeat: while it stands still nothing is started again."""
        beats = Heartbeats("up")

        async def turn() -> None:
            while True:
                beats.beat("loop")
                await asyncio.sleep(BEAT_S)

        await asyncio.gather(turn(), beats.run(self.database_url, self._settings.cadence))

    async def _ready(self) -> None:
        """Wait until the API says that it is ready."""
        until = asyncio.get_running_loop().time() + READY_S
        while asyncio.get_running_loop().time() < until:
            if await asyncio.to_thread(_answers, f"{self.console_url}/health/live"):
                return
            await asyncio.sleep(0.1)
        raise CannotStart(
            f"the API does not answer after {READY_S:.0f} s; see {self.options.home / 'logs' / 'api.log'}"
        )

    async def _login_link(self) -> str:
        from api.people import create_login_link, create_person

        name, role = ("demo", Role.SUPERVISOR) if self.options.demo is not None else ("admin", Role.ADMIN)
        database = Database(self.database_url, name="hoistway-up", most=1)
        await database.open()
        try:
            async with database.acquire() as connection:
                if await connection.fetchval("select 1 from person where name = $1", name) is None:
                    await create_person(connection, name, role, None, None)
                token = await create_login_link(connection, name)
        finally:
            await database.close()
        return f"{self.console_url}/login/link?token={token}"


def _secret_of(role: str) -> str:
    return role.replace("hoistway_", "database-")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310  # our own loopback address
            return True
    except (urllib.error.URLError, OSError):
        return False
