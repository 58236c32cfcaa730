"""What is stored of one device: a line a stream, boot and incarnation, the holes in its numbers by name, and its counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from hoistway.errors import BadInput
from hoistway.ledger.numbers import Line, Numbers, Told
from hoistway.ledger.quarantine import Wanted, reasons
from hoistway.limits import PAGE_ROWS
from hoistway.samples import Wanted as Stored
from hoistway.samples import snapshot
from hoistway.samples.layout import moment, us
from hoistway.store import queries

SQL: Final = queries("hoistway.ledger", "sql/ledger.sql")
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """The books of one device. Lists hold at most a page, the oldest first."""

    device: Row
    streams: Sequence[Row]  # leaf, boot, incarnation, stored, doubled, first and last seq, first and last received
    holes: Sequence[Row]  # leaf, boot, incarnation, first and last seq, why: gone, given-up, not received
    counts: Sequence[Row]  # by class and for all time: received = stored + duplicates + quarantined + cut + coalesced
    quarantine: Sequence[Row]  # by reason, in the stretch

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON document, times in RFC 3339."""
        found: dict[str, Any] = {"device": _plain(self.device)}
        for name in ("streams", "holes", "counts", "quarantine"):
            found[name] = [_plain(row) for row in getattr(self, name)]
        return found


async def ledger(
    connection: Any, device: str, *, since: datetime | None = None, until: datetime | None = None
) -> Ledger:
    """The books of `device`, of what was received from `since` until before `until`. Raises `BadInput` for an unknown device."""
    row = await connection.fetchrow(SQL["ledger_device"], device)
    if row is None:
        raise BadInput(f"device {device!r} is not enrolled", where="--device", expected="a device of the register")
    numbers = await _numbers(connection, row, since, until)
    gaps = await connection.fetch(SQL["ledger_gaps"], row["id"])
    return Ledger(
        device=row,
        streams=[_stream(line, told) for line, told in numbers.lines()[:PAGE_ROWS]],
        holes=_holes(numbers, gaps, from_first=since is not None),
        counts=await connection.fetch(SQL["ledger_counts"], row["id"]),
        quarantine=await reasons(connection, Wanted(device=device, since=since, until=until)),
    )


async def _numbers(connection: Any, row: Row, since: datetime | None, until: datetime | None) -> Numbers:
    """Every number of the device that is stored."""
    numbers = Numbers(*(None if moment is None else us(moment) for moment in (since, until)))
    columns = ("device_id", "boot", "incarnation", "seq", "received")
    async with snapshot(connection) as store:
        async for rows in store.of_lifts(Stored(lifts=row["lift_ids"]), columns):
            mine = rows[rows["device_id"] == row["id"]]
            if len(mine):
                numbers.add("state", *(mine[name].astype(np.int64) for name in columns[1:]))
    events = await connection.fetch(SQL["ledger_events"], row["id"])
    if events:
        told = [(event["boot"], event["incarnation"], event["seq"], us(event["received"])) for event in events]
        numbers.add("event", *np.array(told, np.int64).T)
    return numbers


def _stream(line: Line, told: Told) -> Row:
    return {
        **line._asdict(),
        "stored": told.stored,
        "doubled": told.doubled,
        "first_seq": int(told.inside[0, 0]),
        "last_seq": int(told.inside[-1, 1]),
        "first_received": moment(told.first_received),
        "last_received": moment(told.last_received),
    }


def _holes(numbers: Numbers, gaps: Sequence[Row], *, from_first: bool) -> list[Row]:
    """With what is known about them."""
    given: dict[Line, list[Row]] = {}
    for gap in gaps:
        given.setdefault(Line(gap["stream"], gap["boot"], gap["incarnation"]), []).append(gap)
    found: list[Row] = []
    for line, told in sorted(numbers.lines(), key=lambda item: (item[0].boot, item[0].incarnation, item[0].leaf)):
        for first, last in told.holes(from_first=from_first):
            why = {
                gap["reason"] for gap in given.get(line, ()) if gap["first_seq"] <= last and gap["last_seq"] >= first
            }
            said = ", ".join(sorted(why)) or "not received"
            found.append({**line._asdict(), "first_seq": first, "last_seq": last, "why": said})
    return found[:PAGE_ROWS]


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
        for name, value in row.items()
    }
