"""What forms without a script say of tickets: their fields as the book's words, and the book's refusals as texts of the page.

Pure: a form and an error in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from api.problems import Problem, from_error
from dispatch.tickets.book import NoTicket
from dispatch.tickets.outcome import Part, Said
from hoistway.errors import BadInput, Conflict, IllegalMove
from hoistway.limits import PART_CHARS, PARTS_A_TICKET

_PART: Final = re.compile(r"(.+?)(?:(?:(?<![A-Za-z])x|[*×])\s*([0-9]{1,5}))?")
_SAID: Final = frozenset(
    {"reason", "cause", "parts", "photo", "left_at", "came_at", "since", "until", "rescue_code", "note", "work", "move"}
)


def said_of(form: Mapping[str, Any]) -> Said:
    """The words of a move. Empty fields say nothing; a cause that is no number is one that no list holds."""
    cause = str(form.get("cause", "")).strip()
    number = int(cause) if cause.isdecimal() and len(cause) <= 4 else 0
    return Said(
        reason=_text(form, "reason"),
        cause=number if cause else None,
        work=_text(form, "work"),
        parts=parts_of(str(form.get("parts", ""))),
    )


def _text(form: Mapping[str, Any], name: str) -> str | None:
    return str(form.get(name, "")).strip() or None


def parts_of(text: str) -> tuple[Part, ...]:
    """One part a line, perhaps with its count: `light curtain x 2`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > PARTS_A_TICKET:
        raise BadInput(f"{len(lines)} lines", where="parts", expected=f"{PARTS_A_TICKET} at most")
    found = []
    for line in lines:
        match = _PART.fullmatch(line) if len(line) <= PART_CHARS + 10 else None
        name, count = match.groups() if match else (line, None)
        found.append(Part(name=name.strip(), count=int(count or 1)))
    return tuple(found)


def moment_of(form: Mapping[str, Any], name: str, zone: ZoneInfo) -> datetime | None:
    """The time of a field `datetime-local` in the city's zone; None when it is empty."""
    text = str(form.get(name, "")).strip()
    if not text:
        return None
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=zone)
    except ValueError:
        raise BadInput(f"{text[:40]!r}", where=name, expected="a date and a time") from None


def refusal_of(error: Exception) -> tuple[int, dict[str, str]]:
    """The status and, for the page, the key of what to say with the details behind it."""
    if isinstance(error, NoTicket):
        return 404, {"key": "ticket_error.missing", "detail": ""}
    if isinstance(error, Conflict):
        return 412, {"key": "ticket_error.conflict", "detail": ""}
    if isinstance(error, IllegalMove):
        return 409, {"key": "ticket_error.illegal", "detail": str(error)}
    if isinstance(error, BadInput):
        where = error.where.split(".")[0]
        key = f"ticket_error.{where}" if where in _SAID else "ticket_error.other"
        return 422, {"key": key, "detail": f"{error.what}; {error.expected}"}
    problem = error if isinstance(error, Problem) else from_error(error)
    return problem.status, {"key": "ticket_error.other", "detail": problem.detail}
