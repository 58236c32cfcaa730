"""`hoistway record` and `hoistway replay`: tapes of live or stored traffic, what can be done to them, and playing them again."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, cast
from zoneinfo import ZoneInfo

import typer

from hoistway.cli.common import act, out, run
from hoistway.cli.lifts import DatabaseUrl
from hoistway.cli.score import told
from hoistway.errors import BadInput
from hoistway.mqtt_url import MqttAddress
from hoistway.settings import Settings
from simulators.tape.edit import Names, Part, anonymous, lines_of, part_of, shifted
from simulators.tape.file import Item, TapeWriter, read_tape
from simulators.tape.logs import Counts, items_of, mapping_of

app = typer.Typer(help="Record traffic, and make tapes of logs and of the store.", no_args_is_help=True)

Tape = Annotated[Path, typer.Argument(help="a tape")]
To = Annotated[Path, typer.Option("--out", help="the tape that is written")]
MqttUrl = Annotated[str | None, typer.Option("--mqtt-url", help="mqtt://host:port; default: HOISTWAY_MQTT_URL")]
Cut = Annotated[bool, typer.Option("--cut", help="a last block that is not whole is left out")]
Since = Annotated[str | None, typer.Option("--from", help="2026-11-23T08:00, the city's time unless it says otherwise")]
Until = Annotated[str | None, typer.Option("--to", help="the same; not included")]


@app.command()
def live(
    to: To,
    mqtt_url: MqttUrl = None,
    seconds: Annotated[float | None, typer.Option("--for", min=0.1, help="seconds; default: until Ctrl-C")] = None,
) -> None:
    """Record what devices say on a broker. The account must be allowed to read lift/v1/#."""
    from simulators.tape.live import Recorder

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if seconds is not None:
        threading.Timer(seconds, stop.set).start()
    recorder = told(lambda: Recorder(MqttAddress.parse(mqtt_url or Settings().need_mqtt_url())))
    told(lambda: recorder.run(to, stop))
    out.print(
        f"{recorder.recorded} messages recorded, {recorder.overrun} left out because they came too fast, "
        f"{recorder.too_large} too large, {recorder.foreign} of no topic of the contract",
        highlight=False,
    )


@app.command()
def store(
    to: To,
    lifts: Annotated[str, typer.Option("--lifts", help="numbers of lifts, with commas")],
    since: Since = None,
    until: Until = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a tape of stored samples and events of some lifts."""
    from hoistway.trial.stored import stored

    numbers = told(lambda: _numbers(lifts))
    begin, end = told(lambda: (_when(since, "--from"), _when(until, "--to")))
    items = act(database_url, lambda connection: stored(connection, numbers, begin, end))
    _write(items, to)


@app.command("import")
def import_command(
    table: Annotated[Path, typer.Argument(help="a CSV table")],
    mapping: Annotated[Path, typer.Option("--mapping", help="a TOML file: which column is what")],
    to: To,
    encoding: Annotated[str, typer.Option("--encoding")] = "utf-8-sig",
) -> None:
    """Make a tape of a real log."""
    counts = Counts()

    def work() -> None:
        chosen = mapping_of(mapping.read_text("utf-8"), source=mapping.name)
        try:
            with table.open(encoding=encoding, newline="") as lines:
                _write(items_of(lines, chosen, source=table.name, counts=counts), to)
        except (UnicodeDecodeError, LookupError) as error:
            raise BadInput(str(error), where=str(table), expected="a text file; --encoding says which") from None

    told(work)
    out.print(f"{counts.rows} rows: {counts.samples} samples, {counts.events} events", highlight=False)
    for what, found in (("rows left out", counts.left_out), ("cells that cannot be used", counts.unusable)):
        for name, count in found.most_common():
            out.print(f"{what}: {name}: {count}", highlight=False, markup=False)


@app.command()
def show(tape: Tape, cut: Cut = False) -> None:
    """What is on a tape."""
    counts: dict[str, int] = {}
    devices: set[str] = set()
    first = last = None
    size = 0

    def work() -> None:
        nonlocal first, last, size
        for item in read_tape(tape, cut=cut):
            counts[item.leaf] = counts.get(item.leaf, 0) + 1
            devices.add(item.device)
            first, last = item.at_ms if first is None else min(first, item.at_ms), max(last or 0, item.at_ms)
            size += len(item.payload)

    told(work)
    file = tape.stat().st_size
    out.print(f"{sum(counts.values())} messages of {len(devices)} devices: {counts}", highlight=False)
    if first is not None and last is not None:
        out.print(f"{_text(first)} to {_text(last)}; {size} bytes of payload in {file}", highlight=False)


@app.command()
def edit(
    tape: Tape,
    to: To,
    devices: Annotated[str | None, typer.Option("--devices", help="only these, with commas")] = None,
    leaves: Annotated[str | None, typer.Option("--leaves", help="only these of state, event, link")] = None,
    since: Since = None,
    until: Until = None,
    shift: Annotated[float, typer.Option("--shift", help="seconds later (or, negative, earlier)")] = 0.0,
    anonymise: Annotated[bool, typer.Option("--anonymise", help="other names for devices and lifts")] = False,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="so that two tapes get the same other names")
    ] = None,
    cut: Cut = False,
) -> None:
    """Keep a part of a tape, move it in time, take names out of it."""
    part = told(
        lambda: Part(
            devices=_words(devices),
            leaves=_words(leaves),
            from_ms=None if since is None else _ms(_when(since, "--from")),
            to_ms=None if until is None else _ms(_when(until, "--to")),
        )
    )

    def work() -> None:
        items: Iterable[Item] = part_of(read_tape(tape, cut=cut), part)
        if shift:
            items = shifted(items, round(shift * 1_000))
        if anonymise:
            items = anonymous(items, Names(key_file.read_bytes() if key_file else secrets.token_bytes(32)))
        _write(items, to)

    told(work)


@app.command()
def export(tape: Tape, to: Annotated[Path, typer.Option("--out", help="JSON lines")], cut: Cut = False) -> None:
    """Write a tape as JSON lines, as `hoistway rules backtest --recorded` reads them."""

    def work() -> None:
        with to.open("w", encoding="utf-8") as file:
            for row in lines_of(read_tape(tape, cut=cut)):
                file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")

    told(work)


def replay(
    tape: Tape,
    mqtt_url: MqttUrl = None,
    speed: Annotated[float, typer.Option("--speed", min=0.01, max=1_000, help="so many times as fast")] = 1.0,
    original: Annotated[bool, typer.Option("--original", help="keep the stamps; default: shifted to now")] = False,
    state: Annotated[
        Path | None, typer.Option("--state", help="the devices' memory between runs (boot number)")
    ] = None,
    secret_file: Annotated[Path | None, typer.Option("--secret-file", help="the key of the device passwords")] = None,
    cut: Cut = False,
) -> None:
    """Play a tape again: its devices connect, and say what they said, as new records. Only for a platform of your own: it is an exercise
    for lifts that are registered as such."""
    from hoistway.cli.simulate import secret_of
    from hoistway.embedded.credentials import device_password
    from simulators.fleet import Fleet, Totals
    from simulators.memory import recall, remember
    from simulators.tape.playback import Playback
    from simulators.world import World

    async def play() -> tuple[Totals, Playback]:
        address = MqttAddress.parse(mqtt_url or Settings().need_mqtt_url())
        secret, totals = secret_of(secret_file), Totals()
        now = time.time_ns() // 1_000_000
        tape_played = Playback(read_tape(tape, cut=cut), start_ms=now, original=original, boots=recall(state) or {})
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        fleet = Fleet(
            cast("World", tape_played),
            address=address,
            password_of=lambda device: "" if secret is None else device_password(secret, device),
            speed=speed,
            totals=totals,
        )
        _keep(state, tape_played)
        await fleet.run(stop)
        _keep(state, tape_played)
        return totals, tape_played

    def _keep(path: Path | None, played: Playback) -> None:
        if path is not None:
            remember(path, {name: unit.device.snapshot() for name, unit in played.units.items()})

    totals, played = run(play())
    out.print(
        f"{played.played} records played, {played.left_out} left out; {totals.messages} messages, {totals.connections} connections, "
        f"{totals.failures} failed",
        highlight=False,
    )


# --- what the commands share ---


def _write(items: Iterable[Item], to: Path) -> None:
    with TapeWriter(to) as tape:
        for item in items:
            tape.add(item)
    out.print(f"{tape.items} messages written, {tape.too_large} too large", highlight=False)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{text!r}", where="--lifts", expected="numbers of lifts, as 12,15") from None


def _words(text: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",")) if text else frozenset()


def _when(text: str | None, option: str) -> datetime:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        raise BadInput(f"{text!r}", where=option, expected="a time, as 2026-11-23T08:00 or 2026-11-23T00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(Settings().time_zone))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
