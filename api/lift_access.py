"""How one gets to a lift at night: gate code, keys, machine room, who is there. For the desk and the lift's firm.

What opens a door is told to nobody else: no tester, auditor or property manager reads it. A crew that has an order for a
lift of another firm sees it on its order while the order is live (`api.firm`), not here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import schemas_orders as said
from api.access import CrewPerson
from api.exchange import Document, Version, act, answer, check_version, moment
from api.people import Principal
from api.problems import not_found
from api.schemas import PROBLEMS, Id
from hoistway.registry import access_file
from hoistway.store import queries

router = APIRouter(prefix="/api/v1/lifts/{lift_id}/access", tags=["lifts"], responses=PROBLEMS)

LONGEST: Final = access_file.FIELDS
FIELDS: Final = tuple(LONGEST)
_sql: Final = queries("api", "sql/lift_access.sql")


async def read(source: Any, principal: Principal, lift_id: int) -> Document:
    """What is known of the way to a lift that `principal` may see; version 0 when nothing is. 404 for every other lift."""
    row = await source.fetchrow(_sql["access"], principal.scope, lift_id)
    if row is None:
        raise not_found("lift")
    return {**dict(row), "updated_at": moment(row["updated_at"])}


async def write(
    connection: Any, principal: Principal, now: datetime, lift_id: int, version: int, given: dict[str, str]
) -> Document:
    """Replace it; 412 when somebody else did so since `version` was seen."""
    await connection.fetchval(_sql["lock_lift"], lift_id)
    check_version(version, await read(connection, principal, lift_id))
    values = [given[name].strip() for name in FIELDS]
    await connection.execute(_sql["set_access"], lift_id, *values, now, principal.name)
    return await read(connection, principal, lift_id)


@router.get("", response_model=said.LiftAccess)
async def read_access(request: Request, principal: CrewPerson, lift_id: Id) -> Response:
    """How one gets in. The ETag is what changing it needs; it is "0" while nothing is known."""
    return answer(await read(request.app.state.database, principal, lift_id))


@router.post("", response_model=said.LiftAccess)
async def set_access(
    request: Request, principal: CrewPerson, lift_id: Id, version: Version, body: said.SetLiftAccess
) -> Response:
    """Replace what is known of the way in, all of it."""

    async def work(connection: Any) -> Document:
        return await write(connection, principal, request.app.state.clock(), lift_id, version, body.model_dump())

    return await act(request, principal, work)
