"""`hoistway simulate`: list the stories, show one, play one over MQTT. Reads options, starts the fleet, prints totals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hoistway.cli.common import fail, out, run
from hoistway.embedded.credentials import device_password
from hoistway.errors import BadInput, HoistwayError
from hoistway.mqtt_url import MqttAddress
from hoistway.settings import Settings

if TYPE_CHECKING:
    from simulators.city import Equipment
    from simulators.fleet import Fleet, Totals
    from simulators.scenario import Scenario

MQTT_DEVICES_MOST = 20_000
"""Connections of one process, one a device; more only in memory."""

app = typer.Typer(help="A simulated city whose truth is known.", no_args_is_help=True)


@app.command("list")
def list_command() -> None:
    """The stories that are shipped."""
    from simulators.scenario import load, scenario_names

    table = Table("name", "", "", "lasts", "lifts", "faults")
    for name in scenario_names():
        story = load(name)
        table.add_row(name, story.title_en, story.title_zh, _lasts(story.duration_ms), str(story.lifts), _faults(story))
    out.print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="a shipped story, or a .toml file")]) -> None:
    """One story: what happens when."""
    from simulators.network.weather import Weather
    from simulators.scenario import load

    try:
        story = load(name)
    except HoistwayError as error:
        fail(error)
    out.print(f"{story.title_en} / {story.title_zh}", style="bold", highlight=False)
    out.print(story.story, highlight=False)
    out.print(f"{story.lifts} lifts, {story.escalators} escalators, {_lasts(story.duration_ms)}, seed {story.seed}")
    rates, weather = story.rates, story.weather
    if rates.causes or rates.alikes:
        which = f": {', '.join(rates.only)}" if rates.only else ""
        out.print(
            f"faults {rates.causes:g} times, look-alikes {rates.alikes:g} times the catalogue's rates{which}",
            highlight=False,
        )
    if weather != Weather():
        out.print(
            f"network: {weather.delay_ms} ms and {weather.jitter_ms} ms, {weather.loss:.1%} lost, {weather.doubled:.1%} doubled,"
            f" {weather.gateway or 1} lifts a line",
            highlight=False,
        )
    table = Table("at", "fault", "lift", "lasts", "rescue after", "again every")
    for fault in story.faults:
        where = fault.device or ("any" if fault.lift is None else f"no. {fault.lift}")
        times = (fault.lasts_ms, fault.rescue_after_ms, fault.every_ms)
        kind = fault.kind if fault.count == 1 else f"{fault.count} x {fault.kind}"
        table.add_row(_lasts(fault.at_ms), kind, where, *("" if ms is None else _lasts(ms) for ms in times))
    out.print(table)


@app.command("run")
def run_command(
    name: Annotated[str, typer.Argument(help="a shipped story, or a .toml file")],
    mqtt_url: Annotated[
        str | None, typer.Option("--mqtt-url", help="mqtt://host:port; default: HOISTWAY_MQTT_URL")
    ] = None,
    memory: Annotated[bool, typer.Option("--memory", help="without MQTT: truth and messages only go to files")] = False,
    lifts: Annotated[Path | None, typer.Option("--lifts", help="the register's CSV: whom to play")] = None,
    city: Annotated[int | None, typer.Option("--city", min=1, max=100_000, help="or a made-up city of N lifts")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="default: the story's own")] = None,
    speed: Annotated[
        str,
        typer.Option("--speed", help="device clocks run so many times as fast; `max` (in memory): as fast as possible"),
    ] = "1",
    lasts: Annotated[
        str | None, typer.Option("--for", help="end after so much of the story, such as 90s or 2h")
    ] = None,
    truth: Annotated[Path | None, typer.Option("--truth", help="append what really happened, as JSON lines")] = None,
    messages: Annotated[
        Path | None, typer.Option("--messages", help="in memory: write every message here, as JSON lines")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="the devices' memory between runs (boot number)")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="the key that device passwords are derived from")
    ] = None,
) -> None:
    """Play a story until it ends, q or Ctrl-C; the space bar pauses it."""
    from simulators.city import make_city, read_csv
    from simulators.duration import duration_ms
    from simulators.fleet import Totals
    from simulators.scenario import load

    async def play() -> Totals:
        story = load(name)
        if lasts is not None:
            story = replace(story, duration_ms=duration_ms(lasts, where="--for"))
        if lifts is not None:
            rows = read_csv(lifts)
        else:
            rows = make_city(
                lifts=city or story.lifts, escalators=story.escalators, seed=story.seed if seed is None else seed
            )
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        how = _Playing(
            story=story, rows=rows, seed=seed, speed=_speed(speed, memory=memory), stop=stop, totals=Totals()
        )
        if memory:
            return await how.in_memory(truth, messages)
        if len(rows) > MQTT_DEVICES_MOST:
            raise BadInput(
                f"{len(rows)} devices",
                where="simulate run",
                expected=f"at most {MQTT_DEVICES_MOST} over MQTT, or --memory",
            )
        if messages is not None:
            raise BadInput("--messages", where="simulate run", expected="--memory beside it")
        address = MqttAddress.parse(mqtt_url or Settings().need_mqtt_url())
        secret = secret_of(secret_file)
        return await how.over_mqtt(address, secret, truth=truth, state=state)

    totals = run(play())
    out.print(
        f"{totals.messages} messages, {totals.bytes} bytes, {totals.faults} faults, "
        f"{totals.connections} connections, {totals.failures} failed"
    )


@dataclass(kw_only=True, slots=True)
class _Playing:
    """One run, with the view beside it."""

    story: Scenario
    rows: Sequence[Equipment]
    seed: int | None
    speed: float | None
    stop: asyncio.Event
    totals: Totals

    async def in_memory(self, truth: Path | None, messages: Path | None) -> Totals:
        from simulators.playing import Pace, run_in_memory
        from simulators.world import DEFAULT_START_MS

        pace = Pace(DEFAULT_START_MS, self.speed)
        if self.story.duration_ms is None and self.speed is None:
            raise BadInput("a story without an end", where="--speed max", expected="--for beside it")
        until = None if self.story.duration_ms is None else DEFAULT_START_MS + self.story.duration_ms
        async with self._watched(lambda: pace.story_ms - DEFAULT_START_MS, pace.pause, over_mqtt=False):
            return await run_in_memory(
                self.story,
                self.rows,
                pace=pace,
                start_ms=DEFAULT_START_MS,
                seed=self.seed,
                until_ms=until if until is not None else 2**60,
                truth_path=truth,
                messages_path=messages,
                stop=self.stop,
                totals=self.totals,
            )

    async def over_mqtt(
        self, address: MqttAddress, secret: bytes | None, *, truth: Path | None, state: Path | None
    ) -> Totals:
        from simulators.fleet import run_scenario

        fleets: list[Fleet] = []

        def done() -> int:
            return fleets[0].world.now - fleets[0].world.start_ms if fleets else 0

        def pause(on: bool) -> None:
            if fleets:
                fleets[0].pause(on)

        async with self._watched(done, pause, over_mqtt=True):
            return await run_scenario(
                self.story,
                self.rows,
                address=address,
                password_of=lambda device: "" if secret is None else device_password(secret, device),
                speed=self.speed or 1.0,
                seed=self.seed,
                truth_path=truth,
                state_path=state,
                stop=self.stop,
                totals=self.totals,
                began=fleets.append,
            )

    @contextlib.asynccontextmanager
    async def _watched(
        self, done: Callable[[], int], pause: Callable[[bool], None], *, over_mqtt: bool
    ) -> AsyncIterator[None]:
        from hoistway.cli.simulated_run import Run, watch

        view = Run(
            totals=self.totals, devices=len(self.rows), lasts_ms=self.story.duration_ms, story_ms=done, pause=pause,
            over_mqtt=over_mqtt,
        )  # fmt: skip
        task = asyncio.create_task(watch(view, self.stop))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _speed(text: str, *, memory: bool) -> float | None:
    """A number of times, or None for as fast as possible."""
    if text == "max" and memory:
        return None
    with contextlib.suppress(ValueError):
        if 0.1 <= float(text) <= (10_000 if memory else 100):
            return float(text)
    expected = "0.1 to 10,000, or max" if memory else "0.1 to 100 (max and more only with --memory)"
    raise BadInput(f"speed {text!r}", where="--speed", expected=expected)


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
    from simulators.duration import said

    return "until stopped" if ms is None else said(ms)


def _faults(story: Scenario) -> str:
    count = sum(fault.count for fault in story.faults)
    return (
        f"{count} and by rates"
        if count and story.rates.causes + story.rates.alikes
        else str(count)
        if count
        else _by_rates(story)
    )


def _by_rates(story: Scenario) -> str:
    return "by rates" if story.rates.causes + story.rates.alikes else "none"
