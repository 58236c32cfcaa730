"""Webhook endpoints: a firm's people keep their own, supervisors and admins the city's and everybody's. The firm comes from the session alone."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.access import Gate
from api.exchange import Document, act, answer, moment
from api.notify import schemas as said
from api.people import Principal
from api.problems import not_found
from api.schemas import PROBLEMS, Id
from dispatch.notify.keeping import endpoints, reading
from dispatch.notify.net.guard import networks
from dispatch.notify.ways.chosen import outside
from hoistway.model import Role

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"], responses=PROBLEMS)

KEEPERS: Final = Gate(frozenset({Role.MAINTAINER, Role.SUPERVISOR, Role.ADMIN}))
Keeper = Annotated[Principal, Depends(KEEPERS)]


def _document(row: Any) -> Document:
    times = {"created_at", "old_secret_until", "received_at"}
    return {name: moment(value) if name in times else value for name, value in row.items()}


async def _documents(source: Any, principal: Principal, endpoint_id: int | None, request: Request) -> list[Document]:
    rows = await reading.endpoints(source, principal.scope, request.app.state.clock(), only=endpoint_id)
    return [_document(row) for row in rows]


async def _need(source: Any, principal: Principal, endpoint_id: int, request: Request) -> Document:
    found = await _documents(source, principal, endpoint_id, request)
    if not found:
        raise not_found("webhook")
    return found[0]


@router.get("", response_model=said.Webhooks)
async def list_webhooks(request: Request, principal: Keeper) -> Response:
    """The endpoints, without what they are signed with."""
    return answer({"items": await _documents(request.app.state.database, principal, None, request)})


@router.post("", response_model=said.WebhookSecret, status_code=201)
async def add_webhook(request: Request, principal: Keeper, body: said.NewWebhook) -> Response:
    """Make one. https and a public host only. The secret is shown in this answer and never again; so an Idempotency-Key is not kept."""
    settings = request.app.state.settings
    wanted = endpoints.NewEndpoint(
        name=body.name, firm_id=principal.firm_id, url=body.url, topics=body.topics, exercise=body.exercise
    )
    async with request.app.state.database.acquire() as connection, connection.transaction():
        allowed = networks(settings.webhook_networks, where="HOISTWAY_WEBHOOK_NETWORKS")
        made, secret = await endpoints.add(
            connection, wanted, request.app.state.clock(), by=principal.name, allowed=allowed
        )
    return answer({"id": made, "secret": secret}, status=201)


@router.get("/{webhook_id}", response_model=said.Webhook)
async def read_webhook(request: Request, principal: Keeper, webhook_id: Id) -> Response:
    """One endpoint: what it gets, when it last took something, how many dead letters it has."""
    return answer(await _need(request.app.state.database, principal, webhook_id, request))


@router.post("/{webhook_id}/rotate", response_model=said.WebhookSecret)
async def rotate_secret(request: Request, principal: Keeper, webhook_id: Id) -> Response:
    """A new secret; for a day the old one signs as well. An endpoint that had answered 410 is in use again."""
    async with request.app.state.database.acquire() as connection, connection.transaction():
        await _need(connection, principal, webhook_id, request)
        secret = await endpoints.rotate(connection, webhook_id, request.app.state.clock())
    return answer({"id": webhook_id, "secret": secret})


@router.post("/{webhook_id}/test", response_model=said.Tried)
async def try_webhook(request: Request, principal: Keeper, webhook_id: Id) -> Response:
    """Send `hoistway.test` once, now, and tell what was said."""
    database = request.app.state.database
    await _need(database, principal, webhook_id, request)
    found = await endpoints.test(database, webhook_id, request.app.state.clock(), outside(request.app.state.settings))
    if found is None:
        raise not_found("webhook")
    return answer({"taken": found[0], "said": found[1]})


@router.delete("/{webhook_id}", response_model=said.Removed)
async def remove_webhook(request: Request, principal: Keeper, webhook_id: Id) -> Response:
    """Nothing goes there any more; what waits for it is a dead letter at its next attempt."""

    async def work(connection: Any) -> Document:
        await _need(connection, principal, webhook_id, request)
        return {"removed": await endpoints.remove(connection, webhook_id, request.app.state.clock())}

    return await act(request, principal, work)
