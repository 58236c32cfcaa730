"""The processes of the product, one command each, and the question whether one is well."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import typer

from hoistway.errors import BadInput, CannotStart
from hoistway.limits import COMPACTOR_LAG_S
from hoistway.settings import Settings

STALE_S: Final = 15.0
COMPACTOR_STALE_S: Final = 200.0
"""One of its statements may take that long."""
LOOPS: Final = ("ingest", "dispatch", "backtests", "compactor", "watch")


def run_part(serve: Callable[[Settings, asyncio.Event], Awaitable[int]]) -> None:
    """Run one process until SIGTERM or SIGINT; exit with its code."""
    from hoistway.logs import configure_logs

    settings = Settings()
    configure_logs(as_json=settings.log_json)

    async def body() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return await serve(settings, stop)

    sys.exit(asyncio.run(body()))


def ingest() -> None:
    """Read from MQTT, find alarms, commit, acknowledge."""
    from ingest.main import serve

    run_part(serve)


def dispatch() -> None:
    """Send units, fire the timers of rescue cases, seal their log, send notifications, tell the city's platform."""
    from dispatch.citylink import sender as city_sender
    from dispatch.notify.serve import prepare
    from dispatch.notify.serve import serve as send
    from dispatch.service import REGISTRY, run, serve_metrics, server_time
    from hoistway.heartbeat import Heartbeats
    from hoistway.store import Database

    async def serve(settings: Settings, stop: asyncio.Event) -> int:
        database = Database(settings.need_database_url(), name="hoistway-dispatch", most=4)
        sender = prepare(settings)
        serve_metrics(settings.metrics_host, settings.metrics_port)
        await database.open()
        beats = Heartbeats("dispatch", REGISTRY)
        writing = asyncio.create_task(beats.run(settings.need_database_url(), settings.cadence))
        telling = asyncio.create_task(
            city_sender.run(
                database,
                stop,
                secrets=settings.city_link_path,
                clock=server_time(),
                keep_days=settings.keep_log_days,
                beats=beats,
            )
        )
        sending = asyncio.create_task(send(sender, stop, beats=beats))
        try:
            await run(database, stop, anchor=settings.anchor_path, beats=beats)
        finally:
            stop.set()
            await asyncio.gather(sending, return_exceptions=True)
            writing.cancel()
            telling.cancel()
            await database.close()
        return 0

    run_part(serve)


def compactor() -> None:
    """Move samples from the log into chunks, and let go what is too old."""
    from hoistway.heartbeat import Heartbeats
    from ingest.compactor import metrics
    from ingest.compactor.retention import Retention
    from ingest.compactor.service import run

    async def serve(settings: Settings, stop: asyncio.Event) -> int:
        url = settings.need_database_url()
        metrics.serve(settings.metrics_host, settings.metrics_port)
        retention = Retention(samples_days=settings.keep_samples_days, log_days=settings.keep_log_days)
        beats = Heartbeats("compactor", metrics.REGISTRY)
        writing = asyncio.create_task(beats.run(url, settings.cadence))
        try:
            await run(url, retention, stop, beats=beats)
        finally:
            writing.cancel()
        return 0

    run_part(serve)


def api() -> None:
    """Serve the API, the live stream and the console."""
    from api.serve import run
    from hoistway.logs import configure_logs

    settings = Settings()
    configure_logs(as_json=settings.log_json)
    settings.need_database_url()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn handles both and then raises them again for whoever was there before it: that is a clean end here
        signal.signal(number, lambda *_arguments: None)
    try:
        run(settings)
    except OSError as error:
        raise CannotStart(
            f"the API cannot listen on {settings.http_host}:{settings.http_port} ({error.strerror}): set HOISTWAY_HTTP_PORT"
        ) from error


def watch() -> None:
    """The dead-man's switch: probe the way of an alarm, and shout when it is not open."""
    from hoistway.watch.service import serve

    run_part(serve)


def migrate() -> None:
    """Bring the database's schema to this program's version."""
    from hoistway.registry.probe import ensure_probe
    from hoistway.store import connect_url
    from hoistway.store import migrate as apply

    async def body() -> tuple[int, int]:
        connection = await connect_url(
            Settings().need_database_url(), name="hoistway-migrate", patience_s=30, command_timeout_s=600
        )
        try:
            found = await apply(connection)
            await ensure_probe(connection)
            return found
        finally:
            await connection.close()

    before, after = asyncio.run(body())
    typer.echo(f"schema {before} -> {after}")


def health(part: Annotated[str, typer.Argument(help="ingest, dispatch, backtests, compactor, watch or api")]) -> None:
    """Exit 0 when the part on this machine is well, 1 with the reason when it is not."""
    settings = Settings()
    reason = _api_trouble(settings) if part == "api" else _loop_trouble(settings, part)
    typer.echo(reason or "well")
    raise typer.Exit(1 if reason else 0)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310  # always http to this machine
        body: bytes = answer.read()
        return body.decode()


def _api_trouble(settings: Settings) -> str | None:
    try:
        _get(f"http://127.0.0.1:{settings.http_port}/health/ready")
    except urllib.error.HTTPError as error:
        return f"not ready: {json.dumps(json.loads(error.read()))[:300]}"
    except (OSError, ValueError) as error:
        return f"no answer: {error}"
    return None


def _loop_trouble(settings: Settings, part: str) -> str | None:
    if part not in LOOPS:
        raise BadInput(part, where="PART", expected=f"{', '.join(LOOPS)} or api")
    if not settings.metrics_port:
        raise BadInput("0", where="HOISTWAY_METRICS_PORT", expected="the port this part serves /metrics on")
    try:
        text = _get(f"http://127.0.0.1:{settings.metrics_port}/metrics")
    except OSError as error:
        return f"no answer: {error}"
    turned = _figure(text, f"hoistway_{part}_loop_timestamp_seconds")
    if turned is None or time.time() - turned > (STALE_S if part != "compactor" else COMPACTOR_STALE_S):
        return "the loop does not go round"
    lag = _figure(text, "hoistway_compactor_lag_seconds")
    if lag is not None and lag > COMPACTOR_LAG_S:
        return f"samples have waited for {lag:.0f} s to be moved"
    return None


def _figure(text: str, name: str) -> float | None:
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")), None)
