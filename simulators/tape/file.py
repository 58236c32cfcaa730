"""The tape as a file: messages in compressed blocks, each with its checksum, so that a file that was cut is good up to its last whole block.

Nothing is trusted: a block that is damaged or too large is `BadInput` with its place. Knows no MQTT and no clock.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from hoistway.errors import BadInput
from hoistway.limits import MESSAGE_BYTES, SHARDS

MAGIC: Final = b"hoistway tape 1\n"
BLOCK_BYTES: Final = 256 * 1024
"""A block is closed beyond so much text."""
BLOCK_MOST: Final = 4 * 1024 * 1024
"""No block is larger, packed or not."""
_HEAD: Final = 8
_LEAVES: Final = ("state", "event", "link")
_EXPECTED: Final = "a tape (docs/record.md)"


@dataclass(frozen=True, slots=True)
class Item:
    """One message."""

    at_ms: int  # when it was received
    shard: int
    device: str
    leaf: str  # state, event or link
    payload: bytes


class TapeWriter:
    """Writes a tape; what was written is on disk after each block, and at the end."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._file.write(MAGIC)
        self._lines: list[bytes] = []
        self._size = 0
        self.items = self.too_large = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, item: Item) -> None:
        """A message larger than the contract allows is not kept, and counted."""
        if len(item.payload) > MESSAGE_BYTES:
            self.too_large += 1
            return
        line = _line(item)
        self._lines.append(line)
        self._size += len(line)
        self.items += 1
        if self._size >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Close the block."""
        if not self._lines:
            return
        packed = zlib.compress(b"\n".join(self._lines), 6)
        self._file.write(len(packed).to_bytes(4, "big") + zlib.crc32(packed).to_bytes(4, "big") + packed)
        self._file.flush()
        self._lines, self._size = [], 0

    def close(self) -> None:
        self.flush()
        self._file.close()


def _line(item: Item) -> bytes:
    try:
        said: dict[str, Any] = {"p": item.payload.decode("utf-8")}
    except UnicodeDecodeError:
        said = {"b": base64.b64encode(item.payload).decode()}
    row = {"t": item.at_ms, "s": item.shard, "d": item.device, "l": item.leaf, **said}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def read_tape(path: Path, *, cut: bool = False) -> Iterator[Item]:
    """The messages in order. `cut`: a last block that is not whole is left out; else it is BadInput like any other damage."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise BadInput("another kind of file", where=str(path), expected=_EXPECTED)
            number = 0
            while head := file.read(_HEAD):
                number += 1
                where = f"{path}, block {number}"
                size = int.from_bytes(head[:4], "big")
                packed = file.read(size) if size <= BLOCK_MOST else b""
                if len(head) < _HEAD or len(packed) < size:
                    if cut and size <= BLOCK_MOST:
                        return
                    raise BadInput(
                        "not whole", where=where, expected="a whole block; --cut leaves out a last one that is not"
                    )
                yield from _items(_unpacked(packed, int.from_bytes(head[4:], "big"), where), where)
    except OSError as error:
        raise BadInput(str(error), where=str(path), expected="a file that can be read") from None


def _unpacked(packed: bytes, checksum: int, where: str) -> bytes:
    if zlib.crc32(packed) != checksum:
        raise BadInput("damaged", where=where, expected="a block with its own checksum")
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, BLOCK_MOST)
    except zlib.error as error:
        raise BadInput(str(error), where=where, expected=_EXPECTED) from None
    if unpacker.unconsumed_tail:
        raise BadInput("too large", where=where, expected=f"at most {BLOCK_MOST} bytes a block")
    return text


def _items(text: bytes, where: str) -> Iterable[Item]:
    for number, line in enumerate(text.split(b"\n"), 1):
        try:
            row = json.loads(line)
            payload = base64.b64decode(row["b"], validate=True) if "b" in row else row["p"].encode()
            item = Item(int(row["t"]), int(row["s"]), str(row["d"]), str(row["l"]), payload)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(repr(error), where=f"{where}, message {number}", expected=_EXPECTED) from None
        if item.leaf not in _LEAVES or not 0 <= item.shard < SHARDS or not item.device:
            raise BadInput("no topic of the contract", where=f"{where}, message {number}", expected=_EXPECTED)
        yield item
