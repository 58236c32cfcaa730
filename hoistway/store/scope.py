"""Whose rows a piece of work may see. Every transaction of a scoped connection begins by saying so to the database.

The scope is a context variable: who lets somebody in sets it once, and whatever is read or written for them afterwards is filtered by
the policies of `rights.sql`. Nothing said is nothing seen. Only the api is scoped.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Collection, Iterator
from contextvars import ContextVar
from typing import Any, Final

import asyncpg

NOTHING: Final = ""
CITY: Final = "city"
"""Every firm and district; not the platform's own probe."""
WHOLE: Final = "whole"
"""The probe too: what the program does for itself, never what somebody asked to see."""

_scope: ContextVar[str] = ContextVar("hoistway_scope", default=NOTHING)
_one_plan: ContextVar[bool] = ContextVar("hoistway_one_plan", default=False)


def of_firm(firm_id: int) -> str:
    return f"firm {firm_id:d}"


def of_districts(names: Collection[str]) -> str:
    """The lifts of these districts; of none, nothing."""
    if not names:
        return NOTHING
    return f"districts {json.dumps(sorted(names), ensure_ascii=False)}"


def enter(scope: str) -> None:
    """From here on, in this task and those it starts."""
    _scope.set(scope)


@contextlib.contextmanager
def within(scope: str) -> Iterator[None]:
    """For as long as the block lasts."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


@contextlib.contextmanager
def one_plan() -> Iterator[None]:
    """For acts, whose statements find a few rows by their ids: one plan serves every value, and planning is not done anew each time.

    It pays for what the policies cost the planner. Lists are no acts: their plans depend on which filters are there.
    """
    token = _one_plan.set(True)
    try:
        yield
    finally:
        _one_plan.reset(token)


@contextlib.asynccontextmanager
async def widened(connection: Any) -> AsyncIterator[None]:
    """The program's own work in the middle of somebody's transaction: who is sent next is chosen among all units, not the caller's.

    An error ends the transaction, and with it the wider scope. Who sees the whole city needs nothing wider.
    """
    if _scope.get() in (CITY, WHOLE):
        yield
        return
    await connection.execute(_said(WHOLE))
    yield
    await connection.execute(_said(_scope.get()))


def _said(scope: str) -> str:
    """Until the end of the transaction, as `set_config(..., true)` does; but a `set` takes no snapshot, and readers of samples must
    hold their tables before they take one."""
    quoted = scope.replace("'", "''")
    return f"set local hoistway.scope = '{quoted}'"


class ScopedConnection(asyncpg.Connection):
    """Says the scope with every `begin`, in the same message. A statement outside a transaction gets one of its own."""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        scope = _scope.get()
        if query.startswith("BEGIN"):
            plans = " set local plan_cache_mode = force_generic_plan;" if _one_plan.get() else ""
            query = f"{query} {_said(scope)};{plans}"
        elif args and self._alone(scope):
            async with self.transaction():
                return await super().execute(query, *args, **options)
        return await super().execute(query, *args, **options)

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        if self._alone(_scope.get()):
            async with self.transaction():
                return await super().fetch(query, *args, **options)
        return await super().fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        if self._alone(_scope.get()):
            async with self.transaction():
                return await super().fetchrow(query, *args, **options)
        return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        if self._alone(_scope.get()):
            async with self.transaction():
                return await super().fetchval(query, *args, **options)
        return await super().fetchval(query, *args, **options)

    def _alone(self, scope: str) -> bool:
        """Without a scope there is nothing to say: tables with a policy are empty, the others are as they are."""
        return scope != NOTHING and not self.is_in_transaction()
