"""One PostgreSQL a test session, and fresh migrated databases in it: a template made once, a clone for each that asks."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from hoistway.embedded.postgres import EmbeddedPostgres
from hoistway.store import connect_url, migrate, rights

_TEMPLATE = f"template_{os.getpid()}"
_numbers = itertools.count(1)


class PostgresServer:
    """The session's server; `fresh_database` clones the migrated template."""

    def __init__(self, home: Path) -> None:
        self._embedded = EmbeddedPostgres(home)
        self._has_template = False

    @property
    def url(self) -> str:
        """The server's first database, empty: for tests that only need a server."""
        return self._embedded.url

    async def start(self) -> None:
        await self._embedded.start()

    async def stop(self) -> None:
        await self._embedded.stop()

    def url_of(self, database: str) -> str:
        """The same server and role, another database."""
        return urlsplit(self.url)._replace(path=f"/{database}").geturl()

    async def empty_database(self, name: str = "empty") -> str:
        """The URL of a new database without any table."""
        return await self._create(name, "template0")

    async def fresh_database(self, name: str = "fresh") -> str:
        """The URL of a new database with every migration applied and no rows but those of the migrations."""
        if not self._has_template:
            connection = await connect_url(self.url_of("postgres"), name="test-template")
            try:
                await connection.execute(f'create database "{_TEMPLATE}"')
            finally:
                await connection.close()
            connection = await connect_url(self.url_of(_TEMPLATE), name="test-template")
            try:
                await migrate(connection)
                password = urlsplit(self.url).password or ""
                await rights.let_in(connection, dict.fromkeys(rights.ROLES, password))
            finally:
                await connection.close()
            self._has_template = True
        return await self._create(name, _TEMPLATE)

    async def _create(self, name: str, template: str) -> str:
        database = f"{name}_{os.getpid()}_{next(_numbers)}"
        connection = await connect_url(self.url_of("postgres"), name="test-create", command_timeout_s=60)
        try:
            await connection.execute(f'create database "{database}" template "{template}" strategy file_copy')
        finally:
            await connection.close()
        return self.url_of(database)

    async def drop_database(self, url: str) -> None:
        """Drop a database of this server and end what is still connected to it."""
        connection = await connect_url(self.url_of("postgres"), name="test-drop", command_timeout_s=60)
        try:
            await connection.execute(f'drop database if exists "{urlsplit(url).path[1:]}" with (force)')
        finally:
            await connection.close()


def as_part(url: str, part: str) -> str:
    """The address by which a part of the program logs in: `ingest`, `dispatch` or `api`. Here all have the owner's password."""
    where = urlsplit(url)
    return where._replace(netloc=where.netloc.replace(f"{where.username}:", f"hoistway_{part}:", 1)).geturl()


async def value(url: str, query: str, *values: object) -> object:
    """One value by one connection of its own."""
    connection: asyncpg.Connection = await connect_url(url, name="test-value")
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()
