"""Every route for every role, about own, foreign and missing objects: what is written in `tests/support/access`, and no word of others.

Foreign rows are full of marks. An answer to somebody who may not see them must hold none, in status, header, body or live frame.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from api.access import COOKIE, CSRF_HEADER, declared, gate_of
from api.app import ROUTERS
from hoistway.model import Role
from hoistway.store import Database
from tests.support import rows
from tests.support.access import Entry, fits, table
from tests.support.frames import first_frames
from tests.support.planted import FOREIGN_NUMBER, MARKS, City, Viewer, plant, viewers
from tests.support.web import Api, api

TABLE: Final = table()
_HOLE: Final = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True, kw_only=True)
class Stage:
    web: Api
    city: City
    viewers: list[Viewer]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(database_url: str, database: Database) -> AsyncIterator[Stage]:
    city = await plant(database)
    async with api(database_url) as web:
        web.app.state.clock = lambda: rows.NOW
        yield Stage(web=web, city=city, viewers=await viewers(web.db, city))


def client(stage: Stage, viewer: Viewer | None) -> httpx.AsyncClient:
    found = stage.web.client()
    if viewer is not None:
        found.cookies.set(COOKIE, viewer.token)
        found.headers[CSRF_HEADER] = viewer.csrf
    return found


def address(route: str, entry: Entry, thing: str) -> str:
    path = route.partition(" ")[2].replace("{step}", "call-119")
    path = _HOLE.sub(thing, path)
    return f"{path}?{entry.query}" if entry.query else path


async def ask(stage: Stage, viewer: Viewer | None, route: str, entry: Entry, thing: str) -> tuple[int, str]:
    """Status, and everything that came back, of one request."""
    headers = {"If-Match": '"999999"'} if entry.version else {}
    method, where = route.partition(" ")[0], address(route, entry, thing)
    async with client(stage, viewer) as asking:
        if entry.endless:
            cookie = {"Cookie": f"{COOKIE}={viewer.token}"} if viewer else {}
            return await first_frames(stage.web.app, where, cookie, frames=2 if "follow" not in route else 1)
        form = {name: value.format(viewer=viewer and viewer.name) for name, value in (entry.form or {}).items()}
        answer = await asking.request(method, where, headers=headers, json=entry.body, data=form or None)
        if entry.ends_session:
            await stage.web.db.execute("update session set ended_at = null")
        return answer.status_code, f"{answer.headers}\n{answer.text}"


def visible(viewer: Viewer, entry: Entry) -> frozenset[str]:
    """The worlds that this viewer may see on this route."""
    return frozenset(MARKS) if entry.every_district and viewer.districts else viewer.sees


def leaks(sees: frozenset[str], text: str) -> list[str]:
    """Marks of what may not be seen."""
    found = [mark for world, mark in MARKS.items() if world not in sees and mark in text]
    return found + (FOREIGN_NUMBER.findall(text) if "foreign" not in sees else [])


# --- the table is whole ---


def test_every_route_has_an_entry() -> None:
    """A new route without an entry fails here, and so does an entry of a route that is gone."""
    routes = {
        f"{method} {route.path}"
        for router in ROUTERS
        for route, _ in declared(router.routes)
        for method in route.methods
    }
    assert routes == set(TABLE), "add a line to a module of tests/support/access"


async def test_every_operation_of_the_contract_has_an_entry_with_the_same_roles(stage: Stage) -> None:
    """The OpenAPI document, the gates and the table say the same of who is let in."""
    wrong = {}
    for path, methods in stage.web.app.openapi()["paths"].items():
        for method, operation in methods.items():
            entry = TABLE[f"{method.upper()} {path}"]
            said = ["everyone"] if entry.open else ["watcher"] if entry.own_key else sorted(entry.who)
            if operation["x-roles"] != said:
                wrong[path] = (operation["x-roles"], said)
    assert wrong == {}


def test_no_route_lies_beside_the_routers(stage: Stage) -> None:
    """What the application serves is what the routers declare, and the files of the console."""
    known = {route.path for router in ROUTERS for route, _ in declared(router.routes)}
    served = {path for route in stage.web.app.routes if (path := getattr(route, "path", None)) is not None}
    assert served - known == {"/static", "/static/firm"}
    assert all(gate_of(route) for router in ROUTERS for route, _ in declared(router.routes))


# --- who gets what ---


async def test_strangers_get_nothing_but_what_is_open(stage: Stage) -> None:
    """Nobody without a session or a key is told anything."""
    wrong = []
    for route, entry in TABLE.items():
        expected = {entry.done} if entry.open else {303} if entry.page else {401}
        if entry.done is None:
            expected |= {303, 401, 404, 410, 422}
        for world in MARKS:
            status, text = await ask(stage, None, route, entry, stage.city.of(world, entry.about or ""))
            if status not in expected or any(mark in text for mark in MARKS.values()):
                wrong.append((route, world, status, text[:300]))
    assert wrong == []


@pytest.mark.parametrize("route", TABLE)
async def test_nobody_is_told_of_what_is_not_theirs(stage: Stage, route: str) -> None:
    """Every role gets the status of the table about what it may see, and 404, as for what does not exist, about the rest."""
    entry, wrong = TABLE[route], []
    for viewer in stage.viewers:
        expected, about = entry.status(viewer.role), entry.about or ""
        seen: dict[str, tuple[int, str]] = {}
        for world in _worlds(viewer, entry):
            seen[world] = status, text = await ask(stage, viewer, route, entry, stage.city.of(world, about))
            hidden = (
                about
                and expected != 403
                and (world == "missing" or (not entry.city and world not in visible(viewer, entry)))
            )
            if not fits(status, 404 if hidden else expected):
                wrong.append((viewer.name, world, status, expected, text[-300:]))
            if hidden and _without_ids(text) != _without_ids(seen["missing"][1]):
                wrong.append((viewer.name, world, "told apart from what is missing", text, seen["missing"][1]))
            if found := leaks(visible(viewer, entry), text):
                wrong.append((viewer.name, world, found, text[-300:]))
    assert wrong == []


def _worlds(viewer: Viewer, entry: Entry) -> list[str]:
    """What is asked for: one thing by whoever is refused at the gate or asks about nothing, else also what is missing and foreign."""
    if entry.about is None or entry.status(viewer.role) == 403:
        return ["own"]
    return ["missing", "own"] if entry.city or viewer.sees == set(MARKS) else ["missing", *MARKS]


def _without_ids(text: str) -> str:
    """An answer without what differs from one request to the next."""
    return re.sub(r"[0-9a-f]{32}|\d{4,}", "#", text)


async def test_own_objects_are_seen(stage: Stage) -> None:
    """Marks of what may be seen do come: the test above does not look at empty answers."""
    blind = []
    for route, entry in TABLE.items():
        if not route.startswith("GET /api/v1/") or entry.city or route in {"GET /api/v1/me", "GET /api/v1/map"}:
            continue
        for viewer in stage.viewers:
            if entry.status(viewer.role) != 200:
                continue
            for world in viewer.sees:
                thing = stage.city.of(world, entry.about or "")
                _, text = await ask(stage, viewer, route, entry, thing)
                if MARKS[world] not in text and f'"lift_id":{stage.city.of(world, "lift")}' not in text:
                    blind.append((route, viewer.name, world, text[-200:]))
    assert [entry for entry in blind if entry[0] not in _QUIET] == []


_QUIET: Final = {
    "GET /api/v1/cases/{case_id}/candidates",  # stations, which are of no firm
    "GET /api/v1/desk/figures",  # counts
}


# --- the live stream ---


async def test_live_stream_tells_nobody_of_others(stage: Stage) -> None:
    """Snapshot, changes and counters of every role while rows of both firms change."""
    wrong: list[Any] = []
    readers = [viewer for viewer in stage.viewers if viewer.role is not Role.PROPERTY]
    texts = await asyncio.gather(*(_follow(stage, viewer) for viewer in readers), _stir(stage))
    for viewer, text in zip(readers, texts[:-1], strict=True):
        assert text is not None
        wrong += [(viewer.name, found) for found in leaks(viewer.sees, text)]
        wrong += [(viewer.name, "does not see", world) for world in viewer.sees if MARKS[world] not in text]
        counted = {int(number) for number in re.findall(r'"lifts":(\d+)', text)}
        if counted != {len(viewer.sees)}:
            wrong.append((viewer.name, "counts of lifts", counted))
        if viewer.sees and "event: change" not in text:
            wrong.append((viewer.name, "no change came"))
    assert wrong == []


async def _follow(stage: Stage, viewer: Viewer) -> str:
    cookie = {"Cookie": f"{COOKIE}={viewer.token}"}
    _, text = await first_frames(stage.web.app, "/api/v1/stream", cookie, frames=6 if viewer.sees else 3, at_most_s=3.0)
    return text


async def _stir(stage: Stage) -> None:
    for _ in range(4):
        for world in MARKS:
            ids = stage.city.ids[world]
            await stage.web.db.execute("update alarm set version = version + 1 where id = $1", ids["alarm"])
            await stage.web.db.execute("update rescue_case set version = version + 1 where id = $1", ids["case"])
            await stage.web.db.execute("update area_incident set version = version + 1 where id = $1", ids["incident"])
        await asyncio.sleep(0.3)
