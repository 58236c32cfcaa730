"""Sample rows as few bytes, and back, bit for bit. Pure: rows in, bytes out.

A body is one byte that names the layout, and a zstd frame with a checksum. In the frame the rows stand column by column and byte by byte:
first the lowest byte of a column of every row, then the next. What counts up is told as the step from the row before, the first
row of a body whole; the receive time as how long after the sample it came, the device's stamp as how its offset changed; steps have
their sign in the lowest bit. What repeats, or takes few values, is left to zstd. A column that is the same all the time costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from hoistway.errors import OurFault
from hoistway.samples.layout import COLUMNS, EPOCH_2000_MS, FIELDS, Rows, row_type

LAYOUT: Final = 1
"""Another layout gets another number, and `decode` then knows both."""
LEVEL: Final = 3
"""Tried on a rush hour: level 9 has 6 % fewer bytes and takes five times as long."""

_TIMES: Final = ("received", "at", "ts")
_SIGNED_STEPS: Final = ("batch_no", "seq")
_STEPS: Final = ("boot", "incarnation", "device_id", "lift_id")
_CODED: Final = np.dtype(
    [
        ("at_ms", "<u8"),
        ("lag_ms", "<u8"),
        ("offset_ms", "<u8"),
        ("at_us", "<u2"),
        ("received_us", "<u2"),
        *((name, f"<u{code[1]}") for name, code in FIELDS if name not in _TIMES),
    ]
)
_WIDTH: Final = _CODED.itemsize
_U64: Final = np.dtype("<u8")

Unsigned = NDArray[Any]
Column = NDArray[Any]


def encode(rows: Rows, starts: NDArray[np.int64]) -> Iterator[bytes]:
    """A body for each run of `rows`; a run begins at each of `starts`, the first of which is 0."""
    if not len(rows):
        return
    coded = _code(rows, starts)
    planes = coded.view(np.uint8).reshape(len(coded), _WIDTH)
    press = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    ends = np.append(starts[1:], len(rows))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield bytes([LAYOUT]) + press.compress(planes[start:end].T.tobytes())


def decode(bodies: Sequence[bytes], columns: tuple[str, ...] = COLUMNS) -> Rows:
    """The rows of some bodies one after the other, with these columns. Raises `OurFault` for bytes that are no body."""
    rows = row_type(columns)
    if not bodies:
        return np.empty(0, rows)
    parts = _planes(bodies)
    counts = np.array([part.shape[1] for part in parts])
    read = _Columns(np.concatenate(parts, axis=1), counts)
    found = np.empty(int(counts.sum()), rows)
    for name in columns:
        found[name] = read.column(name).view(found.dtype[name])
    return found


def _planes(bodies: Sequence[bytes]) -> list[NDArray[np.uint8]]:
    unpress = zstandard.ZstdDecompressor()
    parts = []
    for body in bodies:
        if body[:1] != bytes([LAYOUT]):
            raise OurFault(f"samples in layout {body[:1].hex() or 'none'}; this program knows {LAYOUT}")
        try:
            plain = np.frombuffer(unpress.decompress(body[1:]), np.uint8)
        except zstandard.ZstdError as error:
            raise OurFault(f"stored samples cannot be read: {error}") from error
        if len(plain) % _WIDTH:
            raise OurFault(f"stored samples of {len(plain)} bytes; expected a multiple of {_WIDTH}")
        parts.append(plain.reshape(_WIDTH, -1))
    return parts


# --- coding ---


def _code(rows: Rows, starts: NDArray[np.int64]) -> Rows:
    coded = np.empty(len(rows), _CODED)
    at_ms, received_ms = rows["at"] // 1_000, rows["received"] // 1_000
    coded["at_ms"] = _zigzag(_steps(at_ms, starts))
    coded["lag_ms"] = _zigzag(received_ms - at_ms)
    coded["offset_ms"] = _zigzag(_steps(at_ms + EPOCH_2000_MS - rows["ts"], starts))
    coded["at_us"], coded["received_us"] = rows["at"] - at_ms * 1_000, rows["received"] - received_ms * 1_000
    for name, code in FIELDS:
        if name in _TIMES:
            continue
        values = rows[name]
        if name in _SIGNED_STEPS:
            values = _zigzag(_steps(values, starts))
        elif name in _STEPS:
            values = _steps(values, starts)
        coded[name] = np.ascontiguousarray(values).view(f"<u{code[1]}")
    return coded


def _steps(values: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[Any]:
    """From the row before; whole at the beginning of a run. Wraps around, and so does the way back."""
    steps = np.ascontiguousarray(values).copy()
    steps[1:] -= values[:-1]
    steps[starts] = values[starts]
    return steps


def _zigzag(values: NDArray[Any]) -> Unsigned:
    return np.asarray((values << 1) ^ (values >> 63)).view(_U64)


def _unzigzag(values: Unsigned) -> NDArray[Any]:
    return np.asarray((values >> np.uint64(1)) ^ -(values & np.uint64(1))).view("<i8")


class _Columns:
    """The columns of some bodies; each is worked out when it is asked for."""

    def __init__(self, planes: NDArray[np.uint8], counts: NDArray[np.int64]) -> None:
        self._planes, self._counts = planes, counts
        self._starts = np.cumsum(counts) - counts
        self._known: dict[str, NDArray[Any]] = {}

    def column(self, name: str) -> Column:
        """As it was, as bits."""
        match name:
            case "at":
                return np.asarray(self._at_ms() * 1_000 + self._plane("at_us").astype(np.int64))
            case "received":
                received = self._at_ms() + _unzigzag(self._plane("lag_ms"))
                return np.asarray(received * 1_000 + self._plane("received_us").astype(np.int64))
            case "ts":
                return np.asarray(self._at_ms() + EPOCH_2000_MS - self._sums(_unzigzag(self._plane("offset_ms"))))
        values = self._plane(name)
        if name in _SIGNED_STEPS:
            return self._sums(_unzigzag(values))
        return self._sums(values) if name in _STEPS else values

    def _at_ms(self) -> Column:
        if "at_ms" not in self._known:
            self._known["at_ms"] = self._sums(_unzigzag(self._plane("at_ms")))
        return self._known["at_ms"]

    def _plane(self, name: str) -> Unsigned:
        kind, place = _PLACE[name]
        width = kind.itemsize
        return np.ascontiguousarray(self._planes[place : place + width].T).view(kind).reshape(-1)

    def _sums(self, steps: Column) -> Column:
        """The opposite of `_steps`."""
        sums = np.cumsum(steps, dtype=steps.dtype)
        filled = self._counts > 0
        starts, counts = self._starts[filled], self._counts[filled]
        return np.asarray(sums - np.repeat(sums[starts] - steps[starts], counts))


_PLACE: Final[dict[str, tuple[np.dtype[Any], int]]] = {
    name: (_CODED.fields[name][0], int(_CODED.fields[name][1])) for name in _CODED.names or () if _CODED.fields
}
