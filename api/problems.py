"""What an answer looks like when it is not the one asked for: application/problem+json, one form for every error.

Knows HTTP and the error tree. Knows no route and writes no SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hoistway.errors import BadInput, Forbidden, IllegalMove, WorldFault

MEDIA_TYPE: Final = "application/problem+json"
_TITLES: Final[Mapping[int, str]] = {
    400: "Bad request",
    401: "Not logged in",
    403: "Not with this role",
    404: "Not found",
    405: "Method not allowed",
    409: "Not from this state",
    410: "Gone",
    412: "Somebody else changed it first",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be used",
    428: "If-Match is required",
    429: "Too many tries",
    500: "Our fault",
    503: "Not available now",
}
_RETRY_AFTER_S: Final = 2
_UNREACHABLE: Final = (
    "08",
    "40",
    "53",
    "57",
    "55",
)  # SQLSTATE classes: connection, rollback, resources, operator, lock

_log = structlog.get_logger("api")
_encode = msgspec.json.Encoder().encode


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        errors: list[dict[str, str]] | None = None,
        current: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.detail, self.errors, self.current = status, detail, errors, current
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)
        super().__init__(f"{status}: {detail}")


def unusable(pointer: str, detail: str) -> Problem:
    """422 for one field, named by JSON pointer."""
    return Problem(422, "the request cannot be used", errors=[{"pointer": pointer, "detail": detail}])


def not_found(what: str) -> Problem:
    """404. Says the same for what does not exist and for what belongs to another firm."""
    return Problem(404, f"no such {what}")


def render(problem: Problem, *, request_id: str = "") -> Response:
    """The answer of one problem."""
    title = _TITLES.get(problem.status, "Error")
    body: dict[str, Any] = {
        "type": f"urn:hoistway:problem:{problem.status}",
        "title": title,
        "status": problem.status,
        "detail": problem.detail or title,
    }
    if request_id:
        body["request_id"] = request_id
    if problem.errors is not None:
        body["errors"] = problem.errors
    if problem.current is not None:
        body["current"] = problem.current
    return Response(_encode(body), problem.status, problem.headers, MEDIA_TYPE)


_UNSTORABLE_TEXT = frozenset({"22021", "22P05"})


def from_error(error: Exception) -> Problem:
    """The problem that stands for any error a route may raise."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            detail = "" if error.status_code in (404, 405) else str(error.detail)
            return Problem(error.status_code, detail, headers=error.headers)
        case IllegalMove():
            return Problem(409, str(error), errors=[{"pointer": "/move", "detail": str(error)}])
        case Forbidden():
            return Problem(403, str(error))
        case BadInput():
            return unusable("/" + error.where.replace(".", "/"), f"{error.what}; expected {error.expected}")
    return _from_database(error) or Problem(500, "this is a fault of the server; it is in its log under the request id")


def _from_database(error: Exception) -> Problem | None:
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in _UNSTORABLE_TEXT:
        return Problem(422, "the request holds text that cannot be stored: a NUL character")
    if _is_world_fault(error):
        return Problem(503, "the database does not answer; try again", retry_after_s=_RETRY_AFTER_S)
    return None


def _is_world_fault(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)[:2] in _UNREACHABLE
    return isinstance(error, (WorldFault, OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError))


def _from_validation(error: RequestValidationError) -> Problem:
    errors = []
    for item in error.errors():
        place, *path = item["loc"]
        pointer = "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in path)
        entry = {"detail": str(item["msg"])}
        if place == "body":
            entry["pointer"] = pointer if path and item["type"] != "json_invalid" else ""
        else:
            entry["parameter"] = str(path[-1]) if path else str(place)
        errors.append(entry)
    return Problem(422, "the request cannot be used", errors=errors)


def answer(error: Exception, *, path: str, request_id: str) -> Response:
    """The answer to any error; what is our or the world's fault is logged."""
    problem = from_error(error)
    if problem.status >= 500:
        _log.error("request failed", path=path, status=problem.status, request_id=request_id, exc_info=error)
    return render(problem, request_id=request_id)


async def _answer(request: Request, error: Exception) -> Response:
    return answer(error, path=request.url.path, request_id=request.state.request_id)


def install(app: FastAPI) -> None:
    """Answer what the framework refuses as problem+json; every other error passes on to the wrapping in `app`."""
    for kind in (RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer)
