"""Recorded telemetry as pieces: JSON lines in the form of the device contract, with the lift or device that each belongs to.

Each line is one sample, or one event where it has a `code`. `lift` or `device` names the unit; `received` is the server's time in ms,
the line's own `ts` where it is missing. The page docs/backtest.md is the format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alarms.signals import EVENT_DTYPE, EVENT_INDEX, Batch, Rows, unknown_samples
from hoistway.errors import BadInput, RefusedMessage
from hoistway.model import EVENT_CODE, SIGNAL, Kind
from ingest.backtest.stream import STEP_S, STEP_SAMPLES, Lift, Piece
from ingest.decode import decode_events, decode_samples, to_columns

LINES: Final = 5_000_000
"""A recorded file may have so many lines; more is for the store."""
_PLACE: Final = frozenset({"received", "device", "lift"})
_ESCALATOR_ONLY: Final = frozenset(signal.name for signal in SIGNAL.values() if signal.kind is Kind.ESCALATOR)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded file, read whole."""

    samples: Rows  # by received
    events: Rows
    lifts: tuple[Lift, ...]

    @property
    def first_ms(self) -> int:
        return min((int(part["at"].min()) for part in (self.samples, self.events) if len(part)), default=0)

    @property
    def last_ms(self) -> int:
        return max((int(part["received"].max()) for part in (self.samples, self.events) if len(part)), default=0)

    def pieces(self) -> Iterator[Piece]:
        """Steps of at most a minute, as the store's."""
        begin, end = self.first_ms, self.last_ms
        yield Piece(kind="listening", clock_ms=begin, batch=Batch.of())
        starts = list(range(begin, end + 1, STEP_S * 1_000))
        for start in starts:
            parts = [
                part[(part["received"] >= start) & (part["received"] < start + STEP_S * 1_000)]
                for part in (self.samples, self.events)
            ]
            for place in range(0, max(1, len(parts[0])), STEP_SAMPLES):
                samples = parts[0][place : place + STEP_SAMPLES]
                upto = int(samples["received"][-1]) if len(samples) == STEP_SAMPLES else start + STEP_S * 1_000
                inside = parts[1][parts[1]["received"] <= upto]
                parts[1] = parts[1][parts[1]["received"] > upto]
                if len(samples) or len(inside):
                    clock = max(int(part["received"].max()) for part in (samples, inside) if len(part))
                    yield Piece(kind="batch", clock_ms=clock, batch=Batch.of(samples=samples, events=inside))


def read(
    lines: Iterable[str], *, source: str, register: Iterable[Lift] = (), codes: dict[str, int] | None = None
) -> Recording:
    """A recording. `codes` are the register's numbers by rescue code and device; units that it does not know get numbers of their own.

    Raises BadInput with the line that cannot be used.
    """
    units = _Units({lift.id: lift for lift in register}, codes or {})
    samples: list[tuple[int, int, Any]] = []
    events: list[tuple[int, int, int, int, bool]] = []
    for number, line in enumerate(lines, 1):
        if number > LINES:
            raise BadInput("too many lines", where=source, expected=f"at most {LINES}")
        if line.strip():
            _line(line, f"{source}, line {number}", units, samples, events)
    return Recording(samples=_rows(samples), events=_events(events), lifts=units.lifts())


def _line(line: str, where: str, units: _Units, samples: list[Any], events: list[Any]) -> None:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BadInput(str(error), where=where, expected="one JSON object a line") from None
    if not isinstance(row, dict) or not isinstance(row.get("ts"), int):
        raise BadInput("no record", where=where, expected='an object with "ts" in ms')
    name = row.get("lift") or row.get("device")
    received = row.get("received", row["ts"])
    if not isinstance(name, str) or not isinstance(received, int):
        raise BadInput("whose record is it, and when", where=where, expected='"lift" or "device", and "received" in ms')
    plain = {"boot": 1, "seq": 1} | {key: value for key, value in row.items() if key not in _PLACE}
    at = min(row["ts"], received)
    try:
        if "code" in row:
            record = decode_events(json.dumps(plain).encode()).records[0]
            if record.code in EVENT_CODE:
                slot = units.slot(name, escalator=EVENT_CODE[record.code].kind is Kind.ESCALATOR)
                events.append((slot, at, received, EVENT_INDEX[record.code], record.active))
            return
        record = decode_samples(json.dumps(plain).encode()).records[0]
    except RefusedMessage as error:
        raise BadInput(str(error), where=where, expected="a record of the device contract (docs/mqtt.md)") from None
    escalator = any(row.get(key) is not None for key in _ESCALATOR_ONLY)
    samples.append((units.slot(name, escalator=escalator), (at, received), record))


class _Units:
    """Numbers of the units that a recording names."""

    def __init__(self, register: dict[int, Lift], codes: dict[str, int]) -> None:
        self._register, self._codes = register, codes
        self._found: dict[str, Lift] = {}
        self._next = max(register, default=0) + 1

    def slot(self, name: str, *, escalator: bool) -> int:
        lift = self._found.get(name)
        if lift is None:
            number = self._codes.get(name)
            lift = self._register.get(number) if number is not None else None
            if lift is None:
                lift = _unknown(self._next, name, escalator=escalator)
                self._next += 1
            self._found[name] = lift
        return lift.id

    def lifts(self) -> tuple[Lift, ...]:
        return tuple({lift.id: lift for lift in self._found.values()}.values())


def _unknown(number: int, name: str, *, escalator: bool) -> Lift:
    return Lift(
        id=number,
        name=name,
        district="",
        escalator=escalator,
        rated_speed=float("nan"),
        parameters={},
        ends=(-1, -1),
    )


def _rows(found: list[tuple[int, Any, Any]]) -> Rows:
    if not found:
        return unknown_samples(0)
    labels: dict[str, int] = {}
    rows, _ = to_columns([record for _, _, record in found], lambda label: labels.setdefault(label, len(labels)))
    rows["slot"] = [slot for slot, _, _ in found]
    rows["at"] = [at for _, (at, _), _ in found]
    rows["received"] = [received for _, (_, received), _ in found]
    rows["clock_error"] = 0
    return rows[np.argsort(rows["received"], kind="stable")]


def _events(found: list[tuple[int, int, int, int, bool]]) -> Rows:
    rows = np.array(found, EVENT_DTYPE)
    return rows[np.argsort(rows["received"], kind="stable")]
