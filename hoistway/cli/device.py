"""Terminals from the command line: what one needs to connect to the platform of this machine, and what one does wrong.

Reads options, calls `ingest.conformance`, prints; judges nothing itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hoistway.cli.common import err, fail, printable, resolve_database_url, run
from hoistway.cli.lifts import DatabaseUrl
from hoistway.errors import BadInput, HoistwayError
from hoistway.mqtt_url import MqttAddress
from hoistway.settings import Settings, default_home
from hoistway.wire import PREFIX

if TYPE_CHECKING:
    from ingest.conformance.findings import Result
    from ingest.conformance.heard import Heard, Watch


class Language(StrEnum):
    EN = "en"
    ZH = "zh"


app: Final = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Devices, their keys, and the check of a real device."""


@app.command("credentials")
def credentials(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="the device's name, as enrolled")],
    home: Annotated[Path | None, typer.Option(help="state folder of the running platform")] = None,
) -> None:
    """Address, password and topic prefix of a terminal of the platform on this machine, as lines `NAME=value`."""
    from hoistway.up.state import State

    facts = State(home or default_home()).running()
    shard = run(_shard(str(facts["database_url"]), device))
    for name, value in credentials_of(home or default_home(), device, shard=shard).items():
        typer.echo(f"{name}={value}")


@app.command("check")
def check(
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="the device's name, as enrolled")],
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, max=24 * 60, help="how long to listen")] = 10.0,
    language: Annotated[Language, typer.Option("--language", help="of the report")] = Language.EN,
    mqtt_url: Annotated[
        str | None,
        typer.Option("--mqtt-url", help="the platform's own account; default: the environment, else the running home"),
    ] = None,
    database_url: DatabaseUrl = None,
    home: Annotated[Path | None, typer.Option(help="state folder of the running platform")] = None,
) -> None:
    """Listen to a device, report what it does wrong. Exit code 0: nothing found; 1: findings; 2: not possible. Ctrl-C judges early."""
    from ingest.conformance.judge import judge
    from ingest.conformance.register import facts_of

    try:
        address = MqttAddress.parse(_mqtt_url(mqtt_url, home))
        url = resolve_database_url(database_url, home=home)
        facts = run(facts_of(url, device))
        err.print(f"listening to {device} for {minutes:g} min", highlight=False)
        heard, watch, dropped = asyncio.run(_listen(address, facts.device, minutes * 60))
        facts = run(facts_of(url, device))  # a test call may have come meanwhile
    except HoistwayError as error:
        fail(error)
    result = judge(heard, facts, watch)
    print_result(result, language, dropped=dropped)
    raise typer.Exit(1 if result.findings else 0)


def print_result(result: Result, language: Language, *, dropped: int = 0) -> None:
    """One paragraph a finding: what, how often, the first evidence with its time (UTC), where in the guide."""
    from ingest.conformance.words import evidence, place, summary, title, when

    for finding in result.findings:
        typer.echo(f"{finding.rule}  ×{finding.times}  {title(finding.rule, language)}")
        typer.echo(printable(f"    {when(finding.first_ms)}  {evidence(finding, language)}"))
        typer.echo(f"    {place(finding.rule, language)}")
    for line in summary(result, language, dropped=dropped):
        typer.echo(line)


async def _listen(address: MqttAddress, device: str, seconds: float) -> tuple[list[Heard], Watch, int]:
    """What was heard until the time is over or Ctrl-C comes."""
    from hoistway.clock import ServerClock
    from ingest.conformance.heard import Watch
    from ingest.conformance.observer import Observer

    clock, stop = ServerClock(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with Observer(address, device, now_ms=clock.now_ms) as observer:
        began = clock.now_ms()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
        return observer.heard(), Watch(from_ms=began, to_ms=clock.now_ms()), observer.dropped


def _mqtt_url(option: str | None, home: Path | None) -> str:
    from hoistway.up.state import State

    settings = Settings()
    if option or (settings.mqtt_url is not None and settings.mqtt_url.get_secret_value()):
        return option or settings.need_mqtt_url()
    return str(State(home or default_home()).running()["mqtt_url"])


def credentials_of(home: Path, device: str, *, shard: int) -> dict[str, str]:
    """What a terminal of the platform running on `home` connects with."""
    from hoistway.embedded.credentials import device_password
    from hoistway.up.state import State

    state = State(home)
    return {
        "HOST": "127.0.0.1",
        "PORT": str(state.running()["mqtt_port"]),
        "PASSWORD": device_password(state.secret("device-key").encode(), device),
        "PREFIX": f"{PREFIX}/{shard}/{device}",
    }


async def _shard(url: str, device: str) -> int:
    from hoistway.store import connect_url

    connection = await connect_url(url, name="hoistway-cli", patience_s=5)
    try:
        shard = await connection.fetchval("select shard from device where device = $1 and revoked_at is null", device)
    finally:
        await connection.close()
    if shard is None:
        raise BadInput(f"device {device!r} is not enrolled", where="DEVICE", expected="a device of the register")
    return int(shard)
