"""The firm's lifts: search, what each says now, its last faults, and how one gets in."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from api import desk, lift_access, shapes
from api.access import FirmPerson
from api.exchange import Document, transact
from api.firm import order_view
from api.firm.gate import PageRoute, answer, fields, to, whole
from api.people import Principal
from api.problems import Problem, not_found
from api.schemas import Id
from hoistway.limits import FIRM_PAGE_ROWS
from hoistway.store import queries

router = APIRouter(
    prefix="/firm/lifts",
    tags=["firm"],
    include_in_schema=False,
    default_response_class=HTMLResponse,
    route_class=PageRoute,
)

LAST_FAULTS: Final = 20
"""Alarms that a lift's page lists."""
_OPEN_MOST: Final = 50
_PAGES_MOST: Final = 2_000
_LIKE: Final = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_", "\0": None})
_VERSION_MOST: Final = 2**31 - 1
_sql: Final = queries("api.firm", "sql/firm.sql")


@router.get("")
async def list_lifts(
    request: Request,
    principal: FirmPerson,
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=_PAGES_MOST)] = 1,
) -> Response:
    """Lifts, those with somebody trapped or something open first; found by a fragment of name, place or number."""
    fragment = f"%{q.strip().translate(_LIKE)}%" if q.strip() else None
    left_out = (page - 1) * FIRM_PAGE_ROWS
    rows = await request.app.state.database.fetch(
        _sql["lifts"], principal.firm_id, fragment, left_out, FIRM_PAGE_ROWS + 1
    )
    offline = request.app.state.hub.mirror.is_offline
    found = [{**row, "offline": offline(row["id"])} for row in rows[:FIRM_PAGE_ROWS]]
    more = len(rows) > FIRM_PAGE_ROWS and page < _PAGES_MOST
    return answer(request, "lifts.html", lifts=found, q=q.strip(), page=page, more=more)


@router.get("/{lift_id}")
async def show_lift(request: Request, principal: FirmPerson, lift_id: Id) -> Response:
    """One lift as it is now, what is open, its last faults, how one gets in."""
    state = request.app.state
    lift = await _lift(state.database, principal, lift_id)
    await state.live.fetch(lift_id)
    document = state.live.state(lift_id, lift["kind"], state.clock())
    newest = [row["id"] for row in await state.database.fetch(_sql["last_alarms"], lift_id, LAST_FAULTS)]
    current, _ = await desk.open_of_lift(state.database, principal, lift_id)
    faults = await desk.alarm_documents(state.database, principal.scope, newest, state.clock())
    return answer(
        request,
        "lift.html",
        lift=lift,
        rated={name: shapes.number(lift[name]) for name in ("rated_speed_m_s", "rated_load_kg")},
        offline=state.hub.mirror.is_offline(lift_id),
        heard=document["received"],
        car=order_view.car(document, lift["kind"]),
        current=current[:_OPEN_MOST],
        faults=faults,
        access=await lift_access.read(state.database, principal, lift_id),
    )


@router.get("/{lift_id}/access")
async def show_access(request: Request, principal: FirmPerson, lift_id: Id) -> Response:
    """The form that says how one gets in."""
    lift = await _lift(request.app.state.database, principal, lift_id)
    access = await lift_access.read(request.app.state.database, principal, lift_id)
    return _access_form(request, lift, access, access["version"])


@router.post("/{lift_id}/access")
async def set_access(request: Request, principal: FirmPerson, lift_id: Id) -> Response:
    """Keep it; when somebody else wrote meanwhile, show both and write nothing."""
    given = await fields(request)
    lift = await _lift(request.app.state.database, principal, lift_id)
    texts = {name: given.get(name, "") for name in lift_access.FIELDS}
    version = whole(given.get("version", ""), 0, _VERSION_MOST) or 0
    if errors := {name: "form.too_long" for name, text in texts.items() if len(text) > lift_access.LONGEST[name]}:
        return _access_form(request, lift, texts, version, errors=errors, status=422)

    async def write(connection: Any) -> Document:
        now = request.app.state.clock()
        return await lift_access.write(connection, principal, now, lift_id, version, texts)

    try:
        await transact(request, write)
    except Problem as problem:
        if problem.status != 412 or problem.current is None:
            raise
        current = dict(problem.current)
        return _access_form(request, lift, texts, current["version"], current=current, status=412)
    return to(f"/firm/lifts/{lift_id}")


def _access_form(
    request: Request,
    lift: Any,
    given: Document,
    version: int,
    *,
    current: Document | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    return answer(
        request,
        "access_form.html",
        status=status,
        lift=lift,
        given=given,
        version=version,
        current=current,
        errors=errors or {},
        names=lift_access.FIELDS,
    )


async def _lift(database: Any, principal: Principal, lift_id: int) -> Any:
    """One lift of the firm; 404 for every other, whether it exists or not."""
    row = await database.fetchrow(_sql["lift"], principal.firm_id, lift_id)
    if row is None:
        raise not_found("lift")
    return row
