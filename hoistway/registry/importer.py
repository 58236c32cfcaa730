"""Shell of the import: reads the file, compares chunk by chunk with the register, writes each chunk in one transaction.

Knows the store and the queries; what a line means and whether it may go in is decided by the pure modules beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import asyncpg

from hoistway.errors import BadInput
from hoistway.limits import IMPORT_ROWS
from hoistway.registry.mapping import ColumnMapping, check_header, own_mapping
from hoistway.registry.reconcile import KnownDevice, KnownLift, Plan, Reconciler
from hoistway.registry.report import REFUSED, Finding, Report
from hoistway.registry.rows import Entry, Row, RowReader
from hoistway.registry.table import Table, open_table, records
from hoistway.store import queries

_SQL: Final = queries("hoistway.registry", "sql/registry.sql")
CHUNK_ROWS: Final = 5_000
_TIMEOUT_S: Final = 60.0
_BYTES: Final = 1024 * 1024 * 1024
_JSON_COLUMNS: Final = (
    "kind", "rescue_code", "register_code", "name", "estate", "building", "address", "district", "lon", "lat", "crs",
    "floors", "rated_speed_m_s", "rated_load_kg", "firm", "user_unit", "user_unit_phone", "emergency_phone", "urban",
    "maker", "installed_on", "feeder",
)  # fmt: skip


def read_file(path: Path) -> bytes:
    """The file's bytes. Raises `BadInput` when there is none or it is too large."""
    if not path.is_file():
        raise BadInput("no such file", where=str(path), expected="a CSV file")
    if (size := path.stat().st_size) > _BYTES:
        raise BadInput(f"{size:,} bytes", where=str(path), expected=f"at most {_BYTES:,} bytes")
    return path.read_bytes()


async def import_bytes(
    connection: asyncpg.Connection,
    raw: bytes,
    *,
    name: str,
    today: date,
    mapping: ColumnMapping | None = None,
    exercise: bool = False,
    dry_run: bool = False,
) -> Report:
    """Import the bytes of a CSV file, called `name` in messages. `connection` is one of `hoistway.store`'s.

    Raises `BadInput` when the file as a whole cannot be read; lines are judged one by one.
    """
    table, mapping = prepare(raw, name=name, mapping=mapping)
    used = {column for source in mapping.columns.values() for column in source.columns}
    report = Report(
        file=name,
        mapping=mapping.name,
        encoding=table.encoding,
        delimiter=table.delimiter,
        exercise=exercise,
        dry_run=dry_run,
        ignored_columns=tuple(column for column in table.header if column and column not in used),
    )
    rows = RowReader(table.header, mapping, today=today).read(records(table))
    work = _Import(connection, mapping, report)
    if not dry_run:
        await work.run(rows)
        return report
    everything = connection.transaction()
    await everything.start()
    try:
        await work.run(rows)
    finally:
        await everything.rollback()
    return report


def prepare(raw: bytes, *, name: str, mapping: ColumnMapping | None) -> tuple[Table, ColumnMapping]:
    """The opened table and its checked mapping. Raises `BadInput` for a file that cannot be an import."""
    table = open_table(
        raw,
        where=name,
        encoding=mapping.encoding if mapping else None,
        delimiter=mapping.delimiter if mapping else None,
    )
    if len(table.lines) - table.first > IMPORT_ROWS + 1:
        raise BadInput(
            f"{len(table.lines):,} lines", where=name, expected=f"at most {IMPORT_ROWS:,} lines; split the file"
        )
    mapping = mapping or own_mapping(table.header, where=name)
    check_header(mapping, table.header, where=name)
    return table, mapping


class _Import:
    """One running import."""

    def __init__(self, connection: asyncpg.Connection, mapping: ColumnMapping, report: Report) -> None:
        self._connection, self._mapping, self._report = connection, mapping, report
        self._reconciler = Reconciler(exercise=report.exercise)

    async def run(self, rows: Iterator[Row]) -> None:
        while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
            entries = [row.entry for row in chunk if row.entry is not None]
            refused = {finding.line: finding for finding in await self._write(entries)}
            for row in chunk:
                later = refused.get(row.line)
                self._report.count((*row.findings, later) if later else row.findings)

    async def _write(self, entries: list[Entry]) -> list[Finding]:
        """Write entries in one transaction; when the database refuses, halve until the entry is found."""
        try:
            async with self._connection.transaction():
                plan, changed = await self._chunk(entries)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            if len(entries) == 1:
                return [_store_refused(entries[0], error)]
            middle = len(entries) // 2
            return [*await self._write(entries[:middle]), *await self._write(entries[middle:])]
        self._reconciler.keep(plan)
        updates = sum(1 for _, lift_id in plan.lifts if lift_id is not None)
        self._report.inserted += len(plan.lifts) - updates
        self._report.updated += changed
        self._report.unchanged += updates - changed
        self._report.enrolments += plan.enrolments
        return [replace(found, column=self._mapping.heading(found.column)) for found in plan.refused]

    async def _chunk(self, entries: list[Entry]) -> tuple[Plan, int]:
        """Compare and write; answers the plan and how many registered lifts changed."""
        await self._connection.execute(_SQL["lock"], timeout=_TIMEOUT_S)
        names = [name for entry in entries for name in (entry.device, entry.gateway) if name]
        lifts = await self._fetch(
            "known_lifts",
            [entry.register_code for entry in entries if entry.register_code],
            [entry.rescue_code for entry in entries if entry.rescue_code],
            names,
        )
        devices = await self._fetch("known_devices", names)
        plan = self._reconciler.plan(
            entries,
            [KnownLift(**{**row, "shards": frozenset(row["shards"])}) for row in lifts],
            [KnownDevice(**row) for row in devices],
        )
        await self._firms(entry for entry, _ in plan.lifts)
        ids, changed = await self._lifts(plan)
        await self._devices(plan, ids)
        return plan, changed

    async def _firms(self, entries: Iterable[Entry]) -> None:
        phones: dict[str, str | None] = {}
        for entry in entries:
            if entry.firm:
                phones[entry.firm] = entry.firm_phone or phones.get(entry.firm)
        if phones:
            await self._fetch("update_firms", list(phones), list(phones.values()))
            await self._fetch("insert_firms", list(phones), list(phones.values()))

    async def _lifts(self, plan: Plan) -> tuple[dict[int, int], int]:
        """(lift id by line, number of registered lifts that changed)."""
        new = [entry for entry, lift_id in plan.lifts if lift_id is None]
        ids = {entry.line: lift_id for entry, lift_id in plan.lifts if lift_id is not None}
        changed = await self._fetch("update_lifts", [_as_json(e, i) for e, i in plan.lifts if i is not None])
        numbers = await self._fetch("new_lift_ids", len(new))
        ids.update((entry.line, row["id"]) for entry, row in zip(new, numbers, strict=True))
        given = [_as_json(entry, ids[entry.line], new=True) for entry in new]
        await self._fetch("insert_lifts", given, self._report.exercise)
        return ids, len(changed)

    async def _devices(self, plan: Plan, ids: dict[int, int]) -> None:
        names = [entry.device for entry, _ in plan.terminals] + list(plan.gateways)
        shards = [shard for _, shard in plan.terminals] + list(plan.gateways.values())
        owners: list[int | None] = [ids[entry.line] for entry, _ in plan.terminals]
        owners += [None] * len(plan.gateways)
        if names:
            await self._fetch("insert_devices", names, shards, owners)
        spoken_for = [(entry.gateway, ids[entry.line]) for entry, _ in plan.lifts if entry.gateway]
        if spoken_for:
            await self._fetch("insert_gateway_lifts", *map(list, zip(*spoken_for, strict=True)))

    async def _fetch(self, name: str, *values: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._connection.fetch(_SQL[name], *values, timeout=_TIMEOUT_S)
        return rows


def _as_json(entry: Entry, lift_id: int, *, new: bool = False) -> dict[str, Any]:
    """The entry for `jsonb_to_recordset`. A new lift always has a name."""
    values = asdict(entry)
    given = {name: values[name] for name in _JSON_COLUMNS}
    given["id"] = lift_id
    if new and not entry.name:
        given["name"] = entry.building or entry.estate or entry.address or entry.key
    return given


def _store_refused(entry: Entry, error: asyncpg.PostgresError) -> Finding:
    return Finding(
        line=entry.line,
        column="",
        verdict=REFUSED,
        value=entry.key,
        why=f"the database refused it: {error}",
        expected="values that the register can hold",
    )
