"""What stands beside the emergencies: messages in quarantine, and the rules that are live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from alarms.rule_sets import diff_of_texts
from api import schemas
from api.access import Staff, Tester
from api.exchange import After, Document, Limit, act, answer, cursor, moment, page
from api.problems import Problem, not_found
from api.schemas import PROBLEMS, Id
from hoistway.ledger import quarantine as ledger
from hoistway.store import queries
from hoistway.wire import REASONS

quarantine = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"], responses=PROBLEMS)
rules = APIRouter(prefix="/api/v1/rules", tags=["rules"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/records.sql")


def _message(row: Mapping[str, Any]) -> Document:
    times = ("received", "last_received", "replay_requested_at", "replayed_at")
    return {name: moment(value) if name in times else value for name, value in row.items()}


async def _one(source: Any, message_id: int) -> Mapping[str, Any]:
    rows = await ledger.by_id(source, [message_id])
    if not rows:
        raise not_found("message in quarantine")
    return rows[0]


@quarantine.get("", response_model=schemas.QuarantinePage)
async def list_quarantine(
    request: Request,
    principal: Tester,  # noqa: ARG001  the gate
    after: After = None,
    limit: Limit = 100,
    device: Annotated[str | None, Query(max_length=64)] = None,
    reason: Annotated[str | None, Query(max_length=40, description=", ".join(REASONS))] = None,
) -> Response:
    """Messages that could not be used, newest first."""
    wanted = ledger.Wanted(device=device, reason=reason)
    rows = await ledger.page(request.app.state.database, wanted, after=cursor(after), limit=limit + 1)
    return page(request, [_message(row) for row in rows[:limit]], [row["id"] for row in rows], limit)


@quarantine.get("/reasons", response_model=schemas.QuarantineReasons)
async def count_reasons(request: Request, principal: Tester) -> Response:  # noqa: ARG001  the gate
    """How many messages wait in quarantine, by reason."""
    rows = await ledger.reasons(request.app.state.database, ledger.Wanted(waiting=True))
    items = [
        {
            "reason": row["reason"],
            "meaning": REASONS.get(row["reason"], row["reason"]),
            "rows": row["rows"],
            "times": row["messages"],
            "last_received": moment(row["last_received"]),
        }
        for row in rows
    ]
    return answer({"items": items})


@quarantine.get("/{message_id}", response_model=schemas.QuarantinedDetail)
async def read_message(request: Request, principal: Tester, message_id: Id) -> Response:  # noqa: ARG001  the gate
    """One message with its raw bytes."""
    database = request.app.state.database
    row = await _one(database, message_id)
    payloads = await ledger.payloads(database, [message_id])
    return answer({**_message(row), **ledger.in_words(payloads.get(message_id, b""))})


@quarantine.post("/{message_id}/replay", response_model=schemas.Quarantined, status_code=202)
async def replay_message(request: Request, principal: Tester, message_id: Id) -> Response:
    """Ask the ingest to take the message again. The answer is the message with `replay_requested_at` set; one that was accepted since
    is left as it is."""

    async def work(connection: Any) -> Document:
        row = await _one(connection, message_id)
        if message_id not in await ledger.ask(connection, [message_id]) and not ledger.accepted(row):
            raise Problem(409, "the same message came again since and waits in quarantine; replay that one")
        return _message(await _one(connection, message_id))

    return await act(request, principal, work, status=202)


def _rule(row: Mapping[str, Any]) -> Document:
    return {
        "rule_id": row["rule_id"],
        "version": row["version"],
        "title": {"zh": row["title_zh"], "en": row["title_en"]},
        "severity": row["severity"],
        "opens": row["opens"],
        "live": row["live"],
        "live_from": moment(row["live_from"]),
        "author": row["author"],
        "rule_set": row["number"],
        "published_at": moment(row["published_at"]),
        "comment": row["comment"],
    }


def _versions(rows: list[Any]) -> list[Document]:
    """Every version with what it changes in the one published before it."""
    earlier = sorted(rows, key=lambda row: (row["number"] or 0, row["live_from"]))
    before = dict(zip([row["version"] for row in earlier[1:]], earlier, strict=False))
    documents = []
    for row in rows:
        old = before.get(row["version"])
        names = (old["version"] if old else "/dev/null", row["version"])
        documents.append({**_rule(row), "diff": diff_of_texts(old["text"] if old else "", row["text"], names=names)})
    return documents


@rules.get("", response_model=schemas.Rules)
async def list_rules(request: Request, principal: Staff) -> Response:  # noqa: ARG001  the gate
    """The rules that are live."""
    return answer({"items": [_rule(row) for row in await request.app.state.database.fetch(_sql["live_rules"])]})


@rules.get("/{rule_id}", response_model=schemas.RuleDetail)
async def read_rule(
    request: Request,
    principal: Staff,  # noqa: ARG001  the gate
    rule_id: Annotated[str, Path(max_length=100)],
) -> Response:
    """One rule with its text and every version that was ever live, the live one first."""
    rows = await request.app.state.database.fetch(_sql["rule_versions"], rule_id)
    if not rows:
        raise not_found("rule")
    return answer({**_rule(rows[0]), "text": rows[0]["text"], "versions": _versions(rows)})
