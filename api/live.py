"""Last states: the newest sample of every lift, in memory, kept up by following the stored stream.

The api has no engine and hears no device: it reads what was committed, by batch number. One packed row a lift; documents
are made when somebody asks.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import structlog

from api import shapes
from api.exchange import Document, moment
from hoistway.heartbeat import Heartbeats
from hoistway.model import SIGNALS, SignalType
from hoistway.samples import Rows, snapshot
from hoistway.samples.layout import to_ms
from hoistway.samples.newest import newest, newest_of, with_place
from hoistway.store import queries
from hoistway.store.scope import WHOLE, enter

POLL_S: Final = 0.5
_CHUNK_LIFTS: Final = 5_000

_sql: Final = queries("api", "sql/lifts.sql")
_ROW: Final = struct.Struct("<dd" + "".join("f" if signal.type is SignalType.NUMBER else "h" for signal in SIGNALS))
_NAMES: Final = tuple(signal.name for signal in SIGNALS)
_COLUMNS: Final = with_place(_NAMES)
_PACKED: Final = np.dtype(
    [("at", "<f8"), ("received", "<f8")]
    + [(signal.name, "<f4" if signal.type is SignalType.NUMBER else "<i2") for signal in SIGNALS]
)
"""The same as `_ROW`, for many rows at once."""
_FOLLOWED_BATCHES: Final = 20_000
"""Whoever is further behind loads everything again."""
_log = structlog.get_logger("api.live")


def _pack(rows: Rows) -> list[bytes]:
    packed = np.empty(len(rows), _PACKED)
    for name in ("at", "received"):
        packed[name] = to_ms(rows[name]) / 1_000
    for name in _NAMES:
        packed[name] = rows[name]
    whole, size = packed.tobytes(), _PACKED.itemsize
    return [whole[place : place + size] for place in range(0, len(whole), size)]


class LiveState:
    """The newest sample of every lift. `run` follows the stream; the rest answers from memory."""

    def __init__(self, database: Any, *, beats: Heartbeats | None = None) -> None:
        self._database = database
        self._beats = beats or Heartbeats("api")
        self._rows: dict[int, bytes] = {}
        self._heads: dict[int, int] = {}
        self._labels: dict[int, str] = {}
        self._age_s: float | None = None
        self._age_read = 0.0
        self._closed = False

    def close(self) -> None:
        """Follow no further."""
        self._closed = True

    async def run(self) -> None:
        """Load, then follow, for ever. A database that is away is waited for; nothing is lost by it."""
        enter(WHOLE)
        loaded = False
        while not self._closed:
            try:
                if not loaded:
                    await self._load()
                    loaded = True
                await self._follow()
                self._beats.beat("samples")
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  following must outlive any one failure; the age of the data shows it
                _log.warning("cannot follow the samples", error=str(error) or type(error).__name__)
            await asyncio.sleep(POLL_S)

    @property
    def data_age_s(self) -> float | None:
        """Seconds since the newest batch was committed; goes on growing while the database is away."""
        if self._age_s is None:
            return None
        return round(max(0.0, self._age_s + time.monotonic() - self._age_read), 1)

    def received_at(self, lift_id: int) -> str | None:
        """When the newest sample of a lift came in."""
        row = self._rows.get(lift_id)
        return None if row is None else moment(datetime.fromtimestamp(_ROW.unpack(row)[1], UTC))

    def packed(self, lift_id: int) -> bytes | None:
        """The newest sample as it is kept; compares equal while nothing new came."""
        return self._rows.get(lift_id)

    async def fetch(self, lift_id: int) -> None:
        """Bring a lift into memory that was silent when the rest was loaded."""
        if lift_id not in self._rows:
            async with self._database.acquire() as connection, snapshot(connection) as store:
                rows = await newest(store, [lift_id], _NAMES)
            if len(rows):
                await self._read_labels()
                self._take(rows)

    def state(self, lift_id: int, kind: str, now: datetime) -> Document:
        """What is known of one lift; every value is null when nothing is."""
        signals = shapes.signals_of(kind)
        packed = self._rows.get(lift_id)
        if packed is None:
            return {
                "lift_id": lift_id,
                "at": None,
                "received": None,
                "age_s": None,
                "values": {signal.name: None for signal in signals},
                "moving": None,
            }
        at, received, *stored = _ROW.unpack(packed)
        by_name = dict(zip(_NAMES, stored, strict=True))
        values = {signal.name: shapes.value(signal, by_name[signal.name], self._labels) for signal in signals}
        return {
            "lift_id": lift_id,
            "at": moment(datetime.fromtimestamp(at, UTC)),
            "received": moment(datetime.fromtimestamp(received, UTC)),
            "age_s": round(max(0.0, now.timestamp() - received), 1),
            "values": values,
            "moving": shapes.moving_of(kind, values),
        }

    async def labels(self) -> Mapping[int, str]:
        """Displayed floors by their number in the store."""
        await self._read_labels()
        return self._labels

    async def _load(self) -> None:
        heads = await self._read_heads()
        await self._read_labels()
        last = 0
        while ids := [row["id"] for row in await self._database.fetch(_sql["lifts_after"], last, _CHUNK_LIFTS)]:
            async with self._database.acquire() as connection, snapshot(connection) as store:
                self._take(await newest(store, ids, _NAMES))
            last = ids[-1]
        self._heads = heads

    async def _follow(self) -> None:
        for partition, head in (await self._read_heads()).items():
            seen = self._heads.get(partition, 0)
            if head == seen:
                continue
            if head - seen > _FOLLOWED_BATCHES:
                await self._load()
                return
            async with self._database.acquire() as connection, snapshot(connection) as store:
                rows = newest_of(await store.of_batches(partition, (seen + 1, head), _COLUMNS))
            if any(label not in self._labels for label in rows["car_position"].tolist() if label >= 0):
                await self._read_labels()
            self._take(rows)
            self._heads[partition] = head

    async def _read_heads(self) -> dict[int, int]:
        rows = await self._database.fetch(_sql["stream_heads"])
        if rows:
            ages = [row["age_s"] for row in rows if row["age_s"] is not None]
            self._age_s, self._age_read = min(ages, default=None), time.monotonic()
        return {row["partition"]: row["batch_no"] for row in rows}

    async def _read_labels(self) -> None:
        newest = max(self._labels, default=-1)
        for row in await self._database.fetch(_sql["floor_labels"], newest):
            self._labels[row["id"]] = row["label"]

    def _take(self, rows: Rows) -> None:
        for lift_id, packed in zip(rows["lift_id"].tolist(), _pack(rows), strict=True):
            known = self._rows.get(lift_id)
            if known is None or _ROW.unpack_from(known)[0] <= _ROW.unpack_from(packed)[0]:
                self._rows[lift_id] = packed
