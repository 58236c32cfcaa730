"""Backtests as jobs, and alarms explained. A job is a row that a worker process claims; nothing is folded here but one alarm's lift."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from alarms.language.reader import default_rules
from alarms.rule_sets import lay_over
from api import schemas_rules as schemas
from api.access import Reader, Tester
from api.desk import alarm_documents
from api.exchange import After, Document, Limit, act, answer, cursor, decode, moment, page
from api.problems import Problem, not_found, unusable
from api.schemas import PROBLEMS, Id
from hoistway import rulebook
from hoistway.errors import RuleError
from hoistway.limits import BACKTESTS_WAITING
from hoistway.rulebook.explain import WORD, Explanation, explain
from hoistway.rulebook.history import ms, when
from hoistway.store import queries
from hoistway.zone import zone_table

router: Final = APIRouter(prefix="/api/v1/backtests", tags=["backtests"], responses=PROBLEMS)
explanations: Final = APIRouter(prefix="/api/v1/alarms", tags=["alarms"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/backtests.sql")
_PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def _job(row: Mapping[str, Any]) -> Document:
    return {
        "id": row["id"],
        "state": row["state"],
        "progress": round(row["progress"], 4),
        "asked_at": moment(row["asked_at"]),
        "asked_by": row["asked_by"],
        "finished_at": moment(row["finished_at"]),
        "error": row["error"],
        "from": moment(when(row["request"]["from_ms"])),
        "to": moment(when(row["request"]["to_ms"])),
    }


@router.post("", response_model=schemas.Backtest, status_code=202)
async def ask_for_backtest(request: Request, principal: Tester, body: schemas.BacktestRequest) -> Response:
    """Ask for a backtest of rules over the stored telemetry. A worker does it; read the job to see how far it is."""
    from_ms, to_ms = _moment(body.from_, "/from"), _moment(body.to, "/to")
    if to_ms <= from_ms:
        raise unusable("/to", "not after /from")
    wanted = {
        "rules": body.rules,
        "from_ms": from_ms,
        "to_ms": to_ms,
        "lifts": body.lifts,
        "district": body.district,
        "everything": body.everything,
    }

    async def work(connection: Any) -> Document:
        await _check(connection, body.rules)
        if await connection.fetchval(_sql["waiting"]) >= BACKTESTS_WAITING:
            raise Problem(429, f"{BACKTESTS_WAITING} backtests wait already", retry_after_s=30)
        job_id = await connection.fetchval(_sql["ask"], principal.name, wanted)
        return _job(await connection.fetchrow(_sql["job"], job_id))

    return await act(request, principal, work, status=202)


async def _check(connection: Any, text: str) -> None:
    """A candidate that cannot run is refused now, not by the worker."""
    number = await rulebook.newest(connection)
    base = (await rulebook.load(connection, number)).live if number is not None else default_rules()
    try:
        lay_over(base, [("rules", text)])
    except RuleError as error:
        where = f"rule {error.rule!r}, line {error.line}, column {error.column}"
        raise unusable("/rules", f"{where}: {error.message}") from error


def _moment(text: str, pointer: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise unusable(pointer, "not an RFC 3339 time") from None
    if found.tzinfo is None:
        raise unusable(pointer, "without a time zone")
    return ms(found)


@router.get("", response_model=schemas.Backtests)
async def list_backtests(
    request: Request,
    principal: Tester,  # noqa: ARG001  the gate
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Backtests that were asked for, newest first."""
    rows = await request.app.state.database.fetch(_sql["jobs"], cursor(after), limit + 1)
    return page(request, [_job(row) for row in rows[:limit]], [row["id"] for row in rows], limit)


@router.get("/{job_id}", response_model=schemas.BacktestDetail)
async def read_backtest(request: Request, principal: Tester, job_id: Id) -> Response:  # noqa: ARG001  the gate
    """One backtest: how far it is, and its result once it is done."""
    row = await request.app.state.database.fetchrow(_sql["job"], job_id)
    if row is None:
        raise not_found("backtest")
    return answer({**_job(row), "result": decode(row["result"]) if row["result"] is not None else None})


@router.get("/{job_id}/page", response_class=HTMLResponse)
async def read_backtest_page(request: Request, principal: Tester, job_id: Id) -> Response:  # noqa: ARG001  the gate
    """The result as one HTML page with charts; 404 until it is done."""
    found = await request.app.state.database.fetchval(_sql["page"], job_id)
    if found is None:
        raise not_found("finished backtest")
    return HTMLResponse(found, headers={"Content-Security-Policy": _PAGE_POLICY})


# --- explanations ---


@explanations.get("/{alarm_id}/explanation", response_model=schemas.Explanation)
async def explain_alarm(request: Request, principal: Reader, alarm_id: Id) -> Response:
    """Why an alarm was raised: rule, evidence and clock values, and whether folding the lift's stored telemetry again agrees."""
    database = request.app.state.database
    if not await alarm_documents(database, principal.scope, [alarm_id]):
        raise not_found("alarm")
    async with database.acquire() as connection:
        found = await explain(connection, alarm_id, zone=zone_table(request.app.state.settings.time_zone))
    return answer(_explanation(found))


def _explanation(found: Explanation) -> Document:
    alarm = found.alarm
    detected = dict(found.detected_by) if found.detected_by else None
    if detected is not None:
        detected = {
            **{key: detected[key] for key in ("partition", "batch_no", "kind")},
            "clock": moment(detected["clock"]),
        }
    return {
        "alarm_id": alarm["id"],
        "verdict": found.verdict.value,
        "reason": dict(found.reason),
        "rule_id": alarm["rule_id"],
        "rule_version": alarm["rule_version"],
        "rule_set": found.rule_set,
        "rule_text": alarm["text"],
        "hold_start": moment(alarm["hold_start"]),
        "raised_at": moment(alarm["raised_at"]),
        "detected_at": moment(alarm["detected_at"]),
        "detected_by": detected,
        "folded_from": None if found.folded_from_ms is None else moment(when(found.folded_from_ms)),
        "records_folded": found.records_folded,
        "found": [
            {
                "kind": WORD[row.kind],
                "at": moment(when(row.at)),
                "hold_start": moment(when(row.hold_start)),
                "demoted": row.demoted,
            }
            for row in found.found
        ],
        "evidence": alarm["evidence"],
        "timeline": [dict(line) for line in found.timeline],
        "caveats": [dict(caveat) for caveat in found.caveats],
    }
