"""What both embedded brokers share: folder, lock, user, accounts, one supervised child that is ready when MQTT answers.

A kind of broker adds its configuration and the words of its log; which kind runs is `broker.choose`.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from hoistway import wire
from hoistway.embedded.ports import LOOPBACK, free_port, need_port
from hoistway.embedded.probe import Unwelcome, probe
from hoistway.embedded.process import (
    Child,
    FolderLock,
    User,
    blocked_at,
    disk_full,
    disk_is_full,
    owned_file,
    owned_folder,
    plain_words,
    state_folder,
    unprivileged,
)
from hoistway.errors import BadInput, CannotStart, OurFault, ServiceUnavailable
from hoistway.mqtt_url import MqttAddress

INGEST: Final = "ingest"
"""The user name of the platform itself; no device may have it."""
START_S: Final = 60.0
RELOAD_S: Final = 10.0
_STOP: Final = ((signal.SIGTERM, 20.0),)


class OwnBroker(ABC):
    """One broker process under `home/broker/`, on loopback, with a user for ingest and one for each device."""

    kind: ClassVar[str]
    mqtt5: ClassVar[bool]
    manages_devices: ClassVar[bool] = True
    runs_as: ClassVar[tuple[str, ...]] = ()  # users that root prefers for it

    def __init__(self, home: Path, *, port: int = 0) -> None:
        self._home = home.absolute()
        self._folder = self._home / "broker" / self.kind
        self._port = port
        self._lock = FolderLock(self._home / "broker.lock", what="the broker")
        self._user: User | None = None
        self._child: Child | None = None
        self._password = ""
        self._devices: dict[str, str] = {}
        self._changing = asyncio.Lock()

    # --- what a kind of broker adds ---

    @abstractmethod
    async def _find(self) -> Path:
        """The program to run, fit for `self._user`; raises `CannotStart`."""

    @abstractmethod
    def _write(self) -> list[str]:
        """Write the configuration for the accounts as they are; answers the program's arguments."""

    @abstractmethod
    def _write_accounts(self) -> None:
        """Write what a reload reads anew."""

    @abstractmethod
    def _reload_done(self, said: str) -> bool:
        """Whether the log says that a reload is through; raises `CannotStart` when it says that it failed."""

    @abstractmethod
    def _why(self, said: str) -> str | None:
        """Plain words for what the broker said before it ended."""

    # --- the life of the broker ---

    @property
    def address(self) -> MqttAddress:
        return MqttAddress(host=LOOPBACK, port=self._port, user=INGEST, password=self._password)

    @property
    def url(self) -> str:
        """`mqtt://...` with ingest's password: not for logs."""
        return self.address.url

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    async def start(self) -> str:
        """Start the broker; answers its URL once a message published through it was confirmed."""
        if self.alive:
            return self.url
        state_folder(self._home)
        try:
            descriptor = await self._lock.take_soon()
            async with self._changing:
                await self._launch(descriptor)
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """Stop the broker; what it keeps on disk is written. Safe when it is gone already."""
        if self._child is not None:
            await self._child.stop(*_STOP)
        self._lock.release()

    async def wait(self) -> int:
        """Wait until the broker process ends; its exit status."""
        if self._child is None:
            raise OurFault("wait before start")
        return await self._child.wait()

    async def set_devices(self, devices: Mapping[str, str]) -> None:
        """Let exactly these devices in, each with its password; live sessions of devices that stay go on.

        Before the start it is remembered. Raises `BadInput` for a name or password that cannot be.
        """
        for name, password in devices.items():
            if not wire.DEVICE.fullmatch(name) or name == INGEST:
                raise BadInput(f"{name!r}", where="device name", expected=f"{wire.DEVICE.pattern}, not {INGEST!r}")
            if not password.isascii() or not password.isprintable() or not 8 <= len(password) <= 200:
                raise BadInput("cannot be used", where=f"password of {name}", expected="8 to 200 printable ASCII")
        async with self._changing:
            self._devices = dict(devices)
            if self.alive:
                await self._reload()

    async def _launch(self, descriptor: int) -> None:
        self._user = unprivileged(*self.runs_as)
        if blocker := blocked_at(self._home, self._user):
            raise CannotStart(
                f"the broker does not run as root, and user {self._user.name if self._user else ''} may not pass {blocker}:"
                f" choose a state folder it can reach with --home DIR, run as an ordinary user, or `chmod o+x {blocker}`"
            )
        owned_folder(self._folder.parent, None, mode=0o711 if self._user else 0o700)
        owned_folder(self._folder, self._user)
        self._check_owner()
        program = await self._find()
        self._password = self._read_password()
        if self._port == 0:
            self._port = free_port()
        need_port(self._port, what="MQTT", option="--mqtt-port")
        with plain_words(self._folder):
            arguments = await asyncio.to_thread(self._write)
        self._child = Child(
            [program, *arguments],
            log=self._home / "logs" / f"{self.kind}.log",
            user=self._user,
            inherited=(descriptor,),  # the folder stays locked until the broker itself is gone
        )
        await self._child.start()
        await self._until_it_answers(self._child)

    def _check_owner(self) -> None:
        owner = self._folder.stat().st_uid
        if self._user is not None and owner != self._user.uid:
            raise CannotStart(
                f"{self._folder} belongs to user number {owner}, the broker would run as {self._user.uid}"
                f" ({self._user.name}): run hoistway as that user, or choose another folder with --home DIR"
            )

    def _read_password(self) -> str:
        path = self._home / "secrets" / "broker"
        with plain_words(path):
            if path.exists():
                return path.read_text("utf-8").strip()
        password = secrets.token_urlsafe(24)
        owned_file(path, password + "\n")
        return password

    async def _until_it_answers(self, child: Child) -> None:
        until = time.monotonic() + START_S
        while child.alive:
            try:
                await asyncio.to_thread(probe, self.address, mqtt5=self.mqtt5)
            except Unwelcome as error:
                raise CannotStart(f"{self.kind} does not let its own platform in: {error}") from error
            except ServiceUnavailable as error:
                if time.monotonic() >= until:
                    raise CannotStart(f"{self.kind} does not answer after {START_S:.0f} s: {self._log_name}") from error
                await asyncio.sleep(0.03)
            else:
                if child.alive:
                    return
        said = child.said()
        if "No space left on device" in said or disk_is_full(self._home):
            raise CannotStart(disk_full(self._folder))
        lines = [line for line in said.splitlines() if line.strip()] or ["it said nothing"]
        raise CannotStart(
            self._why(said) or f"{self.kind} does not start: {lines[-1].strip()} (all of it: {self._log_name})"
        )

    @property
    def _log_name(self) -> Path:
        return self._home / "logs" / f"{self.kind}.log"

    async def _reload(self) -> None:
        """Have the broker read its accounts again, and wait until its log says so."""
        child = self._child
        if child is None:
            raise OurFault("reload before start")
        with plain_words(self._folder):
            await asyncio.to_thread(self._write_accounts)
        mark = child.mark()
        child.send(signal.SIGHUP)
        until = time.monotonic() + RELOAD_S
        while child.alive and not self._reload_done(child.said(since=mark)):
            if time.monotonic() >= until:
                raise ServiceUnavailable(f"{self.kind} does not read its accounts again: {self._log_name}")
            await asyncio.sleep(0.02)
