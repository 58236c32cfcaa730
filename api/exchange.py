"""The manners of the HTTP contract that every route shares: JSON, times, pages, versions, acts that happen once.

Knows HTTP and transactions. Knows nothing of alarms, cases or lifts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from api.people import Principal
from api.problems import Problem, unusable
from hoistway.limits import PAGE_ROWS
from hoistway.store import queries
from hoistway.store.scope import one_plan

_Answer = TypeVar("_Answer")
Document = dict[str, Any]
Work = Callable[[Any], Awaitable[Document]]
"""What an act does on its connection, inside its transaction; answers the new state of the object."""

CHANNEL: Final = "hoistway_change"
_DEADLOCK: Final = "40P01"
_TRIES: Final = 3
_BIGINT_MAX: Final = 2**63 - 1
_VERSION: Final = re.compile(r'(?:W/)?"([0-9]{1,9})"')

_sql = queries("api", "sql/people.sql")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} is not part of the contract")


def rfc3339(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


encode: Final = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number").encode
decode: Final = msgspec.json.Decoder().decode


def moment(at: datetime | None) -> str | None:
    """A column's time as the contract writes it."""
    return None if at is None else rfc3339(at)


def answer(document: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer. An object with a `version` carries it as its ETag."""
    sent = dict(headers or {})
    if isinstance(document, dict) and isinstance(document.get("version"), int):
        sent["ETag"] = f'"{document["version"]}"'
    return Response(encode(document), status, sent, "application/json")


# --- pages ---

Limit = Annotated[int, Query(ge=1, le=PAGE_ROWS, description="rows of one page")]
After = Annotated[str | None, Query(max_length=20, description="`next` of the page before")]


def cursor(after: str | None) -> int | None:
    """The key behind a cursor; raises 422 for a text that is none."""
    if after is None:
        return None
    if not (after.isascii() and after.isdigit()) or int(after) > _BIGINT_MAX:
        raise Problem(422, "the request cannot be used", errors=[{"parameter": "after", "detail": "not a cursor"}])
    return int(after)


def page(request: Request, items: list[Document], keys: list[int], limit: int) -> Response:
    """One page. `keys` were read one row further than `limit`, to know whether there is a next page."""
    following = str(keys[limit - 1]) if len(keys) > limit else None
    headers = {}
    if following is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
        headers["Link"] = f'<{request.url.path}?{urlencode([*kept, ("after", following)])}>; rel="next"'
    return answer({"items": items, "next": following}, headers=headers)


# --- acts ---


async def _version(
    if_match: Annotated[str | None, Header(description='the version that was seen: `"3"`')] = None,
) -> int:
    if if_match is None:
        raise Problem(428, "send If-Match with the version you have seen (the ETag)")
    match = _VERSION.fullmatch(if_match.strip())
    if match is None:
        raise Problem(428, 'If-Match must name one version, such as "3"')
    return int(match.group(1))


Version = Annotated[int, Depends(_version)]
"""The version that the person acted on, from If-Match."""


def check_version(seen: int, document: Document) -> None:
    """412 with the current state when it is not the version that was seen."""
    if document["version"] != seen:
        raise Problem(
            412,
            f"version {seen} was seen, version {document['version']} is current",
            current=document,
            headers={"ETag": f'"{document["version"]}"'},
        )


async def act(request: Request, principal: Principal, work: Work, *, status: int = 200) -> Response:
    """Carry out one act in one transaction; with an `Idempotency-Key` at most once, however often it is sent.

    The answer is remembered in the same transaction, so there is no moment at which the act is done and not
    remembered. After the commit the live streams get a hint. A deadlock with the ingest is tried again.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 200 and key.isascii() and key.isprintable()):
        raise unusable("", "Idempotency-Key must be 1 to 200 printable ASCII characters")
    wanted = hashlib.sha256(
        b"\n".join(
            [
                request.method.encode(),
                request.url.path.encode(),
                request.headers.get("If-Match", "").encode(),
                await request.body(),
            ]
        )
    ).digest()

    async def once(connection: Any) -> Response:
        if key is None:
            return answer(await work(connection), status=status)
        return await _once(connection, principal, key, wanted, work, status)

    return await transact(request, once)


async def transact(request: Request, body: Callable[[Any], Awaitable[_Answer]]) -> _Answer:
    """What `body` answers on a connection in a transaction, tried again after a deadlock; then a hint to the live streams."""
    database = request.app.state.database
    for attempt in range(1, _TRIES + 1):
        try:
            with one_plan():
                async with database.acquire() as connection, connection.transaction():
                    return await body(connection)
        except Exception as error:
            if getattr(error, "sqlstate", None) != _DEADLOCK or attempt == _TRIES:
                raise
        finally:
            request.app.state.hub.hint()
    raise AssertionError("unreachable")


async def _once(connection: Any, principal: Principal, key: str, wanted: bytes, work: Work, status: int) -> Response:
    await connection.execute(_sql["lock_answer"], principal.id, key)
    kept = await connection.fetchrow(_sql["remembered_answer"], principal.id, key)
    if kept is not None:
        if kept["request_hash"] != wanted:
            raise unusable("", "this Idempotency-Key was used for another request")
        document = decode(kept["body"])
        return answer(document, status=kept["status"], headers={"Idempotency-Replayed": "true"})
    document = await work(connection)
    await connection.execute(_sql["remember_answer"], principal.id, key, wanted, status, encode(document))
    return answer(document, status=status)
