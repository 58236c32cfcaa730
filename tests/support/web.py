"""The api for tests: in process for plain requests, on a real loopback port for streams, with clients that know their role."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from api import people
from api.app import create_app
from api.serve import listen, server
from hoistway.model import Role
from hoistway.settings import Settings
from hoistway.store import Database
from tests.support.postgres import as_part

PATIENCE_S = 15.0
people._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
people._DUMMY_HASH = people._hasher.hash("x")
"""What a password costs is no matter of these tests: argon2id all the same, and quick."""
SEAL_KEY = "a seal for tests, and for nothing else"


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something holds; fails with `what` after a while."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"never came true: {what}")
        await asyncio.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Api:
    """One application with its database and a key for every role."""

    app: FastAPI
    db: Database
    dispatch: Database  # as dispatch logs in
    url: str
    keys: dict[Role, str]
    firm_id: int  # the maintainer's

    def client(self, role: Role | None = None, *, host: str = "192.0.2.1") -> httpx.AsyncClient:
        """A client from elsewhere, with a role's key or (None) with nothing."""
        headers = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
        transport = httpx.ASGITransport(app=self.app, client=(host, 50_000))
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)

    def check(self, path: str, answer: httpx.Response, method: str = "get") -> Any:
        """The answer's document, after comparing it with what OpenAPI promises for `path`."""
        document = self.app.openapi()
        operation = document["paths"][path][method]
        promised = operation["responses"].get(str(answer.status_code)) or operation["responses"]["default"]
        media = answer.headers["content-type"]
        schema = promised["content"][media]["schema"]
        found = answer.json()
        Draft202012Validator({**schema, "components": document["components"]}).validate(found)
        return found


async def make_keys(db: Database) -> tuple[dict[Role, str], int]:
    firm_id = await db.fetchval("insert into firm (name) values ('own firm') returning id")
    async with db.acquire() as connection:
        keys = {
            role: await people.create_api_key(
                connection, f"{role} key", role, "own firm" if role is Role.MAINTAINER else None
            )
            for role in Role
        }
    return keys, firm_id


@contextlib.asynccontextmanager
async def api(url: str) -> AsyncIterator[Api]:
    """The application in process, its life running; it logs in as the api does. `db` is the owner's, for the test's own rows."""
    db = Database(url, name="test api")
    dispatch = Database(as_part(url, "dispatch"), name="test dispatch", most=4)
    await db.open()
    await dispatch.open()
    try:
        keys, firm_id = await make_keys(db)
        settings = Settings(database_url=as_part(url, "api"), seal_key=SEAL_KEY)  # type: ignore[arg-type]
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            yield Api(app=app, db=db, dispatch=dispatch, url=url, keys=keys, firm_id=firm_id)
    finally:
        await dispatch.close()
        await db.close()


@contextlib.asynccontextmanager
async def served(url: str, **settings: Any) -> AsyncIterator[str]:
    """The application on a free loopback port; answers its address."""
    running = server(Settings(database_url=as_part(url, "api"), **settings))  # type: ignore[arg-type]
    with listen("127.0.0.1", 0) as listening:
        task = asyncio.create_task(running.serve(sockets=[listening]))
        try:

            async def started() -> bool:
                if task.done():
                    task.result()
                return running.started

            await until(started, "the server started")
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            running.should_exit = True
            await task


@dataclass(frozen=True, kw_only=True)
class Frame:
    id: str
    event: str
    data: dict[str, Any]


class Events:
    """A reader of one event stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self, *events: str) -> Frame:
        """The next frame, or the next of the named kinds."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame = await self._one()
                if not events or frame.event in events:
                    return frame

    async def _one(self) -> Frame:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return Frame(id=fields.get("id", ""), event=fields["event"], data=json.loads(fields["data"]))
            else:
                fields = {}
        raise EOFError


@contextlib.asynccontextmanager
async def stream(
    address: str, key: str, *, last: str | None = None, path: str = "/api/v1/stream"
) -> AsyncIterator[Events]:
    headers = {"Authorization": f"Bearer {key}", **({"Last-Event-ID": last} if last else {})}
    async with (
        httpx.AsyncClient(timeout=PATIENCE_S) as client,
        client.stream("GET", address + path, headers=headers) as answer,
    ):
        yield Events(answer)
