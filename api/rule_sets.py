"""Rule sets over HTTP: who published what, what differs, publish and roll back. What a set is stands in `hoistway.rulebook`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from alarms.language.reader import default_rules
from api import schemas_rules as schemas
from api.access import Publisher, Staff
from api.exchange import After, Document, Limit, Version, act, answer, cursor, moment
from api.problems import Problem, not_found, unusable
from api.schemas import PROBLEMS, Id
from hoistway import rulebook
from hoistway.errors import BadInput, Conflict, RuleError
from hoistway.rulebook import Mode, shelf
from hoistway.rulebook.sets import difference

router: Final = APIRouter(prefix="/api/v1/rule-sets", tags=["rules"], responses=PROBLEMS)


def _in_brief(row: Any) -> Document:
    times = ("published_at", "live_at")
    return {name: moment(value) if name in times else value for name, value in row.items()}


@router.get("", response_model=schemas.RuleSets)
async def list_rule_sets(
    request: Request,
    principal: Staff,  # noqa: ARG001  the gate
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Every set that was ever published, newest first. The ETag is the number of the newest that can run: publishing needs it."""
    async with request.app.state.database.acquire() as connection:
        rows = await shelf.list_sets(connection, before=cursor(after), limit=limit + 1)
        current = await shelf.newest(connection)
    following = str(rows[limit - 1]["number"]) if len(rows) > limit else None
    items = [_in_brief(row) for row in rows[:limit]]
    return answer({"items": items, "next": following}, headers={"ETag": f'"{current or 0}"'})


@router.get("/{number}", response_model=schemas.RuleSetDetail)
async def read_rule_set(
    request: Request,
    principal: Staff,  # noqa: ARG001  the gate
    number: Id,
    against: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="default: the set before it")] = None,
) -> Response:
    """One set with its rules, their authors, what its rules in shadow said, and what differs from another set."""
    async with request.app.state.database.acquire() as connection:
        document = await _detail(connection, number, against)
    return answer(document)


@router.post("", response_model=schemas.RuleSetDetail, status_code=201)
async def publish_rules(request: Request, principal: Publisher, seen: Version, body: schemas.Publication) -> Response:
    """Lay rules over the newest set by id and publish the result; ingest takes it within seconds. If-Match: the newest number."""

    async def change(connection: Any) -> int:
        return await rulebook.publish(
            connection,
            body.rules,
            source="rules",
            author=principal.name,
            comment=body.comment,
            mode=Mode(body.mode),
            seen=seen or None,
            product=default_rules(),
        )

    return await act(request, principal, _changing(change), status=201)


@router.post("/{number}/restore", response_model=schemas.RuleSetDetail, status_code=201)
async def restore_rules(
    request: Request, principal: Publisher, number: Id, seen: Version, body: schemas.Restoration
) -> Response:
    """Publish the rules of an earlier set again, as a new set. If-Match: the newest number."""

    async def change(connection: Any) -> int:
        await _load(connection, number)
        return await rulebook.restore(
            connection, number, author=principal.name, comment=body.comment, seen=seen or None, product=default_rules()
        )

    return await act(request, principal, _changing(change), status=201)


def _changing(change: Callable[[Any], Awaitable[int]]) -> Callable[[Any], Awaitable[Document]]:
    """A change of the rules as an act: refusals as the contract says them."""

    async def work(connection: Any) -> Document:
        try:
            number = await change(connection)
        except RuleError as error:
            where = f"rule {error.rule!r}, line {error.line}, column {error.column}"
            raise unusable("/rules", f"{where}: {error.message}") from error
        except BadInput as error:
            raise unusable("/rules", f"{error.what}; expected {error.expected}") from error
        except Conflict as error:
            raise Problem(412, str(error), headers={"ETag": f'"{error.current}"'}) from error
        return await _detail(connection, number, None)

    return work


async def _load(connection: Any, number: int) -> rulebook.Published:
    try:
        return await rulebook.load(connection, number)
    except BadInput as error:
        raise not_found("rule set") from error


async def _detail(connection: Any, number: int, against: int | None) -> Document:
    published = await _load(connection, number)
    (row,) = await shelf.list_sets(connection, before=number + 1, limit=1)
    authors = await shelf.authors(connection, number)
    counts = {item["rule_id"]: item for item in await shelf.shadow_counts(connection, number)}
    other = against if against is not None else (number - 1 or None)
    try:
        diff = difference(await _load(connection, other), published) if other is not None else ""
    except RuleError:
        diff = ""  # one of them cannot be read by this program
    items = [
        {
            "rule_id": entry.rule_id,
            "version": entry.version,
            "mode": entry.mode,
            "own": entry.own,
            "author": authors[entry.mode, entry.rule_id]["author"],
            "rule_set": authors[entry.mode, entry.rule_id]["number"],
            "text": entry.text,
            "shadow": _counts(counts[entry.rule_id]) if entry.mode is Mode.SHADOW else None,
        }
        for entry in published.entries
    ]
    return {**_in_brief(row), "items": items, "against": other, "diff": diff}


def _counts(row: Any) -> Document:
    return {
        "raises": row["raises"],
        "clears": row["clears"],
        "lifts": row["lifts"],
        "last_raised_at": moment(row["last_raised_at"]),
    }
