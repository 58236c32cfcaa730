"""A store that holds samples from before there were chunks: its rows stay, are read, and are moved like any other."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from unittest.mock import AsyncMock

from hoistway.store import connect_url
from tests.support.compaction import at_once, checkpoint, compact, everything, fill, quiet, raw
from tests.support.postgres import PostgresServer


async def test_a_store_with_samples_is_migrated(postgres_server: PostgresServer, monkeypatch: Any) -> None:
    """Rows of days and of the default partition are all there afterwards; empty days make room for hours; the btree is gone."""
    url = await postgres_server.empty_database("before")
    connection = await connect_url(url, name="test")
    module = import_module("hoistway.store.migrate")
    whole = module.MIGRATIONS
    number = next(item.number for item in whole if item.name.endswith("_chunks.sql"))
    with monkeypatch.context() as patch:
        patch.setattr(module, "MIGRATIONS", whole[: number - 1])
        patch.setattr(module, "SCHEMA_VERSION", number - 1)
        patch.setattr(module.rights, "apply", AsyncMock(return_value=True))  # a program of before knew no roles
        await module.migrate(connection)
    for day in (20, 21, 22):
        await connection.execute(
            f"create table sample_202611{day} partition of sample for values from ('2026-11-{day}') to ('2026-11-{day + 1}')"
        )
    await fill(connection, batches=120)
    await connection.execute("update sample set received = '2027-01-01' where batch_no = 120")
    rows = await raw(connection)
    await module.migrate(connection)
    assert (await raw(connection)).tobytes() == rows.tobytes()
    leaves = await connection.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'sample'::regclass order by 1"
    )
    assert [row["name"] for row in leaves] == ["sample_20261120", "sample_default"]
    kinds = await connection.fetch(
        "select distinct am.amname from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am am on am.oid = c.relam"
        " join pg_inherits h on h.inhrelid = i.indrelid where h.inhparent = 'sample'::regclass"
    )
    assert [row["amname"] for row in kinds] == ["brin"]
    await quiet(connection)
    await checkpoint(connection)
    with at_once():
        await compact(connection)
    assert await connection.fetchval("select count(*) from sample") == 0
    assert (await everything(connection)).tobytes() == rows.tobytes()
    await connection.close()
    await postgres_server.drop_database(url)
