"""`hoistway simulate`: list the stories, show one, play one over MQTT. Reads options, starts the fleet, prints totals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hoistway.cli.common import err, fail, out, run
from hoistway.embedded.credentials import device_password
from hoistway.errors import BadInput, HoistwayError
from hoistway.mqtt_url import MqttAddress
from hoistway.settings import Settings

if TYPE_CHECKING:
    from simulators.fleet import Totals

app = typer.Typer(help="A simulated city whose truth is known.", no_args_is_help=True)


@app.command("list")
def list_command() -> None:
    """The stories that are shipped."""
    from simulators.scenario import load, scenario_names

    table = Table("name", "", "", "lasts", "lifts", "faults")
    for name in scenario_names():
        story = load(name)
        table.add_row(
            name, story.title_en, story.title_zh, _lasts(story.duration_ms), str(story.lifts), str(len(story.faults))
        )
    out.print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="a shipped story, or a .toml file")]) -> None:
    """One story: what happens when."""
    from simulators.scenario import load

    try:
        story = load(name)
    except HoistwayError as error:
        fail(error)
    out.print(f"{story.title_en} / {story.title_zh}", style="bold", highlight=False)
    out.print(story.story, highlight=False)
    out.print(f"{story.lifts} lifts, {story.escalators} escalators, {_lasts(story.duration_ms)}, seed {story.seed}")
    table = Table("at", "fault", "lift", "lasts", "rescue after", "again every")
    for fault in story.faults:
        where = fault.device or ("any" if fault.lift is None else f"no. {fault.lift}")
        times = (fault.lasts_ms, fault.rescue_after_ms, fault.every_ms)
        table.add_row(_lasts(fault.at_ms), fault.kind, where, *("" if ms is None else _lasts(ms) for ms in times))
    out.print(table)


@app.command("run")
def run_command(
    name: Annotated[str, typer.Argument(help="a shipped story, or a .toml file")],
    mqtt_url: Annotated[
        str | None, typer.Option("--mqtt-url", help="mqtt://host:port; default: HOISTWAY_MQTT_URL")
    ] = None,
    lifts: Annotated[Path | None, typer.Option("--lifts", help="the register's CSV: whom to play")] = None,
    city: Annotated[int | None, typer.Option("--city", min=1, max=20_000, help="or a made-up city of N lifts")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="default: the story's own")] = None,
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=100, help="device clocks run so many times as fast")
    ] = 1.0,
    truth: Annotated[Path | None, typer.Option("--truth", help="append what really happened, as JSON lines")] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="the devices' memory between runs (boot number)")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="the key that device passwords are derived from")
    ] = None,
) -> None:
    """Play a story over MQTT until it ends or Ctrl-C."""
    from simulators.city import make_city, read_csv
    from simulators.fleet import Totals, run_scenario
    from simulators.scenario import load

    async def play() -> Totals:
        story = load(name)
        address = MqttAddress.parse(mqtt_url or Settings().need_mqtt_url())
        if lifts is not None:
            rows = read_csv(lifts)
        else:
            rows = make_city(
                lifts=city or story.lifts, escalators=story.escalators, seed=story.seed if seed is None else seed
            )
        secret = secret_of(secret_file)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        totals = Totals()
        progress = asyncio.create_task(_progress(totals, len(rows)))
        try:
            return await run_scenario(
                story,
                rows,
                address=address,
                password_of=lambda device: "" if secret is None else device_password(secret, device),
                speed=speed,
                seed=seed,
                truth_path=truth,
                state_path=state,
                stop=stop,
                totals=totals,
            )
        finally:
            progress.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await progress

    totals = run(play())
    out.print(
        f"{totals.messages} messages, {totals.bytes} bytes, {totals.faults} faults, "
        f"{totals.connections} connections, {totals.failures} failed"
    )


async def _progress(totals: Totals, devices: int, every_s: int = 30) -> None:
    """A line when everybody is there, and one now and then."""
    complete, waited = False, 0
    while True:
        await asyncio.sleep(1)
        waited += 1
        if waited % every_s == 0 or (totals.connected == devices and not complete):
            complete = complete or totals.connected == devices
            err.print(
                f"{totals.connected} of {devices} devices connected, {totals.messages} messages, {totals.faults} faults",
                highlight=False,
            )


def secret_of(path: Path | None) -> bytes | None:
    """The key that device passwords are derived from. Raises BadInput."""
    if path is None:
        return None
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise BadInput(
            "cannot be read", where=str(path), expected="the key file of `hoistway up` or of your broker"
        ) from error


def _lasts(ms: int | None) -> str:
    if ms is None:
        return "until stopped"
    minutes, seconds = divmod(ms // 1000, 60)
    return f"{minutes} min {seconds} s" if minutes and seconds else f"{minutes} min" if minutes else f"{seconds} s"
