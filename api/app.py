"""The wiring of the api: one application, its routes, what wraps every answer, and what runs beside it.

`create_app` does no I/O; the database, the last states and the stream's reader start with the application's life.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import hoistway
from api import (
    backtests,
    city_link,
    desk,
    figures,
    firm,
    health,
    incidents,
    intake,
    lift_access,
    lifts,
    notify,
    orders,
    pages,
    problems,
    records,
    rule_sets,
    schemas,
    security,
    shelving,
    watch,
)
from api.access import COOKIE, declared
from api.accounts import pages as account_pages
from api.accounts import routes as account_routes
from api.accounts import shift_pages, shift_routes
from api.console.pages import STATIC
from api.live import LiveState
from api.problems import Problem
from api.stream import Hub
from api.tickets import maintenance, routes
from api.tickets import pages as ticket_pages
from api.watch import Watchdog
from hoistway.heartbeat import Heartbeats
from hoistway.limits import BODY_BYTES, PHOTO_BODY_BYTES
from hoistway.settings import Settings
from hoistway.store import Database
from hoistway.store import scope as whose

ROUTERS: Final = (
    lifts.router, desk.alarms, shelving.alarms, shelving.removals, desk.cases, orders.router, incidents.router, figures.router,
    records.quarantine, records.rules, rule_sets.router, backtests.router, backtests.explanations, health.router, watch.router,
    pages.router, security.router, security.view, lift_access.router, *firm.ROUTERS,
    *intake.ROUTERS, *notify.ROUTERS, city_link.router, city_link.view,
    routes.router, maintenance.router, ticket_pages.router,
    account_routes.router, account_pages.router, shift_routes.router, shift_pages.router,
)  # fmt: skip
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PHOTOS: Final = re.compile(r"(?:/api/v1|/firm)?/tickets/[0-9]{1,10}/photos")
"""Where a photo may be sent to: a larger body."""
_SECURITY: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_PERMISSIONS: Final = "camera=(), microphone=(), geolocation=()"
_NO_CONTENT_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: Settings, *, database: Database | None = None, clock: Callable[[], datetime] = utc_now
) -> FastAPI:
    """The application. A `database` that is handed in is opened and closed by its owner."""
    own = database is None
    store = database or Database(settings.need_database_url(), name="hoistway api", scoped=True)
    url = settings.database_url.get_secret_value() if settings.database_url else None

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if own:
            await store.open()
        tasks = [asyncio.create_task(app.state.live.run()), asyncio.create_task(app.state.hub.run())]
        if url is not None:
            tasks.append(asyncio.create_task(beats.run(url, settings.cadence)))
        try:
            yield
        finally:
            app.state.live.close()
            app.state.hub.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if own:
                await store.close()

    app = FastAPI(
        title="hoistway",
        summary="Lifts, alarms and rescue cases of a city",
        version=hoistway.__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    registry = CollectorRegistry()
    beats = Heartbeats("api", registry)
    live = LiveState(store, beats=beats)
    watchdog = Watchdog(settings.cadence, watched=settings.watch_key is not None)
    app.state.settings, app.state.database, app.state.clock = settings, store, clock
    app.state.live = live
    app.state.watchdog = watchdog
    app.state.beats = beats
    app.state.hub = Hub(store, live, clock=clock, registry=registry, url=url, beats=beats, platform=watchdog.document)
    app.state.metrics = health.Metrics(registry, live)
    for router in ROUTERS:
        list(declared(router.routes))  # raises for a route that does not say who may call it
        app.include_router(router)
    app.mount("/static/firm", _Static(directory=firm.STATIC, check_dir=False))
    app.mount("/static", _Static(directory=STATIC, check_dir=False))
    problems.install(app)
    app.add_middleware(_Wrap, metrics=app.state.metrics)
    app.openapi = lambda: contract(app)  # type: ignore[method-assign]
    return app


def contract(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the roles of every operation as `x-roles`."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description="Times are RFC 3339 UTC. Errors are application/problem+json. docs/api.md tells the rest.",
            routes=app.routes,
        )
        parts = document.setdefault("components", {})
        parts["securitySchemes"] = {
            "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            "key": {"type": "http", "scheme": "bearer", "description": "hoistway apikey create"},
        }
        parts["schemas"]["Problem"] = schemas.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts["schemas"] |= parts["schemas"]["Problem"].pop("$defs", {})
        for router in ROUTERS:
            for route, gate in declared(router.routes):
                for method in route.methods or ():
                    operation = document["paths"].get(route.path, {}).get(method.lower())
                    if operation is not None:
                        operation["x-roles"] = gate.names
                        operation["security"] = gate.security
        app.openapi_schema = document
    return app.openapi_schema


class _Static(StaticFiles):
    """Files of the console. Browsers keep them and ask by ETag whether they are still good."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Wrap:
    """Around every request: its id, the limit of its body, the headers of its answer, the time it took."""

    def __init__(self, app: ASGIApp, metrics: health.Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with whose.within(whose.NOTHING):  # until a gate says who asks
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        given = headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started, answered, read = time.perf_counter(), False, 0
        most = PHOTO_BODY_BYTES if _PHOTOS.fullmatch(scope["path"]) else BODY_BYTES

        async def sending(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                _check_length(read, most)
                answered = True
                _add_headers(MutableHeaders(scope=message), scope["path"], request_id)
                self._observe(scope, message["status"], time.perf_counter() - started)
            await send(message)

        async def receiving() -> Message:
            nonlocal read
            _check_length(read, most)
            message = await receive()
            read += len(message.get("body", b""))
            return message

        try:
            announced = headers.get("Content-Length", "0")
            _check_length(int(announced) if announced.isdigit() else 0, most)
            await self._app(scope, receiving, sending)
        except Exception as error:
            if answered:
                raise
            read = 0
            await problems.answer(error, path=scope["path"], request_id=request_id)(scope, receive, sending)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path", None) or "other"
        self._metrics.latency.labels(scope["method"], path, str(status)).observe(seconds)


def _check_length(read: int, most: int) -> None:
    if read > most:
        raise Problem(413, f"a body may have {most} bytes")


def _add_headers(headers: MutableHeaders, path: str, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in _SECURITY:
        headers[name] = value
    headers.setdefault("Content-Security-Policy", _NO_CONTENT_POLICY)
    headers.setdefault("Permissions-Policy", _PERMISSIONS)
    if not path.startswith("/static/"):
        headers.setdefault("Cache-Control", "no-store")
