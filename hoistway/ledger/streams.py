"""What is stored of one device: a line a stream, boot and incarnation, the holes in its numbers by name, and its counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.ledger.quarantine import Wanted, reasons
from hoistway.limits import PAGE_ROWS
from hoistway.store import queries

SQL: Final = queries("hoistway.ledger", "sql/ledger.sql")
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """The books of one device. Lists hold at most a page, the oldest first."""

    device: Row
    streams: Sequence[Row]  # leaf, boot, incarnation, stored, doubled, first and last seq, first and last received
    holes: Sequence[Row]  # leaf, boot, incarnation, first and last seq, why: gone, given-up, not received
    counts: Sequence[Row]  # by class and for all time: received = stored + duplicates + quarantined + cut
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
    stretch = (row["id"], row["lift_ids"], since, until, PAGE_ROWS)
    return Ledger(
        device=row,
        streams=await connection.fetch(SQL["ledger_streams"], *stretch),
        holes=await connection.fetch(SQL["ledger_holes"], *stretch),
        counts=await connection.fetch(SQL["ledger_counts"], row["id"]),
        quarantine=await reasons(connection, Wanted(device=device, since=since, until=until)),
    )


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
        for name, value in row.items()
    }
