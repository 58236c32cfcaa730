"""State after a restart: the last checkpoint, then a replay of what was stored after it. The fold is deterministic."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog

from alarms.engine import Engine
from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, Batch
from hoistway.model import EVENT_CODES
from hoistway.store import queries
from ingest.memory import Memory
from ingest.pack import unpack_samples

log: Final = structlog.get_logger("ingest.recovery")

SQL: Final = queries("ingest", "sql/recovery.sql")
CHUNK_BATCHES: Final = 2_000
_CODE_INDEX: Final = {item.code: index for index, item in enumerate(EVENT_CODES)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovered:
    """Where the stream stands."""

    batch_no: int  # the last one in the store
    clock_ms: int
    batches_replayed: int
    samples_replayed: int


def _ms(moment: Any) -> int:
    return int(moment.timestamp() * 1_000 + 0.5)


async def recover(connection: Any, engine: Engine, memory: Memory, *, partition: int) -> Recovered:
    """Fill `engine` and `memory` (both fresh, the fleet already set) from the store."""
    from_batch, clock_ms = 0, 0
    row = await connection.fetchrow(SQL["checkpoint"], partition)
    if row is not None:
        try:
            engine.restore(row["engine"])
            memory.restore(row["devices"])
            from_batch, clock_ms = row["batch_no"], _ms(row["clock"])
        except ValueError as error:
            log.warning("the checkpoint is of another program; replaying from the start", error=str(error))
    last, batches, samples = from_batch, 0, 0
    while True:
        rows = await connection.fetch(SQL["batches"], partition, last, CHUNK_BATCHES)
        if not rows:
            return Recovered(batch_no=last, clock_ms=clock_ms, batches_replayed=batches, samples_replayed=samples)
        upto = rows[-1]["batch_no"]
        chunk = await _load(connection, partition, last, upto)
        for item in rows:
            clock_ms = _ms(item["clock"])
            if item["kind"] == "tick":
                engine.tick(clock_ms)
            elif item["kind"] == "listening":
                engine.listening(clock_ms)
            else:
                engine.step(chunk.batch(item["batch_no"], memory), clock_ms)
        batches, samples, last = batches + len(rows), samples + chunk.size, upto


class _Chunk:
    """The stored records of a run of batches."""

    def __init__(self, body: bytes, events: list[Any], contacts: list[Any]) -> None:
        self._samples, self._keys, self._numbers = unpack_samples(body)
        self._events: dict[int, list[Any]] = {}
        self._contacts: dict[int, list[Any]] = {}
        for row in events:
            self._events.setdefault(row["batch_no"], []).append(row)
        for row in contacts:
            self._contacts.setdefault(row["batch_no"], []).append(row)

    @property
    def size(self) -> int:
        return len(self._samples)

    def batch(self, number: int, memory: Memory) -> Batch:
        first, last = np.searchsorted(self._numbers, [number, number + 1])
        samples, keys = self._samples[first:last], self._keys[first:last]
        for sample, key in zip(samples, keys, strict=True):
            memory.replayed(
                device_id=int(key["device_id"]),
                boot=int(key["boot"]),
                incarnation=int(key["incarnation"]),
                leaf="state",
                seq=int(key["seq"]),
                ts=int(key["ts"]),
                received=int(sample["received"]),
            )
            if key["folded"]:
                memory.note_lift(int(sample["slot"]), int(sample["at"]))
        return Batch(
            samples=samples[keys["folded"] == 1],
            events=self._event_rows(number, memory),
            contacts=np.array(
                [(row["lift_id"], _ms(row["received"]), row["online"]) for row in self._contacts.get(number, [])],
                CONTACT_DTYPE,
            ),
        )

    def _event_rows(self, number: int, memory: Memory) -> Any:
        found = self._events.get(number, [])
        rows = np.empty(len(found), EVENT_DTYPE)
        for index, row in enumerate(found):
            received = _ms(row["received"])
            memory.replayed(
                device_id=row["device_id"],
                boot=row["boot"],
                incarnation=row["incarnation"],
                leaf="event",
                seq=row["seq"],
                ts=row["ts"],
                received=received,
            )
            rows[index] = (row["lift_id"], _ms(row["at"]), received, _CODE_INDEX.get(row["code"], -1), row["active"])
        return rows[rows["code"] >= 0]


async def _load(connection: Any, partition: int, after: int, upto: int) -> _Chunk:
    sink = io.BytesIO()
    await connection.copy_from_query(SQL["samples"], partition, after, upto, output=sink, format="binary")
    events = await connection.fetch(SQL["events"], partition, after, upto)
    contacts = await connection.fetch(SQL["contacts"], partition, after, upto)
    return _Chunk(sink.getvalue(), events, contacts)
