"""The register and what is known of each lift now and before: list, state, history, map, and one lift followed live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from fastapi import APIRouter, Header, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from api import desk, schemas, shapes
from api.access import Reader
from api.exchange import After, Document, Limit, answer, cursor, encode, moment, page
from api.feed import Audience
from api.people import Principal
from api.problems import Problem, not_found
from api.schemas import PROBLEMS, Id
from api.stream import EventStream, Hub
from hoistway import samples
from hoistway.limits import FOLLOW_TICK_MS, HISTORY_POINTS, STREAM_HEARTBEAT_S
from hoistway.samples.layout import moment as at_moment
from hoistway.store import queries

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)

DISTRICTS: Final = "/static/data/hangzhou_districts.geojson"
_HISTORY_DAYS: Final = 31
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_PORTION: Final = 500
_SCOPE_S: Final = 10.0
_INT_MAX: Final = 2**31 - 1
_sql: Final = queries("api", "sql/lifts.sql")
EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/lifts", tags=["lifts"], response_model=schemas.LiftPage)
async def list_lifts(
    request: Request,
    principal: Reader,
    after: After = None,
    limit: Limit = 100,
    q: Annotated[str | None, Query(max_length=100, description="fragment of a name, place or number")] = None,
    district: Annotated[str | None, Query(max_length=100)] = None,
    estate: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Lifts and escalators of the register."""
    database = request.app.state.database
    fragment = None if not q else f"%{q.translate(_LIKE)}%"
    last = min(cursor(after) or 0, _INT_MAX)
    rows = await database.fetch(_sql["lift_ids"], principal.scope, last, fragment, district, estate, limit + 1)
    ids = [row["id"] for row in rows]
    return page(request, await _documents(request, principal, ids[:limit]), ids, limit)


_LIKE: Final = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_", "\0": None})


@router.get("/lifts/{lift_id}", tags=["lifts"], response_model=schemas.Lift)
async def read_lift(request: Request, principal: Reader, lift_id: Id) -> Response:
    """One lift."""
    found = await _documents(request, principal, [lift_id])
    if not found:
        raise not_found("lift")
    return answer(found[0])


async def _documents(request: Request, principal: Principal, ids: list[int]) -> list[Document]:
    database, live = request.app.state.database, request.app.state.live
    lifts = {row["id"]: shapes.lift(row) for row in await database.fetch(_sql["lift_documents"], principal.scope, ids)}
    for row in await database.fetch(_sql["devices_of_lifts"], list(lifts)):
        device = shapes.device(row)
        seen = [at for at in (device["last_seen"], live.received_at(row["lift_id"])) if at is not None]
        device["last_seen"] = max(seen, default=None)
        lifts[row["lift_id"]]["devices"].append(device)
    return list(lifts.values())


async def _kind_in_scope(request: Request, principal: Principal, lift_id: int) -> str | None:
    kind: str | None = await request.app.state.database.fetchval(_sql["lift_kind"], principal.scope, lift_id)
    return kind


async def _kind(request: Request, principal: Principal, lift_id: int) -> str:
    kind = await _kind_in_scope(request, principal, lift_id)
    if kind is None:
        raise not_found("lift")
    return kind


@router.get("/lifts/{lift_id}/state", tags=["lifts"], response_model=schemas.LiftState)
async def read_state(request: Request, principal: Reader, lift_id: Id) -> Response:
    """The newest sample of a lift, and what is open about it. Unknown is null."""
    state = request.app.state
    kind = await _kind(request, principal, lift_id)
    await state.live.fetch(lift_id)
    document = state.live.state(lift_id, kind, state.clock())
    alarms, cases = await desk.open_of_lift(state.database, principal, lift_id)
    document["online"] = _online(document, state.hub, lift_id)
    return answer({**document, "open_alarms": alarms, "open_cases": cases})


def _online(document: Document, hub: Hub, lift_id: int) -> bool | None:
    if hub.mirror.is_offline(lift_id):
        return False
    return None if document["received"] is None else True


@router.get("/lifts/{lift_id}/history", tags=["lifts"], response_model=schemas.History)
async def read_history(
    request: Request,
    principal: Reader,
    lift_id: Id,
    since: Annotated[AwareDatetime | None, Query(alias="from", description="default: an hour before `to`")] = None,
    to: Annotated[AwareDatetime | None, Query(description="default: now")] = None,
    signals: Annotated[str | None, Query(max_length=1000, description="names, separated by commas")] = None,
) -> Response:
    """Samples of one lift in device time, oldest first: columns and rows."""
    kind = await _kind(request, principal, lift_id)
    known = {signal.name: signal for signal in shapes.signals_of(kind)}
    names = list(known) if signals is None else [name.strip() for name in signals.split(",")]
    if wrong := [name for name in names if name not in known]:
        raise _wrong("signals", f"no signal {wrong[0]!r}; there are: {', '.join(known)}")
    last: datetime = to or request.app.state.clock()
    if not all(_EARLIEST <= end.replace(tzinfo=UTC) <= _LATEST for end in (last, since or last)):
        raise _wrong("to", f"times lie between {_EARLIEST.year} and {_LATEST.year}")
    first: datetime = since or last - timedelta(hours=1)
    if not timedelta(0) <= last - first <= timedelta(days=_HISTORY_DAYS):
        raise _wrong("from", f"must lie before `to`, at most {_HISTORY_DAYS} days")
    async with request.app.state.database.acquire() as connection:
        rows = await history_of(connection, lift_id, first, last, names)
    labels = await request.app.state.live.labels()
    picked = [known[name] for name in names]
    points: list[list[Any]] = []
    for start in range(0, min(len(rows), HISTORY_POINTS), _PORTION):  # alarms of others go out in between
        part = rows[start : min(start + _PORTION, HISTORY_POINTS)]
        columns = [part[signal.name].tolist() for signal in picked]
        times = [moment(at_moment(at)) for at in part["at"].tolist()]
        values = [
            [shapes.value(signal, value, labels) for value in column]
            for signal, column in zip(picked, columns, strict=True)
        ]
        points += [list(row) for row in zip(times, *values, strict=True)]
        await asyncio.sleep(0)
    return answer(
        {
            "lift_id": lift_id,
            "from": moment(first),
            "to": moment(last),
            "columns": ["at", *names],
            "rows": points,
            "truncated": len(rows) > HISTORY_POINTS,
        }
    )


async def history_of(connection: Any, lift_id: int, first: datetime, last: datetime, names: list[str]) -> samples.Rows:
    """Stored samples of a lift from `first` until before `last`, oldest first."""
    columns = tuple(dict.fromkeys(("at", "received", "ordinal", *names)))
    wanted = samples.Wanted(lifts=[lift_id], at=(first, last - timedelta(microseconds=1)))
    rows = samples.joined([], columns)
    async with samples.snapshot(connection) as store:
        async for part in store.of_lifts(wanted, columns):
            rows = samples.joined([rows, part], columns)
            if len(rows) > 4 * HISTORY_POINTS:
                rows = _oldest(rows)
    return _oldest(rows)


def _oldest(rows: samples.Rows) -> samples.Rows:
    """As many as are shown, and one more."""
    return rows[np.lexsort((rows["ordinal"], rows["received"], rows["at"]))][: HISTORY_POINTS + 1]


def _wrong(parameter: str, detail: str) -> Problem:
    return Problem(422, "the request cannot be used", errors=[{"parameter": parameter, "detail": detail}])


@router.get("/map", tags=["lifts"], response_model=schemas.CityMap)
async def read_map(request: Request, principal: Reader) -> Response:
    """Where the lifts stand. What is wrong with them comes from the stream."""
    rows = await request.app.state.database.fetch(_sql["map"], principal.scope)
    return answer({"lifts": [list(row.values()) for row in rows], "districts": DISTRICTS})


# --- live ---


@router.get("/stream", tags=["live"], response_class=EventStream, status_code=200, responses=EVENTS)
async def follow_city(
    request: Request, principal: Reader, last_event_id: Annotated[str | None, Header(max_length=5_000)] = None
) -> Response:
    """Everything open, then every change: events `snapshot`, `change` and, every 2 s, `heartbeat`.

    Each frame names the id of the frame before it in `prev`. `Last-Event-ID` resumes without a gap or a double while
    the place is kept (24 h); else a new snapshot comes.
    """
    hub: Hub = request.app.state.hub
    await hub.admit(principal)

    @contextlib.contextmanager
    def source() -> Iterator[tuple[AsyncGenerator[bytes], tuple[asyncio.Event, ...]]]:
        with hub.subscribe(principal) as subscriber:
            yield subscriber.frames(last_event_id), (subscriber.ended,)

    return EventStream(source)


@router.get("/lifts/{lift_id}/follow", tags=["live"], response_class=EventStream, status_code=200, responses=EVENTS)
async def follow_lift(request: Request, principal: Reader, lift_id: Id) -> Response:
    """The state of one lift whenever it changes, at most four times a second: events `state`."""
    hub: Hub = request.app.state.hub
    await _kind(request, principal, lift_id)
    await hub.admit(principal)
    await request.app.state.live.fetch(lift_id)

    @contextlib.contextmanager
    def source() -> Iterator[tuple[AsyncGenerator[bytes], tuple[asyncio.Event, ...]]]:
        with hub.subscribe(principal) as subscriber:
            yield _states(request, principal, subscriber.audience, lift_id), (subscriber.ended,)

    return EventStream(source)


async def _states(request: Request, principal: Principal, audience: Audience, lift_id: int) -> AsyncGenerator[bytes]:
    state, loop = request.app.state, asyncio.get_running_loop()
    seen: object = None
    kind: str | None = None
    due = look_again = 0.0
    while True:
        if loop.time() >= look_again:  # a lift that went to another firm is followed no longer
            kind, look_again = await _kind_in_scope(request, principal, lift_id), loop.time() + _SCOPE_S
        if kind is None:
            return
        now = (state.live.packed(lift_id), state.hub.mirror.of_lift(lift_id, audience))
        if now != seen or loop.time() >= due:
            seen, due = now, loop.time() + STREAM_HEARTBEAT_S
            document = state.live.state(lift_id, kind, state.clock())
            document["online"] = _online(document, state.hub, lift_id)
            document["open_alarms"] = [msgspec.Raw(text) for (name, _), text in now[1].items() if name == "alarms"]
            document["open_cases"] = [msgspec.Raw(text) for (name, _), text in now[1].items() if name == "cases"]
            yield b"event: state\ndata: " + encode(document) + b"\n\n"
        await asyncio.sleep(FOLLOW_TICK_MS / 1000)
