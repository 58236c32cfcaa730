"""What the api must answer to whom: one line a route, as data. `tests/postgres/test_api_leaks.py` reads it.

Each module of this folder has `ROUTES`, a dict from "METHOD /path" to an `Entry`. A new route needs a line in one of them, or in a
module of its own: whatever lies here is found. docs/security.md tells how to write one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hoistway.model import Role

EVERYBODY: Final = frozenset(Role)
READERS: Final = EVERYBODY - {Role.PROPERTY}
STAFF: Final = READERS - {Role.MAINTAINER}
DESK: Final = frozenset({Role.DISPATCHER, Role.SUPERVISOR, Role.ADMIN})
CREW: Final = DESK | {Role.MAINTAINER}
NOBODY: Final[frozenset[Role]] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One route: who is let in, about which planted object, with what, and what comes of it."""

    who: frozenset[Role]
    about: str | None = None  # the planted object whose id fills the path: lift, alarm, case, order, unit, removal, ...
    done: int | None = (
        200  # the status for whoever is let in, about an object in scope; None: nothing is planted yet, the gate is tried
    )
    by: Mapping[Role, int] = field(default_factory=dict)  # other statuses of some roles
    body: Mapping[str, Any] | None = None  # JSON, good enough to pass the schema
    form: Mapping[str, str] | None = None  # or a form; {viewer} is who asks
    query: str = ""
    version: bool = False  # needs If-Match: a version that nothing has is sent, so that nothing is changed (412)
    open: bool = False  # for strangers too: they get `done`
    page: bool = False  # for people with a browser: a session is used, a stranger is led to the login (303)
    endless: bool = False  # server-sent events: the first frames are read
    city: bool = False  # what it tells is of no firm; anybody who is let in sees all of it
    every_district: bool = False  # people of some districts see it of all: units serve the whole city
    ends_session: bool = False  # it is opened again afterwards
    own_key: bool = False  # for a key that no role has (the watcher's): everybody of this table gets 403

    def status(self, role: Role) -> int | None:
        """What `role` gets when everything is in order; None: anything but a refusal at the gate."""
        if self.own_key or role not in self.who:
            return 403
        return self.by.get(role, self.done)


def table() -> dict[str, Entry]:
    """Every entry; two for one route is a mistake."""
    found: dict[str, Entry] = {}
    for name in _modules():
        for route, entry in importlib.import_module(f"{__name__}.{name}").ROUTES.items():
            assert route not in found, f"{route} has two entries"
            found[route] = entry
    return found


def _modules() -> Iterable[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def fits(status: int, expected: int | None) -> bool:
    """Whether an answer is the expected one; None stands for whatever is neither refused at the gate nor our fault."""
    return status == expected if expected is not None else status not in {401, 403} and status < 500
