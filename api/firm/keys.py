"""Keys for a firm's machines: made (shown once), listed with their last use, revoked. By the firm's own administrator or the city's.

A key holds its firm: whatever it asks for is of that firm's scope, and a request cannot name another.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api import people
from api.access import KeyMaker
from api.exchange import transact
from api.firm.gate import PageRoute, answer, fields, may_make_keys, to, whole
from api.people import Principal
from api.problems import Problem, not_found
from api.schemas import Id
from hoistway.errors import BadInput
from hoistway.limits import FIRM_KEYS
from hoistway.model import Role
from hoistway.store import queries

router = APIRouter(
    prefix="/firm/keys",
    tags=["firm"],
    include_in_schema=False,
    default_response_class=HTMLResponse,
    route_class=PageRoute,
)

_sql: Final = queries("api.firm", "sql/firm.sql")
_FIRM_MOST: Final = 2**15 - 1
_WRONG: Final = {"name": "keys.name_wrong", "firm": "keys.too_many"}


def _check(principal: Principal) -> None:
    if not may_make_keys(principal):
        raise Problem(403, "only for the firm's own administrator, or the city's")


@router.get("")
async def list_keys(request: Request, principal: KeyMaker) -> Response:
    """Keys that work and keys that were revoked, with who made them and when they were last used."""
    _check(principal)
    return await _page(request, principal)


@router.post("")
async def make_key(request: Request, principal: KeyMaker) -> Response:
    """A new key of a firm. It is on this one page and nowhere else: only its hash is kept."""
    _check(principal)
    given = await fields(request)
    name = given.get("name", "")
    async with request.app.state.database.acquire() as connection:
        firm = await _firm_of(connection, principal, given)
    if firm is None:
        return await _page(request, principal, given=given, error="keys.firm_missing", status=422)

    async def work(connection: Any) -> str:
        return await people.create_api_key(connection, name, Role.MAINTAINER, firm["name"], by=principal.name)

    try:
        key = await transact(request, work)
    except BadInput as error:
        wrong = "keys.name_taken" if "already" in error.what and error.where == "name" else _WRONG[error.where]
        return await _page(request, principal, given=given, error=wrong, status=422)
    return await _page(request, principal, made={"key": key, "name": name, "firm": firm["name"]}, status=201)


async def _firm_of(connection: Any, principal: Principal, given: dict[str, str]) -> Any:
    """The firm that the key is for: a firm's administrator has no choice, the city's chooses."""
    if principal.role is Role.ADMIN:
        return await connection.fetchrow(_sql["firm"], whole(given.get("firm", ""), 1, _FIRM_MOST))
    return await connection.fetchrow(_sql["firm"], principal.firm_id)


@router.post("/{key_id}/revoke")
async def revoke_key(request: Request, principal: KeyMaker, key_id: Id) -> Response:
    """End a key at once, its live streams too. A second press changes nothing."""
    _check(principal)
    await fields(request)
    database = request.app.state.database
    if await database.fetchval(_sql["key_in_scope"], principal.scope, key_id) is None:
        raise not_found("key")
    await people.revoke_key_of(database, principal.scope, key_id, by=principal.name)
    return to("/firm/keys")


async def _page(
    request: Request,
    principal: Principal,
    *,
    given: dict[str, str] | None = None,
    made: dict[str, str] | None = None,
    error: str = "",
    status: int = 200,
) -> Response:
    database = request.app.state.database
    return answer(
        request,
        "keys.html",
        status=status,
        here="/firm/keys",
        keys=await people.list_api_keys(database, principal.scope),
        firms=await database.fetch(_sql["firm_names"]) if principal.role is Role.ADMIN else [],
        given=given or {},
        made=made,
        error=error,
        most=FIRM_KEYS,
    )
