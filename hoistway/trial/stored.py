"""Stored telemetry as a tape: samples and events of some lifts and hours, as their devices would have said them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from alarms.signals import Rows
from hoistway.errors import BadInput
from hoistway.model import SIGNALS, SignalType
from hoistway.samples import COLUMNS, Wanted, snapshot, to_engine
from hoistway.store import queries
from simulators.tape.file import Item

SQL: Final = queries("hoistway.trial", "sql/stored.sql")
RECORDS_MOST: Final = 20_000_000
_BOOLS: Final = frozenset(signal.name for signal in SIGNALS if signal.type is SignalType.BOOL)
_NUMBERS: Final = frozenset(signal.name for signal in SIGNALS if signal.type is SignalType.NUMBER)


async def stored(connection: Any, lifts: Sequence[int], since: datetime, until: datetime) -> list[Item]:
    """The records of these lifts (ids) in the period, by when they were received; numbered anew. Raises BadInput for lifts without a device,
    or more than a tape may hold."""
    devices = {row["lift_id"]: row for row in await connection.fetch(SQL["devices"], list(lifts))}
    lacking = [lift for lift in lifts if lift not in devices]
    if lacking:
        raise BadInput(f"lift {lacking[0]} has no device", where="--lifts", expected="numbers of lifts with a terminal")
    labels = {row["id"]: row["label"] for row in await connection.fetch(SQL["labels"])}
    found: list[tuple[int, int, str, dict[str, Any]]] = []
    async with snapshot(connection) as store:
        async for rows in store.of_lifts(Wanted(lifts=lifts, received=(since, until)), COLUMNS):
            samples = to_engine(rows)
            found += [(*head, "state", values) for head, values in _records(samples, labels)]
            _limit(len(found))
    for row in await connection.fetch(SQL["events"], list(lifts), since, until, RECORDS_MOST):
        values = {"ts": _ms(row["at"]), "code": row["code"], "active": row["active"]}
        found.append((_ms(row["received"]), row["lift_id"], "event", values))
    _limit(len(found))
    return _numbered(sorted(found, key=lambda item: (item[0], item[3]["ts"])), devices)


def _limit(count: int) -> None:
    if count > RECORDS_MOST:
        raise BadInput("too many records", where="--from, --to", expected=f"at most {RECORDS_MOST}")


def _records(samples: Rows, labels: dict[int, str]) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    """Each sample's receive time and lift, and what it said; what is unknown is left out."""
    columns = {signal.name: samples[signal.name].tolist() for signal in SIGNALS}
    heads = zip(samples["received"].tolist(), samples["slot"].tolist(), samples["at"].tolist(), strict=True)
    for place, (received, slot, at) in enumerate(heads):
        values: dict[str, Any] = {"ts": at}
        for name, column in columns.items():
            value = column[place]
            if name in _NUMBERS:
                if not np.isnan(value):
                    values[name] = round(value, 4)
            elif value >= 0:
                values[name] = bool(value) if name in _BOOLS else labels.get(value) if name == "car_position" else value
        yield (received, slot), values


def _numbered(found: Sequence[tuple[int, int, str, dict[str, Any]]], devices: dict[int, Any]) -> list[Item]:
    seqs: dict[tuple[int, str], int] = {}
    items = []
    for received, lift, leaf, values in found:
        seqs[lift, leaf] = seqs.get((lift, leaf), 0) + 1
        record = {"ts": values["ts"], "boot": 1, "seq": seqs[lift, leaf], **values}
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
        items.append(Item(received, devices[lift]["shard"], devices[lift]["device"], leaf, text))
    return items


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)
