"""The one transaction of a batch: rows, alarms, cases, timers and the place in the stream commit together or not at all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hoistway import rulebook
from hoistway.errors import Fenced, OurFault
from hoistway.limits import QUARANTINE_BYTES
from hoistway.store import queries
from ingest.alarm_rows import write_changes, write_notices, write_unplaced
from ingest.assembled import Assembled, Refusal
from ingest.backfill_rows import Looked, note_backfill, note_looked_at
from ingest.changes import Change, columns, when
from ingest.correction_rows import Corrected, write_corrections
from ingest.decode import clean_text
from ingest.door_rows import find_reused, write_security
from ingest.folding import ShadowLine
from ingest.pack import COLUMNS, pack_samples

SQL: Final = queries("ingest", "sql/write.sql")
TOPIC_CHARS: Final = 300
DETAIL_CHARS: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What one transaction writes. The token is made before the first try, so that an unknown outcome can be asked for."""

    batch_no: int
    kind: str  # batch, tick, listening, rules, refold, backfill
    clock_ms: int
    assembled: Assembled = field(default_factory=Assembled)
    changes: Sequence[Change] = ()
    labels: Sequence[tuple[int, str]] = ()
    replays: Sequence[tuple[int, str]] = ()  # quarantine id, result
    rule_set: int | None = None  # of kind rules: the one that is live from here on
    shadow: Sequence[ShadowLine] = ()
    corrections: Sequence[Corrected] = ()
    state: bytes | None = None  # of kind refold: what the lifts concerned are afterwards
    too_old: Sequence[tuple[int, int, int]] = ()  # lift, from, to: for the job that reads the store
    looked_at: Sequence[Looked] = ()  # by that job
    token: uuid.UUID = field(default_factory=uuid.uuid4)


async def write(connection: Any, work: Work, *, partition: int, epoch: int) -> None:
    """Commit `work`. Raises `Fenced` when another process holds the partition, and asyncpg's errors."""
    async with connection.transaction():
        if await connection.fetchval(SQL["hold_lease"], partition, epoch) is None:
            raise Fenced(f"partition {partition} was taken over (our epoch was {epoch})")
        batch = work.assembled
        await connection.execute(
            SQL["open_batch"],
            partition,
            work.batch_no,
            work.token,
            work.kind,
            when(work.clock_ms),
            epoch,
            len(batch.samples),
            len(batch.events),
            work.rule_set,
            work.state,
            batch.only_probe,
        )
        if work.kind == "rules":
            await _new_rules(connection, work)
        await _telemetry(connection, work, partition)
        await _oddities(connection, batch, work.clock_ms)
        if work.changes:
            await write_changes(connection, work.changes, detected_at=when(work.clock_ms))
        if work.corrections:
            await write_corrections(connection, work.corrections, at=when(work.clock_ms))
        if work.too_old:
            await note_backfill(connection, work.too_old, batch_no=work.batch_no, at=when(work.clock_ms))
        await note_looked_at(connection, work.looked_at, batch_no=work.batch_no, at=when(work.clock_ms))
        if unreadable := batch.unreadable():
            await write_notices(connection, unreadable, said=batch.said, at=when(work.clock_ms))
        if unplaced := batch.unplaced():
            await write_unplaced(connection, unplaced, at=when(work.clock_ms))
        batch.reused = await find_reused(connection, batch)
        if security := [*batch.security, *batch.reused]:
            await write_security(connection, security, at=when(work.clock_ms))
        if work.shadow:
            await _shadow(connection, work, partition)
        if work.replays:
            await connection.execute(SQL["replayed"], *columns(work.replays, 2))


async def _new_rules(connection: Any, work: Work) -> None:
    if work.rule_set is None:
        raise OurFault("a change of rules without a set")
    await rulebook.go_live(connection, work.rule_set, when(work.clock_ms))


async def _shadow(connection: Any, work: Work, partition: int) -> None:
    lines = [
        (line.rule_set, line.rule_id, line.version, line.lift_id, line.kind, when(line.at_ms), when(line.hold_start_ms),
         line.demoted, line.level)
        for line in work.shadow
    ]  # fmt: skip
    await connection.execute(SQL["shadow"], partition, work.batch_no, *columns(lines, 9))


async def _telemetry(connection: Any, work: Work, partition: int) -> None:
    batch = work.assembled
    if work.labels:
        await connection.execute(SQL["labels"], *columns(work.labels, 2))
    if len(batch.samples):
        body = pack_samples(batch.samples, batch.keys, partition=partition, batch_no=work.batch_no)
        await connection.copy_to_table("sample", source=_Once(body), columns=COLUMNS, format="binary")
    if batch.events:
        arrays = [
            list(range(len(batch.events))),
            [when(row.received) for row in batch.events],
            [when(row.at) for row in batch.events],
            *[
                [getattr(row, name) for row in batch.events]
                for name in (
                    "ts",
                    "seq",
                    "boot",
                    "incarnation",
                    "device_id",
                    "lift_id",
                    "folded",
                    "code",
                    "active",
                    "data",
                    "at_once",
                )
            ],
        ]
        await connection.execute(SQL["events"], partition, work.batch_no, *arrays)
    if batch.links:
        links = [
            (row.device_id, row.link.online, row.link.boot, row.link.conn, when(row.received)) for row in batch.links
        ]
        await connection.execute(SQL["links"], *columns(links, 5))
        contacts = [
            (number, *link[:1], *link[2:4], link[4], link[1], json.dumps(row.lift_ids))
            for number, (link, row) in enumerate(zip(links, batch.links, strict=True))
        ]
        await connection.execute(SQL["contacts"], partition, work.batch_no, *columns(contacts, 7))
    if batch.gaps:
        gaps = [(g.device_id, g.stream, g.boot, g.incarnation, g.first, g.last, g.reason) for g in batch.gaps]
        await connection.execute(SQL["gaps"], partition, work.batch_no, *columns(gaps, 7))


async def _oddities(connection: Any, batch: Assembled, clock_ms: int) -> None:
    if batch.refusals:
        await connection.execute(SQL["quarantine"], *columns([_quarantined(row) for row in batch.refusals], 8))
    if batch.faults:
        faults = [(*key, times, value) for key, (times, value) in batch.faults.items()]
        await connection.execute(SQL["field_faults"], *columns(faults, 5), when(clock_ms))
    if counts := batch.tally.rows():
        await connection.execute(SQL["counters"], *columns(counts, 8))


def _quarantined(row: Refusal) -> tuple[Any, ...]:
    return (
        when(row.received),
        clean_text(row.topic[:TOPIC_CHARS]),
        row.device,
        row.reason,
        clean_text(row.detail[:DETAIL_CHARS]),
        row.payload[:QUARANTINE_BYTES],
        len(row.payload),
        row.sha256_8,
    )


class _Once:
    """One block of bytes as the asynchronous iterator that COPY reads."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    def __aiter__(self) -> _Once:
        return self

    async def __anext__(self) -> bytes:
        if self._body is None:
            raise StopAsyncIteration
        body, self._body = self._body, None
        return body
