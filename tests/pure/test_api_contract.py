"""The HTTP contract as a document: the checked-in copy, the roles of every route, what a route without roles does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from api import access
from api.app import ROUTERS, create_app
from api.people import EVERY_FIRM, Principal
from hoistway.errors import OurFault
from hoistway.model import Role
from hoistway.settings import Settings

COPY = Path(__file__).parents[2] / "docs" / "openapi.json"
ANYWHERE = Settings(database_url="postgresql://nobody@127.0.0.1:1/none")  # type: ignore[arg-type]


def document() -> dict:
    return create_app(ANYWHERE).openapi()


def test_checked_in_copy_is_current() -> None:
    """docs/openapi.json is what the program says; `python -m api.contract` writes it anew."""
    assert json.loads(COPY.read_text("utf-8")) == document()


def test_contract_is_openapi_31() -> None:
    """The document is OpenAPI 3.1, every operation has a summary, a tag and roles."""
    found = document()
    assert found["openapi"].startswith("3.1")
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            assert operation["tags"], (method, path)
            assert operation["x-roles"], (method, path)
            assert operation["description"], (method, path)


def test_route_without_roles_does_not_start() -> None:
    """A route that forgets to say who may call it is a fault at start, not an open door."""
    router = APIRouter()

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(OurFault, match="/forgotten declares 0 gates"):
        list(access.declared(router.routes))


def test_route_with_two_gates_does_not_start() -> None:
    """Two declarations on one route contradict each other."""
    router = APIRouter()

    @router.get("/both", dependencies=[Depends(access.EVERYONE)])
    async def both(principal: Annotated[Principal, Depends(access.DESK)]) -> None: ...

    with pytest.raises(OurFault, match="/both declares 2 gates"):
        list(access.declared(router.routes))


def test_only_a_few_routes_are_open_to_everyone() -> None:
    """Health, the contract, the login pages and the pages that lead to them: nothing else answers a stranger."""
    routes = [found for router in ROUTERS for found in access.declared(router.routes)]
    pages = {"/", "/login", "/login/code", "/login/link", "/console", "/health", "/security", "/city-link", "/account", "/users",
             "/handover", "/handover/{handover_id}"}  # fmt: skip
    pages |= {"/tickets", "/maintenance", "/maintenance/{maintenance_id}/end"}
    pages |= {f"/tickets/{{ticket_id}}{rest}" for rest in ("", "/moves", "/photos", "/photos/{photo_id}")}
    pages |= {"/complaints", "/complaints/{complaint_id}"}
    pages |= {"/go/{token}"}
    open_paths = {route.path for route, gate in routes if gate.names == ["everyone"]}
    assert open_paths == pages | {"/health/live", "/health/ready", "/openapi.json"}
    assert {route.path for route, gate in routes if gate.watcher} == {"/api/v1/watch", "/api/v1/watch/stream"}


def test_a_property_manager_reads_nothing_yet() -> None:
    """The role `property` may ask who it is, look after its own account and log out, nothing else."""
    allowed = {
        route.path
        for router in ROUTERS
        for route, gate in access.declared(router.routes)
        if Role.PROPERTY in gate.roles
    }
    assert allowed == {"/api/v1/me", "/account", "/logout"}


@pytest.mark.parametrize("role", list(Role))
def test_scope_comes_from_the_role(role: Role) -> None:
    """A maintainer sees one firm; without a firm it sees nothing, never everything."""
    principal = Principal(id="key:1", name="x", role=role, firm_id=None, credential=b"")
    assert principal.scope == (None if role is Role.MAINTAINER else EVERY_FIRM)
