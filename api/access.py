"""Who may call which route. Every route declares its roles by one dependency, a `Gate`; a route without one does not start.

Knows headers, cookies and roles. What a role may see inside a route is the route's scope in SQL.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api import people
from api.people import Principal
from api.problems import Problem
from hoistway import lifecycle
from hoistway.errors import OurFault
from hoistway.limits import BODY_BYTES
from hoistway.model import Role
from hoistway.store import scope as whose

COOKIE: Final = "hoistway_session"
CSRF_HEADER: Final = "X-CSRF-Token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_FORM_FIELDS: Final = 50


@dataclass(frozen=True, slots=True)
class Gate:
    """A dependency that lets some roles in. `roles` empty means everybody, logged in or not."""

    roles: frozenset[Role]
    loopback: bool = False  # also for anybody on this machine
    people: bool = False  # by a session only: a machine's key has no pages
    watcher: bool = False  # for the watcher alone, by the key that both have as a setting: no database is asked

    @property
    def names(self) -> list[str]:
        """Who is let in, for the contract."""
        return ["watcher"] if self.watcher else sorted(role.value for role in self.roles) or ["everyone"]

    @property
    def security(self) -> list[dict[str, list[str]]]:
        """The same as OpenAPI says it."""
        if self.watcher:
            return [{"key": []}]
        return [{"session": []}, {"key": []}] if self.roles else []

    async def __call__(self, request: Request) -> Principal | None:
        if self.watcher:
            _check_watcher(request)
            return None
        if not self.roles or (self.loopback and is_loopback(request)):
            return None
        principal = await principal_of(request)
        if principal is None or (self.people and principal.csrf is None):
            raise Problem(401, "log in, or send an API key", headers={"WWW-Authenticate": 'Bearer realm="hoistway"'})
        request.state.principal = principal
        if principal.role not in self.roles:
            raise Problem(403, f"not as {principal.role}; allowed: {', '.join(sorted(self.roles))}")
        if request.method not in _SAFE and principal.csrf is not None:
            await _check_csrf(request, principal.csrf)
        return principal


EVERYONE: Final = Gate(frozenset())
MEMBERS: Final = Gate(frozenset(Role))
READERS: Final = Gate(frozenset(Role) - {Role.PROPERTY})
STAFF: Final = Gate(READERS.roles - {Role.MAINTAINER})
DESK: Final = Gate(lifecycle.DESK)
CREW: Final = Gate(lifecycle.CREW)
FIRMS: Final = Gate(frozenset({Role.MAINTAINER}), people=True)
KEY_MAKERS: Final = Gate(frozenset({Role.MAINTAINER, Role.ADMIN}), people=True)
TESTERS: Final = Gate(frozenset({Role.TESTER, Role.SUPERVISOR, Role.ADMIN}))
PUBLISHERS: Final = Gate(frozenset({Role.SUPERVISOR, Role.ADMIN}))
WARDENS: Final = Gate(frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN}))
ADMINS: Final = Gate(frozenset({Role.ADMIN}))
LISTENERS: Final = Gate(frozenset({Role.DISPATCHER, Role.SUPERVISOR}))
"""Who may see a caller's name and number."""
INTAKE: Final = Gate(lifecycle.DESK | {Role.AUDITOR})
METRICS: Final = Gate(frozenset({Role.ADMIN}), loopback=True)
WATCHER: Final = Gate(frozenset(), watcher=True)

Member = Annotated[Principal, Depends(MEMBERS)]
Reader = Annotated[Principal, Depends(READERS)]
Staff = Annotated[Principal, Depends(STAFF)]
CrewPerson = Annotated[Principal, Depends(CREW)]
DeskPerson = Annotated[Principal, Depends(DESK)]
FirmPerson = Annotated[Principal, Depends(FIRMS)]
KeyMaker = Annotated[Principal, Depends(KEY_MAKERS)]
Tester = Annotated[Principal, Depends(TESTERS)]
Publisher = Annotated[Principal, Depends(PUBLISHERS)]
Warden = Annotated[Principal, Depends(WARDENS)]
Admin = Annotated[Principal, Depends(ADMINS)]
Listener = Annotated[Principal, Depends(LISTENERS)]
IntakeReader = Annotated[Principal, Depends(INTAKE)]


async def principal_of(request: Request) -> Principal | None:
    """Who asks; from here on the database shows what they may see. A key in `Authorization` counts before a cookie; a key that is
    wrong is nobody, cookie or not."""
    principal = await _principal_of(request)
    if principal is not None:
        whose.enter(principal.rows)
    return principal


async def _principal_of(request: Request) -> Principal | None:
    database = request.app.state.database
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.startswith(people.KEY_PREFIX):
            return None
        return await people.by_key(database, key.strip())
    token = request.cookies.get(COOKIE)
    return await people.by_session(database, token) if token else None


def _check_watcher(request: Request) -> None:
    settings = request.app.state.settings
    expected = settings.watch_key.get_secret_value() if settings.watch_key else ""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if expected and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected.encode()):
        return
    if not given.startswith(people.KEY_PREFIX) and COOKIE not in request.cookies:
        raise Problem(401, "for the watcher only", headers={"WWW-Authenticate": 'Bearer realm="hoistway"'})
    raise Problem(403, "for the watcher only")


async def _check_csrf(request: Request, expected: str) -> None:
    check_same_origin(request)
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.headers.get("Content-Type", "").startswith(_FORMS):
        form = await request.form(max_files=1, max_fields=_FORM_FIELDS, max_part_size=BODY_BYTES)
        given = str(form.get("csrf", ""))
    if not hmac.compare_digest((given or "").encode(), expected.encode()):
        await request.close()
        raise Problem(403, f"the header {CSRF_HEADER} is missing or wrong; GET /api/v1/me tells it")


def check_same_origin(request: Request) -> None:
    """Refuse a form or script of another site. Programs that are no browser send neither header."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Problem(403, "sent by another site")
        return
    origin = request.headers.get("Origin")
    if origin is None:
        return
    own = {request.headers.get("Host", ""), urlsplit(request.app.state.settings.public_url).netloc}
    if not origin.startswith(("http://", "https://")) or urlsplit(origin).netloc not in own:
        raise Problem(403, "sent by another site")


def is_loopback(request: Request) -> bool:
    """Whether the caller sits on this machine, and not behind a proxy on this machine."""
    if request.client is None or "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def gate_of(route: APIRoute) -> Gate:
    """The gate that `route` declares; raises `OurFault` when it declares none or two."""
    gates = {item.call for item in route.dependant.dependencies if isinstance(item.call, Gate)}
    if len(gates) != 1:
        raise OurFault(f"route {route.path} declares {len(gates)} gates; it must declare one of api.access")
    return gates.pop()


def declared(routes: Sequence[BaseRoute]) -> Iterable[tuple[APIRoute, Gate]]:
    """Every route with its gate. Raises `OurFault` for a route that has none."""
    for route in routes:
        if not isinstance(route, APIRoute):
            raise OurFault(f"{route!r} is not a route that can declare who may call it")
        yield route, gate_of(route)
