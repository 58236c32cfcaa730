"""Emptying what has been moved: an hour of the log, a table of blocks. Whole tables at once, never row by row.

A reader holds a light lock on what its snapshot may need, so that nothing is emptied under it; here no lock is ever waited for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import asyncpg
import structlog

from hoistway.limits import SWEEP_GRACE_S
from ingest.compactor.moving import SQL

log: Final = structlog.get_logger("compactor")
BUSY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
GRACE: Final = timedelta(seconds=SWEEP_GRACE_S)


async def sweep_log(connection: Any) -> int:
    """Empty and drop the hours of table `sample` that are in blocks or chunks whole and before the last checkpoint; answers how many."""
    rows = await connection.fetch(SQL["may_go"])
    bounds, heads = ([row[name] for row in rows] for name in ("batch_no", "head"))
    reached = min((row["clock"] for row in rows if row["clock"] is not None), default=None)
    swept = 0
    for leaf in await connection.fetch(SQL["leaves"], "sample") if reached is not None else ():
        if leaf["ends"] is None or leaf["ends"] + GRACE <= reached:
            try:
                swept += await _sweep_leaf(connection, leaf["name"], bounds, heads, drop=leaf["ends"] is not None)
            except BUSY:
                log.debug("somebody reads; again later", table=leaf["name"])
    return swept


async def _sweep_leaf(connection: Any, name: str, bounds: list[int], heads: list[int], *, drop: bool) -> bool:
    filled = await connection.fetchval(of_table("filled", name))
    if filled:
        if await connection.fetchval(of_table("above", name), bounds, 0):
            return False
        async with connection.transaction():
            await _on_disk(connection)
            await connection.execute(f"lock table {name} in access exclusive mode nowait")
            lowest = min((head for head in heads if head), default=0)
            if await connection.fetchval(of_table("above", name), heads, lowest):
                return False  # written since
            await connection.execute(f"truncate {name}")
            await connection.execute(SQL["swept"], bounds)
    if drop:
        async with connection.transaction():
            await connection.execute("lock table only sample in access exclusive mode nowait")
            await connection.execute(f"drop table {name}")
    return drop or filled


async def sweep_blocks(connection: Any) -> int:
    """Empty the tables of blocks whose hours are all in chunks; answers how many."""
    swept = 0
    for leaf in await connection.fetch(SQL["leaves"], "sample_block"):
        name = leaf["name"]
        filled = await connection.fetchval(of_table("filled", name))
        wanted = await connection.fetchval(of_table("blocks_needed", name))
        if wanted or not filled:
            continue
        try:
            async with connection.transaction():  # only the compactor writes blocks: nothing has come since
                await _on_disk(connection)
                await connection.execute(f"lock table {name} in access exclusive mode nowait")
                await connection.execute(f"truncate {name}")
                swept += 1
        except BUSY:
            log.debug("somebody reads; again later", table=name)
    return swept


def of_table(query: str, name: str) -> str:
    """A query about one partition, by a name that the catalogue gave."""
    return SQL[query].replace("/* table */", name)


async def _on_disk(connection: Any) -> None:
    """What is emptied is on disk in its new form before."""
    await connection.execute("set local synchronous_commit = on")
