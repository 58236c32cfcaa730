"""What the routes of the firm's side share: an answer as a page, an error as a page, a form's fields.

Who may come in is `api.access`, as for every route; here only the way it is said differs: a stranger is led to the login.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import structlog
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from api.console.pages import new_nonce
from api.firm import view
from api.pages import home_of, html_answer, language_of
from api.people import Principal
from api.problems import Problem, from_error
from hoistway.limits import FIRM_REFRESH_S
from hoistway.model import Role

PERMISSIONS: Final = "camera=(), microphone=(), geolocation=(self)"
"""A crew may tell where it is, by a press and with the browser's question."""
TOO_LONG: Final = 2_000
_FORM: Final = "application/x-www-form-urlencoded"
_SAID: Final = frozenset({400, 403, 404, 409, 412, 413, 415, 422, 429, 503})
_log: Final = structlog.get_logger("api.firm")


class PageRoute(APIRoute):
    """A route for people: what goes wrong is a page in their language, and who is not logged in is led to the login."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001  every error is said as a page, as `api.problems` says it as JSON
                return _trouble(request, error)

        return handler


def _trouble(request: Request, error: Exception) -> Response:
    problem = from_error(error)
    if problem.status == 401:
        return to_login(request)
    if problem.status >= 500:
        _log.error("page failed", path=request.url.path, status=problem.status, exc_info=error)
    key = str(problem.status if problem.status in _SAID else 500)
    return answer(request, "trouble.html", status=problem.status, headers=problem.headers, key=key)


def to_login(request: Request) -> Response:
    """To the login, which leads back to the page that was asked for."""
    onward = request.url.path if request.method == "GET" else "/firm"
    return RedirectResponse(f"/login?{urlencode({'next': onward})}", status_code=303)


def to(path: str) -> Response:
    """On to a page, by GET."""
    return RedirectResponse(path, status_code=303)


def answer(
    request: Request,
    template: str,
    *,
    status: int = 200,
    refresh: bool = False,
    here: str | None = None,
    headers: dict[str, str] | None = None,
    **values: object,
) -> Response:
    """A page of the firm's side. `refresh`: it loads itself again while nobody types on it, unless told to stand still.

    `here` is its address by GET, when the request was none.
    """
    state, nonce = request.app.state, new_nonce()
    principal: Principal | None = getattr(request.state, "principal", None)
    still = request.query_params.get("still") == "1"
    text = view.render(
        template,
        language=language_of(request),
        zone=ZoneInfo(state.settings.time_zone),
        now=state.clock(),
        person=principal,
        csrf=principal.csrf if principal is not None else "",
        of_firm=principal is not None and principal.role is Role.MAINTAINER,
        makes_keys=may_make_keys(principal),
        home=home_of(principal),
        here=here or (request.url.path if request.method == "GET" else home_of(principal)),
        refreshing=refresh,
        still=still,
        refresh_s=FIRM_REFRESH_S,
        **values,
    )
    response = html_answer(request, text, nonce, status=status, headers=headers)
    response.headers["Permissions-Policy"] = PERMISSIONS
    return response


def may_make_keys(principal: Principal | None) -> bool:
    """Who looks after keys: the city's admin, and those of a firm whom the city has named."""
    return principal is not None and (principal.role is Role.ADMIN or principal.firm_admin)


async def fields(request: Request) -> dict[str, str]:
    """The text fields of a form, trimmed. 415 for another kind of body, 422 for a field that is too long."""
    if not request.headers.get("Content-Type", "").startswith(_FORM):
        raise Problem(415, f"a form is sent as {_FORM}")
    found = {name: str(value).strip() for name, value in (await request.form()).items()}
    for name, value in found.items():
        if len(value) > TOO_LONG or "\0" in value:
            raise Problem(422, "the request cannot be used", errors=[{"pointer": f"/{name}", "detail": "too long"}])
    return found


def whole(text: str, low: int, high: int) -> int | None:
    """A whole number from `low` to `high`, or None."""
    digits = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if digits and low <= int(text) <= high else None


def position(given: dict[str, str]) -> tuple[float, float] | None:
    """Longitude and latitude of a form, WGS-84, in degrees; None when both are empty. 422 for anything else."""
    texts = given.get("lon", ""), given.get("lat", "")
    if texts == ("", ""):
        return None
    lon, lat = (_degrees(text) for text in texts)
    if lon is None or lat is None or abs(lon) > 180 or abs(lat) > 90:
        raise Problem(422, "the request cannot be used", errors=[{"pointer": "/lat", "detail": "not a position"}])
    return lon, lat


def _degrees(text: str) -> float | None:
    plain = text.removeprefix("-").replace(".", "", 1)
    return float(text) if plain.isascii() and plain.isdigit() and len(text) <= 20 else None
