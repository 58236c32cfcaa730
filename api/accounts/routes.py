"""Accounts over HTTP, for those who look after them. What an act means is `api.accounts.users`.

A request or an answer with a secret in it is not remembered for an `Idempotency-Key`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access import Admin, Warden
from api.accounts import schemas, users
from api.exchange import After, Document, Limit, Version, act, answer, check_version, cursor, moment, page
from api.problems import not_found
from api.schemas import PROBLEMS, Id
from hoistway.store import queries

router: Final = APIRouter(prefix="/api/v1/users", tags=["people"], responses=PROBLEMS)

_sql: Final = queries("api", "sql/accounts.sql")
_INT_MAX: Final = 2**31 - 1


@router.get("", response_model=schemas.Users)
async def list_users(request: Request, principal: Warden, after: After = None, limit: Limit = 100) -> Response:  # noqa: ARG001  the gate
    """People who may log in, or might once."""
    found = await users.page(request.app.state.database, after=min(cursor(after) or 0, _INT_MAX), limit=limit + 1)
    return page(request, found[:limit], [item["id"] for item in found], limit)


@router.get("/{user_id}", response_model=schemas.UserDetail)
async def read_user(request: Request, principal: Warden, user_id: Id) -> Response:  # noqa: ARG001  the gate
    """One person, with what was done to the account and by whom, newest first."""
    database = request.app.state.database
    document = await users.read(database, user_id)
    if document is None:
        raise not_found("person")
    acts = [
        {"at": moment(row["at"]), "by": row["by_name"], **{name: row[name] for name in ("kind", "before", "after")}}
        for row in await database.fetch(_sql["acts"], user_id)
    ]
    return answer({**document, "acts": acts})


@router.post("", response_model=schemas.User, status_code=201)
async def create_user(request: Request, principal: Admin, body: schemas.NewUser) -> Response:
    """Enrol a person. Without a password they come in by a one-time link."""

    async with request.app.state.database.acquire() as connection, connection.transaction():
        document = await users.create(connection, principal.name, **{**body.model_dump(), "role": body.role})
    return answer(document, status=201)


@router.post("/{user_id}/rights", response_model=schemas.User)
async def change_rights(
    request: Request, principal: Admin, user_id: Id, version: Version, body: schemas.Rights
) -> Response:
    """Another role, firm or districts, all three as said. The person's sessions end."""

    async def work(connection: Any) -> Document:
        check_version(version, await _need(connection, user_id))
        return await users.change(connection, principal.name, user_id, **{**body.model_dump(), "role": body.role})

    return await act(request, principal, work)


@router.post("/{user_id}/disable", response_model=schemas.User)
async def disable_user(request: Request, principal: Admin, user_id: Id) -> Response:
    """Shut a person out at once."""
    return await act(request, principal, _on(user_id, lambda c: users.disable(c, principal.name, user_id)))


@router.post("/{user_id}/enable", response_model=schemas.User)
async def enable_user(request: Request, principal: Admin, user_id: Id) -> Response:
    """Let a person in again."""
    return await act(request, principal, _on(user_id, lambda c: users.enable(c, principal.name, user_id)))


@router.post("/{user_id}/password", response_model=schemas.User)
async def set_password(request: Request, principal: Admin, user_id: Id, body: schemas.NewPassword) -> Response:
    """Another password; the person's sessions end."""
    async with request.app.state.database.acquire() as connection, connection.transaction():
        await _need(connection, user_id)
        document = await users.set_password(connection, principal.name, user_id, body.password)
    return answer(document)


@router.post("/{user_id}/factor-off", response_model=schemas.User)
async def take_factor_away(request: Request, principal: Admin, user_id: Id) -> Response:
    """Take away the second factor of somebody who has lost it; the person's sessions end."""
    return await act(request, principal, _on(user_id, lambda c: users.factor_off(c, principal.name, user_id)))


@router.post("/{user_id}/link", response_model=schemas.Link, status_code=201)
async def make_link(request: Request, principal: Admin, user_id: Id) -> Response:
    """A one-time login link. Not remembered for an `Idempotency-Key`."""
    async with request.app.state.database.acquire() as connection, connection.transaction():
        await _need(connection, user_id)
        token = await users.make_link(connection, principal.name, user_id)
    return answer({"path": f"/login/link?token={token}"}, status=201)


async def _need(connection: Any, user_id: int) -> Document:
    document = await users.read(connection, user_id)
    if document is None:
        raise not_found("person")
    return document


def _on(user_id: int, work: Callable[[Any], Awaitable[Document]]) -> Callable[[Any], Awaitable[Document]]:
    async def whole(connection: Any) -> Document:
        await _need(connection, user_id)
        return await work(connection)

    return whole
