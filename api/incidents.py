"""Area incidents: many lifts of one area at once, with the entrapments among them on top. For staff: they tell of every firm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import schemas_desk as said
from api import shapes
from api.access import Staff
from api.exchange import After, Document, Limit, answer, cursor, page
from api.problems import not_found
from api.schemas import PROBLEMS, Id
from hoistway.limits import INCIDENT_LIFTS
from hoistway.store import queries

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/incidents.sql")


async def incident_documents(source: Any, ids: list[int]) -> list[Document]:
    """The incidents of `ids`, newest first, with their lifts and entrapments. `source` is a connection or the database."""
    if not ids:
        return []
    rows = await source.fetch(_sql["incident_documents"], ids)
    lifts = _by_incident(await source.fetch(_sql["incident_lifts"], ids, INCIDENT_LIFTS))
    cases = _by_incident(await source.fetch(_sql["incident_cases"], ids))
    return [shapes.incident(row, lifts[row["id"]], sorted(cases[row["id"]], key=_danger_first)) for row in rows]


async def flood_documents(source: Any, ids: list[int]) -> list[Document]:
    """The alarm floods of `ids`."""
    return [shapes.flood(row) for row in await source.fetch(_sql["flood_documents"], ids)] if ids else []


async def open_ids(source: Any) -> tuple[list[int], list[int]]:
    """Ids of the open incidents and of the floods that go on."""
    incidents = [row["id"] for row in await source.fetch(_sql["open_incidents"])]
    return incidents, [row["id"] for row in await source.fetch(_sql["open_floods"])]


def _by_incident(rows: Iterable[shapes.Row]) -> dict[int, list[shapes.Row]]:
    found: dict[int, list[shapes.Row]] = defaultdict(list)
    for row in rows:
        found[row["incident_id"]].append(row)
    return found


def _danger_first(case: shapes.Row) -> tuple[bool, bool, bool, Any, int]:
    """Running ones in the order in which dispatch gives out scarce units: the injured, the vulnerable, the longest trapped."""
    return not case["running"], not case["injured"], not case["vulnerable"], case["opened_at"], case["case_id"]


@router.get("", response_model=said.IncidentPage)
async def list_incidents(
    request: Request,
    principal: Staff,  # noqa: ARG001  the gate
    after: After = None,
    limit: Limit = 100,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
) -> Response:
    """Area incidents, newest first."""
    database = request.app.state.database
    rows = await database.fetch(_sql["incident_ids"], is_open, cursor(after), limit + 1)
    ids = [row["id"] for row in rows]
    return page(request, await incident_documents(database, ids[:limit]), ids, limit)


@router.get("/{incident_id}", response_model=said.Incident)
async def read_incident(request: Request, principal: Staff, incident_id: Id) -> Response:  # noqa: ARG001  the gate
    """One area incident: its entrapments first, then its lifts."""
    database = request.app.state.database
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        found = await incident_documents(connection, [incident_id])
    if not found:
        raise not_found("area incident")
    return answer(found[0])
