"""How this process is: alive, ready and why not, figures for Prometheus, and what `me` is told about itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from api import schemas
from api.access import EVERYONE, METRICS, Member
from api.console import pages
from api.exchange import answer, moment
from api.live import LiveState
from api.schemas import PROBLEMS
from dispatch.citylink.reading import open_counts
from dispatch.citylink.words import notes as city_link_notes
from hoistway.errors import WorldFault
from hoistway.heartbeat import Heartbeats, read_beats
from hoistway.limits import READY_DATA_AGE_S
from hoistway.stages import Beat, Finding, finding, late
from hoistway.store import AWAY, SCHEMA_VERSION, queries
from hoistway.store.scope import WHOLE, within

router = APIRouter(responses=PROBLEMS)

_sql: Final = queries("api", "sql/health.sql")
_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """This process's figures, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry, live: LiveState) -> None:
        self.registry = registry
        self.latency = Histogram(
            "hoistway_api_request_seconds",
            "time to the start of the answer",
            ("method", "route", "status"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.photos_refused = Counter("hoistway_api_photos_refused", "photos of tickets not taken", registry=registry)
        age = Gauge("hoistway_data_age_seconds", "age of the newest committed batch; -1 = none", registry=registry)
        age.set_function(lambda: -1.0 if live.data_age_s is None else live.data_age_s)


@router.get("/health/live", tags=["health"], dependencies=[Depends(EVERYONE)], response_model=schemas.Health)
async def live() -> Response:
    """This process answers."""
    return answer({"status": "live", "reasons": [], "notes": []})


@router.get(
    "/health/ready",
    tags=["health"],
    dependencies=[Depends(EVERYONE)],
    response_model=schemas.Readiness,
    responses={503: {"model": schemas.Readiness, "description": "not ready, and why"}},
)
async def ready(request: Request) -> Response:
    """This process can do its work; 503 with the reasons when it cannot. What is late elsewhere is said beside it."""
    state = request.app.state
    found = await stages_late(state)
    with within(WHOLE):  # of the platform, and nothing of it is sent
        reasons, notes = await _reasons(state.database)
    reasons = [*reasons, *(item.en for item in own_late(state))]
    told = {"notes": notes, "late": [item.document() for item in found], "platform": state.watchdog.document()}
    if reasons:
        return answer({"status": "not-ready", "reasons": reasons, **told}, status=503, headers={"Retry-After": "2"})
    return answer({"status": "ready", "reasons": [], **told})


async def stages_late(state: Any) -> Sequence[Finding]:
    """What the heartbeats say of every process; a database that does not answer is late itself."""
    limit_s = state.settings.cadence.late_s
    try:
        async with state.database.acquire() as connection:
            return late(await read_beats(connection), limit_s)
    except (*AWAY, WorldFault):
        return [finding("database", None, "不应答", "does not answer")]


def own_late(state: Any) -> Sequence[Finding]:
    """The stages of this process that stand still."""
    beats: Heartbeats = state.beats
    rows = [
        Beat(part=beats.part, stage=stage, age_s=beats.age_s(stage), written_s=0, lag_s=0) for stage in beats.stages
    ]
    return [item for item in late(rows, state.settings.cadence.late_s) if item.stage.startswith("api/")]


async def _reasons(database: Any) -> tuple[Sequence[str], Sequence[dict[str, Any]]]:
    """Why the work cannot be done, and what else is out of the ordinary."""
    try:
        version = await database.fetchval(_sql["schema_version"])
        if version != SCHEMA_VERSION:
            return [f"the database is at schema {version}, this program needs {SCHEMA_VERSION}"], []
        reasons = []
        age = await database.fetchval(_sql["newest_batch_age_s"])
        if age is not None and age > READY_DATA_AGE_S and await database.fetchval(_sql["has_devices"]):
            reasons.append(f"the newest data is {age:.0f} s old; devices are enrolled")
        if not await database.fetchval(_sql["has_partition_ahead"]):
            reasons.append("the sample table has no partition for the next hour; is the ingest running?")
        notes = await _notes(database)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the reason
        return [f"the database does not answer: {str(error) or type(error).__name__}"], []
    return reasons, notes


async def notes_of(state: Any) -> Sequence[dict[str, Any]]:
    """As `_notes`; nothing while the database does not answer, which is said elsewhere."""
    try:
        return await _notes(state.database)
    except (*AWAY, WorldFault):
        return []


async def _notes(database: Any) -> Sequence[dict[str, Any]]:
    """What is out of the ordinary and no reason to take the work away from this process, in words."""
    found = [{**note, "since": moment(note["since"])} for note in city_link_notes(await open_counts(database))]
    row = await database.fetchrow(_sql["overload"])
    if row is None:
        return found
    since, shed = moment(row["began_at"]), row["coalesced"]
    return [
        {
            "code": "overload",
            "since": since,
            "zh": f"过载：自 {since} 起收到的数据多于可入库的数量；已合并 {shed} 条没有新内容的采样，设备仍保留；事件和状态变化照常入库",
            "en": (
                f"overload: since {since} more comes than can be stored; {shed} samples that say nothing new were shed,"
                " the devices keep them; events and every change are stored as always"
            ),
        },
        *found,
    ]


@router.get("/metrics", tags=["health"], dependencies=[Depends(METRICS)], response_class=Response)
async def metrics(request: Request) -> Response:
    """Figures in Prometheus' text form; for this machine, or for an admin's key."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/me", tags=["people"], response_model=schemas.Me)
async def me(request: Request, principal: Member) -> Response:
    """Who this session or key is, and the token that unsafe requests with a cookie need."""
    chosen = request.cookies.get(pages.LANGUAGE_COOKIE)
    return answer(
        {
            "name": principal.name,
            "role": principal.role,
            "firm_id": principal.firm_id,
            "districts": list(principal.districts),
            "csrf": principal.csrf,
            "session_ends_at": moment(principal.session_ends_at),
            "language": pages.language(chosen, request.headers.get("Accept-Language")),
        }
    )


@router.get("/openapi.json", tags=["health"], dependencies=[Depends(EVERYONE)], include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The contract of this api."""
    return answer(request.app.openapi())
