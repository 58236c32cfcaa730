"""The register while a dispatcher types: lifts that hold every word, with their running cases and what a call would become."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import DeskPerson
from api.exchange import Document, answer, moment
from api.intake import schemas as said
from api.schemas import PROBLEMS
from dispatch.book import read_cases
from dispatch.intake.calls import decide
from dispatch.outcome import CaseView
from hoistway.limits import SEARCH_CANDIDATES, SEARCH_CHARS, SEARCH_LIFTS
from hoistway.model import CallKind
from hoistway.store import queries

router = APIRouter(prefix="/api/v1/intake", tags=["intake"], responses=PROBLEMS)

_sql: Final = queries("api.intake", "sql/search.sql")


@router.get("/lifts", response_model=said.Found)
async def find_lifts(
    request: Request,
    principal: DeskPerson,  # noqa: ARG001  the gate
    q: Annotated[
        str,
        Query(
            min_length=2, max_length=SEARCH_CHARS, description="words or digits, separated by spaces; each must be held"
        ),
    ],
) -> Response:
    """Lifts by rescue code, digits of the plate, any part of the register code, address, estate, building or name."""
    words = q.replace("\0", " ")
    async with request.app.state.database.acquire() as connection:
        return answer(await found(connection, words))


async def found(connection: Any, words: str) -> Document:
    """What the register holds of `words`, the likeliest first."""
    code, pairs, patterns = await connection.fetchrow(_sql["words"], words)
    rows = await connection.fetch(_sql["lift_ids"], code, pairs, patterns, SEARCH_CANDIDATES, SEARCH_LIFTS + 1)
    ids = [row["id"] for row in rows][:SEARCH_LIFTS]
    lifts = await connection.fetch(_sql["lift_documents"], ids) if ids else []
    running = await connection.fetch(_sql["running_cases"], ids) if ids else []
    views = await read_cases(connection, [row["id"] for row in running]) if running else {}
    by_address = await connection.fetch(_sql["cases_by_address"], patterns, SEARCH_LIFTS)
    return {
        "items": [_lift(lift, [row for row in running if row["lift_id"] == lift["id"]], views) for lift in lifts],
        "cases": [{**row, "opened_at": moment(row["opened_at"])} for row in by_address],
        "more": len(rows) > SEARCH_LIFTS,
    }


def _lift(row: Any, running: list[Any], views: dict[int, CaseView]) -> Document:
    plain = ("id", "kind", "rescue_code", "register_code", "name", "estate", "building", "address", "district",
             "user_unit", "user_unit_phone", "terminal", "exercise")  # fmt: skip
    firm = None
    if row["firm_id"] is not None:
        firm = {"id": row["firm_id"], "name": row["firm_name"], "phone": row["firm_phone"]}
    own = [views[case["id"]] for case in running]
    return {
        **{name: row[name] for name in plain},
        "firm": firm,
        "running_cases": [
            {
                **{name: case[name] for name in ("id", "kind", "state", "level", "acknowledged_by")},
                "opened_at": moment(case["opened_at"]),
            }
            for case in running
        ],
        "becomes": {kind.value: _becoming(kind, own, row["complaint_id"]) for kind in CallKind},
    }


def _becoming(kind: CallKind, cases: Iterable[CaseView], complaint_id: int | None) -> Document:
    decision = decide(kind, cases, complaint_id)
    return {"became": decision.became, "case_id": decision.case_id, "complaint_id": decision.complaint_id}
