"""`hoistway up`: says what it is doing while it starts, prints the way in, and stops everything at Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hoistway.errors import HoistwayError
from hoistway.settings import default_home
from hoistway.up.platform import Options, Platform


def up(
    demo: Annotated[int | None, typer.Option(help="simulate a city of this many lifts", min=1, max=5_000)] = None,
    http_port: Annotated[int, typer.Option(help="console and API, on loopback")] = 8080,
    mqtt_port: Annotated[int, typer.Option(help="MQTT for devices, on loopback")] = 1883,
    home: Annotated[Path | None, typer.Option(help="state folder")] = None,
    broker: Annotated[str | None, typer.Option(help="mosquitto or nats; default: the best that is found")] = None,
    seed: Annotated[int, typer.Option(help="seed of the demo city")] = 1,
) -> None:
    """Run the whole platform on this machine: database, broker, ingest, dispatch, API; with --demo a simulated city."""
    from hoistway.logs import configure_logs

    configure_logs(as_json=False)
    console = Console(stderr=True)
    options = Options(
        home=(home or default_home()).absolute(),
        demo=demo,
        http_port=http_port,
        mqtt_port=mqtt_port,
        broker=broker,
        seed=seed,
    )
    sys.exit(asyncio.run(_body(Platform(options, _progress(console)), console)))


def _progress(console: Console) -> Callable[[str], None]:
    began = time.monotonic()

    def say(step: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.1f} s[/]  {step}", highlight=False)

    return say


async def _body(platform: Platform, console: Console) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    starting = asyncio.create_task(platform.up())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            _show(platform.console_url, starting.result(), platform.options.mqtt_port, console)
            await stop.wait()
    except HoistwayError as error:
        console.print(f"hoistway: {error}", style="bold red", markup=False, highlight=False)
        return 1
    finally:
        starting.cancel()
        console.print("stopping", style="dim")
        await platform.down()
    return 0


def _show(console_url: str, link: str, mqtt_port: int, console: Console) -> None:
    console.print()
    console.print(f"Console  {console_url}", highlight=False)
    console.print(f"Log in   {link}", highlight=False, soft_wrap=True)
    console.print(f"MQTT     127.0.0.1:{mqtt_port}", highlight=False)
    console.print("Ctrl-C stops everything.", style="dim")
